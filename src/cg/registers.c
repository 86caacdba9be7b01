/*
 * registers: those of the program, in the kernel. Enters: a probe whose context, or whose task, has
 * them; leaves: code that takes some.
 */
#include "cg/registers.h"

#include <stddef.h>

#include "arch/arch.h"

void cg_mode_bits(struct cg_gen *g, int reg, int base, int off)
{
    const struct arch *a = g->c->cx->arch;

    cg_ldx(&g->s, BPF_DW, reg, base, off + a->user_mode.offset);
    cg_alui(&g->s, BPF_AND, reg, a->user_mode.mask);
}

void cg_if_mode(struct cg_gen *g, bool user, int reg, int base, int off, uint32_t to)
{
    cg_mode_bits(g, reg, base, off);
    cg_jmpi(&g->s, g->c->cx->arch->user_mode.zero == user ? BPF_JEQ : BPF_JNE, reg, 0, to);
}

/* Takes them from OFF of BASE; the last one stays in r0. */
static void take_regs(struct cg_gen *g, const struct cg_user_regs *r, int base, int off)
{
    for (uint32_t k = 0; k < r->n; k++) {
        cg_ldx(&g->s, BPF_DW, R0, base, off + (int)r->off[k]);
        if (r->word[k])
            cg_stx(&g->s, BPF_DW, R9, r->word[k], R0);
    }
}

void cg_user_regs(struct cg_gen *g, const struct cg_user_regs *r, uint32_t none)
{
    uint32_t user = cg_label(&g->s), done = cg_label(&g->s);
    int regs = cg_word(g->c->u, CG_WORD_REGS);

    if (cg_is_function(g)) {
        take_regs(g, r, R6, 0);
        return;
    }
    if (cg_is_call(g)) {
        take_regs(g, r, R9, regs);
        return;
    }
    if (cg_is_tick(g))
        cg_if_mode(g, true, R0, R6, 0, user);
    if (g->c->k->has[FEAT_TASK_PT_REGS]) {
        cg_do_call(g, BPF_FUNC_get_current_task_btf);
        cg_mov(&g->s, R1, R0);
        cg_do_call(g, BPF_FUNC_task_pt_regs);
        cg_jmpi(&g->s, BPF_JEQ, R0, 0, none);
        cg_mov(&g->s, R3, R0);
        cg_movi(&g->s, R2, g->c->cx->arch->pt_regs_size);
        cg_addr(&g->s, R1, R9, (uint32_t)regs);
        cg_do_call(g, BPF_FUNC_probe_read_kernel);
        cg_jmpi(&g->s, BPF_JNE, R0, 0, none);
        cg_if_mode(g, false, R0, R9, regs, none);
        take_regs(g, r, R9, regs);
        cg_ja(&g->s, done);
    } else if (cg_is_tick(g)) {
        cg_ja(&g->s, none);
    } else { /* what follows must be reachable, if only on paper */
        cg_movi(&g->s, R0, 0);
        cg_jmpi(&g->s, BPF_JEQ, R0, 0, none);
    }
    if (cg_is_tick(g)) {
        cg_bind(&g->s, user);
        take_regs(g, r, R6, 0);
    }
    cg_bind(&g->s, done);
}
