/*
 * uprobe: breakpoints at functions of user-space programs. Enters: a probe record with its places,
 * its program, the modules as the target has them; leaves: links and perf events, in one address
 * space or in all. Refuses: a module that is not there, an address in no segment, what the kernel
 * refuses. A place of several where the kernel cannot put a breakpoint is left out, and named.
 *
 * One program serves all places of a probe. Linux has links of many breakpoints since 6.6
 * (uprobe_multi): they are put in and taken out together. Before that each is a perf event of the
 * uprobe PMU, whose link says by its cookie which place it is (5.15), or, before that, without a
 * cookie.
 */
#include "load/kinds.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/perf_event.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "arch/arch.h"
#include "base/bounds.h"
#include "base/arena.h"
#include "base/clock.h"
#include "base/diag.h"
#include "base/file.h"
#include "base/interrupt.h"

#define UPROBE_PMU "/sys/bus/event_source/devices/uprobe/"

enum {
    PMU_SEMAPHORE_SHIFT = 32, /* "config:32-63" of its format, Linux 4.20 */
    ERR_NOTSUPP = 524,        /* include/linux/errno.h; no errno of user space's */
    NAMES_SHOWN = 5,          /* of places that are left out */
    REFUSED_MAX = 1000,       /* a list of which more are refused is not worth the trying */
    PERF_LINK = 41,           /* BPF_PERF_EVENT; the header in use may be older */
};

/* ---- progress ---- */

struct progress {
    uint64_t since, drawn;
    unsigned heard; /* ending signals, before */
};

static struct progress progress_new(const struct session *s)
{
    return (struct progress){clock_ns(CLOCK_MONOTONIC), 0,
                             s->cx->interrupt ? s->cx->interrupt->heard : 0};
}

/* Tells how far WHAT is: after a second, on a terminal ten times a second. */
static void progress_show(const struct session *s, struct progress *p, const char *what, uint32_t n,
                          uint32_t of)
{
    bool terminal = isatty(STDERR_FILENO);
    uint64_t now = clock_ns(CLOCK_MONOTONIC);

    if (!s->cx->err || now - p->since < SECOND_NS ||
        (p->drawn && (!terminal || now - p->drawn < SECOND_NS / 10)))
        return;
    fprintf(s->cx->err, "%sngstap: %s: %u of %u%s", terminal ? "\r\033[K" : "", what, n, of,
            terminal ? "" : "\n");
    fflush(s->cx->err);
    p->drawn = now;
}

static void progress_end(const struct session *s, const struct progress *p)
{
    if (!p->drawn || !isatty(STDERR_FILENO))
        return;
    fputs("\r\033[K", s->cx->err);
    fflush(s->cx->err);
}

/* Has any signal asked for the end? Everything is printed by now, so any will do. */
static bool is_interrupted(const struct session *s, const struct progress *p)
{
    struct interrupt *i = s->cx->interrupt;

    if (!i)
        return false;
    interrupt_take(i);
    return i->heard > p->heard || i->at_once;
}

/* ---- the PMU ---- */

/* Fills an event's attributes but for its place. */
static bool pmu_attr(const struct session *s, const struct obj_probe *p,
                     struct perf_event_attr *attr)
{
    bool returns = attach_has(p->kind, ATTACH_ON_RETURN);
    unsigned type, bit = 0;

    if (!file_number(UPROBE_PMU "type", "%u", &type) ||
        (returns && !file_number(UPROBE_PMU "format/retprobe", "config:%u", &bit))) {
        if (errno != ENOENT && errno != ENODEV)
            return attach_failed(s, p, UPROBE_PMU, errno);
        return diag_error(
            s->cx->diag, (struct span){0}, "attach",
            "cannot arm probe %s: this kernel has no uprobes for perf (CONFIG_UPROBE_EVENTS)",
            attach_name(s, p));
    }
    *attr = (struct perf_event_attr){
        .size = sizeof(*attr), .type = type, .config = returns ? 1ull << (bit & 63) : 0};
    return true;
}

/* ---- one list of places ---- */

