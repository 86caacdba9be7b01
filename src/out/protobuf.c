/*
 * protobuf: see protobuf.h. Enters: fields; leaves: bytes, and back. Refused when reading: groups,
 * field 0, lengths beyond the end, varints of more than ten bytes.
 */
#include "out/protobuf.h"

#include <stdlib.h>
#include <string.h>

#include <uthash.h>
#undef HASH_BKT_CAPACITY_THRESH
#define HASH_BKT_CAPACITY_THRESH 6U /* as in stacks.c */
#include <zlib.h>

#include "base/arena.h"

struct pb_entry {
    const void *p;
    size_t n;
    uint32_t index;
    UT_hash_handle hh;
};

enum { GZIP = 16 }; /* zlib.h: added to the window's bits */

/* ---- writing ---- */

void pb_free(struct pb *b)
{
    free(b->p);
    *b = (struct pb){0};
}

static bool make_room(struct pb *b, size_t n)
{
    if (n <= b->room - b->n)
        return true;
    size_t room = b->room ? b->room : 256;

    while (room - b->n < n)
        if (__builtin_mul_overflow(room, 2, &room))
            return !(b->failed = true);
    unsigned char *p = realloc(b->p, room);

    if (!p)
        return !(b->failed = true);
    b->p = p;
    b->room = room;
    return true;
}

static void put_bytes(struct pb *b, const void *p, size_t n)
{
    if (!n || !make_room(b, n))
        return;
    memcpy(b->p + b->n, p, n);
    b->n += n;
}

void pb_varint(struct pb *b, uint64_t v)
{
    unsigned char bytes[10];
    size_t n = 0;

    for (; v >= 0x80; v >>= 7)
        bytes[n++] = (unsigned char)(v | 0x80);
    bytes[n++] = (unsigned char)v;
    put_bytes(b, bytes, n);
}

void pb_number(struct pb *b, unsigned field, uint64_t v)
{
    if (!v)
        return;
    pb_varint(b, field << 3 | PB_VARINT);
    pb_varint(b, v);
}

void pb_fixed64(struct pb *b, unsigned field, uint64_t v)
{
    unsigned char bytes[8];

    if (!v)
        return;
    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (unsigned char)(v >> (8 * i));
    pb_varint(b, field << 3 | PB_FIXED64);
    put_bytes(b, bytes, sizeof(bytes));
}

void pb_block(struct pb *b, unsigned field, const void *p, size_t n)
{
    pb_varint(b, field << 3 | PB_BYTES);
    pb_varint(b, n);
    put_bytes(b, p, n);
}

void pb_text(struct pb *b, unsigned field, const char *text)
{
    if (*text)
        pb_block(b, field, text, strlen(text));
}

void pb_message(struct pb *b, unsigned field, struct pb *from)
{
    pb_block(b, field, from->p, from->n);
    b->failed |= from->failed;
    from->n = 0;
}

bool pb_gzip(const struct pb *b, FILE *f)
{
    unsigned char chunk[65536];
    z_stream z = {.next_in = b->p, .avail_in = (uInt)b->n};
    int status;

    if (b->failed || b->n > UINT32_MAX / 2 ||
        deflateInit2(&z, Z_DEFAULT_COMPRESSION, Z_DEFLATED, MAX_WBITS + GZIP, 8,
                     Z_DEFAULT_STRATEGY))
        return false;
    do {
        z.next_out = chunk;
        z.avail_out = sizeof(chunk);
        status = deflate(&z, Z_FINISH);
        fwrite(chunk, 1, sizeof(chunk) - z.avail_out, f);
    } while (status == Z_OK);
    deflateEnd(&z);
    return status == Z_STREAM_END;
}

/* ---- tables ---- */

