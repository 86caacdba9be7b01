/*
 * process: functions of user-space programs. Enters: process("path").function("name@file:line") and
 * its variants, wildcards included; leaves: one instance for all functions that a point matches,
 * or, where the handler reads variables, one per function, since variables are elsewhere in each.
 * A function that is inlined has a place for each of its copies. $name is a parameter or local as
 * it stands at the place, also in .return, where $return is what the function gives back. Refused:
 * returns of functions that the compiler only inlined.
 */
#include "probe/moved.h"
#include "probe/process.h"

#include <dwarf.h>
#include <stdlib.h>
#include <string.h>

#include "arch/arch.h"
#include "base/bytes.h"

/* ---- functions ---- */

static bool is_at(const struct dbg_func *f, const struct spec *spec)
{
    for (uint32_t i = 0; i < spec->n; i++)
        if (f->line >= spec->ranges[i].low && f->line <= spec->ranges[i].high)
            return true;
    return spec->kind != SPEC_LINES;
}

struct functions {
    struct arena *a;
    struct dbg_func *v;
    uint32_t n;
};

/* Those of V that are at SPEC's lines; one of each place, but of several names of it all that are
 * inlined there. */
static void keep(struct functions *all, const struct dbg_func *v, uint32_t n,
                 const struct spec *spec, unsigned which)
{
    for (uint32_t i = 0; i < n; i++) {
        if (!v[i].entry || !is_at(&v[i], spec) || (which & PROCESS_EXPORTED && !v[i].external))
            continue;
        all->v = arena_grow(all->a, all->v, all->n, sizeof(*all->v));
        all->v[all->n++] = v[i];
    }
}

/* The functions that have a statement in SPEC's lines, when none is declared there. */
static void around(struct functions *all, const struct process_module *m, const struct spec *spec,
                   unsigned which)
{
    for (uint32_t r = 0; r < spec->n; r++) {
        struct dbg_statement *v;
        uint32_t n = dbg_statements(m->dbg,
                                    &(struct dbg_lines){.function = spec->name,
                                                        .file = spec->file,
                                                        .low = spec->ranges[r].low,
                                                        .high = spec->ranges[r].high},
                                    &v);

        for (uint32_t i = 0; i < n; i++) {
            const struct dbg_func *f = &v[i].func;
            bool known = !(which & (f->inlined ? PROCESS_INLINED : PROCESS_REAL)) ||
                         (which & PROCESS_EXPORTED && !f->external);

            for (uint32_t k = 0; k < all->n && !known; k++)
                known = all->v[k].entry == f->entry && !strcmp(all->v[k].name, f->name);
            if (known)
                continue;
            all->v = arena_grow(all->a, all->v, all->n, sizeof(*all->v));
            all->v[all->n++] = *f;
        }
    }
}

uint32_t process_functions(struct probe_env *env, const struct process_module *m,
                           const struct spec *spec, unsigned which, struct dbg_func **out)
{
    struct functions all = {.a = env->cx->arena};
    struct dbg_func *v;
    uint32_t n;

    if (which & PROCESS_REAL) {
        n = dbg_functions(m->dbg, spec->name, spec->file, &v);
        keep(&all, v, n, spec, which);
    }
    if (which & PROCESS_INLINED) {
        n = dbg_inlined(m->dbg, spec->name, spec->file, &v);
        keep(&all, v, n, spec, which);
    }
    if (!all.n && spec->kind == SPEC_LINES && spec->file)
        around(&all, m, spec, which);
    *out = all.v;
    return all.n;
}

/* There is such a function, but none of the kind asked for. */
static bool other_kind(struct probe_env *env, const struct process_module *m,
                       const struct point_part *part, const struct spec *spec, unsigned which)
{
    struct diag *d = env->cx->diag;
    struct dbg_func *v;

    if (which & PROCESS_EXPORTED && process_functions(env, m, spec, PROCESS_REAL, &v)) {
        diag_error(d, part->arg->at, "no-function", "'%s' is seen by its own file alone (static)",
                   part->arg->text);
        diag_hint(d, ".call takes functions of both kinds");
        return true;
    }
    if (which & PROCESS_INLINED && process_functions(env, m, spec, PROCESS_REAL, &v)) {
        diag_error(d, part->arg->at, "no-function", "'%s' is inlined nowhere", part->arg->text);
        diag_hint(d, ".call, or nothing, takes it where it is called");
        return true;
    }
    if (which & PROCESS_REAL && process_functions(env, m, spec, PROCESS_INLINED, &v)) {
        diag_error(d, part->arg->at, "no-function",
                   "'%s' exists only inlined into its callers, where it has %s", part->arg->text,
                   strcmp(part->next->name, "return") ? "no call" : "no return");
        diag_hint(d,
                  ".inline takes the places where it begins; .callee(\"%s\") those in one caller",
                  spec->name);
        return true;
    }
    if (dbg_functions(m->dbg, spec->name, spec->file, &v) && !v[0].entry && is_at(&v[0], spec)) {
        diag_error(d, part->arg->at, "no-function", "the compiler left no code of '%s'",
                   part->arg->text);
        diag_hint(d, "probe one of its callers, or build the target with -fno-inline");
        return true;
    }
    return false;
}

