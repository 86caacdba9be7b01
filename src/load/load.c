/*
 * load: a checked object -> maps and programs in the kernel. Enters: an object and its target;
 * leaves: a session with the control and globals maps mapped and filled in. An object without
 * kernel probes needs no kernel support: its maps are plain memory then. Refuses: kernels or
 * privileges that lack what it needs, modules of another build, programs that the verifier refuses
 * (reported with their script line).
 *
 * Nothing is pinned: when this process ends, in whatever way, the kernel drops everything.
 */
#include "load/kinds.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/descriptors.h"
#include "base/diag.h"
#include "load/verifier.h"

/* The inode of the initial pid namespace: PROC_PID_INIT_INO of include/linux/proc_ns.h. */
#define INITIAL_PIDNS_INO 0xeffffffcul

static int print_warnings(enum libbpf_print_level level, const char *fmt, va_list ap)
{
    return level == LIBBPF_DEBUG ? 0 : vfprintf(stderr, fmt, ap);
}

static int print_all(enum libbpf_print_level level, const char *fmt, va_list ap)
{
    return vfprintf(stderr, fmt, ap);
}

static libbpf_print_fn_t printer(int verbose)
{
    return verbose > 3 ? print_all : verbose > 2 ? print_warnings : NULL;
}

static size_t page_round(size_t size)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);

    return (size + page - 1) / page * page;
}

/* ---- limits ---- */

enum { FILES_SPARE = 16 /* types, what libbpf opens to try features, events */ };

static bool enough_files(const struct session *s)
{
    struct bpf_program *p;
    struct bpf_map *m;
    unsigned n = FILES_SPARE;

    bpf_object__for_each_program(p, s->obj) n++;
    bpf_object__for_each_map(m, s->obj) n++;
    return descriptors_spare(s->cx, n, "loading the script");
}

/* ---- what the run needs ---- */

static bool lacks(struct compile *cx, const struct kernel *k, enum feature f)
{
    if (k->has[f])
        return false;
    diag_error(cx->diag, (struct span){0}, "kernel",
               "this kernel (%s) lacks '%s', which is there since %s",
               k->release ? k->release : "?", feature_name(f), feature_since(f));
    diag_hint(cx->diag, "--backend stap runs the script as a kernel module instead");
    return true;
}

static bool check_kernel(struct compile *cx, const struct object *o, const struct kernel *k)
{
    static const enum feature always[] = {FEAT_BPF, FEAT_RINGBUF, FEAT_ATOMICS};

    if (!load_permitted(cx, k))
        return false;
    for (size_t i = 0; i < sizeof(always) / sizeof(*always); i++)
        if (lacks(cx, k, always[i]))
            return false;
    for (uint32_t i = 0; i < o->h->table[OBJ_PROBES].n; i++) {
        const struct attach_ops *ops = kinds_ops(o->probes[i].kind);

        if ((ops && lacks(cx, k, ops->feature)) ||
            (o->probes[i].flags & PROBE_F_COOKIE && lacks(cx, k, FEAT_BPF_COOKIE)))
            return false;
    }
    return true;
}

/* ---- libbpf ---- */

/* The kinds of maps that scripts have: no other reaches programs, sockets or devices. */
static bool check_map_types(struct session *s)
{
    struct bpf_map *m;

    bpf_object__for_each_map(m, s->obj)
    {
        enum bpf_map_type type = bpf_map__type(m);

        if (type != BPF_MAP_TYPE_ARRAY && type != BPF_MAP_TYPE_PERCPU_ARRAY &&
            type != BPF_MAP_TYPE_HASH && type != BPF_MAP_TYPE_LRU_HASH &&
            type != BPF_MAP_TYPE_RINGBUF)
            return object_damaged(s->cx, "a map of a kind that scripts do not have");
    }
    return true;
}

/*
 * Compares the maps' sizes with the records': the kernel writes keys and values of the map's size
 * into buffers of the record's.
 */
static bool check_maps(struct session *s)
{
    for (uint32_t i = 0; i < s->o->h->table[OBJ_MAPS].n; i++) {
        const struct obj_map *rec = &s->o->maps[i];
        struct bpf_map *m = bpf_object__find_map_by_name(s->obj, object_str(s->o, rec->map_name));
        enum bpf_map_type want = rec->wrap ? BPF_MAP_TYPE_LRU_HASH : BPF_MAP_TYPE_HASH;

        if (m && (bpf_map__type(m) != want || bpf_map__key_size(m) != rec->key_size ||
                  bpf_map__value_size(m) != rec->value_size))
            return object_damaged(s->cx, "an array's map is of another size");
    }
    return true;
}

