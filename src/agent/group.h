/*
 * group: processes that are profiled as one: of one rule, one program, one container, and, where
 * they are workers, of one master.
 */
#ifndef AGENT_GROUP_H
#define AGENT_GROUP_H

#include "agent/scan.h"

/* Compared as bytes: zeroed before it is filled in. */
struct group_key {
    uint64_t rule; /* its index */
    dev_t dev;
    ino_t ino;
    uint64_t master, master_start; /* a process and its start; 0: they are no workers */
    char container[CONTAINER_ID_LEN + 1];
};

struct group_member {
    pid_t pid;
    uint64_t start;
};

struct group {
    struct group_key key;
    const struct conf_rule *rule;
    char *exe, *container, *pod, *namespace; /* for labels: clean text, or NULL */
    /* Those that no session has: for workers of a master one of them stands for all. */
    struct group_member *waiting;
    uint32_t n_waiting;
    uint32_t sessions;   /* that run */
    unsigned fails;      /* in a row */
    uint64_t not_before; /* of the next start, CLOCK_MONOTONIC ns */
    UT_hash_handle hh;
};

struct groups {
    struct group *all; /* uthash */
};

/*
 * Puts the processes of S into groups: COVERED says of a member whether a session has it. Groups
 * without processes and sessions go away. How many processes fit: *TARGETS.
 */
void groups_update(struct groups *g, const struct scan *s, const struct agent_conf *conf,
                   bool (*covered)(void *arg, const struct group *group, struct group_member m),
                   void *arg, uint64_t *targets);

/* Groups without sessions go away; the others are of RULES, whose first are those that they had. */
void groups_keep(struct groups *g, const struct conf_rule *rules);

void groups_close(struct groups *g);

#endif
