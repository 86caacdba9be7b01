/*
 * luajit: the rows of LuaJIT's interpreter. Its unwind table has one rule for all of its code,
 * which is wrong where a function of it begins or ends, in helpers that are called, and where a
 * trace ends (lj_vm_*): a walk would take another word for the caller's address there. Enters:
 * rows, and the code, untrusted; leaves: rows by that code (struct arch, lua_frames). Rows of other
 * code stay as they are: LuaJIT's are known by the rule, and by how much code there is of that one
 * rule.
 */
#include "unwind/unwind.h"

#include "arch/arch.h"

/* LuaJIT's interpreters have 14 to 20 KiB; compilers make no function so large of one rule. */
enum { CODE_MIN = 8 * 1024, CODE_MAX = 64 * 1024 };

struct frames {
    const struct arch *arch;
    struct unwind_rows *rows;
    uint32_t start;
    size_t size;
};

static uint32_t rule_of(const struct arch *arch, unsigned words)
{
    unsigned fp = arch->unwind.lua_rule.fp, base = arch->unwind.lua_rule.base;

    return NGS_RULE(NGS_CFA_SP, words >= base ? base : 0, words >= fp ? fp : 0, words);
}

static void tell(void *arg, size_t at, unsigned words)
{
    struct frames *f = arg;

    if (at >= f->size) /* other code */
        return;
    if (words == ARCH_LUA_FRAME)
        words = f->arch->unwind.lua_rule.words;
    unwind_add_row(f->rows, f->start + (uint32_t)at,
                   words == ARCH_LUA_UNKNOWN ? NGS_RULE(NGS_CFA_OTHERWISE, 0, 0, 0)
                                             : rule_of(f->arch, words));
}

bool unwind_luajit(const struct arch *arch, const struct unwind_code *code, struct unwind_rows *r)
{
    const uint32_t n = r->n;

    for (uint32_t i = 0; arch->unwind.lua_frames && i + 1 < n; i++) {
        const uint32_t start = r->v[i].pc;
        const size_t size = r->v[i + 1].pc - start;
        struct frames f = {arch, r, start, size};

        if (r->v[i].rule != rule_of(arch, arch->unwind.lua_rule.words) || size < CODE_MIN ||
            size > CODE_MAX)
            continue;
        const uint8_t *bytes = code->at(code->arg, start, size);

        if (bytes)
            arch->unwind.lua_frames(bytes, size, tell, &f);
        return r->n > n;
    }
    return false;
}
