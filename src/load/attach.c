/*
 * attach: arms a session's kernel probes and disarms them. Enters: loaded programs and the probe
 * records; leaves: perf events that run them. Refuses: a module that is not there, an address in no
 * segment, what perf_event_open refuses.
 *
 * Only the target pays, where the object says that its handlers run for the target alone: clock
 * events are then opened on the target's threads (threads made later inherit them), breakpoints in
 * its address space. Otherwise clock events are opened on every CPU, breakpoints in every process.
 * An event on a thread that the target makes while its threads are listed can be missed; that takes
 * well below a millisecond.
 */
#include "load/session.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/perf_event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/diag.h"

#define UPROBE_PMU "/sys/bus/event_source/devices/uprobe/"

enum { CPU_MAX = 65536 };

static int perf_event_open(struct perf_event_attr *attr, pid_t pid, int cpu)
{
    return (int)syscall(SYS_perf_event_open, attr, pid, cpu, -1, PERF_FLAG_FD_CLOEXEC);
}

static bool only_target(const struct session *s)
{
    return (s->o->h->flags & OBJ_F_TARGET_ONLY) && s->t->n_pids > 0;
}

static const char *probe_name(const struct session *s, const struct obj_probe *p)
{
    return object_str(s->o, p->name);
}

static bool failed(const struct session *s, const struct obj_probe *p, const char *what, int err)
{
    diag_error(s->cx->diag, (struct span){0}, "attach", "cannot arm probe %s: %s: %s",
               probe_name(s, p), what, strerror(err));
    if (err == EPERM || err == EACCES)
        diag_hint(s->cx->diag, "it needs CAP_PERFMON and CAP_BPF: run ngstap as root");
    return false;
}

/* Opens one event and runs PROG on it. False and errno. */
static bool open_event(struct session *s, struct perf_event_attr *attr, pid_t pid, int cpu,
                       int prog)
{
    int fd = perf_event_open(attr, pid, cpu);

    if (fd < 0)
        return false;
    if (ioctl(fd, PERF_EVENT_IOC_SET_BPF, prog) || ioctl(fd, PERF_EVENT_IOC_ENABLE, 0)) {
        int err = errno;

        close(fd);
        errno = err;
        return false;
    }
    s->events = arena_grow(s->cx->arena, s->events, s->n_events, sizeof(*s->events));
    s->events[s->n_events++] = fd;
    return true;
}

/* ---- clock ---- */

/* An event on each thread of PID; false and errno. What ended meanwhile is no fault. */
static bool clock_on_threads(struct session *s, struct perf_event_attr *attr, pid_t pid, int prog)
{
    DIR *dir = opendir(arena_printf(s->cx->arena, "%s/%d/task", s->t->proc, (int)pid));
    struct dirent *e;
    int err = 0;

    if (!dir)
        return errno == ENOENT || errno == ESRCH;
    while (!err && (e = readdir(dir))) {
        pid_t tid = (pid_t)atoi(e->d_name);

        if (tid > 0 && !open_event(s, attr, tid, -1, prog) && errno != ESRCH)
            err = errno;
    }
    closedir(dir);
    errno = err;
    return !err;
}

/* An event on each CPU that is online. */
static bool clock_on_cpus(struct session *s, const struct obj_probe *p,
                          struct perf_event_attr *attr, int prog)
{
    long cpus = sysconf(_SC_NPROCESSORS_CONF);
    uint32_t before = s->n_events;

    for (int cpu = 0; cpu < cpus && cpu < CPU_MAX; cpu++)
        if (!open_event(s, attr, -1, cpu, prog) && errno != ENODEV)
            return failed(s, p, "clock", errno);
    return s->n_events > before || failed(s, p, "clock", ENODEV);
}

static bool arm_clock(struct session *s, const struct obj_probe *p, int prog)
{
    struct perf_event_attr attr = {
        .size = sizeof(attr),
        .type = PERF_TYPE_SOFTWARE,
        .config = PERF_COUNT_SW_CPU_CLOCK,
        .sample_period = p->number,
        .disabled = 1,
    };

    if (!only_target(s))
        return clock_on_cpus(s, p, &attr, prog);
    attr.inherit = 1; /* by threads made later; Linux copies the program with the event */
    attr.inherit_thread = 1;
    uint32_t before = s->n_events;

    for (uint32_t i = 0; i < s->t->n_pids; i++)
        if (!clock_on_threads(s, &attr, s->t->pids[i], prog))
            return failed(s, p, arena_printf(s->cx->arena, "process %d", (int)s->t->pids[i]),
                          errno);
    return s->n_events > before || failed(s, p, "the target", ESRCH);
}

/* ---- breakpoints ---- */

