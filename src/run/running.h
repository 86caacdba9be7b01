/*
 * running: processes that are there at the start, for process.begin and .thread.begin.
 */
#ifndef RUN_RUNNING_H
#define RUN_RUNNING_H

#include "run/state.h"

struct running {
    pid_t *pids;
    uint32_t n;
};

/* The processes that count now, before anything is armed: who begins later tells so itself. None
 * where no handler wants them. The caller frees pids. */
struct running running_list(struct run *r);

/* Calls FN for each of R's handlers that wants them and for each process or thread, R standing for
 * it meanwhile; until the session ends. */
void running_each(struct run *r, const struct running *v,
                  void (*fn)(const struct obj_probe *p, void *arg), void *arg);

#endif
