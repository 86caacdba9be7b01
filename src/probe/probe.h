/*
 * probe: one file per family of probe types with a table of rows, which probe/table.c lists.
 *
 * A row says which probe points it takes (a pattern over dot-separated parts), how sema resolves
 * one into probe_insts, and which attach kind of base/attach_kind.h it ends in.
 */
#ifndef PROBE_PROBE_H
#define PROBE_PROBE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/abi.h"
#include "syntax/ast.h"
#include "debug/debug.h"

struct moved;

/* What resolving a probe point may use, and where the results go. */
struct probe_env {
    struct compile *cx;
    struct target *target;
    struct debuginfo *debuginfo;
    struct program *prog;
    struct probe *probe;      /* being resolved */
    struct probe_inst **tail; /* append here; use probe_add */
    struct kernel *kernel;    /* that the script is to run on at once; NULL: not known */
    const char *near;         /* the library's alias of the nearest name; NULL: none is near */
    bool stap;                /* for SystemTap, which has its own tapset */
    bool apart;               /* each place is an instance of its own, to be listed */
    const struct moved *moved; /* names that have changed; NULL: do not ask */
};

/* Appends an instance with the fields every type shares filled in (name printed, body cloned). */
struct probe_inst *probe_add(struct probe_env *env, struct probe_point *point,
                             const struct probe_type *type);

/*
 * How many functions the probe points of a script may match, all together; of those whose handler
 * looks at their variables, each of which becomes a program, a point.
 */
enum { PROBE_MAX_PLACES = 20000, PROBE_MAX_HANDLERS = 4000 };

/* May what the handler says mean something else in another place of the module? */
bool probe_depends_on_place(const struct probe *probe);

/*
 * A copy of POINT with VALUES for the arguments of its parts, one a part: NULL keeps the part's
 * own. The first part gets one that it has not.
 */
struct probe_point *probe_point_with(struct arena *a, const struct probe_point *point,
                                     const char *const *values);

/* A point as pp() shows it. */
const char *probe_point_text(struct arena *a, const struct probe_point *point);

/* The names of a point without arguments, in A: "process.function.return". */
const char *probe_names(struct arena *a, const struct probe_point *point);

/* Index in prog->modules of that module, added when new. */
uint32_t probe_module(struct probe_env *env, const char *path, struct dbg *dbg);

/* Where a target variable is: a DWARF location, and what it is relative to; or an argument. */
struct probe_var {
    struct dbg_location location; /* its type included */
    uint8_t size;                 /* bytes of what has no C type, and whether they have a sign */
    bool is_signed;
    bool is_argument;             /* of the kernel's event: which, from 0; the location is empty */
    uint32_t argument;
    struct dbg *dbg; /* the module that addresses are in */
    uint64_t pc;     /* where the handler runs, for the frame's address */
};

typedef void probe_variable_fn(const char *name, const struct ctype *type, void *arg);

struct probe_type {
    const char *pattern; /* "process(string).function(string)", "timer.s(number)": parts in order */
    const char *summary; /* one line of docs/reference.md; NULL: said by another row */
    enum probe_kind kind; /* base/attach_kind.h */
    /* Resolves POINT: reports and returns false, or adds one or more instances. */
    bool (*resolve)(struct probe_env *env, struct probe_point *point,
                    const struct probe_type *type);
    /* Where E ($name) is in the handler of INST; false after reporting. NULL: the type has no
     * target variables. */
    bool (*target_var)(struct probe_env *env, struct probe_inst *inst, const struct expr *e,
                       struct probe_var *out);
    /* Calls FN for each target variable in scope in the handler of INST, its name without the $.
     * NULL: there are none. */
    void (*variables)(const struct probe_inst *inst, probe_variable_fn *fn, void *arg);
};

