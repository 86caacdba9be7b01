/*
 * body: a handler's code: its blocks and those of the functions it calls, in the graph's order.
 * Enters: the graph; leaves: instructions of every block by the table of operations, of jumps,
 * calls and returns, and the cold blocks behind them.
 */
#include "cg/body.h"

#include <stddef.h>

#include "base/arena.h"
#include "cg/cold.h"
#include "cg/graph.h"
#include "cg/ops.h"

static void emit(struct cg_gen *g, const struct ir_ins *i)
{
    const struct cg_op *op = &cg_ops[i->op];
    cg_emit_fn *fn = g->user ? op->user : op->kernel;

    if (fn)
        fn(g, i);
}

/* ---- terminators ---- */

/* BPF's condition, and the inverse one. */
static const struct {
    int op, inverse;
} conditions[] = {
    [IR_EQ] = {BPF_JEQ, BPF_JNE},   [IR_NE] = {BPF_JNE, BPF_JEQ},   [IR_LT] = {BPF_JSLT, BPF_JSGE},
    [IR_GE] = {BPF_JSGE, BPF_JSLT}, [IR_GT] = {BPF_JSGT, BPF_JSLE}, [IR_LE] = {BPF_JSLE, BPF_JSGT},
};

static void write_branch(struct cg_gen *g, const struct ir_ins *i)
{
    int op = conditions[i->cond].op;
    uint32_t func = g->graph->nodes[g->graph->node].func;
    uint32_t yes = cg_block_node(g, func, i->to[0]), no = cg_block_node(g, func, i->to[1]);
    bool imm = cg_is_imm32(i->b);
    int b = imm ? 0 : cg_use(g, i->b), a = cg_use(g, i->a);

    if (cg_is_next(g, yes) && !cg_goes_back(g, g->graph->node, yes)) {
        uint32_t t = yes;

        op = conditions[i->cond].inverse;
        yes = no;
        no = t;
    }
    if (imm)
        cg_jmpi(&g->s, op, a, i->b.kind == IRV_IMM ? (int32_t)i->b.imm : 0, cg_edge(g, yes));
    else
        cg_jmp(&g->s, op, a, b, cg_edge(g, yes));
    cg_jump_edge(g, no);
}

static void write_call(struct cg_gen *g, const struct ir_ins *i)
{
    const struct ir_func *callee = g->c->u->funcs[i->imm];

    for (uint32_t k = 0; k < g->graph->n_sites; k++)
        if (g->graph->sites[k].from == g->graph->node)
            cg_sti_far(&g->s, BPF_DW, R9, callee->ret_off, (int32_t)g->graph->sites[k].id, R1);
    cg_jump_edge(g, cg_block_node(g, (uint32_t)i->imm, 0));
}

static void write_terminator(struct cg_gen *g, const struct ir_ins *i)
{
    uint32_t func = g->graph->nodes[g->graph->node].func;

    switch (i->op) {
    case IR_JUMP:
        cg_jump_block(g, i->to[0]);
        break;
    case IR_BRANCH:
        write_branch(g, i);
        break;
    case IR_CALL:
        write_call(g, i);
        break;
    case IR_RET:
        cg_jump_edge(g, cg_return_node(g, func, i->imm != 0));
        break;
    case IR_DONE:
        if (i->imm) {
            g->need_report = true;
            cg_ja(&g->s, g->l_report);
        } else {
            cg_ja(&g->s, g->l_done);
        }
        break;
    case IR_HANDOVER:
        emit(g, i);
        cg_ja(&g->s, g->l_done);
        break;
    default: /* RAISE */
        emit(g, i);
        break;
    }
}

/* ---- dispatch on a number ---- */

struct choice {
    int32_t id;
    uint32_t label; /* at first the node, where that is not written yet */
};

/* Jumps by REG, which holds one of N ids in rising order: few by comparison, many by halves. */
static void choose(struct cg_gen *g, int reg, const struct choice *c, uint32_t n)
{
    if (n <= 4) {
        for (uint32_t k = 0; k + 1 < n; k++)
            cg_jmpi(&g->s, BPF_JEQ, reg, c[k].id, c[k].label);
        cg_ja(&g->s, c[n - 1].label);
        return;
    }
    uint32_t upper = cg_label(&g->s);

    cg_jmpi(&g->s, BPF_JGE, reg, c[n / 2].id, upper);
    choose(g, reg, c, n / 2);
    cg_bind(&g->s, upper);
    choose(g, reg, c + n / 2, n - n / 2);
}

