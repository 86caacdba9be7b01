/*
 * plt: calls of other files' functions. Enters: process("path").plt and .plt("NAME"), wildcards
 * included; leaves: one instance for all entries of the procedure linkage table that match, or, for
 * SystemTap and for lists, one each. Nothing is known of a function's parameters there, but that
 * registers hold them: int_arg(1) reads the first. Refused: names that the table has not, and for
 * SystemTap, which looks at .plt alone, those of the tables beside it (.plt.sec, .plt.got).
 */
#include "probe/tables.h"

#include <fnmatch.h>
#include <string.h>

#include "base/bytes.h"
#include "target/plt.h"

/* What a point looks for, in one module. */
struct wanted {
    const struct point_part *plt;
    const struct probe_modules *modules;
    struct module *module;
};

/* POINT as it is for the entry of NAME; NULL: as it is written. */
static struct probe_point *named(struct arena *a, const struct probe_point *point,
                                 const struct wanted *w, const char *name)
{
    const char *values[4] = {w->modules->exe->path}, **v = values + 1;
    struct probe_point *copy;

    if (w->modules->rest != point->parts->next)
        *v++ = w->module->path;
    copy = probe_point_with(a, point, values);
    for (struct point_part *p = copy->parts; name && p; p = p->next)
        if (!strcmp(p->name, "plt"))
            p->arg = expr_string(a, p->at, name, (uint32_t)strlen(name));
    return copy;
}

static bool no_entry(struct probe_env *env, const struct wanted *w, const struct plt *all)
{
    struct diag *d = env->cx->diag;
    const struct expr *arg = w->plt->arg;
    struct near near;

    if (!all->n || !arg) {
        diag_error(d, w->plt->at, "no-function", "%s has no procedure linkage table",
                   w->module->path);
        diag_hint(d, "it calls nobody's functions, or by their addresses (-fno-plt)");
        return false;
    }
    diag_error(d, arg->at, "no-function", "no entry of the linkage table of %s %s '%s'",
               w->module->path, has_wildcard(arg->text) ? "matches" : "is named", arg->text);
    near_init(&near, arg->text);
    for (uint32_t i = 0; i < all->n; i++)
        near_try(&near, all->v[i].name);
    if (near_best(&near))
        diag_hint(d, "did you mean '%s'?", near_best(&near));
    return false;
}

static void add_one(struct probe_env *env, struct probe_point *point, const struct probe_type *type,
                    const struct wanted *w, const struct plt_entry *e)
{
    struct probe_inst *inst = probe_add(env, named(env->cx->arena, point, w, e->name), type);

    inst->module_id = probe_module(env, w->module->path, NULL);
    inst->vaddr = e->vaddr;
    inst->func_name = e->name;
    inst->by_name = true;
}

static void add_places(struct probe_env *env, struct probe_point *point,
                       const struct probe_type *type, const struct wanted *w,
                       const struct plt_entry *const *found, uint32_t n)
{
    struct arena *a = env->cx->arena;
    struct probe_inst *inst = probe_add(env, named(a, point, w, NULL), type);

    inst->module_id = probe_module(env, w->module->path, NULL);
    inst->places = ARENA_ARRAY(a, struct probe_place, n);
    inst->n_places = n;
    for (uint32_t i = 0; i < n; i++)
        inst->places[i] =
            (struct probe_place){probe_point_text(a, named(a, point, w, found[i]->name)),
                                 found[i]->name, found[i]->vaddr, 0};
}

static bool resolve_in(struct probe_env *env, struct probe_point *point,
                       const struct probe_type *type, const struct wanted *w)
{
    struct arena *a = env->cx->arena;
    struct plt all = plt_read(a, w->module->fd);
    const struct plt_entry **found = ARENA_ARRAY(a, const struct plt_entry *, all.n + 1);
    const char *pattern = w->plt->arg ? w->plt->arg->text : "*";
    uint32_t n = 0, beside = 0;

    for (uint32_t i = 0; i < all.n; i++) {
        if (fnmatch(pattern, all.v[i].name, 0))
            continue;
        beside += !all.v[i].is_plain;
        if (all.v[i].is_plain || !env->stap)
            found[n++] = &all.v[i];
    }
    if (!n && beside) {
        diag_error(env->cx->diag, w->plt->at, "stap",
                   "SystemTap does not see the tables beside .plt that these calls of %s go by",
                   w->module->path);
        diag_hint(env->cx->diag, "eBPF can (--backend bpf)");
        return false;
    }
    if (!n)
        return no_entry(env, w, &all);
    env->prog->n_places += n;
    if (env->prog->n_places > PROBE_MAX_PLACES)
        return diag_error(env->cx->diag, w->plt->at, "limit",
                          "these are %u places in %s; at most %u can be probed", n, w->module->path,
                          PROBE_MAX_PLACES);
    if (n > 1 && !env->stap && !env->apart)
        add_places(env, point, type, w, found, n);
    else
        for (uint32_t i = 0; i < n; i++)
            add_one(env, point, type, w, found[i]);
    return true;
}

static bool resolve(struct probe_env *env, struct probe_point *point, const struct probe_type *type)
{
    struct probe_modules modules;
    bool ok = probe_find_modules(env, point, &modules);

    for (uint32_t i = 0; ok && i < modules.n; i++)
        ok = resolve_in(env, point, type, &(struct wanted){modules.rest, &modules, modules.v[i]});
    return ok;
}

bool probe_is_plt(const struct probe_type *type)
{
    return type->resolve == resolve;
}

#define ROW(process, suffix, summary, kind)                                                        \
    {                                                                                              \
        process suffix, summary, kind, resolve, NULL, NULL                                         \
    }
#define ROWS(suffix, summary, kind)                                                                \
    ROW("process(string)", suffix, summary, kind), ROW("process", suffix, NULL, kind),             \
        ROW("process(string).library(string)", suffix, NULL, kind),                                \
        ROW("process.library(string)", suffix, NULL, kind)

const struct probe_type probe_types_plt[] = {
    ROWS(".plt(string)", "where it calls another file's function", PROBE_UPROBE),
    ROWS(".plt", "likewise, all of them", PROBE_UPROBE),
    ROWS(".plt(string).return", "where that function returns", PROBE_URETPROBE),
    ROWS(".plt.return", "likewise, all of them", PROBE_URETPROBE),
    {NULL, NULL, PROBE_NEVER, NULL, NULL, NULL},
};
