/*
 * foreach: a sorted walk over a snapshot of a script array. Enters: an array, a sort word, a limit;
 * leaves: keys and values one by one.
 *
 * Order: as asked; equals keep the order of insertion where the array is ours, and go by their
 * keys where it is the kernel's, whose hash order would differ from run to run.
 *
 * A stack of C functions sampled at two return addresses of one function gives two keys that read
 * the same once their address marks are names: such elements are shown as one. The first one's key
 * stands for all, unexpanded, so that what is looked up by it is found.
 */
#include "run/maps.h"

#include <stdlib.h>
#include <string.h>

#define HASH_NONFATAL_OOM      1
#define uthash_nonfatal_oom(e) ((void)(e)) /* then these two elements stay two */
#include <uthash.h>

#include "base/arena.h"

/* An element of the snapshot, without an aggregate's buckets: print reads those from the array. */
struct snap {
    const uint8_t *key;
    int64_t num;
    struct str str;
    struct ngs_stats *stats;
    struct str *text; /* n_keys of them */
    int64_t sort_num;
    struct str sort_str;
    uint32_t order;
    bool marked;       /* a key holds an address mark */
    const char *shown; /* the keys as shown */
    uint32_t shown_len;
    struct snap *leader;  /* the one that this is shown as part of, or NULL */
    struct snap *members; /* of a leader, linked by next */
    struct snap *next;
    uint32_t n_members; /* itself included; 1: merged with none */
    const void **keys;  /* of all members */
    UT_hash_handle hh;  /* while merging: by what is shown; then, of merged leaders: by key */
};

struct run_iter {
    struct run_iter *next; /* of the same array */
    struct run_map *map;
    struct arena *arena;
    struct snap **v;
    uint32_t n, cap, pos;
    int64_t limit;
    uint32_t sort_dir, sort_key, sort_stat;
    bool any_mark;
    struct snap *leaders; /* merged ones, by their own key */
    run_expand_fn expand;
    void *ctx;
};

static struct str copy(struct arena *a, struct str s)
{
    return (struct str){s.len ? arena_strndup(a, s.p, s.len) : "", s.len};
}

static bool has_mark(struct str s)
{
    return s.len && memchr(s.p, NGS_MARK, s.len);
}

static bool take(void *ctx, const void *key, const struct run_value *v)
{
    struct run_iter *it = ctx;
    const struct obj_map *m = it->map->m;
    struct snap *s = ARENA_NEW(it->arena, struct snap);
    uint8_t *k = arena_alloc(it->arena, m->key_size);

    memcpy(k, key, m->key_size);
    s->key = k;
    s->num = v->num;
    s->n_members = 1;
    if (m->val_type == OBJ_STRING)
        s->str = copy(it->arena, v->str);
    if (v->stats) {
        s->stats = ARENA_NEW(it->arena, struct ngs_stats);
        memcpy(s->stats, v->stats, sizeof(*s->stats));
    }
    s->text = ARENA_ARRAY(it->arena, struct str, m->n_keys);
    for (uint32_t i = 0; i < m->n_keys; i++)
        if (m->key_type[i] == OBJ_STRING) {
            s->text[i] = copy(it->arena, v->text[i]);
            s->marked |= has_mark(v->text[i]);
        }
    it->any_mark |= s->marked;
    if (it->n == it->cap) {
        uint32_t cap = it->cap ? it->cap * 2 : 64;
        struct snap **p = realloc(it->v, cap * sizeof(*p));

        if (!p)
            return false;
        it->v = p;
        it->cap = cap;
    }
    s->order = it->n;
    it->v[it->n++] = s;
    return true;
}

static int64_t key_long(const struct obj_map *m, const uint8_t *key, uint32_t i)
{
    int64_t v;

    memcpy(&v, key + m->key_off[i], sizeof(v));
    return v;
}

/* ---- merging ---- */

static void show_keys(struct run_iter *it, struct snap *s, struct text *t)
{
    const struct obj_map *m = it->map->m;

    t->len = 0;
    for (uint32_t i = 0; i < m->n_keys; i++) {
        size_t start;

        if (m->key_type[i] != OBJ_STRING) {
            text_bytes(t, (const char *)s->key + m->key_off[i], 8);
            continue;
        }
        start = t->len;
        text_bytes(t, "\0\0\0\0", 4);
        it->expand(it->ctx, s->text[i].p, s->text[i].len, t);
        if (!t->cut) {
            uint32_t len = (uint32_t)(t->len - start);

            memcpy(t->p + start, &len, 4);
        }
    }
    s->shown_len = (uint32_t)t->len;
    s->shown = arena_strndup(it->arena, text_c(t), t->len);
}

static void add_member(struct run_iter *it, struct snap *to, struct snap *s)
{
    s->leader = to;
    s->next = to->members;
    to->members = s;
    to->n_members++;
    to->num = (int64_t)((uint64_t)to->num + (uint64_t)s->num);
    if (to->stats)
        stats_merge(to->stats, s->stats, 0);
}

