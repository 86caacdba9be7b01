/*
 * process: what the files share that resolve points in user-space programs. A point's places are
 * found by place.c's helpers and debug/, and become instances by process_add.
 */
#ifndef PROBE_PROCESS_H
#define PROBE_PROCESS_H

#include "probe/tables.h"

/* ---- spec.c ---- */

struct spec_range {
    uint32_t low, high;
};

enum spec_lines { SPEC_NO_LINE, SPEC_LINES, SPEC_RELATIVE, SPEC_ALL_LINES };

/* "name@file:5,7-9", "name@file+3", "name@file:*" */
struct spec {
    const char *name;
    const char *file; /* NULL: any */
    enum spec_lines kind;
    struct spec_range *ranges; /* of the first two kinds that have lines */
    uint32_t n;
};

/* False after reporting at PART. */
bool spec_parse(struct compile *cx, const struct point_part *part, struct spec *out);

/* ---- place.c ---- */

struct process_place {
    struct dbg_func f;
    uint64_t vaddr;     /* of the breakpoint */
    uint64_t pc;        /* where F's variables are asked for */
    const char *spec;   /* the point's last argument in full */
    const char *caller; /* the one before it, of .callee */
    /* Of .callee: the handler runs when the call returns to one of these, or, without any, into
     * code from LOW to below HIGH; 0: it always runs. */
    const uint64_t *returns;
    uint32_t n_returns;
    uint64_t low, high;
};

struct process_places {
    struct process_place *v;
    uint32_t n;
};

struct process_module {
    struct module *exe;    /* of process("P") */
    struct module *module; /* it, or a library of it */
    struct dbg *dbg;
    const char *why; /* it has no debug information: what was looked for; or NULL */
    const struct point_part *functions; /* the part that says which: function, statement */
};

/* The module that POINT's first part means, with its functions. False after reporting. */
bool process_open(struct probe_env *env, const struct probe_point *point,
                  struct process_module *out);

/* The I-th of the modules that POINT was found to mean, likewise. */
bool process_open_in(struct probe_env *env, const struct probe_point *point,
                     const struct probe_modules *modules, uint32_t i, struct process_module *out);

/* "name@file:line", as pp() shows it. */
const char *process_spec(struct arena *a, const struct dbg_func *f);

/* Adds a copy of P. */
void process_place_add(struct probe_env *env, struct process_places *all,
                       const struct process_place *p);

/*
 * Adds the instances of POINT: one with all places, where the handler does not depend on the
 * function, else one for each. False after reporting that they are too many.
 */
bool process_add(struct probe_env *env, struct probe_point *point, const struct probe_type *type,
                 const struct process_module *m, const struct process_places *all);

/* Reports that PART names no function of M; false. */
bool process_no_function(struct probe_env *env, const struct process_module *m,
                         const struct point_part *part, const struct spec *spec);

/* ---- process.c ---- */

/* What process_target_var is asked for by the test of .callee: the address in the module that the
 * call returns to. No script can say this name. */
#define PROCESS_RETURN_ADDRESS "$.return"

/* As in struct probe_type, of instances that process_add made. */
bool process_target_var(struct probe_env *env, struct probe_inst *inst, const struct expr *e,
                        struct probe_var *out);
void process_variables(const struct probe_inst *inst, probe_variable_fn *fn, void *arg);
/* Likewise where it returns. */
bool process_return_var(struct probe_env *env, struct probe_inst *inst, const struct expr *e,
                        struct probe_var *out);
void process_return_variables(const struct probe_inst *inst, probe_variable_fn *fn, void *arg);

/* Rows of struct probe_type: PROCESS is the point's first part, REST what follows. */
#define PROCESS_ROW(process, rest, summary, resolve)                                               \
    {                                                                                              \
        process rest, summary, PROBE_UPROBE, resolve, process_target_var, process_variables        \
    }
#define PROCESS_RETURN_ROW(process, rest, summary, resolve)                                        \
    {                                                                                              \
        process rest, summary, PROBE_URETPROBE, resolve, process_return_var,                       \
            process_return_variables                                                               \
    }
/* For process("P"), and for process alone, which is the target's. */
#define PROCESS_ROWS(rest, summary, resolve)                                                       \
    PROCESS_ROW("process(string)", rest, summary, resolve),                                        \
        PROCESS_ROW("process", rest, NULL, resolve)
#define PROCESS_RETURN_ROWS(rest, summary, resolve)                                                \
    PROCESS_RETURN_ROW("process(string)", rest, summary, resolve),                                 \
        PROCESS_RETURN_ROW("process", rest, NULL, resolve)

/* Functions of M that SPEC names: those with code of their own, those inlined, or both. */
enum process_which { PROCESS_REAL = 1, PROCESS_INLINED = 2, PROCESS_EXPORTED = 4 };
uint32_t process_functions(struct probe_env *env, const struct process_module *m,
                           const struct spec *spec, unsigned which, struct dbg_func **out);

#endif