static bool resolve(struct probe_env *env, struct probe_point *point, const struct probe_type *type,
                    unsigned which);

/* The library NAME that the target has mapped: "libpcre2-8" of libpcre2-8.so.0. */
static const char *mapped_library(const struct probe_env *env, const char *name)
{
    for (const struct module *m = env->target->modules; m; m = m->next) {
        const char *file = base_name(m->path);
        size_t n = strlen(name);

        if (!strncmp(file, name, n) && strchr(".-", file[n]))
            return m->path;
    }
    return NULL;
}

/* POINT on what FACT says that its function is called now; false: that is not there either. */
static bool probe_renamed(struct probe_env *env, const struct probe_point *point,
                          const struct probe_type *type, unsigned which,
                          const struct process_module *m, const struct moved_fact *fact)
{
    struct probe_env once = *env; /* today's names are not looked up again */
    const char *values[8] = {fact->library ? mapped_library(env, fact->library) : NULL};
    size_t function = 0;

    if (fact->library && (!values[0] || m->functions != point->parts->next))
        return false;
    for (const struct point_part *p = point->parts; p != m->functions; p = p->next)
        function++;
    values[function] = fact->now;
    once.moved = NULL;
    diag_try_begin(env->cx->diag);
    bool ok = resolve(&once, probe_point_with(env->cx->arena, point, values), type, which);

    diag_try_end(env->cx->diag);
    env->tail = once.tail;
    return ok;
}

/* A function that is not there but in the table of what has moved; true: dealt with, and told. */
static bool has_moved(struct probe_env *env, const struct probe_point *point,
                      const struct probe_type *type, unsigned which, const struct process_module *m,
                      const char *name)
{
    struct diag *d = env->cx->diag;
    const struct expr *at = m->functions->arg;
    const struct moved_fact *fact =
        moved_find(env->moved, MOVED_FUNCTION, MOVED_OF_USER, name, NULL);

    if (!fact)
        return false;
    if (!fact->now) {
        diag_warning(d, at->at, "nothing is probed here: %s() is gone since %s", name, fact->since);
        return true;
    }
    if (!probe_renamed(env, point, type, which, m, fact))
        return false;
    diag_warning(d, at->at, "probing %s(), as %s() is called since %s", fact->now, name,
                 fact->since);
    return true;
}

static bool resolve_in(struct probe_env *env, struct probe_point *point,
                       const struct probe_type *type, unsigned which,
                       const struct process_module *m)
{
    struct process_places all = {0};
    struct dbg_func *found;
    struct spec spec;

    if (!spec_parse(env->cx, m->functions, &spec))
        return false;
    uint32_t n = process_functions(env, m, &spec, which, &found);

    for (uint32_t i = 0; i < n; i++)
        process_place_add(env, &all,
                          &(struct process_place){.f = found[i],
                                                  .vaddr = found[i].entry,
                                                  .pc = found[i].entry,
                                                  .spec = process_spec(env->cx->arena, &found[i])});
    if (all.n)
        return process_add(env, point, type, m, &all);
    return !other_kind(env, m, m->functions, &spec, which) &&
           (has_moved(env, point, type, which, m, spec.name) ||
            process_no_function(env, m, m->functions, &spec));
}

static bool resolve(struct probe_env *env, struct probe_point *point, const struct probe_type *type,
                    unsigned which)
{
    struct probe_modules modules;
    struct process_module m;
    bool ok = probe_find_modules(env, point, &modules);

    for (uint32_t i = 0; ok && i < modules.n; i++)
        ok =
            process_open_in(env, point, &modules, i, &m) && resolve_in(env, point, type, which, &m);
    return ok;
}

static bool resolve_all(struct probe_env *env, struct probe_point *point,
                        const struct probe_type *type)
{
    return resolve(env, point, type, PROCESS_REAL | PROCESS_INLINED);
}

static bool resolve_call(struct probe_env *env, struct probe_point *point,
                         const struct probe_type *type)
{
    return resolve(env, point, type, PROCESS_REAL);
}

