/*
 * build: makes expressions for the grammar's actions; see build.h.
 *
 * Enters: tokens and finished parts. Leaves: nodes. Refuses, by a report and an EX_ERROR node:
 * trees over AST_MAX_HEIGHT, unknown words with @, prints with the wrong number of arguments,
 * what needs guru mode.
 */
#include "syntax/build.h"

#include <stdarg.h>
#include <string.h>

#include "syntax/parse.h"

#define TAG "syntax"

bool build_error(struct parser *p, struct span at, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    const char *text = arena_vprintf(p->cx->arena, fmt, ap);
    va_end(ap);
    p->failed = true;
    return diag_error(p->cx->diag, at, TAG, "%s", text);
}

/* ---- syntax errors ---- */

static const char *quoted(struct arena *a, const char *name)
{
    if (name[0] == '\'' || !strncmp(name, "a ", 2) || !strncmp(name, "an ", 3) || strchr(name, ' '))
        return name;
    return arena_printf(a, "'%s'", name);
}

static const char *describe(struct parser *p, const struct token *t)
{
    struct arena *a = p->cx->arena;

    switch (t->kind) {
    case END:
        return "end of file";
    case STRING:
        return "string";
    case EMBEDDED:
        return "embedded code";
    case NUMBER:
        return arena_printf(a, "number %.*s", (int)(t->len < 40 ? t->len : 40), t->text);
    case POINT_NAME:
        return arena_printf(a, "name '%.*s'", (int)(t->len < 40 ? t->len : 40), t->text);
    default:
        return arena_printf(a, "'%.*s'", (int)(t->len < 40 ? t->len : 40), t->text);
    }
}

static bool expects(const char *const *names, uint32_t n, const char *name)
{
    for (uint32_t i = 0; i < n; i++)
        if (!strcmp(names[i], name))
            return true;
    return false;
}

static bool token_is(const struct token *t, const char *text)
{
    return t->len == strlen(text) && !memcmp(t->text, text, t->len);
}

/* Mends that are known. */
static void hint(struct parser *p, const struct token *t, const char *const *names, uint32_t n)
{
    static const char *const starts[] = {"probe", "global", "function", "private"};
    struct diag *d = p->cx->diag;

    if (expects(names, n, "a name") && token_is_keyword(t->kind)) {
        diag_hint(d, "'%.*s' is a keyword and cannot be a name", (int)t->len, t->text);
    } else if (t->kind == IDENT && expects(names, n, "probe")) {
        struct near near;

        near_init(&near, token_text(p->cx->arena, t));
        for (size_t i = 0; i < sizeof(starts) / sizeof(*starts); i++)
            near_try(&near, starts[i]);
        if (near_best(&near))
            diag_hint(d, "did you mean '%s'?", near_best(&near));
        else
            diag_hint(d, "statements stand in a probe's or a function's body");
    } else if (t->kind == ELSE) {
        diag_hint(d,
                  "'else' follows one statement or a block; more than one statement needs '{ }'");
    } else if (token_is(t, "@pfunc")) {
        diag_hint(d, "it is written @pfunc(FUNCTION)");
    } else if (expects(names, n, "a number") && (token_is(t, "string") || token_is(t, "long"))) {
        diag_hint(d, "the result's type follows the name: function NAME:%.*s(...)", (int)t->len,
                  t->text);
    } else if (t->kind == DEC && expects(names, n, "')'")) {
        diag_hint(d, "'--' is one operator; write '- -' for two");
    }
}

/* The text of an option ends where AT should go on: the fault is as likely there. */
static void note_option(const struct parser *p, struct span at)
{
    const struct sources *s = p->cx->sources;
    struct span before = p->feed.before;
    const char *why;

    if (before.file == at.file &&
        span_written(s, before, &why).file != span_written(s, at, &why).file)
        diag_note(p->cx->diag, before, "after what ends here");
}

