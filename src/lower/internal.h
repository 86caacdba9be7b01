/*
 * internal: what lower's files share: the state while one handler or function is made.
 */
#ifndef LOWER_INTERNAL_H
#define LOWER_INTERNAL_H

#include "base/conversion.h"
#include "func/func.h"
#include "ir/ir.h"
#include "lower/lower.h"
#include "probe/probe.h"
#include "syntax/ast.h"

struct loop {
    struct loop *outer;
    uint32_t break_to, continue_to;
    int64_t rest; /* lo->rest behind the loop */
    uint32_t iterator; /* FOREACH: slot of the iterator, to end it when left by return or next */
    bool has_iterator;
};

struct lower {
    struct ir_cursor at;       /* first: where instructions go */
    struct compile *cx;
    struct ir_unit *u;
    const struct program *prog;
    uint32_t *func_ids;        /* function->id -> unit's function */
    const struct function *fn; /* being made, or NULL in a handler */
    const struct probe_inst *inst;
    struct loop *loop;
    uint32_t exit_block;       /* next / return */
    uint32_t error_block;      /* an error that nothing here catches */
    int64_t rest;              /* statements, subtracted already, after the one being made */
    /* string slots for intermediate values: free again at the end of each statement */
    uint32_t *str_pool;
    uint32_t n_str_pool, str_used;
    uint32_t *long_pool;
    uint32_t n_long_pool, long_used;
    bool failed;
};

/* variable->id: index of a global in the unit's globals or maps; slot of a local. */

/* ---- expr.c ---- */

/* The value of a long expression: a temporary (of the block the cursor is in when it returns) or an
 * immediate. */
struct ir_val lower_long(struct lower *lo, struct expr *e);
/* Goes to YES or NO by E's truth; the cursor's block is ended. */
void lower_cond(struct lower *lo, struct expr *e, uint32_t yes, uint32_t no);
/* For its effects alone. */
void lower_effect(struct lower *lo, struct expr *e);
/* Keys of an array reference, ready as operands. */
struct ir_val *lower_keys(struct lower *lo, struct expr **keys, uint32_t n);
/* OP on the element INDEX, whose KEYS are ready; its DST is a new temporary where OP has one. */
struct ir_ins *lower_put_map(struct lower *lo, enum ir_op op, const struct expr *index,
                             struct ir_val *keys);
/* Does evaluating E end the block (calls, short circuits)? Temporaries do not survive that. */
bool lower_splits(const struct lower *lo, const struct expr *e);
/* Has E's format a conversion that may end the string, or needs its argument several times? Those
 * are blocks of their own. */
bool lower_format_splits(const struct expr *e);
/* Keeps V over what follows: an immediate stays, a temporary goes to a slot; reload with
 * lower_reload. */
struct ir_val lower_spill(struct lower *lo, struct ir_val v);
struct ir_val lower_reload(struct lower *lo, struct ir_val spilled);
/* Puts script function call E; result through its result slot. */
bool lower_call(struct lower *lo, struct expr *e);
/* Reports E as not executed yet by the eBPF back end. */
void lower_refuse(struct lower *lo, const struct expr *e, const char *what);
/* Points the cursor at E's place. */
void lower_loc(struct lower *lo, const struct expr *e);
uint32_t lower_long_slot(struct lower *lo);

/* ---- text.c: strings ---- */

/* An operand that holds E's text: a literal, a variable's own slot, or an intermediate one. */
struct ir_val lower_text(struct lower *lo, struct expr *e);
/* Appends E's text to DST. */
void lower_append(struct lower *lo, struct ir_val dst, struct expr *e);
/* var = e, for a string variable, by direct appends where e does not read var after its start. */
struct ir_val lower_assign_text(struct lower *lo, struct expr *assign);
struct ir_val lower_str_slot(struct lower *lo); /* intermediate, empty */
struct ir_val lower_raw_slot(struct lower *lo); /* likewise, but not set yet */
/* global = s */
void lower_set_global(struct lower *lo, uint32_t global, struct ir_val s);
struct ir_val lower_literal(struct lower *lo, const char *text, uint32_t len);
/*
 * Appends to DST the last of V under C, as a number or a string; before it are width and precision
 * where C takes them. All are operands of the cursor's block, which it leaves open.
 */
void lower_append_value(struct lower *lo, struct ir_val dst, const struct conversion *c,
                        const struct ir_val *v, bool is_string);
/* print family. */
void lower_print(struct lower *lo, struct expr *e);

/* ---- bytes.c: conversions that are made byte by byte ---- */

bool lower_is_of_bytes(const struct conversion *c); /* %c %b %m %M */
bool lower_is_memory(const struct conversion *c);   /* %m %M */
/*
 * Appends to DST what is under C, a conversion of bytes; READY: its arguments (width, precision,
 * value), spilled. May end the cursor's block. A NUL goes to block END; IR_NO_BLOCK (for %m and %M
 * alone): it is a byte as others.
 */
void lower_append_bytes(struct lower *lo, struct ir_val dst, const struct conversion *c,
                        const struct ir_val *ready, uint32_t end);

/* ---- stmt.c ---- */

void lower_stmts(struct lower *lo, struct stmt *s);
/*
 * MAXACTION counts the statements that run, as SystemTap does. Where a list begins, all statements
 * of it that run unless control leaves it are subtracted from the budget at once: this many of S.
 * Code that leaves early adds lo->rest, those that did not run.
 */
int64_t lower_actions(const struct stmt *s);
/* The actions of a function's or a handler's body or of a loop's pass begin: BUDGET. */
void lower_budget(struct lower *lo, int64_t actions);

/* Is an element there with the keys of E, an EX_IN with '*' among them? Ends the cursor's block. */
struct ir_val lower_any_element(struct lower *lo, struct expr *e);

static inline uint32_t lower_block(struct lower *lo)
{
    return ir_block_new(lo->u, lo->at.f);
}

#endif
