/*
 * unwind: the library's walk of a program's stack: by the rows of its files (struct ngs_row), from
 * the registers in the frame's words (enum cg_unwind). Leaves: subprograms without loops, so
 * that no kernel is asked for a way to loop.
 */
#include "cg/lib/lib.h"

#include <stddef.h>

#include "arch/arch.h"

#define SPACE(field) ((int)offsetof(struct ngs_space, field))
#define RANGE(field) ((int)offsetof(struct ngs_range, field))

static int word(const struct cg_lib_fn *f, int which)
{
    return cg_unwind_word(f->c->u, which);
}

static int range(const struct cg_lib_fn *f, int field)
{
    return word(f, CG_UNWIND_RANGE) + field;
}

/*
 * The range that an address is in becomes the frame's. Its position, as that of a row below, goes
 * through memory: the verifier forgets it, and sees the same at each step of the search.
 */
void cg_lib_unwind_range(struct cg_lib_fn *f)
{
    struct cg_asm *s = &f->s;
    uint32_t unmapped = cg_label(s);

    cg_lib_enter(f);
    cg_mov(s, R7, R2);
    cg_movi(s, R1, 0);
    cg_lib_call(f, CG_LIB_PID);
    cg_alui(s, BPF_RSH, R0, 32);
    cg_stx(s, BPF_W, R10, -8, R0);
    cg_map(s, R1, NGS_MAP_SPACES);
    cg_mov(s, R2, R10);
    cg_alui(s, BPF_ADD, R2, -8);
    cg_call(s, BPF_FUNC_map_lookup_elem);
    cg_jmpi(s, BPF_JEQ, R0, 0, f->l_bad);
    cg_mov(s, R8, R0);
    cg_sti(s, BPF_DW, R6, LIB_FRAME(private_[0]), 0);
    for (int step = NGS_RANGES / 2; step; step /= 2) {
        uint32_t lower = cg_label(s);

        cg_ldx(s, BPF_DW, R2, R6, LIB_FRAME(private_[0]));
        cg_alui(s, BPF_ADD, R2, step);
        cg_ldx(s, BPF_DW, R3, R8, SPACE(n));
        cg_jmp(s, BPF_JGE, R2, R3, lower);
        cg_jmpi(s, BPF_JGE, R2, NGS_RANGES, lower);
        cg_mov(s, R4, R2);
        cg_alui(s, BPF_MUL, R4, sizeof(struct ngs_range));
        cg_alu(s, BPF_ADD, R4, R8);
        cg_ldx(s, BPF_DW, R4, R4, SPACE(ranges) + RANGE(start));
        cg_jmp(s, BPF_JGT, R4, R7, lower);
        cg_stx(s, BPF_DW, R6, LIB_FRAME(private_[0]), R2);
        cg_bind(s, lower);
    }
    cg_ldx(s, BPF_DW, R2, R6, LIB_FRAME(private_[0]));
    cg_jmpi(s, BPF_JGE, R2, NGS_RANGES, f->l_bad);
    cg_alui(s, BPF_MUL, R2, sizeof(struct ngs_range));
    cg_alu(s, BPF_ADD, R8, R2);
    for (size_t off = 0; off < sizeof(struct ngs_range); off += 8) {
        cg_ldx(s, BPF_DW, R1, R8, SPACE(ranges) + (int)off);
        cg_stx(s, BPF_DW, R6, range(f, (int)off), R1);
    }
    cg_ldx(s, BPF_DW, R1, R6, range(f, RANGE(start)));
    cg_jmp(s, BPF_JGT, R1, R7, unmapped);
    cg_ldx(s, BPF_DW, R1, R6, range(f, RANGE(end)));
    cg_jmp(s, BPF_JGE, R7, R1, unmapped);
    cg_lib_leave(f, 1);

    cg_bind(s, unmapped);
    cg_value(s, R1, CG_CONTROL, (uint32_t)offsetof(struct ngs_control, unmapped));
    cg_ldx(s, BPF_W, R2, R10, -8);
    cg_stx(s, BPF_DW, R1, 0, R2);
    cg_lib_leave(f, 0);
}

/* r0 = the row, or block, whose index is r3; where there is none control goes to NONE. */
static void element(struct cg_lib_fn *f, uint32_t none)
{
    struct cg_asm *s = &f->s;

    cg_stx(s, BPF_W, R10, -8, R3);
    cg_map(s, R1, NGS_MAP_ROWS);
    cg_mov(s, R2, R10);
    cg_alui(s, BPF_ADD, R2, -8);
    cg_call(s, BPF_FUNC_map_lookup_elem);
    cg_jmpi(s, BPF_JEQ, R0, 0, none);
}

