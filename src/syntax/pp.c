/*
 * pp: the preprocessor, token by token: script arguments ($1 @1 $# @#), macros (@define) and
 * conditions (%( ... %? ... %: ... %)).
 *
 * Enters: the lexer's tokens of one source. Leaves: tokens as the grammar takes them, each with
 * the expansion it came out of. Refuses: macros without end or with the wrong number of
 * parameters, conditions that are not closed or not understood, arguments that were not
 * given, macros nested over SYNTAX_MAX_NESTING deep (which is how a macro that contains itself
 * shows). The way down: pp_next (conditions) -> scan (macros) -> fetch (bodies) -> raw (arguments).
 */
#include <string.h>

/* Hash tables live in the arena too: HASH_ARENA is a variable where a table grows. */
#define uthash_malloc(size)    arena_alloc(hash_arena, size)
#define uthash_free(ptr, size) ((void)0)
#include <uthash.h>

#include "syntax/token.h"
#include "syntax/parse.h"

#define TAG "syntax"

struct body {
    struct token *v;
    uint32_t n;
};

struct macro {
    const char *name;
    struct span at;
    const char **params;
    uint32_t n_params;
    struct body body;
    bool library;
    UT_hash_handle hh;
};

struct macros {
    struct arena *arena;
    struct macro *by_name;
    void (*missing)(void *arg); /* NULL: nobody, or called */
    void *missing_arg;
};

/* What @param means inside a macro's body: the tokens given, read where the call was written. */
struct env {
    const struct macro *macro;
    struct body *args;
    const struct env *outer; /* of the call */
    bool outer_library;
};

/* A body being read. */
struct activation {
    struct activation *below;
    const struct macro *macro; /* NULL: a parameter */
    const char *name;
    const struct body *body;
    uint32_t cursor;
    const struct env *env;
    bool library; /* the tokens stand in a library macro */
    uint32_t expn;
};

struct condition {
    struct span at;
    bool keep, in_else;
};

struct pp {
    struct compile *cx;
    const struct pp_env *env;
    struct macros *library;
    struct macros file;
    struct lex *lex;
    struct lex *arg; /* the text of a script argument being read */
    uint32_t arg_expn;
    bool arg_spaced;
    bool args_as_written; /* leave $1 alone */
    struct activation *top;
    uint32_t depth;
    uint32_t n_activations, n_expanded;
    struct condition cond[SYNTAX_MAX_NESTING];
    uint32_t n_cond;
    uint32_t nesting; /* "%(" open while a condition is read, for skipping after an error */
    bool stopped;
};

struct macros *macros_new(struct arena *a)
{
    struct macros *m = ARENA_NEW(a, struct macros);

    m->arena = a;
    return m;
}

void macros_when_missing(struct macros *m, void (*fn)(void *arg), void *arg)
{
    m->missing = fn;
    m->missing_arg = arg;
}

struct pp *pp_open(struct compile *cx, const struct pp_env *env, const struct source *src,
                   struct macros *library)
{
    struct pp *pp = ARENA_NEW(cx->arena, struct pp);

    pp->cx = cx;
    pp->env = env;
    pp->library = library;
    pp->lex = lex_open(cx, src);
    return pp;
}

void pp_close(struct pp *pp)
{
    lex_close(pp->lex);
    if (pp->arg)
        lex_close(pp->arg);
}

static void bad(struct token *t)
{
    t->kind = BAD;
    t->problem = NULL;
}

/* ---- arguments ---- */