/* Of an array that is as large at once as it may ever be. Clearing more takes longer than most of a
 * start (80 MB: 14 ms and more). */
enum { TAKEN_AT_ONCE = 4 << 20 };

/* Elements of large arrays are taken when they come, where that can be borne (ir/sparse.c) and
 * programs of ticks may do it. */
static void thin_out(struct session *s)
{
    for (uint32_t i = 0; i < s->o->h->table[OBJ_MAPS].n && s->sparse; i++) {
        const struct obj_map *rec = &s->o->maps[i];
        struct bpf_map *m = bpf_object__find_map_by_name(s->obj, object_str(s->o, rec->map_name));
        uint64_t element = (uint64_t)rec->key_size + rec->value_size;

        if (m && rec->sparse && !rec->wrap && element * bpf_map__max_entries(m) > TAKEN_AT_ONCE)
            bpf_map__set_map_flags(m, bpf_map__map_flags(m) | BPF_F_NO_PREALLOC);
    }
}

/* What is known of processes' mappings, where room for all of it must be taken beforehand; of
 * stacks as many as there may be. */
static const struct {
    const char *map;
    uint32_t few; /* 0: all */
} taken_at_once[] = {{NGS_MAP_SPACES, 512}, {NGS_MAP_STACKS, 0}};

/* For the unwind tables of what one program maps, and for libraries to come: libcrypto has a row in
 * 64 bytes of its file, programs of small functions one in 48. More where it is not known which
 * programs there will be. The array is taken whole, 8 bytes a row. */
enum { BYTES_A_ROW = 32, ROWS_TO_COME = 1 << 17 };

static bool is_one_program(const struct target *t)
{
    struct stat first, other;
    char path[64];

    for (uint32_t i = 0; i < t->n_pids; i++) {
        snprintf(path, sizeof(path), "%s/%d/exe", t->proc, (int)t->pids[i]);
        if (stat(path, i ? &other : &first) ||
            (i && (first.st_ino != other.st_ino || first.st_dev != other.st_dev)))
            return false;
    }
    return true;
}

static uint32_t rows_needed(const struct target *t)
{
    bool one = t->kind == TARGET_MASTER || (t->kind == TARGET_PID && is_one_program(t));
    uint64_t bytes = 0, rows;

    for (const struct module *m = t->modules; m; m = m->next)
        bytes += m->end - m->start;
    rows = bytes / BYTES_A_ROW + ROWS_TO_COME;
    return one && rows < NGS_ROWS_MAX ? (uint32_t)rows : NGS_ROWS_MAX;
}

static bool set_sizes(struct session *s)
{
    struct bpf_map *frames = bpf_object__find_map_by_name(s->obj, NGS_MAP_FRAMES);
    int cpus = libbpf_num_possible_cpus();

    if (!frames)
        return object_damaged(s->cx, "kernel probes without frames");
    thin_out(s);
    uint32_t per_cpu = bpf_map__max_entries(frames);

    if (!per_cpu || per_cpu > NGS_FRAMES_PER_CPU)
        return object_damaged(s->cx, "kernel probes with frames of another number");
    struct bpf_map *scope = bpf_object__find_map_by_name(s->obj, NGS_MAP_SCOPE);

    if (scope && !s->t->n_pids)
        bpf_map__set_max_entries(scope, 1);
    struct bpf_map *rows = bpf_object__find_map_by_name(s->obj, NGS_MAP_ROWS);

    if (rows)
        bpf_map__set_max_entries(rows, rows_needed(s->t));
    /* Before Linux 6.1 programs of ticks take maps that are allocated whole, and no others; which
     * it is nobody says but by what came later. */
    for (size_t i = 0; i < sizeof(taken_at_once) / sizeof(*taken_at_once) && !s->sparse; i++) {
        struct bpf_map *m = bpf_object__find_map_by_name(s->obj, taken_at_once[i].map);

        if (m)
            bpf_map__set_map_flags(m, 0);
        if (m && taken_at_once[i].few)
            bpf_map__set_max_entries(m, taken_at_once[i].few);
    }
    if (cpus < 1 || bpf_map__set_max_entries(frames, (uint32_t)cpus * per_cpu))
        return diag_error(s->cx->diag, (struct span){0}, "load", "cannot tell the number of CPUs");
    return true;
}

