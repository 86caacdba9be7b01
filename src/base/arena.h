/*
 * arena: one pool of memory per compile. Everything a pass allocates lives until the
 * arena is freed, once, at the end; nothing is freed singly. Memory is zeroed; running
 * out of it ends the process with a message (there is nothing sensible left to do).
 */
#ifndef BASE_ARENA_H
#define BASE_ARENA_H

#include <stdarg.h>
#include <stddef.h>

struct arena;

struct arena *arena_new(void);
void arena_free(struct arena *a);

/* SIZE zeroed bytes, aligned for any type; never NULL. */
void *arena_alloc(struct arena *a, size_t size);

/* An array of N elements of SIZE bytes; the product is checked. */
void *arena_calloc(struct arena *a, size_t n, size_t size);

/*
 * Room for one more element in a growing array: returns the array, moved when needed,
 * with space for at least N + 1 elements. Capacities are powers of two of at least 8, so
 * the caller keeps only the count: v = arena_grow(a, v, n, sizeof *v); v[n++] = x.
 */
void *arena_grow(struct arena *a, void *array, size_t n, size_t size);

char *arena_strdup(struct arena *a, const char *s);
char *arena_strndup(struct arena *a, const char *s, size_t len); /* NUL added */
char *arena_printf(struct arena *a, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
char *arena_vprintf(struct arena *a, const char *fmt, va_list ap);

#define ARENA_NEW(a, type)      ((type *)arena_alloc((a), sizeof(type)))
#define ARENA_ARRAY(a, type, n) ((type *)arena_calloc((a), (n), sizeof(type)))

#endif