/* Turns the ARG token T into what the argument says: a token, or a text to read on from. */
static void substitute(struct pp *pp, struct token *t)
{
    struct arena *a = pp->cx->arena;
    bool quoted = t->text[0] == '@';
    const char *value, *suffix = "";
    uint32_t suffix_len = 0;

    if (pp->arg) {
        t->kind = BAD;
        t->problem = "a script argument cannot name another one";
        return;
    }
    if (t->number < 0) {
        value = arena_printf(a, "%u", pp->env->n_args);
    } else if (t->number == 0 || t->number > pp->env->n_args) {
        t->kind = BAD;
        t->problem = arena_printf(a, "no script argument %.*s was given (there %s %u)", (int)t->len,
                                  t->text, pp->env->n_args == 1 ? "is" : "are", pp->env->n_args);
        return;
    } else {
        value = pp->env->args[t->number - 1];
    }
    if (quoted) {
        t->kind = STRING;
        t->text = value;
        t->len = (uint32_t)strlen(value);
        return;
    }
    for (uint32_t i = 1; i < t->len; i++)
        if (t->text[i] != '#' && (t->text[i] < '0' || t->text[i] > '9')) {
            suffix = t->text + i;
            suffix_len = t->len - i;
            break;
        }
    const char *word = arena_strndup(a, t->text, t->len - suffix_len);
    char *text = arena_printf(a, "%s%.*s", value, (int)suffix_len, suffix);
    struct source *src = source_add(pp->cx->sources, arena_printf(a, "<argument %s>", word), text,
                                    (uint32_t)strlen(text));

    pp->arg_expn = expansion_add(pp->cx->sources,
                                 arena_printf(a, "script argument %s stands here", word), t->at);
    pp->arg_spaced = t->spaced;
    pp->arg = lex_open(pp->cx, src);
}

static void raw(struct pp *pp, struct token *t)
{
    for (;;) {
        if (pp->arg) {
            lex_next(pp->arg, t);
            if (t->kind == END) {
                lex_close(pp->arg);
                pp->arg = NULL;
                continue;
            }
            t->at.expn = pp->arg_expn;
            if (t->at.off == 0)
                t->spaced = pp->arg_spaced;
        } else {
            lex_next(pp->lex, t);
        }
        if (t->kind != ARG || pp->args_as_written)
            return;
        substitute(pp, t);
        if (t->kind != ARG)
            return;
    }
}

/* ---- macros ---- */

/* The next token of the text or of the body being read; false at that body's end. */
static bool fetch(struct pp *pp, struct token *t)
{
    struct activation *act = pp->top;

    if (!act) {
        raw(pp, t);
        return true;
    }
    if (act->cursor == act->body->n)
        return false;
    if (pp->n_expanded++ == SYNTAX_MAX_TOKENS) {
        pp->stopped = true;
        *t = (struct token){.at = act->body->v[act->cursor].at,
                            .kind = BAD,
                            .problem = "macros expand to too many tokens"};
        return true;
    }
    *t = act->body->v[act->cursor++];
    t->at.expn = act->expn;
    return true;
}

static void leave(struct pp *pp)
{
    pp->top = pp->top->below;
    pp->depth--;
}

static void body_add(struct pp *pp, struct body *b, const struct token *t)
{
    b->v = arena_grow(pp->cx->arena, b->v, b->n, sizeof(*b->v));
    b->v[b->n++] = *t;
}

static struct macro *find(const struct macros *m, const char *name, uint32_t len)
{
    struct macro *found = NULL;

    if (m)
        HASH_FIND(hh, m->by_name, name, len, found);
    return found;
}

/* A library macro by T. A word of the language, which a macro may be called too, is never missing.
 */
static struct macro *find_library(struct macros *m, const struct token *t)
{
    struct macro *found = find(m, t->text + 1, t->len - 1);
    void (*missing)(void *) = !found && m && t->kind == AT_OTHER ? m->missing : NULL;

    if (!missing)
        return found;
    m->missing = NULL;
    missing(m->missing_arg);
    return find(m, t->text + 1, t->len - 1);
}

/* Skips to the "%)" that closes NESTING "%(". */
static void skip_to_close(struct pp *pp, uint32_t nesting)
{
    struct token t = {0};

    while (nesting && t.kind != END) {
        if (!fetch(pp, &t)) {
            if (!pp->top)
                return;
            leave(pp);
            continue;
        }
        if (t.kind == PP_OPEN)
            nesting++;
        else if (t.kind == PP_CLOSE)
            nesting--;
    }
}