void load_random(void *p, size_t n)
{
    for (uint8_t *to = p; n;) {
        ssize_t got = getrandom(to, n < 256 ? n : 256, 0);

        if (got < 0 && errno != EINTR)
            return; /* 256 bytes are always given once the system is up (getrandom(2)) */
        if (got > 0) {
            to += got;
            n -= (size_t)got;
        }
    }
}

/* Writes the session's hash key, and the literals' hashes by it, into the literals (base/abi.h). */
static bool set_hash_key(struct session *s)
{
    size_t size = s->o->h->rodata_size, need = NGS_HASH_KEY_SIZE((size_t)s->o->h->maxstringlen);
    struct bpf_map *m = s->obj ? bpf_object__find_map_by_name(s->obj, NGS_MAP_RODATA) : NULL;
    if (!m || !s->o->h->hash_key) /* object_open has checked that it fits */
        return true;

    char *literals = arena_calloc(s->cx->arena, 1, size);

    memcpy(literals, s->o->rodata, size);
    memcpy(literals + s->o->h->hash_key, s->hash_key, need);
    for (uint32_t k = 0; k < s->o->h->n_hashed; k++) {
        char *at = literals + s->o->h->hashed + k * sizeof(struct ngs_hashed);
        struct ngs_hashed one;
        struct ngs_str text;

        memcpy(&one, at, sizeof(one));
        memcpy(&text, literals + one.text, sizeof(text));
        ngs_hash(one.hash, s->hash_key, literals + one.text + sizeof(text), text.len);
        memcpy(at, &one, sizeof(one));
    }
    return bpf_map__set_initial_value(m, literals, size) == 0 ||
           object_damaged(s->cx, "no room for the key of its hash");
}

const void *session_hash_key(const struct session *s)
{
    return s->hash_key;
}

static bool load_programs(struct session *s)
{
    struct verifier_log log;

    if (!verifier_log_open(s->cx, &log))
        return false;
    DECLARE_LIBBPF_OPTS(bpf_object_open_opts, opts, .object_name = "ngstap",
                        .kernel_log_buf = log.text, .kernel_log_size = log.size);
    libbpf_set_print(printer(s->cx->verbose));
    uint64_t start = clock_ns(CLOCK_MONOTONIC);

    s->obj = bpf_object__open_mem(s->o->elf, s->o->elf_size, &opts);
    bool ok = s->obj != NULL;

    if (!ok)
        object_damaged(s->cx, "libbpf refuses it");
    ok = ok && check_map_types(s) && check_maps(s) && set_sizes(s) && set_hash_key(s);
    ok = ok && enough_files(s);
    if (ok)
        kinds_prepare(s);
    if (ok && bpf_object__load(s->obj)) {
        verifier_report(s->cx, &log, errno);
        ok = false;
    }
    s->load_ns = clock_ns(CLOCK_MONOTONIC) - start;
    verifier_log_close(&log);
    return ok;
}

/* ---- control and globals ---- */

static void *map_value(struct session *s, const char *name, size_t size)
{
    struct bpf_map *m = s->obj ? bpf_object__find_map_by_name(s->obj, name) : NULL;
    int fd = m ? bpf_map__fd(m) : -1;
    int flags = fd < 0 ? MAP_PRIVATE | MAP_ANONYMOUS : MAP_SHARED;

    if (m && bpf_map__value_size(m) < size) {
        object_damaged(s->cx, "a map is too small");
        return NULL;
    }
    void *p = mmap(NULL, page_round(size), PROT_READ | PROT_WRITE, flags, fd, 0);

    if (p != MAP_FAILED)
        return p;
    diag_error(s->cx->diag, (struct span){0}, "load", "cannot map %s: %s", name, strerror(errno));
    return NULL;
}

/* For -v and -t, and to see what a tick lost means. */
static bool counts_hits(const struct session *s)
{
    for (uint32_t i = 0; i < s->o->h->table[OBJ_PROBES].n; i++)
        if (attach_kind(s->o->probes[i].kind)->context == CONTEXT_TICK)
            return true;
    return s->cx->verbose || s->cx->timing;
}

