/*
 * trace: functions of the kernel by fentry and fexit instead of kprobes: a call where the function
 * begins, instead of a breakpoint or ftrace's detour. Enters: a unit; leaves: such probes of
 * another kind (base/attach_kind.h), where the handler can do without the kernel's registers, and
 * the function is one that BTF tells. A program is for one function.
 */
#include "ir/ir.h"

#include "base/arena.h"
#include "base/diag.h"

/* A walk of the kernel's stack begins with them. */
static bool needs_registers(const struct ir_ins *i)
{
    return i->op == IR_CONTEXT && (i->imm == NGS_CTX_REG || i->imm == NGS_CTX_PARAM ||
                                   i->imm == NGS_CTX_KSTACK || i->imm == NGS_CTX_STACK_KERNEL);
}

/* At a return it is told by fexit alone. */
static bool is_parameter(const struct ir_ins *i)
{
    return i->op == IR_CONTEXT && i->imm == NGS_CTX_ARG && i->a.imm != NGS_FUNC_RESULT;
}

/* Does F, or what it calls, have such an instruction? */
static bool reaches(const struct ir_unit *u, const struct ir_func *f,
                    bool (*is)(const struct ir_ins *i), bool *seen)
{
    if (seen[f->id])
        return false;
    seen[f->id] = true;
    for (uint32_t b = 0; b < f->n_blocks; b++)
        for (const struct ir_ins *i = f->blocks[b]->first; i; i = i->next)
            if (is(i) || (i->op == IR_CALL && reaches(u, u->funcs[i->imm], is, seen)))
                return true;
    return false;
}

static bool handler_reaches(const struct ir_unit *u, const struct ir_probe *p,
                            bool (*is)(const struct ir_ins *i))
{
    return reaches(u, u->funcs[p->func], is, ARENA_ARRAY(u->cx->arena, bool, u->n_funcs));
}

bool ir_probes_kernel(const struct ir_unit *u)
{
    for (uint32_t n = 0; n < u->n_probes; n++)
        if (attach_has(u->probes[n].rec.kind, ATTACH_KERNEL))
            return true;
    return false;
}

bool ir_trace_functions(struct ir_unit *u)
{
    bool ok = true;

    for (uint32_t n = 0; n < u->n_probes; n++) {
        struct ir_probe *p = &u->probes[n];

        if (!p->can_trace || p->n_places != 1)
            continue;
        if (!handler_reaches(u, p, needs_registers))
            p->rec.kind = p->rec.kind == PROBE_KPROBE      ? PROBE_FENTRY
                          : p->rec.kind == PROBE_KRETPROBE ? PROBE_FEXIT
                                                           : p->rec.kind;
        else if (p->rec.kind == PROBE_KRETPROBE && handler_reaches(u, p, is_parameter))
            ok = diag_error(u->cx->diag, u->locs[p->rec.loc].at, "kernel",
                            "parameters are read at the return by fexit, which has no registers "
                            "of the kernel: --no-feature=fentry does without it");
    }
    return ok;
}