/* Is a parameter or a local of that name in scope where INST's handler runs? */
bool probe_has_local(const struct probe_inst *inst, const char *name);
/* Calls FN for each parameter and local in scope there, also those that cannot be read. */
void probe_locals(const struct probe_inst *inst,
                  void (*fn)(const char *name, bool is_param, void *arg), void *arg);

/*
 * What $$name, $$provider, $$vars and $$parms (E) stand for in the handler of INST: an expression
 * as a script would write it. NULL: they mean nothing there.
 */
struct expr *probe_text_var(struct probe_env *env, const struct probe_inst *inst,
                            const struct expr *e);

/* Of the probe at the entry that saves values for a .return handler of TYPE. */
const struct probe_type *probe_entry_type(const struct probe_type *type);

/* ---- modules (module.c) ---- */

/*
 * The module that NAME means: a path, the name of a mapped file ("libfoo.so"), or NULL for the
 * target's executable. NULL after reporting at AT: no such file.
 */
struct module *probe_find_module(struct probe_env *env, const char *name, struct span at);

/* What a point of a process means by its first parts, process("P") and library("L"). */
struct probe_modules {
    struct module *exe; /* of process("P") */
    struct module **v;  /* it, or the libraries that match; in the arena */
    uint32_t n;
    const struct point_part *rest; /* the part behind */
};
/* False after reporting; else one module at least. */
bool probe_find_modules(struct probe_env *env, const struct probe_point *point,
                        struct probe_modules *out);

/* The row that takes POINT, or NULL after reporting (with near names). */
const struct probe_type *probe_match(struct compile *cx, const struct probe_point *point);
/* Does a row take POINT? Says nothing. */
bool probe_known(struct arena *a, const struct probe_point *point);
/* What a point that SystemTap alone knows is taken for; RETURNS: one that ends in .return. */
const struct probe_type *probe_theirs(bool returns);
/*
 * POINT, whose names have wildcards, for each row that they match, with the row's names; linked by
 * next. NULL: there is none.
 */
struct probe_point *probe_expand(struct arena *a, const struct probe_point *point);
/* Are the points whose first word is NAME aliases of the library, as SystemTap's has them? Not
 * those of files, which the library's own functions fill. */
bool probe_is_family(const char *name);
/* Every row in order; docs/reference.md is made from them. */
void probe_each(void (*fn)(const struct probe_type *t, void *arg), void *arg);

/* ---- process_event.c ---- */

/* What process.begin and its like lead to. */
struct probe_process_event {
    const char *names[2]; /* process_event.NAME of the library; the second may be NULL */
    bool begins;          /* the row's resolve makes an instance for those that are there */
    const char *path;     /* of the program that is meant: INO on DEV (0: any); NULL: any */
    uint64_t dev, ino;    /* as the kernel has them */
    int64_t pid;          /* of the process that is meant; 0: any */
};
bool probe_is_process_event(const struct probe_type *type);
/* False after reporting. */
bool probe_find_process_event(struct probe_env *env, const struct probe_point *point,
                              struct probe_process_event *out);
/*
 * Has POINT a library whose hits by other programs than its own come in? Then that one is in *OUT.
 * Without the kernel's types it cannot be told apart, which is warned of: false.
 */
bool probe_shares_library(struct probe_env *env, const struct probe_point *point,
                          struct probe_process_event *out);
/* POINT with PATH for the program. */
struct probe_point *probe_process_point(struct arena *a, const struct probe_point *point,
                                        const char *path);

/* ---- paths.c ---- */

/*
 * POINT for each file that the wildcard in its program's path matches; NULL: it has none, or none
 * does.
 */
struct probe_point *probe_paths(struct probe_env *env, const struct probe_point *point);

/* ---- listing.c ---- */

/* What is known of INST, in a line without its end: the point, or the alias that it was written by;
 * with VARIABLES those in scope, each as " $name:type". In A. */
const char *probe_listed(struct arena *a, const struct probe_inst *inst, bool variables);

#endif
