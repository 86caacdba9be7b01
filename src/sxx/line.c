/*
 * line: texts whose bytes know where they were written; see line.h.
 *
 * Enters: bytes with spans. Leaves: a source with origins. What goes over TEXT_MAX bytes is left
 * out, and marked. A place is kept for each piece, not for each byte: a value may be long and stand
 * often. The memory is malloc'ed, since lines grow and shrink many times; line_source hands it to
 * the arena.
 */
#include "sxx/line.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bounds.h"

enum { TEXT_MAX = 64 * 1024 * 1024 };

static void *must_realloc(void *p, size_t size)
{
    p = realloc(p, size);
    if (!p)
        bounds_no_memory();
    return p;
}

void line_clear(struct line *l)
{
    l->n = 0;
    l->n_pieces = 0;
}

void line_free(struct line *l)
{
    free(l->s);
    free(l->told);
    free(l->pieces);
    *l = (struct line){0};
}

static bool same_place(struct span a, struct span b)
{
    return a.file == b.file && a.off == b.off && a.len == b.len;
}

/* Does O go on where the piece before it ends? */
static bool continues(const struct origin *last, const struct origin *o)
{
    if (last->verbatim != o->verbatim || last->why != o->why || last->told != o->told)
        return false;
    if (!o->verbatim)
        return same_place(last->at, o->at);
    return last->at.file == o->at.file && last->at.off + last->len == o->at.off;
}

/* N bytes that come from O, whose own off and len do not count; TOLD may be NULL. */
static void put(struct line *l, const char *text, const char *told, uint32_t n, struct origin o)
{
    struct origin *last = l->n_pieces ? &l->pieces[l->n_pieces - 1] : NULL;

    if (n > TEXT_MAX - l->n) {
        l->too_long = true;
        return;
    }
    if (!n)
        return;
    if (l->n + n > l->room) {
        l->room = (l->n + n) * 2 + 128;
        l->s = must_realloc(l->s, l->room);
        l->told = must_realloc(l->told, l->room);
    }
    memcpy(l->s + l->n, text, n);
    memset(l->told + l->n, 0, n);
    for (uint32_t i = 0; told && i < n; i++)
        if (told[i]) {
            l->told[l->n + i] = told[i];
            l->s[l->n + i] = '\0';
        }
    o.off = l->n;
    o.len = n;
    if (o.verbatim)
        o.at.len = n;
    l->n += n;
    if (last && continues(last, &o)) {
        last->len += n;
        if (o.verbatim)
            last->at.len = last->len;
        return;
    }
    if (l->n_pieces == l->pieces_room) {
        l->pieces_room = l->pieces_room * 2 + 16;
        l->pieces = must_realloc(l->pieces, l->pieces_room * sizeof(*l->pieces));
    }
    l->pieces[l->n_pieces++] = o;
}

void line_put(struct line *l, const char *text, uint32_t n, struct span at, const char *why)
{
    put(l, text, NULL, n, (struct origin){.at = at, .why = why});
}

void line_put_value(struct line *l, const char *text, const char *told, uint32_t n, struct span at,
                    const char *why, enum told by)
{
    put(l, text, told, n, (struct origin){.at = at, .why = why, .told = by});
}

void line_put_argument(struct line *l, const char *text, uint32_t n, uint32_t source)
{
    put(l, text, NULL, n,
        (struct origin){.at = {.file = source}, .verbatim = true, .told = TOLD_BY_ARGUMENT});
}

void line_put_spelt(struct line *l, const char *text, uint32_t n, const struct origin *o)
{
    put(l, text, NULL, n, *o);
}

void line_put_source(struct line *l, const char *text, uint32_t n, struct span at)
{
    put(l, text, NULL, n, (struct origin){.at = at, .verbatim = true});
}

/* The index of the piece that byte I is in. */
static uint32_t piece_of(const struct line *l, uint32_t i)
{
    uint32_t lo = 0, hi = l->n_pieces;

    while (hi - lo > 1) {
        uint32_t mid = lo + (hi - lo) / 2;

        if (l->pieces[mid].off <= i)
            lo = mid;
        else
            hi = mid;
    }
    return lo;
}

void line_copy(struct line *l, const struct line *from, uint32_t i, uint32_t j)
{
    l->too_long |= from->too_long;
    if (i >= j)
        return;
    for (uint32_t k = piece_of(from, i); k < from->n_pieces && from->pieces[k].off < j; k++) {
        struct origin o = from->pieces[k];
        uint32_t start = o.off < i ? i : o.off;
        uint32_t end = o.off + o.len > j ? j : o.off + o.len;

        if (o.verbatim)
            o.at.off += start - o.off;
        put(l, from->s + start, from->told + start, end - start, o);
    }
}

/* Where byte I was written: itself, or the whole that it stands for. */
static struct span place_of(const struct line *l, uint32_t i)
{
    const struct origin *o = &l->pieces[piece_of(l, i)];
    struct span at = o->at;

    if (o->verbatim) {
        at.off += i - o->off;
        at.len = 1;
    }
    return at;
}

struct span line_span(const struct line *l, uint32_t i, uint32_t j, const char **why)
{
    const struct origin *o = &l->pieces[piece_of(l, i)];
    struct span at = place_of(l, i), last = place_of(l, j - 1);

    *why = o->verbatim ? NULL : o->why;
    if (last.file == at.file && last.off + last.len > at.off + at.len)
        at.len = last.off + last.len - at.off;
    return at;
}

struct source *line_source(struct line *l, struct sources *s, const char *name)
{
    struct source *src = source_add(s, name, l->n ? l->s : "", l->n);

    source_set_origins(s, src, l->pieces, l->n_pieces);
    line_free(l);
    return src;
}
