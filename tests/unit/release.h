/*
 * release: ends what interrupt_hold() began, so that the next session of a test begins as the first
 * did. (The program holds signals until it ends.)
 */
#ifndef TEST_RELEASE_H
#define TEST_RELEASE_H

#include <unistd.h>

#include "base/interrupt.h"

static inline void release_signals(struct interrupt *i)
{
    if (i->fd < 0)
        return;
    interrupt_take(i); /* or they would strike now */
    close(i->fd);
    i->fd = -1;
    sigprocmask(SIG_SETMASK, &i->before, NULL);
    sigaction(SIGPIPE, &i->pipe_before, NULL);
    sigaction(SIGCHLD, &i->child_before, NULL);
}

#endif
