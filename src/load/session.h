/*
 * session: a loaded object, as load.c and attach.c share it.
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
    struct module **modules; /* by OBJ_MODULES index: the target's; NULL: it does not have it */
    int *events;             /* perf events that are armed */
    uint32_t n_events;
    uint64_t load_ns;
};

/* Fills SESSION->modules and the control's biases (modules.c); false after reporting. */
bool load_modules(struct session *s);

#endif
