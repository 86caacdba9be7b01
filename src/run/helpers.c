/*
 * helpers: what the code of user-space handlers calls (abi.h, NGS_HELPERS), one function a row.
 * Enters: registers holding addresses of the vm and numbers, none of them trusted; leaves: the
 * effect and r0, or an error in the frame (for the script), or vm->fault (for code that could not
 * have come from cg).
 */
#include "run/state.h"

#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum { PAGE = 4096 };

static struct ngs_frame *frame(struct run *r)
{
    return (struct ngs_frame *)r->frame;
}

uint64_t run_fail(struct run *r, enum ngs_error error, uint64_t arg)
{
    frame(r)->error = error;
    frame(r)->error_arg = arg;
    return UINT64_MAX;
}

static uint64_t bad(struct run *r, const char *why)
{
    if (!r->vm.fault)
        r->vm.fault = why;
    return 0;
}

static void count(uint64_t *counter)
{
    __atomic_fetch_add(counter, 1, __ATOMIC_RELAXED);
}

/* As vm_at, for what is no mere bytes: cg aligns all of that to 8. */
static void *at8(struct run *r, uint64_t addr, uint64_t size, bool write)
{
    if (addr % 8) {
        bad(r, "unaligned address");
        return NULL;
    }
    return vm_at(&r->vm, addr, size, write);
}

/* ---- strings ---- */

bool run_str(struct run *r, uint64_t addr, struct str *out)
{
    const struct ngs_str *s = at8(r, addr, sizeof(*s), false);

    *out = (struct str){"", 0};
    if (!s || !vm_at(&r->vm, addr, sizeof(*s) + s->len, false))
        return false;
    *out = (struct str){s->bytes, s->len};
    return true;
}

struct ngs_str *run_dst(struct run *r, uint64_t addr)
{
    return at8(r, addr, NGS_STR_SIZE(r->o->h->maxstringlen), true);
}

static void append(struct run *r, struct ngs_str *dst, const char *p, size_t n)
{
    if (!str_append(dst, r->o->h->maxstringlen, p, n))
        count(&r->ctl->truncated);
}

void run_put(struct run *r, struct ngs_str *dst, const char *p, size_t n)
{
    if (!str_set(dst, r->o->h->maxstringlen, p, n))
        count(&r->ctl->truncated);
}

static uint64_t h_str_copy(struct run *r, const uint64_t *a)
{
    struct ngs_str *dst = run_dst(r, a[0]);
    struct str s;

    if (dst && run_str(r, a[1], &s))
        run_put(r, dst, s.p, s.len);
    return 0;
}

static uint64_t h_str_append(struct run *r, const uint64_t *a)
{
    struct ngs_str *dst = run_dst(r, a[0]);
    struct str s;

    if (dst && run_str(r, a[1], &s))
        append(r, dst, s.p, s.len);
    return 0;
}

static uint64_t h_str_format(struct run *r, const uint64_t *a)
{
    struct ngs_str *dst = run_dst(r, a[0]);
    struct text t = TEXT_NEW;

    if (!dst)
        return 0;
    format_number(&t, conv_of_spec(a[2]), (int64_t)a[1]);
    append(r, dst, text_c(&t), t.len);
    text_free(&t);
    return 0;
}

static uint64_t h_str_format_str(struct run *r, const uint64_t *a)
{
    struct ngs_str *dst = run_dst(r, a[0]);
    struct text t = TEXT_NEW;
    struct str s;

    if (!dst || !run_str(r, a[1], &s))
        return 0;
    format_bytes(&t, conv_of_spec(a[2]), s.p, s.len);
    append(r, dst, text_c(&t), t.len);
    text_free(&t);
    return 0;
}

static uint64_t h_str_compare(struct run *r, const uint64_t *a)
{
    struct str x, y;
    struct text tx = TEXT_NEW, ty = TEXT_NEW;
    int c;

    if (!run_str(r, a[0], &x) || !run_str(r, a[1], &y))
        return 0;
    if (memchr(x.p, NGS_MARK, x.len) || memchr(y.p, NGS_MARK, y.len)) {
        run_expand(r, x.p, x.len, &tx);
        run_expand(r, y.p, y.len, &ty);
        x = (struct str){text_c(&tx), (uint32_t)tx.len};
        y = (struct str){text_c(&ty), (uint32_t)ty.len};
    }
    c = str_compare(x, y);
    text_free(&tx);
    text_free(&ty);
    return (uint64_t)(int64_t)c;
}

