/*
 * live: liveness of slots, found as usual, backwards over the blocks until nothing changes. Enters:
 * a function, and which slots are looked at; leaves: what is live at the start of each block.
 *
 * What is live where an instruction goes when it fails is live before it, even what it sets: it may
 * have failed half-way. A call reads its callee's parameters and sets its result, which what
 * returns reads.
 */
#include "ir/live.h"

#include <string.h>

static uint64_t *set_of(const struct ir_live *l, uint32_t block)
{
    return l->in + (size_t)block * l->words;
}

static void add_all(uint64_t *to, const uint64_t *from, uint32_t words)
{
    for (uint32_t k = 0; k < words; k++)
        to[k] |= from[k];
}

static void use(const struct ir_live *l, uint64_t *live, uint32_t slot)
{
    if (l->index[slot])
        ir_live_set(live, l->index[slot] - 1);
}

static void use_val(const struct ir_live *l, uint64_t *live, struct ir_val v)
{
    if (v.kind == IRV_SLOT)
        use(l, live, v.id);
}

static void kill(const struct ir_live *l, uint64_t *live, uint32_t slot)
{
    if (l->index[slot])
        live[(l->index[slot] - 1) / 64] &= ~(1ull << ((l->index[slot] - 1) % 64));
}

static void step_call(const struct ir_live *l, const struct ir_func *callee, uint64_t *live)
{
    if (callee->has_result)
        kill(l, live, callee->result);
    for (uint32_t k = 0; k < callee->n_params; k++)
        use(l, live, callee->params[k]);
}

/* LIVE after I becomes what is live before it. */
static void step(const struct ir_live *l, const struct ir_ins *i, uint64_t *live)
{
    if ((ir_op_flags(i->op) & IRF_SETS_STR) && i->str.kind == IRV_SLOT)
        kill(l, live, i->str.id);
    else
        use_val(l, live, i->str);
    if (i->op == IR_STORE)
        kill(l, live, i->slot);
    else if (i->op == IR_LOAD)
        use(l, live, i->slot);
    else if (i->op == IR_CALL)
        step_call(l, l->u->funcs[i->imm], live);
    else if (i->op == IR_RET && !i->imm && l->f->has_result)
        use(l, live, l->f->result);
    use_val(l, live, i->s);
    use_val(l, live, i->s2);
    for (uint32_t k = 0; k < i->n_args; k++)
        use_val(l, live, i->args[k]);
    if (i->onerr != IR_NO_BLOCK)
        add_all(live, set_of(l, i->onerr), l->words);
}

/* What is live at the start of B. */
static uint64_t *before(const struct ir_live *l, const struct ir_block *b, ir_live_fn *each,
                        void *ctx)
{
    uint64_t *live = ARENA_ARRAY(l->arena, uint64_t, l->words);
    const struct ir_ins **all;
    uint32_t n = 0;

    for (const struct ir_ins *i = b->first; i; i = i->next)
        n++;
    all = ARENA_ARRAY(l->arena, const struct ir_ins *, n);
    n = 0;
    for (const struct ir_ins *i = b->first; i; i = i->next)
        all[n++] = i;
    for (int k = 0; k < 2; k++)
        if (b->last->to[k] != IR_NO_BLOCK)
            add_all(live, set_of(l, b->last->to[k]), l->words);
    while (n-- > 0) {
        if (each)
            each(ctx, all[n], live);
        step(l, all[n], live);
    }
    return live;
}

void ir_live_find(struct ir_live *l, uint32_t n)
{
    l->words = n / 64 + 1;
    l->in = ARENA_ARRAY(l->arena, uint64_t, (size_t)l->f->n_blocks * l->words);
    for (bool again = true; again;) {
        again = false;
        for (uint32_t b = l->f->n_blocks; b-- > 0;) {
            uint64_t *live = before(l, l->f->blocks[b], NULL, NULL), *in = set_of(l, b);

            again |= memcmp(in, live, l->words * sizeof(*in)) != 0;
            memcpy(in, live, l->words * sizeof(*in));
        }
    }
}

void ir_live_walk(const struct ir_live *l, const struct ir_block *b, ir_live_fn *each, void *ctx)
{
    before(l, b, each, ctx);
}