uint32_t pb_intern(struct arena *a, struct pb_table *t, const void *p, size_t n)
{
    struct pb_entry *e;

    HASH_FIND(hh, t->by_bytes, p, n, e);
    if (e)
        return e->index;
    e = ARENA_NEW(a, struct pb_entry);
    e->p = arena_strndup(a, n ? p : "", n);
    e->n = n;
    e->index = t->n;
    HASH_ADD_KEYPTR(hh, t->by_bytes, e->p, n, e);
    t->v = arena_grow(a, t->v, t->n, sizeof(*t->v));
    t->v[t->n] = e;
    return t->n++;
}

uint32_t pb_intern_message(struct arena *a, struct pb_table *t, struct pb *from)
{
    uint32_t index = pb_intern(a, t, from->p ? (const void *)from->p : "", from->n);

    from->n = 0;
    return index;
}

uint32_t pb_intern_text(struct arena *a, struct pb_table *t, const char *text)
{
    return pb_intern(a, t, text, strlen(text));
}

void pb_put_table(struct pb *b, unsigned field, const struct pb_table *t)
{
    for (uint32_t i = 0; i < t->n; i++)
        pb_block(b, field, t->v[i]->p, t->v[i]->n);
}

void pb_table_free(struct pb_table *t)
{
    HASH_CLEAR(hh, t->by_bytes);
}

/* ---- reading ---- */

static bool bad(struct pb_reader *r)
{
    r->bad = true;
    r->at = r->end;
    return false;
}

bool pb_next_number(struct pb_reader *r, uint64_t *v)
{
    *v = 0;
    if (r->at == r->end)
        return false;
    for (unsigned shift = 0; shift < 64 && r->at < r->end; shift += 7) {
        unsigned char c = *r->at++;

        *v |= (uint64_t)(c & 0x7f) << shift;
        if (c < 0x80)
            return true;
    }
    return bad(r);
}

static bool fixed(struct pb_reader *r, size_t n, uint64_t *v)
{
    *v = 0;
    if ((size_t)(r->end - r->at) < n)
        return bad(r);
    for (size_t i = 0; i < n; i++)
        *v |= (uint64_t)*r->at++ << (8 * i);
    return true;
}

bool pb_next(struct pb_reader *r, struct pb_field *f)
{
    uint64_t key, len;

    *f = (struct pb_field){0};
    if (!pb_next_number(r, &key))
        return false;
    f->number = (uint32_t)(key >> 3);
    f->type = key & 7;
    if (key > UINT32_MAX || !f->number)
        return bad(r);
    switch (f->type) {
    case PB_VARINT:
        return pb_next_number(r, &f->value) || bad(r);
    case PB_FIXED64:
        return fixed(r, 8, &f->value);
    case PB_FIXED32:
        return fixed(r, 4, &f->value);
    case PB_BYTES:
        if (!pb_next_number(r, &len) || len > (uint64_t)(r->end - r->at))
            return bad(r);
        f->bytes = (struct pb_reader){r->at, r->at + len, false};
        r->at += len;
        return true;
    }
    return bad(r);
}

unsigned char *pb_gunzip(const unsigned char *p, size_t n, size_t max, size_t *len)
{
    z_stream z = {.next_in = (unsigned char *)p, .avail_in = (uInt)n};
    unsigned char *out = NULL;
    size_t room = 0;
    int status = Z_OK;

    if (n > UINT32_MAX / 2 || max > UINT32_MAX / 2 || inflateInit2(&z, MAX_WBITS + GZIP))
        return NULL;
    *len = 0;
    while (status == Z_OK) {
        if (*len == room) {
            unsigned char *more = room < max ? realloc(out, room ? 2 * room : 65536) : NULL;

            if (!more)
                break;
            room = room ? 2 * room : 65536;
            out = more;
        }
        z.next_out = out + *len;
        z.avail_out = (uInt)(room - *len);
        status = inflate(&z, Z_NO_FLUSH);
        if (status == Z_OK && z.avail_out && !z.avail_in)
            break; /* cut off */
        *len = room - z.avail_out;
    }
    inflateEnd(&z);
    if (status == Z_STREAM_END && *len <= max)
        return out;
    free(out);
    return NULL;
}
