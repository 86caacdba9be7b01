/*
 * checked: a printed script on its way out of a jail (jail/jail.h): stap compiles it in guru mode
 * into a module of the kernel, and whoever printed it may have been taken over by a file that it
 * read. Enters: flat bytes; leaves: a script that can do no more than the user's. Refused: bytes
 * that do not hold together; C that no script and no tapset has; calls of what neither says; what
 * acts (system(), panic()), unless the user's own text has the word; writing without -g.
 *
 * Allowed is what a list of words says, so a new construct of the printer is refused until it
 * stands here. What is probed, and what is printed, is not looked at: a reader that was taken over
 * can show what it likes, and slow the target down.
 */
#include "stap/internal.h"

#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/bytes.h"
#include "base/diag.h"

enum { TEXT_MAX = 64 << 20, MODULES_MAX = 4096, POINTS_MAX = 1 << 20, NAME_LEN_MAX = 4096 };

/* ---- flat ---- */

struct flat_head {
    uint64_t text, names; /* bytes: the script's; of the names, each with its NUL */
    uint32_t needs, n_modules, n_points, reserved;
};
struct flat_point {
    uint64_t vaddr;
};

void stap_flat_put(FILE *f, const struct stap_script *s)
{
    struct flat_head h = {
        .text = s->len, .needs = s->needs, .n_modules = s->n_modules, .n_points = s->points.n};

    for (uint32_t i = 0; i < s->n_modules; i++)
        h.names += strlen(s->modules[i].name) + 1;
    for (uint32_t i = 0; i < s->points.n; i++)
        h.names += strlen(s->points.v[i].path) + 1;
    fwrite(&h, sizeof(h), 1, f);
    for (uint32_t i = 0; i < s->n_modules; i++)
        fwrite(&s->modules[i], sizeof(s->modules[i]), 1, f);
    for (uint32_t i = 0; i < s->points.n; i++)
        fwrite(&(struct flat_point){s->points.v[i].vaddr}, sizeof(struct flat_point), 1, f);
    for (uint32_t i = 0; i < s->n_modules; i++)
        fwrite(s->modules[i].name, strlen(s->modules[i].name) + 1, 1, f);
    for (uint32_t i = 0; i < s->points.n; i++)
        fwrite(s->points.v[i].path, strlen(s->points.v[i].path) + 1, 1, f);
    fwrite(s->text, 1, s->len, f);
}

/* The next of the names at *P; NULL: there is none. */
static const char *next_name(const char **p, const char *end)
{
    size_t n = strnlen(*p, (size_t)(end - *p));
    const char *s = *p;

    if (s + n >= end || n >= NAME_LEN_MAX)
        return NULL;
    *p += n + 1;
    return s;
}

static bool is_sound(const struct stap_module *m)
{
    return m->id.len <= BUILD_ID_MAX && m->first <= m->last;
}

bool stap_flat_get(struct arena *a, const void *data, size_t n, struct stap_script *out)
{
    struct flat_head h;

    if (n < sizeof(h))
        return false;
    memcpy(&h, data, sizeof(h));
    size_t records = h.n_modules * sizeof(struct stap_module) + h.n_points * sizeof(uint64_t);

    if (h.n_modules > MODULES_MAX || h.n_points > POINTS_MAX || h.text > TEXT_MAX ||
        h.names > TEXT_MAX || n != sizeof(h) + records + h.names + h.text)
        return false;
    char *copy = arena_alloc(a, n + 1);

    memcpy(copy, data, n);
    copy[n] = '\0';
    const char *p = copy + sizeof(h), *names = p + records, *end = names + h.names;

    *out = (struct stap_script){
        .text = end,
        .len = h.text,
        .needs = h.needs,
        .modules = ARENA_ARRAY(a, struct stap_module, h.n_modules + 1),
        .n_modules = h.n_modules,
        .points = {ARENA_ARRAY(a, struct stap_point, h.n_points + 1), h.n_points}};
    bool ok = !memchr(end, '\0', h.text);

    for (uint32_t i = 0; i < h.n_modules; i++, p += sizeof(struct stap_module)) {
        memcpy(&out->modules[i], p, sizeof(struct stap_module));
        out->modules[i].name = next_name(&names, end);
        ok = ok && out->modules[i].name && is_sound(&out->modules[i]);
    }
    for (uint32_t i = 0; i < h.n_points; i++, p += sizeof(struct flat_point)) {
        memcpy(&out->points.v[i].vaddr, p, sizeof(struct flat_point));
        out->points.v[i].path = next_name(&names, end);
        ok = ok && out->points.v[i].path;
    }
    return ok && names == end;
}

/* ---- tokens, as SystemTap's lexer makes them ---- */

enum token_kind { T_END, T_BAD, T_WORD, T_STRING, T_CHUNK, T_NUMBER, T_OTHER };

struct token {
    enum token_kind kind;
    const char *s;
    uint32_t n;
};

struct scan {
    const char *p, *end;
};

