/*
 * timers: timer probes and -T as timerfds. Enters: the periods of an object's probes; leaves:
 * descriptors that become readable.
 */
#include "run/timers.h"

#include <stdlib.h>
#include <sys/random.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

static struct timespec timespec_of(uint64_t ns)
{
    return (struct timespec){(time_t)(ns / 1000000000u), (long)(ns % 1000000000u)};
}

static int new_timer(uint64_t ns, bool repeat)
{
    struct timespec t = timespec_of(ns);
    struct itimerspec spec = {.it_value = t};
    int fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);

    if (repeat)
        spec.it_interval = t;
    if (fd >= 0 && timerfd_settime(fd, 0, &spec, NULL)) {
        close(fd);
        fd = -1;
    }
    return fd;
}

/* .randomize: each period is another one, evenly spread over PERIOD +- JITTER. */
static uint64_t random_period(const struct obj_probe *p)
{
    uint64_t r = 0;

    if (!p->jitter || getrandom(&r, sizeof(r), 0) != sizeof(r))
        return p->period ? p->period : 1;
    return p->period - p->jitter + r % (2 * p->jitter + 1);
}

bool timers_open(struct timers *t, const struct object *o, double seconds)
{
    uint32_t n = o->h->table[OBJ_PROBES].n;

    *t = (struct timers){.all = calloc((size_t)n + 1, sizeof(*t->all)), .deadline = -1};
    for (uint32_t i = 0; t->all && i < n; i++) {
        const struct obj_probe *p = &o->probes[i];
        int fd;

        if (!attach_is_timer(p->kind))
            continue;
        fd = new_timer(random_period(p), p->jitter == 0);
        if (fd < 0)
            return false;
        t->all[t->n++] = (struct timer){p, fd};
    }
    if (seconds > 0)
        t->deadline = new_timer((uint64_t)(seconds * 1e9) + 1, false);
    return t->all && (seconds <= 0 || t->deadline >= 0);
}

/* A randomized timer runs once: its next period is another. */
static void rearm(const struct timer *t)
{
    struct itimerspec spec = {.it_value = timespec_of(random_period(t->probe))};

    timerfd_settime(t->fd, 0, &spec, NULL);
}

bool timer_expired(const struct timer *t)
{
    uint64_t times;

    if (read(t->fd, &times, sizeof(times)) != sizeof(times))
        return false;
    if (t->probe->jitter)
        rearm(t);
    return true;
}

void timers_close(struct timers *t)
{
    for (uint32_t i = 0; i < t->n; i++)
        close(t->all[i].fd);
    if (t->deadline >= 0)
        close(t->deadline);
    free(t->all);
}
