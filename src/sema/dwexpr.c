/*
 * dwexpr: target expressions. Enters: $x, @var, @cast or a member access on a value whose C type is
 * known; leaves: the object that it names, the components applied (component.c). As SystemTap has
 * it [i] on @cast(p, "T") counts Ts from p. What has a type of the kernel's lies in kernel memory.
 * Refused: unknown modules, types and variables (the near names are given).
 */
#include "lua/lua.h"
#include "sema/internal.h"

#include <string.h>

/* ---- modules ---- */

/* One of "a:b:c"; *REST goes on. */
static const char *next_module(struct sema *s, const char **rest)
{
    size_t len = strcspn(*rest, ":");
    const char *one = arena_strndup(s->arena, *rest, len);

    *rest += len + ((*rest)[len] == ':');
    return one;
}

/* Once a module: what is missing is one thing, however many expressions need it. */
static void no_debuginfo(struct sema *s, const struct expr *e, const char *path, const char *why)
{
    unsigned errors = diag_errors(s->diag);

    for (uint32_t i = 0; i < s->n_bare; i++)
        if (!strcmp(s->bare[i], path))
            return;
    /* Where it is asked for is seldom the user's business: a tapset's macro, as a rule. */
    diag_error(s->diag, (struct span){0}, "no-debuginfo", "%s",
               why ? why : arena_printf(s->arena, "no debug information for %s", path));
    if (diag_errors(s->diag) == errors)
        return; /* only tried: nothing was shown */
    if (e->kind == EX_CAST || e->kind == EX_ATVAR || e->kind == EX_ATENUM)
        diag_hint(s->diag, "it is asked for the %s '%s'",
                  e->kind == EX_CAST    ? "type"
                  : e->kind == EX_ATVAR ? "variable"
                                        : "enumerator",
                  e->text);
    s->bare = arena_grow(s->arena, s->bare, s->n_bare, sizeof(*s->bare));
    s->bare[s->n_bare++] = path;
}

/* Is there a program that is meant where no module is named? */
static bool has_program(const struct sema *s)
{
    return s->target->exec_path || (s->target->modules && s->target->modules->is_exe);
}

struct dbg *sema_open_module(struct sema *s, const struct expr *e, const char *name,
                             const char **path)
{
    struct probe_env env = sema_env(s);
    const char *why = NULL;
    struct module *m;
    struct dbg *dbg;

    /* "kernel<linux/sched.h>": SystemTap compiles the header where debug information lacks; BTF has
     * it all. */
    if (!name && s->inst && !s->fn && attach_has(s->inst->type->kind, ATTACH_PLACES))
        name = s->prog->modules[s->inst->module_id].path;
    else if (!name && !has_program(s)) /* as SystemTap has it */
        name = "kernel";
    if (name && ((!strncmp(name, "kernel", 6) && name[6] == '<') || kernel_is_path(name))) {
        *path = kernel_is_path(name) ? name : "kernel";
        dbg = dbg_open(s->di, *path, &why);
        if (!dbg && kernel_module_of(*path)) /* what is known then is the kernel's */
            dbg = dbg_open(s->di, *path = "kernel", &why);
        if (!dbg)
            no_debuginfo(s, e, *path, why);
        return dbg;
    }
    if (name && name[0] == '<') {
        diag_error(s->diag, e->op_at, "unsupported",
                   "types are taken from debug information, not from header files");
        return NULL;
    }
    m = probe_find_module(&env, name, e->op_at);
    if (!m)
        return NULL;
    *path = m->path;
    dbg = dbg_open(s->di, m->path, &why);
    if (!dbg)
        no_debuginfo(s, e, m->path, why);
    return dbg;
}

static void try_name(const char *name, void *arg)
{
    near_try(arg, name);
}

/* Has MESSAGE been told? A library asks for its types in many places: once is enough. */
static bool told_before(struct sema *s, const char *message)
{
    if (diag_trying(s->diag))
        return false;
    for (uint32_t i = 0; i < s->n_absent; i++)
        if (!strcmp(s->absent[i], message))
            return true;
    s->absent = arena_grow(s->arena, s->absent, s->n_absent, sizeof(*s->absent));
    s->absent[s->n_absent++] = message;
    return false;
}

