/*
 * arrays: the helpers of user-space handlers that work on script arrays, aggregates and histograms,
 * foreach included. Enters and leaves: as in helpers.c; the elements are in maps.c, the order of a
 * foreach in foreach.c, the bars of a histogram in hist.c.
 */
#include "run/helpers.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* ---- script arrays ---- */

static struct run_map *get_map(struct run *r, uint64_t id)
{
    if (id >= r->o->h->table[OBJ_MAPS].n) {
        run_bad(r, "unknown array");
        return NULL;
    }
    return &r->maps[id];
}

/*
 * Reads operands 0 and 1, an array and a key's address; TYPE is what the array must hold (0:
 * anything).
 */
static struct run_map *get_key(struct run *r, const uint64_t *a, uint32_t type, const void **key)
{
    struct run_map *m = get_map(r, a[0]);

    if (!m)
        return NULL;
    if (type && m->m->val_type != type) {
        run_bad(r, "array of another type");
        return NULL;
    }
    *key = vm_at(&r->vm, a[1], m->m->key_size, false);
    return *key ? m : NULL;
}

static bool get_texts(struct run *r, const struct run_map *m, uint64_t addr,
                      struct str texts[OBJ_MAX_KEYS])
{
    const uint64_t *words = vm_at(&r->vm, addr, m->m->n_keys * 8, false);

    for (uint32_t k = 0; words && k < m->m->n_keys; k++) {
        uint64_t w;

        texts[k] = (struct str){"", 0};
        memcpy(&w, words + k, sizeof(w));
        if (m->m->key_type[k] == OBJ_STRING && !run_str(r, w, &texts[k]))
            return false;
        if (texts[k].len > r->o->h->maxstringlen)
            texts[k].len = r->o->h->maxstringlen;
    }
    return words != NULL;
}

static uint64_t stored(struct run *r, const struct run_map *m, enum run_map_result result)
{
    if (result == MAP_OK)
        return 0;
    if (result != MAP_OVERFLOW)
        return run_fail(r, NGS_ERR_MAP_REFUSED, (uint64_t)(errno ? errno : ENOMEM));
    run_count(&r->ctl->map_full);
    if (m->m->sized)
        return run_fail(r, NGS_ERR_SIZE_FULL, m->m->max_entries);
    return run_fail(r, NGS_ERR_MAP_FULL, 0);
}

/* Keys that SELF represents: itself, or those that a running foreach shows as one element. */
static uint32_t members(struct run_map *m, const void *const *self, const void *const **keys)
{
    uint32_t n;

    if (run_map_group(m, *self, keys, &n))
        return n;
    *keys = self;
    return 1;
}

static uint64_t h_map_get(struct run *r, const uint64_t *a)
{
    const void *key, *const *keys;
    struct run_map *m = get_key(r, a, 0, &key);
    struct run_value v;
    uint64_t sum = 0;
    bool found = false;

    if (!m)
        return 0;
    if (m->m->val_type == OBJ_STRING) {
        struct ngs_str *dst = run_dst(r, a[2]);

        found = run_map_find(m, key, &v);
        if (m->busy)
            return run_fail(r, NGS_ERR_BUSY, 0);
        if (dst)
            run_put(r, dst, found ? v.str.p : "", found ? v.str.len : 0);
        return found;
    }

    void *dst = vm_at(&r->vm, a[2], sizeof(sum), true);

    if (!dst || m->m->val_type != OBJ_LONG)
        return run_bad(r, "array of another type");
    for (uint32_t i = members(m, &key, &keys); i-- > 0;)
        if (run_map_find(m, keys[i], &v)) {
            sum += (uint64_t)v.num;
            found = true;
        }
    memcpy(dst, &sum, sizeof(sum));
    return found;
}

static uint64_t h_map_has(struct run *r, const uint64_t *a)
{
    const void *key;
    struct run_map *m = get_key(r, a, 0, &key);
    struct run_value v;

    return m && run_map_find(m, key, &v);
}

/* Removes the other keys that a running foreach shows as one element with KEY. */
static void delete_others(struct run_map *m, const void *key)
{
    const void *const *keys;
    uint32_t n;

    if (!run_map_group(m, key, &keys, &n))
        return;
    for (uint32_t i = 0; i < n; i++)
        if (memcmp(keys[i], key, m->m->key_size))
            run_map_delete(m, keys[i]);
}

