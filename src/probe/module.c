/*
 * module: from a module as a script names it (a path, the name of a mapped file, nothing) to
 * the target's module, and the list of modules that a program refers to.
 */
#include "probe/probe.h"

#include <string.h>

#include "base/bytes.h"

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

    struct near near;

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