/* What is known of a name that DBG lacks; @defined() does not ask. */
static const struct moved_fact *named(const struct sema *s, struct dbg *dbg, enum moved_what what,
                                      const char *name)
{
    const char *of = dbg_is_kernel(dbg) ? MOVED_OF_KERNEL : MOVED_OF_USER;

    return s->in_defined ? NULL : moved_find(s->moved, what, of, name, NULL);
}

const char *sema_new_name(const struct sema *s, struct dbg *dbg, enum moved_what what,
                          const char *name)
{
    const struct moved_fact *fact = named(s, dbg, what, name);

    return fact ? fact->now : NULL;
}

static bool no_name(struct sema *s, const struct expr *e, const char *path, struct dbg *dbg,
                    enum dbg_class class, const char *name)
{
    struct near near;
    bool type = class == DBG_TYPES;
    const char *tag = type ? "no-type" : "no-var";
    const char *message = type ? arena_printf(s->arena, "%s has no type '%s'", path, name)
                               : arena_printf(s->arena, "%s has no variable '%s'", path, name);

    if (told_before(s, message))
        return false;
    if (diag_trying(s->diag)) /* nobody reads a hint, and all names are a lot to look through */
        return diag_error(s->diag, e->op_at, tag, "%s", message);
    diag_error(s->diag, e->op_at, tag, "%s", message);
    const struct moved_fact *fact = named(s, dbg, type ? MOVED_TYPE : MOVED_VARIABLE, name);

    near_init(&near, name);
    dbg_names(dbg, class, try_name, &near);
    if (fact && !fact->now)
        diag_hint(s->diag, "it is gone since %s", fact->since);
    else if (near_best(&near))
        diag_hint(s->diag, "did you mean '%s'?", near_best(&near));
    if (type && dbg_lacking(dbg))
        diag_hint(s->diag, "no more than some types are known of it: %s", dbg_lacking(dbg));
    return false;
}

/* Is E a parameter of a system call, a number to its handler? */
static bool is_call_param(const struct sema *s, const struct expr *e)
{
    return e->kind == EX_TARGET && !e->comps && s->inst && !s->fn &&
           attach_kind(s->inst->type->kind)->context == CONTEXT_SYSCALL;
}

/* ---- the four kinds ---- */

static bool cast(struct sema *s, struct expr *e, const char *module)
{
    const struct component *c = e->comps;
    const char *path;
    bool passed = !module && is_call_param(s, e->a); /* a program has given it to the kernel */
    struct dbg *dbg = sema_open_module(s, e, passed ? "kernel" : module, &path);
    struct sema_object o = {.tree = e->a};

    if (!dbg)
        return false;
    o.type = dbg_type(dbg, e->text);
    if (!o.type && s->target->exec_path && !strcmp(path, s->target->exec_path))
        o.type = dbg_type_beside(dbg, e->text); /* a program's modules have types of their own */
    const char *now = o.type ? NULL : sema_new_name(s, dbg, MOVED_TYPE, e->text);

    if (now)
        o.type = dbg_type(dbg, now);
    if (!o.type)
        return no_name(s, e, path, dbg, DBG_TYPES, e->text);
    sema_depend(s, o.type);
    o.space = dbg_is_kernel(dbg) && !passed ? SPACE_KERNEL : SPACE_USER;
    enum ctype_kind kind = ctype_kind(o.type);

    /* the type is what the value points to: [i] counts such things, unless T itself takes an index
     */
    if (c && (c->kind == COMP_INDEX || c->kind == COMP_EXPR_INDEX) && kind != CT_POINTER &&
        kind != CT_ARRAY) {
        if (!sema_element(s, &o, o.tree, o.type, c))
            return false;
        c = c->next;
    }
    return sema_components(s, e, &o, c);
}

/* @cast without a module, in a function or where the probe has none: the program's type, else the
 * kernel's, which alone SystemTap means. */
static bool cast_anywhere(struct sema *s, struct expr *e)
{
    static const char *const modules[] = {NULL, "kernel"};

    for (size_t i = 0; i < sizeof(modules) / sizeof(*modules); i++) {
        diag_try_begin(s->diag);
        bool ok = cast(s, e, modules[i]);

        diag_try_end(s->diag);
        if (ok)
            return true;
    }
    return cast(s, e, NULL);
}

