/*
 * syscall: system calls. Enters: kernel.syscall("NAME"), wildcards included; leaves: an instance
 * for all calls that match, by the kernel's numbers for them on the script's machine, those of
 * programs of 32 bits among them. Points whose handlers say the same, as those do that an alias
 * with a wildcard leads to, become one instance. process.syscall is any call of the target.
 * syscall.NAME is an alias of the library (tapset/probe/syscall.stp): what comes here has none.
 * Refused: names that no call has, programs that the target does not run.
 */
#include "probe/tables.h"

#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

#include "arch/arch.h"
#include "base/bytes.h"
#include "syntax/syntax.h"

/* ---- names ---- */

typedef void name_fn(const char *name, uint32_t call, void *arg);

static void each_of(const struct arch_syscall_table *t, uint32_t compat, name_fn *fn, void *arg)
{
    for (uint32_t i = 0; t && i < t->n; i++)
        if (t->names[i])
            fn(t->names[i], NGS_CALL(i, compat), arg);
}

static void each_name(const struct probe_env *env, name_fn *fn, void *arg)
{
    each_of(env->cx->arch->syscall.table, 0, fn, arg);
    each_of(env->cx->arch->syscall.compat_table, 1, fn, arg);
}

static void try_near(const char *name, uint32_t call, void *arg)
{
    near_try(arg, name);
}

static bool no_call(struct probe_env *env, struct span at, const char *name)
{
    struct diag *d = env->cx->diag;
    struct near near;

    diag_error(d, at, "no-function", "no system call of %s %s '%s'", env->cx->arch->title,
               has_wildcard(name) ? "matches" : "is named", name);
    near_init(&near, name);
    each_name(env, try_near, &near);
    if (near_best(&near))
        diag_hint(d, "did you mean '%s'?", near_best(&near));
    return false;
}

/* ---- instances ---- */

/* What an instance is made of. */
struct calls {
    struct arena *a;
    const struct arch *arch;
    const struct probe_point *point; /* NULL: the names of places are not wanted */
    const char *pattern;
    struct probe_place *v;
    uint32_t n;
};

/* POINT with the call's own name for a wildcard. */
static const char *named(struct arena *a, const struct probe_point *point, const char *name)
{
    struct probe_point copy = *point;
    struct point_part parts[2] = {*point->parts, *point->parts->next};

    copy.parts = parts;
    parts[0].next = &parts[1];
    parts[1].arg = expr_string(a, parts[1].at, name, (uint32_t)strlen(name));
    return probe_point_text(a, &copy);
}

static void add_place(struct calls *c, const char *name, const char *func, uint32_t call)
{
    c->v = arena_grow(c->a, c->v, c->n, sizeof(*c->v));
    c->v[c->n++] = (struct probe_place){name, func, call, 0};
}

/*
 * What a handler is told of a call by the convention for 32 bits: "stat64", "getuid32" and
 * "futex_time64" are what "stat", "getuid" and "futex" are to other programs.
 */
static const char *common_name(const struct calls *c, const char *name, uint32_t call)
{
    static const char *const ends[] = {"_time64", "64", "32"};
    const struct arch_syscall_table *t = c->arch->syscall.table;

    for (size_t k = 0; call >= NGS_CALLS && k < sizeof(ends) / sizeof(*ends); k++) {
        size_t len = strlen(name) - strlen(ends[k]);

        if (!ends_with(name, ends[k]))
            continue;
        for (uint32_t i = 0; i < t->n; i++)
            if (t->names[i] && strlen(t->names[i]) == len && !strncmp(t->names[i], name, len))
                return t->names[i];
    }
    return name;
}

static void match(const char *name, uint32_t call, void *arg)
{
    struct calls *c = arg;

    if (!fnmatch(c->pattern, name, 0))
        add_place(c, c->point ? named(c->a, c->point, name) : NULL, common_name(c, name, call),
                  call);
}

