/*
 * session: a profile that goes on, "ngstap flame --every", as a child process.
 */
#ifndef AGENT_SESSION_H
#define AGENT_SESSION_H

#include "agent/group.h"
#include "agent/spool.h"
#include "base/interrupt.h"

enum { SESSION_LINE = 1024, SESSION_MEMBERS = 32 };

struct session {
    char id[SPOOL_ID + 1];
    struct group *group;
    struct group_member members[SESSION_MEMBERS]; /* of workers of a master: none */
    uint32_t n_members;
    pid_t child;
    int fd; /* its standard error; -1: closed */
    uint64_t hz;
    uint64_t begun;  /* CLOCK_MONOTONIC ns */
    double cpu, bpf; /* seconds, of its processes and of its handlers in the kernel, so far */
    double counted;  /* both, at the end of the last window */
    double cost;     /* seconds of both in it */
    bool whole;      /* it was there in all of that */
    uint64_t memory; /* bytes: of its processes, and what the kernel holds for it */
    uint64_t windows, samples, stacks, lost, empty; /* told by it so far */
    unsigned lines;                                 /* of it that were passed on */
    bool stopping;                                  /* it was told to end */
    char line[SESSION_LINE];
    size_t used;
    struct session *next;
};

struct session_opts {
    const char *program; /* ours */
    const struct agent_conf *conf;
    const struct spool *spool;
    const struct interrupt *interrupt; /* what the child's signals were before */
    uint64_t hz;
};

/* Starts one for what waits in GROUP. NULL and errno. */
struct session *session_start(struct arena *a, const struct session_opts *o, struct group *group);

bool session_covers(const struct session *s, const struct group *group, struct group_member m);

/* Reads what it said: whole lines about windows are counted, others passed on to LOG, cleaned.
 * *NEWS: a window has ended. False: it said its last. */
bool session_hear(struct session *s, FILE *log, bool *news);

/* Asks what it has cost so far, its readers included, into cpu, bpf and, which takes longer, with
 * MEMORY into that. KERNEL_COUNTS: the kernel counts the time of its handlers; else it is what so
 * many samples usually take. */
void session_measure(struct session *s, bool kernel_counts, bool memory);

/* Tells it to sample HZ times a second from its next window on. */
void session_rate(struct session *s, uint64_t hz);

/* Tells it to end, with the profile of the window that it is in. */
void session_stop(struct session *s);

/* It has ended: what is kept of it. */
void session_free(struct session *s);

/* A few words for the log, in A: "nginx, the workers of 123". */
const char *session_words(struct arena *a, const struct session *s);

#endif