static uint64_t h_str_hash(struct run *r, const uint64_t *a)
{
    void *dst = vm_at(&r->vm, a[0], 16, true);
    uint64_t h[2];
    struct str s;

    if (dst && run_str(r, a[1], &s)) {
        str_hash(h, s.p, s.len);
        memcpy(dst, h, sizeof(h));
    }
    return 0;
}

/* Not expanded here either: a key made of it must be the one that a handler in the kernel made. */
static uint64_t h_str_mark(struct run *r, const uint64_t *a)
{
    struct ngs_str *dst = run_dst(r, a[0]);
    struct text t = TEXT_NEW;

    if (!dst)
        return 0;
    text_printf(&t, "%c%c%016llx", NGS_MARK, (int)(a[1] & 0x7f), (unsigned long long)a[2]);
    append(r, dst, text_c(&t), t.len);
    text_free(&t);
    return 0;
}

/* ---- memory of the target ---- */

bool run_read_memory(struct run *r, uint64_t addr, void *buf, size_t n, bool user)
{
    struct iovec to = {buf, n}, from = {(void *)(uintptr_t)addr, n};
    pid_t pid = r->t ? (r->t->pid ? r->t->pid : r->t->n_pids ? r->t->pids[0] : 0) : 0;

    /* kernel memory is out of reach of these handlers */
    return user && pid > 0 && process_vm_readv(pid, &to, 1, &from, 1, 0) == (ssize_t)n;
}

static uint64_t h_read(struct run *r, const uint64_t *a)
{
    uint64_t v = 0;
    void *out = vm_at(&r->vm, a[3], 8, true);

    if (!out)
        return 0;
    if (a[1] == 0 || a[1] > 8)
        return bad(r, "read of an odd size");
    if (a[2])
        return run_fail(r, NGS_ERR_KERNEL_READ, a[0]);
    if (!run_read_memory(r, a[0], &v, a[1], true)) {
        count(&r->ctl->faults);
        return run_fail(r, NGS_ERR_FAULT, a[0]);
    }
    memcpy(out, &v, sizeof(v));
    return 0;
}

/* Up to a NUL or MAX bytes, page by page, as the string may end right before an unmapped one. */
static uint64_t h_read_string(struct run *r, const uint64_t *a)
{
    struct ngs_str *dst = run_dst(r, a[0]);
    uint64_t addr = a[1], left = a[2];
    char buf[PAGE];

    if (!dst)
        return 0;
    if (a[3])
        return run_fail(r, NGS_ERR_KERNEL_READ, addr);
    if ((int64_t)left < 0)
        left = 0;
    while (left && dst->len < r->o->h->maxstringlen) {
        size_t n = PAGE - addr % PAGE;

        n = n < left ? n : (size_t)left;
        if (!run_read_memory(r, addr, buf, n, true)) {
            count(&r->ctl->faults);
            return run_fail(r, NGS_ERR_FAULT, addr);
        }
        size_t len = strnlen(buf, n);

        append(r, dst, buf, len);
        if (len < n)
            return 0;
        addr += n;
        left -= n;
    }
    return 0;
}

/* ---- where we are ---- */

