/*
 * process: functions of user-space programs. Enters: process("path").function("name@file:line") and
 * its variants, wildcards included; leaves: one instance for all functions that a point matches,
 * or, where the handler reads variables, one per function, since variables are elsewhere in each.
 * $name is a parameter or local as it stands at the function's first instruction, also in .return,
 * where $return is what the function gives back. Refused: functions that the compiler only inlined.
 */
#include "probe/tables.h"

#include <dwarf.h>
#include <stdlib.h>
#include <string.h>

#include "arch/arch.h"
#include "base/bytes.h"

/* The parts of "name@file:line" or "name@file+offset". */
struct spec {
    const char *name;
    const char *file; /* NULL: any */
    uint32_t line;    /* 0: any */
};

static struct spec parse_spec(struct arena *a, const char *text)
{
    struct spec s = {.name = text};
    const char *at = strchr(text, '@');

    if (!at)
        return s;
    s.name = arena_strndup(a, text, (size_t)(at - text));
    const char *colon = strrchr(at, ':');

    s.file = colon ? arena_strndup(a, at + 1, (size_t)(colon - at - 1)) : arena_strdup(a, at + 1);
    s.line = colon ? (uint32_t)strtoul(colon + 1, NULL, 10) : 0;
    return s;
}

static void try_near(const char *name, void *arg)
{
    near_try(arg, name);
}

static bool no_function(struct probe_env *env, struct dbg *m, const struct point_part *part,
                        const struct spec *spec, const char *why)
{
    struct diag *d = env->cx->diag;
    struct dbg_func *other;
    struct near near;

    if (probe_ifunc(env, m, part, spec->name))
        return false;
    diag_error(d, part->arg->at, "no-function", "no function %s '%s' in %s",
               has_wildcard(spec->name) ? "matches" : "is named", part->arg->text, dbg_path(m));
    if ((spec->file || spec->line) && dbg_functions(m, spec->name, NULL, &other)) {
        diag_hint(d, "%s is defined in %s:%u", other->name, other->file ? other->file : "?",
                  other->line);
        return false;
    }
    near_init(&near, spec->name);
    dbg_names(m, DBG_FUNCTIONS, try_near, &near);
    if (near_best(&near))
        diag_hint(d, "did you mean '%s'?", near_best(&near));
    else if (why)
        diag_hint(d, "%s", why);
    return false;
}

static struct point_part *new_part(struct arena *a, const struct point_part *like, const char *text)
{
    struct point_part *p = ARENA_NEW(a, struct point_part);

    *p = *like;
    p->next = NULL;
    if (text)
        p->arg = expr_string(a, like->at, text, (uint32_t)strlen(text));
    return p;
}

/* The point as pp() shows it: the module's path and the function's place in full. */
static struct probe_point *resolved_point(struct arena *a, const struct probe_point *point,
                                          const char *path, const struct dbg_func *f)
{
    struct probe_point *copy = ARENA_NEW(a, struct probe_point);
    const struct point_part *from = point->parts;
    const char *name = f->name;
    struct point_part **tail;

    *copy = *point;
    copy->next = NULL;
    if (f->file && f->line)
        name = arena_printf(a, "%s@%s:%u", f->name, f->file, f->line);
    copy->parts = new_part(a, from, path);
    tail = &copy->parts->next;
    for (from = from->next; from; from = from->next, tail = &(*tail)->next)
        *tail = new_part(a, from, from->arg ? name : NULL);
    return copy;
}

static void add_function(struct probe_env *env, struct probe_point *point,
                         const struct probe_type *type, const struct module *module, struct dbg *m,
                         const struct dbg_func *f)
{
    struct arena *a = env->cx->arena;
    struct probe_inst *inst = probe_add(env, resolved_point(a, point, module->path, f), type);
    struct dbg_func *copy = ARENA_NEW(a, struct dbg_func);

    *copy = *f;
    inst->data = copy;
    inst->module_id = probe_module(env, module->path, m);
    inst->vaddr = f->entry;
    inst->func_name = f->name;
}

