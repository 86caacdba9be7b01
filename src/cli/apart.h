/*
 * apart: the jail that a run's readers work in.
 */
#ifndef CLI_APART_H
#define CLI_APART_H

#include "cli/options.h"
#include "jail/jail.h"

struct target;
struct target_opts;

/*
 * Starts the jail: from now on it may be asked. It may read what T's processes and a script's
 * modules need, and write ngstap's cache. What it prints goes to OUT; TOLD (ARG) takes what it
 * tells. NULL: --no-jail, or the kernel will not, which -v says; the readers run in this process
 * then.
 */
struct jail *apart_start(struct compile *cx, const struct options *o, const struct target *t,
                         FILE *out, jail_told *told, void *arg);

/* Work that a command has done in a jail of its own, or here where there is none. */
struct apart_work {
    jail_work *work;
    void *arg;             /* as WORK gets it */
    int fds[JAIL_FDS_MAX]; /* files for it; -1: none */
    const char *const *files;
    uint32_t n_files; /* what the user has named: paths it may read besides */
};

/*
 * Does W; what it prints goes to OUT at once, what it answers behind that. T is the target whose
 * files it may read, or NULL. Whether OUT took it all is the caller's to ask. False: the work said
 * so, or its process died, which is reported.
 */
bool apart_do(struct compile *cx, const struct options *o, const struct target *t,
              const struct apart_work *w, FILE *out);

/*
 * Starts the jail of what reads open files (jail_readers), before a target is looked at. It may
 * write the cache, and opens nothing else. NULL: as above, without a word.
 */
struct jail *apart_readers(struct compile *cx, const struct options *o);

/* target_open for a command: its files' ELF is read in such a jail, which has ended when the target
 * is there. NULL after reporting. */
struct target *apart_target(struct compile *cx, const struct options *o,
                            const struct target_opts *t);

#endif
