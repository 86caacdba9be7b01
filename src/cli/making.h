/*
 * making: what makes an object of a parsed script, in a jail or here.
 */
#ifndef CLI_MAKING_H
#define CLI_MAKING_H

#include "cg/cg.h"
#include "cli/backend.h"
#include "cli/driver.h"
#include "cli/kept.h"
#include "cli/places.h"

struct jail;
struct sema_opts;

/* What an object may do beyond looking: system(); writing to programs, signals. */
enum { RIGHT_COMMANDS = 1, RIGHT_GURU = 2 };

/*
 * A script's program on its way to an object. Its maker owns nothing that it is given; JAIL is the
 * caller's to end, MODULE to release, debug information and names in PLACES to free. What is made
 * is in the arena.
 */
struct making {
    struct compile *cx;
    const struct options *o;
    struct target *target;
    const struct backend_choice *choice;
    const struct driver_hooks *hooks; /* never NULL */
    struct places *places;
    struct stap_object *module; /* filled in by the stap back end */
    FILE *out;                  /* dumps, listings */
    bool draws;                 /* what the script prints: names of Lua functions are wanted */
    uint64_t since;             /* start of the pass in hand, CLOCK_MONOTONIC ns */
    enum pass last;
    /* of a script */
    const struct sema_opts *so;
    const struct sxx_result *expanded;
    struct program *prog;
    const struct kept *kept; /* NULL: nothing is kept */

    /* ---- what comes of it */
    struct jail *jail;     /* where files are read; NULL: here */
    struct kernel *kernel; /* that code is made for, when it was asked */
    struct cg_object obj;  /* elf NULL: something else was asked for */
    struct stap_script script; /* of the stap back end; text NULL: likewise */
    int status;            /* of the module that the stap back end ran */
    void *head;            /* to be kept, before the object; NULL: it is not kept */
    size_t head_size;
};

/* -v: what a pass took, as stap says it. */
void making_passed(struct making *m, int pass, const char *what);

/* Asks this kernel what it can do, while it can be asked: a jail may not. */
void making_look_at_kernel(struct making *m);

/* From now on files are read in a jail, if there is one. */
void making_open_jail(struct making *m);

/*
 * Makes the object, or what else was asked for, up to the last pass, and prints what is to be shown
 * on the way; the stap back end also runs its module. The kernel was looked at. False after
 * reporting.
 */
bool making_make(struct making *m);

/* Are the layouts that a kept object rests on still those that fit the process? Opens debug
 * information and the jail; false: they are closed again, and the object is to be made. */
bool making_still_fits(struct making *m);

/* Makes ready what an object needs that was made in an earlier run, once that still fits. False
 * after reporting. */
bool making_take_kept(struct making *m);

/* What M's object may do: RIGHT_*. */
unsigned making_rights(const struct making *m);

#endif
