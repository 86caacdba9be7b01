/*
 * patch: applies a unified diff to files below a directory, as patch -p1 does, for machines that
 * have a compiler and no patch program. Enters: the diff's text; leaves: all its files changed, or
 * none. A hunk is looked for at the line it names and then further and further away, for its lines
 * exactly. Refuses files that are not there, paths that lead out of the directory, and what does
 * not fit.
 */
#include <stdlib.h>
#include <string.h>

#include "stap/build.h"

enum { FILE_MAX = 16 << 20, FILES_MAX = 64 };

struct line {
    const char *s;
    size_t n; /* newline included */
};

struct file {
    const char *path;
    struct line *v;
    size_t n;
};

struct hunk {
    struct line *old, *new;
    size_t n_old, n_new;
    size_t at; /* counted from 0 */
};

static void add(struct compile *cx, struct line **v, size_t *n, const char *s, size_t len)
{
    *v = arena_grow(cx->arena, *v, *n, sizeof(**v));
    (*v)[(*n)++] = (struct line){s, len};
}

static size_t line_length(const char *s)
{
    size_t n = strcspn(s, "\n");

    return n + (s[n] == '\n');
}

static bool same(const struct line *a, const struct line *b, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (a[i].n != b[i].n || memcmp(a[i].s, b[i].s, a[i].n) != 0)
            return false;
    return true;
}

/* "@@ -12,7 +12,9 @@", then its lines; returns what follows. */
static const char *read_hunk(struct compile *cx, const char *p, struct hunk *h)
{
    unsigned long at = strtoul(p + strlen("@@ -"), NULL, 10);

    *h = (struct hunk){.at = at ? at - 1 : 0};
    for (p += line_length(p); *p == ' ' || *p == '+' || *p == '-' || *p == '\n' || *p == '\\';) {
        size_t n = line_length(p);

        if (!strncmp(p, "--- ", 4) && !strncmp(p + n, "+++ ", 4))
            break;
        /* An empty line of context may have lost its blank on the way. */
        const char *s = *p == '\n' ? p : p + 1;
        size_t len = *p == '\n' ? n : n - 1;

        if (*p == ' ' || *p == '-' || *p == '\n')
            add(cx, &h->old, &h->n_old, s, len);
        if (*p == ' ' || *p == '+' || *p == '\n')
            add(cx, &h->new, &h->n_new, s, len);
        p += n;
    }
    return p;
}

static bool apply_hunk(struct compile *cx, struct file *f, const struct hunk *h)
{
    size_t last = f->n - h->n_old, at = SIZE_MAX;

    if (!h->n_old || h->n_old > f->n)
        return false;
    for (size_t d = 0; d <= f->n && at == SIZE_MAX; d++) {
        if (h->at + d <= last && same(f->v + h->at + d, h->old, h->n_old))
            at = h->at + d;
        else if (d && h->at >= d && h->at - d <= last && same(f->v + h->at - d, h->old, h->n_old))
            at = h->at - d;
    }
    if (at == SIZE_MAX)
        return false;
    struct line *v = ARENA_ARRAY(cx->arena, struct line, f->n - h->n_old + h->n_new + 1);

    memcpy(v, f->v, at * sizeof(*v));
    memcpy(v + at, h->new, h->n_new * sizeof(*v));
    memcpy(v + at + h->n_new, f->v + at + h->n_old, (f->n - at - h->n_old) * sizeof(*v));
    f->n += h->n_new - h->n_old;
    f->v = v;
    return true;
}

/* The file that "+++ b/linux/x.c" names. */
static const char *open_file(struct compile *cx, const char *p, const char *dir, struct file *f)
{
    size_t n = strcspn(p, "\t\n");
    const char *name = arena_strndup(cx->arena, p, n), *slash = strchr(name, '/');

    name = slash ? slash + 1 : name;
    if (*name == '/' || strstr(name, ".."))
        return arena_printf(cx->arena, "it names %s", name);
    *f = (struct file){.path = arena_printf(cx->arena, "%s/%s", dir, name)};
    const char *text = stap_read_file(cx, f->path, FILE_MAX, NULL);

    if (!text)
        return arena_printf(cx->arena, "there is no file %s", name);
    for (; *text; text += line_length(text))
        add(cx, &f->v, &f->n, text, line_length(text));
    return NULL;
}

static bool write_file(struct compile *cx, const struct file *f)
{
    size_t len = 0;

    for (size_t i = 0; i < f->n; i++)
        len += f->v[i].n;
    char *text = arena_alloc(cx->arena, len + 1), *p = text;

    for (size_t i = 0; i < f->n; i++) {
        memcpy(p, f->v[i].s, f->v[i].n);
        p += f->v[i].n;
    }
    return stap_write_file(f->path, text, len);
}

bool stap_patch_apply(struct compile *cx, const char *text, const char *dir, const char **why)
{
    struct file files[FILES_MAX];
    size_t n = 0;
    struct hunk h;

    *why = NULL;
    for (const char *p = text; *p && !*why;) {
        if (!strncmp(p, "+++ ", 4)) {
            *why = n == FILES_MAX ? "it changes too many files"
                                  : open_file(cx, p + 4, dir, &files[n++]);
        } else if (!strncmp(p, "@@ -", 4) && n) {
            p = read_hunk(cx, p, &h);
            if (!apply_hunk(cx, &files[n - 1], &h))
                *why = arena_printf(cx->arena, "%s has changed at line %zu", files[n - 1].path,
                                    h.at + 1);
            continue;
        }
        p += line_length(p);
    }
    for (size_t i = 0; i < n && !*why; i++)
        if (!write_file(cx, &files[i]))
            *why = arena_printf(cx->arena, "cannot write %s", files[i].path);
    return !*why && n;
}
