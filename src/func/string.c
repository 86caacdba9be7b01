/*
 * string: functions on strings, and those of user space alone. Enters: calls; leaves: SLEN, FCALL,
 * and UCALL, which only handlers that run in user space may use. Names with "__" are for the
 * tapset.
 */
#include "func/family.h"

static bool lower_strlen(struct ir_cursor *c, const struct intrinsic *self, const struct expr *call,
                         const struct ir_val *args, uint32_t n, struct ir_val *result)
{
    struct ir_ins *i = ir_put(c, IR_SLEN);

    i->s = args[0];
    i->dst = ir_temp(c->f);
    *result = IR_TEMP(i->dst);
    return true;
}

/* arg: enum ngs_ucall. Arguments that are left out are 0. */
static bool lower_call(struct ir_cursor *c, const struct intrinsic *self, const struct expr *call,
                       const struct ir_val *args, uint32_t n, struct ir_val *result)
{
    struct ir_val made = IR_NONE;

    if (self->result == TYPE_STRING)
        made = IR_SLOT(ir_slot_new(c->u, c->f, IR_STRING, NULL));
    struct ir_ins *i = ir_put(c, self->flags & INTRIN_USER_ONLY ? IR_UCALL : IR_FCALL);

    i->imm = self->arg;
    i->n_args = self->n_args;
    i->args = ARENA_ARRAY(c->u->cx->arena, struct ir_val, self->n_args);
    for (uint32_t k = 0; k < self->n_args; k++)
        i->args[k] = k < n ? args[k] : IR_IMM(0);
    if (self->result == TYPE_STRING) {
        i->str = made;
        ir_put_str(c, IR_SCAT, *result, made);
    } else if (self->result != TYPE_VOID) {
        i->dst = ir_temp(c->f);
        *result = IR_TEMP(i->dst);
    }
    return true;
}

/* Of the last =~ (sema/match.c); without an argument of the whole of it. */
static bool lower_matched(struct ir_cursor *c, const struct intrinsic *self,
                          const struct expr *call, const struct ir_val *args, uint32_t n,
                          struct ir_val *result)
{
    const struct ir_val all[] = {IR_SLOT(call->b->var->id), IR_SLOT(call->c->var->id),
                                 n ? args[0] : IR_IMM(0)};
    struct intrinsic with_match = *self;

    with_match.n_args = self->arg == NGS_U_MATCHED ? 3 : 2;
    return lower_call(c, &with_match, call, all, with_match.n_args, result);
}

#define L TYPE_LONG
#define S TYPE_STRING
#define USER(name, result, n, min, ucall, ...)                                                     \
    {                                                                                              \
        name, result, n, min, {__VA_ARGS__}, INTRIN_USER_ONLY, lower_call, ucall                   \
    }
#define MATCHED (INTRIN_USER_ONLY | INTRIN_MATCHED)
#define BOTH(name, result, n, min, ucall, ...)                                                     \
    {                                                                                              \
        name, result, n, min, {__VA_ARGS__}, 0, lower_call, ucall                                  \
    }

static const struct intrinsic rows[] = {
    {"strlen", L, 1, 1, {S}, INTRIN_PURE, lower_strlen, 0},
    BOTH("strtol", L, 2, 2, NGS_U_STRTOL, S, L),
    BOTH("substr", S, 3, 3, NGS_U_SUBSTR, S, L, L),
    BOTH("strpos", L, 3, 2, NGS_U_STRPOS, S, S, L),
    BOTH("str_replace", S, 3, 3, NGS_U_STR_REPLACE, S, S, S),
    BOTH("stringat", L, 2, 2, NGS_U_STRINGAT, S, L),
    {"__stack_number", L, 1, 1, {S}, INTRIN_AS_IS, lower_call, NGS_U_STACK},
    {"__stack_text", L, 1, 1, {S}, INTRIN_AS_IS, lower_call, NGS_U_STACK_TEXT},
    USER("__stacks_forget", TYPE_VOID, 0, 0, NGS_U_STACKS_FORGET, 0),
    BOTH("toupper", S, 1, 1, NGS_U_TOUPPER, S),
    BOTH("tolower", S, 1, 1, NGS_U_TOLOWER, S),
    BOTH("__span", L, 4, 4, NGS_U_SPAN, S, S, L, L),
    BOTH("__plain", L, 2, 2, NGS_U_PLAIN, S, L),
    {"matched", S, 1, 1, {L}, MATCHED, lower_matched, NGS_U_MATCHED},
    {"matched_str", S, 0, 0, {0}, MATCHED, lower_matched, NGS_U_MATCHED},
    {"ngroups", L, 0, 0, {0}, MATCHED, lower_matched, NGS_U_NGROUPS},
    USER("system", L, 1, 1, NGS_U_SYSTEM, S),
    BOTH("__env_var", S, 1, 1, NGS_U_ENV_VAR, S),
    BOTH("__pid2execname", S, 1, 1, NGS_U_PID2EXECNAME, L),
    USER("__tz_gmtoff", L, 0, 0, NGS_U_TZ_GMTOFF, 0),
    USER("__tz_name", S, 0, 0, NGS_U_TZ_NAME, 0),
    USER("__stp_pid", L, 0, 0, NGS_U_STP_PID, 0),
    USER("get_loadavg_index", L, 1, 1, NGS_U_LOADAVG, L),
    USER("sprint_loadavg", S, 0, 0, NGS_U_LOADAVG_LINE, 0),
    USER("target_set_report", TYPE_VOID, 0, 0, NGS_U_TARGET_SET, 0),
    USER("switch_file", TYPE_VOID, 0, 0, NGS_U_SWITCH_FILE, 0),
    USER("__file_value", S, 0, 0, NGS_U_VALUE, 0),
    USER("__file_value_set", TYPE_VOID, 1, 1, NGS_U_VALUE_SET, S),
    USER("__file_value_add", TYPE_VOID, 1, 1, NGS_U_VALUE_ADD, S),
    USER("ftrace", TYPE_VOID, 1, 1, NGS_U_FTRACE, S),
    {"printk", TYPE_VOID, 2, 2, {L, S}, INTRIN_USER_ONLY | INTRIN_GURU, lower_call, NGS_U_PRINTK},
};

const struct func_family func_string = {rows, sizeof(rows) / sizeof(*rows)};