void build_unexpected(struct parser *p, const struct span *at, const char *const *names, uint32_t n)
{
    const struct feed *f = &p->feed;
    const struct token *t = &f->last;
    struct arena *a = p->cx->arena;
    const char *text;

    p->failed = true;
    if (t->kind == BAD)
        return; /* reported where it was found */
    text = arena_printf(a, "unexpected %s", describe(p, t));
    if (n && n <= 6)
        for (uint32_t i = 0; i < n; i++)
            text = arena_printf(a, "%s%s%s", text,
                                i == 0      ? ", expected "
                                : i + 1 < n ? ", "
                                            : " or ",
                                quoted(a, names[i]));
    diag_error(p->cx->diag, at ? *at : t->at, TAG, "%s", text);
    note_option(p, at ? *at : t->at);
    if ((t->kind == END || t->kind == PROBE || t->kind == GLOBAL || t->kind == PRIVATE ||
         t->kind == FUNCTION) &&
        f->n_open) {
        const struct token *open = &f->open[f->n_open - 1];

        diag_note(p->cx->diag, open->at, "this '%c' is still open",
                  open->kind == GROUP ? '{' : open->kind);
    }
    hint(p, t, names, n);
}

/* ---- nodes ---- */

static uint32_t tallest(uint32_t height, const struct expr *e)
{
    return e && e->height > height ? e->height : height;
}

/* To be called when all parts of E are set. */
static struct expr *done(struct parser *p, struct expr *e)
{
    uint32_t height = tallest(tallest(tallest(0, e->a), e->b), e->c);

    for (uint32_t i = 0; i < e->n_args; i++)
        height = tallest(height, e->args[i]);
    for (const struct component *c = e->comps; c; c = c->next)
        height = tallest(height, c->index);
    if (height >= AST_MAX_HEIGHT) {
        if (!p->too_deep)
            build_error(p, e->op_at, "this expression is nested too deeply (over %d levels)",
                        AST_MAX_HEIGHT);
        p->too_deep = true;
        return expr_new(p->cx->arena, EX_ERROR, e->at);
    }
    e->height = (uint16_t)(height + 1);
    return e;
}

static struct expr *make(struct parser *p, enum expr_kind kind, struct span at, struct span op_at)
{
    struct expr *e = expr_new(p->cx->arena, kind, at);

    e->op_at = op_at;
    e->height = 1;
    return e;
}

static const char *text_of(struct parser *p, const struct token *t)
{
    return t ? token_text(p->cx->arena, t) : NULL;
}

/* The text of a string that is a name; such have no NUL. */
static const char *name_of(struct parser *p, const struct token *t)
{
    if (t && memchr(t->text, '\0', t->len))
        build_error(p, t->at, "there is a NUL in this name");
    return text_of(p, t);
}

struct expr *build_number(struct parser *p, const struct token *t)
{
    struct expr *e = make(p, EX_NUMBER, t->at, t->at);

    e->number = t->number;
    e->type = TYPE_LONG;
    return e;
}

struct expr *build_string(struct parser *p, const struct token *t)
{
    struct expr *e = make(p, EX_STRING, t->at, t->at);

    e->text = text_of(p, t);
    e->len = t->len;
    e->fmt = t->format;
    e->fmt_len = t->format_len;
    e->type = TYPE_STRING;
    return e;
}

struct expr *build_name(struct parser *p, const struct token *t)
{
    struct expr *e = make(p, EX_NAME, t->at, t->at);

    e->text = text_of(p, t);
    return e;
}

struct expr *build_unary(struct parser *p, struct span at, const struct token *t, enum op op,
                         struct expr *a)
{
    struct expr *e = make(p, EX_UNARY, at, t->at);

    e->op = op;
    e->a = a;
    return done(p, e);
}

struct expr *build_binary(struct parser *p, struct span at, const struct token *t, enum op op,
                          struct expr *a, struct expr *b)
{
    struct expr *e = make(p, EX_BINARY, at, t->at);

    e->op = op;
    e->a = a;
    e->b = b;
    return done(p, e);
}

/* Whether it is a variable's, an array's element's, a name that may be either's, or the
 * target's. */
static bool can_be_assigned(const struct expr *e)
{
    switch (e->kind) {
    case EX_NAME:
    case EX_INDEX:
    case EX_TARGET:
    case EX_ATVAR:
    case EX_CAST:
    case EX_AUTOCAST:
    case EX_KDEREF:
    case EX_UDEREF:
    case EX_KREG:
    case EX_UREG:
    case EX_ERROR:
        return true;
    default:
        return false;
    }
}