static uint64_t h_map_set(struct run *r, const uint64_t *a)
{
    const void *key;
    struct run_map *m = get_key(r, a, 0, &key);
    struct str texts[OBJ_MAX_KEYS];
    struct run_value v = {0};

    if (!m || !get_texts(r, m, a[2], texts))
        return 0;
    if (m->m->val_type == OBJ_STRING) {
        if (!run_str(r, a[3], &v.str))
            return 0;
        if (v.str.len > r->o->h->maxstringlen)
            v.str.len = r->o->h->maxstringlen;
    } else {
        const void *p = vm_at(&r->vm, a[3], sizeof(v.num), false);

        if (!p || m->m->val_type != OBJ_LONG)
            return run_bad(r, "array of another type");
        memcpy(&v.num, p, sizeof(v.num));
    }
    delete_others(m, key);
    return stored(r, m, run_map_store(m, key, texts, &v));
}

static uint64_t h_map_add(struct run *r, const uint64_t *a)
{
    const void *key;
    struct run_map *m = get_key(r, a, OBJ_LONG, &key);
    struct str texts[OBJ_MAX_KEYS];
    struct run_value v;
    uint64_t before;

    if (!m || !get_texts(r, m, a[2], texts))
        return 0;
    if (!run_map_find(m, key, &v))
        v = (struct run_value){0};
    before = (uint64_t)v.num;
    v.num = (int64_t)(before + a[3]);
    stored(r, m, run_map_store(m, key, texts, &v));
    return before;
}

static uint64_t h_map_delete(struct run *r, const uint64_t *a)
{
    const void *key;
    struct run_map *m = get_key(r, a, 0, &key);

    if (m) {
        delete_others(m, key);
        run_map_delete(m, key);
    }
    return 0;
}

static uint64_t h_map_drain(struct run *r, const uint64_t *a)
{
    struct run_map *m = get_map(r, a[0]);

    if (m && !run_map_drain(m, a[1] != 0))
        return run_bad(r, "an array that cannot be read");
    return 0;
}

static uint64_t h_map_clear(struct run *r, const uint64_t *a)
{
    struct run_map *m = get_map(r, a[0]);

    if (m)
        run_map_clear(m);
    return 0;
}

static uint64_t h_map_stat_add(struct run *r, const uint64_t *a)
{
    const void *key;
    struct run_map *m = get_key(r, a, OBJ_STATS, &key);
    struct str texts[OBJ_MAX_KEYS];
    struct run_value v;
    void *fresh = NULL;
    uint64_t result;

    if (!m || !get_texts(r, m, a[2], texts))
        return 0;
    if (!run_map_find(m, key, &v)) {
        size_t size = stats_size(m->m->hist, m->m->hist_args);

        fresh = malloc(size);
        if (!fresh)
            return run_fail(r, NGS_ERR_MAP_REFUSED, ENOMEM);
        stats_init(fresh, size);
        v = (struct run_value){.stats = fresh};
    }
    stats_add(v.stats, m->m->hist, m->m->hist_args, (int64_t)a[3]);
    result = stored(r, m, run_map_store(m, key, texts, &v));
    free(fresh);
    return result;
}

/* Merges the aggregates of all keys that KEY represents. malloc'ed; empty when there is none. */
static struct ngs_stats *element(struct run_map *m, const void *key)
{
    size_t size = stats_size(m->m->hist, m->m->hist_args);
    struct ngs_stats *s = malloc(size);
    const void *const *keys;
    struct run_value v;

    if (!s)
        return NULL;
    stats_init(s, size);
    for (uint32_t i = members(m, &key, &keys); i-- > 0;)
        if (run_map_find(m, keys[i], &v))
            stats_merge(s, v.stats, ngs_hist_buckets(m->m->hist, m->m->hist_args));
    return s;
}

static uint64_t answer(struct run *r, const struct ngs_stats *s, uint64_t op, uint64_t out)
{
    void *dst = vm_at(&r->vm, out, 8, true);
    int64_t v;

    if (!dst)
        return 0;
    if (!s || !stats_get(s, (uint32_t)op, &v))
        return run_fail(r, NGS_ERR_EMPTY_STATS, 0);
    memcpy(dst, &v, sizeof(v));
    return 0;
}

