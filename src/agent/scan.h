/*
 * scan: the processes of this machine that an agent may look at.
 */
#ifndef AGENT_SCAN_H
#define AGENT_SCAN_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include <uthash.h>

#include "agent/conf.h"
#include "target/target.h"

/* Names of a container or a pod; of the table's memory. */
struct scan_container {
    char id[CONTAINER_ID_LEN + 1];
    bool asked;            /* the engines and the kubelet */
    char *name;            /* the engine's, else the pod's container's; NULL: not known */
    char *pod, *namespace; /* NULL: none */
    char *labels;          /* "NAME=VALUE" lines; NULL: none */
    UT_hash_handle hh;
};

struct scan_process {
    pid_t pid, parent;
    uint64_t start; /* clock ticks since boot */
    dev_t dev;      /* of its program */
    ino_t ino;
    char *exe, *cgroup; /* as the kernel prints them; the path of its program has no " (deleted)" */
    char comm[64];
    struct scan_container *container; /* NULL: in none */
    const struct conf_rule *rule;     /* that it fits; NULL: none */
    bool master;                      /* it has children that run its program */
    bool settled;                     /* it is old enough, and its program its last, most likely */
    unsigned seen;
    UT_hash_handle hh;
};

struct scan {
    const char *proc;
    const struct agent_conf *conf;
    struct scan_process *processes; /* uthash by pid */
    struct scan_container *containers;
    unsigned turn;
    dev_t own_dev; /* of our own program, which is never looked at */
    ino_t own_ino;
};

void scan_open(struct scan *s, const struct agent_conf *conf, const char *proc);

/* Looks at what has come and gone, each new process once and until it has settled. False after
 * reporting: PROC cannot be listed. */
bool scan_look(struct scan *s, struct compile *cx);

/* The process whose child P is, if both run one program in one container; else NULL. */
struct scan_process *scan_master(const struct scan *s, const struct scan_process *p);

void scan_close(struct scan *s);

#endif
