/*
 * backend: which back end a run takes, and the passes of the stap one.
 */
#ifndef CLI_BACKEND_H
#define CLI_BACKEND_H

#include "cli/options.h"
#include "stap/stap.h"
#include "syntax/ast.h"

struct backend_choice {
    enum backend backend;  /* never BACKEND_AUTO */
    struct kernel *kernel; /* what this one can do, when it was looked at */
    const char *release;   /* of the kernel a module is for, when that is not this one */
    const char *build;     /* and the directory where modules for it are built */
    const char *lacks;     /* why neither will do for what runs in the kernel, or NULL */
};

/*
 * --backend, or what this kernel can run: eBPF when that suffices, else stap, which is said in one
 * line on standard error. RUNNING: something is going to run here. False after reporting.
 */
bool backend_choose(struct compile *cx, const struct options *o, bool running,
                    struct backend_choice *out);

/* What is common to making and running a module. */
struct backend_stap {
    struct compile *cx;
    const struct options *o;
    struct target *target;
    FILE *out;
    struct stap_object *module; /* filled in: release it at the end */
};

/* The module of a resolved script. False after reporting. */
bool backend_stap_build(const struct backend_stap *b, const char *script, size_t len,
                        const struct stap_points *points);

/* -p4: NAME.ko in the working directory, its name on the output. False after reporting. */
bool backend_stap_write(const struct backend_stap *b);

/* Runs PATH; the exit status, 1 after reporting. */
int backend_stap_run(const struct backend_stap *b, const char *path);

#endif
