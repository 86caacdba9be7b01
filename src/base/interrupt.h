/*
 * interrupt: ^C and its like while there is something to lose. From interrupt_hold on SIGINT,
 * SIGTERM, SIGHUP and SIGCHLD do nothing by themselves: they are taken where the program is ready
 * for them.
 *
 * The first of the ending ones asks for a proper end. Only SIGINT asks again, and only when it
 * comes a second or more later: one ^C, or one timeout(1), which signals its child and then its
 * group, is often two signals. SIGTERM and SIGHUP never throw output away.
 */
#ifndef BASE_INTERRUPT_H
#define BASE_INTERRUPT_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

struct interrupt {
    int fd;           /* readable when a signal waits; -1: not held */
    unsigned heard;   /* ending signals of any kind */
    unsigned asked;   /* how often an end was asked for by them */
    bool at_once;     /* more than once: what blocks or takes long is given up */
    bool child;       /* SIGCHLD came; whoever looks after children clears it */
    bool reloads;     /* set before the hold: SIGHUP asks for no end ... */
    bool reload;      /* ... but for this; whoever takes it clears it */
    bool numbered;    /* set before the hold: SIGUSR1 is held, too, ... */
    int number;       /* ... and this came with one (sigqueue(3)); 0: none, or it was taken */
    bool told;        /* that ^C ends it at once */
    uint64_t last_ns; /* when an end was asked for, CLOCK_MONOTONIC */
    sigset_t before;  /* mask and actions from before: what children are to have */
    struct sigaction pipe_before, child_before;
};

#define INTERRUPT_NONE ((struct interrupt){.fd = -1})

/* Holds signals back, and ignores SIGPIPE. Once held it does nothing. False and errno. */
bool interrupt_hold(struct interrupt *i);
/* Takes what waits. A proper end that has gone on for a second is told of once, on descriptor 2. */
void interrupt_take(struct interrupt *i);

/*
 * A stream to descriptor FD that waits for its reader only until I->at_once: from then on what is
 * written is dropped. It is buffered by lines, and owns FD unless that is a standard stream's. NULL
 * and errno.
 */
FILE *interrupt_stream(struct interrupt *i, int fd);

#endif
