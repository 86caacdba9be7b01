/*
 * maps: one interface to script arrays, whether a kernel program fills them (a BPF hash map reached
 * by bpf(2)) or only user-space handlers do (elements in our memory). Keys are laid out as obj_map
 * says, a string key as its hash, its text stored beside the value. Enters: keys and values checked
 * by the caller; values read from the kernel are checked here, since an object of unknown origin
 * wrote them.
 *
 * A handler that reads an array and deletes it drains its elements out of the kernel first, so that
 * no hit falls between the two. Adding to an element that is not drained is read, change, write:
 * bpf(2) has no atomic add, so an update by a handler in the kernel at that moment can be lost.
 * begin and end handlers run alone.
 */
#include "run/maps.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <bpf/bpf.h>

/* Out of memory must not end the process: uthash then leaves the element out. */
#define HASH_NONFATAL_OOM      1
#define uthash_nonfatal_oom(e) ((e)->lost = true)
#include <uthash.h>

enum {
    FIND_TRIES = 256,
    BATCH_BYTES = 1 << 20,
    BATCH_MIN = 16,
    BATCH_MAX = 1 << 16,
    CLEAR_KEYS = 512
};

/*
 * An element in our memory: key_size bytes of key, then the texts of string keys as struct ngs_str.
 */
struct run_elem {
    UT_hash_handle hh;
    bool lost;
    int64_t num;
    struct ngs_str *str;
    struct ngs_stats *stats;
    const struct ngs_str *text[OBJ_MAX_KEYS];
    uint8_t key[];
};

bool run_map_open(struct run_map *map, const struct obj_map *m, int fd, uint32_t maxlen)
{
    *map = (struct run_map){.m = m, .fd = fd, .drained = -1, .maxlen = maxlen};
    map->scratch = calloc(2, m->value_size ? m->value_size : 1);
    return map->scratch != NULL;
}

static void free_elem(struct run_elem *e)
{
    free(e->str);
    free(e->stats);
    free(e);
}

void run_map_close(struct run_map *map)
{
    if (map->m && map->fd < 0)
        run_map_clear(map);
    free(map->scratch);
    *map = (struct run_map){0};
}

/* ---- values as the kernel has them ---- */

static struct str str_at(const struct run_map *map, const uint8_t *value, uint32_t off)
{
    const struct ngs_str *s = (const struct ngs_str *)(value + off);
    uint32_t room = map->m->value_size - off - (uint32_t)sizeof(*s);

    return (struct str){s->bytes, s->len < room ? s->len : room};
}

static void decode(const struct run_map *map, uint8_t *value, struct run_value *v)
{
    const struct obj_map *m = map->m;

    *v = (struct run_value){0};
    if (m->val_type == OBJ_LONG)
        memcpy(&v->num, value + m->val_off, sizeof(v->num));
    else if (m->val_type == OBJ_STRING)
        v->str = str_at(map, value, m->val_off);
    else
        v->stats = (struct ngs_stats *)(value + m->val_off);
    for (uint32_t k = 0; k < m->n_keys; k++)
        if (m->key_type[k] == OBJ_STRING)
            v->text[k] = str_at(map, value, m->text_off[k]);
}

static void encode(const struct run_map *map, const struct str *texts, const struct run_value *v)
{
    const struct obj_map *m = map->m;
    uint8_t *to = map->scratch + m->val_off;

    if (m->val_type == OBJ_LONG)
        memcpy(to, &v->num, sizeof(v->num));
    else if (m->val_type == OBJ_STRING) {
        uint64_t stamp = __atomic_fetch_add(map->stamp, 1, __ATOMIC_RELAXED);

        memcpy(to - sizeof(stamp), &stamp, sizeof(stamp));
        str_set((struct ngs_str *)to, map->maxlen, v->str.p, v->str.len);
    } else if ((uint8_t *)v->stats != to)
        memcpy(to, v->stats, stats_size(m->hist, m->hist_args));
    for (uint32_t k = 0; k < m->n_keys; k++)
        if (m->key_type[k] == OBJ_STRING)
            str_set((struct ngs_str *)(map->scratch + m->text_off[k]), map->maxlen, texts[k].p,
                    texts[k].len);
}

/* ---- one element ---- */

static struct run_elem *mine(const struct run_map *map, const void *key)
{
    struct run_elem *e;

    HASH_FIND(hh, map->mine, key, map->m->key_size, e);
    return e;
}

