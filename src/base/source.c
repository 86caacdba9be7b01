/*
 * source: keeps texts, their line starts and origins; turns spans into file, line and column.
 * Enters: texts and spans; leaves: places. A text over 64 MiB is refused (EFBIG).
 */
#include "base/source.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/file.h"

enum { SOURCE_MAX = 64 * 1024 * 1024, ORIGIN_DEPTH_MAX = 64 };

struct sources {
    struct arena *arena;
    struct source **v; /* id - 1 */
    uint32_t n;
    struct expansion *expansions; /* id - 1 */
    uint32_t n_expansions;
};

struct sources *sources_new(struct arena *a)
{
    struct sources *s = ARENA_NEW(a, struct sources);

    s->arena = a;
    return s;
}

static void index_lines(struct arena *a, struct source *src)
{
    uint32_t n = 1;

    for (uint32_t i = 0; i < src->len; i++)
        n += src->text[i] == '\n';
    src->lines = ARENA_ARRAY(a, uint32_t, n);
    src->n_lines = 1;
    for (uint32_t i = 0; i < src->len; i++)
        if (src->text[i] == '\n')
            src->lines[src->n_lines++] = i + 1;
}

struct source *source_add(struct sources *s, const char *name, const char *text, uint32_t len)
{
    struct source *src = ARENA_NEW(s->arena, struct source);

    s->v = arena_grow(s->arena, s->v, s->n, sizeof(struct source *));
    s->v[s->n++] = src;
    src->id = s->n;
    src->name = arena_strdup(s->arena, name);
    src->text = arena_strndup(s->arena, text, len);
    src->len = len;
    index_lines(s->arena, src);
    return src;
}

struct source *source_read(struct sources *s, const char *path)
{
    bool stdin_meant = !strcmp(path, "-");
    int fd = stdin_meant ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
    size_t len;

    if (fd < 0)
        return NULL;
    char *text = file_read_fd(fd, SOURCE_MAX, &len);
    int error = errno;
    struct source *src =
        text ? source_add(s, stdin_meant ? "<stdin>" : path, text, (uint32_t)len) : NULL;

    free(text);
    if (!stdin_meant)
        close(fd);
    errno = error;
    return src;
}

void source_set_origins(struct sources *s, struct source *src, const struct origin *o, uint32_t n)
{
    src->origins = ARENA_ARRAY(s->arena, struct origin, n);
    if (n)
        memcpy(src->origins, o, n * sizeof(*o));
    src->n_origins = n;
    for (uint32_t i = 0; i < n; i++)
        src->holds_told |= o[i].told != TOLD_BY_USER;
}

struct source *source_get(const struct sources *s, uint32_t id)
{
    return id && id <= s->n ? s->v[id - 1] : NULL;
}

uint32_t expansion_add(struct sources *s, const char *why, struct span call)
{
    s->expansions = arena_grow(s->arena, s->expansions, s->n_expansions, sizeof(struct expansion));
    s->expansions[s->n_expansions] =
        (struct expansion){.why = arena_strdup(s->arena, why), .call = call};
    return ++s->n_expansions;
}

const struct expansion *expansion_get(const struct sources *s, uint32_t id)
{
    return id && id <= s->n_expansions ? &s->expansions[id - 1] : NULL;
}

uint32_t span_file(const struct sources *s, struct span at)
{
    const struct expansion *e;

    /* an expansion's call was there before it: the way up ends */
    for (uint32_t id = at.expn; (e = expansion_get(s, id));
         id = e->call.expn < id ? e->call.expn : 0)
        at = e->call;
    return at.file;
}

/* The last origin that starts at or before OFF, or NULL. */
static const struct origin *origin_at(const struct source *src, uint32_t off)
{
    uint32_t lo = 0, hi = src->n_origins;

    while (lo < hi) {
        uint32_t mid = lo + (hi - lo) / 2;

        if (src->origins[mid].off <= off)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo ? &src->origins[lo - 1] : NULL;
}

enum told source_told(const struct source *src, uint32_t off, uint32_t *end)
{
    const struct origin *o = src->holds_told ? origin_at(src, off) : NULL;

    *end = o ? o->off + o->len : src->len;
    return o ? o->told : TOLD_BY_USER;
}

struct span span_written(const struct sources *s, struct span at, const char **why)
{
    *why = NULL;
    for (int depth = 0; depth < ORIGIN_DEPTH_MAX; depth++) {
        const struct source *src = source_get(s, at.file);
        const struct origin *o = src ? origin_at(src, at.off) : NULL;

        if (!o)
            break;
        if (o->why)
            *why = o->why;
        if (o->verbatim) {
            uint32_t skip = at.off - o->off;

            if (skip > o->len)
                skip = o->len;
            uint32_t rest = o->len - skip;

            at.file = o->at.file;
            at.off = o->at.off + skip;
            if (at.len > rest)
                at.len = rest;
        } else {
            at.file = o->at.file;
            at.off = o->at.off;
            at.len = o->at.len;
        }
    }
    return at;
}

/* All of the N bytes of SRC from OFF on. */
static bool is_written(const struct source *src, uint32_t off, uint32_t n)
{
    uint32_t end;

    for (uint32_t at = off; at < off + n; at++)
        if (source_told(src, at, &end) >= TOLD_BY_TARGET)
            return false;
    return true;
}

bool source_says(const struct source *src, const char *word)
{
    uint32_t n = (uint32_t)strlen(word);
    const char *end = src->text + src->len, *at = src->text;

    while ((at = memmem(at, (size_t)(end - at), word, n))) {
        if (is_written(src, (uint32_t)(at - src->text), n))
            return true;
        at++;
    }
    return false;
}

bool span_place(const struct sources *s, struct span at, struct place *out)
{
    const char *why;
    struct span w = span_written(s, at, &why);
    const struct source *src = source_get(s, w.file);

    if (!src)
        return false;
    if (w.off > src->len)
        w.off = src->len;
    uint32_t lo = 0, hi = src->n_lines;

    while (hi - lo > 1) {
        uint32_t mid = lo + (hi - lo) / 2;

        if (src->lines[mid] <= w.off)
            lo = mid;
        else
            hi = mid;
    }
    *out = (struct place){
        .source = src, .line = lo + 1, .col = w.off - src->lines[lo] + 1, .len = w.len};
    return true;
}

struct span span_join(struct span a, struct span b)
{
    if (a.file != b.file || b.off + b.len < a.off + a.len || b.off < a.off || a.expn != b.expn)
        return a;
    a.len = b.off + b.len - a.off;
    return a;
}
