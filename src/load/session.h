/*
 * session: a loaded object, as the files of this folder share it.
 */
#ifndef LOAD_SESSION_H
#define LOAD_SESSION_H

#include <bpf/libbpf.h>

#include "load/load.h"
#include "load/object.h"

struct session {
    struct compile *cx;
    const struct object *o;
    struct target *t;
    struct bpf_object *obj;      /* NULL: nothing in the kernel */
    struct ngs_control *control; /* mmap'ed: of the map, or anonymous */
    void *globals;
    size_t globals_size;     /* 0: not mapped */
    void *hash_key;          /* NGS_HASH_KEY_SIZE(MAXSTRINGLEN) bytes */
    struct module **modules; /* by OBJ_MODULES index: the target's; NULL: it does not have it */
    int *events;             /* perf events that are armed */
    uint32_t n_events;
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

#endif
