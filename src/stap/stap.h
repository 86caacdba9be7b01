/*
 * stap: the second back end, for kernels whose eBPF is too old. The typed tree is printed as a
 * script that stap accepts without debug information (script.c and its neighbours), stap makes a
 * module of it (build.c), and staprun runs that (run.c).
 */
#ifndef STAP_STAP_H
#define STAP_STAP_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "base/compile.h"
#include "syntax/ast.h"
#include "target/target.h"

/* Where function probes were printed: what stap_build needs beside the script. */
struct stap_point {
    const char *path;
    uint64_t vaddr;
};
struct stap_points {
    struct stap_point *v;
    uint32_t n;
};

/* A program as a script, before it is one text: C that finds modules and reads memory stands in
 * front, and is printed by who runs it. */
struct stap_module; /* internal.h */
struct stap_script {
    const char *text; /* the script itself, LEN bytes */
    size_t len;
    uint32_t needs; /* of that C: bit per enum stap_need */
    struct stap_module *modules;
    uint32_t n_modules;
    struct stap_points points;
};

/*
 * Prints PROG, which sema_run has completed, as a script for stap -g: every @var, @cast, $variable
 * and sizeof is plain arithmetic and user_*() or kernel_*() reads; an address within a module is
 * that module's load address in the current process, which the script finds by itself, plus a
 * constant; function probes stand by address. The script is the same for every process with those
 * builds. What reading at fault gives under --skip-badvars is left to stap's option of that name.
 * *OUT is the arena's. False after reporting what only the eBPF back end can run, with its place.
 */
bool stap_print(struct compile *cx, const struct program *prog, struct target *t,
                struct stap_script *out);

/* S as one text. */
void stap_put_script(struct compile *cx, const struct stap_script *s, const struct target *t,
                     FILE *out);

/* ---- checked.c: out of a jail ---- */

void stap_flat_put(FILE *f, const struct stap_script *s);
/* *OUT in A. False: the bytes are not sound. */
bool stap_flat_get(struct arena *a, const void *data, size_t n, struct stap_script *out);

/*
 * May a script be run that came out of a jail? It may do what the sources say that CX knows by now:
 * the user's, and our tapset. ANY: the user's own tapset (-I) may say all. False after reporting.
 */
bool stap_checked(struct compile *cx, const struct stap_script *script, bool any);

/*
 * Could this machine build a module for RELEASE (see below)? NULL, or why not, with the package
 * that would bring what is missing; nothing is reported.
 */
const char *stap_lacks(struct compile *cx, const char *release);

/* The kernel that -r names by its release or by a build directory: its release, and in *BUILD that
 * directory; NULL after reporting that there are no headers. */
const char *stap_kernel_release(struct compile *cx, const char *release, const char **build);

struct stap_build {
    const char *script; /* resolved text, LEN bytes */
    size_t len;
    struct stap_points points;  /* of stap_print */
    const char *name;           /* -m; NULL: one made from the content */
    const char *release;        /* -r: a kernel release or build directory; NULL: this kernel's */
    const char *const *defines; /* -D as the user gave them, without those in the limits */
    uint32_t n_defines;
    const char *const *patches; /* directories of runtime patches */
    uint32_t n_patches;
};

struct stap_object {
    const char *path; /* of the .ko */
    bool cached;      /* it was there already */
    /* private */
    const char *scratch; /* removed by stap_release, or NULL */
    int lock;
};

/*
 * Makes the module: takes it from the cache ($XDG_CACHE_HOME/ngstap/stap, by content of the script,
 * version of stap, kernel, limits and runtime patches), or has stap build it, with a private copy
 * of its runtime where patches/ has something for this version and kernel. False after reporting:
 * no stap, one older than 2.3, no headers of exactly that release, no compiler (each with the
 * package that brings it), or stap's own error. The module is there until stap_release.
 */
bool stap_build(struct compile *cx, const struct stap_build *b, struct stap_object *out);
void stap_release(struct stap_object *m);

struct stap_run {
    const char *module;  /* path of the .ko */
    pid_t pid;           /* -x; 0: none */
    pid_t master;        /* --master, of which the script was printed; 0: none */
    const char *command; /* -c; NULL: none */
    int out;             /* standard output of the script */
    double
        /* -T, from when staprun attends to the module; 0: until the script ends or a signal
         * comes */
        seconds;
    bool no_warnings;
};

/*
 * Runs MODULE by staprun: output as it comes; SIGINT, SIGTERM and SIGHUP passed on, so that end
 * probes run; the module is unloaded whatever happens, also when we or staprun are killed. Returns
 * what staprun ended with (128 + signal when it was killed), or -1 after reporting: no staprun, a
 * module for another kernel, and with advice what staprun refused.
 */
int stap_run(struct compile *cx, const struct stap_run *r);

#endif
