/*
 * event: perf events. Enters: an event's attributes and the program to run at it; leaves: an open
 * event of the session, or errno. And how a probe that cannot be armed is reported.
 */
#include "load/session.h"

#include <errno.h>
#include <linux/bpf.h>
#include <linux/perf_event.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/diag.h"

enum { PERF_LINK = 41 /* BPF_PERF_EVENT; the header in use may be older */ };

static int perf_event_open(struct perf_event_attr *attr, pid_t pid, int cpu)
{
    return (int)syscall(SYS_perf_event_open, attr, pid, cpu, -1, PERF_FLAG_FD_CLOEXEC);
}

struct bpf_program *attach_program_of(const struct session *s, uint32_t probe)
{
    const char *section = attach_kind(s->o->probes[probe].kind)->section;
    char name[16];

    snprintf(name, sizeof(name), "p%u", probe);
    struct bpf_program *prog = bpf_object__find_program_by_name(s->obj, name);

    return prog && !strcmp(bpf_program__section_name(prog), section) ? prog : NULL;
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

/* The link keeps the event open. A descriptor, or -1 and errno. */
static int link_event(int event, int prog, uint64_t cookie)
{
    const struct {
        uint32_t prog, target, attach_type, flags;
        uint64_t cookie;
    } link = {(uint32_t)prog, (uint32_t)event, PERF_LINK, 0, cookie};

    return (int)syscall(SYS_bpf, BPF_LINK_CREATE, &link, sizeof(link));
}

int attach_program(int event, int prog, const uint64_t *cookie)
{
    int held = cookie                                       ? link_event(event, prog, *cookie)
               : ioctl(event, PERF_EVENT_IOC_SET_BPF, prog) ? -1
                                                            : event;
    int err = errno;

    if (held != event)
        close(event);
    errno = err;
    return held;
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

struct closing {
    uint32_t n;
    int fds[];
};

static unsigned closings; /* threads that close */

static void *close_listed(void *arg)
{
    struct closing *c = arg;

    for (uint32_t i = 0; i < c->n; i++)
        close(c->fds[i]);
    free(c);
    __atomic_fetch_sub(&closings, 1, __ATOMIC_SEQ_CST);
    return NULL;
}

bool attach_is_closing(void)
{
    return __atomic_load_n(&closings, __ATOMIC_SEQ_CST) != 0;
}

void attach_close_later(const int *fds, uint32_t n)
{
    struct closing *c = malloc(sizeof(*c) + n * sizeof(*fds));
    pthread_attr_t attr;
    pthread_t thread;

    if (!c) {
        for (uint32_t i = 0; i < n; i++)
            close(fds[i]);
        return;
    }
    c->n = n;
    memcpy(c->fds, fds, n * sizeof(*fds));
    __atomic_fetch_add(&closings, 1, __ATOMIC_SEQ_CST);
    pthread_attr_init(&attr);
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    if (pthread_create(&thread, &attr, close_listed, c))
        close_listed(c);
    pthread_attr_destroy(&attr);
}

void attach_undo(struct session *s, uint32_t first)
{
    while (s->n_events > first)
        close(s->events[--s->n_events]);
}
