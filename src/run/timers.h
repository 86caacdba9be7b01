/*
 * timers: the clocks of timer probes and of -T (timers.c).
 */
#ifndef RUN_TIMERS_H
#define RUN_TIMERS_H

#include "load/load.h"

struct timer {
    const struct obj_probe *probe;
    int fd;
};

struct timers {
    struct timer *all; /* in the script's order */
    uint32_t n;
    int deadline; /* of -T; -1: none */
};

/*
 * Starts a timer for each timer probe, and the deadline after SECONDS (0: none). False and errno;
 * timers_close also then.
 */
bool timers_open(struct timers *t, const struct object *o, double seconds);
/* Has it run out since the last call? Several expirations that were missed count as one. */
bool timer_expired(const struct timer *t);
void timers_close(struct timers *t);

#endif
