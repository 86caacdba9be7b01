/*
 * kinds: the table of attach kinds that run in the kernel, and what is done for all of them.
 * Enters: a session; leaves: calls of each kind's functions.
 */
#include "load/kinds.h"

static const struct attach_ops *const all[] = {
    &attach_clock,   &attach_uprobe, &attach_tracepoint,
    &attach_syscall, &attach_kprobe, &attach_fentry,
};

enum { N = sizeof(all) / sizeof(*all) };

const struct attach_ops *kinds_ops(uint32_t kind)
{
    for (unsigned k = 0; k < N; k++)
        if (all[k]->kinds & ATTACH_OPS_OF(kind))
            return all[k];
    return NULL;
}

void kinds_warn(const struct session *s)
{
    for (unsigned k = 0; k < N; k++) {
        const struct attach_ops *ops = all[k];
        bool said = !ops->warn;

        for (uint32_t i = 0; !said && i < s->o->h->table[OBJ_PROBES].n; i++)
            if (ops->kinds & ATTACH_OPS_OF(s->o->probes[i].kind))
                said = ops->warn(s, &s->o->probes[i]);
    }
}

void kinds_prepare(const struct session *s)
{
    for (uint32_t i = 0; i < s->o->h->table[OBJ_PROBES].n; i++) {
        const struct attach_ops *ops = kinds_ops(s->o->probes[i].kind);
        struct bpf_program *prog = ops && ops->prepare ? attach_program_of(s, i) : NULL;

        if (prog)
            ops->prepare(s, &s->o->probes[i], prog);
    }
}

bool kinds_born(struct session *s, pid_t pid)
{
    bool any = false;

    for (unsigned k = 0; k < N; k++)
        any |= all[k]->born && all[k]->born(s, pid);
    return any;
}

void kinds_gone(struct session *s, pid_t pid)
{
    for (unsigned k = 0; k < N; k++)
        if (all[k]->gone)
            all[k]->gone(s, pid);
}

void kinds_watch(struct session *s)
{
    for (unsigned k = 0; k < N; k++)
        if (all[k]->watch)
            all[k]->watch(s);
}

bool kinds_take_out(struct session *s, bool *wanted)
{
    bool any = false;

    for (unsigned k = 0; k < N; k++)
        any |= all[k]->take_out && all[k]->take_out(s, wanted);
    return any;
}

void kinds_put_in(struct session *s, const bool *wanted)
{
    for (unsigned k = 0; k < N; k++)
        if (all[k]->put_in)
            all[k]->put_in(s, wanted);
}

void kinds_close(struct session *s)
{
    for (unsigned k = 0; k < N; k++)
        if (all[k]->close)
            all[k]->close(s);
}

void kinds_close_slowly(struct session *s)
{
    for (unsigned k = 0; k < N; k++)
        if (all[k]->close_slowly)
            all[k]->close_slowly(s);
}