/* r7 is the address, then the file's own; r8 the first row of its block, r9 how many it has. Mostly
 * they lie in one line of the processor's cache. */
void cg_lib_unwind_rule(struct cg_lib_fn *f)
{
    struct cg_asm *s = &f->s;
    uint32_t other = cg_label(s), have = cg_label(s);

    cg_lib_enter(f);
    cg_mov(s, R7, R2);
    cg_ldx(s, BPF_DW, R1, R6, range(f, RANGE(start)));
    cg_jmp(s, BPF_JGT, R1, R7, other);
    cg_ldx(s, BPF_DW, R1, R6, range(f, RANGE(end)));
    cg_jmp(s, BPF_JLT, R7, R1, have);
    cg_bind(s, other);
    cg_mov(s, R1, R6);
    cg_mov(s, R2, R7);
    cg_lib_call(f, CG_LIB_UNWIND_RANGE);
    cg_jmpi(s, BPF_JEQ, R0, 0, f->l_bad);
    cg_bind(s, have);
    cg_ldx(s, BPF_DW, R1, R6, range(f, RANGE(bias)));
    cg_alu(s, BPF_SUB, R7, R1);
    cg_mov(s, R3, R7);
    cg_alui(s, BPF_RSH, R3, NGS_BLOCK_SHIFT);
    cg_ldx(s, BPF_W, R1, R6, range(f, RANGE(first_block)));
    cg_alu(s, BPF_SUB, R3, R1);
    cg_ldx(s, BPF_W, R1, R6, range(f, RANGE(n_blocks)));
    cg_jmp(s, BPF_JGE, R3, R1, f->l_bad);
    cg_ldx(s, BPF_W, R1, R6, range(f, RANGE(blocks)));
    cg_alu(s, BPF_ADD, R3, R1);
    element(f, f->l_bad);
    cg_ldx(s, BPF_W, R8, R0, offsetof(struct ngs_block, first));
    cg_ldx(s, BPF_W, R9, R0, offsetof(struct ngs_block, n));
    cg_ldx(s, BPF_W, R1, R6, range(f, RANGE(rows)));
    cg_alu(s, BPF_ADD, R8, R1);
    cg_sti(s, BPF_DW, R6, LIB_FRAME(private_[0]), 0);
    for (int step = 1 << NGS_BLOCK_SHIFT; step; step /= 2) {
        uint32_t lower = cg_label(s);

        cg_ldx(s, BPF_DW, R3, R6, LIB_FRAME(private_[0]));
        cg_alui(s, BPF_ADD, R3, step);
        cg_jmp(s, BPF_JGE, R3, R9, lower);
        cg_stx(s, BPF_DW, R6, LIB_FRAME(private_[1]), R3);
        cg_alu(s, BPF_ADD, R3, R8);
        element(f, lower);
        cg_ldx(s, BPF_W, R1, R0, offsetof(struct ngs_row, pc));
        cg_jmp(s, BPF_JGT, R1, R7, lower);
        cg_ldx(s, BPF_DW, R3, R6, LIB_FRAME(private_[1]));
        cg_stx(s, BPF_DW, R6, LIB_FRAME(private_[0]), R3);
        cg_bind(s, lower);
    }
    cg_ldx(s, BPF_DW, R3, R6, LIB_FRAME(private_[0]));
    cg_alu(s, BPF_ADD, R3, R8);
    element(f, f->l_bad);
    cg_ldx(s, BPF_W, R1, R0, offsetof(struct ngs_row, pc));
    cg_jmp(s, BPF_JGT, R1, R7, f->l_bad);
    cg_ldx(s, BPF_W, R0, R0, offsetof(struct ngs_row, rule));
    cg_exit(s);
}

/* The frame's word WHICH = what lies at ADDR + OFF of the program; goes to BAD. ADDR is a register
 * that calls leave. */
static void read_word(struct cg_lib_fn *f, int which, int addr, int off, uint32_t bad)
{
    struct cg_asm *s = &f->s;

    cg_addr(s, R1, R6, (uint32_t)word(f, which));
    cg_movi(s, R2, 8);
    cg_mov(s, R3, addr);
    cg_alui(s, BPF_ADD, R3, off);
    cg_call(s, BPF_FUNC_probe_read_user);
    cg_jmpi(s, BPF_JNE, R0, 0, bad);
}

