/*
 * simplify: folds constants, drops what computes an unused value, follows jumps to jumps, removes
 * blocks that nothing reaches, and marks loop heads. Enters and leaves a valid unit. It never
 * removes an instruction that can fail or be seen from outside.
 */
#include "ir/ir.h"

#include <string.h>

/* ---- constants within a block ---- */

static bool fold_cond(enum ir_cond cond, int64_t a, int64_t b)
{
    switch (cond) {
    case IR_EQ:
        return a == b;
    case IR_NE:
        return a != b;
    case IR_LT:
        return a < b;
    case IR_LE:
        return a <= b;
    case IR_GT:
        return a > b;
    case IR_GE:
        return a >= b;
    }
    return false;
}

static int64_t extend(int64_t v, int64_t bytes, bool is_signed)
{
    if (bytes >= 8 || bytes <= 0)
        return v;
    unsigned shift = 64 - (unsigned)bytes * 8;

    return is_signed ? (int64_t)((uint64_t)v << shift) >> shift
                     : (int64_t)(((uint64_t)v << shift) >> shift);
}

/* The value of a pure operation on constants; false when it is none. */
static bool fold(const struct ir_ins *i, int64_t *out)
{
    uint64_t a = (uint64_t)i->a.imm, b = (uint64_t)i->b.imm;

    switch (i->op) {
    case IR_CONST:
        *out = i->imm;
        return true;
    case IR_ADD:
        *out = (int64_t)(a + b);
        return true;
    case IR_SUB:
        *out = (int64_t)(a - b);
        return true;
    case IR_MUL:
        *out = (int64_t)(a * b);
        return true;
    case IR_AND:
        *out = (int64_t)(a & b);
        return true;
    case IR_OR:
        *out = (int64_t)(a | b);
        return true;
    case IR_XOR:
        *out = (int64_t)(a ^ b);
        return true;
    case IR_SHL:
        *out = (int64_t)(a << (b & 63));
        return true;
    case IR_USHR:
        *out = (int64_t)(a >> (b & 63));
        return true;
    case IR_SHR:
        *out = (int64_t)a >> (b & 63);
        return true;
    case IR_SEXT:
        *out = extend((int64_t)a, i->imm, true);
        return true;
    case IR_ZEXT:
        *out = extend((int64_t)a, i->imm, false);
        return true;
    case IR_SET:
        *out = fold_cond(i->cond, (int64_t)a, (int64_t)b);
        return true;
    case IR_DIV:
    case IR_MOD:
        if (!b)
            return false;
        if (b == UINT64_MAX)
            *out = i->op == IR_DIV ? (int64_t)(0 - a) : 0;
        else
            *out = i->op == IR_DIV ? (int64_t)a / (int64_t)b : (int64_t)a % (int64_t)b;
        return true;
    default:
        return false;
    }
}

static bool is_const(struct ir_val v)
{
    return v.kind == IRV_IMM || v.kind == IRV_NONE;
}

/* x + 0, x * 1, x << 0 ...: the operand that stands for the result, or NULL. */
static const struct ir_val *identity(const struct ir_ins *i)
{
    bool a0 = i->a.kind == IRV_IMM && !i->a.imm, b0 = i->b.kind == IRV_IMM && !i->b.imm;

    switch (i->op) {
    case IR_ADD:
    case IR_OR:
    case IR_XOR:
        return b0 ? &i->a : a0 ? &i->b : NULL;
    case IR_SUB:
    case IR_SHL:
    case IR_SHR:
    case IR_USHR:
        return b0 ? &i->a : NULL;
    case IR_MUL:
        if (i->b.kind == IRV_IMM && i->b.imm == 1)
            return &i->a;
        return i->a.kind == IRV_IMM && i->a.imm == 1 ? &i->b : NULL;
    default:
        return NULL;
    }
}

static void replace_int(const struct ir_val *known, struct ir_val *v)
{
    if (v->kind == IRV_TEMP && known[v->id].kind)
        *v = known[v->id];
}