/* A number out of a file of the uprobe PMU; FORMAT as for scanf. */
static bool pmu_number(const char *file, const char *format, unsigned *value)
{
    FILE *f = fopen(file, "re");
    bool ok = f && fscanf(f, format, value) == 1;

    if (f)
        fclose(f);
    return ok;
}

static bool file_offset(struct session *s, const struct obj_probe *p, const struct module *m,
                        uint64_t *off)
{
    int fd = open(m->probe_path, O_RDONLY | O_CLOEXEC);

    if (fd < 0)
        return failed(s, p, m->probe_path, errno);
    bool ok = elf_vaddr_to_offset(fd, p->vaddr, off);

    close(fd);
    return ok || diag_error(s->cx->diag, (struct span){0}, "attach",
                            "cannot arm probe %s: address %#llx lies in no segment of %s",
                            probe_name(s, p), (unsigned long long)p->vaddr, m->path);
}

/*
 * Is the breakpoint in the process's memory? It is not when the file that was opened is not the one
 * that the process has mapped (an overlay's copy; a file replaced since): the probe would never
 * fire, without a word.
 */
static void check_live(struct session *s, const struct obj_probe *p, const struct module *m)
{
#ifdef __x86_64__
    char path[64];
    unsigned char byte;

    if (!s->t->n_pids || !m->end)
        return;
    snprintf(path, sizeof(path), "/proc/%d/mem", (int)s->t->pids[0]);
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd < 0)
        return;
    if (pread(fd, &byte, 1, (off_t)(p->vaddr + m->bias)) == 1 && byte != 0xcc)
        diag_warning(s->cx->diag, (struct span){0},
                     "probe %s does not reach process %d: it runs another file than %s",
                     probe_name(s, p), (int)s->t->pids[0], m->probe_path);
    close(fd);
#endif
}

static bool open_uprobes(struct session *s, const struct obj_probe *p, struct perf_event_attr *attr,
                         int prog)
{
    if (!only_target(s))
        return open_event(s, attr, -1, 0, prog);
    uint32_t before = s->n_events;

    /* The event filters by address space: one on the first thread serves all of the process. */
    for (uint32_t i = 0; i < s->t->n_pids; i++)
        if (!open_event(s, attr, s->t->pids[i], -1, prog) && errno != ESRCH)
            return false;
    errno = ESRCH;
    return s->n_events > before;
}

static bool arm_uprobe(struct session *s, const struct obj_probe *p, int prog)
{
    const struct module *m = s->modules[p->module];
    unsigned type, bit = 0;
    uint64_t off;

    if (!m || !m->probe_path)
        return failed(s, p, object_str(s->o, s->o->modules[p->module].path), ENOENT);
    if (!pmu_number(UPROBE_PMU "type", "%u", &type) ||
        (p->kind == PROBE_URETPROBE &&
         (!pmu_number(UPROBE_PMU "format/retprobe", "config:%u", &bit) || bit > 63)))
        return diag_error(
            s->cx->diag, (struct span){0}, "attach",
            "cannot arm probe %s: this kernel has no uprobes for perf (CONFIG_UPROBE_EVENTS)",
            probe_name(s, p));
    if (!file_offset(s, p, m, &off))
        return false;
    struct perf_event_attr attr = {
        .size = sizeof(attr),
        .type = type,
        .config = p->kind == PROBE_URETPROBE ? 1ull << bit : 0,
        .uprobe_path = (uintptr_t)m->probe_path,
        .probe_offset = off,
    };

    if (!open_uprobes(s, p, &attr, prog))
        return failed(s, p, m->path, errno);
    check_live(s, p, m);
    return true;
}

/* ---- interface ---- */

static bool arm(struct session *s, uint32_t i)
{
    const struct obj_probe *p = &s->o->probes[i];
    char name[16];

    if (!object_section((enum probe_kind)p->kind))
        return true;
    snprintf(name, sizeof(name), "p%u", i);
    const struct bpf_program *prog = bpf_object__find_program_by_name(s->obj, name);

    if (!prog || strcmp(bpf_program__section_name(prog), object_section((enum probe_kind)p->kind)))
        return object_damaged(s->cx, "a probe has no program");
    return p->kind == PROBE_PROFILE ? arm_clock(s, p, bpf_program__fd(prog))
                                    : arm_uprobe(s, p, bpf_program__fd(prog));
}

bool load_attach(struct session *s)
{
    for (uint32_t i = 0; s->obj && i < s->o->h->table[OBJ_PROBES].n; i++)
        if (!arm(s, i)) {
            load_detach(s);
            return false;
        }
    return true;
}

void load_detach(struct session *s)
{
    for (uint32_t i = 0; i < s->n_events; i++)
        ioctl(s->events[i], PERF_EVENT_IOC_DISABLE, 0);
    for (uint32_t i = 0; i < s->n_events; i++)
        close(s->events[i]);
    s->n_events = 0;
}