static uint64_t h_map_stat(struct run *r, const uint64_t *a)
{
    const void *key;
    struct run_map *m = get_key(r, a, OBJ_STATS, &key);
    struct ngs_stats *s = m ? element(m, key) : NULL;
    uint64_t result = m ? answer(r, s, a[2], a[3]) : 0;

    free(s);
    return result;
}

/* ---- global aggregates ---- */

static struct ngs_stats *get_stats(struct run *r, uint64_t id, const struct obj_global **g)
{
    if (id >= r->o->h->table[OBJ_GLOBALS].n || r->o->globals[id].type != OBJ_STATS ||
        r->o->globals[id].off % 8) {
        run_bad(r, "no such aggregate");
        return NULL;
    }
    *g = &r->o->globals[id];
    return (struct ngs_stats *)(r->globals + (*g)->off);
}

static uint64_t h_stat_add(struct run *r, const uint64_t *a)
{
    const struct obj_global *g;
    struct ngs_stats *s = get_stats(r, a[0], &g);

    if (s)
        stats_add(s, g->hist, g->hist_args, (int64_t)a[1]);
    return 0;
}

static uint64_t h_stat(struct run *r, const uint64_t *a)
{
    const struct obj_global *g;
    struct ngs_stats *s = get_stats(r, a[0], &g);

    return s ? answer(r, s, a[1], a[2]) : 0;
}

static uint64_t bucket(struct run *r, const struct ngs_stats *s, uint32_t hist, const int64_t *args,
                       uint64_t which, uint64_t out)
{
    void *dst = vm_at(&r->vm, out, 8, true);

    if (!dst)
        return 0;
    if (!s || s->count == 0)
        return run_fail(r, NGS_ERR_EMPTY_STATS, 0);
    if (which >= ngs_hist_buckets(hist, args))
        return run_fail(r, NGS_ERR_NO_BUCKET, 0);
    memcpy(dst, &s->buckets[which], sizeof(s->buckets[which]));
    return 0;
}

static uint64_t h_map_bucket(struct run *r, const uint64_t *a)
{
    const void *key;
    struct run_map *m = get_key(r, a, OBJ_STATS, &key);
    struct ngs_stats *s = m ? element(m, key) : NULL;
    uint64_t result = m ? bucket(r, s, m->m->hist, m->m->hist_args, a[2], a[3]) : 0;

    free(s);
    return result;
}

static uint64_t h_bucket(struct run *r, const uint64_t *a)
{
    const struct obj_global *g;
    struct ngs_stats *s = get_stats(r, a[0], &g);

    return s ? bucket(r, s, g->hist, g->hist_args, a[1], a[2]) : 0;
}

/* Writes a histogram as an event, after what was printed before it. */
static void show_rows(struct run *r, const struct ngs_stats *s, uint32_t hist, const int64_t *args)
{
    uint32_t n = ngs_hist_buckets(hist, args);
    struct out_row *rows = n ? calloc(n, sizeof(*rows)) : NULL;

    if (!rows)
        return;
    n = hist_rows(s->buckets, hist, args, rows);
    output_flush(r);
    out_events_histogram(r->opts->events, rows, n);
    free(rows);
}

static uint64_t show_hist(struct run *r, const struct ngs_stats *s, uint32_t hist,
                          const int64_t *args, uint64_t to)
{
    struct ngs_str *dst = to ? run_dst(r, to) : NULL;
    struct text t = TEXT_NEW;

    if (to && !dst)
        return 0;
    if (!s || s->count == 0)
        return run_fail(r, NGS_ERR_EMPTY_STATS, 0);
    if (!dst && r->opts->events)
        show_rows(r, s, hist, args);
    else
        format_hist(dst ? &t : &r->out.buf, s->buckets, hist, args);
    if (dst)
        run_put(r, dst, text_c(&t), t.len);
    text_free(&t);
    return 0;
}

static uint64_t h_hist_map(struct run *r, const uint64_t *a)
{
    const void *key;
    struct run_map *m = get_key(r, a, OBJ_STATS, &key);
    struct ngs_stats *s = m ? element(m, key) : NULL;
    uint64_t result = m ? show_hist(r, s, m->m->hist, m->m->hist_args, a[2]) : 0;

    free(s);
    return result;
}