static uint64_t now(clockid_t clock)
{
    struct timespec ts;

    clock_gettime(clock, &ts);
    return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static uint64_t h_context(struct run *r, const uint64_t *a)
{
    switch (a[0]) {
    case NGS_CTX_PID:
        return (uint64_t)getpid();
    case NGS_CTX_TID:
        return (uint64_t)gettid();
    case NGS_CTX_PPID:
        return (uint64_t)getppid();
    case NGS_CTX_UID:
        return getuid();
    case NGS_CTX_EUID:
        return geteuid();
    case NGS_CTX_GID:
        return getgid();
    case NGS_CTX_EGID:
        return getegid();
    case NGS_CTX_CPU:
        return (uint64_t)(sched_getcpu() < 0 ? 0 : sched_getcpu());
    case NGS_CTX_TARGET:
        return r->ctl->target;
    case NGS_CTX_TIME_NS:
        return now(CLOCK_REALTIME);
    case NGS_CTX_MONO_NS:
        return now(CLOCK_MONOTONIC);
    case NGS_CTX_REG:
    case NGS_CTX_RETVAL:
        return run_fail(r, NGS_ERR_NO_USER_REGS, 0);
    }
    return 0; /* nothing was interrupted: no address, no task */
}

static uint64_t h_context_str(struct run *r, const uint64_t *a)
{
    struct ngs_str *dst = run_dst(r, a[0]);
    const char *s = "";
    char comm[17] = "";

    if (!dst)
        return 0;
    if (a[1] == NGS_CTX_EXECNAME && prctl(PR_GET_NAME, comm) == 0)
        s = comm;
    else if (a[1] == NGS_CTX_PP)
        s = object_str(r->o, r->probe->name);
    run_put(r, dst, s, strlen(s));
    return 0;
}

/* ---- script arrays ---- */

static struct run_map *get_map(struct run *r, uint64_t id)
{
    if (id >= r->o->h->table[OBJ_MAPS].n) {
        bad(r, "unknown array");
        return NULL;
    }
    return &r->maps[id];
}

/* The array and its key; also checks that the array holds TYPE (0: any). */
static struct run_map *get_key(struct run *r, const uint64_t *a, uint32_t type, const void **key)
{
    struct run_map *m = get_map(r, a[0]);

    if (!m)
        return NULL;
    if (type && m->m->val_type != type) {
        bad(r, "array of another type");
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
    count(&r->ctl->map_full);
    if (m->m->max_entries != r->o->h->maxmapentries) /* its own size, then */
        return run_fail(r, NGS_ERR_SIZE_FULL, m->m->max_entries);
    return run_fail(r, NGS_ERR_MAP_FULL, 0);
}

/* The keys that KEY stands for: itself, or what a foreach that goes on has shown as one. */
static uint32_t members(struct run_map *m, const void *const *self, const void *const **keys)
{
    uint32_t n;

    if (run_map_merged(m, *self, keys, &n))
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
        if (dst)
            run_put(r, dst, found ? v.str.p : "", found ? v.str.len : 0);
        return found;
    }

    void *dst = vm_at(&r->vm, a[2], sizeof(sum), true);

    if (!dst || m->m->val_type != OBJ_LONG)
        return bad(r, "array of another type");
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

/* Removes what is shown with KEY but is not KEY. */
static void delete_others(struct run_map *m, const void *key)
{
    const void *const *keys;
    uint32_t n;

    if (!run_map_merged(m, key, &keys, &n))
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
            return bad(r, "array of another type");
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

    if (!m || !get_texts(r, m, a[2], texts))
        return 0;
    if (!run_map_find(m, key, &v))
        v = (struct run_value){0};
    v.num = (int64_t)((uint64_t)v.num + a[3]);
    stored(r, m, run_map_store(m, key, texts, &v));
    return (uint64_t)v.num;
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
            return run_fail(r, NGS_ERR_MAP_FULL, 0);
        stats_init(fresh, size);
        v = (struct run_value){.stats = fresh};
    }
    stats_add(v.stats, m->m->hist, m->m->hist_args, (int64_t)a[3]);
    result = stored(r, m, run_map_store(m, key, texts, &v));
    free(fresh);
    return result;
}

/* The aggregate of a key, with what is shown as one with it; malloc'ed; empty when there is none.
 */
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
        bad(r, "no such aggregate");
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

static uint64_t h_stat_clear(struct run *r, const uint64_t *a)
{
    const struct obj_global *g;
    struct ngs_stats *s = get_stats(r, a[0], &g);

    if (s)
        stats_init(s, stats_size(g->hist, g->hist_args));
    return 0;
}

/* A histogram as an event, after what was printed before it. */
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
            return r->iters[i] ? i : bad(r, "an array that cannot be read");
        }
    return bad(r, "too many foreach loops at a time");
}

