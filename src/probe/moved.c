/*
 * moved: see moved.h. Enters: the lines of moved.txt; leaves: facts in their order. Refused, each
 * with its place: lines without five columns, words that are none of the format's.
 */
#include "probe/moved.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { COLUMNS = 5 };
enum column { WHAT, NAME, OF, SINCE, NOW };

struct moved {
    struct moved_fact *facts;
    uint32_t n;
};

/* A column of a line, by its place in the text. */
struct word {
    uint32_t off, len;
};

struct line {
    struct compile *cx;
    const struct source *src;
    struct word words[COLUMNS];
    uint32_t n;
};

static bool refuse(const struct line *l, struct word w, const char *why)
{
    struct span at = {l->src->id, w.off, w.len ? w.len : 1, 0};

    return diag_error(l->cx->diag, at, "moved", "%s", why);
}

static const char *text(const struct line *l, struct word w)
{
    return arena_strndup(l->cx->arena, l->src->text + w.off, w.len);
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

/* Cuts the line from OFF to END; what follows the fourth column is the fifth as a whole. */
static void cut(struct line *l, uint32_t off, uint32_t end)
{
    const char *s = l->src->text;

    l->n = 0;
    while (end > off && isspace((unsigned char)s[end - 1]))
        end--;
    while (l->n < COLUMNS) {
        struct word *w = &l->words[l->n];

        while (off < end && is_blank(s[off]))
            off++;
        if (off == end)
            return;
        w->off = off;
        while (off < end && (l->n == NOW || !is_blank(s[off])))
            off++;
        w->len = off - w->off;
        l->n++;
    }
}

static bool is_name(const char *s, size_t n, bool dots)
{
    bool first = true; /* of a name */

    for (size_t i = 0; i < n; i++) {
        bool dot = dots && s[i] == '.';

        if (dot ? first
                : !isalpha((unsigned char)s[i]) && s[i] != '_' &&
                      (first || !isdigit((unsigned char)s[i])))
            return false;
        first = dot;
    }
    return n && !first;
}

static bool read_what(const struct line *l, struct moved_fact *f)
{
    static const char *const words[] = {"function",   "variable", "type",
                                        "enumerator", "member",   "tracepoint"};
    const char *word = text(l, l->words[WHAT]);

    for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
        if (!strcmp(word, words[i])) {
            f->what = (enum moved_what)i;
            return true;
        }
    return refuse(l, l->words[WHAT],
                  "a line begins with function, variable, type, enumerator, member or "
                  "tracepoint");
}

static bool read_of(const struct line *l, struct moved_fact *f)
{
    f->of = text(l, l->words[OF]);
    if (f->what == MOVED_MEMBER)
        return is_name(f->of, strlen(f->of), false) ||
               refuse(l, l->words[OF], "a member is of a type, named without struct");
    return !strcmp(f->of, MOVED_OF_USER) || !strcmp(f->of, MOVED_OF_KERNEL) ||
           refuse(l, l->words[OF], "this is of user or kernel");
}

static bool read_since(const struct line *l, struct moved_fact *f)
{
    char *since =
        arena_strndup(l->cx->arena, l->src->text + l->words[SINCE].off, l->words[SINCE].len);
    char *dash = strchr(since, '-');

    if (!dash || dash == since || !dash[1])
        return refuse(l, l->words[SINCE], "the version is written PRODUCT-VERSION: nginx-1.13.4");
    *dash = ' ';
    f->since = since;
    return true;
}

/* "a.b", "a.b / 1000", ".": where a member is. */
static bool read_path(const struct line *l, const char *now, struct moved_fact *f)
{
    size_t n = strcspn(now, " \t");
    const char *p = now + n + strspn(now + n, " \t");
    char *end = NULL;

    f->now = arena_strndup(l->cx->arena, now, n);
    if (!strcmp(f->now, "."))
        f->now = "";
    else if (!is_name(now, n, true))
        return refuse(l, l->words[NOW], "a member is at NAME or NAME.NAME, or \".\"");
    if (!*p)
        return true;
    f->op = *p;
    f->factor = strchr("*/%", *p) ? strtol(p + 1, &end, 10) : 0;
    return (end && !*end && f->factor > 0) ||
           refuse(l, l->words[NOW], "behind a member there may be '*', '/' or '%' and a number");
}

static bool read_now(const struct line *l, struct moved_fact *f)
{
    const char *now = text(l, l->words[NOW]), *colon = strchr(now, ':');

    if (!strcmp(now, "gone"))
        return true;
    if (f->what == MOVED_MEMBER)
        return read_path(l, now, f);
    if (colon && f->what == MOVED_FUNCTION) {
        f->library = arena_strndup(l->cx->arena, now, (size_t)(colon - now));
        now = colon + 1;
    }
    f->now = now;
    return is_name(now, strlen(now), false) ||
           refuse(l, l->words[NOW],
                  "the new name, of a function perhaps with its library (libx:NAME), or gone");
}

static bool read_fact(const struct line *l, struct moved_fact *f)
{
    if (l->n < COLUMNS)
        return refuse(l, l->words[l->n - 1], "a line has five columns: what, name, of, since, now");
    f->name = text(l, l->words[NAME]);
    return read_what(l, f) &&
           (is_name(f->name, strlen(f->name), false) ||
            refuse(l, l->words[NAME], "this is no name")) &&
           read_of(l, f) && read_since(l, f) && read_now(l, f);
}

static void read_file(struct moved *m, struct compile *cx, const struct source *src)
{
    for (uint32_t i = 0; i < src->n_lines; i++) {
        struct line l = {.cx = cx, .src = src};
        struct moved_fact f = {.name = NULL};

        cut(&l, src->lines[i], i + 1 < src->n_lines ? src->lines[i + 1] : src->len);
        if (!l.n || src->text[l.words[0].off] == '#' || !read_fact(&l, &f))
            continue;
        m->facts = arena_grow(cx->arena, m->facts, m->n, sizeof(*m->facts));
        m->facts[m->n++] = f;
    }
}

struct moved *moved_read(struct compile *cx, const char *const *dirs, uint32_t n)
{
    struct moved *m = ARENA_NEW(cx->arena, struct moved);

    for (uint32_t i = 0; i < n; i++) {
        const char *path = arena_printf(cx->arena, "%s/moved.txt", dirs[i]);
        const struct source *src = access(path, F_OK) ? NULL : source_read(cx->sources, path);

        if (src)
            read_file(m, cx, src);
    }
    return m;
}

/* The name of a type as C writes it. */
static const char *bare(const char *type)
{
    static const char *const before[] = {"const ", "volatile ", "struct ", "union ", "enum "};

    for (size_t i = 0; i < sizeof(before) / sizeof(*before); i++)
        if (!strncmp(type, before[i], strlen(before[i])))
            return bare(type + strlen(before[i]));
    return type;
}

const struct moved_fact *moved_find(const struct moved *m, enum moved_what what, const char *of,
                                    const char *name, const struct moved_fact *after)
{
    for (uint32_t i = after ? (uint32_t)(after - m->facts) + 1 : 0; m && i < m->n; i++) {
        const struct moved_fact *f = &m->facts[i];

        if (f->what == what && !strcmp(f->name, name) && !strcmp(f->of, bare(of)))
            return f;
    }
    return NULL;
}