static void need_place(struct parser *p, const struct expr *e)
{
    if (!can_be_assigned(e))
        build_error(
            p, e->at,
            "only a variable, an element of an array or the target's memory can be assigned to");
}

struct expr *build_assign(struct parser *p, struct span at, const struct token *t, struct expr *a,
                          struct expr *b)
{
    struct expr *e = make(p, EX_ASSIGN, at, t->at);

    e->op = (enum op)t->number; /* "=" has none */
    if (e->op != OP_STAT_ADD)   /* what can take a sample is sema's to say */
        need_place(p, a);
    if (e->op == OP_NONE && a->kind == EX_BINARY)
        diag_hint(p->cx->diag, "'=' assigns, '==' compares");
    e->a = a;
    e->b = b;
    return done(p, e);
}

struct expr *build_incdec(struct parser *p, struct span at, const struct token *t, bool post,
                          struct expr *a)
{
    struct expr *e = make(p, EX_INCDEC, at, t->at);

    need_place(p, a);
    e->op = (enum op)t->number;
    e->post = post;
    e->a = a;
    return done(p, e);
}

struct expr *build_ternary(struct parser *p, struct span at, const struct token *t, struct expr *a,
                           struct expr *b, struct expr *c)
{
    struct expr *e = make(p, EX_TERNARY, at, t->at);

    e->a = a;
    e->b = b;
    e->c = c;
    return done(p, e);
}

struct expr *build_index(struct parser *p, struct span at, struct expr *array, struct exprs keys)
{
    struct expr *e = make(p, EX_INDEX, at, array->op_at);

    e->a = array;
    e->args = keys.v;
    e->n_args = keys.n;
    return done(p, e);
}

struct expr *build_any(struct parser *p, struct span at)
{
    return make(p, EX_ANY, at, at);
}

struct expr *build_in(struct parser *p, struct span at, const struct token *t, struct exprs keys,
                      struct expr *array)
{
    struct expr *e = make(p, EX_IN, at, t->at);

    e->a = array;
    e->args = keys.v;
    e->n_args = keys.n;
    return done(p, e);
}

struct expr *build_match(struct parser *p, struct span at, const struct token *t, struct expr *a,
                         const struct token *pattern)
{
    struct expr *e = make(p, EX_MATCH, at, t->at);

    e->op = (enum op)t->number;
    e->a = a;
    e->text = text_of(p, pattern);
    e->len = pattern->len;
    e->b = expr_string(p->cx->arena, pattern->at, e->text, e->len);
    return done(p, e);
}

struct expr *build_call(struct parser *p, struct span at, const struct token *name,
                        struct exprs args)
{
    struct expr *e = make(p, EX_CALL, at, name->at);

    e->text = text_of(p, name);
    e->args = args.v;
    e->n_args = args.n;
    return done(p, e);
}

/* The format or delimiter is taken off the arguments; a histogram stands alone in print(). */
struct expr *build_print(struct parser *p, struct span at, const struct token *word,
                         struct exprs args)
{
    struct expr *e = make(p, EX_PRINT, at, word->at);
    uint32_t least = 1;

    e->print = (uint32_t)word->number;
    e->text = text_of(p, word);
    if (e->print & (PRINT_FORMAT | PRINT_DELIM)) {
        bool format = e->print & PRINT_FORMAT;

        if (!args.n || args.v[0]->kind != EX_STRING || args.v[0]->parens) {
            build_error(p, args.n ? args.v[0]->at : at, "%s takes a literal string first, the %s",
                        e->text, format ? "format" : "delimiter");
            return make(p, EX_ERROR, at, word->at);
        }
        bool other = format && args.v[0]->fmt;

        e->fmt = other ? args.v[0]->fmt : args.v[0]->text;
        e->fmt_len = other ? args.v[0]->fmt_len : args.v[0]->len;
        args.v++;
        args.n--;
        least = format ? 0 : 2;
    } else if (e->print & PRINT_NEWLINE) {
        least = 0;
    }
    if (args.n < least)
        build_error(p, at, "%s takes at least %u argument%s", e->text, least,
                    least == 1 ? "" : "s");
    for (uint32_t i = 0; i < args.n; i++)
        if (args.v[i]->kind == EX_HIST &&
            (args.n > 1 || (e->print & (PRINT_FORMAT | PRINT_DELIM | PRINT_CHAR))))
            build_error(p, args.v[i]->op_at, "a histogram is printed alone, by print(%s(...))",
                        args.v[i]->text);
    e->args = args.v;
    e->n_args = args.n;
    return done(p, e);
}