static bool resolve_exported(struct probe_env *env, struct probe_point *point,
                             const struct probe_type *type)
{
    return resolve(env, point, type, PROCESS_REAL | PROCESS_EXPORTED);
}

static bool resolve_inline(struct probe_env *env, struct probe_point *point,
                           const struct probe_type *type)
{
    return resolve(env, point, type, PROCESS_INLINED);
}

/* ---- $name ---- */

static void near_local(const char *name, bool is_param, void *arg)
{
    near_try(arg, name);
}

static bool no_local(struct probe_env *env, const struct dbg_func *f, uint64_t pc,
                     const struct expr *e, const char *why)
{
    struct diag *d = env->cx->diag;
    struct near near;

    diag_error(d, e->op_at, "no-var", "%s cannot be read: %s", e->text,
               why ? why : "it is not known here");
    near_init(&near, e->text + 1);
    dbg_locals(f, pc, near_local, &near);
    if (near_best(&near))
        diag_hint(d, "did you mean $%s?", near_best(&near));
    return false;
}

struct wanted {
    const char *name;
    bool found;
};

static void find_name(const char *name, bool is_param, void *arg)
{
    struct wanted *w = arg;

    w->found |= !strcmp(name, w->name);
}

bool probe_has_local(const struct probe_inst *inst, const char *name)
{
    struct wanted w = {.name = name};
    const struct process_place *p = inst->data;

    if (inst->type->target_var == process_target_var && p)
        dbg_locals(&p->f, p->pc, find_name, &w);
    return w.found;
}

/* A location of one operation. */
static struct dbg_location location(struct arena *a, const struct ctype *type, uint8_t atom,
                                    uint64_t n1)
{
    struct dbg_op *op = ARENA_NEW(a, struct dbg_op);

    *op = (struct dbg_op){.atom = atom, .n1 = n1};
    return (struct dbg_location){.type = type, .ops = op, .n_ops = 1};
}

/* A global or static variable of the function's own unit: the scope around the function. */
static bool unit_var(struct probe_env *env, const struct dbg_func *f, const char *name,
                     struct probe_var *out)
{
    struct dbg_var var;

    if (!f->unit || !dbg_variable(f->dbg, name, f->unit, &var) || !var.type)
        return false;
    out->location = location(env->cx->arena, var.type, DW_OP_addr, var.vaddr);
    return true;
}

/* Where the call returns to, counted from where the module lies. */
static void return_address(struct probe_env *env, const struct process_place *p,
                           struct probe_var *out)
{
    const struct arch *arch = env->cx->arch;
    struct dbg_op *ops = ARENA_ARRAY(env->cx->arena, struct dbg_op, 5);
    uint32_t n = 0;

    if (arch->popped) { /* it lies where the stack ends */
        ops[n++] = (struct dbg_op){.atom = (uint8_t)(DW_OP_breg0 + arch->sp)};
        ops[n++] = (struct dbg_op){.atom = DW_OP_deref};
    } else {
        ops[n++] = (struct dbg_op){.atom = (uint8_t)(DW_OP_breg0 + arch->link)};
    }
    ops[n++] = (struct dbg_op){.atom = DW_OP_addr};
    ops[n++] = (struct dbg_op){.atom = DW_OP_minus};
    ops[n++] = (struct dbg_op){.atom = DW_OP_stack_value};
    *out = (struct probe_var){
        .location = {.type = ctype_pointer_to(env->debuginfo, NULL), .ops = ops, .n_ops = n},
        .dbg = p->f.dbg,
        .pc = p->pc};
}

bool process_target_var(struct probe_env *env, struct probe_inst *inst, const struct expr *e,
                        struct probe_var *out)
{
    const struct process_place *p = inst->data;
    const struct dbg_func *f = &p->f;
    struct diag *d = env->cx->diag;
    const char *name = e->text + 1, *why = NULL;
    struct wanted local = {.name = name};

    *out = (struct probe_var){.dbg = f->dbg, .pc = p->pc};
    if (!strcmp(e->text, PROCESS_RETURN_ADDRESS)) {
        return_address(env, p, out);
        return true;
    }
    if (!strcmp(name, "return"))
        return diag_error(d, e->op_at, "no-var", "$return is known only in .return probes");
    if (!f->record) {
        diag_error(d, e->op_at, "no-debuginfo", "%s: there is no debug information for %s", e->text,
                   f->name);
        dbg_open(env->debuginfo, dbg_path(f->dbg), &why);
        if (why)
            diag_hint(d, "%s", why);
        return false;
    }
    if (dbg_local(f, p->pc, name, &out->location, &why))
        return true;
    dbg_locals(f, p->pc, find_name, &local);
    return (!local.found && unit_var(env, f, name, out)) || no_local(env, f, p->pc, e, why);
}

