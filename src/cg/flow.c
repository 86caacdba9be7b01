/*
 * flow: the blocks of one handler and of every function it calls, as one graph. Enters: a handler;
 * leaves: the order of emission, which edges go back, the code of jumps, calls and returns. A call
 * stores a number in the callee's place for it and jumps; a return dispatches on that number.
 *
 * An instruction that could fail by its kind may not by its operands: what then nothing jumps to is
 * left out, since the verifier refuses code that cannot be reached.
 *
 * The verifier must be able to follow every path to its end, so each edge that closes a cycle (also
 * the call of a function that has been left before: its body is the same code) is encoded by what
 * the kernel has: may_goto, in front of each block that such an edge goes to: a jump that the
 * kernel takes when a handler has run too long. There, and not where the edge starts, since the
 * verifier ends a walk that comes back to a may_goto with nothing new (is_state_visited), and so
 * walks no block a second time; a loop callback: store the id of the block to go on with, return 0,
 * and the callback, called again by bpf_loop or bpf_for_each_map_elem, dispatches on it.
 */
#include "cg/gen.h"

#include <stdlib.h>
#include <string.h>

#include "base/arena.h"

/* ---- the graph ---- */

/* Nodes behind the blocks': the two ways out of a function. */
static uint32_t ret_node(const struct cg_gen *g, uint32_t func, bool error)
{
    return g->n_block_nodes + 2 * g->c->func_index[func] + error;
}

static uint32_t ret_func(const struct cg_gen *g, uint32_t node)
{
    return g->func_ids[(node - g->n_block_nodes) / 2];
}

static uint32_t block_node(const struct cg_gen *g, uint32_t func, uint32_t block)
{
    return g->c->func_base[func] + block;
}

static struct ir_block *node_block(const struct cg_gen *g, uint32_t node)
{
    const struct cg_node *n = &g->nodes[node];

    return g->c->u->funcs[n->func]->blocks[n->block];
}

struct list {
    uint32_t *v, n;
};

static void append(struct cg_gen *g, struct list *l, uint32_t node)
{
    l->v = arena_grow(g->c->cx->arena, l->v, l->n, sizeof(*l->v));
    l->v[l->n++] = node;
}

static void add_to(struct cg_gen *g, struct list *l, uint32_t node)
{
    for (uint32_t k = 0; k < l->n; k++)
        if (l->v[k] == node)
            return;
    append(g, l, node);
}

/* Where NODE may go on; what is to follow it in the code comes last. */
static void successors(struct cg_gen *g, uint32_t node, struct list *out)
{
    out->n = 0;
    if (node >= g->n_block_nodes) {
        uint32_t func = ret_func(g, node);
        bool error = (node - g->n_block_nodes) & 1;

        for (uint32_t k = 0; k < g->n_sites; k++)
            if (g->sites[k].callee == func)
                add_to(g, out, error ? g->sites[k].onerr : g->sites[k].to);
        return;
    }
    uint32_t func = g->nodes[node].func;
    const struct ir_ins *last = NULL;

    for (const struct ir_ins *i = node_block(g, node)->first; i; i = i->next) {
        if (i->onerr != IR_NO_BLOCK && i->op != IR_CALL)
            add_to(g, out, block_node(g, func, i->onerr));
        last = i;
    }
    if (!last)
        return;
    switch (last->op) {
    case IR_JUMP:
        add_to(g, out, block_node(g, func, last->to[0]));
        break;
    case IR_BRANCH:
        add_to(g, out, block_node(g, func, last->to[1]));
        add_to(g, out, block_node(g, func, last->to[0]));
        break;
    case IR_CALL:
        add_to(g, out, block_node(g, (uint32_t)last->imm, 0));
        break;
    case IR_RET:
        add_to(g, out, ret_node(g, func, last->imm != 0));
        break;
    default:
        break;
    }
}

static void add_site(struct cg_gen *g, uint32_t node, const struct ir_ins *call)
{
    uint32_t id = 0, func = g->nodes[node].func;

    for (uint32_t k = 0; k < g->n_sites; k++)
        id += g->sites[k].callee == (uint32_t)call->imm;
    g->sites = arena_grow(g->c->cx->arena, g->sites, g->n_sites, sizeof(*g->sites));
    g->sites[g->n_sites++] = (struct cg_site){
        .callee = (uint32_t)call->imm,
        .id = id,
        .to = block_node(g, func, call->to[0]),
        .onerr = block_node(g, func, call->onerr),
        .from = node,
    };
}

