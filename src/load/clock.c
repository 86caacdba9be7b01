/*
 * clock: ticks of the software CPU clock. Enters: a profile's probe record and its program; leaves:
 * perf events on the target's threads (threads made later inherit them), or on every CPU. Refuses:
 * what perf_event_open refuses.
 *
 * An event on a thread that the target makes while its threads are listed can be missed; that takes
 * well below a millisecond.
 */
#include "load/session.h"

#include <dirent.h>
#include <errno.h>
#include <linux/perf_event.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/arena.h"

enum { CPU_MAX = 65536 };

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

        if (tid > 0 && !attach_event(s, attr, tid, -1, prog) && errno != ESRCH)
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
        if (!attach_event(s, attr, -1, cpu, prog) && errno != ENODEV)
            return attach_failed(s, p, "clock", errno);
    return s->n_events > before || attach_failed(s, p, "clock", ENODEV);
}

bool attach_clock(struct session *s, const struct obj_probe *p, int prog)
{
    struct perf_event_attr attr = {
        .size = sizeof(attr),
        .type = PERF_TYPE_SOFTWARE,
        .config = PERF_COUNT_SW_CPU_CLOCK,
        .sample_period = p->number,
        .disabled = 1,
    };

    if (!load_only_target(s))
        return clock_on_cpus(s, p, &attr, prog);
    attr.inherit = 1; /* by threads made later; Linux copies the program with the event */
    attr.inherit_thread = 1;
    uint32_t before = s->n_events;

    for (uint32_t i = 0; i < s->t->n_pids; i++)
        if (!clock_on_threads(s, &attr, s->t->pids[i], prog))
            return attach_failed(s, p, arena_printf(s->cx->arena, "process %d", (int)s->t->pids[i]),
                                 errno);
    return s->n_events > before || attach_failed(s, p, "the target", ESRCH);
}
