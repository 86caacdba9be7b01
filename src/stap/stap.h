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

/*
 * Prints PROG, which sema_run has completed, as a script for stap -g: every @var, @cast, $variable
 * and sizeof is plain arithmetic and user_*() or kernel_*() reads; an address within a module is
 * that module's load address in the current process, which the script finds by itself, plus a
 * constant; function probes stand by address. The script is the same for every process with those
 * builds; only function probes in containers name a layer of that container's image. What reading at fault
 * gives under --skip-badvars is left to stap's option of that name. False after reporting what only
 * the eBPF back end can run, with its place.
 */
bool stap_print(struct compile *cx, const struct program *prog, struct target *t, FILE *out);

struct stap_build {
    const char *script; /* resolved text, LEN bytes */
    size_t len;
    const char *name;    /* -m; NULL: one made from the content */
    const char *release; /* -r: a kernel release or build directory; NULL: the running kernel */
    const char *const *limits; /* "MAXSTRINGLEN=4096" and the like: stap's -D */
    uint32_t n_limits;
};

/*
 * Makes the module: takes it from the cache ($XDG_CACHE_HOME/ngstap, by content of the script,
 * version of stap, kernel release and runtime patches), or has stap build it with a private copy of
 * its runtime, mended by what patches/ has for this version and kernel. Returns the path of the
 * module (in CX's arena), or NULL after reporting: no stap, one older than 2.3, no headers of exactly
 * that release, no compiler (each with the package that brings it), or stap's own error.
 */
const char *stap_build(struct compile *cx, const struct stap_build *b);

struct stap_run {
    const char *module;  /* path of the .ko */
    pid_t pid;           /* -x; 0: none */
    const char *command; /* -c; NULL: none */
    const char *output;  /* -o; NULL: standard output */
    double seconds;      /* -T; 0: until the script ends or a signal comes */
};

/*
 * Runs MODULE by staprun: output as it comes, SIGINT and SIGTERM passed on, the module unloaded
 * whatever happens. Returns what staprun ended with (0 to 255), or -1 after reporting.
 */
int stap_run(struct compile *cx, const struct stap_run *r);

#endif
