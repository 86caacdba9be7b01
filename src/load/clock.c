/*
 * clock: ticks of the software CPU clock. Enters: a profile's probe record and its program; leaves:
 * perf events on the threads of the scope, which threads and processes made later inherit; or on
 * every CPU, without a scope. Refuses: what perf_event_open refuses.
 *
 * A tick comes when a thread has used up a period. An inherited clock starts a period of its own,
 * so a thread that ends before has none: where threads come and go fast, the clocks are moved to
 * the CPUs, whose ticks meet whoever runs, and the test in the program sorts out others
 * (watch). The kernel's count of what began in the scope (follow.c) says when; it also tells
 * whether a thread was made while the threads were listed.
 */
#include "load/kinds.h"

#include <dirent.h>
#include <errno.h>
#include <linux/perf_event.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/diag.h"
#include "base/file.h"

enum {
    CPU_MAX = 65536,
    LISTINGS_MAX = 8,
    /*
     * A thread loses half a tick on average. From this many new threads in 100 ticks of one CPU on,
     * that is too much.
     */
    BIRTHS_PER_100 = 2,
    WATCH_NS = 100 * 1000 * 1000,
};

/*
 * Warns of a rate above the kernel's: it drops faster samples (__perf_event_overflow of
 * kernel/events/core.c), and lowers its limit when handlers take long
 * (kernel.perf_cpu_time_max_percent).
 */
static bool warn_rate(const struct session *s, const struct obj_probe *p)
{
    uint64_t rate = p->period ? 1000000000ull / p->period : 0;
    unsigned most = 0;

    if (!file_number("/proc/sys/kernel/perf_event_max_sample_rate", "%u", &most))
        most = 0;
    if (!most || rate <= most)
        return !most;
    diag_warning(s->cx->diag, (struct span){0},
                 "%s asks for %llu ticks a second, and kernel.perf_event_max_sample_rate is %u: "
                 "the kernel drops some",
                 attach_name(s, p), (unsigned long long)rate, most);
    return true;
}

static uint64_t period_of(const struct session *s, const struct obj_probe *p)
{
    return s->period ? s->period : p->period;
}

static struct perf_event_attr clock_attr(const struct session *s, const struct obj_probe *p)
{
    return (struct perf_event_attr){
        .size = sizeof(struct perf_event_attr),
        .type = PERF_TYPE_SOFTWARE,
        .config = PERF_COUNT_SW_CPU_CLOCK,
        .sample_period = period_of(s, p),
        .disabled = 1,
    };
}

/*
 * Opens an event on each thread of PID; false and errno. A thread that has ended meanwhile is no
 * error.
 */
static bool clock_on_threads(struct session *s, struct perf_event_attr *attr, pid_t pid, int prog)
{
    DIR *dir = opendir(arena_printf(s->cx->arena, "%s/%d/task", s->t->proc, (int)pid));
    struct dirent *e;
    int err = 0;

    if (!dir)
        return errno == ENOENT || errno == ESRCH;
    while (!err && (e = readdir(dir))) {
        pid_t tid = (pid_t)atoi(e->d_name);

        if (tid > 0 && !attach_event(s, attr, tid, -1, prog) && errno != ESRCH)
            err = errno;
    }
    closedir(dir);
    errno = err;
    return !err;
}

static bool clock_on_members(struct session *s, struct perf_event_attr *attr, int prog)
{
    uint32_t n;
    const pid_t *members = scope_members(s, &n);

    for (uint32_t i = 0; i < n; i++)
        if (!clock_on_threads(s, attr, members[i], prog))
            return false;
    /* Opens events on a master: new workers inherit them; the master's own ticks are dropped. */
    return !s->scope.follows || s->t->kind != TARGET_MASTER ||
           clock_on_threads(s, attr, s->t->master, prog);
}

/* Opens an event on each online CPU. */
static bool clock_on_cpus(struct session *s, const struct obj_probe *p, int prog)
{
    struct perf_event_attr attr = clock_attr(s, p);
    long cpus = sysconf(_SC_NPROCESSORS_CONF);
    uint32_t before = s->n_events;

    for (int cpu = 0; cpu < cpus && cpu < CPU_MAX; cpu++)
        if (!attach_event(s, &attr, -1, cpu, prog) && errno != ENODEV)
            return attach_failed(s, p, "clock", errno);
    return s->n_events > before || attach_failed(s, p, "clock", ENODEV);
}

