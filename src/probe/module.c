/*
 * module: from a module as a script names it (a path, the name of a mapped file, nothing), or as a
 * library of a program, to the target's modules, and the list of modules that a program refers to.
 */
#include "probe/probe.h"

#include <fnmatch.h>
#include <string.h>

#include "base/bytes.h"
#include "target/dt_needed.h"

/* A program without a path is looked for where a shell would, below the target's root. */
static struct module *in_path(struct probe_env *env, const char *name)
{
    static const char *const dirs[] = {"/usr/local/sbin", "/usr/local/bin", "/usr/sbin",
                                       "/usr/bin",        "/sbin",          "/bin"};

    for (size_t i = 0; i < sizeof(dirs) / sizeof(*dirs); i++) {
        struct module *m = target_module(env->cx, env->target,
                                         arena_printf(env->cx->arena, "%s/%s", dirs[i], name));

        if (m)
            return m;
    }
    return NULL;
}

struct module *probe_find_module(struct probe_env *env, const char *name, struct span at)
{
    struct target *t = env->target;
    struct diag *d = env->cx->diag;
    struct module *m;

    if (!name) {
        if (t->modules && t->modules->is_exe)
            return t->modules;
        if (t->exec_path && (m = target_module(env->cx, t, t->exec_path)))
            return m;
        diag_error(d, at, "no-module",
                   "no module is named here, and there is no target whose executable "
                   "could be meant");
        diag_hint(d, "give the path, or choose a process with -x PID or --exec PATH");
        return NULL;
    }
    if (strchr(name, '/')) {
        m = target_module(env->cx, t, name);
    } else {
        for (m = t->modules; m; m = m->next)
            if (!strcmp(base_name(m->path), name))
                break;
        if (!m)
            m = in_path(env, name);
    }
    if (m)
        return m;

    const char *lacks = strchr(name, '/') ? target_lacks(t, name) : NULL;
    struct near near;

    if (lacks) {
        diag_error(d, at, "no-module", "'%s' is no program or library: %s", name, lacks);
        return NULL;
    }
    diag_error(d, at, "no-module", "no such file: '%s'%s%s", name,
               sysroot_is_host(t->root) ? "" : " under the sysroot ",
               sysroot_is_host(t->root) ? "" : sysroot_dir(t->root));
    near_init(&near, base_name(name));
    for (m = t->modules; m; m = m->next)
        near_try(&near, base_name(m->path));
    if (near_best(&near))
        diag_hint(d, "the target has mapped '%s'", near_best(&near));
    return NULL;
}

/* ---- process("P").library("L") ---- */

struct libraries {
    struct probe_env *env;
    const char *pattern;
    struct probe_modules *found;
    struct near near;
};

/* As SystemTap (query_one_library in its tapsets.cxx): the name, which may be a wildcard, ends the
 * library's path. */
static void try_library(const char *path, void *arg)
{
    struct libraries *l = arg;
    struct probe_modules *found = l->found;
    struct module *m;

    near_try(&l->near, base_name(path));
    if (fnmatch(l->pattern, path, 0) || !(m = target_module(l->env->cx, l->env->target, path)) ||
        m == found->exe)
        return;
    for (uint32_t i = 0; i < found->n; i++)
        if (found->v[i] == m)
            return;
    found->v = arena_grow(l->env->cx->arena, found->v, found->n, sizeof(struct module *));
    found->v[found->n++] = m;
}

/* Those that the dynamic linker loads for the program, and, in the target, those that it has
 * opened since. */
static bool find_libraries(struct probe_env *env, const struct point_part *part,
                           struct probe_modules *out)
{
    struct arena *a = env->cx->arena;
    struct target *t = env->target;
    struct libraries l = {env, arena_printf(a, "*%s", part->arg->text), out, {0}};

    near_init(&l.near, base_name(part->arg->text));
    dt_needed_libraries(a, t->root, out->exe->path, try_library, &l);
    if (out->exe->is_exe)
        for (const struct module *m = t->modules; m; m = m->next)
            if (m->start != m->end)
                try_library(m->path, &l);
    if (out->n)
        return true;
    diag_error(env->cx->diag, part->arg->at, "no-module", "no library of %s %s '%s'",
               out->exe->path, has_wildcard(part->arg->text) ? "matches" : "is named",
               part->arg->text);
    if (near_best(&l.near))
        diag_hint(env->cx->diag, "did you mean '%s'?", near_best(&l.near));
    return false;
}

bool probe_find_modules(struct probe_env *env, const struct probe_point *point,
                        struct probe_modules *out)
{
    const struct point_part *process = point->parts, *library = process->next;

    *out = (struct probe_modules){
        .exe = probe_find_module(env, process->arg ? process->arg->text : NULL,
                                 process->arg ? process->arg->at : process->at),
        .rest = library,
    };
    if (!out->exe)
        return false;
    if (library && !strcmp(library->name, "library")) {
        out->rest = library->next;
        return find_libraries(env, library, out);
    }
    out->v = &out->exe;
    out->n = 1;
    return true;
}

/* ---- the program's list ---- */

uint32_t probe_module(struct probe_env *env, const char *path, struct dbg *dbg)
{
    struct program *prog = env->prog;
    struct arena *a = env->cx->arena;
    const struct build_id *id = dbg ? dbg_build_id(dbg) : NULL;

    for (uint32_t i = 0; i < prog->n_modules; i++) {
        if (strcmp(prog->modules[i].path, path))
            continue;
        if (!prog->modules[i].dbg)
            prog->modules[i].dbg = dbg;
        return i;
    }
    struct build_id kernel;
    bool mapped = false;

    if (kernel_is_path(path) && !id) {
        if (kernel_module_of(path))
            kernel_module_build_id(kernel_module_of(path), &kernel);
        else
            kernel_build_id(&kernel);
        id = &kernel;
    }

    for (struct module *m = env->target->modules; m; m = m->next) {
        if (strcmp(m->path, path))
            continue;
        mapped = m->start != m->end;
        if (!id || !id->len)
            id = &m->id;
    }
    prog->modules = arena_grow(a, prog->modules, prog->n_modules, sizeof(*prog->modules));
    prog->modules[prog->n_modules] = (struct module_ref){
        .path = path,
        .build_id = id && id->len ? build_id_text(a, id) : NULL,
        .mapped = mapped,
        .dbg = dbg,
    };
    return prog->n_modules++;
}