/* ---- one handler for all functions that match ---- */

static void add_places(struct probe_env *env, struct probe_point *point,
                       const struct probe_type *type, const struct module *module, struct dbg *m,
                       const struct dbg_func *const *found, uint32_t n)
{
    struct arena *a = env->cx->arena;
    struct dbg_func as_written = {.name = point->parts->next->arg->text};
    struct probe_inst *inst =
        probe_add(env, resolved_point(a, point, module->path, &as_written), type);

    inst->module_id = probe_module(env, module->path, m);
    inst->places = ARENA_ARRAY(a, struct probe_place, n);
    inst->n_places = n;
    for (uint32_t i = 0; i < n; i++)
        inst->places[i] = (struct probe_place){
            probe_point_text(a, resolved_point(a, point, module->path, found[i])), found[i]->name,
            found[i]->entry};
}

/* A hostile file must not decide how much is made of it. */
static bool too_many(struct probe_env *env, const struct point_part *function, const char *path,
                     uint32_t n, uint32_t max, const char *why)
{
    if (n <= max)
        return false;
    diag_error(env->cx->diag, function->arg->at, "limit",
               "'%s' matches %u functions of %s; at most %u can be probed%s", function->arg->text,
               n, path, max, why);
    diag_hint(env->cx->diag, "name fewer: \"name*\", \"name*@file.c\", \"name*@file.c:LINE\"");
    return true;
}

