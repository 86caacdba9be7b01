/*
 * abi_args: arguments by the calling convention. Enters: a function's result and parameters;
 * leaves: the register or stack slot of one parameter at the first instruction. Compilers that do
 * not optimize describe only the stack slot that the prologue fills later, and optimizing ones
 * nothing for what is not used: at the entry both are still where the caller put them. Refused:
 * structures in several registers, which are no single location, and what a convention's file does
 * not know.
 */
#include <string.h>

#include "debug/abi_args.h"

static const struct abi *const abis[ARCH_ABIS] = {
    [ARCH_ABI_SYSV_X86_64] = &abi_sysv_x86_64,
    [ARCH_ABI_AAPCS64] = &abi_aapcs64,
};

uint32_t abi_argument(const struct arch *arch, const struct ctype *result,
                      const struct dbg_params *params, const char *name,
                      struct dbg_op ops[ABI_OPS_MAX], const char **why)
{
    const struct abi *abi = arch ? abis[arch->abi] : NULL;
    enum ctype_kind k = ctype_kind(result);
    struct abi_state s = {.arch = arch};

    if (!abi || ((k == CT_STRUCT || k == CT_UNION) && !abi->result(&s, result)))
        return 0;
    for (uint32_t i = 0; i < params->n; i++) {
        const struct dbg_param *p = &params->v[i];
        struct abi_place place = {.n = 0};

        if (!abi->param(&s, p->type, &place))
            return 0;
        if (!p->name || strcmp(p->name, name) != 0)
            continue;
        if (place.why)
            *why = place.why;
        memcpy(ops, place.ops, sizeof(place.ops));
        return place.n;
    }
    return 0;
}