/* Merges elements that read the same into one; the others leave the snapshot. */
static void merge(struct run_iter *it)
{
    struct snap *table = NULL, *found;
    struct text t = TEXT_NEW;
    uint32_t kept = 0;

    for (uint32_t i = 0; i < it->n; i++) {
        struct snap *s = it->v[i];

        show_keys(it, s, &t);
        HASH_FIND(hh, table, s->shown, s->shown_len, found);
        if (found)
            add_member(it, found, s);
        else
            HASH_ADD_KEYPTR(hh, table, s->shown, s->shown_len, s);
    }
    HASH_CLEAR(hh, table);
    text_free(&t);
    for (uint32_t i = 0; i < it->n; i++) {
        struct snap *s = it->v[i];
        uint32_t n = 0;

        if (s->leader)
            continue;
        it->v[kept++] = s;
        if (s->n_members == 1)
            continue;
        s->keys = ARENA_ARRAY(it->arena, const void *, s->n_members);
        s->keys[n++] = s->key;
        for (const struct snap *o = s->members; o; o = o->next)
            s->keys[n++] = o->key;
        HASH_ADD_KEYPTR(hh, it->leaders, s->key, it->map->m->key_size, s);
    }
    it->n = kept;
}

bool run_map_group(const struct run_map *map, const void *key, const void *const **keys,
                   uint32_t *n)
{
    for (const struct run_iter *it = map->iters; it; it = it->next) {
        struct snap *s;

        HASH_FIND(hh, it->leaders, key, map->m->key_size, s);
        if (s) {
            *keys = (const void *const *)s->keys;
            *n = s->n_members;
            return true;
        }
    }
    return false;
}

/* ---- sorting ---- */

static void sort_value(struct run_iter *it, struct snap *s)
{
    const struct obj_map *m = it->map->m;
    bool by_string = false;

    if (it->sort_key) {
        uint32_t i = it->sort_key - 1;

        by_string = m->key_type[i] == OBJ_STRING;
        if (by_string)
            s->sort_str = s->text[i];
        else
            s->sort_num = key_long(m, s->key, i);
    } else if (m->val_type == OBJ_STRING) {
        by_string = true;
        s->sort_str = s->str;
    } else if (m->val_type == OBJ_STATS) {
        stats_get(s->stats, it->sort_stat, &s->sort_num);
    } else {
        s->sort_num = s->num;
    }
    if (by_string && has_mark(s->sort_str)) {
        struct text t = TEXT_NEW;

        it->expand(it->ctx, s->sort_str.p, s->sort_str.len, &t);
        s->sort_str = copy(it->arena, (struct str){text_c(&t), (uint32_t)t.len});
        text_free(&t);
    }
}

static int by_keys(const struct obj_map *m, const struct snap *a, const struct snap *b)
{
    for (uint32_t i = 0; i < m->n_keys; i++) {
        int c;

        if (m->key_type[i] == OBJ_STRING) {
            c = str_compare(a->text[i], b->text[i]);
        } else {
            int64_t x = key_long(m, a->key, i), y = key_long(m, b->key, i);

            c = x < y ? -1 : x > y;
        }
        if (c)
            return c;
    }
    return 0;
}

static int compare(const void *pa, const void *pb, void *ctx)
{
    const struct run_iter *it = ctx;
    const struct snap *a = *(const struct snap *const *)pa, *b = *(const struct snap *const *)pb;
    int c = 0;

    if (it->sort_dir) {
        c = a->sort_num < b->sort_num ? -1 : a->sort_num > b->sort_num;
        if (!c && a->sort_str.p && b->sort_str.p)
            c = str_compare(a->sort_str, b->sort_str);
        if (it->sort_dir == 2)
            c = -c;
    }
    if (!c && run_map_in_kernel(it->map))
        c = by_keys(it->map->m, a, b);
    return c ? c : a->order < b->order ? -1 : 1;
}

struct run_iter *run_iter_new(struct run_map *map, uint64_t sort, int64_t limit,
                              run_expand_fn expand, void *ctx)
{
    struct run_iter *it = calloc(1, sizeof(*it));

    if (!it)
        return NULL;
    *it = (struct run_iter){.map = map, .limit = limit, .expand = expand, .ctx = ctx};
    it->arena = arena_new();
    it->sort_dir = sort & 0xff;
    it->sort_key = sort >> 8 & 0xff;
    it->sort_stat = sort >> 16 & 0xff;
    if (it->sort_key > map->m->n_keys)
        it->sort_dir = 0;
    if (!run_map_each(map, take, it)) {
        run_iter_free(it);
        return NULL;
    }
    if (it->any_mark)
        merge(it);
    if (it->sort_dir)
        for (uint32_t i = 0; i < it->n; i++)
            sort_value(it, it->v[i]);
    if (it->n && (it->sort_dir || run_map_in_kernel(map)))
        qsort_r(it->v, it->n, sizeof(*it->v), compare, it);
    it->next = map->iters;
    map->iters = it;
    return it;
}

bool run_iter_next(struct run_iter *it, const void **key, struct run_value *v)
{
    const struct obj_map *m = it->map->m;
    struct snap *s;

    if (it->pos >= it->n || (it->limit >= 0 && it->pos >= it->limit))
        return false;
    s = it->v[it->pos++];
    *key = s->key;
    *v = (struct run_value){.num = s->num, .str = s->str, .stats = s->stats};
    for (uint32_t i = 0; i < m->n_keys; i++)
        v->text[i] = s->text[i];
    return true;
}

const struct obj_map *run_iter_map(const struct run_iter *it)
{
    return it->map->m;
}

void run_iter_free(struct run_iter *it)
{
    for (struct run_iter **p = &it->map->iters; *p; p = &(*p)->next)
        if (*p == it) {
            *p = it->next;
            break;
        }
    HASH_CLEAR(hh, it->leaders);
    arena_free(it->arena);
    free(it->v);
    free(it);
}
