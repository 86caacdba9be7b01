/*
 * driver: runs a script, from its options to the exit status.
 */
#ifndef CLI_DRIVER_H
#define CLI_DRIVER_H

#include "base/abi.h"
#include "out/out.h"
#include "target/target.h"

/* What a subcommand that runs a script wants to know of it. */
struct driver_hooks {
    const struct out_info *info; /* of the picture */
    FILE *into;                  /* takes it instead of -o's file, and is closed; NULL */
    /* The target is found; it goes away before the picture is written. NULL: nobody asks. */
    void (*target)(void *arg, const struct target *t);
    /* A comment among the stacks (out/out.h), without its newline. */
    void (*comment)(void *arg, const char *line, size_t len);
    /* The reader's (out/out.h): the script prints profile after profile, and none is left for -o.
     * NULL: one alone. */
    bool (*cut)(void *arg, struct out_profile *p);
    /* The option that gave the script's argument NAME, for messages about its text; else NULL. */
    const char *(*option)(const char *name);
    /* A hint where the library that the script reads is not there; or NULL. */
    const char *without;
    /* The script's names and types are analysed; OK false: it is refused, and nothing runs.
     * WITHOUT: that the target lacks a library that it reads, in words; else NULL. */
    void (*analysed)(void *arg, bool ok, const char *without);
    /* Several times a second, while it runs. */
    void (*watch)(void *arg, const struct ngs_control *counts);
    /* As often: how many ticks a second there are to be; 0: as the script says. NULL: always so. */
    uint64_t (*rate)(void *arg);
    void *arg;
};

/* Runs a script as the options in ARGV say. H may be NULL. Returns the exit status. */
int driver_run(struct compile *cx, int argc, char **argv, const struct driver_hooks *h);

#endif
