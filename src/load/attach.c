/*
 * attach: arms a session's kernel probes and disarms them. Enters: loaded programs and the probe
 * records; leaves: perf events that run them (clock.c opens those of ticks, uprobe.c breakpoints).
 * Refuses: what perf_event_open refuses.
 *
 * Without a scope clock events are opened on every CPU, breakpoints in every process; scope.c says
 * for which processes else.
 */
#include "load/session.h"

#include <errno.h>
#include <linux/perf_event.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/diag.h"

static int perf_event_open(struct perf_event_attr *attr, pid_t pid, int cpu)
{
    return (int)syscall(SYS_perf_event_open, attr, pid, cpu, -1, PERF_FLAG_FD_CLOEXEC);
}

const char *attach_name(const struct session *s, const struct obj_probe *p)
{
    return object_str(s->o, p->name);
}

bool attach_failed(const struct session *s, const struct obj_probe *p, const char *what, int err)
{
    diag_error(s->cx->diag, (struct span){0}, "attach", "cannot arm probe %s: %s: %s",
               attach_name(s, p), what, strerror(err));
    load_advise(s->cx, err);
    return false;
}

bool attach_event(struct session *s, struct perf_event_attr *attr, pid_t pid, int cpu, int prog)
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

static void *close_one(void *fd)
{
    close((int)(intptr_t)fd);
    return NULL;
}

void attach_close_later(int fd)
{
    pthread_attr_t attr;
    pthread_t thread;

    pthread_attr_init(&attr);
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    if (pthread_create(&thread, &attr, close_one, (void *)(intptr_t)fd))
        close(fd);
    pthread_attr_destroy(&attr);
}

void attach_undo(struct session *s, uint32_t first)
{
    while (s->n_events > first)
        close(s->events[--s->n_events]);
}

/* ---- interface ---- */

static int program_of(const struct session *s, uint32_t probe)
{
    const char *section = object_section((enum probe_kind)s->o->probes[probe].kind);
    char name[16];

    snprintf(name, sizeof(name), "p%u", probe);
    const struct bpf_program *prog = bpf_object__find_program_by_name(s->obj, name);

    return prog && !strcmp(bpf_program__section_name(prog), section) ? bpf_program__fd(prog) : -1;
}

static bool arm(struct session *s, uint32_t i)
{
    const struct obj_probe *p = &s->o->probes[i];

    if (!object_section((enum probe_kind)p->kind))
        return true;
    int prog = program_of(s, i);

    if (prog < 0)
        return object_damaged(s->cx, "a probe has no program");
    return p->kind == PROBE_PROFILE ? attach_clock(s, p, prog) : attach_uprobe(s, p, prog);
}

bool load_attach(struct session *s)
{
    if (!scope_start(s))
        return false;
    for (uint32_t i = 0; s->obj && i < s->o->h->table[OBJ_PROBES].n; i++)
        if (!arm(s, i)) {
            load_detach(s);
            return false;
        }
    scope_armed(s);
    return true;
}

void load_detach(struct session *s)
{
    for (uint32_t i = 0; i < s->n_events; i++)
        ioctl(s->events[i], PERF_EVENT_IOC_DISABLE, 0);
    attach_undo(s, 0);
    scope_stop(s);
    detach_uprobes(s);
}
