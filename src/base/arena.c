/*
 * arena: chunks of zeroed memory in a list; see arena.h. Enters: sizes; leaves: memory that
 * lives until arena_free. A request larger than a chunk gets a chunk of its own.
 */
#include "base/arena.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bounds.h"

enum { CHUNK_SIZE = 256 * 1024, ALIGNMENT = 16 };

struct chunk {
    struct chunk *next;
    size_t used, size;
    _Alignas(ALIGNMENT) unsigned char data[];
};

struct arena {
    struct chunk *chunks;
};

static void *must_alloc(size_t size)
{
    void *p = calloc(1, size);

    if (!p)
        bounds_no_memory();
    return p;
}

struct arena *arena_new(void)
{
    return must_alloc(sizeof(struct arena));
}

void arena_free(struct arena *a)
{
    if (!a)
        return;
    for (struct chunk *c = a->chunks, *next; c; c = next) {
        next = c->next;
        free(c);
    }
    free(a);
}

void *arena_alloc(struct arena *a, size_t size)
{
    struct chunk *c = a->chunks;

    if (size > SIZE_MAX / 2)
        bounds_no_memory();
    size = (size + ALIGNMENT - 1) & ~(size_t)(ALIGNMENT - 1);
    if (!c || c->size - c->used < size) {
        size_t chunk_size = size > CHUNK_SIZE / 4 ? size : CHUNK_SIZE;
        struct chunk *fresh = must_alloc(sizeof(*fresh) + chunk_size);

        fresh->size = chunk_size;
        if (c && chunk_size == size) { /* keep filling the chunk in hand */
            fresh->next = c->next;
            c->next = fresh;
        } else {
            fresh->next = c;
            a->chunks = fresh;
        }
        c = fresh;
    }
    void *p = c->data + c->used;

    c->used += size;
    return p;
}

void *arena_calloc(struct arena *a, size_t n, size_t size)
{
    size_t total;

    if (__builtin_mul_overflow(n, size, &total))
        total = SIZE_MAX;
    return arena_alloc(a, total);
}

void *arena_grow(struct arena *a, void *array, size_t n, size_t size)
{
    if (n == 0)
        return arena_calloc(a, 8, size);
    if (n < 8 || (n & (n - 1)))
        return array;
    void *bigger = arena_calloc(a, n * 2, size);

    memcpy(bigger, array, n * size);
    return bigger;
}

char *arena_strndup(struct arena *a, const char *s, size_t len)
{
    char *p = arena_alloc(a, len + 1);

    memcpy(p, s, len);
    return p;
}

char *arena_strdup(struct arena *a, const char *s)
{
    return arena_strndup(a, s, strlen(s));
}

char *arena_vprintf(struct arena *a, const char *fmt, va_list ap)
{
    va_list again;

    va_copy(again, ap);
    int len = vsnprintf(NULL, 0, fmt, again);
    va_end(again);
    if (len < 0)
        return arena_strdup(a, "");
    char *p = arena_alloc(a, (size_t)len + 1);

    vsnprintf(p, (size_t)len + 1, fmt, ap);
    return p;
}

char *arena_printf(struct arena *a, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    char *p = arena_vprintf(a, fmt, ap);
    va_end(ap);
    return p;
}