/* The tokens up to the "%)" that closes the one just read, without it. */
static bool read_body(struct pp *pp, struct body *b)
{
    struct token t;
    uint32_t nesting = 1;

    for (;;) {
        raw(pp, &t);
        if (t.kind == END)
            return false;
        if (t.kind == PP_OPEN)
            nesting++;
        else if (t.kind == PP_CLOSE && --nesting == 0)
            return true;
        if (b->n < SYNTAX_MAX_TOKENS)
            body_add(pp, b, &t);
    }
}

/* (a, b) as it stands after a macro's name; the "%(" is read too. T: the last token read. */
static bool read_signature(struct pp *pp, struct macro *m, struct token *t)
{
    struct diag *d = pp->cx->diag;

    raw(pp, t);
    if (t->kind == '(') {
        do {
            raw(pp, t);
            if (t->kind != IDENT)
                return diag_error(d, t->at, TAG, "expected the name of a macro parameter");
            if (m->n_params == 255)
                return diag_error(d, t->at, TAG, "a macro takes at most 255 parameters");
            m->params = arena_grow(pp->cx->arena, m->params, m->n_params, sizeof(*m->params));
            m->params[m->n_params++] = token_text(pp->cx->arena, t);
            raw(pp, t);
        } while (t->kind == ',');
        if (t->kind != ')')
            return diag_error(d, t->at, TAG, "expected ',' or ')' in the parameters of macro '@%s'",
                              m->name);
        raw(pp, t);
    }
    if (t->kind != PP_OPEN)
        return diag_error(d, t->at, TAG, "expected '%%(' and the body of macro '@%s'", m->name);
    return true;
}

/* After an error in a macro's head: its body, too, is to be skipped. */
static void skip_definition(struct pp *pp, const struct token *last)
{
    struct token t = *last;

    for (int i = 0; i < 16 && t.kind != PP_OPEN && t.kind != END; i++)
        raw(pp, &t);
    if (t.kind == PP_OPEN)
        read_body(pp, &(struct body){0});
}

/* After "@define"; false after an error. */
static bool define(struct pp *pp, struct token *t)
{
    struct diag *d = pp->cx->diag;
    struct macro *m = ARENA_NEW(pp->cx->arena, struct macro);
    struct token name;

    if (pp->top)
        return diag_error(d, t->at, TAG, "a macro cannot be defined inside the body of another");
    raw(pp, &name);
    if (name.kind != IDENT) {
        skip_definition(pp, &name);
        return diag_error(d, name.at, TAG, "expected the name of the macro after '@define'");
    }
    m->name = token_text(pp->cx->arena, &name);
    m->at = name.at;
    if (!read_signature(pp, m, t)) {
        skip_definition(pp, t);
        return false;
    }
    if (!read_body(pp, &m->body))
        return diag_error(d, m->at, TAG, "the body of macro '@%s' is not closed: no '%%)' follows",
                          m->name);
    const struct macro *old = find(&pp->file, m->name, name.len);

    if (old || !strcmp(m->name, "define")) {
        diag_error(d, m->at, TAG, "macro '@%s' is defined already", m->name);
        if (old)
            diag_note(d, old->at, "it is first defined here");
        return true; /* the text goes on soundly */
    }
    struct arena *hash_arena = pp->cx->arena;

    HASH_ADD_KEYPTR(hh, pp->file.by_name, m->name, name.len, m);
    return true;
}

/* One argument of a macro call, up to "," or ")" outside brackets; which of them, or END. */
static int read_argument(struct pp *pp, struct body *b, struct token *t)
{
    uint32_t nesting = 0;

    while (fetch(pp, t)) {
        if (t->kind == END)
            return END;
        if (t->kind == '(' || t->kind == '[')
            nesting++;
        else if (nesting && (t->kind == ')' || t->kind == ']'))
            nesting--;
        else if (!nesting && (t->kind == ')' || t->kind == ','))
            return t->kind;
        body_add(pp, b, t);
    }
    return END;
}

