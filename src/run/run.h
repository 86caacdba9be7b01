/*
 * run: a loaded session's life: begin probes, the ring buffer, timers, signals, the target's exit,
 * end probes. Handlers of user-space probes run in a BPF interpreter over the same maps.
 *
 * A script without kernel probes needs no kernel support at all: then maps live in our memory.
 */
#ifndef RUN_RUN_H
#define RUN_RUN_H

#include <stdio.h>

#include "load/load.h"
#include "out/out.h"

struct run_opts {
    FILE *out;                       /* prints: a stream of base/interrupt.h, where it may block */
    FILE *err;                       /* WARNING: and ERROR: lines */
    bool out_terminal, err_terminal; /* what the target says must not steer it (docs/security.md) */
    double seconds;                  /* -T: end after that long; 0: never */
    pid_t child; /* -c: the command's pid, stopped until probes are armed; 0: none */
    bool timing; /* -v: counts and times at the end, and each warning as often as it comes */
    bool no_warnings; /* -w */
    /* Called several times a second while the session runs; NULL: nobody watches. */
    void (*watch)(void *arg, const struct ngs_control *counts);
    /* Asked as often: how many ticks a second there are to be; 0: as the probes say. */
    uint64_t (*rate)(void *arg);
    void *watcher; /* ARG of both */
    /*
     * Called once all is printed, before probes are taken out, which can take long; OK: the status
     * will be 0.
     */
    void (*printed)(void *arg, bool ok);
    void *printed_arg;
    const char *name; /* -m: of the folder that has the script's files; NULL: any */
    struct symbol_source symbols; /* for usymname() and its kin */
    bool demangle;             /* ... which show names of C++ and Rust as their sources have them */
    struct out_events *events; /* take what would be printed to OUT; NULL: none */
    /* OUT, which is flushed, writes to the next file from now on; NULL: there is but one. False:
     * errno says why not, and it writes to the one it had. */
    bool (*next_file)(void *arg);
    void *next_file_arg;
};

/*
 * Runs to the end. Signals are held from then on (CX->interrupt), also afterwards, since the caller
 * has output to write. Returns the exit status as stap's: 0 when the script ended by exit(), a
 * signal, -T or the target's end; 1 after a run-time error (or failed begin).
 */
int run_session(struct compile *cx, const struct object *o, struct target *t,
                const struct kernel *k, const struct run_opts *opts);

#endif
