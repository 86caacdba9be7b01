/*
 * variables: slots of the frame, global numbers, the budget of statements; the same in the kernel
 * and in user space. Enters: one IR instruction; leaves: its code.
 */
#include "cg/emit.h"

#include <stddef.h>

#define FRAME(field) ((int)offsetof(struct ngs_frame, field))

void cg_emit_load(struct cg_gen *g, const struct ir_ins *i)
{
    if (cg_load_cached(g, i->slot, i->dst))
        return;
    int d = cg_def(g, i->dst);

    cg_ldx_far(&g->s, BPF_DW, d, R9, g->c->u->slots[i->slot].off);
    cg_slot_is(g, i->slot, d);
}

void cg_emit_store(struct cg_gen *g, const struct ir_ins *i)
{
    uint32_t off = g->c->u->slots[i->slot].off;
    int tmp = cg_fits16(off) ? 0 : cg_tmp(g);

    if (cg_is_imm32(i->a)) {
        cg_sti_far(&g->s, BPF_DW, R9, off, i->a.kind == IRV_IMM ? (int32_t)i->a.imm : 0, tmp);
        cg_slot_is(g, i->slot, -1);
        return;
    }
    int a = cg_use(g, i->a);

    cg_stx_far(&g->s, BPF_DW, R9, off, a, tmp);
    cg_slot_is(g, i->slot, a);
}

void cg_emit_gload(struct cg_gen *g, const struct ir_ins *i)
{
    int d = cg_def(g, i->dst);

    cg_value(&g->s, d, CG_GLOBALS, g->c->u->globals[i->global].off);
    cg_ldx(&g->s, BPF_DW, d, d, 0);
}

void cg_emit_gstore(struct cg_gen *g, const struct ir_ins *i)
{
    int p = cg_tmp(g);

    cg_value(&g->s, p, CG_GLOBALS, g->c->u->globals[i->global].off);
    if (cg_is_imm32(i->a))
        cg_sti(&g->s, BPF_DW, p, 0, i->a.kind == IRV_IMM ? (int32_t)i->a.imm : 0);
    else
        cg_stx(&g->s, BPF_DW, p, 0, cg_use(g, i->a));
}

void cg_emit_gadd(struct cg_gen *g, const struct ir_ins *i)
{
    int p = cg_tmp(g), d;

    cg_value(&g->s, p, CG_GLOBALS, g->c->u->globals[i->global].off);
    d = cg_def_copy(g, i->dst, i->a);
    cg_atomic(&g->s, i->dst ? BPF_ADD | BPF_FETCH : BPF_ADD, p, 0, d);
}

void cg_emit_gclear(struct cg_gen *g, const struct ir_ins *i)
{
    const struct ir_global *gl = &g->c->u->globals[i->global];
    int p = cg_tmp(g);

    cg_value(&g->s, p, CG_GLOBALS, gl->off);
    cg_sti(&g->s, BPF_DW, p, 0, 0);
    if (gl->type == OBJ_STATS) {
        int t = cg_tmp(g);

        cg_sti(&g->s, BPF_DW, p, offsetof(struct ngs_stats, sum), 0);
        cg_sti(&g->s, BPF_DW, p, offsetof(struct ngs_stats, sumsq), 0);
        cg_movi(&g->s, t, INT64_MAX);
        cg_stx(&g->s, BPF_DW, p, offsetof(struct ngs_stats, min), t);
        cg_movi(&g->s, t, INT64_MIN);
        cg_stx(&g->s, BPF_DW, p, offsetof(struct ngs_stats, max), t);
        for (uint32_t k = 0; k < ngs_hist_buckets(gl->hist, gl->hist_args); k++)
            cg_sti(&g->s, BPF_DW, p, (int)(offsetof(struct ngs_stats, buckets) + 8 * k), 0);
    }
}

void cg_emit_budget(struct cg_gen *g, const struct ir_ins *i)
{
    if (g->unlimited)
        return;
    int t = cg_tmp(g);

    cg_ldx(&g->s, BPF_DW, t, R9, FRAME(budget));
    if (i->op == IR_BUDGET)
        cg_jmpi(&g->s, BPF_JSLT, t, 0, cg_fail(g, i, NGS_ERR_MAXACTION));
    if (i->imm) {
        cg_alui(&g->s, BPF_ADD, t, (int32_t)-i->imm);
        cg_stx(&g->s, BPF_DW, R9, FRAME(budget), t);
    }
}
