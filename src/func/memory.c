/*
 * memory: functions that read the target's and the kernel's memory at an address. Enters: calls;
 * leaves: READ and SREAD instructions, which fail with a read fault that try can catch. Those with a
 * last argument for the failing case give that instead.
 */
#include "func/family.h"

enum { SIGNED = 16, KERNEL = 32 }; /* in arg, above the size */

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
    put_read(c, self, args[0], result);
    return true;
}

/* "(addr)", "(addr, on_fault)", "_n: (addr, max)", "_n: (addr, max, on_fault)": arg bit 0 is set for _n. */
static bool lower_read_string(struct ir_cursor *c, const struct intrinsic *self,
                              const struct expr *call, const struct ir_val *args, uint32_t n,
                              struct ir_val *result)
{
    uint32_t fixed = self->arg & 1 ? 2 : 1;
    uint32_t outer = c->onerr, failed = IR_NO_BLOCK;
    struct ir_val read = *result;

    if (n > fixed) { /* what was appended before a fault must not stay */
        read = IR_SLOT(ir_slot_new(c->u, c->f, IR_STRING, NULL));
        ir_put_str(c, IR_SSET, read, IR_LIT(ir_lit(c->u, "", 0)));
        failed = ir_block_new(c->u, c->f);
        c->onerr = failed;
    }
    struct ir_ins *i = ir_put(c, IR_SREAD);

    i->str = read;
    i->a = args[0];
    i->b = self->arg & 1 ? args[1] : IR_IMM(c->u->cx->limits.maxstringlen);
    i->space = (self->arg & KERNEL) != 0;
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

#define READ(name, arg)                                                                            \
    {                                                                                              \
        name, TYPE_LONG, 1, 1, {TYPE_LONG}, 0, lower_read, arg                                     \
    }
#define STRING(name, arg)                                                                          \
    {                                                                                              \
        name, TYPE_STRING, 2, 1, {TYPE_LONG, TYPE_STRING}, 0, lower_read_string, arg               \
    }
#define STRING_N(name, arg)                                                                        \
    {                                                                                              \
        name, TYPE_STRING, 3, 2, {TYPE_LONG, TYPE_LONG, TYPE_STRING}, 0, lower_read_string,        \
            (arg) | 1                                                                              \
    }

static const struct intrinsic rows[] = {
    READ("user_char", 1 | SIGNED),
    READ("user_short", 2 | SIGNED),
    READ("user_ushort", 2),
    READ("user_int", 4 | SIGNED),
    READ("user_uint", 4),
    READ("user_long", 8),
    READ("user_ulong", 8),
    READ("user_int8", 1 | SIGNED),
    READ("user_uint8", 1),
    READ("user_int16", 2 | SIGNED),
    READ("user_uint16", 2),
    READ("user_int32", 4 | SIGNED),
    READ("user_uint32", 4),
    READ("user_int64", 8),
    READ("user_uint64", 8),
    READ("kernel_char", 1 | SIGNED | KERNEL),
    READ("kernel_short", 2 | SIGNED | KERNEL),
    READ("kernel_int", 4 | SIGNED | KERNEL),
    READ("kernel_long", 8 | KERNEL),
    READ("kernel_pointer", 8 | KERNEL),
    READ("kernel_uint8", 1 | KERNEL),
    READ("kernel_uint16", 2 | KERNEL),
    READ("kernel_uint32", 4 | KERNEL),
    READ("kernel_uint64", 8 | KERNEL),
    STRING("user_string", 0),
    STRING_N("user_string_n", 0),
    STRING("kernel_string", KERNEL),
    STRING_N("kernel_string_n", KERNEL),
};

const struct func_family func_memory = {rows, sizeof(rows) / sizeof(*rows)};