/* r0 = the rule for the code at the address at hand, 0: none. */
static void find_rule(struct cg_lib_fn *f)
{
    struct cg_asm *s = &f->s;

    cg_ldx(s, BPF_DW, R2, R6, word(f, CG_UNWIND_IP));
    cg_ldx(s, BPF_DW, R3, R6, word(f, CG_UNWIND_CALL));
    cg_alu(s, BPF_SUB, R2, R3);
    cg_mov(s, R1, R6);
    cg_lib_call(f, CG_LIB_UNWIND_RULE);
}

/* The frame at hand is one more. Goes to BAD when no further one is wanted. */
static void add_frame(struct cg_lib_fn *f, uint32_t bad)
{
    struct cg_asm *s = &f->s;

    cg_ldx(s, BPF_DW, R1, R6, word(f, CG_UNWIND_N));
    cg_jmpi(s, BPF_JGE, R1, NGS_STACK_MAX, bad);
    cg_mov(s, R2, R1);
    cg_alui(s, BPF_LSH, R2, 3);
    cg_alu(s, BPF_ADD, R2, R6);
    cg_ldx(s, BPF_DW, R3, R6, word(f, CG_UNWIND_IP));
    cg_stx(s, BPF_DW, R2, word(f, CG_UNWIND_FRAMES), R3);
    cg_ldx(s, BPF_DW, R3, R6, word(f, CG_UNWIND_SP));
    cg_stx(s, BPF_DW, R2, word(f, CG_UNWIND_SPS), R3);
    cg_alui(s, BPF_ADD, R1, 1);
    cg_stx(s, BPF_DW, R6, word(f, CG_UNWIND_N), R1);
    cg_ldx(s, BPF_DW, R2, R6, word(f, CG_UNWIND_MOST));
    cg_jmp(s, BPF_JGE, R1, R2, bad);
}

/*
 * r7 is the rule, r8 the CFA. Where the innermost address has no row, that of the instruction
 * before it serves: a program that has called the kernel stands behind its last instruction.
 */