static struct run_iter *get_iter(struct run *r, uint64_t id)
{
    if (id < RUN_MAX_ITERS && r->iters[id])
        return r->iters[id];
    bad(r, "no such foreach loop");
    return NULL;
}

/* Stores a long or a string where word I of DSTS points; 0: unwanted. */
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

/* ---- the session ---- */

static uint64_t h_print(struct run *r, const uint64_t *a)
{
    const struct ngs_rec *rec = at8(r, a[0], sizeof(*rec), false);

    if (rec && vm_at(&r->vm, a[0], rec->size, false))
        run_record(r, rec, rec->size);
    return 0;
}

static uint64_t h_exit(struct run *r, const uint64_t *a)
{
    (void)a;
    run_stop(r);
    return 0;
}

static uint64_t h_call(struct run *r, const uint64_t *a)
{
    uint64_t args[8] = {0};
    const void *words;

    if (a[2] > 8)
        return bad(r, "too many arguments");
    words = a[2] ? vm_at(&r->vm, a[1], a[2] * 8, false) : args;
    if (!words)
        return 0;
    if (words != args)
        memcpy(args, words, a[2] * 8);
    return run_ucall(r, (uint32_t)a[0], args, (uint32_t)a[2], a[3]);
}

/* The text that error("...") left in the frame. */
static struct str frame_text(struct run *r)
{
    struct str s = {"", 0};

    if (frame(r)->error == NGS_ERR_SCRIPT && r->o->h->frame_error_text)
        run_str(r, vm_addr(VM_FRAME, r->o->h->frame_error_text), &s);
    return s;
}

static uint64_t h_error_text(struct run *r, const uint64_t *a)
{
    struct ngs_str *dst = a[0] ? run_dst(r, a[0]) : NULL;
    struct text t = TEXT_NEW;

    run_error_message(r, frame(r)->error, frame(r)->error_arg, frame_text(r), &t);
    if (dst)
        run_put(r, dst, text_c(&t), t.len);
    text_free(&t);
    frame(r)->error = NGS_OK;
    return 0;
}

typedef uint64_t (*helper_fn)(struct run *r, const uint64_t *args);

static const helper_fn helpers[NGS_HELPER_COUNT] = {
    [NGS_H_PRINT] = h_print,
    [NGS_H_STR_COPY] = h_str_copy,
    [NGS_H_STR_APPEND] = h_str_append,
    [NGS_H_STR_FORMAT] = h_str_format,
    [NGS_H_STR_FORMAT_STR] = h_str_format_str,
    [NGS_H_STR_COMPARE] = h_str_compare,
    [NGS_H_STR_HASH] = h_str_hash,
    [NGS_H_STR_MARK] = h_str_mark,
    [NGS_H_READ] = h_read,
    [NGS_H_READ_STRING] = h_read_string,
    [NGS_H_CONTEXT] = h_context,
    [NGS_H_CONTEXT_STR] = h_context_str,
    [NGS_H_MAP_GET] = h_map_get,
    [NGS_H_MAP_HAS] = h_map_has,
    [NGS_H_MAP_SET] = h_map_set,
    [NGS_H_MAP_ADD] = h_map_add,
    [NGS_H_MAP_DELETE] = h_map_delete,
    [NGS_H_MAP_CLEAR] = h_map_clear,
    [NGS_H_MAP_STAT_ADD] = h_map_stat_add,
    [NGS_H_MAP_STAT] = h_map_stat,
    [NGS_H_STAT_ADD] = h_stat_add,
    [NGS_H_STAT] = h_stat,
    [NGS_H_STAT_CLEAR] = h_stat_clear,
    [NGS_H_FE_BEGIN] = h_fe_begin,
    [NGS_H_FE_NEXT] = h_fe_next,
    [NGS_H_FE_END] = h_fe_end,
    [NGS_H_HIST_MAP] = h_hist_map,
    [NGS_H_HIST] = h_hist,
    [NGS_H_EXIT] = h_exit,
    [NGS_H_CALL] = h_call,
    [NGS_H_ERROR_TEXT] = h_error_text,
};

uint64_t run_helper(struct vm *vm, uint32_t number, const uint64_t args[5])
{
    return helpers[number](vm->ctx, args);
}