/* Does the kernel refuse the place, and not us or the list? */
static bool is_places_fault(int err)
{
    return err == ERR_NOTSUPP || err == EINVAL || err == EOPNOTSUPP || err == EIO;
}

static const char *fault_text(int err)
{
    return err == ERR_NOTSUPP || err == EOPNOTSUPP
               ? "its first instruction is a breakpoint, or one that the kernel cannot step over"
               : strerror(err);
}

/* Takes the Ith place over to where KEPT is. */
static void move_place(struct uprobe_set *set, uint32_t kept, uint32_t i)
{
    set->offsets[kept] = set->offsets[i];
    set->cookies[kept] = set->cookies[i];
    if (set->semaphores)
        set->semaphores[kept] = set->semaphores[i];
}

static void keep(struct session *s, const struct uprobe_set *set, int fd, pid_t pid)
{
    s->uprobes = arena_grow(s->cx->arena, s->uprobes, s->n_uprobes, sizeof(*s->uprobes));
    s->uprobes[s->n_uprobes++] = (struct uprobe){fd, pid, set->probe};
}

static bool cookies_used(const struct session *s, const struct uprobe_set *set)
{
    return s->cookies && (set->probe->flags & PROBE_F_COOKIE);
}

/* False and errno. */
static bool link_many(struct session *s, const struct uprobe_set *set, uint32_t from, uint32_t n,
                      pid_t pid)
{
    const struct kernel_multi_link link = {
        .prog = (uint32_t)set->prog,
        .attach_type = KERNEL_UPROBE_MULTI,
        .path = (uintptr_t)set->module->probe_path,
        .offsets = (uintptr_t)(set->offsets + from),
        .ref_counters = set->semaphores ? (uintptr_t)(set->semaphores + from) : 0,
        .cookies = cookies_used(s, set) ? (uintptr_t)(set->cookies + from) : 0,
        .count = n,
        .multi_flags = attach_has(set->probe->kind, ATTACH_ON_RETURN) ? KERNEL_MULTI_RETURN : 0,
        .pid = pid > 0 ? (uint32_t)pid : 0,
    };
    int fd = kernel_link_multi(&link);

    if (fd >= 0)
        keep(s, set, fd, pid);
    return fd >= 0;
}

/* False and errno. */
static bool open_event(struct session *s, const struct uprobe_set *set, uint32_t i,
                       struct perf_event_attr *attr, pid_t pid)
{
    attr->uprobe_path = (uintptr_t)set->module->probe_path;
    attr->probe_offset = set->offsets[i];
    attr->config = (attr->config & UINT32_MAX) |
                   (set->semaphores ? set->semaphores[i] << PMU_SEMAPHORE_SHIFT : 0);
    /* The event filters by address space: one on the first thread serves all of the process. */
    int fd =
        (int)syscall(SYS_perf_event_open, attr, pid, pid > 0 ? -1 : 0, -1, PERF_FLAG_FD_CLOEXEC);

    if (fd < 0)
        return false;
    int held = attach_program(fd, set->prog, cookies_used(s, set) ? &set->cookies[i] : NULL);

    if (held >= 0)
        keep(s, set, held, pid);
    return held >= 0;
}

/* ---- what cannot be probed is left out ---- */

/* The places of a set that are refused, by their index in it. */
struct refused {
    uint32_t *v, n;
    int err; /* of the first */
};

static bool refuse(struct session *s, struct refused *r, uint32_t i, int err)
{
    r->v = arena_grow(s->cx->arena, r->v, r->n, sizeof(*r->v));
    r->v[r->n++] = i;
    r->err = r->n == 1 ? err : r->err;
    return r->n < REFUSED_MAX;
}

/* Tries a refused list by halves, to find the places that are refused. False and errno. */
static bool link_halves(struct session *s, const struct uprobe_set *set, uint32_t from, uint32_t n,
                        pid_t pid, struct refused *r)
{
    if (!n || link_many(s, set, from, n, pid))
        return true;
    if (!is_places_fault(errno))
        return false;
    if (n == 1)
        return refuse(s, r, from, errno);
    return link_halves(s, set, from, n / 2, pid, r) &&
           link_halves(s, set, from + n / 2, n - n / 2, pid, r);
}

