/*
 * memory: functions that read the target's and the kernel's memory at an address. Enters: calls;
 * leaves: READ and SREAD instructions, which fail with a read fault that try can catch. Strings
 * with a last argument for the failing case give that instead; user_name_n() is user_string_n() for
 * names that become part of a line: control characters are '?' there; user_int() and its kin give
 * 0, as SystemTap's do, and their _error() twins fail. Under --skip-badvars no integer fails. And
 * those that write to the target's.
 */
#include "func/family.h"

enum { SIGNED = 16, KERNEL = 32, FAILS = 64 }; /* in arg, above the size */
enum { BOUNDED = 1, LINE = 2 };                /* in arg, of strings */

static void put_read(struct ir_cursor *c, const struct intrinsic *self, struct ir_val addr,
                     struct ir_val *result)
{
    struct ir_ins *i = ir_put(c, IR_READ);

    i->a = addr;
    i->size = (uint8_t)(self->arg & 15);
    i->is_signed = (self->arg & SIGNED) != 0;
    i->space = (self->arg & KERNEL) != 0;
    i->dst = ir_temp(c->f);
    *result = IR_TEMP(i->dst);
}

static bool lower_read(struct ir_cursor *c, const struct intrinsic *self, const struct expr *call,
                       const struct ir_val *args, uint32_t n, struct ir_val *result)
{
    if (self->arg & FAILS && !c->u->cx->skip_badvars) {
        put_read(c, self, args[0], result);
        return true;
    }
    uint32_t slot = ir_slot_new(c->u, c->f, IR_LONG, NULL), outer = c->onerr;
    uint32_t failed = ir_block_new(c->u, c->f), after = ir_block_new(c->u, c->f);

    c->onerr = failed;
    put_read(c, self, args[0], result);
    c->onerr = outer;
    ir_put_store(c, slot, *result);
    ir_put_jump(c, after);
    ir_at(c, failed);
    ir_put(c, IR_SERROR); /* clears the fault */
    ir_put_store(c, slot, IR_IMM(0));
    ir_put_jump(c, after);
    ir_at(c, after);
    *result = ir_put_load(c, slot);
    return true;
}

/* "(addr)", "(addr, on_fault)", "_n: (addr, max)", "_n: (addr, max, on_fault)": _n is BOUNDED. */
static bool lower_read_string(struct ir_cursor *c, const struct intrinsic *self,
                              const struct expr *call, const struct ir_val *args, uint32_t n,
                              struct ir_val *result)
{
    uint32_t fixed = self->arg & BOUNDED ? 2 : 1;
    uint32_t outer = c->onerr, failed = IR_NO_BLOCK;
    struct ir_val read = *result;

    if (n > fixed) { /* what was appended before a fault must not stay */
        read = IR_SLOT(ir_slot_new(c->u, c->f, IR_STRING, NULL));
        ir_put_str(c, IR_SSET, read, IR_LIT(ir_lit(c->u, "", 0)));
    }
    if (n > fixed) {
        failed = ir_block_new(c->u, c->f);
        c->onerr = failed;
    }
    struct ir_ins *i = ir_put(c, IR_SREAD);

    i->str = read;
    i->a = args[0];
    i->b = self->arg & BOUNDED ? args[1] : IR_IMM(c->u->cx->limits.maxstringlen);
    i->space = (self->arg & KERNEL) != 0;
    i->imm = (self->arg & LINE) != 0;
    if (failed != IR_NO_BLOCK) {
        uint32_t after = ir_block_new(c->u, c->f);

        c->onerr = outer;
        ir_put_str(c, IR_SCAT, *result, read);
        ir_put_jump(c, after);
        ir_at(c, failed);
        ir_put(c, IR_SERROR); /* clears the fault */
        ir_put_str(c, IR_SCAT, *result, args[fixed]);
        ir_put_jump(c, after);
        ir_at(c, after);
    }
    return true;
}