static uint64_t h_hist(struct run *r, const uint64_t *a)
{
    const struct obj_global *g;
    struct ngs_stats *s = get_stats(r, a[0], &g);

    return s ? show_hist(r, s, g->hist, g->hist_args, a[1]) : 0;
}

/* ---- foreach ---- */

static uint64_t h_fe_begin(struct run *r, const uint64_t *a)
{
    struct run_map *m = get_map(r, a[0]);

    if (!m)
        return 0;
    for (uint32_t i = 0; i < RUN_MAX_ITERS; i++)
        if (!r->iters[i]) {
            r->iters[i] = run_iter_new(m, a[1], (int64_t)a[2], run_expand, r);
            return r->iters[i] ? i : run_fail(r, NGS_ERR_UNREADABLE, 0);
        }
    return run_fail(r, NGS_ERR_LOOPS, RUN_MAX_ITERS);
}

static struct run_iter *get_iter(struct run *r, uint64_t id)
{
    if (id < RUN_MAX_ITERS && r->iters[id])
        return r->iters[id];
    run_bad(r, "no such foreach loop");
    return NULL;
}

/* Stores a long or a string at ADDR; 0: the loop does not want it. */
static void deliver(struct run *r, uint64_t addr, uint32_t type, int64_t num, struct str s)
{
    void *p;

    if (!addr)
        return;
    if (type == OBJ_STRING) {
        p = run_dst(r, addr);
        if (p)
            run_put(r, p, s.p, s.len);
    } else {
        p = vm_at(&r->vm, addr, sizeof(num), true);
        if (p)
            memcpy(p, &num, sizeof(num));
    }
}

static uint64_t h_fe_next(struct run *r, const uint64_t *a)
{
    struct run_iter *it = get_iter(r, a[0]);
    const struct obj_map *m = it ? run_iter_map(it) : NULL;
    const void *words = it ? vm_at(&r->vm, a[1], (m->n_keys + 1) * 8, false) : NULL;
    uint64_t dsts[OBJ_MAX_KEYS + 1];
    struct run_value v;
    const void *key;

    if (!words || !run_iter_next(it, &key, &v))
        return 0;
    memcpy(dsts, words, (m->n_keys + 1) * 8);
    for (uint32_t k = 0; k < m->n_keys; k++) {
        int64_t num = 0;

        if (m->key_type[k] != OBJ_STRING)
            memcpy(&num, (const uint8_t *)key + m->key_off[k], sizeof(num));
        deliver(r, dsts[k], m->key_type[k], num, v.text[k]);
    }
    if (m->val_type != OBJ_STATS)
        deliver(r, dsts[m->n_keys], m->val_type, v.num, v.str);
    return 1;
}

static uint64_t h_fe_end(struct run *r, const uint64_t *a)
{
    struct run_iter *it = get_iter(r, a[0]);

    if (it) {
        run_iter_free(it);
        r->iters[a[0]] = NULL;
    }
    return 0;
}

const run_helper_fn run_array_helpers[NGS_HELPER_COUNT] = {
    [NGS_H_MAP_GET] = h_map_get,
    [NGS_H_MAP_HAS] = h_map_has,
    [NGS_H_MAP_SET] = h_map_set,
    [NGS_H_MAP_ADD] = h_map_add,
    [NGS_H_MAP_DELETE] = h_map_delete,
    [NGS_H_MAP_CLEAR] = h_map_clear,
    [NGS_H_MAP_DRAIN] = h_map_drain,
    [NGS_H_MAP_STAT_ADD] = h_map_stat_add,
    [NGS_H_MAP_STAT] = h_map_stat,
    [NGS_H_STAT_ADD] = h_stat_add,
    [NGS_H_STAT] = h_stat,
    [NGS_H_FE_BEGIN] = h_fe_begin,
    [NGS_H_FE_NEXT] = h_fe_next,
    [NGS_H_FE_END] = h_fe_end,
    [NGS_H_HIST_MAP] = h_hist_map,
    [NGS_H_HIST] = h_hist,
    [NGS_H_MAP_BUCKET] = h_map_bucket,
    [NGS_H_BUCKET] = h_bucket,
};
