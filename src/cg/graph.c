/*
 * graph: finds the graph of a handler's blocks. Enters: a handler; leaves: nodes, call sites, the
 * order of emission, which edges go back.
 *
 * The verifier must be able to follow every path to its end, so each edge that closes a cycle (also
 * the call of a function that has been left before: its body is the same code) is encoded by what
 * the kernel has: may_goto, in front of each block that such an edge goes to: a jump that the
 * kernel takes when a handler has run too long. There, and not where the edge starts, since the
 * verifier ends a walk that comes back to a may_goto with nothing new (is_state_visited), and so
 * walks no block a second time; a loop callback: store the id of the block to go on with, return 0,
 * and the callback, called again by bpf_loop or bpf_for_each_map_elem, dispatches on it.
 */
#include "cg/graph.h"
#include "cg/syscall.h"

#include "base/arena.h"

uint32_t cg_return_node(const struct cg_gen *g, uint32_t func, bool error)
{
    return g->graph->n_block_nodes + 2 * g->c->func_index[func] + error;
}

uint32_t cg_return_func(const struct cg_gen *g, uint32_t node, bool *error)
{
    uint32_t k = node - g->graph->n_block_nodes;

    *error = k & 1;
    return g->graph->func_ids[k / 2];
}

uint32_t cg_block_node(const struct cg_gen *g, uint32_t func, uint32_t block)
{
    return g->c->func_base[func] + block;
}

struct ir_block *cg_node_block(const struct cg_gen *g, uint32_t node)
{
    const struct cg_node *n = &g->graph->nodes[node];

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
    if (node >= g->graph->n_block_nodes) {
        bool error;
        uint32_t func = cg_return_func(g, node, &error);

        for (uint32_t k = 0; k < g->graph->n_sites; k++)
            if (g->graph->sites[k].callee == func)
                add_to(g, out, error ? g->graph->sites[k].onerr : g->graph->sites[k].to);
        return;
    }
    uint32_t func = g->graph->nodes[node].func;
    const struct ir_ins *last = NULL;

    for (const struct ir_ins *i = cg_node_block(g, node)->first; i; i = i->next) {
        if (i->onerr != IR_NO_BLOCK && i->op != IR_CALL)
            add_to(g, out, cg_block_node(g, func, i->onerr));
        last = i;
    }
    if (!last)
        return;
    switch (last->op) {
    case IR_JUMP:
        add_to(g, out, cg_block_node(g, func, last->to[0]));
        break;
    case IR_BRANCH:
        add_to(g, out, cg_block_node(g, func, last->to[1]));
        add_to(g, out, cg_block_node(g, func, last->to[0]));
        break;
    case IR_CALL:
        add_to(g, out, cg_block_node(g, (uint32_t)last->imm, 0));
        break;
    case IR_RET:
        add_to(g, out, cg_return_node(g, func, last->imm != 0));
        break;
    default:
        break;
    }
}

static void add_site(struct cg_gen *g, uint32_t node, const struct ir_ins *call)
{
    uint32_t id = 0, func = g->graph->nodes[node].func;

    for (uint32_t k = 0; k < g->graph->n_sites; k++)
        id += g->graph->sites[k].callee == (uint32_t)call->imm;
    g->graph->sites =
        arena_grow(g->c->cx->arena, g->graph->sites, g->graph->n_sites, sizeof(*g->graph->sites));
    g->graph->sites[g->graph->n_sites++] = (struct cg_call_site){
        .callee = (uint32_t)call->imm,
        .id = id,
        .to = cg_block_node(g, func, call->to[0]),
        .onerr = cg_block_node(g, func, call->onerr),
        .from = node,
    };
}

/* What is to stay together: in user space a handler that goes on prints, too. */
static bool sends(const struct ir_ins *i)
{
    return i->op == IR_PRINT || i->op == IR_WARN || i->op == IR_HANDOVER;
}