static bool open_events(struct session *s, const struct uprobe_set *set, pid_t pid,
                        struct refused *r)
{
    struct progress p = progress_new(s);
    struct perf_event_attr attr;
    bool ok = pmu_attr(s, set->probe, &attr);

    errno = 0; /* said already */
    for (uint32_t i = 0; ok && i < set->n && !is_interrupted(s, &p); i++) {
        progress_show(s, &p, "arming the probes", i, set->n);
        ok =
            open_event(s, set, i, &attr, pid) || (is_places_fault(errno) && refuse(s, r, i, errno));
    }
    progress_end(s, &p);
    return ok;
}

static const char *place_name(const struct session *s, const struct uprobe_set *set, uint32_t i)
{
    return object_str(s->o, s->o->places[set->cookies[i]].name);
}

/* Removes the refused places from SET, and says so. */
static bool drop(struct session *s, struct uprobe_set *set, const struct refused *r)
{
    const char *names = "";
    uint32_t kept = 0, next = 0, before = set->n;

    if (!r->n)
        return true;
    if (r->n == set->n)
        return diag_error(s->cx->diag, (struct span){0}, "attach", "cannot arm probe %s: %s",
                          attach_name(s, set->probe), fault_text(r->err));
    for (uint32_t i = 0; i < set->n; i++)
        if (next < r->n && r->v[next] == i) {
            if (next++ < NAMES_SHOWN)
                names = arena_printf(s->cx->arena, "%s%s%s", names, *names ? ", " : "",
                                     place_name(s, set, i));
        } else {
            move_place(set, kept++, i);
        }
    set->n = kept;
    diag_warning(s->cx->diag, (struct span){0},
                 "probe %s: %u of %u functions cannot be probed and are left out: %s%s (%s)",
                 attach_name(s, set->probe), r->n, before, names, r->n > NAMES_SHOWN ? ", ..." : "",
                 fault_text(r->err));
    return true;
}

/* Arms SET in PID, -1: everywhere. False and errno; 0: it has been reported. */
static bool arm_in(struct session *s, struct uprobe_set *set, pid_t pid)
{
    struct refused r = {NULL, 0, 0};
    bool ok = s->multi ? link_halves(s, set, 0, set->n, pid, &r) : open_events(s, set, pid, &r);

    if (!ok)
        return false;
    ok = drop(s, set, &r);
    errno = 0;
    return ok;
}

/* ---- a probe's sets ---- */

/*
 * The semaphore of the Ith place: the kernel adds one to it in each process that gets the
 * breakpoint, and takes it away again.
 */
static bool set_semaphore(struct session *s, struct uprobe_set *set, int fd, uint32_t i, uint32_t n,
                          const struct obj_place *at)
{
    if (!at->semaphore)
        return true;
    if (!set->semaphores)
        set->semaphores = ARENA_ARRAY(s->cx->arena, uint64_t, n);
    if (elf_vaddr_to_offset(fd, at->semaphore, &set->semaphores[i]) &&
        set->semaphores[i] <= UINT32_MAX)
        return true;
    return diag_error(s->cx->diag, (struct span){0}, "attach",
                      "cannot arm probe %s: its semaphore at %#llx lies in no segment of %s",
                      object_str(s->o, at->name), (unsigned long long)at->semaphore,
                      set->module->path);
}

/*
 * Is there a breakpoint of the kernel at OFF? In a file the kernel refuses it, but looks only when
 * a process maps it. *READ: whether there is anything.
 */
static bool is_trap(int fd, uint64_t off, bool *read)
{
    const struct arch *a = arch_native();
    unsigned char bytes[sizeof(a->uprobe.bytes)];

    *read = a && pread(fd, bytes, a->uprobe.size, (off_t)off) == a->uprobe.size;
    return *read && arch_is_trap(&a->uprobe, bytes, a->uprobe.size);
}

/* What the kernel has to get over at OFF of a file. */
static enum arch_hit hit_at(int fd, uint64_t off)
{
    unsigned char bytes[8];
    ssize_t n = pread(fd, bytes, sizeof(bytes), (off_t)off);