static void fold_func(struct ir_unit *u, struct ir_func *f)
{
    struct ir_val *known = ARENA_ARRAY(u->cx->arena, struct ir_val, f->n_temps + 1);

    for (uint32_t n = 0; n < f->n_blocks; n++)
        for (struct ir_ins *i = f->blocks[n]->first; i; i = i->next) {
            int64_t value;

            replace_int(known, &i->a);
            replace_int(known, &i->b);
            for (uint32_t k = 0; k < i->n_args; k++)
                replace_int(known, &i->args[k]);
            if (i->op == IR_BRANCH && is_const(i->a) && is_const(i->b)) {
                i->to[0] = i->to[fold_cond(i->cond, i->a.imm, i->b.imm) ? 0 : 1];
                i->to[1] = IR_NO_BLOCK;
                i->op = IR_JUMP;
                i->a = i->b = IR_NONE;
            } else if (i->dst && is_const(i->a) && is_const(i->b) && fold(i, &value)) {
                known[i->dst] = IR_IMM(value);
                i->op = IR_CONST;
                i->imm = value;
                i->a = i->b = IR_NONE;
                i->onerr = IR_NO_BLOCK;
            } else if (i->dst) {
                const struct ir_val *same = identity(i);

                if (same)
                    known[i->dst] = *same;
            }
        }
}

/* ---- unused values ---- */

static bool has_effect(const struct ir_ins *i)
{
    unsigned flags = ir_op_flags(i->op);

    if (!(flags & IRF_DST) || (flags & (IRF_TERM | IRF_USER)))
        return true;
    if (i->op == IR_GADD || i->op == IR_MADD)
        return true;
    if (i->op == IR_CONTEXT) /* a walk is for what is asked behind it */
        return i->imm == NGS_CTX_UNWIND || i->imm == NGS_CTX_UNWIND_ON || ir_makes_stack(i);
    return flags & IRF_FAILS;
}

static void count_uses(uint32_t *uses, const struct ir_ins *i, int by)
{
    if (i->a.kind == IRV_TEMP)
        uses[i->a.id] += (uint32_t)by;
    if (i->b.kind == IRV_TEMP)
        uses[i->b.id] += (uint32_t)by;
    for (uint32_t k = 0; k < i->n_args; k++)
        if (i->args[k].kind == IRV_TEMP)
            uses[i->args[k].id] += (uint32_t)by;
}

static void drop_unused(struct ir_unit *u, struct ir_func *f)
{
    uint32_t *uses = ARENA_ARRAY(u->cx->arena, uint32_t, f->n_temps + 1);

    for (uint32_t n = 0; n < f->n_blocks; n++)
        for (struct ir_ins *i = f->blocks[n]->first; i; i = i->next)
            count_uses(uses, i, 1);
    for (bool again = true; again;) {
        again = false;
        for (uint32_t n = 0; n < f->n_blocks; n++) {
            struct ir_block *b = f->blocks[n];
            struct ir_ins **link = &b->first;

            b->last = NULL;
            while (*link) {
                struct ir_ins *i = *link;

                if (i->dst && !uses[i->dst] && !has_effect(i)) {
                    count_uses(uses, i, -1);
                    *link = i->next;
                    again = true;
                } else {
                    b->last = i;
                    link = &i->next;
                }
            }
        }
    }
}

/* ---- control flow ---- */

/* Where control ends up that goes to block ID: past blocks that only jump on. */
static uint32_t follow(const struct ir_func *f, uint32_t id)
{
    for (uint32_t hops = 0; hops < f->n_blocks; hops++) {
        const struct ir_ins *i = f->blocks[id]->first;

        if (i->op != IR_JUMP || i->to[0] == id)
            break;
        id = i->to[0];
    }
    return id;
}

static void thread_jumps(struct ir_func *f)
{
    for (uint32_t n = 0; n < f->n_blocks; n++)
        for (struct ir_ins *i = f->blocks[n]->first; i; i = i->next) {
            for (int k = 0; k < 2; k++)
                if (i->to[k] != IR_NO_BLOCK)
                    i->to[k] = follow(f, i->to[k]);
            if (i->onerr != IR_NO_BLOCK)
                i->onerr = follow(f, i->onerr);
            if (i->op == IR_BRANCH && i->to[0] == i->to[1]) {
                i->op = IR_JUMP;
                i->to[1] = IR_NO_BLOCK;
                i->a = i->b = IR_NONE;
            }
        }
}

