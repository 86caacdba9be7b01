/*
 * sxx: expands stap++'s macros, line by line and in its order: $^arg_x, @pfunc(f), the other $^x,
 * $*v := ..., $*v, @use. They count inside comments and strings too, as in stap++.
 *
 * Enters: a .sxx source, options, a target. Leaves: plain SystemTap sources, the script's and its
 * libraries', with origins. Refuses: variables without a value, libraries that are not found, or
 * that use themselves, files over SCRIPT_MAX bytes. Each pass over a line replaces from left to
 * right and does not look at what it put in; the next pass does. No pass looks at what the target
 * said, which becomes script text at the end (spell.c).
 */
#include "sxx/sxx.h"

#include <string.h>
#include <sys/stat.h>

#include "base/bytes.h"
#include "sxx/line.h"
#include "sxx/spell.h"
#include "sxx/vars.h"

#define TAG "sxx"

enum { DEPTH_MAX = 100, SCRIPT_MAX = 1024 * 1024 };

/* A file being expanded; the ones below it wait for it. */
struct frame {
    struct frame *below;
    const char *lib;       /* "a.b"; NULL: the script */
    struct span use;       /* the @use that asked for it */
    struct sxx_var *users; /* its $*v */
};

struct expander {
    struct compile *cx;
    const struct sxx_opts *o;
    struct vars vars;
    struct frame *top;
    uint32_t depth;
    struct sxx_result *out;
    const char **names; /* of out->libs */
    bool failed;
};

/* A place in a line that a pass replaces: bytes START to END, with what the pattern's groups
 * hold. */
struct match {
    uint32_t start, end;
    uint32_t group[3][2]; /* start, end; end 0: none */
};

typedef bool match_fn(const struct line *l, uint32_t i, struct match *m);
typedef void replace_fn(struct expander *x, const struct line *l, const struct match *m,
                        struct line *out);

/* ---- patterns ---- */