/* (addr, value), (addr, string), (addr, most, string); arg: the size, or 0 and BOUNDED. */
static bool lower_write(struct ir_cursor *c, const struct intrinsic *self, const struct expr *call,
                        const struct ir_val *args, uint32_t n, struct ir_val *result)
{
    bool string = self->args[n - 1] == TYPE_STRING;
    struct ir_ins *i = ir_put(c, IR_FCALL);

    i->imm = string ? NGS_U_WRITE_STR : NGS_U_WRITE;
    i->n_args = 3;
    i->args = ARENA_ARRAY(c->u->cx->arena, struct ir_val, 3);
    i->args[0] = args[0];
    i->args[1] = string ? args[n - 1] : IR_IMM(self->arg);
    i->args[2] = !string ? args[1] : n == 3 ? args[1] : IR_IMM(c->u->cx->limits.maxstringlen);
    i->dst = ir_temp(c->f);
    *result = IR_IMM(0);
    return true;
}

#define READ(name, arg, flags)                                                                     \
    {                                                                                              \
        name, TYPE_LONG, 1, 1, {TYPE_LONG}, flags, lower_read, arg                                 \
    }
#define USER(name, arg)                                                                            \
    READ(name, arg, INTRIN_SPLITS), READ(name "_error", (arg) | FAILS, INTRIN_READS)
#define KERN(name, arg) READ(name, (arg) | KERNEL | FAILS, INTRIN_READS | INTRIN_KERNEL)
#define MEM(arg)        ((arg)&KERNEL ? INTRIN_KERNEL : 0)
#define STRING(name, arg)                                                                          \
    {                                                                                              \
        name, TYPE_STRING, 2, 1, {TYPE_LONG, TYPE_STRING}, MEM(arg), lower_read_string, arg        \
    }
#define STRING_N(name, arg)                                                                        \
    {                                                                                              \
        name, TYPE_STRING, 3, 2, {TYPE_LONG, TYPE_LONG, TYPE_STRING}, MEM(arg), lower_read_string, \
            (arg) | BOUNDED                                                                        \
    }

#define WRITE(name, size)                                                                          \
    {                                                                                              \
        name, TYPE_VOID, 2, 2, {TYPE_LONG, TYPE_LONG}, INTRIN_GURU, lower_write, size              \
    }
#define WRITE_STR(name, n, ...)                                                                    \
    {                                                                                              \
        name, TYPE_VOID, n, n, {__VA_ARGS__}, INTRIN_GURU, lower_write, 0                          \
    }

static const struct intrinsic rows[] = {
    USER("user_char", 1 | SIGNED),
    USER("user_short", 2 | SIGNED),
    USER("user_ushort", 2),
    USER("user_int", 4 | SIGNED),
    USER("user_uint", 4),
    USER("user_long", 8),
    USER("user_ulong", 8),
    USER("user_int8", 1 | SIGNED),
    USER("user_uint8", 1),
    USER("user_int16", 2 | SIGNED),
    USER("user_uint16", 2),
    USER("user_int32", 4 | SIGNED),
    USER("user_uint32", 4),
    USER("user_int64", 8),
    USER("user_uint64", 8),
    KERN("kernel_char", 1 | SIGNED),
    KERN("kernel_short", 2 | SIGNED),
    KERN("kernel_int", 4 | SIGNED),
    KERN("kernel_long", 8),
    KERN("kernel_pointer", 8),
    KERN("kernel_uint8", 1),
    KERN("kernel_uint16", 2),
    KERN("kernel_uint32", 4),
    KERN("kernel_uint64", 8),
    WRITE("set_user_char", 1),
    WRITE("set_user_short", 2),
    WRITE("set_user_int", 4),
    WRITE("set_user_long", 8),
    WRITE("set_user_pointer", 8),
    WRITE_STR("set_user_string", 2, TYPE_LONG, TYPE_STRING),
    WRITE_STR("set_user_string_n", 3, TYPE_LONG, TYPE_LONG, TYPE_STRING),
    STRING("user_string", 0),
    STRING_N("user_string_n", 0),
    STRING_N("user_name_n", LINE), /* ours: one line whatever is there */
    STRING("kernel_string", KERNEL),
    STRING_N("kernel_string_n", KERNEL),
};

const struct func_family func_memory = {rows, sizeof(rows) / sizeof(*rows)};