static void reach_node(struct cg_gen *g, struct list *work, uint32_t node)
{
    if (g->nodes[node].reached)
        return;
    g->nodes[node].reached = true;
    append(g, work, node);
}

/* Marks what is reached from the entry. A return reaches what follows every call found so far;
 * calls found later add to the work. */
static void reach(struct cg_gen *g, uint32_t entry)
{
    struct list work = {0}, next = {0};

    reach_node(g, &work, entry);
    for (uint32_t done = 0; done < work.n; done++) {
        uint32_t node = work.v[done];

        if (node < g->n_block_nodes) {
            const struct ir_ins *last = node_block(g, node)->last;

            for (const struct ir_ins *i = node_block(g, node)->first; i; i = i->next) {
                g->reads |= i->op == IR_READ && !i->space;
                g->places |= i->op == IR_MODADDR;
            }
            if (last->op == IR_CALL) {
                add_site(g, node, last);
                for (int error = 0; error < 2; error++) {
                    uint32_t ret = ret_node(g, (uint32_t)last->imm, error);

                    if (g->nodes[ret].reached)
                        reach_node(g, &work,
                                   error ? block_node(g, g->nodes[node].func, last->onerr)
                                         : block_node(g, g->nodes[node].func, last->to[0]));
                }
            }
        }
        successors(g, node, &next);
        for (uint32_t k = 0; k < next.n; k++)
            reach_node(g, &work, next.v[k]);
    }
}

struct visit {
    uint32_t node, at;
    struct list next;
};

/* Depth first: edges to a node that is being visited go back; the order is the reverse of leaving.
 */
static void order_nodes(struct cg_gen *g, uint32_t entry)
{
    struct arena *a = g->c->cx->arena;
    uint8_t *state = ARENA_ARRAY(a, uint8_t, g->n_nodes); /* 1: being visited, 2: left */
    struct visit *stack = ARENA_ARRAY(a, struct visit, g->n_nodes + 1);
    uint32_t depth = 0;

    g->order = ARENA_ARRAY(a, uint32_t, g->n_nodes);
    stack[depth++] = (struct visit){.node = entry};
    state[entry] = 1;
    successors(g, entry, &stack[0].next);
    while (depth) {
        struct visit *v = &stack[depth - 1];

        if (v->at == v->next.n) {
            state[v->node] = 2;
            g->order[g->n_order++] = v->node;
            depth--;
            continue;
        }
        uint32_t to = v->next.v[v->at++];

        if (state[to] == 1) {
            g->backs = arena_grow(a, g->backs, g->n_backs, sizeof(*g->backs));
            g->backs[g->n_backs][0] = v->node;
            g->backs[g->n_backs++][1] = to;
        } else if (state[to] == 0) {
            state[to] = 1;
            stack[depth] = (struct visit){.node = to};
            successors(g, to, &stack[depth++].next);
        }
    }
    for (uint32_t k = 0; k < g->n_order / 2; k++) {
        uint32_t t = g->order[k];

        g->order[k] = g->order[g->n_order - 1 - k];
        g->order[g->n_order - 1 - k] = t;
    }
}

/*
 * The handler and what it calls get nodes, other functions none: what a handler costs must not depend on how many
 * there are. The two tables of all functions are the unit's; what is in them of other handlers is not read.
 */
static void number_nodes(struct cg_gen *g)
{
    struct cg *c = g->c;
    const struct ir_unit *u = c->u;
    struct list funcs = {0};
    uint32_t n = 0;

    if (!c->func_base) {
        c->func_base = ARENA_ARRAY(c->cx->arena, uint32_t, u->n_funcs);
        c->func_index = ARENA_ARRAY(c->cx->arena, uint32_t, u->n_funcs);
    }
    add_to(g, &funcs, g->probe->func);
    for (uint32_t k = 0; k < funcs.n; k++) {
        const struct ir_func *f = u->funcs[funcs.v[k]];

        c->func_base[f->id] = n;
        c->func_index[f->id] = k;
        n += f->n_blocks;
        for (uint32_t b = 0; b < f->n_blocks; b++)
            if (f->blocks[b]->last && f->blocks[b]->last->op == IR_CALL)
                add_to(g, &funcs, (uint32_t)f->blocks[b]->last->imm);
    }
    g->func_ids = funcs.v;
    g->n_block_nodes = n;
    g->n_nodes = n + 2 * funcs.n;
    g->nodes = ARENA_ARRAY(c->cx->arena, struct cg_node, g->n_nodes);
    for (uint32_t k = 0; k < funcs.n; k++)
        for (uint32_t b = 0; b < u->funcs[funcs.v[k]]->n_blocks; b++)
            g->nodes[block_node(g, funcs.v[k], b)] =
                (struct cg_node){.func = funcs.v[k], .block = b};
    for (uint32_t k = 0; k < g->n_nodes; k++)
        g->nodes[k].label = cg_label(&g->s);
}

