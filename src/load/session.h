/*
 * session: a loaded object, as the files of this folder share it.
 */
#ifndef LOAD_SESSION_H
#define LOAD_SESSION_H

#include <bpf/libbpf.h>

#include "load/load.h"
#include "load/object.h"

/* A breakpoint, or many in one link, that is armed. */
struct uprobe {
    int fd;
    pid_t pid; /* -1: in every process */
};

/* The places of a program in one file. */
struct uprobe_set {
    const struct obj_probe *probe;
    const struct module *module;
    int prog;
    uint64_t *offsets, *cookies; /* in the file; indexes in OBJ_PLACES */
    uint32_t n;
};

struct session {
    struct compile *cx;
    const struct object *o;
    struct target *t;
    struct bpf_object *obj;      /* NULL: nothing in the kernel */
    struct ngs_control *control; /* mmap'ed: of the map, or anonymous */
    void *globals;
    size_t globals_size;     /* 0: not mapped */
    struct module **modules; /* by OBJ_MODULES index: the target's; NULL: it does not have it */
    int *events;             /* perf events that are armed */
    uint32_t n_events;
    struct uprobe *uprobes; /* uprobe.c */
    uint32_t n_uprobes;
    struct uprobe_set *sets;
    uint32_t n_sets;
    bool multi, cookies; /* what the kernel has of it */
    uint32_t n_left_out; /* places that the kernel cannot probe */
    uint64_t load_ns;
};

/* Fills SESSION->modules and the control's biases (modules.c); false after reporting. */
bool load_modules(struct session *s);

/* ---- attach.c ---- */
struct perf_event_attr;

/* Are events to be opened for the target's processes alone? */
bool load_only_target(const struct session *s);
/* Opens one perf event, runs program PROG (a descriptor) on it, and keeps it in SESSION->events.
 * False and errno. */
bool attach_event(struct session *s, struct perf_event_attr *attr, pid_t pid, int cpu, int prog);
/* Reports that P cannot be armed because of WHAT, with what can be done about ERR (an errno). */
bool attach_failed(const struct session *s, const struct obj_probe *p, const char *what, int err);
const char *attach_name(const struct session *s, const struct obj_probe *p); /* as pp() shows it */

/* ---- clock.c, uprobe.c: arm P, whose program is PROG; false after reporting ---- */
bool attach_clock(struct session *s, const struct obj_probe *p, int prog);
bool attach_uprobe(struct session *s, const struct obj_probe *p, int prog);

/* ---- uprobe.c, once all are armed ---- */

/* Arms them in PID, too, which has come later. False: there is none, or none could be opened. */
bool attach_uprobes_in(struct session *s, pid_t pid);
void detach_uprobes_of(struct session *s, pid_t pid);
/*
 * Takes them out. Where the kernel does that one by one it is slow (0.1 to 0.3 s each): then it is told how far it is, and
 * an end that is asked for meanwhile leaves the rest to a process in the background.
 */
void detach_uprobes(struct session *s);

/* The processes to open breakpoints for, one by one; N is 0: for everybody. */
const pid_t *load_scope_pids(const struct session *s, uint32_t *n);

#endif