static void init_control(struct session *s)
{
    struct ngs_control *c = s->control;
    struct stat st;

    c->gate = counts_hits(s) ? NGS_COUNTED : 0;
    c->target = (uint64_t)target_first(s->t);
    if ((s->o->h->flags & OBJ_F_TARGET) && !c->target)
        diag_warning(s->cx->diag, (struct span){0},
                     "the script asks for target(), and no process is given: -x PID");
    c->clock_offset = (int64_t)(clock_ns(CLOCK_REALTIME) - clock_ns(CLOCK_MONOTONIC));
    if (stat("/proc/self/ns/pid", &st) == 0 && st.st_ino != INITIAL_PIDNS_INO) {
        c->pidns_dev = st.st_dev;
        c->pidns_ino = st.st_ino;
    }
}

static bool map_values(struct session *s)
{
    size_t size = s->o->h->globals_size ? s->o->h->globals_size : 8;

    s->control = map_value(s, NGS_MAP_CONTROL, sizeof(struct ngs_control));
    s->globals = s->control ? map_value(s, NGS_MAP_GLOBALS, size) : NULL;
    if (!s->globals)
        return false;
    s->globals_size = size;
    object_init_globals(s->o, s->globals);
    init_control(s);
    return true;
}

/* ---- interface ---- */

struct session *load_object(struct compile *cx, const struct object *o, struct target *t,
                            const struct kernel *k)
{
    struct session *s = ARENA_NEW(cx->arena, struct session);

    *s = (struct session){.cx = cx, .o = o, .t = t};
    s->overload = (struct overload){.map = -1, .timer = -1};
    scope_init(&s->scope);
    nesting_init(&s->nesting);
    size_t key = NGS_HASH_KEY_SIZE((size_t)o->h->maxstringlen);
    bool ok = true;

    s->hash_key = arena_calloc(cx->arena, 1, key);
    load_random(s->hash_key, key);
    s->multi = k && k->has[FEAT_UPROBE_MULTI];
    s->kprobe_multi = k && k->has[FEAT_KPROBE_MULTI];
    s->cookies = k && k->has[FEAT_BPF_COOKIE];
    s->sparse = k && k->has[FEAT_SDIV];
    if (object_has_kernel_probes(o))
        ok = check_kernel(cx, o, k) && load_programs(s);
    if (ok)
        kinds_warn(s);
    if (ok && map_values(s) && load_modules(s) && account_open(s) && overload_open(s))
        return s;
    load_free(s);
    return NULL;
}

void load_free(struct session *s)
{
    if (!s)
        return;
    load_detach(s);
    stacks_close(s);
    overload_close(s);
    if (s->control)
        munmap(s->control, page_round(sizeof(struct ngs_control)));
    if (s->globals)
        munmap(s->globals, page_round(s->globals_size));
    if (s->obj)
        bpf_object__close(s->obj);
    s->control = NULL;
    s->globals = NULL;
    s->obj = NULL;
}

struct ngs_control *session_control(struct session *s)
{
    return s->control;
}

void *session_globals(struct session *s)
{
    return s->globals;
}

static int map_fd(const struct session *s, const char *name)
{
    struct bpf_map *m = s->obj ? bpf_object__find_map_by_name(s->obj, name) : NULL;

    return m ? bpf_map__fd(m) : -1;
}

int session_map_fd(struct session *s, uint32_t map)
{
    return map < s->o->h->table[OBJ_MAPS].n ? map_fd(s, object_str(s->o, s->o->maps[map].map_name))
                                            : -1;
}

int session_ring_fd(struct session *s)
{
    return map_fd(s, NGS_MAP_RING);
}

static bool program_info(const struct bpf_program *p, struct bpf_prog_info *info)
{
    uint32_t size = sizeof(*info);

    memset(info, 0, sizeof(*info));
    return bpf_program__fd(p) >= 0 && !bpf_obj_get_info_by_fd(bpf_program__fd(p), info, &size);
}

void session_stats(const struct session *s, uint64_t *verified, uint64_t *load_ns)
{
    struct bpf_prog_info info;
    struct bpf_program *p;

    *verified = 0;
    *load_ns = s->load_ns;
    if (s->obj)
        bpf_object__for_each_program(p, s->obj) if (program_info(p, &info)) *verified +=
            info.verified_insns;
}

void session_run_stats(const struct session *s, uint64_t *ns, uint64_t *count)
{
    struct bpf_prog_info info;
    struct bpf_program *p;

    *ns = *count = 0;
    if (s->obj)
        bpf_object__for_each_program(p, s->obj) if (program_info(p, &info))
        {
            *ns += info.run_time_ns;
            *count += info.run_cnt;
        }
}
