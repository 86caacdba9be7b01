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

/* A point as pp() shows it. */
const char *probe_point_text(struct arena *a, const struct probe_point *point);

/* The names of a point without arguments, in A: "process.function.return". */
const char *probe_names(struct arena *a, const struct probe_point *point);

/* Index in prog->modules of that module, added when new. */
uint32_t probe_module(struct probe_env *env, const char *path, struct dbg *dbg);

/* Where a target variable is: a DWARF location, and what it is relative to; or an argument. */
struct probe_var {
    struct dbg_location location; /* its type included */
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

/* Of the probe at the entry that saves values for a .return handler of TYPE. */
const struct probe_type *probe_entry_type(const struct probe_type *type);

/* ---- modules (module.c) ---- */

/*
 * The module that NAME means: a path, the name of a mapped file ("libfoo.so"), or NULL for the
 * target's executable. NULL after reporting at AT: no such file.
 */
struct module *probe_find_module(struct probe_env *env, const char *name, struct span at);

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
/* Are the points whose first word is NAME aliases of the library, as SystemTap's has them? */
bool probe_is_family(const char *name);
/* Every row in order; docs/reference.md is made from them. */
void probe_each(void (*fn)(const struct probe_type *t, void *arg), void *arg);

/* ---- listing.c ---- */

/* What is known of INST, in a line without its end: the point, or the alias that it was written by;
 * with VARIABLES those in scope, each as " $name:type". In A. */
const char *probe_listed(struct arena *a, const struct probe_inst *inst, bool variables);

#endif