struct expr *build_hist(struct parser *p, struct span at, const struct token *word, struct expr *a,
                        struct exprs numbers)
{
    struct expr *e = make(p, EX_HIST, at, word->at);

    e->hist = word->kind == AT_HIST_LOG ? HIST_LOG : HIST_LINEAR;
    e->text = text_of(p, word);
    e->a = a;
    e->args = numbers.v;
    e->n_args = numbers.n;
    if (e->hist == HIST_LINEAR && numbers.n != 3)
        build_error(p, word->at,
                    "@hist_linear takes an aggregate and three numbers: start, stop, interval");
    return done(p, e);
}

struct expr *build_stat(struct parser *p, struct span at, const struct token *word, struct expr *a,
                        const struct token *shift)
{
    struct expr *e = make(p, EX_STAT, at, word->at);

    e->stat = (enum stat_op)word->number;
    e->a = a;
    if (shift) {
        if (e->stat != STAT_VARIANCE)
            build_error(p, shift->at, "%.*s takes one parameter, the aggregate", (int)word->len,
                        word->text);
        e->number = shift->number;
    }
    return done(p, e);
}

/* ---- target variables ---- */

static struct comps component(struct parser *p, struct span at, enum component_kind kind)
{
    struct component *c = ARENA_NEW(p->cx->arena, struct component);

    c->at = at;
    c->kind = kind;
    return (struct comps){c, c};
}

struct comps build_comps_join(struct parser *p, struct comps a, struct comps b)
{
    if (a.last->kind == COMP_PRETTY || a.last->kind == COMP_PRETTY2) {
        build_error(p, b.first->at, "nothing follows '$', which shows the whole value");
        return a;
    }
    a.last->next = b.first;
    a.last = b.last;
    return a;
}

/* N dollars at the end of a name. */
static struct comps pretty(struct parser *p, struct span at, uint32_t n)
{
    if (n > 2)
        build_error(p, at, "expected '$' or '$$'");
    return component(p, at, n == 1 ? COMP_PRETTY : COMP_PRETTY2);
}

struct comps build_pretty(struct parser *p, const struct token *t)
{
    return pretty(p, t->at, t->len);
}

static uint32_t dollars_at_end(const char *s, uint32_t len)
{
    uint32_t n = 0;

    while (n < len && s[len - 1 - n] == '$')
        n++;
    return n;
}

struct comps build_member(struct parser *p, struct span at, const struct token *name)
{
    uint32_t n = dollars_at_end(name->text, name->len);
    struct comps c = component(p, at, COMP_MEMBER);

    c.first->name = arena_strndup(p->cx->arena, name->text, name->len - n);
    return n ? build_comps_join(p, c, pretty(p, at, n)) : c;
}

struct comps build_subscript(struct parser *p, struct span at, struct expr *index)
{
    struct comps c = component(p, at, index->kind == EX_NUMBER ? COMP_INDEX : COMP_EXPR_INDEX);

    if (index->kind == EX_NUMBER)
        c.first->number = index->number;
    else
        c.first->index = index;
    return c;
}

struct expr *build_target(struct parser *p, const struct token *t)
{
    struct expr *e = make(p, EX_TARGET, t->at, t->at);
    uint32_t n = dollars_at_end(t->text, t->len);

    e->text = arena_strndup(p->cx->arena, t->text, t->len - n);
    if (n)
        e->comps = pretty(p, t->at, n).first;
    return e;
}

struct expr *build_atvar(struct parser *p, struct span at, const struct token *word,
                         const struct token *name, const struct token *module)
{
    struct expr *e = make(p, EX_ATVAR, at, word->at);

    e->text = name_of(p, name);
    e->module = name_of(p, module);
    return e;
}

struct expr *build_cast(struct parser *p, struct span at, const struct token *word, struct expr *a,
                        const struct token *type, const struct token *module)
{
    struct expr *e = make(p, EX_CAST, at, word->at);

    if (!type->len)
        build_error(p, type->at, "@cast takes the name of a type");
    e->a = a;
    e->text = name_of(p, type);
    e->module = name_of(p, module);
    return done(p, e);
}

