/*
 * string: functions on strings. Enters: calls; leaves: SLEN where eBPF can do it, else UCALL, which
 * only handlers that run in user space may use.
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

/* arg: enum ngs_ucall. */
static bool lower_user(struct ir_cursor *c, const struct intrinsic *self, const struct expr *call,
                       const struct ir_val *args, uint32_t n, struct ir_val *result)
{
    struct ir_val made = IR_NONE;

    if (self->result == TYPE_STRING)
        made = IR_SLOT(ir_slot_new(c->u, c->f, IR_STRING, NULL));
    struct ir_ins *i = ir_put(c, IR_UCALL);

    i->imm = self->arg;
    i->n_args = n;
    i->args = ARENA_ARRAY(c->u->cx->arena, struct ir_val, n);
    for (uint32_t k = 0; k < n; k++)
        i->args[k] = args[k];
    if (self->result == TYPE_STRING) {
        i->str = made;
        ir_put_str(c, IR_SCAT, *result, made);
    } else {
        i->dst = ir_temp(c->f);
        *result = IR_TEMP(i->dst);
    }
    return true;
}

#define L TYPE_LONG
#define S TYPE_STRING
#define USER(name, result, n, min, ucall, ...)                                                     \
    {                                                                                              \
        name, result, n, min, {__VA_ARGS__}, INTRIN_USER_ONLY, lower_user, ucall                   \
    }

static const struct intrinsic rows[] = {
    {"strlen", L, 1, 1, {S}, INTRIN_PURE, lower_strlen, 0},
    USER("ctime", S, 1, 0, NGS_U_CTIME, L),
    USER("tz_ctime", S, 1, 1, NGS_U_CTIME, L),
    USER("strtol", L, 2, 2, NGS_U_STRTOL, S, L),
    USER("tokenize", S, 2, 2, NGS_U_TOKENIZE, S, S),
    USER("substr", S, 3, 3, NGS_U_SUBSTR, S, L, L),
    USER("isinstr", L, 2, 2, NGS_U_ISINSTR, S, S),
    USER("str_replace", S, 3, 3, NGS_U_STR_REPLACE, S, S, S),
    USER("system", L, 1, 1, NGS_U_SYSTEM, S),
    USER("env_var", S, 1, 1, NGS_U_ENV_VAR, S),
    USER("pid2execname", S, 1, 1, NGS_U_PID2EXECNAME, L),
    USER("stringat", L, 2, 2, NGS_U_STRINGAT, S, L),
    USER("toupper", S, 1, 1, NGS_U_TOUPPER, S),
    USER("tolower", S, 1, 1, NGS_U_TOLOWER, S),
};

const struct func_family func_string = {rows, sizeof(rows) / sizeof(*rows)};
