/*
 * control: functions that act on the session, or on the thread at hand: exit(), abort(), error(),
 * warn(), raise().
 */
#include "func/family.h"

#include "base/arena.h"

static bool lower_exit(struct ir_cursor *c, const struct intrinsic *self, const struct expr *call,
                       const struct ir_val *args, uint32_t n, struct ir_val *result)
{
    ir_put(c, IR_EXIT);
    return true;
}

/* The handler ends here, with all functions that it is in, and no try sees it. */
static bool lower_abort(struct ir_cursor *c, const struct intrinsic *self, const struct expr *call,
                        const struct ir_val *args, uint32_t n, struct ir_val *result)
{
    ir_put(c, IR_EXIT);
    ir_put(c, IR_DONE);
    ir_at(c, ir_block_new(c->u, c->f)); /* for what follows, which nothing reaches */
    return true;
}

/* Whom a handler in user space, or a rest, sends the signal is asked here: who was hit. */
static bool lower_raise(struct ir_cursor *c, const struct intrinsic *self, const struct expr *call,
                        const struct ir_val *args, uint32_t n, struct ir_val *result)
{
    struct ir_val *to = ARENA_ARRAY(c->u->cx->arena, struct ir_val, 3);
    struct ir_ins *i;

    to[0] = args[0];
    to[1] = ir_put_int(c, IR_CONTEXT, IR_NONE, IR_NONE);
    c->f->blocks[c->block]->last->imm = NGS_CTX_PID;
    to[2] = ir_put_int(c, IR_CONTEXT, IR_NONE, IR_NONE);
    c->f->blocks[c->block]->last->imm = NGS_CTX_TID;
    i = ir_put(c, IR_FCALL);
    i->imm = NGS_U_RAISE;
    i->args = to;
    i->n_args = 3;
    return true;
}

/* Always fails: control goes on at the catch block or the end. */
static bool lower_error(struct ir_cursor *c, const struct intrinsic *self, const struct expr *call,
                        const struct ir_val *args, uint32_t n, struct ir_val *result)
{
    struct ir_ins *i = ir_put(c, IR_RAISE);

    i->imm = NGS_ERR_SCRIPT;
    i->s = args[0];
    ir_at(c, ir_block_new(c->u, c->f)); /* for what follows, which nothing reaches */
    return true;
}

static bool lower_warn(struct ir_cursor *c, const struct intrinsic *self, const struct expr *call,
                       const struct ir_val *args, uint32_t n, struct ir_val *result)
{
    ir_put(c, IR_WARN)->s = args[0];
    return true;
}

static const struct intrinsic rows[] = {
    {"exit", TYPE_VOID, 0, 0, {0}, 0, lower_exit, 0},
    {"abort", TYPE_VOID, 0, 0, {0}, 0, lower_abort, 0},
    {"raise", TYPE_VOID, 1, 1, {TYPE_LONG}, INTRIN_GURU, lower_raise, 0},
    {"error", TYPE_VOID, 1, 1, {TYPE_STRING}, INTRIN_AS_IS, lower_error, 0},
    {"warn", TYPE_VOID, 1, 1, {TYPE_STRING}, INTRIN_AS_IS, lower_warn, 0},
};

const struct func_family func_control = {rows, sizeof(rows) / sizeof(*rows)};