/* A variable that the module named lacks, in another one that the program has loaded: nginx and its
 * modules. Where nobody knows that one's types, the module named may: of which type it is. */
static bool elsewhere(struct sema *s, const char *name, struct dbg **dbg, const char **path,
                      struct dbg_var *var)
{
    uint64_t vaddr;
    struct module *m = name ? target_module_with(s->cx, s->target, name, &vaddr) : NULL;
    const char *why;
    struct dbg *other = m ? dbg_open_any(s->di, m->path, &why) : NULL;

    if (!other)
        return false;
    if (!dbg_variable(other, name, NULL, var)) {
        *var = (struct dbg_var){.name = name, .file = m->path, .vaddr = vaddr};
        var->type = dbg_variable_type(*dbg, name);
        if (!var->type)
            return false;
    }
    *dbg = other;
    *path = m->path;
    return true;
}

/* ... or by the name that it has today. */
static bool renamed(struct sema *s, const char *name, struct dbg **dbg, const char **path,
                    struct dbg_var *var)
{
    const char *now = sema_new_name(s, *dbg, MOVED_VARIABLE, name);

    return now && (dbg_variable(*dbg, now, NULL, var) || elsewhere(s, now, dbg, path, var));
}

static bool is_scalar(enum ctype_kind k)
{
    return k == CT_INT || k == CT_BOOL || k == CT_CHAR || k == CT_POINTER || k == CT_ENUM ||
           k == CT_FLOAT;
}

/* What a probe's target variable is, as an object that components apply to; false after reporting.
 */
static bool target_object(struct sema *s, const struct expr *e, struct sema_object *o)
{
    struct probe_env env = sema_env(s);
    struct probe_var var;

    if (!s->inst->type->target_var(&env, s->inst, e, &var))
        return false;
    *o = (struct sema_object){.type = var.location.type};
    if (var.is_argument) {
        o->is_value = true;
        o->tree = sema_tree_arg(s->arena, e->op_at, var.argument, e->text);
        o->space = o->type && ctype_is_kernel(o->type) ? SPACE_KERNEL : SPACE_USER;
        sema_depend(s, o->type);
    } else if (!sema_location(s, e->op_at, &var, &o->is_value, &o->tree)) {
        return false;
    }
    if (var.size) { /* a number without a C type */
        o->tree = o->is_value
                      ? sema_tree_extend(s->arena, o->tree, var.size, var.is_signed)
                      : sema_tree_load(s->arena, e->op_at, o->tree, var.size, var.is_signed);
        o->is_value = true;
    }
    if (!o->is_value || !o->type)
        return true;
    if (!is_scalar(ctype_kind(o->type)))
        return diag_error(s->diag, e->op_at, "no-location",
                          "%s is no scalar and lies in registers, which is not supported yet",
                          e->text);
    o->tree = sema_tree_extend(s->arena, o->tree, ctype_size(o->type), ctype_signed(o->type));
    return true;
}

/* @var("x") without a file, in the probe's own module: a parameter or local of the function comes
 * first. */
static bool names_local(struct sema *s, const struct expr *e, const char *module)
{
    return s->inst && !s->fn && !strchr(e->text, '@') && probe_has_local(s->inst, e->text) &&
           (!module || !strcmp(module, s->prog->modules[s->inst->module_id].path));
}

/* NAMED: the script says that it is the kernel's. */
static bool kernel_global(struct sema *s, struct expr *e, struct dbg *dbg, const char *name,
                          bool named)
{
    struct probe_env env = sema_env(s);
    struct sema_kernel_var var;
    struct sema_object o = {.space = SPACE_KERNEL};

    if (s->opts->stap && (named || !s->in_defined)) /* SystemTap reads it as it is written */
        return true;
    if (!sema_kernel_variable(s, e, dbg, name, &var))
        return false;
    if (!var.type && (e->comps || !e->address_of))
        return sema_no_kernel_type(s, e, name);
    o.type = var.type;
    o.tree = sema_tree_modaddr(s->arena, e->op_at, probe_module(&env, var.path, NULL), var.vaddr);
    return sema_components(s, e, &o, e->comps);
}

