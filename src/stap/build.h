/*
 * build: what the files of stap/ share in making and running a module.
 */
#ifndef STAP_BUILD_H
#define STAP_BUILD_H

#include "stap/stap.h"

/* ---- child.c: programs ---- */

/* Where PATH has it, and access(2) grants MODE; or NULL. */
const char *stap_find_program(struct compile *cx, const char *name, int mode);

struct stap_child {
    const char *const *argv; /* argv[0]: a path; ends with NULL */
    const char *dir;         /* working directory; NULL: ours */
    const char *const *env;  /* NAME=VALUE, beside the few variables that are passed on; ends with
                              * NULL */
    const char *log;         /* file that standard output and error go to */
    unsigned seconds;        /* it is ended after that long */
};

/*
 * Runs it to its end, and ends it (with what it started) when a signal asks us to end. Its exit
 * status; 128 + signal; -1 after reporting that it could not be run, or was ended.
 */
int stap_child_run(struct compile *cx, const struct stap_child *c);

/* A whole file of at most MAX bytes, NUL added, in the arena; NULL: not there, or too large. */
char *stap_read_file(struct compile *cx, const char *path, size_t max, size_t *len);

/* False with errno set. */
bool stap_write_file(const char *path, const char *text, size_t len);

/* ---- toolchain.c: what a module is built with ---- */

struct stap_tools {
    const char *stap;     /* path */
    const char *version;  /* "4.8/0.188, Debian version 4.8-2" */
    unsigned major, minor;
    const char *runtime;  /* installed runtime directory */
    const char *release;  /* of the kernel the module is for */
    const char *build;    /* its build directory */
    const char *stamp;    /* changes when the headers do */
};

/* NULL and *OUT filled in, or what is missing and which package brings it. SCRATCH: a directory to
 * write in. */
const char *stap_find_tools(struct compile *cx, const char *release, const char *scratch,
                            struct stap_tools *out);

/* A file of the kernel's headers, wherever the distribution keeps it; NULL: there is none. */
char *stap_header_text(struct compile *cx, const struct stap_tools *t, const char *file);

/* ---- cache.c: directories that outlive us ---- */

struct stap_cache {
    const char *dir; /* ours alone */
    bool kept;       /* else it is removed at the end */
};

/* False after reporting that not even a temporary directory can be made. */
bool stap_cache_open(struct compile *cx, struct stap_cache *c);

/* The directory kept for KEY, or NULL; *LOCK: a descriptor that keeps it from being trimmed. */
const char *stap_cache_find(struct compile *cx, const struct stap_cache *c, const char *kind,
                            const char *key, size_t len, int *lock);

/* A new directory to work in; *LOCK shows others that it is in use. NULL after reporting. */
const char *stap_cache_begin(struct compile *cx, const struct stap_cache *c, int *lock);

/* Gives DIR, made by stap_cache_begin, its name; where another was faster, that one. NULL after
 * reporting. */
const char *stap_cache_commit(struct compile *cx, const struct stap_cache *c, const char *dir,
                              const char *kind, const char *key, size_t len, int *lock);

/* Deletes what was left behind, and the oldest entries beyond a bound. */
void stap_cache_trim(struct compile *cx, const struct stap_cache *c);

bool stap_copy_tree(struct compile *cx, const char *from, const char *to);

/* ---- patch.c, runtime.c ---- */

/* Applies the unified diff TEXT below DIR (as patch -p1); false and *WHY: nothing is changed. */
bool stap_patch_apply(struct compile *cx, const char *text, const char *dir, const char **why);

/* The runtime to build with: T->runtime, or the patched copy of it (*KEY: what tells it apart; ""
 * for the installed one). NULL after reporting. */
const char *stap_runtime(struct compile *cx, const struct stap_tools *t, const struct stap_cache *c,
                         const char *const *dirs, uint32_t n_dirs, const char **key);

/* ---- tree.c ---- */

/* The kernel's build directory for this script: T->build, or a private one of links to it, where
 * stap needs to be told that the kernel has return probes. NULL after reporting; *LOCK as
 * stap_cache_find's, -1 for T->build. */
const char *stap_build_tree(struct compile *cx, const struct stap_tools *t,
                            const struct stap_cache *c, const char *script, int *lock);

/* ---- stub_elf.c ---- */

/* Writes stub debug files by build-id below DIR: stap learns there that functions begin at
 * POINTS. */
void stap_write_stubs(struct compile *cx, const struct stap_points *points, const char *dir);

/* ---- modinfo.c ---- */

struct modinfo {
    const char *name, *release; /* NULL: it does not say */
};

/* False with errno: cannot be opened. */
bool stap_modinfo(struct compile *cx, const char *path, struct modinfo *out);

#endif