static bool read_arguments(struct pp *pp, const struct macro *m, const struct token *call,
                           struct body *args)
{
    struct diag *d = pp->cx->diag;
    const char *s = m->n_params == 1 ? "" : "s";
    struct token t;

    if (!fetch(pp, &t) || t.kind != '(')
        return diag_error(d, call->at, TAG, "macro '@%s' takes %u parameter%s: expected '('",
                          m->name, m->n_params, s);
    for (uint32_t i = 0; i < m->n_params; i++) {
        int end = read_argument(pp, &args[i], &t);

        if (end == END)
            return diag_error(d, call->at, TAG, "this call of macro '@%s' is not closed", m->name);
        if ((end == ',') != (i + 1 < m->n_params)) {
            diag_error(d, t.at, TAG, "too %s parameters for macro '@%s', which takes %u",
                       end == ',' ? "many" : "few", m->name, m->n_params);
            diag_note(d, m->at, "macro '@%s' is defined here", m->name);
            while (end == ',') /* go on after the call */
                end = read_argument(pp, &(struct body){0}, &t);
            return false;
        }
    }
    return true;
}

/* "@a -> @b -> @a": the shortest way from the macro on top back to itself. */
static const char *chain(struct pp *pp, const struct macro *m)
{
    const char *text = arena_printf(pp->cx->arena, "@%s", m->name);
    int n = 0;

    for (struct activation *act = pp->top; act && n < 16; act = act->below) {
        if (!act->macro)
            continue;
        text = arena_printf(pp->cx->arena, "@%s -> %s", act->name, text);
        n++;
        if (act->macro == m)
            break;
    }
    return text;
}

static bool enter(struct pp *pp, struct activation *act, const struct token *call)
{
    if (pp->depth >= SYNTAX_MAX_NESTING || pp->n_activations >= SYNTAX_MAX_TOKENS) {
        bool deep = pp->depth >= SYNTAX_MAX_NESTING;

        pp->stopped = true;
        if (deep && act->macro) {
            struct span at = call->at;

            at.expn = 0; /* the message names the chain */
            return diag_error(pp->cx->diag, at, TAG, "macros nest without end: %s",
                              chain(pp, act->macro));
        }
        return diag_error(pp->cx->diag, call->at, TAG,
                          deep ? "macros are nested too deeply" : "macros expand without end");
    }
    act->below = pp->top;
    act->expn = expansion_add(pp->cx->sources,
                              arena_printf(pp->cx->arena, "in the expansion of %s '@%s'",
                                           act->macro ? "macro" : "parameter", act->name),
                              call->at);
    pp->top = act;
    pp->depth++;
    pp->n_activations++;
    return true;
}

/* A word with @: 1 a macro was entered, 0 it is no macro, -1 error. */
static int invoke(struct pp *pp, struct token *t)
{
    const struct activation *top = pp->top;
    const struct env *env = top ? top->env : NULL;
    bool library = top && top->library;
    const struct macro *m = NULL;
    struct activation *act;

    for (uint32_t i = 0; env && i < env->macro->n_params; i++) {
        if (!(strlen(env->macro->params[i]) == t->len - 1 &&
              !memcmp(env->macro->params[i], t->text + 1, t->len - 1)))
            continue;
        act = ARENA_NEW(pp->cx->arena, struct activation);
        act->name = env->macro->params[i];
        act->body = &env->args[i];
        act->env = env->outer;
        act->library = env->outer_library;
        return enter(pp, act, t) ? 1 : -1;
    }
    if (!library)
        m = find(&pp->file, t->text + 1, t->len - 1);
    if (!m)
        m = find_library(pp->library, t);
    if (!m)
        return 0;
    struct env *inner = ARENA_NEW(pp->cx->arena, struct env);

    inner->macro = m;
    inner->outer = env;
    inner->outer_library = library;
    if (m->n_params) {
        inner->args = ARENA_ARRAY(pp->cx->arena, struct body, m->n_params);
        if (!read_arguments(pp, m, t, inner->args))
            return -1;
    }
    act = ARENA_NEW(pp->cx->arena, struct activation);
    act->macro = m;
    act->name = m->name;
    act->body = &m->body;
    act->env = inner;
    act->library = m->library;
    return enter(pp, act, t) ? 1 : -1;
}