static bool global(struct sema *s, struct expr *e, const char *module)
{
    const char *at = strchr(e->text, '@');
    const char *name = at ? arena_strndup(s->arena, e->text, (size_t)(at - e->text)) : e->text;
    const char *path;
    struct dbg *dbg;
    struct dbg_var var;
    struct sema_object local;

    if (names_local(s, e, module)) {
        struct expr name = *e;

        name.text = arena_printf(s->arena, "$%s", e->text);
        return target_object(s, &name, &local) && sema_components(s, e, &local, e->comps);
    }
    dbg = sema_open_module(s, e, module, &path);
    if (!dbg)
        return false;
    if (dbg_is_kernel(dbg))
        return kernel_global(s, e, dbg, name, module != NULL);
    if (!dbg_variable(dbg, name, at ? at + 1 : NULL, &var) &&
        !elsewhere(s, at ? NULL : name, &dbg, &path, &var) &&
        !renamed(s, name, &dbg, &path, &var)) {
        if (!at || !dbg_variable(dbg, name, NULL, &var))
            return no_name(s, e, path, dbg, DBG_VARIABLES, name);
        diag_error(s->diag, e->op_at, "no-var", "'%s' is not defined in %s", name, at + 1);
        diag_hint(s->diag, "it is in %s", var.file);
        return false;
    }
    struct probe_env env = sema_env(s);
    struct sema_object o = {.type = var.type};

    o.tree = sema_tree_modaddr(s->arena, e->op_at, probe_module(&env, path, dbg), var.vaddr);
    return sema_components(s, e, &o, e->comps);
}

static bool target(struct sema *s, struct expr *e, const char *unused)
{
    struct sema_object o;

    if (s->inst && s->inst->theirs && !s->fn) /* SystemTap resolves it */
        return true;
    if (!strncmp(e->text, "$$", 2))
        return diag_error(s->diag, e->op_at, "not-yet", "%s does not run yet", e->text);
    if (s->fn)
        return diag_error(s->diag, e->op_at, "no-var",
                          "%s: target variables exist only in probes, not in functions", e->text);
    if (!s->inst->type->target_var)
        return diag_error(s->diag, e->op_at, "no-var", "%s: a probe at %s has no target variables",
                          e->text, s->inst->name);
    return target_object(s, e, &o) && sema_components(s, e, &o, e->comps);
}

static bool autocast(struct sema *s, struct expr *e, const char *unused)
{
    struct sema_object o = {.tree = e->a, .is_value = true, .type = sema_ctype(e->a)};

    if (o.type && ctype_is_kernel(o.type))
        o.space = SPACE_KERNEL;
    if (!e->comps)
        return diag_error(s->diag, e->at, "type",
                          "& takes the address of things in the target, not of script values");
    return sema_components(s, e, &o, e->comps);
}

static bool is_module(const struct sema *s, const char *path)
{
    for (const struct module *m = s->target->modules; m; m = m->next)
        if (!strcmp(m->path, path))
            return true;
    return s->target->exec_path && !strcmp(s->target->exec_path, path);
}

/* Each of the modules named, until one has it. */
static bool with_modules(struct sema *s, struct expr *e,
                         bool (*resolve)(struct sema *, struct expr *, const char *))
{
    const char *rest = e->module;

    /* A ':' may also be in the path of one. */
    if (rest && strchr(rest, ':') && !is_module(s, rest)) {
        while (*rest) {
            const char *one = next_module(s, &rest);

            diag_try_begin(s->diag);
            bool ok = resolve(s, e, one);

            diag_try_end(s->diag);
            if (ok)
                return true;
        }
        rest = e->module;
        return resolve(s, e, next_module(s, &rest));
    }
    return resolve(s, e, e->module && *e->module ? e->module : NULL);
}

static bool resolve(struct sema *s, struct expr *e)
{
    switch (e->kind) {
    case EX_CAST:
        if ((!e->module || !*e->module) && has_program(s) &&
            (!s->inst || s->fn || !attach_has(s->inst->type->kind, ATTACH_PLACES)))
            return cast_anywhere(s, e);
        return with_modules(s, e, cast);
    case EX_ATVAR:
        return with_modules(s, e, global);
    case EX_TARGET:
        return target(s, e, NULL);
    default:
        return autocast(s, e, NULL);
    }
}