    return arch_hit_of(bytes, n > 0 ? (size_t)n : 0);
}

/* Scripts cannot say such a place, an object can. Where it is not known it is the file that says
 * too little, which is its owner's. False after reporting. */
static bool check_begins(struct session *s, const struct module *m, int fd,
                         const struct obj_place *at, uint32_t n)
{
    uint64_t *vaddrs = ARENA_ARRAY(s->cx->arena, uint64_t, n);
    uint8_t *begins = ARENA_ARRAY(s->cx->arena, uint8_t, n);

    for (uint32_t i = 0; i < n; i++)
        vaddrs[i] = at[i].vaddr;
    bounds_file(m->path);
    if (!elf_begins(fd, vaddrs, n, begins))
        return diag_error(s->cx->diag, (struct span){0}, "attach",
                          "cannot arm probe %s: %s cannot be read", object_str(s->o, at->name),
                          m->path);
    for (uint32_t i = 0; i < n; i++)
        if (begins[i] == BEGINS_NOT)
            return diag_error(s->cx->diag, (struct span){0}, "attach",
                              "cannot arm probe %s: no instruction begins at address %#llx of %s",
                              object_str(s->o, at[i].name), (unsigned long long)at[i].vaddr,
                              m->path);
    return true;
}

/*
 * Makes a set of the places from FIRST on that lie in one file. Returns how many those are, 0 after
 * reporting.
 */
static uint32_t make_set(struct session *s, const struct obj_probe *p, uint32_t first, int prog,
                         struct uprobe_set *set)
{
    const struct obj_place *at = &s->o->places[p->place + first];
    const struct module *m = s->modules[at->module];
    uint32_t n = 1, refused_at;
    bool read;
    struct refused r = {NULL, 0, 0};

    while (first + n < p->n_places && at[n].module == at->module)
        n++;
    if (!m || !m->probe_path) {
        attach_failed(s, p, object_str(s->o, s->o->modules[at->module].path), ENOENT);
        return 0;
    }
    *set = (struct uprobe_set){.probe = p,
                               .module = m,
                               .prog = prog,
                               .offsets = ARENA_ARRAY(s->cx->arena, uint64_t, n),
                               .cookies = ARENA_ARRAY(s->cx->arena, uint64_t, n)};
    int fd = open(m->probe_path, O_RDONLY | O_CLOEXEC);

    if (fd < 0) {
        attach_failed(s, p, m->path, errno);
        return 0;
    }
    if (!check_begins(s, m, fd, at, n)) {
        close(fd);
        return 0;
    }
    for (uint32_t i = 0; i < n; i++, set->n++) {
        if (!elf_vaddr_to_offset(fd, at[i].vaddr, &set->offsets[i])) {
            close(fd);
            diag_error(s->cx->diag, (struct span){0}, "attach",
                       "cannot arm probe %s: address %#llx lies in no segment of %s",
                       object_str(s->o, at[i].name), (unsigned long long)at[i].vaddr, m->path);
            return 0;
        }
        if (!set_semaphore(s, set, fd, i, n, &at[i])) {
            close(fd);
            return 0;
        }
        set->cookies[i] = p->place + first + i;
        refused_at = i;
        if (is_trap(fd, set->offsets[i], &read))
            refuse(s, &r, refused_at, ERR_NOTSUPP);
        set->hits |= 1u << hit_at(fd, set->offsets[i]);
    }
    close(fd);
    return drop(s, set, &r) ? n : 0;
}

/*
 * Warns when the breakpoint is not in the process's memory: the opened file is not the mapped one
 * (an overlay's copy; a file replaced since), and the probe would never fire.
 */
static void check_live(struct session *s, const struct uprobe_set *set)
{
    const struct module *m = set->module;
    char path[64];
    bool read;

    if (!s->t->n_pids || !m->end || !set->n)
        return;
    snprintf(path, sizeof(path), "/proc/%d/mem", (int)target_first(s->t));
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd < 0)
        return;
    if (!is_trap(fd, s->o->places[set->cookies[0]].vaddr + m->bias, &read) && read)
        diag_warning(s->cx->diag, (struct span){0},
                     "probe %s does not reach process %d: it runs another file than %s",
                     attach_name(s, set->probe), (int)target_first(s->t), m->path);
    close(fd);
}