/* Comments and blanks. False: a comment without an end. */
static bool skip_blanks(struct scan *s)
{
    while (s->p < s->end) {
        size_t left = (size_t)(s->end - s->p);

        if (strchr(" \t\r\n\f\v", *s->p)) {
            s->p++;
        } else if (*s->p == '#' || (left > 1 && !memcmp(s->p, "//", 2))) {
            const char *eol = memchr(s->p, '\n', left);

            s->p = eol ? eol : s->end;
        } else if (left > 1 && !memcmp(s->p, "/*", 2)) {
            const char *close = memmem(s->p + 2, left - 2, "*/", 2);

            if (!close)
                return false;
            s->p = close + 2;
        } else {
            break;
        }
    }
    return true;
}

static const char *end_of_string(const char *p, const char *end)
{
    for (p++; p < end && *p != '"' && *p != '\n'; p++)
        if (*p == '\\' && p + 1 < end)
            p++;
    return p < end && *p == '"' ? p + 1 : NULL;
}

/* Length of the operator at P; the longest counts. */
static size_t operator_len(const char *p, size_t left)
{
    static const char *const longer[] = {">>=", "<<=", "<<<", "<=", ">=", "==", "!=", "=~", "!~",
                                         "++",  "--",  "->",  "+=", "-=", "*=", "/=", "%=", "&=",
                                         "|=",  "^=",  ".=",  "&&", "||", "<<", ">>"};

    for (size_t i = 0; i < sizeof(longer) / sizeof(*longer); i++)
        if (strlen(longer[i]) <= left && !memcmp(p, longer[i], strlen(longer[i])))
            return strlen(longer[i]);
    return 1;
}

static struct token next_token(struct scan *s)
{
    bool sound = skip_blanks(s);
    struct token t = {T_BAD, s->p, 1};
    size_t left = (size_t)(s->end - s->p);
    const char *end = NULL;

    if (!sound)
        return t;
    if (!left)
        return (struct token){T_END, s->p, 0};
    if (*s->p == '"') {
        end = end_of_string(s->p, s->end);
        t.kind = end ? T_STRING : T_BAD;
    } else if (left > 1 && !memcmp(s->p, "%{", 2)) {
        end = memmem(s->p + 2, left - 2, "%}", 2);
        end = end ? end + 2 : NULL;
        t.kind = end ? T_CHUNK : T_BAD;
    } else if (left > 1 && !memcmp(s->p, "%(", 2)) {
        return t; /* a choice of the preprocessor's, which is done when a script is printed */
    } else if (is_word(*s->p) || *s->p == '@' || *s->p == '$') {
        t.kind = *s->p >= '0' && *s->p <= '9' ? T_NUMBER : T_WORD;
        for (end = s->p; end < s->end && (*end == '@' || *end == '$'); end++)
            ;
        if (end > s->p && (end == s->end || !is_word(*end) || (*end >= '0' && *end <= '9')))
            t.kind = T_BAD; /* an argument of the command line */
        while (end < s->end && is_word(*end))
            end++;
    } else if (*s->p > ' ' && *s->p <= '~') {
        end = s->p + operator_len(s->p, left);
        t.kind = T_OTHER;
    }
    if (!end || t.kind == T_BAD)
        return (struct token){T_BAD, s->p, 1};
    t.n = (uint32_t)(end - s->p);
    s->p = end;
    return t;
}

static bool is(const struct token *t, const char *text)
{
    return t->n == strlen(text) && !memcmp(t->s, text, t->n);
}

/* ---- what is said already ---- */

struct tokens {
    struct token *v;
    uint32_t n;
};

struct check {
    struct arena *a;
    const struct stap_script *script;
    struct tokens all;  /* of the scripts and the tapset, sorted; "@const" with its text */
    struct tokens user; /* of the user's own */
    struct tokens own;  /* functions that the script has */
    bool guru, any;
};

static void add(struct arena *a, struct tokens *to, struct token t)
{
    to->v = arena_grow(a, to->v, to->n, sizeof(t));
    to->v[to->n++] = t;
}

static int by_text(const void *a, const void *b)
{
    const struct token *x = a, *y = b;
    int order = memcmp(x->s, y->s, x->n < y->n ? x->n : y->n);

    return order ? order : x->n < y->n ? -1 : x->n > y->n;
}

static void sort(struct tokens *t)
{
    if (t->n)
        qsort(t->v, t->n, sizeof(*t->v), by_text);
}

static bool holds(const struct tokens *t, const struct token *one)
{
    return t->n && bsearch(one, t->v, t->n, sizeof(*t->v), by_text);
}

/* What a source that cannot be read to its end has beyond it was never run either. */
static void read_source(struct check *c, const struct source *src)
{
    struct scan s = {src->text, src->text + src->len};
    struct token t, before = {0}, last = {0};

    for (; (t = next_token(&s)).kind != T_END; before = last, last = t) {
        if (t.kind == T_BAD) {
            s.p++;
            continue;
        }
        if (t.kind == T_STRING && before.n && is(&before, "@const"))
            add(c->a, &c->all, t);
        if (t.kind != T_WORD && t.kind != T_CHUNK)
            continue;
        add(c->a, &c->all, t);
        if (!src->tapset)
            add(c->a, &c->user, t);
    }
}