struct expr *build_comps(struct parser *p, struct span at, struct expr *base, struct comps comps)
{
    struct expr *e = base;

    if (!expr_is_target(base) || base->parens) {
        e = make(p, EX_AUTOCAST, at, base->op_at);
        e->a = base;
    }
    if (e->comps) /* $x$ and more */
        build_comps_join(p, (struct comps){e->comps, e->comps}, comps);
    else
        e->comps = comps.first;
    e->at = at;
    return done(p, e);
}

struct expr *build_address(struct parser *p, struct span at, const struct token *t, struct expr *a)
{
    struct expr *e = a;

    if (expr_is_target(a) && a->address_of)
        build_error(p, t->at, "the address of an address cannot be taken");
    if (!expr_is_target(a)) {
        e = make(p, EX_AUTOCAST, at, t->at);
        e->a = a;
    }
    e->address_of = true;
    e->parens = false;
    e->at = at;
    return done(p, e);
}

/* ---- words with @ ---- */

struct expr *build_at_expr(struct parser *p, struct span at, const struct token *word,
                           enum expr_kind kind, struct expr *a)
{
    struct expr *e = make(p, kind, at, word->at);

    e->a = a;
    return done(p, e);
}

/* A word out of a library's macro is the library's. */
static void need_guru(struct parser *p, struct span at, const char *what)
{
    const struct source *written = source_get(p->cx->sources, at.file);

    if (p->privileged || (written && written->tapset))
        return;
    build_error(p, at, "%s is allowed in guru mode only", what);
    diag_hint(p->cx->diag, "-g turns guru mode on");
}

struct expr *build_at_text(struct parser *p, struct span at, const struct token *word,
                           enum expr_kind kind, const struct token *text)
{
    struct expr *e = make(p, kind, at, word->at);

    if (!text->len)
        build_error(p, text->at, "expected a string that is not empty");
    if (kind == EX_ATCONST)
        need_guru(p, word->at, "@const");
    e->text = text_of(p, text);
    e->len = text->len;
    return e;
}

struct expr *build_register(struct parser *p, struct span at, const struct token *word,
                            struct expr *n)
{
    struct expr *e = make(p, (enum expr_kind)word->number, at, word->at);

    if (e->kind == EX_KREG)
        need_guru(p, word->at, "@kregister");
    e->number = n->number;
    return e;
}

struct expr *build_deref(struct parser *p, struct span at, const struct token *word,
                         struct expr *size, struct expr *addr)
{
    struct expr *e = make(p, (enum expr_kind)word->number, at, word->at);

    if (e->kind == EX_KDEREF)
        need_guru(p, word->at, "@kderef");
    e->a = size;
    e->b = addr;
    return done(p, e);
}

struct expr *build_embedded(struct parser *p, const struct token *t)
{
    struct expr *e = make(p, EX_EMBEDDED, t->at, t->at);

    need_guru(p, t->at, "embedded code");
    e->text = text_of(p, t);
    e->len = t->len;
    return e;
}

struct expr *build_unknown_at(struct parser *p, const struct token *t)
{
    static const char *const words[] = {
        "@cast",  "@var",  "@defined", "@probewrite", "@entry",     "@perf",      "@count",
        "@sum",   "@min",  "@max",     "@avg",        "@variance",  "@hist_log",  "@hist_linear",
        "@const", "@enum", "@kderef",  "@uderef",     "@kregister", "@uregister", "@define",
    };
    struct near near;

    near_init(&near, text_of(p, t));
    for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
        near_try(&near, words[i]);
    pp_near(p->feed.pp, &near);
    build_error(p, t->at, "unknown operator or macro '%.*s'", (int)t->len, t->text);
    if (near_best(&near))
        diag_hint(p->cx->diag, "did you mean '%s'?", near_best(&near));
    return make(p, EX_ERROR, t->at, t->at);
}

struct exprs build_append(struct parser *p, struct exprs list, struct expr *e)
{
    list.v = arena_grow(p->cx->arena, list.v, list.n, sizeof(struct expr *));
    list.v[list.n++] = e;
    return list;
}
