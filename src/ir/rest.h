/*
 * rest: what the files share that cut a handler in two (rest.c): copies of code (copy.c), what sets
 * a slot (reach.c), and what the rest asks that only the moment of the hit can tell (held.c).
 */
#ifndef IR_REST_H
#define IR_REST_H

#include "base/arena.h"
#include "ir/ir.h"

/* What an address is called in its process: at the hit, or by the address as it is. */
static inline bool ir_is_place(const struct ir_ins *i)
{
    return i->op == IR_CONTEXT && i->imm == NGS_CTX_PLACE;
}

/* ---- copy.c ---- */

/* A new function: what F reaches from block START on, over the same slots. */
struct ir_func *ir_copy(struct ir_unit *u, const struct ir_func *f, uint32_t start);
/* AT and what follows it in BLOCK become a block of their own, whose number is returned: BLOCK ends
 * with a jump there. Temporaries that both use go by way of slots. */
uint32_t ir_split(struct ir_unit *u, struct ir_func *f, uint32_t block, struct ir_ins *at);
/* Gives F slots of its own for those of other handlers, and for those of functions that it does not
 * call. By slot that F had, in SCRATCH: its new one + 1, or 0. */
const uint32_t *ir_own_slots(struct ir_unit *u, struct ir_func *f, struct arena *scratch);
/* Removes the jump or the like that ends BLOCK. */
void ir_drop_last(struct ir_func *f, uint32_t block);

/* ---- reach.c ---- */

enum { IR_REACH_MAX = 8 };
struct ir_def {
    const struct ir_ins *ins; /* a STORE; NULL: what the slot held when the function began */
    uint32_t block;
};

struct ir_reach *ir_reach_new(struct arena *a, const struct ir_unit *u, const struct ir_func *f);
/* What may have set SLOT, a long, last when control comes to BEFORE in BLOCK. False: something else
 * than these few may have. */
bool ir_reach_find(const struct ir_reach *r, uint32_t slot, uint32_t block,
                   const struct ir_ins *before, struct ir_def defs[IR_REACH_MAX], uint32_t *n);

/* ---- held.c ---- */

/*
 * A value that is computed at the hit. INS says how: operands that are temporaries are values,
 * too, by their number + 1. What only the kernel tells (facts, memory) is kept in SLOT.
 */
struct held {
    struct ir_ins ins;
    bool kept, fails;
    uint32_t slot;   /* KEPT: a slot of the handler */
    uint32_t failed; /* FAILS: a slot that is 1 where it did */
    uint32_t addr;   /* and one with the address that could not be read, if it was one */
};

struct rest {
    struct ir_unit *u;
    struct arena *scratch; /* for what is needed until the rest is made */
    struct ir_func *handler, *rest;
    uint32_t block;           /* of the handler: it ends here */
    const struct ir_ins *cut; /* what only user space can do, in the handler */
    bool has_regs;            /* the hit has a program's registers */
    struct held *held;
    uint32_t n_held;
};

/*
 * What the rest reads of memory, and its facts of the hit, become slots of the handler. False after
 * reporting a read whose address is not known when the handler is cut.
 */
bool ir_hold(struct rest *r);
/* Puts what sets those slots at the end of the handler's block, in place of its jump to the rest.
 * r->block is the open block then. */
void ir_put_held(struct rest *r);

#endif
