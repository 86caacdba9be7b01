/*
 * syscall: what a handler at system calls is told by its context: struct bpf_raw_tracepoint_args
 * with the program's struct pt_regs and, at the entry, the call's number, at the return the result
 * (include/trace/events/syscalls.h). Enters: a probe; leaves: code that copies the registers and
 * sorts the arguments once, at the handler's start.
 *
 * Which of its two conventions a call came by the kernel has in the task, not in the registers
 * (in_ia32_syscall() of arch/x86): the loader says where, if it can find out.
 */
#include "cg/syscall.h"

#include <stddef.h>

#include "cg/graph.h"

int cg_call_word(const struct cg_gen *g, uint32_t fact)
{
    return cg_word(g->c->u, CG_WORD_CALL + (int)(fact - NGS_CALL_NUMBER));
}

bool cg_asks_call(const struct cg_gen *g, const struct ir_ins *i)
{
    if (attach_kind(g->probe->rec.kind)->context != CONTEXT_SYSCALL)
        return false;
    if (i->op == IR_SCONTEXT)
        return g->probe->asks_place && (i->imm == NGS_CTX_PP || i->imm == NGS_CTX_KFUNC);
    return i->op == IR_CONTEXT &&
           (i->imm == NGS_CTX_PARAM || i->imm == NGS_CTX_REG || i->imm == NGS_CTX_UADDR ||
            i->imm == NGS_CTX_UNWIND || (i->imm == NGS_CTX_ARG && i->a.imm >= NGS_CALL_NUMBER));
}

/* Frame bytes at AT = SIZE bytes at r3. */
static void kernel_read(struct cg_gen *g, int at, int size)
{
    cg_movi(&g->s, R2, size);
    cg_addr(&g->s, R1, R9, (uint32_t)at);
    cg_call(&g->s, BPF_FUNC_probe_read_kernel);
}

static void number(struct cg_gen *g)
{
    int at = cg_call_word(g, NGS_CALL_NUMBER);

    if (!attach_has(g->probe->rec.kind, ATTACH_ON_RETURN)) {
        cg_ldx(&g->s, BPF_DW, R1, R6, 8);
        cg_stx(&g->s, BPF_DW, R9, at, R1);
        return;
    }
    cg_sti(&g->s, BPF_DW, R9, at, 0);
    cg_ldx(&g->s, BPF_DW, R3, R6, 0);
    cg_alui(&g->s, BPF_ADD, R3, g->c->cx->arch->syscall.number);
    kernel_read(g, at, 4);
}

/* Goes to TO when the call is by the convention for 32 bits. */
static void if_compat(struct cg_gen *g, uint32_t to)
{
    const struct arch *a = g->c->cx->arch;
    uint32_t registers = cg_label(&g->s), native = cg_label(&g->s);
    int at = cg_call_word(g, NGS_CALL_COMPAT);

    if (a->syscall.compat_status) {
        cg_value(&g->s, R1, CG_CONTROL, offsetof(struct ngs_control, call_status));
        cg_ldx(&g->s, BPF_DW, R1, R1, 0);
        cg_jmpi(&g->s, BPF_JEQ, R1, 0, registers);
        cg_stx(&g->s, BPF_DW, R9, at, R1);
        cg_call(&g->s, BPF_FUNC_get_current_task);
        cg_mov(&g->s, R3, R0);
        cg_ldx(&g->s, BPF_DW, R1, R9, at);
        cg_alu(&g->s, BPF_ADD, R3, R1);
        kernel_read(g, at, 4);
        cg_ldx(&g->s, BPF_W, R1, R9, at);
        cg_alui(&g->s, BPF_AND, R1, (int32_t)a->syscall.compat_status);
        cg_jmpi(&g->s, BPF_JNE, R1, 0, to);
        cg_ja(&g->s, native);
        cg_bind(&g->s, registers);
    }
    cg_ldx(&g->s, BPF_DW, R1, R9, cg_word(g->c->u, CG_WORD_REGS) + a->syscall.compat.offset);
    cg_alui(&g->s, BPF_AND, R1, a->syscall.compat.mask);
    cg_jmpi(&g->s, BPF_JEQ, R1, a->syscall.compat.value, to);
    cg_bind(&g->s, native);
}

static void arguments(struct cg_gen *g, const uint8_t *from, bool compat)
{
    const struct arch *a = g->c->cx->arch;
    int regs = cg_word(g->c->u, CG_WORD_REGS);

    cg_sti(&g->s, BPF_DW, R9, cg_call_word(g, NGS_CALL_COMPAT), compat);
    for (uint32_t i = 0; i < ARCH_SYSCALL_ARGS; i++) {
        cg_ldx(&g->s, compat ? BPF_W : BPF_DW, R1, R9, regs + a->regs[from[i]].offset);
        cg_stx(&g->s, BPF_DW, R9, cg_call_word(g, NGS_CALL_PARAM + i), R1);
    }
}

void cg_syscall_begin(struct cg_gen *g)
{
    const struct arch *a = g->c->cx->arch;
    uint32_t compat = cg_label(&g->s), done = cg_label(&g->s);

    if (!g->graph->calls)
        return;
    cg_ldx(&g->s, BPF_DW, R3, R6, 0);
    kernel_read(g, cg_word(g->c->u, CG_WORD_REGS), a->pt_regs_size);
    number(g);
    if_compat(g, compat);
    arguments(g, a->syscall.args, false);
    cg_ja(&g->s, done);
    cg_bind(&g->s, compat);
    arguments(g, a->syscall.compat_args ? a->syscall.compat_args : a->syscall.args, true);
    cg_bind(&g->s, done);
    if (a->syscall.first && attach_has(g->probe->rec.kind, ATTACH_ON_RETURN)) {
        cg_ldx(&g->s, BPF_DW, R3, R6, 0);
        cg_alui(&g->s, BPF_ADD, R3, a->syscall.first);
        kernel_read(g, cg_call_word(g, NGS_CALL_PARAM), 8);
    }
}

void cg_syscall_place(struct cg_gen *g)
{
    uint32_t known = cg_label(&g->s);
    const struct ir_probe *p = g->probe;

    cg_movi(&g->s, R0, g->c->probes[g->probe_index].place + p->n_places - 1);
    cg_ldx(&g->s, BPF_DW, R1, R9, cg_call_word(g, NGS_CALL_NUMBER));
    cg_jmpi(&g->s, BPF_JGE, R1, NGS_CALLS, known);
    cg_ldx(&g->s, BPF_DW, R2, R9, cg_call_word(g, NGS_CALL_COMPAT));
    cg_alui(&g->s, BPF_AND, R2, 1);
    cg_alui(&g->s, BPF_MUL, R2, NGS_CALLS);
    cg_alu(&g->s, BPF_ADD, R1, R2);
    cg_alui(&g->s, BPF_MUL, R1, 4);
    cg_value(&g->s, R3, CG_RODATA, g->c->call_tables[g->probe_index]);
    cg_alu(&g->s, BPF_ADD, R3, R1);
    cg_ldx(&g->s, BPF_W, R0, R3, 0);
    cg_bind(&g->s, known);
}