/* Joins a block to its only predecessor when that one does nothing but jump to it at its end. */
static void merge_blocks(struct ir_unit *u, struct ir_func *f)
{
    uint32_t *preds = ARENA_ARRAY(u->cx->arena, uint32_t, f->n_blocks);

    preds[0] = 2; /* the entry stays */
    for (uint32_t n = 0; n < f->n_blocks; n++)
        for (struct ir_ins *i = f->blocks[n]->first; i; i = i->next) {
            for (int k = 0; k < 2; k++)
                if (i->to[k] != IR_NO_BLOCK)
                    preds[i->to[k]]++;
            if (i->onerr != IR_NO_BLOCK)
                preds[i->onerr] += 2;
        }
    for (uint32_t n = 0; n < f->n_blocks; n++) {
        struct ir_block *b = f->blocks[n];

        while (b->last && b->last->op == IR_JUMP && preds[b->last->to[0]] == 1 &&
               b->last->to[0] != n) {
            struct ir_block *next = f->blocks[b->last->to[0]];
            struct ir_ins **link = &b->first;

            while ((*link)->next)
                link = &(*link)->next;
            *link = next->first;
            b->last = next->last;
            next->first = next->last = NULL; /* unreachable from now on */
        }
    }
}

struct walk {
    struct ir_func *f;
    uint8_t *state; /* 0 unseen, 1 on the path, 2 done */
    uint32_t *stack;
    uint32_t *edge; /* next edge of each block on the path */
    uint32_t depth;
};

/* The N-th successor of a block in a fixed order, or IR_NO_BLOCK when there are no more. */
static uint32_t successor(const struct ir_block *b, uint32_t n)
{
    for (const struct ir_ins *i = b->first; i; i = i->next) {
        const uint32_t to[3] = {i->onerr, i->to[0], i->to[1]};

        for (int k = 0; k < 3; k++)
            if (to[k] != IR_NO_BLOCK && n-- == 0)
                return to[k];
    }
    return IR_NO_BLOCK;
}

static void visit(struct walk *w, uint32_t id)
{
    if (w->state[id] == 1)
        w->f->blocks[id]->loop_head = true;
    if (w->state[id])
        return;
    w->state[id] = 1;
    w->edge[id] = 0;
    w->stack[w->depth++] = id;
}

/* Depth first from the entry: finds reachable blocks and the targets of back edges. */
static void walk(struct ir_unit *u, struct ir_func *f, struct walk *w)
{
    *w = (struct walk){.f = f,
                       .state = ARENA_ARRAY(u->cx->arena, uint8_t, f->n_blocks),
                       .stack = ARENA_ARRAY(u->cx->arena, uint32_t, f->n_blocks + 1),
                       .edge = ARENA_ARRAY(u->cx->arena, uint32_t, f->n_blocks)};
    for (uint32_t n = 0; n < f->n_blocks; n++)
        f->blocks[n]->loop_head = false;
    visit(w, 0);
    while (w->depth) {
        uint32_t id = w->stack[w->depth - 1];
        uint32_t next = successor(f->blocks[id], w->edge[id]++);

        if (next == IR_NO_BLOCK) {
            w->state[id] = 2;
            w->depth--;
        } else {
            visit(w, next);
        }
    }
}

static void drop_unreachable(struct ir_unit *u, struct ir_func *f)
{
    struct walk w;
    uint32_t *renumber = ARENA_ARRAY(u->cx->arena, uint32_t, f->n_blocks);
    uint32_t kept = 0;

    walk(u, f, &w);
    for (uint32_t n = 0; n < f->n_blocks; n++) {
        if (!w.state[n])
            continue;
        renumber[n] = kept;
        f->blocks[n]->id = kept;
        f->blocks[kept++] = f->blocks[n];
    }
    f->n_blocks = kept;
    for (uint32_t n = 0; n < f->n_blocks; n++)
        for (struct ir_ins *i = f->blocks[n]->first; i; i = i->next) {
            for (int k = 0; k < 2; k++)
                if (i->to[k] != IR_NO_BLOCK)
                    i->to[k] = renumber[i->to[k]];
            if (i->onerr != IR_NO_BLOCK)
                i->onerr = renumber[i->onerr];
        }
}

void ir_simplify(struct ir_unit *u)
{
    for (uint32_t n = 0; n < u->n_funcs; n++) {
        struct ir_func *f = u->funcs[n];

        fold_func(u, f);
        thread_jumps(f);
        drop_unreachable(u, f);
        merge_blocks(u, f);
        drop_unreachable(u, f);
        fold_func(u, f); /* across what were block borders */
        drop_unused(u, f);
        drop_unreachable(u, f);
    }
}
