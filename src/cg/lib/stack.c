/*
 * stack: a stack as a number. Enters: frames of the program's stack as places, or of the kernel's,
 * in the frame's words (enum cg_unwind, enum cg_stacks); leaves: those that are asked for as a
 * struct ngs_stack behind its number, for NGS_MAP_STACKS.
 */
#include "cg/lib/lib.h"

#include <stddef.h>

static int stacks(const struct cg_lib_fn *f, int which)
{
    return cg_stacks_word(f->c->u, which);
}

/* r1 = the first frame, r5 = how many there are. Without a walk the program's has none. */
static void source(struct cg_lib_fn *f)
{
    const struct ir_unit *u = f->c->u;
    struct cg_asm *s = &f->s;
    uint32_t kernel = cg_label(s), have = cg_label(s);

    cg_mov(s, R1, R6);
    if (u->walks) {
        cg_jmpi(s, BPF_JNE, R2, 0, kernel);
        cg_alui(s, BPF_ADD, R1, cg_unwind_word(u, CG_UNWIND_PLACES));
        cg_ldx(s, BPF_DW, R5, R6, cg_unwind_word(u, CG_UNWIND_N));
        cg_ja(s, have);
        cg_bind(s, kernel);
    }
    cg_alui(s, BPF_ADD, R1, stacks(f, CG_STACKS_KERNEL));
    cg_ldx(s, BPF_DW, R5, R6, stacks(f, CG_STACKS_KERNEL_N));
    cg_jmpi(s, BPF_JEQ, R5, 0, f->l_bad);
    cg_alui(s, BPF_SUB, R5, 1);
    cg_bind(s, have);
}

/*
 * Two stacks have the same number with a probability of 2^-64: each place is folded in by a
 * multiplication (the constant is the golden ratio's) and a shift, from the session's key on. r7 is
 * the number, r8 how many frames, r9 which is at hand. The caller stores the stack: before Linux
 * 6.2 an element may not be made of what lies behind a parameter.
 */
void cg_lib_stack(struct cg_lib_fn *f)
{
    struct cg_asm *s = &f->s;
    uint32_t some = cg_label(s), next = cg_label(s), done = cg_label(s), own = cg_label(s);

    cg_lib_enter(f);
    source(f);
    cg_mov(s, R8, R4);
    cg_jmp(s, BPF_JLE, R8, R5, some);
    cg_mov(s, R8, R5);
    cg_bind(s, some);
    cg_jmpi(s, BPF_JGT, R8, NGS_STACK_MAX, f->l_bad);
    cg_jmp(s, BPF_JGE, R3, R8, f->l_bad);
    cg_jmpi(s, BPF_JGE, R3, NGS_STACK_MAX, f->l_bad);
    cg_alu(s, BPF_SUB, R8, R3);
    cg_stx(s, BPF_DW, R6, stacks(f, CG_STACKS_STACK), R8);
    cg_alui(s, BPF_LSH, R3, 3);
    cg_alu(s, BPF_ADD, R1, R3);
    cg_value(s, R2, CG_RODATA, f->c->hash_key);
    cg_ldx(s, BPF_DW, R7, R2, 0);
    cg_movi(s, R2, (int64_t)0x9e3779b97f4a7c15);
    cg_mov(s, R3, R6);
    cg_movi(s, R9, 0);
    cg_bind(s, next);
    cg_jmp(s, BPF_JGE, R9, R8, done);
    cg_jmpi(s, BPF_JGE, R9, NGS_STACK_MAX, done);
    cg_ldx(s, BPF_DW, R4, R1, 0);
    cg_stx(s, BPF_DW, R3, stacks(f, CG_STACKS_FRAMES), R4);
    cg_alu(s, BPF_XOR, R7, R4);
    cg_alu(s, BPF_MUL, R7, R2);
    cg_mov(s, R4, R7);
    cg_alui(s, BPF_RSH, R4, 32);
    cg_alu(s, BPF_XOR, R7, R4);
    cg_alui(s, BPF_ADD, R1, 8);
    cg_alui(s, BPF_ADD, R3, 8);
    cg_alui(s, BPF_ADD, R9, 1);
    cg_ja(s, next);
    cg_bind(s, done);
    cg_jmpi(s, BPF_JNE, R7, 0, own);
    cg_movi(s, R7, 1);
    cg_bind(s, own);
    cg_stx(s, BPF_DW, R6, stacks(f, CG_STACKS_NUMBER), R7);
    cg_mov(s, R0, R7);
    cg_exit(s);
}