/* The next token, definitions taken out and macros expanded. */
static void scan(struct pp *pp, struct token *t)
{
    while (!pp->stopped) {
        if (!fetch(pp, t)) {
            leave(pp);
            continue;
        }
        if (t->kind == DEFINE) {
            if (define(pp, t))
                continue;
            bad(t);
            return;
        }
        if (t->len && t->text[0] == '@' && t->kind >= AT_CAST && t->kind <= AT_OTHER) {
            int found = invoke(pp, t);

            if (found > 0)
                continue;
            if (found < 0)
                bad(t);
        }
        return;
    }
    *t = (struct token){.kind = END, .at = t->at};
}

/* ---- conditions ---- */

static void operand(struct pp *pp, struct token *t)
{
    scan(pp, t);
    if (t->kind == PP_OPEN)
        pp->nesting++;
    else if (t->kind == PP_CLOSE && pp->nesting)
        pp->nesting--;
}

/* "defined ( $1 )" after its first word. */
static bool eval_defined(struct pp *pp, const struct token *word, bool *value)
{
    struct token open, arg, close;

    pp->args_as_written = true;
    operand(pp, &open);
    operand(pp, &arg);
    pp->args_as_written = false;
    operand(pp, &close);
    if (open.kind != '(' || arg.kind != ARG || close.kind != ')')
        return diag_error(pp->cx->diag, word->at, TAG,
                          "expected a script argument: defined($1) or defined(@1)");
    *value = arg.number < 0 || (arg.number > 0 && arg.number <= pp->env->n_args);
    return true;
}

/* After "%(": reads up to "%?". && binds stronger than ||. */
static bool condition(struct pp *pp, const struct token *open, bool *result)
{
    struct token l, op, r, next;
    bool all = true;

    *result = false;
    for (;;) {
        bool value = false;

        operand(pp, &l);
        if (l.kind == BAD)
            return l.problem ? diag_error(pp->cx->diag, l.at, TAG, "%s", l.problem) : false;
        if (l.kind == IDENT && token_equal(&l, "defined")) {
            if (!eval_defined(pp, &l, &value))
                return false;
        } else {
            operand(pp, &op);
            operand(pp, &r);
            if (r.kind == END)
                return diag_error(pp->cx->diag, open->at, TAG, "this condition is not complete");
            if (r.kind == BAD)
                return r.problem ? diag_error(pp->cx->diag, r.at, TAG, "%s", r.problem) : false;
            if (!cond_eval(pp->cx, pp->env, &l, &op, &r, &value))
                return false;
        }
        all = all && value;
        operand(pp, &next);
        if (next.kind == LAND)
            continue;
        *result = *result || all;
        all = true;
        if (next.kind != LOR)
            break;
    }
    if (next.kind != PP_THEN) {
        diag_error(pp->cx->diag, next.at, TAG, "expected '%%?' after the condition");
        diag_note(pp->cx->diag, open->at, "the condition starts here");
        return false;
    }
    return true;
}

/* Drops tokens up to the "%:" or "%)" of the condition in hand. */
static void skip_branch(struct pp *pp, struct token *t)
{
    uint32_t nesting = 0;

    for (;;) {
        if (!fetch(pp, t)) {
            leave(pp);
            continue;
        }
        if (t->kind == END)
            return;
        if (t->kind == PP_OPEN)
            nesting++;
        else if (nesting && t->kind == PP_CLOSE)
            nesting--;
        else if (!nesting && (t->kind == PP_ELSE || t->kind == PP_THEN || t->kind == PP_CLOSE))
            return;
    }
}