static void read_sources(struct check *c, const struct sources *all)
{
    struct source *src;

    for (uint32_t id = 1; (src = source_get(all, id)); id++)
        read_source(c, src);
    sort(&c->all);
    sort(&c->user);
}

/* ---- words ---- */

/* What does something to the machine, with SystemTap 2.3 to 5: by its beginning. */
static const char *const acts[] = {"system",    "raise",       "printk",       "panic",
                                   "ftrace",    "mdelay",      "udelay",       "sigset",
                                   "set_user_", "set_kernel_", "kernel_write", "proc_set"};

/* What the printer says by itself, before a '('. */
static const char *const printed[] = {"process", "function", "statement", "sample", "println",
                                      "printf",  "if",       "while",     "for",    "foreach",
                                      "switch",  "catch",    "return",    "delete", "in"};

static const char *const of_statistics[] = {
    "@count", "@sum", "@min", "@max", "@avg", "@variance", "@hist_log", "@hist_linear", "@entry"};

static bool is_one_of(const struct token *t, const char *const *words, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (is(t, words[i]))
            return true;
    return false;
}
#define IS_ONE_OF(t, words) is_one_of(t, words, sizeof(words) / sizeof(*(words)))

static bool acts_by(const struct token *t)
{
    for (size_t i = 0; i < sizeof(acts) / sizeof(*acts); i++)
        if (t->n >= strlen(acts[i]) && !memcmp(t->s, acts[i], strlen(acts[i])))
            return true;
    return false;
}

static bool may_call(const struct check *c, const struct token *t)
{
    if (acts_by(t))
        return c->any || holds(&c->user, t);
    return IS_ONE_OF(t, printed) || holds(&c->own, t) || holds(&c->all, t) ||
           stap_name_given(t->s, t->n, c->script->needs);
}

static bool is_assignment(const struct token *t)
{
    static const char *const ops[] = {
        "=", "+=", "-=", "*=", "/=", "%=", "&=", "|=", "^=", ".=", "++", "--", "<<=", ">>="};

    return t->kind == T_OTHER && IS_ONE_OF(t, ops);
}

/* What stands behind the variable of the target's at I: members, elements. */
static uint32_t behind(const struct tokens *t, uint32_t i)
{
    for (i++; i < t->n; i++) {
        if (is(&t->v[i], "->")) {
            i++;
        } else if (is(&t->v[i], "[")) {
            uint32_t depth = 0;

            for (; i < t->n; i++) {
                depth += is(&t->v[i], "[") ? 1 : 0;
                if (is(&t->v[i], "]") && !--depth)
                    break;
            }
        } else {
            break;
        }
    }
    return i;
}

/* $value is what a procfs probe answers. */
static bool may_stand(const struct check *c, const struct tokens *t, uint32_t i)
{
    uint32_t next = behind(t, i);
    bool written = (next < t->n && is_assignment(&t->v[next])) ||
                   (i && (is(&t->v[i - 1], "++") || is(&t->v[i - 1], "--")));

    return holds(&c->all, &t->v[i]) && (!written || c->guru || is(&t->v[i], "$value"));
}

static bool may_be(const struct check *c, const struct tokens *t, uint32_t i)
{
    const struct token *one = &t->v[i];

    if (one->kind == T_CHUNK)
        return holds(&c->all, one);
    if (one->kind != T_WORD)
        return one->kind != T_BAD;
    if (*one->s == '$')
        return may_stand(c, t, i);
    if (is(one, "@const"))
        return i + 2 < t->n && t->v[i + 2].kind == T_STRING && holds(&c->all, &t->v[i + 2]);
    if (*one->s == '@')
        return IS_ONE_OF(one, of_statistics);
    return i + 1 >= t->n || !is(&t->v[i + 1], "(") || may_call(c, one);
}

bool stap_checked(struct compile *cx, const struct stap_script *script, bool any)
{
    struct check c = {.a = cx->arena, .script = script, .guru = cx->guru || any, .any = any};
    struct scan s = {script->text, script->text + script->len};
    struct tokens t = {NULL, 0};
    struct token one;

    read_sources(&c, cx->sources);
    do {
        one = next_token(&s);
        if (one.kind != T_END)
            add(c.a, &t, one);
        if (t.n > 1 && one.kind == T_WORD && is(&t.v[t.n - 2], "function"))
            add(c.a, &c.own, one);
    } while (one.kind != T_END && one.kind != T_BAD);
    sort(&c.own);
    if (script->needs & 1u << NEED_WRITE && !c.guru)
        return diag_error(cx->diag, (struct span){0}, "jail",
                          "the script that a reader printed writes to programs, which this one "
                          "does not say: it is not run");
    for (uint32_t i = 0; i < t.n; i++)
        if (!may_be(&c, &t, i))
            return diag_error(cx->diag, (struct span){0}, "jail",
                              "the script that a reader printed says '%.*s', which this one does "
                              "not: it is not run",
                              t.v[i].n < 60 ? (int)t.v[i].n : 60, t.v[i].s);
    return true;
}
