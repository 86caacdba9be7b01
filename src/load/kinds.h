/*
 * kinds: how probes are armed and taken out, a file for each kind or pair of kinds
 * (base/attach_kind.h) and its row in kinds.c.
 */
#ifndef LOAD_KINDS_H
#define LOAD_KINDS_H

#include "load/session.h"

/* The functions that a kind has no use for are NULL. */
struct attach_ops {
    uint32_t kinds;       /* ATTACH_OPS_OF(kind) of each that it serves */
    enum feature feature; /* without which the kernel has no such events */
    /* Tells what users should know of the probe; true: enough is said. */
    bool (*warn)(const struct session *s, const struct obj_probe *p);
    /* Before loading: PROG is P's. */
    void (*prepare)(const struct session *s, const struct obj_probe *p, struct bpf_program *prog);
    /* Arms P, whose program is PROG (a descriptor); false after reporting. */
    bool (*open)(struct session *s, const struct obj_probe *p, int prog);
    /*
     * PID has begun in the scope, or has ended, while the session runs; born is asked where events
     * are opened for each process. False: no probe could be opened for it. Neither waits: the next
     * process may have begun.
     */
    bool (*born)(struct session *s, pid_t pid);
    void (*gone)(struct session *s, pid_t pid);
    void (*watch)(struct session *s); /* several times a second */
    /*
     * Takes the events of the WANTED probes out for a while, and of those that nothing is won
     * without, which are added to WANTED; or puts them in again. False: that would take too long.
     * These three are NULL where events cost little.
     */
    bool (*take_out)(struct session *s, bool *wanted);
    void (*put_in)(struct session *s, const bool *wanted);
    /* Does P probe entries of functions whose returns are probed, too, or the other way round? */
    bool (*is_paired)(const struct session *s, const struct obj_probe *p);
    void (*close)(struct session *s); /* takes out all of the kind's that are quickly closed */
    void (*close_slowly)(struct session *s); /* what takes long, when all else is closed */
};
#define ATTACH_OPS_OF(kind) (1u << (kind))

extern const struct attach_ops attach_clock, attach_uprobe, attach_tracepoint,
    attach_syscall, attach_kprobe, attach_fentry;

/* NULL: its handlers run in user space. */
const struct attach_ops *kinds_ops(uint32_t kind);

/* Each calls that function of all kinds. */
void kinds_warn(const struct session *s);
void kinds_prepare(const struct session *s);
bool kinds_born(struct session *s, pid_t pid); /* false: no kind could open a probe for it */
void kinds_gone(struct session *s, pid_t pid);
void kinds_watch(struct session *s);
bool kinds_take_out(struct session *s, bool *wanted); /* false: no kind could */
void kinds_put_in(struct session *s, const bool *wanted);
void kinds_close(struct session *s);
void kinds_close_slowly(struct session *s);

#endif