/* Handles one of the %-brackets; false: T is BAD now. */
static bool bracket(struct pp *pp, struct token *t)
{
    struct condition *c = pp->n_cond ? &pp->cond[pp->n_cond - 1] : NULL;
    struct diag *d = pp->cx->diag;
    bool result;

    switch (t->kind) {
    case PP_CLOSE:
        if (!c)
            return diag_error(d, t->at, TAG, "'%%)' without a '%%('");
        pp->n_cond--;
        return true;
    case PP_ELSE:
        if (!c)
            return diag_error(d, t->at, TAG, "'%%:' without a '%%('");
        if (c->in_else)
            return diag_error(d, t->at, TAG, "this condition has a '%%:' already");
        c->in_else = true;
        c->keep = !c->keep;
        return true;
    case PP_THEN:
        if (c)
            c->keep = false; /* drop the rest of it */
        return diag_error(d, t->at, TAG,
                          c ? "this condition has a '%%?' already" : "'%%?' without a '%%('");
    default:
        if (pp->n_cond == SYNTAX_MAX_NESTING) {
            pp->stopped = true;
            return diag_error(d, t->at, TAG, "conditions are nested too deeply");
        }
        pp->nesting = 1;
        if (!condition(pp, t, &result)) {
            skip_to_close(pp, pp->nesting);
            return false;
        }
        pp->cond[pp->n_cond++] = (struct condition){.at = t->at, .keep = result};
        return true;
    }
}

void pp_next(struct pp *pp, struct token *t)
{
    for (;;) {
        const struct condition *c = pp->n_cond ? &pp->cond[pp->n_cond - 1] : NULL;

        if (c && !c->keep && !pp->stopped)
            skip_branch(pp, t);
        else
            scan(pp, t);
        switch (t->kind) {
        case PP_OPEN:
        case PP_THEN:
        case PP_ELSE:
        case PP_CLOSE:
            if (bracket(pp, t))
                continue;
            bad(t);
            return;
        case BAD:
            if (t->problem)
                diag_error(pp->cx->diag, t->at, TAG, "%s", t->problem);
            t->problem = NULL;
            return;
        case END:
            if (pp->n_cond && !pp->stopped) {
                diag_error(pp->cx->diag, pp->cond[pp->n_cond - 1].at, TAG,
                           "this condition is not closed: no '%%)' follows");
                pp->n_cond = 0;
                bad(t);
            }
            return;
        default:
            return;
        }
    }
}

/* ---- libraries and hints ---- */

bool pp_export(struct pp *pp)
{
    struct macro *m, *next;
    bool ok = true;

    if (!pp->library)
        return true;
    struct arena *hash_arena = pp->library->arena;

    HASH_ITER (hh, pp->file.by_name, m, next) {
        const struct macro *old = find(pp->library, m->name, (uint32_t)strlen(m->name));

        HASH_DELETE(hh, pp->file.by_name, m);
        if (old) {
            ok = diag_error(pp->cx->diag, m->at, TAG, "library macro '@%s' is defined already",
                            m->name);
            diag_note(pp->cx->diag, old->at, "it is first defined here");
            continue;
        }
        m->library = true;
        HASH_ADD_KEYPTR(hh, pp->library->by_name, m->name, strlen(m->name), m);
    }
    return ok;
}

static void near_macros(const struct macros *m, struct arena *a, struct near *n)
{
    for (const struct macro *i = m ? m->by_name : NULL; i; i = i->hh.next)
        near_try(n, arena_printf(a, "@%s", i->name));
}

void pp_near(const struct pp *pp, struct near *n)
{
    near_macros(&pp->file, pp->cx->arena, n);
    near_macros(pp->library, pp->cx->arena, n);
}