bool cg_flow(struct cg_gen *g)
{
    uint32_t entry, pc = 1;

    number_nodes(g);
    entry = block_node(g, g->probe->func, 0);
    reach(g, entry);
    order_nodes(g, entry);
    if (g->loops == CG_LOOP_MAY_GOTO)
        for (uint32_t k = 0; k < g->n_backs; k++)
            g->nodes[g->backs[k][1]].head = true;
    if (g->loops == CG_LOOP_PLAIN || g->loops == CG_LOOP_MAY_GOTO)
        g->n_backs = 0; /* plain jumps */
    if (g->loops == CG_LOOP_CALLBACK || g->loops == CG_LOOP_FOR_EACH) {
        g->in_callback = g->n_backs != 0;
        g->nodes[entry].pc = pc;
        for (uint32_t k = 0; k < g->n_backs; k++)
            if (!g->nodes[g->backs[k][1]].pc)
                g->nodes[g->backs[k][1]].pc = ++pc;
        g->n_pcs = pc;
    }
    return true;
}

/* ---- edges ---- */

static bool goes_back(const struct cg_gen *g, uint32_t from, uint32_t to)
{
    for (uint32_t k = 0; k < g->n_backs; k++)
        if (g->backs[k][0] == from && g->backs[k][1] == to)
            return true;
    return false;
}

static bool is_next(const struct cg_gen *g, uint32_t node)
{
    return g->next == node && !g->nodes[node].written;
}

void cg_back_edge(struct cg_gen *g, uint32_t node)
{
    cg_sti(&g->s, BPF_DW, R9, offsetof(struct ngs_frame, pc), (int32_t)g->nodes[node].pc);
    cg_movi(&g->s, R0, 0);
    cg_exit(&g->s);
}

uint32_t cg_edge(struct cg_gen *g, uint32_t to)
{
    g->nodes[to].wanted = true;
    if (!goes_back(g, g->node, to))
        return g->nodes[to].label;
    for (uint32_t k = 0; k < g->n_stubs; k++)
        if (g->stubs[k].kind == CG_STUB_BACK && g->stubs[k].node == to)
            return g->stubs[k].label;
    return cg_new_stub(g, (struct cg_stub){.kind = CG_STUB_BACK, .node = to});
}

uint32_t cg_edge_block(struct cg_gen *g, uint32_t block)
{
    return cg_edge(g, block_node(g, g->nodes[g->node].func, block));
}

void cg_jump_edge(struct cg_gen *g, uint32_t to)
{
    g->nodes[to].wanted = true;
    if (goes_back(g, g->node, to))
        cg_back_edge(g, to);
    else if (!is_next(g, to))
        cg_ja(&g->s, g->nodes[to].label);
}

/* ---- terminators ---- */

static int inverse(int op)
{
    switch (op) {
    case BPF_JEQ:
        return BPF_JNE;
    case BPF_JNE:
        return BPF_JEQ;
    case BPF_JSLT:
        return BPF_JSGE;
    case BPF_JSLE:
        return BPF_JSGT;
    case BPF_JSGT:
        return BPF_JSLE;
    case BPF_JSGE:
        return BPF_JSLT;
    case BPF_JLT:
        return BPF_JGE;
    case BPF_JLE:
        return BPF_JGT;
    case BPF_JGT:
        return BPF_JLE;
    case BPF_JGE:
        return BPF_JLT;
    }
    return 0; /* JSET has none */
}

