/*
 * sparse: arrays whose elements may be taken when they come, instead of all at the start, and
 * likewise stacks that are kept by their numbers. Enters: a finished unit; leaves: rec.sparse of
 * its arrays, stacks_sparse. The kernel has memory for an element or two at hand, and gets more
 * when a tick is over: so no hit may add more than one, and the script must bear that one is
 * refused. Refused therefore: arrays that a handler in the kernel adds to at several places, in a
 * loop, in a function, or outside of try.
 */
#include "ir/ir.h"

struct adder { /* of an array */
    uint32_t n;
    const struct ir_func *f;
    const struct ir_ins *i;
    uint32_t block;
};

static bool adds(enum ir_op op)
{
    return op == IR_MSET || op == IR_MSETS || op == IR_MADD || op == IR_MSTAT;
}

static void find_adders(const struct ir_unit *u, struct adder *v)
{
    for (uint32_t n = 0; n < u->n_funcs; n++) {
        const struct ir_func *f = u->funcs[n];

        for (uint32_t b = 0; b < f->n_blocks && !f->user; b++)
            for (const struct ir_ins *i = f->blocks[b]->first; i; i = i->next)
                if (adds(i->op)) {
                    struct adder *a = &v[i->map];

                    *a = (struct adder){a->n + 1, f, i, b};
                }
    }
}

/* Can what begins at FROM come back to it? */
static bool loops(struct arena *arena, const struct ir_func *f, uint32_t from)
{
    bool *seen = ARENA_ARRAY(arena, bool, f->n_blocks);
    uint32_t *work = ARENA_ARRAY(arena, uint32_t, f->n_blocks + 1), n = 0;

    work[n++] = from;
    while (n) {
        for (const struct ir_ins *i = f->blocks[work[--n]]->first; i; i = i->next) {
            const uint32_t next[] = {i->to[0], i->to[1], i->onerr};

            for (int k = 0; k < 3; k++) {
                if (next[k] == IR_NO_BLOCK || seen[next[k]])
                    continue;
                if (next[k] == from)
                    return true;
                seen[next[k]] = true;
                work[n++] = next[k];
            }
        }
    }
    return false;
}

/* Does I's failure go on in a catch? */
static bool is_caught(const struct ir_func *f, const struct ir_ins *i)
{
    const struct ir_ins *last = i->onerr != IR_NO_BLOCK ? f->blocks[i->onerr]->last : NULL;

    return last && !((last->op == IR_DONE || last->op == IR_RET) && last->imm);
}

/* Is it borne wherever a stack is kept? */
static bool stacks_caught(const struct ir_unit *u)
{
    for (uint32_t n = 0; n < u->n_funcs; n++) {
        const struct ir_func *f = u->funcs[n];

        for (uint32_t b = 0; b < f->n_blocks && !f->user; b++)
            for (const struct ir_ins *i = f->blocks[b]->first; i; i = i->next)
                if (i->op == IR_CONTEXT && i->imm == NGS_CTX_STACK_KEPT && !is_caught(f, i))
                    return false;
    }
    return true;
}

void ir_find_sparse(struct ir_unit *u)
{
    struct arena *arena = arena_new();
    struct adder *v = ARENA_ARRAY(arena, struct adder, u->n_maps + 1);

    find_adders(u, v);
    for (uint32_t m = 0; m < u->n_maps; m++)
        u->maps[m].rec.sparse = v[m].n == 1 && v[m].f->is_probe && !u->maps[m].wrap &&
                                is_caught(v[m].f, v[m].i) && !loops(arena, v[m].f, v[m].block);
    u->stacks_sparse = stacks_caught(u);
    arena_free(arena);
}
