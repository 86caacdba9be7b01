/*
 * cold: jumps between blocks, and the code behind the handler's. Enters: nodes of the graph, blocks
 * that emitters add; leaves: jumps, and at the end the cold blocks' code.
 *
 * Some instructions cannot fail with these operands (x / 4); error blocks nothing jumps to are not
 * emitted, since the verifier rejects dead code.
 */
#include "cg/cold.h"

#include <stddef.h>

#include "base/arena.h"
#include "cg/graph.h"

#define FRAME(field) ((int)offsetof(struct ngs_frame, field))

uint32_t cg_new_cold(struct cg_gen *g, struct cg_cold cold)
{
    cold.label = cg_label(&g->s);
    if (g->ins)
        cold.at = g->c->u->locs[g->ins->loc].at;
    g->cold = arena_grow(g->c->cx->arena, g->cold, g->n_cold, sizeof(*g->cold));
    g->cold[g->n_cold] = cold;
    return g->cold[g->n_cold++].label;
}

/* ---- edges ---- */

bool cg_is_next(const struct cg_gen *g, uint32_t node)
{
    return g->graph->next == node && !g->graph->nodes[node].written;
}

static void back_edge(struct cg_gen *g, uint32_t node)
{
    cg_sti(&g->s, BPF_DW, R9, offsetof(struct ngs_frame, pc), (int32_t)g->graph->nodes[node].pc);
    cg_movi(&g->s, R0, 0);
    cg_exit(&g->s);
}

uint32_t cg_edge(struct cg_gen *g, uint32_t to)
{
    g->graph->nodes[to].wanted = true;
    if (!cg_goes_back(g, g->graph->node, to))
        return g->graph->nodes[to].label;
    for (uint32_t k = 0; k < g->n_cold; k++)
        if (g->cold[k].kind == CG_COLD_BACK && g->cold[k].node == to)
            return g->cold[k].label;
    return cg_new_cold(g, (struct cg_cold){.kind = CG_COLD_BACK, .node = to});
}

void cg_jump_edge(struct cg_gen *g, uint32_t to)
{
    g->graph->nodes[to].wanted = true;
    if (cg_goes_back(g, g->graph->node, to))
        back_edge(g, to);
    else if (!cg_is_next(g, to))
        cg_ja(&g->s, g->graph->nodes[to].label);
}

/* The node of a block of the function being written. */
static uint32_t block_of(const struct cg_gen *g, uint32_t block)
{
    return cg_block_node(g, g->graph->nodes[g->graph->node].func, block);
}

void cg_jump_block(struct cg_gen *g, uint32_t block)
{
    cg_jump_edge(g, block_of(g, block));
}

/* ---- cold blocks ---- */

uint32_t cg_fail(struct cg_gen *g, const struct ir_ins *i, enum ngs_error error)
{
    uint32_t to = cg_edge(g, block_of(g, i->onerr));

    for (uint32_t k = 0; k < g->n_cold; k++) {
        const struct cg_cold *s = &g->cold[k];

        if (s->kind == CG_COLD_FAIL && s->error == error && s->loc == i->loc && s->to == to)
            return s->label;
    }
    return cg_new_cold(
        g,
        (struct cg_cold){.kind = CG_COLD_FAIL,
                         .error = error,
                         .arg = error == NGS_ERR_SIZE_FULL ? g->c->u->maps[i->map].max_entries : 0,
                         .loc = i->loc,
                         .to = to});
}

static void write_fail(struct cg_gen *g, const struct cg_cold *s)
{
    if (s->error != NGS_OK) {
        cg_sti(&g->s, BPF_DW, R9, FRAME(error), (int32_t)s->error);
        cg_sti(&g->s, BPF_DW, R9, FRAME(error_arg), (int32_t)s->arg);
    }
    cg_sti(&g->s, BPF_DW, R9, FRAME(error_loc), (int32_t)s->loc);
    cg_ja(&g->s, s->to);
}

static void write_saves(struct cg_gen *g, const struct cg_cold *s, bool store)
{
    for (uint32_t k = 0; k < s->n_save; k++) {
        if (store && s->save[k].store)
            cg_stx(&g->s, BPF_DW, R9, s->save[k].off, s->save[k].reg);
        else if (!store)
            cg_ldx(&g->s, BPF_DW, s->save[k].reg, R9, s->save[k].off);
    }
}

static void write_read(struct cg_gen *g, const struct cg_cold *s)
{
    write_saves(g, s, true);
    cg_mov(&g->s, R2, s->addr);
    cg_mov(&g->s, R1, R9);
    cg_movi(&g->s, R3, s->size);
    cg_call_lib(g->c, &g->s, s->lib);
    cg_jmpi(&g->s, BPF_JNE, R0, 0, s->fail);
    write_saves(g, s, false);
    cg_ldx(&g->s, BPF_DW, s->dst, R9, FRAME(private_[0]));
    cg_ja(&g->s, s->back);
}

static void write_lib(struct cg_gen *g, const struct cg_cold *s)
{
    write_saves(g, s, true);
    cg_mov(&g->s, R1, R9);
    for (uint32_t k = 0; k < s->n_args; k++)
        cg_movi(&g->s, R2 + (int)k, s->args[k]);
    cg_lib_source(g->c, s->lib, (uint32_t)s->args[1]);
    cg_call_lib(g->c, &g->s, s->lib);
    write_saves(g, s, false);
    cg_ja(&g->s, s->back);
}

void cg_write_cold(struct cg_gen *g)
{
    for (uint32_t k = 0; k < g->n_cold; k++) { /* writing one may add others */
        struct cg_cold s = g->cold[k];

        cg_mark(&g->s, s.at);
        cg_bind(&g->s, s.label);
        switch (s.kind) {
        case CG_COLD_FAIL:
            write_fail(g, &s);
            break;
        case CG_COLD_READ:
            write_read(g, &s);
            break;
        case CG_COLD_LIB:
            write_lib(g, &s);
            break;
        case CG_COLD_BACK:
            back_edge(g, s.node);
            break;
        }
    }
}