static void view(const struct run_map *map, struct run_elem *e, struct run_value *v)
{
    *v = (struct run_value){.num = e->num, .stats = e->stats};
    if (e->str)
        v->str = (struct str){e->str->bytes, e->str->len};
    for (uint32_t k = 0; k < map->m->n_keys; k++)
        if (e->text[k])
            v->text[k] = (struct str){e->text[k]->bytes, e->text[k]->len};
}

/*
 * Copies the kernel's value to scratch. Copies a string again until the element still has the
 * copy's stamp afterwards (base/abi.h, struct obj_map).
 */
static bool copy_value(struct run_map *map, const void *key)
{
    const struct obj_map *m = map->m;
    size_t stamp = m->val_off - sizeof(uint64_t);
    uint8_t *later = map->scratch + m->value_size;

    for (int turn = 0; turn < FIND_TRIES; turn++) {
        if (bpf_map_lookup_elem(map->fd, key, map->scratch))
            return false;
        if (m->val_type != OBJ_STRING ||
            (!bpf_map_lookup_elem(map->fd, key, later) &&
             !memcmp(map->scratch + stamp, later + stamp, sizeof(uint64_t))))
            return true;
    }
    map->busy = true;
    return false;
}

bool run_map_find(struct run_map *map, const void *key, struct run_value *v)
{
    map->busy = false;
    if (map->fd >= 0) {
        if (!copy_value(map, key))
            return false;
        decode(map, map->scratch, v);
        return true;
    }

    struct run_elem *e = mine(map, key);

    if (e)
        view(map, e, v);
    return e != NULL;
}

static struct ngs_str *own_str(struct str s)
{
    struct ngs_str *n = calloc(1, NGS_STR_SIZE(s.len));

    if (n)
        str_set(n, s.len, s.p, s.len);
    return n;
}

/* Sets the value of an element in our memory; false: out of memory, nothing changed. */
static bool set_mine(const struct run_map *map, struct run_elem *e, const struct run_value *v)
{
    const struct obj_map *m = map->m;

    if (m->val_type == OBJ_STRING) {
        struct ngs_str *s = own_str(v->str);

        if (!s)
            return false;
        free(e->str);
        e->str = s;
    } else if (m->val_type == OBJ_STATS) {
        if (!e->stats)
            e->stats = malloc(stats_size(m->hist, m->hist_args));
        if (!e->stats)
            return false;
        if (e->stats != v->stats)
            memcpy(e->stats, v->stats, stats_size(m->hist, m->hist_args));
    }
    e->num = v->num;
    return true;
}

static struct run_elem *new_elem(const struct run_map *map, const void *key,
                                 const struct str *texts)
{
    const struct obj_map *m = map->m;
    uint32_t size = (m->key_size + 7) & ~7u;
    struct run_elem *e;

    for (uint32_t k = 0; k < m->n_keys; k++)
        if (m->key_type[k] == OBJ_STRING)
            size += (uint32_t)NGS_STR_SIZE(texts[k].len);
    e = calloc(1, sizeof(*e) + size);
    if (!e)
        return NULL;
    memcpy(e->key, key, m->key_size);
    size = (m->key_size + 7) & ~7u;
    for (uint32_t k = 0; k < m->n_keys; k++)
        if (m->key_type[k] == OBJ_STRING) {
            struct ngs_str *s = (struct ngs_str *)(e->key + size);

            str_set(s, texts[k].len, texts[k].p, texts[k].len);
            e->text[k] = s;
            size += (uint32_t)NGS_STR_SIZE(texts[k].len);
        }
    return e;
}

/* Adds an element to our memory; false: out of memory. */
static bool add_mine(struct run_map *map, const void *key, const struct str *texts,
                     const struct run_value *v)
{
    struct run_elem *e = new_elem(map, key, texts);

    if (!e)
        return false;
    if (set_mine(map, e, v)) {
        HASH_ADD_KEYPTR(hh, map->mine, e->key, map->m->key_size, e);
        if (!e->lost)
            return true;
    }
    free_elem(e);
    return false;
}

static enum run_map_result store_mine(struct run_map *map, const void *key, const struct str *texts,
                                      const struct run_value *v)
{
    struct run_elem *e = mine(map, key), *oldest = map->mine;

    if (e)
        return set_mine(map, e, v) ? MAP_OK : MAP_ERROR;

    bool full = HASH_COUNT(map->mine) >= map->m->max_entries;

    if (full && (!map->m->wrap || !oldest))
        return MAP_OVERFLOW;
    if (!add_mine(map, key, texts, v))
        return MAP_ERROR;
    if (full) {
        HASH_DEL(map->mine, oldest);
        free_elem(oldest);
    }
    return MAP_OK;
}