static bool arm(struct session *s, struct uprobe_set *set)
{
    uint32_t before = s->n_uprobes, n;
    const pid_t *pids = load_scope_pids(s, &n);
    struct progress p = progress_new(s);

    if (!n && !arm_in(s, set, -1))
        return !errno ? false : attach_failed(s, set->probe, set->module->path, errno);
    for (uint32_t i = 0; i < n; i++)
        if (!arm_in(s, set, pids[i]) && errno != ESRCH)
            return !errno ? false : attach_failed(s, set->probe, set->module->path, errno);
    if (is_interrupted(s, &p)) /* the session ends before it has begun, and properly */
        return true;
    if (s->n_uprobes == before)
        return attach_failed(s, set->probe, set->module->path, ESRCH);
    check_live(s, set);
    return true;
}

/* A probe's hits cost as much as those at the worst of its places; MOST: at those seen so far. */
static uint32_t note_cost(struct session *s, const struct uprobe_set *set, uint32_t most)
{
    uint32_t worst = most;

    if (s->overload.map < 0)
        return 0;
    for (int hit = 0; hit < ARCH_HITS; hit++)
        if (set->hits & 1u << hit && trap_cost(s, set->probe->kind, (enum arch_hit)hit) > worst)
            worst = trap_cost(s, set->probe->kind, (enum arch_hit)hit);
    if (worst > most)
        account_cost(s, set->probe, worst);
    return worst;
}

static bool open_uprobe(struct session *s, const struct obj_probe *p, int prog)
{
    struct uprobe_set set;
    uint32_t did, most = 0;

    for (uint32_t first = 0; first < p->n_places; first += did) {
        did = make_set(s, p, first, prog, &set);
        if (!did)
            return false;
        most = note_cost(s, &set, most);
        if (!arm(s, &set))
            return false;
        s->sets = arena_grow(s->cx->arena, s->sets, s->n_sets, sizeof(*s->sets));
        s->sets[s->n_sets++] = set;
    }
    return true;
}

/* ---- processes that come and go ---- */

static bool born(struct session *s, pid_t pid)
{
    uint32_t before = s->n_uprobes;

    for (uint32_t i = 0; i < s->n_sets; i++)
        if (!s->sets[i].is_out)
            arm_in(s, &s->sets[i], pid);
    return s->n_uprobes > before;
}

static void gone(struct session *s, pid_t pid)
{
    uint32_t kept = 0;

    for (uint32_t i = 0; i < s->n_uprobes; i++)
        if (s->uprobes[i].pid == pid)
            attach_close_later(&s->uprobes[i].fd, 1);
        else
            s->uprobes[kept++] = s->uprobes[i];
    s->n_uprobes = kept;
}

/* ---- out for a while ---- */

enum { OUT_MAX = 256 /* descriptors: before uprobe_multi each takes the kernel too long */ };

static bool share_places(const struct uprobe_set *a, const struct uprobe_set *b)
{
    if (a->module != b->module)
        return false;
    for (uint32_t i = 0; i < a->n; i++)
        for (uint32_t k = 0; k < b->n; k++)
            if (a->offsets[i] == b->offsets[k])
                return true;
    return false;
}

static uint32_t index_of(const struct session *s, const struct obj_probe *p)
{
    return (uint32_t)(p - s->o->probes);
}

/* Adds the probes of places where one of WANTED is: the breakpoint is there for these, too. */
static void add_mates(const struct session *s, bool *wanted)
{
    for (bool again = true; again;) {
        again = false;
        for (uint32_t i = 0; i < s->n_sets; i++)
            for (uint32_t k = 0; k < s->n_sets; k++)
                if (wanted[index_of(s, s->sets[i].probe)] &&
                    !wanted[index_of(s, s->sets[k].probe)] &&
                    share_places(&s->sets[i], &s->sets[k]))
                    again = wanted[index_of(s, s->sets[k].probe)] = true;
    }
}