/*
 * The body as text, and what $names in it mean, those of a call: what is the same text is the same
 * handler.
 */
static const char *body_text(struct arena *a, const struct stmt *body, const char *call)
{
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);

    if (!out)
        return "";
    for (; body; body = body->next)
        syntax_print_stmt(out, body, 0, NULL);
    fclose(out);
    const char *copy = strchr(text, '$') ? arena_printf(a, "%s/%s", text, probe_call_params(call))
                                         : arena_strdup(a, text);

    free(text);
    return copy;
}

/* An instance of the same probe that does the same at other calls; NULL: none. */
static struct probe_inst *same_handler(const struct probe_env *env, const struct probe_type *type,
                                       const char *text)
{
    for (struct probe_inst *i = env->prog->insts; i; i = i->next)
        if (i->type == type && !memcmp(&i->probe->at, &env->probe->at, sizeof(i->probe->at)) &&
            !strcmp(i->data, text))
            return i;
    return NULL;
}

static void add(struct probe_env *env, struct probe_point *point, const struct probe_type *type,
                const struct calls *c)
{
    const char *text = body_text(c->a, env->probe->body, c->v[0].func_name);
    struct probe_inst *inst = same_handler(env, type, text);
    bool first = !inst;

    if (first) {
        inst = probe_add(env, point, type);
        inst->data = (void *)text;
        inst->module_id = OBJ_NO_MODULE;
        inst->func_name = c->v[0].func_name;
    }
    for (uint32_t i = 0; i < c->n; i++) {
        inst->places = arena_grow(c->a, inst->places, inst->n_places, sizeof(*inst->places));
        inst->places[inst->n_places++] = c->v[i];
        if (inst->func_name && strcmp(inst->func_name, c->v[i].func_name) != 0)
            inst->func_name = NULL;
    }
}

static bool resolve(struct probe_env *env, struct probe_point *point, const struct probe_type *type)
{
    const struct expr *arg = point->parts->next->arg;
    struct calls found = {
        .a = env->cx->arena, .arch = env->cx->arch, .point = point, .pattern = arg->text};

    each_name(env, match, &found);
    if (!found.n)
        return no_call(env, arg->at, arg->text);
    if (env->stap) {
        diag_error(env->cx->diag, point->at, "stap", "SystemTap has no kernel.syscall");
        diag_hint(env->cx->diag, "syscall.NAME is a probe point of both");
        return false;
    }
    if (!strcmp(arg->text, "*")) /* those without a name, too */
        add_place(&found, probe_point_text(found.a, point), "", NGS_CALL_ANY);
    add(env, point, type, &found);
    return true;
}

/* ---- any call of the target ---- */

/* process("PATH").syscall: whose hits count is the scope, so the program must be the target's. */
static bool resolve_target(struct probe_env *env, struct probe_point *point,
                           const struct probe_type *type)
{
    const struct expr *path = point->parts->arg;
    struct calls found = {.a = env->cx->arena};
    const struct module *exe = probe_find_module(env, NULL, point->at);

    if (!exe)
        return false;
    if (env->stap) {
        probe_add(env, point, type);
        return true;
    }
    if (!env->target->n_pids && env->target->kind != TARGET_CMD) {
        diag_error(env->cx->diag, point->at, "probe", "system calls of which process?");
        diag_hint(env->cx->diag, "-x PID or -c COMMAND says so; syscall_any is those of all");
        return false;
    }
    if (path && probe_find_module(env, path->text, path->at) != exe) {
        diag_error(env->cx->diag, path->at, "probe", "the target does not run %s", path->text);
        diag_hint(env->cx->diag, "it runs %s", exe->path);
        return false;
    }
    add_place(&found, probe_point_text(found.a, point), "", NGS_CALL_ANY);
    add(env, point, type, &found);
    return true;
}

/* ---- syscall.NAME without an alias ---- */

