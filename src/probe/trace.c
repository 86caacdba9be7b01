/*
 * trace: the kernel's tracepoints. Enters: kernel.trace("EVENT") or ("SYSTEM:EVENT"), wildcards
 * included; leaves: an instance for each tracepoint that matches, whose $names are what the
 * tracepoint hands over. SYSTEM groups events for people; the kernel's BTF does not know it, so it
 * is taken as it stands. Without BTF names are believed until the kernel attaches them, and nothing
 * is known of their parameters. ".all" behind it: for all processes, whatever the scope, which is
 * for events that have nothing to do with who runs. Refused: names that the kernel has not,
 * wildcards that match many.
 */
#include "probe/tables.h"

#include <fnmatch.h>
#include <string.h>

#include "base/bytes.h"
#include "probe/moved.h"

enum { EVENTS_MAX = 100 }; /* each is a program */

/* What a wildcard matches. */
struct matches {
    struct arena *a;
    const char *pattern;
    const char **v;
    uint32_t n;
};

static void match(const char *name, void *arg)
{
    struct matches *m = arg;

    if (fnmatch(m->pattern, name, 0))
        return;
    m->v = arena_grow(m->a, m->v, m->n, sizeof(*m->v));
    m->v[m->n++] = name;
}

static void try_near(const char *name, void *arg)
{
    near_try(arg, name);
}

static const char *event_of(const char *text)
{
    const char *colon = strchr(text, ':');

    return colon ? colon + 1 : text;
}

/* POINT as SystemTap has it, with the event's own name for a wildcard. */
static struct probe_point *named(struct arena *a, const struct probe_point *point, const char *name)
{
    struct probe_point *copy = ARENA_NEW(a, struct probe_point);
    const struct point_part *from = point->parts;
    const char *text = from->next->arg->text;

    text = arena_printf(a, "%.*s%s", (int)(event_of(text) - text), text, name);
    *copy = *point;
    copy->next = NULL;
    copy->parts = ARENA_NEW(a, struct point_part);
    *copy->parts = *from;
    copy->parts->next = ARENA_NEW(a, struct point_part);
    *copy->parts->next = *from->next;
    copy->parts->next->arg = expr_string(a, from->next->at, text, (uint32_t)strlen(text));
    copy->parts->next->next = NULL;
    return copy;
}

/* KERNEL NULL: it does not tell its types. */
static void add(struct probe_env *env, struct probe_point *point, const struct probe_type *type,
                struct dbg *kernel, const char *name)
{
    struct probe_inst *inst = probe_add(env, named(env->cx->arena, point, name), type);
    struct dbg_params *params = ARENA_NEW(env->cx->arena, struct dbg_params);

    if (kernel)
        dbg_tracepoint(kernel, name, params);
    inst->data = params;
    inst->event = inst->func_name = arena_strdup(env->cx->arena, name);
    inst->everybody = point->parts->next->next;
}

static bool no_event(struct probe_env *env, const struct expr *at, struct dbg *kernel,
                     const char *name)
{
    struct diag *d = env->cx->diag;
    struct near near;

    diag_error(d, at->at, "no-function", "no tracepoint of the kernel %s '%s'",
               has_wildcard(name) ? "matches" : "is named", name);
    near_init(&near, name);
    dbg_names(kernel, DBG_TRACEPOINTS, try_near, &near);
    if (near_best(&near))
        diag_hint(d, "did you mean '%s'?", near_best(&near));
    return false;
}

/* What KERNEL calls the tracepoint NAME today; NULL: nothing, or it is not known. */
static const char *renamed(struct probe_env *env, const struct probe_point *point,
                           struct dbg *kernel, const char *name)
{
    const struct moved_fact *f = NULL;
    struct dbg_params params;

    if (point->optional || point->sufficient) /* such a script knows both names */
        return NULL;
    while ((f = moved_find(env->moved, MOVED_TRACEPOINT, MOVED_OF_KERNEL, name, f))) {
        if (!f->now || !dbg_tracepoint(kernel, f->now, &params))
            continue;
        diag_warning(env->cx->diag, point->at,
                     "probing the tracepoint %s, as %s is called since %s", f->now, name, f->since);
        return f->now;
    }
    return NULL;
}

static bool resolve(struct probe_env *env, struct probe_point *point, const struct probe_type *type)
{
    const struct expr *arg = point->parts->next->arg;
    const char *name = event_of(arg->text), *why = NULL;
    struct dbg *kernel = dbg_open(env->debuginfo, "kernel", &why);
    struct matches found = {.a = env->cx->arena, .pattern = name};
    struct dbg_params params;

    if (!has_wildcard(name)) {
        const char *now = *name && kernel && !dbg_tracepoint(kernel, name, &params)
                              ? renamed(env, point, kernel, name)
                              : NULL;

        name = now ? now : name;
        if (!*name || (kernel && !dbg_tracepoint(kernel, name, &params)))
            return no_event(env, arg, kernel, name);
        add(env, point, type, kernel, name);
        return true;
    }
    if (!kernel)
        return diag_error(env->cx->diag, arg->at, "no-debuginfo", "%s", why);
    dbg_names(kernel, DBG_TRACEPOINTS, match, &found);
    if (!found.n)
        return no_event(env, arg, kernel, name);
    if (found.n > EVENTS_MAX)
        return diag_error(env->cx->diag, arg->at, "limit",
                          "'%s' matches %u tracepoints; at most %d can be probed", arg->text,
                          found.n, EVENTS_MAX);
    for (uint32_t i = 0; i < found.n; i++)
        add(env, point, type, kernel, found.v[i]);
    return true;
}

static bool no_parameter(struct probe_env *env, const struct probe_inst *inst, const struct expr *e)
{
    const struct dbg_params *p = inst->data;
    struct diag *d = env->cx->diag;
    const char *names = "", *why = NULL;

    if (!dbg_open(env->debuginfo, "kernel", &why))
        return diag_error(d, e->op_at, "no-debuginfo", "%s", why);
    diag_error(d, e->op_at, "no-var", "the tracepoint %s has no parameter '%s'", inst->event,
               e->text);
    for (uint32_t i = 0; i < p->n; i++)
        if (p->v[i].name)
            names =
                arena_printf(env->cx->arena, "%s%s$%s", names, *names ? ", " : "", p->v[i].name);
    if (*names)
        diag_hint(d, "it has %s", names);
    return false;
}

static bool target_var(struct probe_env *env, struct probe_inst *inst, const struct expr *e,
                       struct probe_var *out)
{
    const struct dbg_params *p = inst->data;

    for (uint32_t i = 0; i < p->n; i++) {
        if (!p->v[i].name || strcmp(p->v[i].name, e->text + 1) != 0)
            continue;
        *out =
            (struct probe_var){.location.type = p->v[i].type, .is_argument = true, .argument = i};
        return true;
    }
    return no_parameter(env, inst, e);
}

static void variables(const struct probe_inst *inst, probe_variable_fn *fn, void *arg)
{
    const struct dbg_params *p = inst->data;

    for (uint32_t i = 0; i < p->n; i++)
        if (p->v[i].name)
            fn(p->v[i].name, p->v[i].type, arg);
}

const struct probe_type probe_types_trace[] = {
    {"kernel.trace(string)", "a tracepoint of the kernel", PROBE_TRACEPOINT, resolve, target_var,
     variables},
    {"kernel.trace(string).all", "likewise, for all processes whatever the target",
     PROBE_TRACEPOINT, resolve, target_var, variables},
    {NULL, NULL, PROBE_NEVER, NULL, NULL, NULL},
};
