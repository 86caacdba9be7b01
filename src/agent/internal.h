/*
 * internal: an agent's state, for the files of this folder that work on it.
 */
#ifndef AGENT_INTERNAL_H
#define AGENT_INTERNAL_H

#include "agent/agent.h"
#include "agent/budget.h"
#include "agent/group.h"
#include "agent/metrics.h"
#include "agent/scan.h"
#include "agent/session.h"
#include "agent/spool.h"
#include "push/push.h"

struct sender {
    pid_t child; /* 0: none */
    char name[SPOOL_NAME];
    unsigned fails;      /* in a row */
    uint64_t not_before; /* CLOCK_MONOTONIC ns */
    uint64_t sent, sent_bytes, failed, refused;
    uint64_t bytes;              /* of the one on its way */
    struct send_outcome *shared; /* where the child leaves what came of it */
};

struct send_outcome {
    enum push_outcome outcome;
    double wait; /* seconds that the receiver asks for */
};

/* The next configuration, and what was opened for it; sessions that do not fit it still end. */
struct reload {
    struct arena *arena; /* has CONF; NULL: there is none */
    const struct agent_conf *conf;
    struct push push;
    struct metrics metrics;
    struct spool spool;
    bool moves_metrics, moves_spool;
    uint64_t until; /* CLOCK_MONOTONIC ms: then sessions are killed */
};

enum { END_MS = 20000 }; /* for sessions to write what they have */

struct agent {
    struct compile *cx;
    const char *path; /* of the configuration */
    struct arena *conf_arena;
    const struct agent_conf *conf; /* its */
    struct reload reload;
    const char *program;
    struct push push; /* where to; without a receiver nothing is sent */
    struct scan scan;
    struct groups groups;
    struct session *sessions;
    struct budget budget;
    struct spool spool;
    struct sender sender;
    struct metrics metrics;
    int stats_fd; /* holds the kernel's count of handlers' time on; -1: it does not */
    bool kernel_counts;
    uint64_t next_scan, next_window, window_begun; /* CLOCK_MONOTONIC ns */
    /* of what has ended, and so far */
    struct {
        uint64_t started, failed, memory_stops, cpu_stops;
        uint64_t windows, samples, stacks, lost, empty;
        uint64_t lowered, raised, scans;
        double cpu, bpf; /* seconds, of sessions that have ended */
    } past;
    uint64_t n_targets, n_sessions;
    double spent;      /* seconds of a CPU, of all, when it was last looked at */
    uint64_t spent_at; /* then */
    double own;        /* of the agent alone, at the last window */
    double used;       /* share of a CPU in the last window, without starts */
    uint64_t memory;   /* bytes, of all, by the last window */
    double scan_seconds;
    bool waits;    /* it was said that sessions wait for the budget */
    bool changing; /* the rate has changed: not all sessions have a whole window of it yet */
};

/* log.c: a line of the log. */
void agent_say(struct agent *a, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* ---- reload.c ---- */

void reload_begin(struct agent *a); /* there is none yet */
/* To be called as long as there is one: the new configuration holds once what does not fit it is
 * gone. */
void reload_go_on(struct agent *a);

/* ---- fleet.c: the sessions ---- */

void fleet_begin(struct agent *a); /* the first look is due now, and a window begins */
/* Looks at /proc, and starts what may start; nothing while sessions end for a reload. */
void fleet_scan(struct agent *a);
/* The end of a window: costs, the rate, memory. */
void fleet_window(struct agent *a);
/* PID was a session's; STATUS is that of wait(2), CPU seconds are what it took. False: it was
 * none. */
bool fleet_ended(struct agent *a, pid_t pid, int status, double cpu);
void fleet_stop(struct agent *a);
/* The same for those of other than the first N_RULES rules. Returns how many go on. */
uint64_t fleet_stop_behind(struct agent *a, uint64_t n_rules);
bool fleet_runs(void *agent, const char *id); /* for spool_look() */

/* ---- send.c: to the receiver ---- */

/* What [push] of C says: *P, in CX's arena. False after reporting. */
bool send_prepare(struct compile *cx, const struct agent_conf *c, struct push *p);
/* Makes ready to send by it. False after reporting. */
bool send_open(struct agent *a);
void send_close(struct agent *a);
/* Begins to send the next profile, if there is one and it is time. */
void send_next(struct agent *a, uint64_t now);
/* PID was sending. False: it was not. */
bool send_ended(struct agent *a, pid_t pid, int status, uint64_t now);

/* ---- report.c ---- */

void report_metrics(void *agent, FILE *f);

#endif