enum run_map_result run_map_store(struct run_map *map, const void *key, const struct str *texts,
                                  const struct run_value *v)
{
    if (map->fd < 0)
        return store_mine(map, key, texts, v);
    encode(map, texts, v);
    if (!bpf_map_update_elem(map->fd, key, map->scratch, BPF_ANY))
        return MAP_OK;
    if (errno != E2BIG)
        return MAP_ERROR;
    if (!map->m->wrap)
        return MAP_OVERFLOW;

    /* a wrapping array that is no LRU map: any element makes room, as the kernel knows no age */
    uint8_t *victim = malloc(map->m->key_size);
    bool done = victim && !bpf_map_get_next_key(map->fd, NULL, victim) &&
                !bpf_map_delete_elem(map->fd, victim) &&
                !bpf_map_update_elem(map->fd, key, map->scratch, BPF_ANY);

    free(victim);
    return done ? MAP_OK : MAP_OVERFLOW;
}

void run_map_delete(struct run_map *map, const void *key)
{
    if (map->fd >= 0) {
        bpf_map_delete_elem(map->fd, key);
        return;
    }

    struct run_elem *e = mine(map, key);

    if (e) {
        HASH_DEL(map->mine, e);
        free_elem(e);
    }
}

/*
 * Moves an element from the kernel's map to scratch. Before Linux 5.14 look-up and deletion are two
 * calls, and an update between them is lost.
 */
static bool drain_one(const struct run_map *map, int fd, const void *key)
{
    return !bpf_map_lookup_and_delete_elem(fd, key, map->scratch) ||
           (errno != ENOENT && !bpf_map_lookup_elem(fd, key, map->scratch) &&
            !bpf_map_delete_elem(fd, key));
}

/* ---- all elements ---- */

static void clear_kernel(struct run_map *map)
{
    uint32_t size = map->m->key_size, n;
    uint8_t *keys = malloc((size_t)size * CLEAR_KEYS);

    if (!keys)
        return;
    do {
        /* the keys first: deleting the one that get_next_key starts from sends it back to the start
         */
        for (n = 0; n < CLEAR_KEYS; n++)
            if (bpf_map_get_next_key(map->fd, n ? keys + (size_t)(n - 1) * size : NULL,
                                     keys + (size_t)n * size))
                break;
        for (uint32_t i = 0; i < n; i++)
            bpf_map_delete_elem(map->fd, keys + (size_t)i * size);
    } while (n == CLEAR_KEYS);
    free(keys);
}

void run_map_clear(struct run_map *map)
{
    struct run_elem *e, *next;

    if (map->fd >= 0) {
        clear_kernel(map);
        return;
    }
    HASH_ITER (hh, map->mine, e, next) {
        HASH_DEL(map->mine, e);
        free_elem(e);
    }
}

/* Walks key by key, where the kernel or the map type has no batches. */
static bool each_single(struct run_map *map, run_each_fn fn, void *ctx)
{
    uint8_t *keys = malloc(2 * (size_t)map->m->key_size), *key = keys,
            *next = keys + map->m->key_size;
    struct run_value v;
    bool ok = keys != NULL;
    uint64_t left =
        2 * (uint64_t)map->m->max_entries + 64; /* deletions meanwhile can send us back */
    int r = keys ? bpf_map_get_next_key(map->fd, NULL, next) : -1;

    while (ok && r == 0 && left--) {
        uint8_t *t = key;

        key = next;
        next = t;
        if (!bpf_map_lookup_elem(map->fd, key, map->scratch)) {
            decode(map, map->scratch, &v);
            ok = fn(ctx, key, &v);
        }
        r = bpf_map_get_next_key(map->fd, key, next);
    }
    free(keys);
    return ok;
}

/* bpf_map_lookup_batch() or bpf_map_lookup_and_delete_batch() */
typedef int (*batch_fn)(int fd, void *in, void *out, void *keys, void *values, uint32_t *count,
                        const struct bpf_map_batch_opts *opts);