bool probe_no_call(struct probe_env *env, const struct probe_point *point)
{
    const struct point_part *part = point->parts->next ? point->parts->next : point->parts;
    struct calls found = {
        .a = env->cx->arena, .arch = env->cx->arch, .point = NULL, .pattern = part->name};

    each_name(env, match, &found);
    if (!found.n)
        return no_call(env, part->at, part->name);
    diag_error(env->cx->diag, part->at, "no-probe", "the library has no alias syscall.%s",
               part->name);
    diag_hint(env->cx->diag, "kernel.syscall(\"%s\") is the call by the kernel's name", part->name);
    return false;
}

/* ---- $name ---- */

/* Which parameter NAME is in those that NAMES has, from 1; 0: none. */
static int find_param(const char *names, const char *name)
{
    size_t len = strlen(name);

    for (int k = 1; *names; k++) {
        size_t n = strcspn(names, " ");

        if (n == len && !strncmp(names, name, n))
            return k;
        names += n + (names[n] == ' ');
    }
    return 0;
}

/* The same for all calls of INST; 0: they differ. */
static int param(const struct probe_inst *inst, const char *name)
{
    int k = 0;

    for (uint32_t i = 0; i < inst->n_places; i++) {
        int here = find_param(probe_call_params(inst->places[i].func_name), name);

        if (!here || (k && k != here))
            return 0;
        k = here;
    }
    return k;
}

static const char *params_text(struct arena *a, const struct probe_inst *inst)
{
    const char *names = inst->func_name ? probe_call_params(inst->func_name) : "", *text = "";

    while (*names) {
        size_t n = strcspn(names, " ");

        text = arena_printf(a, "%s$%.*s, ", text, (int)n, names);
        names += n + (names[n] == ' ');
    }
    return text;
}

static bool target_var(struct probe_env *env, struct probe_inst *inst, const struct expr *e,
                       struct probe_var *out)
{
    const char *name = e->text + 1;
    bool returns = attach_has(inst->type->kind, ATTACH_ON_RETURN);
    int fact = !strcmp(name, "nr") || !strcmp(name, "syscall") ? NGS_CALL_NUMBER
               : !strcmp(name, "compat")                       ? NGS_CALL_COMPAT
               : !strcmp(name, "return") && returns            ? 1
               : !strncmp(name, "arg", 3) && !name[4]          ? NGS_CALL_PARAM + name[3] - '1'
                                                               : 0;

    int by_name = fact ? 0 : param(inst, name);

    if (by_name)
        fact = NGS_CALL_PARAM + by_name - 1;
    if (fact < 1 || fact >= NGS_CALL_PARAM + ARCH_SYSCALL_ARGS) {
        diag_error(env->cx->diag, e->op_at, "no-var", "a system call has no '%s' here", e->text);
        diag_hint(env->cx->diag, "it has %s$arg1 to $arg%d, $nr, $compat%s",
                  params_text(env->cx->arena, inst), ARCH_SYSCALL_ARGS, returns ? ", $return" : "");
        return false;
    }
    *out = (struct probe_var){.is_argument = true, .argument = (uint32_t)fact};
    return true;
}

const struct probe_type probe_types_syscall[] = {
    {"kernel.syscall(string)", "a system call, by the kernel's name for it", PROBE_SYSCALL, resolve,
     target_var, NULL},
    {"kernel.syscall(string).return", "where it returns", PROBE_SYSRETURN, resolve, target_var,
     NULL},
    {"process.syscall", "any system call of the target", PROBE_SYSCALL, resolve_target, target_var,
     NULL},
    {"process.syscall.return", "where it returns", PROBE_SYSRETURN, resolve_target, target_var,
     NULL},
    {"process(string).syscall", "likewise; the target runs that program", PROBE_SYSCALL,
     resolve_target, target_var, NULL},
    {"process(string).syscall.return", "where it returns", PROBE_SYSRETURN, resolve_target,
     target_var, NULL},
    {NULL, NULL, PROBE_NEVER, NULL, NULL, NULL},
};
