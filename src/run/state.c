/*
 * state: what every file of this folder may do to a running session.
 */
#include "run/state.h"

void run_stop(struct run *r)
{
    __atomic_fetch_or(&r->ctl->gate, NGS_ENDED, __ATOMIC_SEQ_CST);
    r->exiting = true;
}

void run_count(uint64_t *counter)
{
    __atomic_fetch_add(counter, 1, __ATOMIC_RELAXED);
}
