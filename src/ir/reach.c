/*
 * reach: reaching definitions: which instructions may have set a slot last when control comes to a
 * place. Enters: a function; leaves: the STOREs, found backwards over all ways that lead there.
 */
#include "ir/rest.h"

struct edge { /* into a block: from another's end, or from where that fails */
    const struct ir_block *from;
    const struct ir_ins *at; /* NULL: the end */
    const struct edge *next; /* into the same block */
};

struct ir_reach {
    const struct ir_unit *u;
    const struct ir_func *f;
    struct arena *arena;
    const struct edge **edges; /* by block */
};

static void add_edge(struct ir_reach *r, uint32_t to, const struct ir_block *from,
                     const struct ir_ins *at)
{
    struct edge *e;

    if (to == IR_NO_BLOCK)
        return;
    e = ARENA_NEW(r->arena, struct edge);
    *e = (struct edge){from, at, r->edges[to]};
    r->edges[to] = e;
}

struct ir_reach *ir_reach_new(struct arena *a, const struct ir_unit *u, const struct ir_func *f)
{
    struct ir_reach *r = ARENA_NEW(a, struct ir_reach);

    *r = (struct ir_reach){u, f, a, ARENA_ARRAY(a, const struct edge *, f->n_blocks)};
    for (uint32_t b = 0; b < f->n_blocks; b++)
        for (const struct ir_ins *i = f->blocks[b]->first; i; i = i->next) {
            add_edge(r, i->to[0], f->blocks[b], NULL);
            add_edge(r, i->to[1], f->blocks[b], NULL);
            add_edge(r, i->onerr, f->blocks[b], i->op == IR_CALL ? NULL : i);
        }
    return r;
}

/* What sets SLOT last in B, before END; *UNCLEAR: something else than a STORE may have. */
static const struct ir_ins *last_set(const struct ir_reach *r, uint32_t slot,
                                     const struct ir_block *b, const struct ir_ins *end,
                                     bool *unclear)
{
    bool own = r->u->funcs[r->u->slots[slot].func]->is_probe; /* no function sets it */
    const struct ir_ins *last = NULL;

    for (const struct ir_ins *i = b->first; i != end; i = i->next) {
        if (i->op == IR_STORE && i->slot == slot)
            last = i;
        for (uint32_t k = 0; i->op == IR_FENEXT && k < i->n_args; k++)
            *unclear |= i->args[k].kind == IRV_SLOT && i->args[k].id == slot;
        *unclear |= i->op == IR_CALL && !own;
    }
    return last;
}

/* Adds a definition that is not there yet; false: there is no room. */
static bool add_def(struct ir_def *defs, uint32_t *n, struct ir_def d)
{
    for (uint32_t k = 0; k < *n; k++)
        if (defs[k].ins == d.ins)
            return true;
    if (*n == IR_REACH_MAX)
        return false;
    defs[(*n)++] = d;
    return true;
}

bool ir_reach_find(const struct ir_reach *r, uint32_t slot, uint32_t block,
                   const struct ir_ins *before, struct ir_def defs[IR_REACH_MAX], uint32_t *n)
{
    bool *seen = ARENA_ARRAY(r->arena, bool, r->f->n_blocks), unclear = false;
    struct ir_def *work = NULL; /* ends of blocks, from which it goes back */
    uint32_t n_work = 0;

    *n = 0;
    work = arena_grow(r->arena, work, n_work, sizeof(*work));
    work[n_work++] = (struct ir_def){before, block};
    while (n_work) {
        struct ir_def end = work[--n_work];
        const struct ir_ins *set = last_set(r, slot, r->f->blocks[end.block], end.ins, &unclear);

        if (unclear || (set && !add_def(defs, n, (struct ir_def){set, end.block})))
            return false;
        if (set || seen[end.block])
            continue;
        seen[end.block] = true;
        if (end.block == 0 && !add_def(defs, n, (struct ir_def){NULL, 0}))
            return false;
        for (const struct edge *e = r->edges[end.block]; e; e = e->next) {
            work = arena_grow(r->arena, work, n_work, sizeof(*work));
            work[n_work++] = (struct ir_def){e->at, e->from->id};
        }
    }
    return true;
}