static void reach_node(struct cg_gen *g, struct list *work, uint32_t node)
{
    if (g->graph->nodes[node].reached)
        return;
    g->graph->nodes[node].reached = true;
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

        if (node < g->graph->n_block_nodes) {
            const struct ir_ins *last = cg_node_block(g, node)->last;

            for (const struct ir_ins *i = cg_node_block(g, node)->first; i; i = i->next) {
                g->graph->reads |= !i->space && (i->op == IR_READ || (i->op == IR_SREAD && i->imm));
                g->graph->walks |= i->op == IR_CONTEXT && i->imm == NGS_CTX_UNWIND;
                g->graph->walks_kernel |= ir_walks_kernel(i);
                g->graph->stacks |= ir_makes_stack(i);
                g->graph->modules |= i->op == IR_MODADDR && !cg_is_kernel(g->c, i);
                g->graph->calls |= cg_asks_call(g, i);
                g->graph->sends |= sends(i);
            }
            if (last->op == IR_CALL) {
                add_site(g, node, last);
                for (int error = 0; error < 2; error++) {
                    uint32_t ret = cg_return_node(g, (uint32_t)last->imm, error);

                    if (g->graph->nodes[ret].reached)
                        reach_node(g, &work,
                                   error
                                       ? cg_block_node(g, g->graph->nodes[node].func, last->onerr)
                                       : cg_block_node(g, g->graph->nodes[node].func, last->to[0]));
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
    uint8_t *state = ARENA_ARRAY(a, uint8_t, g->graph->n_nodes); /* 1: being visited, 2: left */
    struct visit *stack = ARENA_ARRAY(a, struct visit, g->graph->n_nodes + 1);
    uint32_t depth = 0;

    g->graph->order = ARENA_ARRAY(a, uint32_t, g->graph->n_nodes);
    stack[depth++] = (struct visit){.node = entry};
    state[entry] = 1;
    successors(g, entry, &stack[0].next);
    while (depth) {
        struct visit *v = &stack[depth - 1];

        if (v->at == v->next.n) {
            state[v->node] = 2;
            g->graph->order[g->graph->n_order++] = v->node;
            depth--;
            continue;
        }
        uint32_t to = v->next.v[v->at++];

        if (state[to] == 1) {
            g->graph->backs =
                arena_grow(a, g->graph->backs, g->graph->n_backs, sizeof(*g->graph->backs));
            g->graph->backs[g->graph->n_backs][0] = v->node;
            g->graph->backs[g->graph->n_backs++][1] = to;
        } else if (state[to] == 0) {
            state[to] = 1;
            stack[depth] = (struct visit){.node = to};
            successors(g, to, &stack[depth++].next);
        }
    }
    for (uint32_t k = 0; k < g->graph->n_order / 2; k++) {
        uint32_t t = g->graph->order[k];

        g->graph->order[k] = g->graph->order[g->graph->n_order - 1 - k];
        g->graph->order[g->graph->n_order - 1 - k] = t;
    }
}

/* Does I, or what follows it in its block? */
static bool prints(const struct ir_ins *i)
{
    while (i && !sends(i))
        i = i->next;
    return i;
}

static void find_prints(struct cg_gen *g)
{
    struct cg_graph *graph = g->graph;
    struct list next = {0};

    for (bool changed = true; changed;) {
        changed = false;
        for (uint32_t k = graph->n_order; k-- > 0;) {
            uint32_t node = graph->order[k];
            struct cg_node *n = &graph->nodes[node];

            if (n->prints_after)
                continue;
            successors(g, node, &next);
            for (uint32_t to = 0; to < next.n; to++)
                n->prints_after |= graph->nodes[next.v[to]].prints;
            bool now = n->prints_after ||
                       (node < graph->n_block_nodes && prints(cg_node_block(g, node)->first));

            changed |= now != n->prints;
            n->prints = now;
        }
    }
}

bool cg_prints_after(const struct cg_gen *g, const struct ir_ins *i)
{
    return prints(i->next) || g->graph->nodes[g->graph->node].prints_after;
}

/*
 * The handler and what it calls get nodes, other functions none: what a handler costs must not
 * depend on how many there are. So the two tables of all functions are the unit's.
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
    add_to(g, &funcs, g->func);
    for (uint32_t k = 0; k < funcs.n; k++) {
        const struct ir_func *f = u->funcs[funcs.v[k]];

        c->func_base[f->id] = n;
        c->func_index[f->id] = k;
        n += f->n_blocks;
        for (uint32_t b = 0; b < f->n_blocks; b++)
            if (f->blocks[b]->last && f->blocks[b]->last->op == IR_CALL)
                add_to(g, &funcs, (uint32_t)f->blocks[b]->last->imm);
    }
    g->graph->func_ids = funcs.v;
    g->graph->n_block_nodes = n;
    g->graph->n_nodes = n + 2 * funcs.n;
    g->graph->nodes = ARENA_ARRAY(c->cx->arena, struct cg_node, g->graph->n_nodes);
    for (uint32_t k = 0; k < funcs.n; k++)
        for (uint32_t b = 0; b < u->funcs[funcs.v[k]]->n_blocks; b++)
            g->graph->nodes[cg_block_node(g, funcs.v[k], b)] =
                (struct cg_node){.func = funcs.v[k], .block = b};
    for (uint32_t k = 0; k < g->graph->n_nodes; k++)
        g->graph->nodes[k].label = cg_label(&g->s);
}

void cg_graph_make(struct cg_gen *g)
{
    uint32_t entry, pc = 1;

    g->graph = ARENA_NEW(g->c->cx->arena, struct cg_graph);
    number_nodes(g);
    entry = cg_block_node(g, g->func, 0);
    reach(g, entry);
    order_nodes(g, entry);
    if (g->graph->sends)
        find_prints(g);
    if (g->loops == CG_LOOP_MAY_GOTO)
        for (uint32_t k = 0; k < g->graph->n_backs; k++)
            g->graph->nodes[g->graph->backs[k][1]].head = true;
    if (g->loops == CG_LOOP_PLAIN || g->loops == CG_LOOP_MAY_GOTO)
        g->graph->n_backs = 0; /* plain jumps */
    if (g->loops == CG_LOOP_CALLBACK || g->loops == CG_LOOP_FOR_EACH) {
        g->graph->in_callback = g->graph->n_backs != 0;
        g->graph->nodes[entry].pc = pc;
        for (uint32_t k = 0; k < g->graph->n_backs; k++)
            if (!g->graph->nodes[g->graph->backs[k][1]].pc)
                g->graph->nodes[g->graph->backs[k][1]].pc = ++pc;
        g->graph->n_pcs = pc;
    }
}

bool cg_goes_back(const struct cg_gen *g, uint32_t from, uint32_t to)
{
    for (uint32_t k = 0; k < g->graph->n_backs; k++)
        if (g->graph->backs[k][0] == from && g->graph->backs[k][1] == to)
            return true;
    return false;
}