bool process_return_var(struct probe_env *env, struct probe_inst *inst, const struct expr *e,
                        struct probe_var *out)
{
    const struct process_place *p = inst->data;
    const struct dbg_func *f = &p->f;
    struct arena *a = env->cx->arena;
    struct diag *d = env->cx->diag;

    if (strcmp(e->text, "$return")) /* sema reads it at the entry; here it is only asked for */
        return process_target_var(env, inst, e, out);
    if (!f->record) {
        diag_error(d, e->op_at, "no-debuginfo", "$return: there is no debug information for %s",
                   f->name);
        diag_hint(d, "returnval() gives the register");
        return false;
    }
    const struct ctype *type = dbg_func_result(f);

    if (!type)
        return diag_error(d, e->op_at, "no-var", "%s() returns no value", f->name);
    switch (ctype_kind(type)) {
    case CT_INT:
    case CT_BOOL:
    case CT_CHAR:
    case CT_POINTER:
    case CT_ENUM:
        break;
    default:
        return diag_error(d, e->op_at, "not-yet",
                          "$return is %s here; only integers and pointers are read yet",
                          ctype_text(a, type));
    }
    uint8_t result = (uint8_t)(DW_OP_reg0 + env->cx->arch->result);

    *out = (struct probe_var){.location = location(a, type, result, 0), .dbg = f->dbg, .pc = p->pc};
    return true;
}

/* ---- -L ---- */

struct scope {
    const struct process_place *place;
    probe_variable_fn *fn;
    void *arg;
};

/* As SystemTap does, what has a place there, also one that cannot be read. */
static void list_local(const char *name, bool is_param, void *arg)
{
    const struct scope *s = arg;
    const struct process_place *p = s->place;
    struct dbg_location at;
    const char *why;

    dbg_local(&p->f, p->pc, name, &at, &why);
    if (at.type && at.located)
        s->fn(name, at.type, s->arg);
}

void process_variables(const struct probe_inst *inst, probe_variable_fn *fn, void *arg)
{
    const struct process_place *p = inst->data;
    struct scope s = {p, fn, arg};

    if (p)
        dbg_locals(&p->f, p->pc, list_local, &s);
}

void process_return_variables(const struct probe_inst *inst, probe_variable_fn *fn, void *arg)
{
    const struct process_place *p = inst->data;
    const struct ctype *result = p ? dbg_func_result(&p->f) : NULL;

    if (result)
        fn("return", result, arg);
    process_variables(inst, fn, arg);
}

#define LIBRARY_ROWS(row, rest, resolve)                                                           \
    row("process(string).library(string)", rest, NULL, resolve),                                   \
        row("process.library(string)", rest, NULL, resolve)
#define ENTRY(suffix, summary, resolve)                                                            \
    PROCESS_ROWS(".function(string)" suffix, summary, resolve),                                    \
        LIBRARY_ROWS(PROCESS_ROW, ".function(string)" suffix, resolve)

/* ---- $$vars ---- */

struct each {
    void (*fn)(const char *name, bool is_param, void *arg);
    void *arg;
};

static void one_parameter(const char *name, const struct ctype *type, void *arg)
{
    const struct each *each = arg;

    each->fn(name, true, each->arg);
}

void probe_locals(const struct probe_inst *inst,
                  void (*fn)(const char *name, bool is_param, void *arg), void *arg)
{
    const struct process_place *p = inst->data;
    bool ours = inst->type->target_var == process_target_var ||
                inst->type->target_var == process_return_var;

    if (ours && p)
        dbg_locals(&p->f, p->pc, fn, arg);
    else if (!ours && inst->type->variables) /* an event's: all are handed over */
        inst->type->variables(inst, one_parameter, &(struct each){fn, arg});
}

const struct probe_type probe_types_process[] = {
    ENTRY("", "where a function of a program or library starts, also where it is inlined",
          resolve_all),
    ENTRY(".call", "likewise, inlined copies left out", resolve_call),
    ENTRY(".exported", "likewise, functions left out that only their own file can call",
          resolve_exported),
    ENTRY(".inline", "where inlined copies of a function start", resolve_inline),
    PROCESS_RETURN_ROWS(".function(string).return", "where it returns", resolve_call),
    LIBRARY_ROWS(PROCESS_RETURN_ROW, ".function(string).return", resolve_call),
    {NULL, NULL, PROBE_NEVER, NULL, NULL, NULL},
};
