/*
 * attach: arms a session's kernel probes and disarms them. Enters: loaded programs and the probe
 * records; leaves: events that run them (each kind's file opens its own: kinds.h). Refuses: what
 * the kernel refuses.
 *
 * Without a scope clock events are opened on every CPU, breakpoints in every process; scope.c says
 * for which processes else.
 */
#include "load/kinds.h"

static bool arm(struct session *s, uint32_t i)
{
    const struct obj_probe *p = &s->o->probes[i];

    const struct attach_ops *ops = kinds_ops(p->kind);

    if (!ops)
        return true;
    const struct bpf_program *prog = attach_program_of(s, i);

    if (!prog)
        return object_damaged(s->cx, "a probe has no program");
    return ops->open(s, p, bpf_program__fd(prog));
}

bool load_attach(struct session *s)
{
    if (!track_start(s) || !spaces_open(s))
        return false;
    nesting_start(s);
    for (uint32_t i = 0; s->obj && i < s->o->h->table[OBJ_PROBES].n; i++)
        if (!arm(s, i)) {
            load_detach(s);
            return false;
        }
    track_armed(s);
    overload_armed(s);
    return true;
}

void load_detach(struct session *s)
{
    kinds_close(s);
    track_stop(s);
    nesting_stop(s);
    spaces_close(s);
    kinds_close_slowly(s);
}