void cg_lib_unwind_step(struct cg_lib_fn *f)
{
    const struct arch *a = f->c->cx->arch;
    struct cg_asm *s = &f->s;
    uint32_t sp = cg_label(s), fp = cg_label(s), at_fp = cg_label(s), plt = cg_label(s),
             have = cg_label(s), same = cg_label(s), sixteen = cg_label(s), found = cg_label(s);

    cg_lib_enter(f);
    add_frame(f, f->l_bad);
    find_rule(f);
    cg_jmpi(s, BPF_JNE, R0, 0, found);
    cg_ldx(s, BPF_DW, R3, R6, word(f, CG_UNWIND_CALL));
    cg_jmpi(s, BPF_JNE, R3, 0, f->l_bad);
    cg_sti(s, BPF_DW, R6, word(f, CG_UNWIND_CALL), 1);
    find_rule(f);
    cg_bind(s, found);
    cg_mov(s, R7, R0);
    cg_mov(s, R2, R7);
    cg_alui(s, BPF_LSH, R2, 32);
    cg_alui(s, BPF_ARSH, R2, 48);
    cg_mov(s, R1, R7);
    cg_alui(s, BPF_AND, R1, 0xff);
    cg_jmpi(s, BPF_JEQ, R1, NGS_CFA_PLT, plt);
    cg_alui(s, BPF_LSH, R2, 3);
    cg_jmpi(s, BPF_JEQ, R1, NGS_CFA_SP, sp);
    cg_jmpi(s, BPF_JEQ, R1, NGS_CFA_FP, fp);
    cg_jmpi(s, BPF_JEQ, R1, NGS_CFA_AT_FP, at_fp);
    cg_jmpi(s, BPF_JNE, R1, NGS_CFA_SIGNAL, f->l_bad);

    cg_ldx(s, BPF_DW, R8, R6, word(f, CG_UNWIND_SP));
    read_word(f, CG_UNWIND_IP, R8, a->unwind.signal_ip, f->l_bad);
    read_word(f, CG_UNWIND_FP, R8, a->unwind.signal_fp, f->l_bad);
    read_word(f, CG_UNWIND_SP, R8, a->unwind.signal_sp, f->l_bad);
    cg_sti(s, BPF_DW, R6, word(f, CG_UNWIND_CALL), 0);
    cg_lib_leave(f, 1);

    cg_bind(s, sp);
    cg_ldx(s, BPF_DW, R8, R6, word(f, CG_UNWIND_SP));
    cg_alu(s, BPF_ADD, R8, R2);
    cg_ja(s, have);
    cg_bind(s, fp);
    cg_ldx(s, BPF_DW, R8, R6, word(f, CG_UNWIND_FP));
    cg_alu(s, BPF_ADD, R8, R2);
    cg_ja(s, have);
    cg_bind(s, at_fp); /* the CFA by way of the word for the address, which is read next */
    cg_ldx(s, BPF_DW, R8, R6, word(f, CG_UNWIND_FP));
    cg_mov(s, R9, R8);
    cg_alu(s, BPF_ADD, R9, R2);
    read_word(f, CG_UNWIND_IP, R9, 0, f->l_bad);
    read_word(f, CG_UNWIND_FP, R8, 0, f->l_bad);
    cg_ldx(s, BPF_DW, R8, R6, word(f, CG_UNWIND_IP));
    cg_ja(s, have);
    cg_bind(s, plt);
    cg_ldx(s, BPF_DW, R8, R6, word(f, CG_UNWIND_SP));
    cg_alui(s, BPF_ADD, R8, 8);
    cg_ldx(s, BPF_DW, R1, R6, word(f, CG_UNWIND_IP));
    cg_alui(s, BPF_AND, R1, 15);
    cg_jmp(s, BPF_JGE, R1, R2, sixteen);
    cg_ja(s, have);
    cg_bind(s, sixteen);
    cg_alui(s, BPF_ADD, R8, 8);

    cg_bind(s, have); /* a stack grows down: a caller's frame lies above */
    cg_ldx(s, BPF_DW, R1, R6, word(f, CG_UNWIND_SP));
    cg_jmp(s, BPF_JLE, R8, R1, f->l_bad);
    read_word(f, CG_UNWIND_IP, R8, -8, f->l_bad);
    cg_mov(s, R1, R7);
    cg_alui(s, BPF_RSH, R1, 8);
    cg_alui(s, BPF_AND, R1, 0xff);
    cg_jmpi(s, BPF_JEQ, R1, 0, same);
    cg_alui(s, BPF_LSH, R1, 3);
    cg_mov(s, R7, R8);
    cg_alu(s, BPF_SUB, R7, R1);
    read_word(f, CG_UNWIND_FP, R7, 0, f->l_bad);
    cg_bind(s, same);
    cg_stx(s, BPF_DW, R6, word(f, CG_UNWIND_SP), R8);
    cg_sti(s, BPF_DW, R6, word(f, CG_UNWIND_CALL), 1);
    cg_ldx(s, BPF_DW, R1, R6, word(f, CG_UNWIND_IP));
    cg_jmpi(s, BPF_JEQ, R1, 0, f->l_bad);
    cg_lib_leave(f, 1);
}

void cg_lib_unwind(struct cg_lib_fn *f)
{
    struct cg_asm *s = &f->s;
    uint32_t done = cg_label(s);

    cg_lib_enter(f);
    for (int k = 0; k < NGS_STACK_MAX; k++) {
        cg_mov(s, R1, R6);
        cg_lib_call(f, CG_LIB_UNWIND_STEP);
        cg_jmpi(s, BPF_JEQ, R0, 0, done);
    }
    cg_bind(s, done);
    cg_ldx(s, BPF_DW, R0, R6, word(f, CG_UNWIND_N));
    cg_exit(s);
}

/* Beyond code without rows whose frame the script knows: as it begins with "push frame pointer". */
void cg_lib_unwind_on(struct cg_lib_fn *f)
{
    struct cg_asm *s = &f->s;
    uint32_t none = cg_label(s);

    cg_lib_enter(f);
    cg_mov(s, R7, R2);
    cg_sti(s, BPF_DW, R6, word(f, CG_UNWIND_MOST), NGS_STACK_MAX);
    cg_sti(s, BPF_DW, R6, word(f, CG_UNWIND_CALL), 1);
    cg_stx(s, BPF_DW, R6, word(f, CG_UNWIND_SP), R7);
    read_word(f, CG_UNWIND_IP, R7, -8, none);
    read_word(f, CG_UNWIND_FP, R7, -16, none);
    cg_mov(s, R1, R6);
    cg_lib_call(f, CG_LIB_UNWIND);
    cg_exit(s);
    cg_bind(s, none);
    cg_ldx(s, BPF_DW, R0, R6, word(f, CG_UNWIND_N));
    cg_exit(s);
}
