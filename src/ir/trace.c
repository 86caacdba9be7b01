/*
 * trace: functions of the kernel by fentry and fexit instead of kprobes: a call where the function
 * begins, instead of a breakpoint or ftrace's detour. Enters: a unit; leaves: such probes of
 * another kind (base/attach_kind.h), where the handler can do without the kernel's registers, and
 * the function is one that BTF tells. A program is for one function.
 */
#include "ir/ir.h"

#include "base/arena.h"

/* A walk of the kernel's stack begins with them. */
static bool needs_registers(const struct ir_ins *i)
{
    return i->op == IR_CONTEXT &&
           (i->imm == NGS_CTX_REG || i->imm == NGS_CTX_PARAM || i->imm == NGS_CTX_KSTACK);
}

/* Does F, or what it calls, need them? */
static bool reaches(const struct ir_unit *u, const struct ir_func *f, bool *seen)
{
    if (seen[f->id])
        return false;
    seen[f->id] = true;
    for (uint32_t b = 0; b < f->n_blocks; b++)
        for (const struct ir_ins *i = f->blocks[b]->first; i; i = i->next)
            if (needs_registers(i) || (i->op == IR_CALL && reaches(u, u->funcs[i->imm], seen)))
                return true;
    return false;
}

bool ir_probes_kernel(const struct ir_unit *u)
{
    for (uint32_t n = 0; n < u->n_probes; n++)
        if (attach_has(u->probes[n].rec.kind, ATTACH_KERNEL))
            return true;
    return false;
}

void ir_trace_functions(struct ir_unit *u)
{
    for (uint32_t n = 0; n < u->n_probes; n++) {
        struct ir_probe *p = &u->probes[n];
        bool *seen = ARENA_ARRAY(u->cx->arena, bool, u->n_funcs);

        if (!p->can_trace || p->n_places != 1 || reaches(u, u->funcs[p->func], seen))
            continue;
        p->rec.kind = p->rec.kind == PROBE_KPROBE      ? PROBE_FENTRY
                      : p->rec.kind == PROBE_KRETPROBE ? PROBE_FEXIT
                                                       : p->rec.kind;
    }
}
