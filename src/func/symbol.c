/*
 * symbol: addresses shown as names. A handler in the kernel cannot look a symbol up, so the string
 * gets a mark (base/abi.h) that becomes the name when it is printed, or where the script looks at
 * its bytes (sema/addresses.c). What a program's address is called depends on the process: in the
 * kernel it is made a place first.
 */
#include "func/family.h"

#include <string.h>

static bool lower_mark(struct ir_cursor *c, const struct intrinsic *self, const struct expr *call,
                       const struct ir_val *args, uint32_t n, struct ir_val *result)
{
    struct ir_val of = args[0];

    if (strchr(NGS_MARK_USER, (int)self->arg)) {
        of = ir_put_int(c, IR_CONTEXT, of, IR_NONE);
        c->f->blocks[c->block]->last->imm = NGS_CTX_PLACE;
    }
    struct ir_ins *i = ir_put(c, IR_SMARK);

    i->str = *result;
    i->a = of;
    i->imm = self->arg;
    return true;
}

#define MARK(name, kind)                                                                           \
    {                                                                                              \
        name, TYPE_STRING, 1, 1, {TYPE_LONG}, INTRIN_PURE | INTRIN_NAMES, lower_mark, kind         \
    }
#define STACK(name, kind)                                                                          \
    {                                                                                              \
        name, TYPE_STRING, 1, 1, {TYPE_LONG}, INTRIN_PURE, lower_mark, kind                        \
    }

static const struct intrinsic rows[] = {
    MARK("usymname", 'u'),
    MARK("usymdata", 'U'),
    MARK("symname", 'k'),
    MARK("symdata", 'K'),
    MARK("umodname", 'm'),
    MARK("modname", 'M'),
    MARK("usymfile", 'f'),
    MARK("usymline", 'l'),
    MARK("usymfileline", 'L'),
    /* the forms of lines of stacks */
    MARK("__usym_brief", 'b'),
    MARK("__usym_simple", 's'),
    MARK("__sym_simple", 'S'),
    MARK("__usym_fileline", 'F'),
    MARK("__usym_frame", 'p'),
    MARK("__sym_frame", 'q'),
    /* of a stack's number (__ustack) */
    STACK("__stack_addresses", 'a'),
    STACK("__stack_simple", 'B'),
    STACK("__stack_lines", 'P'),
    MARK("__stack_names", 'N'),
    MARK("__stack_frames", 'Q'),
};

const struct func_family func_symbol = {rows, sizeof(rows) / sizeof(*rows)};