/* --skip-badvars: a $variable that does not resolve reads as 0. As in SystemTap
 * (const_folder::visit_target_symbol in its elaborate.cxx), nothing else is spared: what @cast and
 * @var name is of the script's own making. */
static void skip(struct sema *s, struct expr *e)
{
    e->resolved = sema_tree_number(s->arena, e->at, 0);
    if (!s->n_skipped++)
        s->first_skipped = e->at;
    if (s->cx->verbose)
        diag_warning(s->diag, e->at, "this does not resolve; --skip-badvars makes it 0");
}

void sema_report_skipped(struct sema *s)
{
    if (!s->n_skipped)
        return;
    diag_warning(s->diag, s->first_skipped,
                 "%u $variable%s not resolve and read%s as 0 by --skip-badvars%s", s->n_skipped,
                 s->n_skipped == 1 ? " does" : "s do", s->n_skipped == 1 ? "s" : "",
                 s->n_skipped == 1 ? "" : "; this is the first");
}

/* $$vars, $name$: text, where SystemTap resolves them. */
static bool is_text(const struct expr *e)
{
    const struct component *last = e->comps;

    while (last && last->next)
        last = last->next;
    return e->kind == EX_TARGET && !e->resolved &&
           (!strncmp(e->text, "$$", 2) ||
            (last && (last->kind == COMP_PRETTY || last->kind == COMP_PRETTY2)));
}

bool sema_is_theirs(const struct sema *s)
{
    return s->opts->stap && s->inst && !s->fn && attach_has(s->inst->type->kind, ATTACH_KERNEL);
}

static bool resolve_or_skip(struct sema *s, struct expr *e)
{
    bool ok;

    if (e->kind == EX_TARGET && sema_is_theirs(s)) {
        e->type = is_text(e) ? TYPE_STRING : TYPE_LONG;
        return true;
    }
    if (s->cx->skip_badvars && e->kind == EX_TARGET && !s->in_defined) {
        diag_try_begin(s->diag);
        ok = resolve(s, e);
        diag_try_end(s->diag);
        if (!ok)
            skip(s, e);
        ok = true;
    } else {
        ok = resolve(s, e);
    }
    e->type = !ok ? TYPE_ERROR : is_text(e) ? TYPE_STRING : TYPE_LONG;
    if (!ok)
        e->resolved = NULL;
    return ok;
}

static void remember_cast(struct sema *s, struct expr *e)
{
    s->casts = arena_grow(s->arena, s->casts, s->n_casts, sizeof(*s->casts));
    s->casts[s->n_casts++] = (struct sema_cast){e, s->fn, s->inst};
}

bool sema_target_expr(struct sema *s, struct expr *e)
{
    if (e->kind == EX_AUTOCAST && e->comps) {
        if (!s->in_defined)
            remember_cast(s, e);
        if (!sema_ctype(e->a))
            return true; /* perhaps later */
    }
    return resolve_or_skip(s, e);
}

void sema_retry_casts(struct sema *s, bool last)
{
    for (uint32_t i = 0; i < s->n_casts; i++) {
        struct sema_cast *c = &s->casts[i];
        struct expr *e = c->e;
        bool mixed = e->a->kind == EX_NAME && e->a->var && e->a->var->ctype_mixed;

        if (e->type == TYPE_ERROR || (e->resolved && !(last && mixed)))
            continue;
        if (sema_ctype(e->a)) {
            s->fn = c->fn;
            s->inst = c->inst;
            resolve_or_skip(s, e);
            s->changed = true;
        } else if (last) {
            e->type = TYPE_ERROR;
            if (mixed)
                diag_error(
                    s->diag, e->at, "no-type",
                    "values of different C types are assigned to '%s': which one has the member?",
                    e->a->text);
            else
                diag_error(s->diag, e->at, "no-type", "the C type of this value is not known");
            diag_hint(s->diag, "say it: @cast(value, \"TYPE\", \"MODULE\")->member");
        }
    }
    s->fn = NULL;
    s->inst = NULL;
}