static bool is_blank(unsigned char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static uint32_t skip_word(const struct line *l, uint32_t i)
{
    while (i < l->n && is_word(l->s[i]))
        i++;
    return i;
}

static uint32_t skip_blank(const struct line *l, uint32_t i)
{
    while (i < l->n && is_blank((unsigned char)l->s[i]))
        i++;
    return i;
}

static bool at_text(const struct line *l, uint32_t i, const char *text)
{
    size_t len = strlen(text);

    return l->n - i >= len && !memcmp(l->s + i, text, len);
}

static void group(struct match *m, int g, uint32_t start, uint32_t end)
{
    m->group[g][0] = start;
    m->group[g][1] = end;
}

/* " :word (text)" at I, up to the first ")": groups 1 and 2. */
static void match_trait(const struct line *l, uint32_t i, struct match *m)
{
    uint32_t word, end, open;

    i = skip_blank(l, i);
    if (i == l->n || l->s[i] != ':')
        return;
    word = i + 1;
    end = skip_word(l, word);
    open = skip_blank(l, end);
    if (end == word || open == l->n || l->s[open] != '(')
        return;
    const char *close = memchr(l->s + open, ')', l->n - open);

    if (!close || memchr(l->s + open, '\n', (size_t)(close - (l->s + open))))
        return;
    group(m, 1, word, end);
    group(m, 2, open + 1, (uint32_t)(close - l->s));
    m->end = (uint32_t)(close - l->s) + 1;
}

/* $^arg_x, with a trait or without. */
static bool match_arg(const struct line *l, uint32_t i, struct match *m)
{
    if (!at_text(l, i, "$^arg_"))
        return false;
    uint32_t end = skip_word(l, i + 6);

    if (end == i + 6)
        return false;
    m->end = end;
    group(m, 0, i + 2, end);
    match_trait(l, end, m);
    return true;
}

/* @pfunc(name) */
static bool match_pfunc(const struct line *l, uint32_t i, struct match *m)
{
    uint32_t name, end;

    if (!at_text(l, i, "@pfunc"))
        return false;
    i = skip_blank(l, i + 6);
    if (i == l->n || l->s[i] != '(')
        return false;
    name = skip_blank(l, i + 1);
    end = skip_word(l, name);
    i = skip_blank(l, end);
    if (end == name || i == l->n || l->s[i] != ')')
        return false;
    group(m, 0, name, end);
    m->end = i + 1;
    return true;
}

/*
 * The end of "lib...-1.2_path" that starts at I, where a plain word would stop before "_path"; else
 * 0.
 */
static uint32_t library_end(const struct line *l, uint32_t i, uint32_t word_end)
{
    if (word_end - i >= 5 && !memcmp(l->s + word_end - 5, "_path", 5))
        return 0;
    if (!at_text(l, i, "lib"))
        return 0;
    for (uint32_t k = i + 3; k < l->n; k++) {
        unsigned char c = (unsigned char)l->s[k];

        if (!is_word(c) && c != '-' && c != '.')
            return 0;
        if (k > i + 3 && at_text(l, k, "_path") && (k + 5 == l->n || !is_word(l->s[k + 5])))
            return k + 5;
    }
    return 0;
}

/* $^x, with a trait or without. */
static bool match_std(const struct line *l, uint32_t i, struct match *m)
{
    if (!at_text(l, i, "$^"))
        return false;
    uint32_t end = skip_word(l, i + 2);
    uint32_t library = library_end(l, i + 2, end);

    if (library)
        end = library;
    if (end == i + 2)
        return false;
    m->end = end;
    group(m, 0, i + 2, end);
    match_trait(l, end, m);
    return true;
}

/* $*v := @cast(...)[1], &@var(...): up to the first ")" and an index after it. */
static bool match_define(const struct line *l, uint32_t i, struct match *m)
{
    if (!at_text(l, i, "$*"))
        return false;
    uint32_t end = skip_word(l, i + 2), value;

    if (end == i + 2)
        return false;
    group(m, 0, i + 2, end);
    i = skip_blank(l, end);
    if (i + 1 >= l->n || !at_text(l, i, ":="))
        return false;
    value = i = skip_blank(l, i + 2);
    if (i < l->n && l->s[i] == '&')
        i++;
    if (!(i < l->n && (at_text(l, i, "@cast(") || at_text(l, i, "@var("))))
        return false;
    const char *close = memchr(l->s + i, ')', l->n - i);

    if (!close || memchr(l->s + i, '\n', (size_t)(close - (l->s + i))))
        return false;
    end = (uint32_t)(close - l->s) + 1;
    if (end < l->n && l->s[end] == '[') {
        uint32_t digit = end + 1;

        while (digit < l->n && l->s[digit] >= '0' && l->s[digit] <= '9')
            digit++;
        if (digit > end + 1 && digit < l->n && l->s[digit] == ']')
            end = digit + 1;
    }
    group(m, 1, value, end);
    m->end = end;
    return true;
}

/* $*v */
static bool match_user(const struct line *l, uint32_t i, struct match *m)
{
    if (!at_text(l, i, "$*"))
        return false;
    m->end = skip_word(l, i + 2);
    group(m, 0, i + 2, m->end);
    return m->end > i + 2;
}

/* a.b.c at I: its end, or I. */
static uint32_t skip_lib(const struct line *l, uint32_t i)
{
    uint32_t end = skip_word(l, i);

    while (end > i && end + 1 < l->n && l->s[end] == '.' && is_word(l->s[end + 1]))
        end = skip_word(l, end + 1);
    return end;
}

/* @use a.b, c: group 0 is the list. */
static bool match_use(const struct line *l, uint32_t i, struct match *m)
{
    if (!at_text(l, i, "@use"))
        return false;
    uint32_t start = skip_blank(l, i + 4), end = skip_lib(l, start);

    if (start == i + 4 || end == start)
        return false;
    for (;;) {
        uint32_t comma = skip_blank(l, end);

        if (comma == l->n || l->s[comma] != ',')
            break;
        uint32_t next = skip_blank(l, comma + 1), next_end = skip_lib(l, next);

        if (next_end == next)
            break;
        end = next_end;
    }
    group(m, 0, start, end);
    m->end = end;
    return true;
}

/* ---- replacements ---- */

static const char *text_of(struct expander *x, const struct line *l, const struct match *m, int g)
{
    return m->group[g][1]
               ? arena_strndup(x->cx->arena, l->s + m->group[g][0], m->group[g][1] - m->group[g][0])
               : NULL;
}

/* Where the match was written, and why its replacement stands there. */
static struct span place(struct expander *x, const struct line *l, const struct match *m,
                         const char *what, const char *name, const char **why)
{
    struct span at = line_span(l, m->start, m->end, why);

    if (!*why)
        *why = arena_printf(x->cx->arena, "in the expansion of %s%s", what, name);
    return at;
}

static void replace_std(struct expander *x, const struct line *l, const struct match *m,
                        struct line *out)
{
    const char *name = text_of(x, l, m, 0), *why;
    struct span at = place(x, l, m, "$^", name, &why);
    const struct sxx_var *v = vars_get(&x->vars, at, name, text_of(x, l, m, 1), text_of(x, l, m, 2),
                                       m->group[2][1] - m->group[2][0]);

    if (v && v->value && v->source)
        line_put_argument(out, v->value, v->len, v->source);
    else if (v && v->value)
        line_put_value(out, v->value, v->told, v->len, at, why,
                       strncmp(name, "arg_", 4) ? TOLD_BY_USER : TOLD_BY_ARGUMENT);
}

static void replace_pfunc(struct expander *x, const struct line *l, const struct match *m,
                          struct line *out)
{
    static const char head[] = "process(\"$^exec_path\").function(\"", tail[] = "\")";
    const char *why;
    struct span at = place(x, l, m, "@pfunc", "", &why);

    line_put(out, head, sizeof(head) - 1, at, why);
    line_copy(out, l, m->group[0][0], m->group[0][1]);
    line_put(out, tail, sizeof(tail) - 1, at, why);
}

static void replace_define(struct expander *x, const struct line *l, const struct match *m,
                           struct line *out)
{
    uint32_t at = m->group[1][0], n = m->group[1][1] - at;
    struct sxx_var *var = var_set(x->cx->arena, &x->top->users, text_of(x, l, m, 0), l->s + at, n);

    var->told = arena_strndup(x->cx->arena, l->told + at, n);
}

static void replace_user(struct expander *x, const struct line *l, const struct match *m,
                         struct line *out)
{
    const char *name = text_of(x, l, m, 0), *why;
    struct span at = place(x, l, m, "$*", name, &why);
    const struct sxx_var *v = var_find(x->top->users, name);

    if (v && !v->value)
        return; /* reported already */
    if (!v) {
        struct near near;

        x->failed = true;
        diag_error(x->cx->diag, at, TAG, "Undefined user varaible $*%s.", name);
        near_init(&near, name);
        for (const struct sxx_var *i = x->top->users; i; i = i->hh.next)
            if (i->value)
                near_try(&near, i->name);
        if (near_best(&near))
            diag_hint(x->cx->diag, "did you mean '$*%s'?", near_best(&near));
        var_set(x->cx->arena, &x->top->users, name, NULL, 0);
        return;
    }
    line_put_value(out, v->value, v->told, v->len, at, why, TOLD_BY_USER);
}

/* ---- libraries ---- */

static struct source *expand(struct expander *x, const struct source *src, const char *name,
                             const char *note);

/* What a message in LIB says besides. */
static const char *used_at(struct expander *x, const char *lib, struct span at)
{
    struct place p;

    return span_place(x->cx->sources, at, &p)
               ? arena_printf(x->cx->arena, "in library %s, used at %s:%u", lib, p.source->name,
                              p.line)
               : NULL;
}

/* DIR/a/b.sxx as File::Spec would write it: no "./", no "//". */
static const char *library_path(struct expander *x, const char *dir, const char *lib)
{
    char *path = arena_printf(x->cx->arena, "%s/%s.sxx", dir, lib);
    size_t from = strlen(dir), n = 0;

    for (char *s = path + from; *s && strcmp(s, ".sxx"); s++)
        if (*s == '.')
            *s = '/';
    for (size_t i = 0; path[i];) {
        bool start = n == 0 || path[n - 1] == '/';

        if (start && path[i] == '.' && path[i + 1] == '/')
            i += 2;
        else if (n && path[n - 1] == '/' && path[i] == '/')
            i++;
        else if (n == 0 && i && path[i] == '/')
            i++; /* what is left of "./" is relative */
        else
            path[n++] = path[i++];
    }
    path[n] = '\0';
    return path;
}

static const char *find_lib(struct expander *x, struct span at, const char *lib)
{
    struct stat st;

    for (uint32_t i = 0; i < x->o->n_include; i++) {
        const char *path = library_path(x, x->o->include[i], lib);
        const char *distrusted = x->o->distrusted ? x->o->distrusted[i] : NULL;

        if (stat(path, &st) || !S_ISREG(st.st_mode))
            continue;
        if (!distrusted)
            return path;
        diag_warning(x->cx->diag, at, "the module %s is not taken: %s", path, distrusted);
        diag_hint(x->cx->diag, "-I %s takes it all the same", x->o->include[i]);
    }
    return NULL;
}

static bool is_done(const struct expander *x, const char *lib)
{
    for (uint32_t i = 0; i < x->out->n_libs; i++)
        if (!strcmp(x->names[i], lib))
            return true;
    return false;
}

/* LIB is being expanded already: says by which way it came back to itself. */
static bool is_cycle(struct expander *x, struct span at, const char *lib)
{
    const char *chain = lib;

    for (const struct frame *f = x->top; f; f = f->below) {
        if (!f->lib)
            continue;
        chain = arena_printf(x->cx->arena, "%s -> %s", f->lib, chain);
        if (strcmp(f->lib, lib))
            continue;
        diag_error(x->cx->diag, at, TAG, "@use library %s uses itself: %s", lib, chain);
        for (const struct frame *g = x->top; g && g->lib; g = g->below) {
            diag_note(x->cx->diag, g->use, "%s is used here", g->lib);
            if (g == f)
                break;
        }
        return true;
    }
    return false;
}

static void use(struct expander *x, struct span at, const char *lib)
{
    struct frame frame = {.below = x->top, .lib = lib, .use = at};
    const char *path;
    struct source *src;

    if (is_done(x, lib))
        return;
    if (is_cycle(x, at, lib)) {
        x->failed = true;
        return;
    }
    path = find_lib(x, at, lib);
    if (!path) {
        x->failed = true;
        diag_error(x->cx->diag, at, TAG, "cannot find @use library %s", lib);
        for (uint32_t i = 0; i < x->o->n_include; i++)
            diag_hint(x->cx->diag, "looked for %s", library_path(x, x->o->include[i], lib));
        return;
    }
    src = source_read(x->cx->sources, path);
    if (!src || x->depth == DEPTH_MAX) {
        x->failed = true;
        if (src)
            diag_error(x->cx->diag, at, TAG, "@use goes over %d libraries deep", DEPTH_MAX);
        else
            diag_error(x->cx->diag, at, TAG, "Cannot open %s for reading: %m", path);
        return;
    }
    x->top = &frame;
    x->depth++;
    struct source *expanded =
        expand(x, src, arena_printf(x->cx->arena, "%s.stp", lib), used_at(x, lib, at));

    x->top = frame.below;
    x->depth--;
    expanded->tapset = true;
    x->out->libs = arena_grow(x->cx->arena, x->out->libs, x->out->n_libs, sizeof(*x->out->libs));
    x->names = arena_grow(x->cx->arena, x->names, x->out->n_libs, sizeof(*x->names));
    x->names[x->out->n_libs] = lib;
    x->out->libs[x->out->n_libs++] = expanded;
}

static void replace_use(struct expander *x, const struct line *l, const struct match *m,
                        struct line *out)
{
    for (uint32_t i = m->group[0][0]; i < m->group[0][1];) {
        uint32_t end = skip_lib(l, i);
        const char *why;
        struct span at = line_span(l, i, end, &why);

        use(x, at, arena_strndup(x->cx->arena, l->s + i, end - i));
        i = end;
        while (i < m->group[0][1] && !is_word(l->s[i])) /* blanks and a comma */
            i++;
    }
}

/* ---- passes ---- */

static const struct {
    match_fn *match;
    replace_fn *replace;
    char first; /* byte that every match starts with */
} passes[] = {
    {match_arg, replace_std, '$'},   {match_pfunc, replace_pfunc, '@'},
    {match_std, replace_std, '$'},   {match_define, replace_define, '$'},
    {match_user, replace_user, '$'}, {match_use, replace_use, '@'},
};

/* One pass over FROM; false: nothing to replace, OUT is unchanged. */
static bool run_pass(struct expander *x, size_t pass, const struct line *from, struct line *out)
{
    uint32_t done = 0;

    line_clear(out);
    for (uint32_t i = 0; i < from->n;) {
        struct match m = {.start = i};

        if (from->s[i] != passes[pass].first || !passes[pass].match(from, i, &m)) {
            i++;
            continue;
        }
        line_copy(out, from, done, i);
        passes[pass].replace(x, from, &m, out);
        done = i = m.end;
    }
    if (!done)
        return false;
    line_copy(out, from, done, from->n);
    return true;
}

/* LINES: two to work with; the result is in the one that is returned. */
static struct line *expand_line(struct expander *x, struct line lines[2], const char *s, uint32_t n,
                                struct span at)
{
    int now = 0;

    line_clear(&lines[0]);
    line_put_source(&lines[0], s, n, at);
    for (size_t i = 0; i < sizeof(passes) / sizeof(*passes); i++)
        if (run_pass(x, i, &lines[now], &lines[!now]))
            now = !now;
    return &lines[now];
}

static void first_line(struct line *text, struct span at)
{
    static const char interpreter[] = "#!/usr/bin/env stap\n";

    line_put(text, interpreter, sizeof(interpreter) - 1, at, "the first line of a stap++ script");
}

/* NOTE: how the file was come to, or NULL. */
static struct source *expand(struct expander *x, const struct source *src, const char *name,
                             const char *note)
{
    struct line text = {0}, lines[2] = {{0}, {0}};
    struct spell spell = {.cx = x->cx, .out = &text, .note = note};

    if (src->len > SCRIPT_MAX) {
        x->failed = true;
        diag_error(x->cx->diag, (struct span){.file = src->id}, TAG,
                   "the script is larger than %d bytes", SCRIPT_MAX);
        return line_source(&text, x->cx->sources, name);
    }
    for (uint32_t i = 0; i < src->n_lines && !diag_stopped(x->cx->diag); i++) {
        uint32_t start = src->lines[i], end = i + 1 < src->n_lines ? src->lines[i + 1] : src->len;
        struct span at = {.file = src->id, .off = start, .len = end - start};

        if (i == 0 && end - start >= 2 && !memcmp(src->text, "#!", 2))
            first_line(&text, at);
        else
            spell_line(&spell, expand_line(x, lines, src->text + start, end - start, at));
    }
    if (text.too_long) {
        x->failed = true;
        diag_error(x->cx->diag, (struct span){.file = src->id}, TAG,
                   "the expanded script is too large");
    }
    x->failed |= spell.failed;
    line_free(&lines[0]);
    line_free(&lines[1]);
    return line_source(&text, x->cx->sources, name);
}

bool sxx_expand(struct compile *cx, const struct sxx_opts *o, const struct target *t,
                struct source *src, struct sxx_result *out)
{
    struct frame frame = {0};
    struct expander x = {.cx = cx, .o = o, .top = &frame, .out = out};

    *out = (struct sxx_result){0};
    vars_init(&x.vars, cx, o, t);
    x.vars.script = src->id;
    out->main = expand(&x, src, src->name, NULL);
    vars_sort_args(&x.vars);
    out->assumed = x.vars.assumed;
    out->args = x.vars.args;
    out->n_args = x.vars.n_args;
    return !x.failed && !x.vars.failed && !diag_stopped(cx->diag);
}
