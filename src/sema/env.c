/*
 * env: what sema is at, as probe/ is told of it. Enters: the analysis and the handler in hand;
 * leaves: the environment that probe types work in, and the modules that the program depends on.
 */
#include "sema/internal.h"

struct probe_env sema_env(struct sema *s)
{
    return (struct probe_env){
        .cx = s->cx,
        .target = s->target,
        .debuginfo = s->di,
        .prog = s->prog,
        .probe = s->inst ? s->inst->probe : NULL,
        .tail = s->tail,
        .stap = s->opts->stap,
        .apart = s->opts->apart,
        .kernel = s->opts->kernel,
        .moved = s->moved,
    };
}

void sema_depend(struct sema *s, const struct ctype *t)
{
    struct dbg *m = t ? ctype_module(t) : NULL;
    struct probe_env env = sema_env(s);

    if (m)
        probe_module(&env, dbg_path(m), m);
}
