/*
 * line: lines and texts whose bytes know where they were written; see line.h.
 *
 * Enters: bytes with spans. Leaves: a source with origins. Refuses texts over TEXT_MAX bytes. Its
 * memory is malloc'ed, since lines grow and shrink many times; text_source hands it to the arena.
 */
#include "sxx/line.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TEXT_MAX = 64 * 1024 * 1024 };

static void *must_realloc(void *p, size_t size)
{
    p = realloc(p, size);
    if (!p) {
        fputs("ngstap: out of memory\n", stderr);
        abort();
    }
    return p;
}

void line_clear(struct line *l)
{
    l->n = 0;
}

void line_free(struct line *l)
{
    free(l->s);
    free(l->o);
    *l = (struct line){0};
}

/* Room for N more bytes; 0 when the line would be too long. */
static uint32_t reserve(struct line *l, uint32_t n)
{
    if (n > TEXT_MAX - l->n)
        n = TEXT_MAX - l->n;
    if (l->n + n > l->room) {
        l->room = (l->n + n) * 2 + 128;
        l->s = must_realloc(l->s, l->room);
        l->o = must_realloc(l->o, (size_t)l->room * sizeof(*l->o));
    }
    return n;
}

void line_put(struct line *l, const char *text, uint32_t n, struct span at, const char *why)
{
    n = reserve(l, n);
    if (n)
        memcpy(l->s + l->n, text, n);
    for (uint32_t i = 0; i < n; i++)
        l->o[l->n + i] = (struct line_origin){at, why};
    l->n += n;
}

void line_put_source(struct line *l, const char *text, uint32_t n, struct span at)
{
    n = reserve(l, n);
    if (n)
        memcpy(l->s + l->n, text, n);
    at.len = 1;
    for (uint32_t i = 0; i < n; i++, at.off++)
        l->o[l->n + i] = (struct line_origin){at, NULL};
    l->n += n;
}

void line_copy(struct line *l, const struct line *from, uint32_t i, uint32_t j)
{
    uint32_t n = reserve(l, j - i);

    if (!n)
        return;
    memcpy(l->s + l->n, from->s + i, n);
    memcpy(l->o + l->n, from->o + i, n * sizeof(*l->o));
    l->n += n;
}

struct span line_span(const struct line *l, uint32_t i, uint32_t j, const char **why)
{
    const struct line_origin *first = &l->o[i], *last = &l->o[j - 1];
    struct span at = first->at;

    *why = first->why;
    if (!first->why && !last->why && last->at.file == at.file && last->at.off >= at.off)
        at.len = last->at.off + 1 - at.off;
    return at;
}

/* Does the byte of origin O follow the end of R in the same piece? */
static bool continues(const struct origin *r, const struct line_origin *o)
{
    if (r->at.file != o->at.file || r->why != o->why)
        return false;
    if (r->verbatim)
        return r->at.off + r->at.len == o->at.off;
    return r->at.off == o->at.off && r->at.len == o->at.len;
}

void text_add(struct text *t, const struct line *l)
{
    if (l->n > TEXT_MAX - t->n) {
        t->too_long = true;
        return;
    }
    if (t->n + l->n + 1 > t->room) {
        t->room = (t->n + l->n) * 2 + 1024;
        t->s = must_realloc(t->s, t->room);
    }
    if (l->n)
        memcpy(t->s + t->n, l->s, l->n);
    for (uint32_t i = 0; i < l->n; i++) {
        const struct line_origin *o = &l->o[i];

        if (t->n_origins && continues(&t->origins[t->n_origins - 1], o)) {
            struct origin *r = &t->origins[t->n_origins - 1];

            r->len++;
            if (r->verbatim)
                r->at.len++;
            continue;
        }
        if (t->n_origins == t->origins_room) {
            t->origins_room = t->origins_room * 2 + 64;
            t->origins = must_realloc(t->origins, t->origins_room * sizeof(*t->origins));
        }
        t->origins[t->n_origins++] = (struct origin){
            .off = t->n + i, .len = 1, .at = o->at, .verbatim = !o->why, .why = o->why};
    }
    t->n += l->n;
}

struct source *text_source(struct text *t, struct sources *s, const char *name)
{
    struct source *src = source_add(s, name, t->s ? t->s : "", t->n);

    source_set_origins(s, src, t->origins, t->n_origins);
    free(t->s);
    free(t->origins);
    *t = (struct text){0};
    return src;
}