static bool each_batch(struct run_map *map, batch_fn batch, run_each_fn fn, void *ctx,
                       bool *unsupported)
{
    const struct obj_map *m = map->m;
    uint32_t n = BATCH_BYTES / (m->key_size + m->value_size);
    uint8_t *keys = NULL, *values = NULL;
    uint32_t in = 0, out = 0;
    bool first = true, ok = true, more = true;

    n = n < BATCH_MIN ? BATCH_MIN : n > BATCH_MAX ? BATCH_MAX : n;
    *unsupported = false;
    while (ok && more) {
        uint32_t got = n;

        if (!keys) {
            keys = malloc((size_t)n * m->key_size);
            values = malloc((size_t)n * m->value_size);
            if (!keys || !values) {
                ok = false;
                break;
            }
        }
        if (batch(map->fd, first ? NULL : &in, &out, keys, values, &got, NULL)) {
            if (errno == ENOSPC && n < BATCH_MAX) { /* one hash bucket holds more than N */
                n *= 2;
                free(keys);
                free(values);
                keys = values = NULL;
                continue;
            }
            more = false;
            if (errno != ENOENT) { /* ENOENT: that was the last batch */
                *unsupported = first;
                ok = false;
                break;
            }
        }
        first = false;
        in = out;
        for (uint32_t i = 0; ok && i < got && i < n; i++) {
            struct run_value v;

            decode(map, values + (size_t)i * m->value_size, &v);
            ok = fn(ctx, keys + (size_t)i * m->key_size, &v);
        }
    }
    free(keys);
    free(values);
    return ok;
}

bool run_map_each(struct run_map *map, run_each_fn fn, void *ctx)
{
    struct run_elem *e, *next;
    bool unsupported;

    if (map->fd >= 0)
        return each_batch(map, bpf_map_lookup_batch, fn, ctx, &unsupported) ||
               (unsupported && each_single(map, fn, ctx));
    HASH_ITER (hh, map->mine, e, next) {
        struct run_value v;

        view(map, e, &v);
        if (!fn(ctx, e->key, &v))
            return false;
    }
    return true;
}

/* ---- draining and merging back ---- */

bool run_map_in_kernel(const struct run_map *map)
{
    return map->fd >= 0 || map->drained >= 0;
}

static bool keep(void *ctx, const void *key, const struct run_value *v)
{
    return add_mine(ctx, key, v->text, v);
}

/* Drains key by key, where the kernel has no batches. */
static bool drain_single(struct run_map *map)
{
    uint8_t *key = malloc(map->m->key_size);
    struct run_value v;
    bool ok = key != NULL;

    while (ok && !bpf_map_get_next_key(map->fd, NULL, key) && drain_one(map, map->fd, key)) {
        decode(map, map->scratch, &v);
        ok = keep(map, key, &v);
    }
    free(key);
    return ok;
}

bool run_map_drain(struct run_map *map, bool set)
{
    bool unsupported;

    if (map->fd < 0)
        return true;
    if (!each_batch(map, bpf_map_lookup_and_delete_batch, keep, map, &unsupported) &&
        !(unsupported && drain_single(map)))
        return false;
    map->drained = map->fd;
    map->fd = -1;
    map->set = set;
    return true;
}

/*
 * Stores an element in the kernel's map. A kernel handler may create it anew at any moment: then
 * that one is drained and merged, too.
 */
static bool merge_one(struct run_map *map, struct run_elem *e)
{
    const struct obj_map *m = map->m;
    struct run_value v, newer;

    for (;;) {
        view(map, e, &v);
        encode(map, v.text, &v);
        if (!bpf_map_update_elem(map->drained, e->key, map->scratch, BPF_NOEXIST))
            return true;
        if (errno != EEXIST)
            return false;
        if (m->val_type == OBJ_STRING || (m->val_type == OBJ_LONG && map->set))
            return true;
        if (!drain_one(map, map->drained, e->key))
            continue;
        decode(map, map->scratch, &newer);
        if (m->val_type == OBJ_STATS)
            stats_merge(e->stats, newer.stats, ngs_hist_buckets(m->hist, m->hist_args));
        else
            e->num = (int64_t)((uint64_t)e->num + (uint64_t)newer.num);
    }
}

uint32_t run_map_merge_back(struct run_map *map)
{
    uint32_t lost = 0;

    if (map->drained < 0)
        return 0;
    for (struct run_elem *e = map->mine; e; e = e->hh.next)
        lost += !merge_one(map, e);
    run_map_clear(map);
    map->fd = map->drained;
    map->drained = -1;
    return lost;
}
