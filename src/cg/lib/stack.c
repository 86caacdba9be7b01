/*
 * stack: a stack that becomes a number. Enters: frames of the program's stack as places, or of the
 * kernel's, or a text's number, in the frame's words (enum cg_unwind, enum cg_stacks); leaves:
 * those that are asked for behind the ones before, as a struct ngs_stack, and its number. Refused:
 * more than the map has room for; they are left out, and the stack counts as cut.
 */
#include "cg/lib/lib.h"

#include <stddef.h>

static int stacks(const struct cg_lib_fn *f, int which)
{
    return cg_stacks_word(f->c->u, which);
}

/* r1 = the first frame that r2 names, r5 = how many there are. */
static void source(struct cg_lib_fn *f)
{
    const struct ir_unit *u = f->c->u;
    struct cg_asm *s = &f->s;
    uint32_t kernel = cg_label(s), text = cg_label(s), have = cg_label(s);

    cg_mov(s, R1, R6);
    cg_jmpi(s, BPF_JEQ, R2, CG_STACK_TEXT, text);
    if (u->walks) { /* else the program's has none */
        cg_jmpi(s, BPF_JEQ, R2, CG_STACK_KERNEL, kernel);
        cg_alui(s, BPF_ADD, R1, cg_unwind_word(u, CG_UNWIND_PLACES));
        cg_ldx(s, BPF_DW, R5, R6, cg_unwind_word(u, CG_UNWIND_N));
        cg_ja(s, have);
        cg_bind(s, kernel);
    }
    cg_alui(s, BPF_ADD, R1, stacks(f, CG_STACKS_KERNEL));
    cg_ldx(s, BPF_DW, R5, R6, stacks(f, CG_STACKS_KERNEL_N));
    cg_jmpi(s, BPF_JEQ, R5, 0, f->l_bad);
    cg_alui(s, BPF_SUB, R5, 1);
    cg_ja(s, have);
    cg_bind(s, text);
    cg_alui(s, BPF_ADD, R1, stacks(f, CG_STACKS_TEXT));
    cg_movi(s, R5, 1);
    cg_bind(s, have);
}

/*
 * Two stacks have the same number with a probability of 2^-64: each frame is folded in by a
 * multiplication (the constant is the golden ratio's) and a shift, from the session's key on. r7 is
 * the number, r8 how many frames the stack has, r5 how many more are wanted, from r1 on, r9 which
 * of these is at hand.
 */
void cg_lib_stack(struct cg_lib_fn *f)
{
    struct cg_asm *s = &f->s;
    const int32_t room = f->c->u->stack_texts ? NGS_STACK_ROOM : NGS_STACK_MAX;
    uint32_t some = cg_label(s), more = cg_label(s), next = cg_label(s), cut = cg_label(s),
             done = cg_label(s), own = cg_label(s);

    cg_lib_enter(f);
    source(f);
    cg_jmp(s, BPF_JGE, R5, R4, some);
    cg_mov(s, R4, R5);
    cg_bind(s, some);
    cg_mov(s, R5, R4);
    cg_jmp(s, BPF_JGE, R3, R5, f->l_bad);
    cg_jmpi(s, BPF_JGE, R3, NGS_STACK_MAX, f->l_bad);
    cg_alu(s, BPF_SUB, R5, R3);
    cg_alui(s, BPF_LSH, R3, 3);
    cg_alu(s, BPF_ADD, R1, R3);
    cg_ldx(s, BPF_DW, R7, R6, stacks(f, CG_STACKS_NUMBER));
    cg_ldx(s, BPF_DW, R8, R6, stacks(f, CG_STACKS_STACK));
    cg_jmpi(s, BPF_JNE, R8, 0, more);
    cg_value(s, R2, CG_RODATA, f->c->hash_key);
    cg_ldx(s, BPF_DW, R7, R2, 0);
    cg_bind(s, more);
    cg_movi(s, R2, (int64_t)0x9e3779b97f4a7c15);
    cg_lib_counter(f);
    cg_bind(s, next);
    if (f->may_goto)
        cg_may_goto(s, f->l_bad);
    cg_jmp(s, BPF_JGE, R9, R5, done);
    cg_jmpi(s, BPF_JGE, R9, NGS_STACK_MAX, done);
    cg_jmpi(s, BPF_JGE, R8, room, cut);
    cg_mov(s, R3, R9);
    cg_alui(s, BPF_LSH, R3, 3);
    cg_alu(s, BPF_ADD, R3, R1);
    cg_ldx(s, BPF_DW, R4, R3, 0);
    cg_mov(s, R3, R8);
    cg_alui(s, BPF_LSH, R3, 3);
    cg_alu(s, BPF_ADD, R3, R6);
    cg_stx(s, BPF_DW, R3, stacks(f, CG_STACKS_FRAMES), R4);
    cg_alu(s, BPF_XOR, R7, R4);
    cg_alu(s, BPF_MUL, R7, R2);
    cg_mov(s, R4, R7);
    cg_alui(s, BPF_RSH, R4, 32);
    cg_alu(s, BPF_XOR, R7, R4);
    cg_alui(s, BPF_ADD, R8, 1);
    cg_alui(s, BPF_ADD, R9, 1);
    cg_ja(s, next);
    cg_bind(s, cut);
    cg_lib_count(f, (uint32_t)offsetof(struct ngs_control, ends) + 8 * NGS_END_CUT, R1, R2);
    cg_bind(s, done);
    cg_jmpi(s, BPF_JNE, R7, 0, own);
    cg_movi(s, R7, 1);
    cg_bind(s, own);
    cg_stx(s, BPF_DW, R6, stacks(f, CG_STACKS_NUMBER), R7);
    cg_stx(s, BPF_DW, R6, stacks(f, CG_STACKS_STACK), R8);
    cg_mov(s, R0, R8);
    cg_exit(s);
}