static uint64_t births(const struct session *s)
{
    return __atomic_load_n(&s->control->births, __ATOMIC_SEQ_CST);
}

static bool open_clock(struct session *s, const struct obj_probe *p, int prog)
{
    struct perf_event_attr attr = clock_attr(s, p);
    uint32_t first = s->n_events;

    if (!load_scoped(s) || s->clocks_on_cpus)
        return clock_on_cpus(s, p, prog);
    s->clocks = arena_grow(s->cx->arena, s->clocks, s->n_clocks, sizeof(*s->clocks));
    s->clocks[s->n_clocks++] = (struct clock){p, prog};
    attr.inherit = 1; /* Linux copies the program with the event */
    for (int i = 0; i < LISTINGS_MAX; i++) {
        uint64_t before = births(s);

        if (!clock_on_members(s, &attr, prog))
            return attach_failed(s, p, "the target", errno);
        if (births(s) == before) /* else a thread may have no clock, or two */
            return s->n_events > first || attach_failed(s, p, "the target", ESRCH);
        attach_undo(s, first);
    }
    s->clocks_on_cpus = true;
    return clock_on_cpus(s, p, prog);
}

/* ---- while it runs ---- */

/* Counts the ticks that one CPU makes in NS, by the fastest of the clocks. */
static uint64_t ticks_in(const struct session *s, uint64_t ns)
{
    uint64_t most = 0;

    for (uint32_t i = 0; i < s->n_clocks; i++)
        if (ns / period_of(s, s->clocks[i].probe) > most)
            most = ns / period_of(s, s->clocks[i].probe);
    return most;
}

static void move_to_cpus(struct session *s)
{
    uint32_t threads = s->n_events;

    s->clocks_on_cpus = true;
    __atomic_fetch_or(&s->control->gate, NGS_SCOPE_TEST, __ATOMIC_SEQ_CST);
    for (uint32_t i = 0; i < threads; i++) /* first, so that no tick counts twice */
        ioctl(s->events[i], PERF_EVENT_IOC_DISABLE, 0);
    for (uint32_t i = 0; i < s->n_clocks; i++)
        clock_on_cpus(s, s->clocks[i].probe, s->clocks[i].prog);
    for (uint32_t i = 0; i < threads; i++) {
        close(s->events[i]);
        s->events[i] = -1;
    }
}

/*
 * Puts clocks on CPUs when threads come and go so fast that clocks of their own would hardly tick.
 */
static void watch(struct session *s)
{
    uint64_t now = clock_ns(CLOCK_MONOTONIC), ns = now - s->watched_ns, born = births(s);

    if (!s->n_clocks || s->clocks_on_cpus || (s->watched_ns && ns < WATCH_NS))
        return;
    uint64_t new = born - s->births_seen;

    if (!s->watched_ns)
        new = 0; /* the first look */
    s->watched_ns = now;
    s->births_seen = born;
    s->births_before += new;
    if (new > 1 && new * 100 > BIRTHS_PER_100 * ticks_in(s, ns))
        move_to_cpus(s);
}

/* ---- the end ---- */

static void close_all(struct session *s)
{
    for (uint32_t i = 0; i < s->n_events; i++)
        ioctl(s->events[i], PERF_EVENT_IOC_DISABLE, 0);
    attach_undo(s, 0);
}

const struct attach_ops attach_clock = {
    .kinds = ATTACH_OPS_OF(PROBE_PROFILE),
    .feature = FEAT_PERF_EVENT,
    .warn = warn_rate,
    .open = open_clock,
    .watch = watch,
    .close = close_all,
};

/* ---- another rate ---- */

/* Events are opened anew: an ioctl would change those of the threads that were there at the start,
 * and none that they have been inherited by. */
bool load_ticks(struct session *s, uint64_t hz)
{
    bool ok = true;

    close_all(s);
    s->n_clocks = 0;
    s->period = SECOND_NS / hz;
    diag_try_begin(s->cx->diag);
    for (uint32_t i = 0; i < s->o->h->table[OBJ_PROBES].n; i++) {
        const struct obj_probe *p = &s->o->probes[i];

        if (attach_clock.kinds & ATTACH_OPS_OF(p->kind))
            ok = open_clock(s, p, bpf_program__fd(attach_program_of(s, i))) && ok;
    }
    diag_try_end(s->cx->diag);
    return ok;
}