static bool resolve(struct probe_env *env, struct probe_point *point, const struct probe_type *type)
{
    const struct point_part *process = point->parts, *function = process->next;
    struct diag *d = env->cx->diag;
    struct dbg_func *found;
    const char *why = NULL;
    uint64_t last = 0;
    uint32_t n_places = 0, inlined = 0;
    struct module *module = probe_find_module(env, process->arg ? process->arg->text : NULL,
                                              process->arg ? process->arg->at : process->at);

    if (!module)
        return false;
    struct dbg *m = dbg_open_any(env->debuginfo, module->path, &why);

    if (!m) {
        diag_error(d, process->at, "no-debuginfo", "no functions are known of %s", module->path);
        if (why)
            diag_hint(d, "%s", why);
        return false;
    }
    struct spec spec = parse_spec(env->cx->arena, function->arg->text);
    uint32_t n = dbg_functions(m, spec.name, spec.file, &found);

    const struct dbg_func **places = ARENA_ARRAY(env->cx->arena, const struct dbg_func *, n + 1);

    for (uint32_t i = 0; i < n; i++) {
        if (spec.line && found[i].line != spec.line)
            continue;
        if (!found[i].entry) {
            inlined++;
            continue;
        }
        if (found[i].entry == last) /* another name of the same code */
            continue;
        last = found[i].entry;
        places[n_places++] = &found[i];
    }
    bool one_handler = n_places > 1 && !env->apart && !probe_depends_on_place(env->probe);

    env->prog->n_places += n_places;
    if (too_many(env, function, module->path, env->prog->n_places, PROBE_MAX_PLACES, "") ||
        (!one_handler && !env->apart &&
         too_many(env, function, module->path, n_places, PROBE_MAX_HANDLERS,
                  " when the handler looks at their variables")))
        return false;
    if (one_handler)
        add_places(env, point, type, module, m, places, n_places);
    for (uint32_t i = 0; !one_handler && i < n_places; i++)
        add_function(env, point, type, module, m, places[i]);
    if (n_places)
        return true;
    if (inlined) {
        diag_error(d, function->arg->at, "not-yet",
                   "'%s' exists only inlined into its callers, which cannot be probed yet",
                   function->arg->text);
        diag_hint(d, "probe one of its callers, or build the target with -fno-inline");
        return false;
    }
    return no_function(env, m, function, &spec, why);
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

static bool target_var(struct probe_env *env, struct probe_inst *inst, const struct expr *e,
                       struct probe_var *out);

bool probe_has_local(const struct probe_inst *inst, const char *name)
{
    struct wanted w = {.name = name};
    const struct dbg_func *f = inst->data;

    if (inst->type->target_var == target_var && f->record)
        dbg_locals(f, inst->vaddr, find_name, &w);
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

    if (!dbg_variable(f->dbg, name, f->file, &var) || !var.type)
        return false;
    out->location = location(env->cx->arena, var.type, DW_OP_addr, var.vaddr);
    return true;
}

static bool target_var(struct probe_env *env, struct probe_inst *inst, const struct expr *e,
                       struct probe_var *out)
{
    const struct dbg_func *f = inst->data;
    struct diag *d = env->cx->diag;
    const char *name = e->text + 1, *why = NULL;
    struct wanted local = {.name = name};

    *out = (struct probe_var){.dbg = f->dbg, .pc = inst->vaddr};
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
    if (dbg_local(f, inst->vaddr, name, &out->location, &why))
        return true;
    dbg_locals(f, inst->vaddr, find_name, &local);
    return (!local.found && unit_var(env, f, name, out)) || no_local(env, f, inst->vaddr, e, why);
}

static bool return_var(struct probe_env *env, struct probe_inst *inst, const struct expr *e,
                       struct probe_var *out)
{
    const struct dbg_func *f = inst->data;
    struct arena *a = env->cx->arena;
    struct diag *d = env->cx->diag;

    if (strcmp(e->text, "$return")) /* sema reads it at the entry; here it is only asked for */
        return target_var(env, inst, e, out);
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

    *out = (struct probe_var){
        .location = location(a, type, result, 0), .dbg = f->dbg, .pc = inst->vaddr};
    return true;
}

/* ---- -L ---- */

struct scope {
    const struct probe_inst *inst;
    probe_variable_fn *fn;
    void *arg;
};

/* What is optimized out is in scope all the same, as in SystemTap. */
static void list_local(const char *name, bool is_param, void *arg)
{
    const struct scope *s = arg;
    struct dbg_location at;
    const char *why;

    dbg_local(s->inst->data, s->inst->vaddr, name, &at, &why);
    if (at.type)
        s->fn(name, at.type, s->arg);
}

static void variables(const struct probe_inst *inst, probe_variable_fn *fn, void *arg)
{
    const struct dbg_func *f = inst->data;
    struct scope s = {inst, fn, arg};

    if (f->record)
        dbg_locals(f, inst->vaddr, list_local, &s);
}

static void return_variables(const struct probe_inst *inst, probe_variable_fn *fn, void *arg)
{
    const struct dbg_func *f = inst->data;
    const struct ctype *result = f->record ? dbg_func_result(f) : NULL;

    if (result)
        fn("return", result, arg);
    variables(inst, fn, arg);
}

#define ENTRY(suffix, summary)                                                                     \
    {"process(string).function(string)" suffix,                                                    \
     summary,                                                                                      \
     PROBE_UPROBE,                                                                                 \
     resolve,                                                                                      \
     target_var,                                                                                   \
     variables},                                                                                   \
    {                                                                                              \
        "process.function(string)" suffix, NULL, PROBE_UPROBE, resolve, target_var, variables      \
    }

const struct probe_type probe_types_process[] = {
    ENTRY("", "where a function of a program or library starts"),
    ENTRY(".call", "likewise, inlined copies left out"),
    ENTRY(".exported", "likewise"),
    {"process(string).function(string).return", "where it returns", PROBE_URETPROBE, resolve,
     return_var, return_variables},
    {"process.function(string).return", NULL, PROBE_URETPROBE, resolve, return_var,
     return_variables},
    {NULL, NULL, PROBE_NEVER, NULL, NULL, NULL},
};
