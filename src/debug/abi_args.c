/*
 * abi_args: arguments by the calling convention. Enters: a function's DIE; leaves: the register or
 * stack slot of one parameter at the first instruction. Compilers that do not optimize describe
 * only the stack slot that the prologue fills later, and optimizing ones nothing for what is not
 * used: at the entry both are still where the caller put them. Refused: structures in several
 * registers, which are no single location, and what a convention's file does not know.
 */
#include <dwarf.h>
#include <string.h>

#include "debug/abi_args.h"

enum { PARAMS_MAX = 256 };

static const struct abi *const abis[ARCH_ABIS] = {
    [ARCH_ABI_SYSV_X86_64] = &abi_sysv_x86_64,
    [ARCH_ABI_AAPCS64] = &abi_aapcs64,
};

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

uint32_t abi_argument(struct dbg *m, Dwarf_Die *function, const char *name,
                      struct dbg_op ops[ABI_OPS_MAX], const char **why)
{
    const struct abi *abi = m->arch ? abis[m->arch->abi] : NULL;
    struct abi_state s = {.arch = m->arch};
    Dwarf_Die child, result;
    int seen = 0;

    if (!abi || dwarf_child(function, &child))
        return 0;
    if (die_type(function, &result)) {
        const struct ctype *t = ctype_of_die(m, &result, 0);
        enum ctype_kind k = ctype_kind(t);

        if ((k == CT_STRUCT || k == CT_UNION) && !abi->result(&s, t))
            return 0;
    }
    do {
        if (dwarf_tag(&child) != DW_TAG_formal_parameter)
            continue;
        struct abi_place place = {.n = 0};
        const char *this = die_name(&child);

        if (++seen > PARAMS_MAX || !abi->param(&s, ctype_of(m, &child), &place))
            return 0;
        if (!this || strcmp(this, name) != 0)
            continue;
        *why = place.why;
        memcpy(ops, place.ops, sizeof(place.ops));
        return place.n;
    } while (dwarf_siblingof(&child, &child) == 0);
    return 0;
}
