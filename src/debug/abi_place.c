/*
 * abi_place: where one argument can be: in a register, on the stack, or where one of those points.
 * Enters: a register's DWARF number, or bytes of the stack; leaves: DWARF operations.
 */
#include <dwarf.h>

#include "debug/abi_args.h"

const char abi_in_several[] = "it is passed by value in several registers";

void abi_in_register(struct abi_place *p, unsigned reg)
{
    p->n = 1;
    if (reg < 32)
        p->ops[0] = (struct dbg_op){.atom = (uint8_t)(DW_OP_reg0 + reg)};
    else
        p->ops[0] = (struct dbg_op){.atom = DW_OP_regx, .n1 = reg};
}

void abi_at_register(struct abi_place *p, unsigned reg)
{
    p->n = 1;
    p->ops[0] = (struct dbg_op){.atom = DW_OP_bregx, .n1 = reg};
}

/* Stack arguments start at the CFA, by every convention here: what a call pushes lies below it. */
void abi_on_stack(struct abi_place *p, uint64_t offset)
{
    p->n = 3;
    p->ops[0] = (struct dbg_op){.atom = DW_OP_call_frame_cfa};
    p->ops[1] = (struct dbg_op){.atom = DW_OP_consts, .n1 = offset};
    p->ops[2] = (struct dbg_op){.atom = DW_OP_plus};
}

void abi_at_stack(struct abi_place *p, uint64_t offset)
{
    abi_on_stack(p, offset);
    p->ops[p->n++] = (struct dbg_op){.atom = DW_OP_deref};
}

bool abi_take_stack(struct abi_state *s, uint64_t size, uint64_t align, uint64_t *offset)
{
    *offset = (s->stack + align - 1) & ~(align - 1);
    if (size > (uint64_t)1 << 32)
        return false;
    s->stack = *offset + ((size + 7) & ~(uint64_t)7);
    return true;
}
