/*
 * control: functions that act on the session: exit(), error(), warn().
 */
#include "func/family.h"

static bool lower_exit(struct ir_cursor *c, const struct intrinsic *self, const struct expr *call,
                       const struct ir_val *args, uint32_t n, struct ir_val *result)
{
    ir_put(c, IR_EXIT);
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
    {"error", TYPE_VOID, 1, 1, {TYPE_STRING}, 0, lower_error, 0},
    {"warn", TYPE_VOID, 1, 1, {TYPE_STRING}, 0, lower_warn, 0},
};

const struct func_family func_control = {rows, sizeof(rows) / sizeof(*rows)};
