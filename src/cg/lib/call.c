/*
 * call: calls of the library, from programs and from its own functions. Enters: which function;
 * leaves: the call, and that the object needs the function.
 */
#include "cg/asm.h"
#include "cg/rodata.h"

static const struct {
    const char *name;
    uint8_t n_args, reads;
} functions[CG_LIB_COUNT] = {
#define CG_LIB_FUNCTION(id, name, n_args, reads) [CG_LIB_##id] = {"ngs_" #name, n_args, reads},
    CG_LIBS(CG_LIB_FUNCTION)
#undef CG_LIB_FUNCTION
};

const char *cg_lib_name(enum cg_lib lib)
{
    return functions[lib].name;
}

uint32_t cg_lib_args(enum cg_lib lib)
{
    return functions[lib].n_args;
}

uint32_t cg_lib_reads(enum cg_lib lib)
{
    return functions[lib].reads;
}

/*
 * Since Linux 6.15 the verifier compares only registers that are still read
 * (compute_live_registers), but takes every call of a subprogram to read r1 to r5: what is left in
 * those that hold no argument would count, and blocks be walked again for it.
 */
void cg_call_lib(struct cg *c, struct cg_asm *s, enum cg_lib lib)
{
    c->lib_used[lib] = true;
    for (int r = R1 + functions[lib].n_args; r <= R5; r++)
        cg_movi(s, r, 0);
    cg_call_sub(s, functions[lib].name);
}

void cg_lib_source(struct cg *c, enum cg_lib lib, uint32_t handle)
{
    c->lib_regions[lib] |= cg_region_bit(handle);
}
