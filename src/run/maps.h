/*
 * maps: script arrays, in the kernel or in our memory (maps.c), and foreach over them (foreach.c).
 */
#ifndef RUN_MAPS_H
#define RUN_MAPS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/abi.h"
#include "run/text.h"
#include "run/value.h"

/* An element's value as it is now; valid until the next call for the same array. */
struct run_value {
    int64_t num;                   /* OBJ_LONG */
    struct str str;                /* OBJ_STRING */
    struct ngs_stats *stats;       /* OBJ_STATS; may be changed, then stored */
    struct str text[OBJ_MAX_KEYS]; /* of string keys */
};

struct run_elem;
struct run_iter;

struct run_map {
    const struct obj_map *m;
    int fd;                 /* the kernel's map; -1: elements are ours */
    int drained;            /* the kernel's map, while its elements are ours; else -1 */
    bool set;               /* of a drained one: what the kernel has stored meanwhile is kept */
    uint32_t maxlen;        /* MAXSTRINGLEN */
    struct run_elem *mine;  /* uthash, in order of insertion */
    uint8_t *scratch;       /* one value as the kernel has it, and room for another */
    uint64_t *stamp;        /* of string values in the kernel: the control map's */
    bool busy;              /* the last find failed since the value changed all the time */
    struct run_iter *iters; /* running foreach loops over this array */
};

enum run_map_result { MAP_OK, MAP_NONE, MAP_OVERFLOW, MAP_ERROR };

/* False: out of memory. FD -1: elements live in our memory. */
bool run_map_open(struct run_map *map, const struct obj_map *m, int fd, uint32_t maxlen);
/* No foreach goes on over it. */
void run_map_close(struct run_map *map);

/*
 * False: there is none; or it is a string that changes too often to be read, and map->busy is set.
 */
bool run_map_find(struct run_map *map, const void *key, struct run_value *v);
/* Sets the value; TEXTS are the texts of string keys. MAP_OVERFLOW: no room (and the array does not
 * wrap). */
enum run_map_result run_map_store(struct run_map *map, const void *key, const struct str *texts,
                                  const struct run_value *v);
void run_map_delete(struct run_map *map, const void *key);
void run_map_clear(struct run_map *map);

/*
 * Drains the kernel's elements into our memory, where the functions above then work, so that no hit
 * is lost between reading an array and deleting it. SET: kernel handlers set elements, and do not
 * only add. Does nothing for an array in our memory. False: the kernel refused, or no memory.
 */
bool run_map_drain(struct run_map *map, bool set);
/* Merges what is left into the kernel's map; returns how many elements had no room. */
uint32_t run_map_merge_back(struct run_map *map);
/* Is the array the kernel's, drained or not? */
bool run_map_in_kernel(const struct run_map *map);

/* Calls FN for every element; false when the kernel refused or memory ran out. */
typedef bool (*run_each_fn)(void *ctx, const void *key, const struct run_value *v);
bool run_map_each(struct run_map *map, run_each_fn fn, void *ctx);

/* ---- foreach.c ---- */

/* Turns address marks into names. */
typedef void (*run_expand_fn)(void *ctx, const char *p, size_t len, struct text *out);

/*
 * Takes a snapshot and sorts it (SORT: NGS_SORT word; LIMIT < 0: all). Elements whose keys differ
 * only in addresses of the same name are one, with their values added. NULL: out of memory.
 */
struct run_iter *run_iter_new(struct run_map *map, uint64_t sort, int64_t limit,
                              run_expand_fn expand, void *ctx);
/* The next element's key and value, or false. */
bool run_iter_next(struct run_iter *it, const void **key, struct run_value *v);
void run_iter_free(struct run_iter *it);
const struct obj_map *run_iter_map(const struct run_iter *it);

/*
 * Keys that the running foreach shows as one element, represented by KEY: *N of them in *KEYS.
 * False: KEY represents only itself.
 */
bool run_map_group(const struct run_map *map, const void *key, const void *const **keys,
                    uint32_t *n);

#endif
