/*
 * sema: gives the parsed tree its meaning, in place: finds tapset functions and aliases, expands
 * aliases and wildcards into probe instances, resolves names and infers types across probes and
 * functions, and turns target expressions into address arithmetic by DWARF. Only what a probe
 * reaches is looked at. After sema_run without errors lower needs no further checks.
 */
#ifndef SEMA_SEMA_H
#define SEMA_SEMA_H

#include "base/compile.h"
#include "syntax/syntax.h"
#include "debug/debug.h"

struct sema_global { /* -G NAME=VALUE */
    const char *name, *value;
};

/* Library scripts (*.stp, *.stpm) are searched in these directories, in order; files whose
 * functions and aliases nothing needs are read, not parsed. Aliases of a name lie in probe/NAME.stp
 * of a directory, read when a script has such a point; what they set may be left out. */
struct sema_opts {
    const char *const *tapset_dirs;
    uint32_t n_tapset_dirs;
    const char *systemtap_dir; /* SystemTap's own tapset, for names that they lack; or NULL */
    const struct pp_env *env;
    struct macros *macros;
    struct kernel *kernel; /* that the script is to run on at once; NULL: not known */
    bool stap; /* the back end is SystemTap: what only it can run is let through */
    const struct sema_global *globals; /* set to that before the session begins */
    uint32_t n_globals;
    bool apart; /* each place that a point matches is an instance of its own, to be listed */
    bool no_display; /* globals that are never read are not shown at the end (stap
                        --no-global-var-display) */
};

/* Reads the library's macros (*.stpm) into O->macros: before the script is parsed, since it may use
 * them. */
void sema_read_macros(struct compile *cx, const struct sema_opts *o);
/* Reads the scripts of the tapset, for sema_run() where files are far: it parses what it needs. */
void sema_read_scripts(struct compile *cx, const struct sema_opts *o);
/* Has those of SystemTap's own tapset read when one is missing. */
void sema_systemtap_macros(struct compile *cx, const struct sema_opts *o);

bool sema_run(struct compile *cx, const struct sema_opts *o, struct program *prog, struct target *t,
              struct debuginfo *di);

#endif