static void write_return(struct cg_gen *g, uint32_t node)
{
    bool error;
    uint32_t func = cg_return_func(g, node, &error), n = 0;
    struct choice *c = ARENA_ARRAY(g->c->cx->arena, struct choice, g->graph->n_sites + 1);

    for (uint32_t k = 0; k < g->graph->n_sites; k++)
        if (g->graph->sites[k].callee == func)
            c[n++] = (struct choice){(int32_t)g->graph->sites[k].id,
                                     error ? g->graph->sites[k].onerr : g->graph->sites[k].to};
    if (n == 1) {
        cg_jump_edge(g, c[0].label);
        return;
    }
    for (uint32_t k = 0; k < n; k++)
        c[k].label = cg_edge(g, c[k].label);
    cg_ldx_far(&g->s, BPF_DW, R1, R9, g->c->u->funcs[func]->ret_off);
    choose(g, R1, c, n);
}

void cg_dispatch(struct cg_gen *g)
{
    struct choice *c = ARENA_ARRAY(g->c->cx->arena, struct choice, g->graph->n_nodes);
    uint32_t n = 0;

    for (uint32_t pc = 1; pc <= g->graph->n_pcs; pc++)
        for (uint32_t k = 0; k < g->graph->n_nodes; k++)
            if (g->graph->nodes[k].pc == pc) {
                g->graph->nodes[k].wanted = true;
                c[n++] = (struct choice){(int32_t)pc, g->graph->nodes[k].label};
            }
    cg_ldx(&g->s, BPF_DW, R1, R9, offsetof(struct ngs_frame, pc));
    choose(g, R1, c, n);
}

/* ---- blocks ---- */

static void write_block(struct cg_gen *g, uint32_t node)
{
    const struct ir_unit *u = g->c->u;
    const struct ir_func *f = u->funcs[g->graph->nodes[node].func];
    const struct ir_block *b = cg_node_block(g, node);

    cg_block_begin(g, f, b);
    for (const struct ir_ins *i = b->first; i; i = i->next) {
        cg_mark(&g->s, u->locs[i->loc].at);
        cg_ins_begin(g, i);
        if (ir_op_flags(i->op) & IRF_TERM)
            write_terminator(g, i);
        else
            emit(g, i);
        cg_ins_end(g);
    }
}

/*
 * Before Linux 6.15 the verifier compares registers that nothing reads any more (156,805
 * instructions were walked on 6.12 where 12,054 would do), so they are made the same wherever
 * control comes from.
 */
static void write_head(struct cg_gen *g)
{
    static const uint8_t regs[] = {R0, R1, R2, R3, R4, R5, R7, R8};

    for (uint32_t k = 0; k < sizeof(regs); k++)
        cg_movi(&g->s, regs[k], 0);
    g->need_exceeded = true;
    cg_may_goto(&g->s, g->l_exceeded);
}

void cg_write_body(struct cg_gen *g)
{
    cg_alloc_begin(g);
    g->graph->nodes[g->graph->order[0]].wanted = true;
    for (bool again = true; again;) { /* once is enough, but for what only a jump back wants */
        again = false;
        for (uint32_t k = 0; k < g->graph->n_order; k++) {
            struct cg_node *n = &g->graph->nodes[g->graph->order[k]];

            if (n->written || !n->wanted)
                continue;
            n->written = again = true;
            g->graph->node = g->graph->order[k];
            g->graph->next = k + 1 < g->graph->n_order ? g->graph->order[k + 1] : g->graph->n_nodes;
            cg_bind(&g->s, n->label);
            if (n->head)
                write_head(g);
            if (g->graph->node < g->graph->n_block_nodes)
                write_block(g, g->graph->node);
            else
                write_return(g, g->graph->node);
        }
    }
    cg_write_cold(g);
}