static void write_branch(struct cg_gen *g, const struct ir_ins *i)
{
    int op = cg_bpf_cond(i->cond);
    uint32_t func = g->nodes[g->node].func;
    uint32_t yes = block_node(g, func, i->to[0]), no = block_node(g, func, i->to[1]);
    bool imm = cg_is_imm32(i->b);
    int b = imm ? 0 : cg_use(g, i->b), a = cg_use(g, i->a);

    if (inverse(op) && is_next(g, yes) && !goes_back(g, g->node, yes)) {
        uint32_t t = yes;

        op = inverse(op);
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

    for (uint32_t k = 0; k < g->n_sites; k++)
        if (g->sites[k].from == g->node)
            cg_sti_far(&g->s, BPF_DW, R9, callee->ret_off, (int32_t)g->sites[k].id, R1);
    cg_jump_edge(g, block_node(g, (uint32_t)i->imm, 0));
}

static void write_terminator(struct cg_gen *g, const struct ir_ins *i)
{
    uint32_t func = g->nodes[g->node].func;

    switch (i->op) {
    case IR_JUMP:
        cg_jump_edge(g, block_node(g, func, i->to[0]));
        break;
    case IR_BRANCH:
        write_branch(g, i);
        break;
    case IR_CALL:
        write_call(g, i);
        break;
    case IR_RET:
        cg_jump_edge(g, ret_node(g, func, i->imm != 0));
        break;
    case IR_DONE:
        if (i->imm) {
            g->need_report = true;
            cg_ja(&g->s, g->l_report);
        } else {
            cg_ja(&g->s, g->l_done);
        }
        break;
    case IR_RAISE:
        if (g->user)
            cg_u_raise(g, i);
        else
            cg_k_raise(g, i);
        break;
    default:
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
    uint32_t func = ret_func(g, node), n = 0;
    bool error = (node - g->n_block_nodes) & 1;
    struct choice *c = ARENA_ARRAY(g->c->cx->arena, struct choice, g->n_sites + 1);

    for (uint32_t k = 0; k < g->n_sites; k++)
        if (g->sites[k].callee == func)
            c[n++] = (struct choice){(int32_t)g->sites[k].id,
                                     error ? g->sites[k].onerr : g->sites[k].to};
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
    struct choice *c = ARENA_ARRAY(g->c->cx->arena, struct choice, g->n_nodes);
    uint32_t n = 0;

    for (uint32_t pc = 1; pc <= g->n_pcs; pc++)
        for (uint32_t k = 0; k < g->n_nodes; k++)
            if (g->nodes[k].pc == pc) {
                g->nodes[k].wanted = true;
                c[n++] = (struct choice){(int32_t)pc, g->nodes[k].label};
            }
    cg_ldx(&g->s, BPF_DW, R1, R9, offsetof(struct ngs_frame, pc));
    choose(g, R1, c, n);
}

/* ---- blocks ---- */

static void write_block(struct cg_gen *g, uint32_t node)
{
    const struct ir_unit *u = g->c->u;
    const struct ir_func *f = u->funcs[g->nodes[node].func];
    const struct ir_block *b = node_block(g, node);

    cg_block_begin(g, f, b);
    for (const struct ir_ins *i = b->first; i; i = i->next) {
        const struct cg_op *op = &cg_ops[i->op];
        cg_op_fn fn = g->user ? op->user : op->kernel;

        cg_mark(&g->s, u->locs[i->loc].at);
        cg_ins_begin(g, i);
        if (ir_op_flags(i->op) & IRF_TERM)
            write_terminator(g, i);
        else if (fn)
            fn(g, i);
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
    uint32_t max_temps = 0;

    for (uint32_t f = 0; f < g->c->u->n_funcs; f++)
        if (g->c->u->funcs[f]->n_temps > max_temps)
            max_temps = g->c->u->funcs[f]->n_temps;
    g->temps = ARENA_ARRAY(g->c->cx->arena, struct cg_temp, max_temps + 1);
    g->nodes[g->order[0]].wanted = true;
    for (bool again = true; again;) { /* once is enough, but for what only a jump back wants */
        again = false;
        for (uint32_t k = 0; k < g->n_order; k++) {
            struct cg_node *n = &g->nodes[g->order[k]];

            if (n->written || !n->wanted)
                continue;
            n->written = again = true;
            g->node = g->order[k];
            g->next = k + 1 < g->n_order ? g->order[k + 1] : g->n_nodes;
            cg_bind(&g->s, n->label);
            if (n->head)
                write_head(g);
            if (g->node < g->n_block_nodes)
                write_block(g, g->node);
            else
                write_return(g, g->node);
        }
    }
    cg_write_stubs(g);
}