static bool is_paired(const struct session *s, const struct obj_probe *p)
{
    for (uint32_t i = 0; i < s->n_sets; i++)
        for (uint32_t k = 0; k < s->n_sets; k++)
            if (s->sets[i].probe == p && s->sets[k].probe->kind != p->kind &&
                share_places(&s->sets[i], &s->sets[k]))
                return true;
    return false;
}

/*
 * Returns go first, and come last: so none is seen without its entry, and what a script has kept of
 * an entry is the last one's.
 */
static bool take_out(struct session *s, bool *wanted)
{
    uint32_t n = 0, kept = 0;
    int fds[OUT_MAX];

    add_mates(s, wanted);
    for (uint32_t i = 0; i < s->n_uprobes; i++)
        n += wanted[index_of(s, s->uprobes[i].probe)];
    if (n > OUT_MAX)
        return false;
    n = 0;
    for (int entries = 0; entries < 2; entries++)
        for (uint32_t i = 0; i < s->n_uprobes; i++)
            if (wanted[index_of(s, s->uprobes[i].probe)] &&
                attach_has(s->uprobes[i].probe->kind, ATTACH_ON_RETURN) == !entries)
                fds[n++] = s->uprobes[i].fd;
    for (uint32_t i = 0; i < s->n_uprobes; i++)
        if (!wanted[index_of(s, s->uprobes[i].probe)])
            s->uprobes[kept++] = s->uprobes[i];
    s->n_uprobes = kept;
    for (uint32_t i = 0; i < s->n_sets; i++)
        s->sets[i].is_out |= wanted[index_of(s, s->sets[i].probe)];
    attach_close_later(fds, n);
    return true;
}

static void put_in(struct session *s, const bool *wanted)
{
    uint32_t n;
    const pid_t *pids = load_scope_pids(s, &n);

    for (int returns = 0; returns < 2; returns++)
        for (uint32_t i = 0; i < s->n_sets; i++) {
            struct uprobe_set *set = &s->sets[i];

            if (!set->is_out || !wanted[index_of(s, set->probe)] ||
                attach_has(set->probe->kind, ATTACH_ON_RETURN) != returns)
                continue;
            set->is_out = false;
            if (!n)
                arm_in(s, set, -1);
            for (uint32_t k = 0; k < n; k++)
                arm_in(s, set, pids[k]);
        }
}

/* ---- the end ---- */

/*
 * Leaves the closing to a child, which shares the descriptors and only ends: ours close quickly,
 * and the kernel takes the probes out at the child's pace.
 */
static void close_in_background(const struct session *s, uint32_t from)
{
    pid_t pid = fork();

    if (pid == 0) {
        for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
            close(fd);
        for (uint32_t i = from; i < s->n_uprobes; i++)
            close(s->uprobes[i].fd);
        _exit(0);
    }
}

/*
 * The kernel needs 0.1 to 0.3 s for each breakpoint where it has no uprobe_multi: then this tells
 * how far it is, and a second signal leaves the rest to a process in the background.
 */
static void close_all(struct session *s)
{
    struct progress p = progress_new(s);
    bool background = false;

    for (uint32_t i = 0; i < s->n_uprobes; i++) {
        if (!background && is_interrupted(s, &p)) {
            close_in_background(s, i);
            background = true;
        }
        progress_show(s, &p, "taking the probes out (^C: in the background)", i, s->n_uprobes);
        close(s->uprobes[i].fd);
    }
    progress_end(s, &p);
    s->n_uprobes = 0;
}

/* A program is made for one way to attach it. */
static void prepare(const struct session *s, const struct obj_probe *p, struct bpf_program *prog)
{
    if (s->multi)
        bpf_program__set_expected_attach_type(prog, (enum bpf_attach_type)KERNEL_UPROBE_MULTI);
}

const struct attach_ops attach_uprobe = {
    .kinds = ATTACH_OPS_OF(PROBE_UPROBE) | ATTACH_OPS_OF(PROBE_URETPROBE),
    .feature = FEAT_UPROBE,
    .prepare = prepare,
    .open = open_uprobe,
    .born = born,
    .gone = gone,
    .take_out = take_out,
    .put_in = put_in,
    .is_paired = is_paired,
    .close_slowly = close_all,
};
