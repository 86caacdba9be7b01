/*
 * live: which slots of a function are live where: those that something may read before it is set.
 */
#ifndef IR_LIVE_H
#define IR_LIVE_H

#include "base/arena.h"
#include "ir/ir.h"

/* Sets of slots are bits, WORDS of them, by a slot's number among those that are looked at. */
struct ir_live {
    const struct ir_unit *u;
    const struct ir_func *f;
    struct arena *arena;   /* of the sets */
    const uint32_t *index; /* by slot of the unit: its number + 1; 0: not looked at */
    uint32_t words;
    uint64_t *in; /* a set for each block: live at its start */
};

/* What is told of each instruction of a block, the last one first: what is live after it. */
typedef void ir_live_fn(void *ctx, const struct ir_ins *i, const uint64_t *after);

/* Finds l->in, of N slots that are looked at; the fields above WORDS are set. */
void ir_live_find(struct ir_live *l, uint32_t n);
/* Once they are found: walks block B. */
void ir_live_walk(const struct ir_live *l, const struct ir_block *b, ir_live_fn *each, void *ctx);

static inline void ir_live_set(uint64_t *v, uint32_t k)
{
    v[k / 64] |= 1ull << (k % 64);
}

static inline bool ir_live_has(const uint64_t *v, uint32_t k)
{
    return v[k / 64] >> (k % 64) & 1;
}

#endif
