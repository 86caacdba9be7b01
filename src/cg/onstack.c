/*
 * onstack: a small handler's frame on BPF's stack. Enters: code that was written for a frame at r9;
 * leaves: the same instructions with each word and area that they use at a place below r10. Refuses
 * loops, calls of functions, strings, reads of memory, and what needs too much.
 *
 * The verifier follows what lies on the stack: with few blocks and no loop that costs it nothing.
 */
#include "cg/onstack.h"

#include <stddef.h>

#include "cg/graph.h"

enum {
    NODES_MAX = 32,
    AREA_MAX = 192, /* bytes; the library's functions need room below */
    AREA_TOP = -16, /* CG_STACK0 and CG_STACK1 are the prologue's */
    WORDS_MAX = AREA_MAX / 8
};

/* ---- who may ---- */

/* Has the array keys and values that fit? */
static bool is_small(const struct cg_gen *g, const struct ir_ins *i)
{
    const struct ir_map *m = &g->c->u->maps[i->map];

    for (uint32_t k = 0; k < m->n_keys; k++)
        if (m->key_types[k] != OBJ_LONG)
            return false;
    return m->val_type != OBJ_STRING && m->rec.key_size + m->rec.value_size <= AREA_MAX / 2;
}

static bool is_plain(const struct cg_gen *g, const struct ir_ins *i)
{
    switch (i->op) {
    case IR_CONST:
    case IR_ADD:
    case IR_SUB:
    case IR_MUL:
    case IR_DIV:
    case IR_MOD:
    case IR_AND:
    case IR_OR:
    case IR_XOR:
    case IR_SHL:
    case IR_SHR:
    case IR_USHR:
    case IR_SEXT:
    case IR_ZEXT:
    case IR_SET:
    case IR_LOAD:
    case IR_STORE:
    case IR_GLOAD:
    case IR_GSTORE:
    case IR_GADD:
    case IR_GSTAT:
    case IR_GSTATGET:
    case IR_GCLEAR:
    case IR_BUDGET:
    case IR_CHARGE:
    case IR_JUMP:
    case IR_BRANCH:
    case IR_DONE:
        return true;
    case IR_MGET:
    case IR_MHAS:
    case IR_MSET:
    case IR_MADD:
    case IR_MSTAT:
    case IR_MSTATGET:
    case IR_MDEL:
        return is_small(g, i);
    case IR_CONTEXT:
        return i->imm != NGS_CTX_TARGET && !ir_walks_kernel(i) && !ir_makes_stack(i);
    default:
        return false;
    }
}

void cg_choose_stack(struct cg_gen *g)
{
    const struct cg_graph *graph = g->graph;
    int64_t actions = 0;

    g->on_stack = g->unlimited = false;
    if (graph->in_callback || graph->calls || graph->modules || graph->n_sites ||
        graph->n_order > NODES_MAX)
        return;
    for (uint32_t k = 0; k < graph->n_order; k++) {
        if (graph->nodes[graph->order[k]].head || graph->order[k] >= graph->n_block_nodes)
            return;
        const struct ir_block *b = cg_node_block(g, graph->order[k]);

        for (const struct ir_ins *i = b->first; i; i = i->next) {
            if (!is_plain(g, i))
                return;
            if ((i->op == IR_BUDGET || i->op == IR_CHARGE) && i->imm > 0)
                actions += i->imm;
        }
    }
    g->on_stack = true;
    g->unlimited = actions <= (int64_t)g->c->cx->limits.maxaction;
}

/* ---- moving ---- */

/* Offsets in the frame and on the stack of what has been met. */
struct area {
    const struct ir_unit *u;
    uint32_t from[WORDS_MAX], size[WORDS_MAX];
    int to[WORDS_MAX];
    uint32_t n;
    int end; /* of what is taken so far */
};

/* The area of the frame that OFF is in; false: it is but a word. */
static bool area_of(const struct ir_unit *u, uint32_t off, uint32_t *from, uint32_t *size)
{
    if (off >= u->frame_key && off < u->frame_texts) {
        *from = u->frame_key;
        *size = u->frame_texts - u->frame_key;
        return true;
    }
    if (off >= u->frame_val && off < u->frame_stack) {
        *from = u->frame_val;
        *size = u->frame_stack - u->frame_val;
        return true;
    }
    *from = off & ~7u;
    *size = 8;
    return false;
}

/*
 * OFF's place on the stack; 0: there is no room. ADDRESS: more than a word may be meant, and only
 * of a key and a value it is known how much.
 */
static int place(struct area *a, uint32_t off, bool address)
{
    uint32_t from, size;

    if (!area_of(a->u, off, &from, &size) && address)
        return 0;
    for (uint32_t k = 0; k < a->n; k++)
        if (a->from[k] == from)
            return a->to[k] + (int)(off - from);
    if (a->n == WORDS_MAX || size > AREA_MAX || a->end - (int)size < AREA_TOP - AREA_MAX)
        return 0;
    a->end -= (int)size;
    a->from[a->n] = from;
    a->size[a->n] = size;
    a->to[a->n++] = a->end;
    return a->end + (int)(off - from);
}

static bool move(struct area *a, struct bpf_insn *v, uint32_t left)
{
    int class = BPF_CLASS(v->code);
    bool load = class == BPF_LDX, store = class == BPF_ST || class == BPF_STX;
    int at;

    if ((load && v->src_reg == R9) || (store && v->dst_reg == R9 && v->src_reg != R9)) {
        at = v->off >= 0 ? place(a, (uint32_t)v->off, false) : 0;
        v->off = (int16_t)at;
        if (load)
            v->src_reg = R10;
        else
            v->dst_reg = R10;
        return at != 0;
    }
    if (v->code == (BPF_ALU64 | BPF_MOV | BPF_X) && v->src_reg == R9) { /* cg_addr */
        if (left < 2 || v[1].code != (BPF_ALU64 | (BPF_ADD | BPF_K)) ||
            v[1].dst_reg != v->dst_reg || v[1].imm < 0)
            return false;
        at = place(a, (uint32_t)v[1].imm, true);
        v->src_reg = R10;
        v[1].imm = at;
        return at != 0;
    }
    return v->src_reg != R9 && v->dst_reg != R9;
}

bool cg_move_to_stack(struct cg_gen *g)
{
    struct area a = {.u = g->c->u, .end = AREA_TOP};
    struct cg_asm *s = &g->s;

    for (uint32_t k = 0; k < s->n; k++) {
        if (s->v[k].code == (BPF_LD | BPF_IMM | BPF_DW)) {
            k++; /* two instructions long */
            continue;
        }
        if (!move(&a, &s->v[k], s->n - k))
            return false;
    }
    return true;
}
