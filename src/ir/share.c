/*
 * share: strings that are never live together share a slot of the frame (stack slot coloring).
 * Enters: a finished unit; leaves: the color of each string slot within its function. Parameters
 * and results, which callers set and read, and the slots of recursive functions, which are saved as
 * a whole, get colors of their own.
 *
 * Liveness is found as usual, backwards over the blocks until nothing changes. What is live where
 * an instruction goes when it fails is live before it, even what it sets: it may have failed
 * half-way.
 */
#include "ir/ir.h"

#include <string.h>

struct liveness {
    const struct ir_func *f;
    struct arena *arena;
    uint32_t *index; /* by slot of the unit: number + 1 among those that are shared, 0: not */
    uint32_t *slots; /* the other way round */
    uint32_t n, words;
    uint64_t *in;       /* by block */
    uint64_t *conflict; /* n rows */
};

static uint64_t *row(uint64_t *m, const struct liveness *l, uint32_t k)
{
    return m + (size_t)k * l->words;
}

static void set_bit(uint64_t *v, uint32_t k)
{
    v[k / 64] |= 1ull << (k % 64);
}

static bool has_bit(const uint64_t *v, uint32_t k)
{
    return v[k / 64] >> (k % 64) & 1;
}

static void add_all(uint64_t *to, const uint64_t *from, uint32_t words)
{
    for (uint32_t k = 0; k < words; k++)
        to[k] |= from[k];
}

/* The number + 1 of a string operand among the shared slots. */
static uint32_t shared(const struct liveness *l, struct ir_val v)
{
    return v.kind == IRV_SLOT ? l->index[v.id] : 0;
}

static void use(const struct liveness *l, uint64_t *live, struct ir_val v)
{
    if (shared(l, v))
        set_bit(live, shared(l, v) - 1);
}

/* What is set at I must not lie where anything lies that is read at it or after it. */
static void conflicts(struct liveness *l, const struct ir_ins *i, const uint64_t *after,
                      struct ir_val v)
{
    uint32_t k = shared(l, v);

    if (!k)
        return;
    uint64_t *r = row(l->conflict, l, k - 1);

    add_all(r, after, l->words);
    use(l, r, i->s);
    use(l, r, i->s2);
    for (uint32_t n = 0; n < i->n_args; n++)
        use(l, r, i->args[n]);
}

/* LIVE after I becomes what is live before it. */
static void step(struct liveness *l, const struct ir_ins *i, uint64_t *live, bool last)
{
    if (last) {
        conflicts(l, i, live, i->str);
        for (uint32_t k = 0; i->op == IR_FENEXT && k < i->n_args; k++)
            conflicts(l, i, live, i->args[k]);
    }
    if ((ir_op_flags(i->op) & IRF_SETS_STR) && shared(l, i->str))
        live[(shared(l, i->str) - 1) / 64] &= ~(1ull << ((shared(l, i->str) - 1) % 64));
    else
        use(l, live, i->str);
    use(l, live, i->s);
    use(l, live, i->s2);
    for (uint32_t k = 0; k < i->n_args; k++)
        use(l, live, i->args[k]);
    if (i->onerr != IR_NO_BLOCK)
        add_all(live, row(l->in, l, i->onerr), l->words);
}

/* Walks block B backwards; true when what is live at its start has grown. */
static bool walk(struct liveness *l, const struct ir_block *b, bool last)
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
            add_all(live, row(l->in, l, b->last->to[k]), l->words);
    while (n-- > 0)
        step(l, all[n], live, last);

    uint64_t *in = row(l->in, l, b->id);
    bool grown = memcmp(in, live, l->words * sizeof(*in)) != 0;

    memcpy(in, live, l->words * sizeof(*in));
    return grown;
}

static bool callers_use(const struct ir_func *f, uint32_t slot)
{
    for (uint32_t k = 0; k < f->n_params; k++)
        if (f->params[k] == slot)
            return true;
    return f->has_result && f->result == slot;
}

/* Colors the shared strings, greedily; how many colors there are. */
static uint32_t color(struct ir_unit *u, const struct liveness *l)
{
    uint32_t colors = 0;

    for (uint32_t k = 0; k < l->n; k++) {
        uint64_t *taken = ARENA_ARRAY(l->arena, uint64_t, l->words);
        uint32_t p = 0;

        for (uint32_t o = 0; o < k; o++)
            if (has_bit(row(l->conflict, l, k), o) || has_bit(row(l->conflict, l, o), k))
                set_bit(taken, u->slots[l->slots[o]].color);
        while (has_bit(taken, p))
            p++;
        u->slots[l->slots[k]].color = p;
        colors = p + 1 > colors ? p + 1 : colors;
    }
    return colors;
}

static uint32_t share(struct ir_unit *u, struct ir_func *f, uint32_t *index, uint32_t *slots,
                      uint32_t n)
{
    struct liveness l = {.f = f, .arena = arena_new(), .index = index, .slots = slots, .n = n};
    uint32_t colors;

    l.words = n / 64 + 1;
    l.in = ARENA_ARRAY(l.arena, uint64_t, (size_t)f->n_blocks * l.words);
    l.conflict = ARENA_ARRAY(l.arena, uint64_t, (size_t)n * l.words);
    for (bool again = true; again;) {
        again = false;
        for (uint32_t b = f->n_blocks; b-- > 0;)
            again |= walk(&l, f->blocks[b], false);
    }
    for (uint32_t b = 0; b < f->n_blocks; b++)
        walk(&l, f->blocks[b], true);
    colors = color(u, &l);
    arena_free(l.arena);
    return colors;
}

void ir_share_strings(struct ir_unit *u)
{
    uint32_t *index = ARENA_ARRAY(u->cx->arena, uint32_t, u->n_slots + 1);
    uint32_t *slots = ARENA_ARRAY(u->cx->arena, uint32_t, u->n_slots + 1);

    for (uint32_t n = 0; n < u->n_funcs; n++) {
        struct ir_func *f = u->funcs[n];
        uint32_t shared = 0, own = 0;

        for (uint32_t s = 0; s < u->n_slots; s++) {
            bool mine = u->slots[s].func == n && u->slots[s].type == IR_STRING;

            index[s] = 0;
            if (mine && !f->recursive && !callers_use(f, s)) {
                slots[shared] = s;
                index[s] = ++shared;
            }
        }
        f->n_colors = shared ? share(u, f, index, slots, shared) : 0;
        for (uint32_t s = 0; s < u->n_slots; s++)
            if (u->slots[s].func == n && u->slots[s].type == IR_STRING && !index[s])
                u->slots[s].color = f->n_colors + own++;
        f->n_colors += own;
    }
}
