/*
 * unwind: the library's walk of a program's stack. Enters: the registers in the frame's words (enum
 * cg_unwind), the rows of the program's files (struct ngs_row); leaves: in those words each frame's
 * address, stack pointer and place. Beyond code without rows bridge.c goes on.
 */
#include "cg/lib/unwind.h"

#include "arch/arch.h"

enum { FEW_ROWS = 16 }; /* that most blocks have: searched in fewer steps */
/* Some calls are for fewer frames, where a walk goes on beyond code without rows. */
enum { FRAMES_A_CALL = 2, CALLS = NGS_STACK_MAX / FRAMES_A_CALL + 16 };
enum { STEPS_END, STEPS_GO_ON, STEPS_NO_ROW };

#define SPACE(field) ((int)offsetof(struct ngs_space, field))

void cg_lib_read_user(struct cg_lib_fn *f, int at, int addr, int off, uint32_t bad)
{
    struct cg_asm *s = &f->s;

    cg_addr(s, R1, R6, (uint32_t)at);
    if (addr != R3)
        cg_mov(s, R3, addr);
    if (off)
        cg_alui(s, BPF_ADD, R3, off);
    cg_call(s, BPF_FUNC_probe_read_user);
    cg_jmpi(s, BPF_JNE, R0, 0, bad);
}

void cg_lib_read_word(struct cg_lib_fn *f, int which, int addr, int off, uint32_t bad)
{
    cg_movi(&f->s, R2, 8);
    cg_lib_read_user(f, word(f, which), addr, off, bad);
}

/* The walk, or what asks for a place, is of the process at hand. */
static void set_process(struct cg_lib_fn *f)
{
    uint32_t named = cg_label(&f->s);

    cg_movi(&f->s, R1, 0);
    cg_lib_call(f, CG_LIB_PID);
    cg_alui(&f->s, BPF_RSH, R0, 32);
    cg_stx(&f->s, BPF_DW, R6, word(f, CG_UNWIND_PROCESS), R0);
    cg_value(&f->s, R1, CG_CONTROL, (uint32_t)offsetof(struct ngs_control, spaces));
    cg_ldx(&f->s, BPF_DW, R1, R1, 0);
    cg_alui(&f->s, BPF_LSH, R1, 32);
    cg_alu(&f->s, BPF_OR, R1, R0);
    cg_stx(&f->s, BPF_DW, R6, word(f, CG_UNWIND_TAG), R1);
    cg_sti(&f->s, BPF_DW, R6, word(f, CG_UNWIND_MM), 0);
    cg_value(&f->s, R1, CG_CONTROL, (uint32_t)offsetof(struct ngs_control, mm));
    cg_ldx(&f->s, BPF_DW, R8, R1, 0);
    cg_jmpi(&f->s, BPF_JEQ, R8, 0, named);
    cg_call(&f->s, BPF_FUNC_get_current_task);
    cg_mov(&f->s, R3, R0);
    cg_alu(&f->s, BPF_ADD, R3, R8);
    cg_addr(&f->s, R1, R6, (uint32_t)word(f, CG_UNWIND_MM));
    cg_movi(&f->s, R2, 8);
    cg_call(&f->s, BPF_FUNC_probe_read_kernel);
    cg_ldx(&f->s, BPF_DW, R1, R6, word(f, CG_UNWIND_MM));
    cg_movi(&f->s, R2, (int64_t)0x9e3779b97f4a7c15); /* as elsewhere here: the golden ratio's */
    cg_alu(&f->s, BPF_MUL, R1, R2);
    cg_ldx(&f->s, BPF_DW, R2, R6, word(f, CG_UNWIND_TAG));
    cg_alu(&f->s, BPF_XOR, R2, R1);
    cg_stx(&f->s, BPF_DW, R6, word(f, CG_UNWIND_TAG), R2);
    cg_bind(&f->s, named);
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
    cg_ldx(s, BPF_DW, R2, R6, word(f, CG_UNWIND_PROCESS));
    cg_stx(s, BPF_W, R10, -8, R2); /* before Linux 6.2 a key may not lie behind a parameter */
    cg_map(s, R1, NGS_MAP_SPACES);
    cg_mov(s, R2, R10);
    cg_alui(s, BPF_ADD, R2, -8);
    cg_call(s, BPF_FUNC_map_lookup_elem);
    cg_jmpi(s, BPF_JEQ, R0, 0, unmapped);
    cg_mov(s, R8, R0);
    cg_ldx(s, BPF_DW, R1, R8, SPACE(mm));
    cg_ldx(s, BPF_DW, R2, R6, word(f, CG_UNWIND_MM));
    cg_jmp(s, BPF_JNE, R1, R2, unmapped);
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
    cg_ldx(s, BPF_W, R2, R6, word(f, CG_UNWIND_PROCESS));
    cg_mov(s, R3, R2);
    cg_alui(s, BPF_AND, R3, NGS_UNMAPPED - 1);
    cg_alui(s, BPF_MUL, R3, sizeof(struct ngs_unmapped));
    cg_alu(s, BPF_ADD, R1, R3);
    cg_ldx(s, BPF_DW, R3, R6, word(f, CG_UNWIND_MM));
    cg_stx(s, BPF_DW, R1, offsetof(struct ngs_unmapped, mm), R3);
    cg_stx(s, BPF_DW, R1, offsetof(struct ngs_unmapped, process), R2);
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

/*
 * r2 is an address of the file that the frame's range maps; r0 = the rule of the row for it,
 * NGS_CFA_NONE: there is none. On the way r7 is the address; r8 the highest row of its block that
 * is not above it, as far as is known, r9 the end of that block's. Mostly they lie in one line of
 * the processor's cache.
 */
void cg_lib_unwind_row(struct cg_lib_fn *f)
{
    struct cg_asm *s = &f->s;
    uint32_t few = cg_label(s);

    cg_lib_enter(f);
    cg_mov(s, R7, R2);
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
    cg_mov(s, R0, R9);
    cg_ldx(s, BPF_W, R1, R6, range(f, RANGE(rows)));
    cg_alu(s, BPF_ADD, R8, R1);
    cg_alu(s, BPF_ADD, R9, R8);
    cg_jmpi(s, BPF_JLE, R0, FEW_ROWS, few);
    for (int step = 1 << NGS_BLOCK_SHIFT; step; step /= 2) {
        uint32_t lower = cg_label(s);

        if (step == FEW_ROWS / 2)
            cg_bind(s, few);
        cg_mov(s, R3, R8);
        cg_alui(s, BPF_ADD, R3, step);
        cg_jmp(s, BPF_JGE, R3, R9, lower);
        element(f, lower);
        cg_ldx(s, BPF_W, R1, R0, offsetof(struct ngs_row, pc));
        cg_jmp(s, BPF_JGT, R1, R7, lower);
        cg_alui(s, BPF_ADD, R8, step);
        cg_bind(s, lower);
    }
    cg_mov(s, R3, R8);
    element(f, f->l_bad);
    cg_ldx(s, BPF_W, R1, R0, offsetof(struct ngs_row, pc));
    cg_jmp(s, BPF_JGT, R1, R7, f->l_bad);
    cg_ldx(s, BPF_W, R0, R0, offsetof(struct ngs_row, rule));
    cg_exit(s);
}

/* The frame at hand is the place of r7, an address to which r2 is to be added (struct ngs_range);
 * what a call returns to is the code before it. */
static void store_place(struct cg_lib_fn *f)
{
    struct cg_asm *s = &f->s;
    uint32_t none = cg_label(s);

    cg_jmpi(s, BPF_JEQ, R2, 0, none); /* no file's */
    cg_ldx(s, BPF_DW, R1, R6, word(f, CG_UNWIND_N));
    cg_jmpi(s, BPF_JGT, R1, NGS_STACK_MAX, f->l_bad);
    cg_alui(s, BPF_LSH, R1, 3);
    cg_alu(s, BPF_ADD, R1, R6);
    cg_alu(s, BPF_ADD, R2, R7);
    cg_ldx(s, BPF_DW, R3, R6, word(f, CG_UNWIND_CALL));
    cg_alu(s, BPF_ADD, R2, R3);
    cg_alui(s, BPF_LSH, R3, 61); /* NGS_PLACE_CALL */
    cg_alu(s, BPF_OR, R2, R3);
    cg_stx(s, BPF_DW, R1, word(f, CG_UNWIND_PLACES - 1), R2);
    cg_bind(s, none);
}

/* r1 = where in the frame the address in r7 is kept, if it is (CG_UNWIND_KEPT). */
static void kept_at(struct cg_lib_fn *f)
{
    struct cg_asm *s = &f->s;

    cg_movi(s, R1, (int64_t)0x9e3779b97f4a7c15);
    cg_alu(s, BPF_MUL, R1, R7);
    cg_alui(s, BPF_RSH, R1, 64 - CG_UNWIND_KEPT_BITS);
    cg_alui(s, BPF_MUL, R1, 8 * CG_UNWIND_KEPT_WORDS);
    cg_alu(s, BPF_ADD, R1, R6);
}

/* Where the parts of a step go on. */
struct ways {
    uint32_t none; /* where there is no row; END is said */
    uint32_t lost; /* where the caller has no address */
    uint32_t next; /* its registers are at hand */
    uint32_t ends[NGS_END_COUNT];
};

static void new_ways(struct cg_lib_fn *f, struct ways *w)
{
    w->none = cg_label(&f->s);
    w->lost = cg_label(&f->s);
    for (int k = 0; k < NGS_END_COUNT; k++)
        w->ends[k] = cg_label(&f->s);
}

/* What is behind the ways' ends: those by which code without a row is left go to NONE, too. */
static void say_ends(struct cg_lib_fn *f, const struct ways *w)
{
    struct cg_asm *s = &f->s;

    for (int k = 0; k < NGS_END_COUNT; k++) {
        if (!cg_label_used(s, w->ends[k]))
            continue;
        cg_bind(s, w->ends[k]);
        cg_sti(s, BPF_DW, R6, word(f, CG_UNWIND_END), k);
        if (k == NGS_END_UNREADABLE)
            cg_sti(s, BPF_DW, R6, word(f, CG_UNWIND_LEN), 0);
        if (k == NGS_END_UNMAPPED || k == NGS_END_NO_TABLE || k == NGS_END_OTHERWISE)
            cg_ja(s, w->none);
        else
            cg_lib_leave(f, STEPS_END);
    }
}

/*
 * r7 = the rule for the code at the address at hand; goes to an end where there is none. Rules that
 * were found stay with the frame's words: at a tick most of what else is read is in no cache of the
 * processor's. They hold while nothing changes in any process's mappings (walks). On the way
 * r7 is the address, then the file's own.
 */
static void find_rule(struct cg_lib_fn *f, const struct ways *w)
{
    struct cg_asm *s = &f->s;
    uint32_t other = cg_label(s), have = cg_label(s), miss = cg_label(s), found = cg_label(s);

    cg_ldx(s, BPF_DW, R7, R6, word(f, CG_UNWIND_IP));
    cg_ldx(s, BPF_DW, R3, R6, word(f, CG_UNWIND_CALL));
    cg_alu(s, BPF_SUB, R7, R3);
    kept_at(f);
    cg_ldx(s, BPF_DW, R2, R1, word(f, CG_UNWIND_KEPT));
    cg_jmp(s, BPF_JNE, R2, R7, miss);
    cg_ldx(s, BPF_DW, R2, R1, word(f, CG_UNWIND_KEPT + 1));
    cg_ldx(s, BPF_DW, R3, R6, word(f, CG_UNWIND_TAG));
    cg_jmp(s, BPF_JNE, R2, R3, miss);
    cg_ldx(s, BPF_DW, R2, R1, word(f, CG_UNWIND_KEPT + 2));
    cg_ldx(s, BPF_DW, R8, R1, word(f, CG_UNWIND_KEPT + 3));
    store_place(f);
    cg_mov(s, R7, R8);
    cg_ja(s, found);
    cg_bind(s, miss);
    cg_ldx(s, BPF_DW, R1, R6, range(f, RANGE(start)));
    cg_jmp(s, BPF_JGT, R1, R7, other);
    cg_ldx(s, BPF_DW, R1, R6, range(f, RANGE(end)));
    cg_jmp(s, BPF_JLT, R7, R1, have);
    cg_bind(s, other);
    cg_mov(s, R1, R6);
    cg_mov(s, R2, R7);
    cg_lib_call(f, CG_LIB_UNWIND_RANGE);
    cg_jmpi(s, BPF_JEQ, R0, 0, w->ends[NGS_END_UNMAPPED]);
    cg_bind(s, have);
    cg_ldx(s, BPF_DW, R2, R6, range(f, RANGE(place)));
    store_place(f);
    cg_ldx(s, BPF_DW, R1, R6, range(f, RANGE(bias)));
    cg_alu(s, BPF_SUB, R7, R1);
    cg_mov(s, R1, R6);
    cg_mov(s, R2, R7);
    cg_lib_call(f, CG_LIB_UNWIND_ROW);
    cg_mov(s, R8, R0);
    cg_jmpi(s, BPF_JEQ, R8, NGS_CFA_NONE, w->ends[NGS_END_NO_TABLE]);
    cg_jmpi(s, BPF_JEQ, R8, NGS_CFA_OTHERWISE, w->ends[NGS_END_OTHERWISE]);
    cg_ldx(s, BPF_DW, R2, R6, range(f, RANGE(bias)));
    cg_alu(s, BPF_ADD, R7, R2);
    kept_at(f);
    cg_stx(s, BPF_DW, R1, word(f, CG_UNWIND_KEPT), R7);
    cg_ldx(s, BPF_DW, R2, R6, word(f, CG_UNWIND_TAG));
    cg_stx(s, BPF_DW, R1, word(f, CG_UNWIND_KEPT + 1), R2);
    cg_ldx(s, BPF_DW, R2, R6, range(f, RANGE(place)));
    cg_stx(s, BPF_DW, R1, word(f, CG_UNWIND_KEPT + 2), R2);
    cg_stx(s, BPF_DW, R1, word(f, CG_UNWIND_KEPT + 3), R8);
    cg_mov(s, R7, R8);
    cg_bind(s, found);
}

/*
 * r1 = what, from the frame's bytes on, holds the r9 bytes below r8, 8 to CG_UNWIND_SAVED. A call
 * of the helper costs more than what it copies, so it takes what follows of the page with them, for
 * the frames above.
 */
static void read_saved(struct cg_lib_fn *f, uint32_t bad)
{
    struct cg_asm *s = &f->s;
    uint32_t miss = cg_label(s), hit = cg_label(s), few = cg_label(s), many = cg_label(s);

    cg_mov(s, R2, R8);
    cg_alu(s, BPF_SUB, R2, R9);
    cg_ldx(s, BPF_DW, R1, R6, word(f, CG_UNWIND_AT));
    cg_mov(s, R3, R2);
    cg_alu(s, BPF_SUB, R3, R1);
    cg_jmpi(s, BPF_JGT, R3, CG_UNWIND_WINDOW - CG_UNWIND_SAVED, miss);
    cg_mov(s, R4, R3);
    cg_alu(s, BPF_ADD, R4, R9);
    cg_ldx(s, BPF_DW, R5, R6, word(f, CG_UNWIND_LEN));
    cg_jmp(s, BPF_JLE, R4, R5, hit);
    cg_bind(s, miss);
    cg_stx(s, BPF_DW, R6, word(f, CG_UNWIND_AT), R2);
    cg_mov(s, R3, R2);
    cg_alui(s, BPF_AND, R2, 4095);
    cg_movi(s, R5, 4096);
    cg_alu(s, BPF_SUB, R5, R2);
    cg_jmpi(s, BPF_JLE, R5, CG_UNWIND_WINDOW, few);
    cg_movi(s, R5, CG_UNWIND_WINDOW);
    cg_bind(s, few);
    cg_jmpi(s, BPF_JGE, R5, CG_UNWIND_SAVED, many);
    cg_mov(s, R5, R9);
    cg_bind(s, many);
    cg_stx(s, BPF_DW, R6, word(f, CG_UNWIND_LEN), R5);
    cg_mov(s, R2, R5);
    cg_lib_read_user(f, word(f, CG_UNWIND_BYTES), R3, 0, bad);
    cg_movi(s, R3, 0);
    cg_bind(s, hit);
    cg_mov(s, R1, R6);
    cg_alu(s, BPF_ADD, R1, R3);
}

/* The frame at hand is one more; goes to BAD when there is no room for it. */
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
    cg_stx(s, BPF_DW, R2, word(f, CG_UNWIND_PLACES), R3); /* until a file is found */
    cg_ldx(s, BPF_DW, R3, R6, word(f, CG_UNWIND_SP));
    cg_stx(s, BPF_DW, R2, word(f, CG_UNWIND_SPS), R3);
    cg_alui(s, BPF_ADD, R1, 1);
    cg_stx(s, BPF_DW, R6, word(f, CG_UNWIND_N), R1);
}

/* r2 = what a rule in r7 has as an offset, in bytes, r9 = its part: of the kinds that have one. */
static void split_part(struct cg_lib_fn *f)
{
    struct cg_asm *s = &f->s;

    cg_mov(s, R2, R7);
    cg_alui(s, BPF_LSH, R2, 36);
    cg_alui(s, BPF_ARSH, R2, 52);
    cg_alui(s, BPF_LSH, R2, 3);
    cg_mov(s, R9, R7);
    cg_alui(s, BPF_RSH, R9, 28);
}

/* r0 = the register whose word in struct pt_regs is in REG; goes to BAD where it is not known. */
static void held(struct cg_lib_fn *f, int reg, uint32_t bad)
{
    cg_mov(&f->s, R2, reg);
    cg_mov(&f->s, R1, R6);
    cg_lib_call(f, CG_LIB_UNWIND_HELD);
    cg_jmpi(&f->s, BPF_JEQ, R0, 0, bad);
}

/* What a signal has interrupted is at hand, with all its registers. */
static void interrupted(struct cg_lib_fn *f, const struct ways *w)
{
    const struct arch *a = f->c->cx->arch;
    struct cg_asm *s = &f->s;
    int at = word(f, CG_UNWIND_BYTES) - a->unwind.signal;
    const struct {
        int from, to;
    } main[] = {{a->unwind.signal_ip, CG_UNWIND_IP},
                {a->unwind.signal_fp, CG_UNWIND_FP},
                {a->unwind.signal_sp, CG_UNWIND_SP}};

    cg_sti(s, BPF_DW, R6, word(f, CG_UNWIND_LEN), 0);
    cg_ldx(s, BPF_DW, R8, R6, word(f, CG_UNWIND_SP));
    cg_movi(s, R2, a->unwind.signal_size);
    cg_lib_read_user(f, word(f, CG_UNWIND_BYTES), R8, a->unwind.signal,
                     w->ends[NGS_END_UNREADABLE]);
    for (unsigned k = 0; k < sizeof(main) / sizeof(*main); k++) {
        cg_ldx(s, BPF_DW, R1, R6, at + main[k].from);
        cg_stx(s, BPF_DW, R6, word(f, main[k].to), R1);
    }
    for (int k = 0; k < ARCH_HELD_REGS; k++) {
        if (!a->unwind.signal_regs[k])
            continue;
        cg_ldx(s, BPF_DW, R1, R6, at + a->unwind.signal_regs[k]);
        cg_stx(s, BPF_DW, R6, word(f, CG_UNWIND_REGS + k), R1);
    }
    cg_ldx(s, BPF_DW, R1, R6, word(f, CG_UNWIND_N));
    cg_stx(s, BPF_DW, R6, word(f, CG_UNWIND_FIRST), R1);
    cg_sti(s, BPF_DW, R6, word(f, CG_UNWIND_CALL), 0);
    cg_ja(s, w->next);
}

/*
 * The ways to a CFA that few functions have, whose kind is in r1, offset in r2, rule in r7: the CFA
 * becomes r8, for HAVE; or the caller's address is at hand, too, for SAME.
 */
static void rare_cfa(struct cg_lib_fn *f, const struct ways *w, uint32_t have, uint32_t same)
{
    struct cg_asm *s = &f->s;
    const uint32_t unreadable = w->ends[NGS_END_UNREADABLE], otherwise = w->ends[NGS_END_OTHERWISE];
    uint32_t realigned = cg_label(s), at_fp = cg_label(s), at_sp = cg_label(s), at = cg_label(s),
             index = cg_label(s), plt = cg_label(s), in_register = cg_label(s), reg = cg_label(s);

    cg_jmpi(s, BPF_JGE, R1, NGS_CFA_REG, reg);
    cg_jmpi(s, BPF_JEQ, R1, NGS_CFA_PLT, plt);
    cg_jmpi(s, BPF_JEQ, R1, NGS_CFA_REALIGNED, realigned);
    cg_jmpi(s, BPF_JEQ, R1, NGS_CFA_AT_SP, at_sp);
    cg_jmpi(s, BPF_JEQ, R1, NGS_CFA_AT_FP, at_fp);
    cg_jmpi(s, BPF_JEQ, R1, NGS_CFA_AT_INDEX, index);
    cg_jmpi(s, BPF_JEQ, R1, NGS_CFA_HELD, in_register);
    cg_jmpi(s, BPF_JNE, R1, NGS_CFA_SIGNAL, w->ends[NGS_END_OUTERMOST]);
    interrupted(f, w);

    cg_bind(s, reg);
    cg_mov(s, R8, R2);
    cg_alui(s, BPF_SUB, R1, NGS_CFA_REG);
    held(f, R1, otherwise);
    cg_alu(s, BPF_ADD, R8, R0);
    cg_ja(s, have);

    cg_bind(s, plt);
    cg_alui(s, BPF_ARSH, R2, 3);
    cg_ldx(s, BPF_DW, R8, R6, word(f, CG_UNWIND_SP));
    cg_alui(s, BPF_ADD, R8, 8);
    cg_ldx(s, BPF_DW, R1, R6, word(f, CG_UNWIND_IP));
    cg_alui(s, BPF_AND, R1, 15);
    cg_jmp(s, BPF_JLT, R1, R2, have);
    cg_alui(s, BPF_ADD, R8, 8);
    cg_ja(s, have);

    cg_bind(s, realigned); /* the CFA by way of the word for the address, which is read next */
    cg_ldx(s, BPF_DW, R8, R6, word(f, CG_UNWIND_FP));
    cg_mov(s, R9, R8);
    cg_alu(s, BPF_ADD, R9, R2);
    cg_lib_read_word(f, CG_UNWIND_IP, R9, 0, unreadable);
    cg_lib_read_word(f, CG_UNWIND_FP, R8, 0, unreadable);
    cg_ldx(s, BPF_DW, R8, R6, word(f, CG_UNWIND_IP));
    cg_ja(s, have);

    cg_bind(s, at_fp); /* likewise */
    cg_ldx(s, BPF_DW, R8, R6, word(f, CG_UNWIND_FP));
    cg_ja(s, at);
    cg_bind(s, at_sp);
    cg_ldx(s, BPF_DW, R8, R6, word(f, CG_UNWIND_SP));
    cg_bind(s, at);
    split_part(f);
    cg_alu(s, BPF_ADD, R8, R2);
    cg_lib_read_word(f, CG_UNWIND_IP, R8, 0, unreadable);
    cg_ldx(s, BPF_DW, R8, R6, word(f, CG_UNWIND_IP));
    cg_alui(s, BPF_LSH, R9, 3);
    cg_alu(s, BPF_ADD, R8, R9);
    cg_ja(s, have);

    cg_bind(s, index);
    cg_ldx(s, BPF_DW, R8, R6, word(f, CG_UNWIND_SP));
    split_part(f);
    cg_alu(s, BPF_ADD, R8, R2);
    held(f, R9, otherwise);
    cg_alui(s, BPF_LSH, R0, 3);
    cg_alu(s, BPF_ADD, R8, R0);
    cg_lib_read_word(f, CG_UNWIND_IP, R8, 0, unreadable);
    cg_ldx(s, BPF_DW, R8, R6, word(f, CG_UNWIND_IP));
    cg_alui(s, BPF_ADD, R8, 8);
    cg_ja(s, have);

    cg_bind(s, in_register);
    cg_ldx(s, BPF_DW, R8, R6, word(f, CG_UNWIND_SP));
    split_part(f);
    cg_alu(s, BPF_ADD, R8, R2);
    held(f, R9, otherwise);
    cg_stx(s, BPF_DW, R6, word(f, CG_UNWIND_IP), R0);
    cg_ja(s, same);
}

/* One frame more: r7 is the rule, r8 the CFA. */
static void step(struct cg_lib_fn *f, const struct ways *w)
{
    struct cg_asm *s = &f->s;
    const uint32_t unreadable = w->ends[NGS_END_UNREADABLE];
    uint32_t sp = cg_label(s), fp = cg_label(s), have = cg_label(s), same = cg_label(s),
             some = cg_label(s), apart = cg_label(s);

    add_frame(f, w->ends[NGS_END_CUT]);
    find_rule(f, w); /* so the frame has its place */
    cg_ldx(s, BPF_DW, R1, R6, word(f, CG_UNWIND_N));
    cg_ldx(s, BPF_DW, R2, R6, word(f, CG_UNWIND_MOST));
    cg_jmp(s, BPF_JGE, R1, R2, w->ends[NGS_END_ASKED]);
    cg_mov(s, R2, R7);
    cg_alui(s, BPF_LSH, R2, 32);
    cg_alui(s, BPF_ARSH, R2, 48);
    cg_alui(s, BPF_LSH, R2, 3);
    cg_mov(s, R1, R7);
    cg_alui(s, BPF_AND, R1, 0x1f);
    cg_jmpi(s, BPF_JEQ, R1, NGS_CFA_SP, sp);
    cg_jmpi(s, BPF_JEQ, R1, NGS_CFA_FP, fp);
    rare_cfa(f, w, have, same);

    cg_bind(s, fp);
    cg_ldx(s, BPF_DW, R8, R6, word(f, CG_UNWIND_FP));
    cg_alu(s, BPF_ADD, R8, R2);
    cg_ja(s, have);
    cg_bind(s, sp);
    cg_ldx(s, BPF_DW, R8, R6, word(f, CG_UNWIND_SP));
    cg_alu(s, BPF_ADD, R8, R2);

    cg_bind(s, have); /* a stack grows down: a caller's frame lies above */
    cg_ldx(s, BPF_DW, R1, R6, word(f, CG_UNWIND_SP));
    cg_jmp(s, BPF_JLE, R8, R1, w->ends[NGS_END_ASTRAY]);
    cg_mov(s, R9, R7);
    cg_alui(s, BPF_RSH, R9, 8);
    cg_alui(s, BPF_AND, R9, 0xff);
    cg_jmpi(s, BPF_JGT, R9, CG_UNWIND_SAVED / 8, apart);
    cg_jmpi(s, BPF_JGT, R9, 0, some);
    cg_movi(s, R9, 1);
    cg_bind(s, some);
    cg_alui(s, BPF_LSH, R9, 3);
    read_saved(f, unreadable);
    cg_ldx(s, BPF_DW, R2, R1, word(f, CG_UNWIND_BYTES));
    cg_alu(s, BPF_ADD, R1, R9);
    cg_ldx(s, BPF_DW, R1, R1, word(f, CG_UNWIND_BYTES) - 8);
    cg_stx(s, BPF_DW, R6, word(f, CG_UNWIND_IP), R1);
    cg_jmpi(s, BPF_JEQ, R9, 8, same); /* the return address alone */
    cg_stx(s, BPF_DW, R6, word(f, CG_UNWIND_FP), R2);
    cg_ja(s, same);
    cg_bind(s, apart); /* behind variables, or aligned */
    cg_mov(s, R7, R8);
    cg_alui(s, BPF_LSH, R9, 3);
    cg_alu(s, BPF_SUB, R7, R9);
    cg_lib_read_word(f, CG_UNWIND_IP, R8, -8, unreadable);
    cg_lib_read_word(f, CG_UNWIND_FP, R7, 0, unreadable);
    cg_bind(s, same);
    cg_stx(s, BPF_DW, R6, word(f, CG_UNWIND_SP), R8);
    cg_sti(s, BPF_DW, R6, word(f, CG_UNWIND_CALL), 1);
    cg_ldx(s, BPF_DW, R1, R6, word(f, CG_UNWIND_IP));
    cg_jmpi(s, BPF_JEQ, R1, 0, w->lost);
    cg_ja(s, w->next);
}

/*
 * r2 is a register's word in struct pt_regs; r0 = what it was in the frame at hand, 0: that is not
 * known. Where code was interrupted they are known. Further out, code that relies on a register
 * which calls may change knows what it calls (OpenSSL's AES-GCM); of those which calls leave
 * one is followed, over one call (the dynamic linker's way to a function's address).
 */
void cg_lib_unwind_held(struct cg_lib_fn *f)
{
    enum { OLD_IP = -16, OLD_CALL = -24 }; /* behind element()'s */
    const struct arch *a = f->c->cx->arch;
    struct cg_asm *s = &f->s;
    const int base = a->unwind.known ? a->regs[a->unwind.base].offset / 8 : 0;
    uint32_t own = cg_label(s), call = cg_label(s), back = cg_label(s), saved = cg_label(s);
    int callees = 0;
    struct ways w;

    for (uint32_t k = 0; k < a->n_regs; k++)
        if (a->saved >> k & 1 && a->regs[k].offset / 8 < ARCH_HELD_REGS)
            callees |= 1 << a->regs[k].offset / 8;
    new_ways(f, &w);
    cg_lib_enter(f);
    cg_jmpi(s, BPF_JGE, R2, ARCH_HELD_REGS, f->l_bad);
    cg_ldx(s, BPF_DW, R1, R6, word(f, CG_UNWIND_N));
    cg_ldx(s, BPF_DW, R3, R6, word(f, CG_UNWIND_FIRST));
    cg_alu(s, BPF_SUB, R1, R3);
    cg_jmpi(s, BPF_JLE, R1, 1, own);
    cg_movi(s, R1, 1);
    cg_alu(s, BPF_LSH, R1, R2);
    cg_alui(s, BPF_AND, R1, callees);
    cg_jmpi(s, BPF_JEQ, R1, 0, own);

    cg_jmpi(s, BPF_JNE, R2, base, f->l_bad); /* the rule of the frame before is looked up again */
    cg_ldx(s, BPF_DW, R1, R6, word(f, CG_UNWIND_IP));
    cg_stx(s, BPF_DW, R10, OLD_IP, R1);
    cg_ldx(s, BPF_DW, R1, R6, word(f, CG_UNWIND_CALL));
    cg_stx(s, BPF_DW, R10, OLD_CALL, R1);
    cg_ldx(s, BPF_DW, R1, R6, word(f, CG_UNWIND_N));
    cg_jmpi(s, BPF_JLT, R1, 2, f->l_bad);
    cg_jmpi(s, BPF_JGT, R1, NGS_STACK_MAX, f->l_bad);
    cg_alui(s, BPF_SUB, R1, 2);
    cg_sti(s, BPF_DW, R6, word(f, CG_UNWIND_CALL), 1);
    cg_jmp(s, BPF_JNE, R1, R3, call);
    cg_sti(s, BPF_DW, R6, word(f, CG_UNWIND_CALL), 0);
    cg_bind(s, call);
    cg_mov(s, R2, R1);
    cg_alui(s, BPF_ADD, R2, 1);
    cg_stx(s, BPF_DW, R6, word(f, CG_UNWIND_N), R2);
    cg_alui(s, BPF_LSH, R1, 3);
    cg_alu(s, BPF_ADD, R1, R6);
    cg_ldx(s, BPF_DW, R1, R1, word(f, CG_UNWIND_FRAMES));
    cg_stx(s, BPF_DW, R6, word(f, CG_UNWIND_IP), R1);
    find_rule(f, &w);
    cg_alui(s, BPF_RSH, R7, 5);
    cg_alui(s, BPF_AND, R7, NGS_BASE_MAX);
    cg_ja(s, back);
    say_ends(f, &w);
    cg_bind(s, w.none);
    cg_movi(s, R7, NGS_BASE_ELSEWHERE);
    cg_bind(s, back);
    cg_ldx(s, BPF_DW, R1, R10, OLD_IP);
    cg_stx(s, BPF_DW, R6, word(f, CG_UNWIND_IP), R1);
    cg_ldx(s, BPF_DW, R1, R10, OLD_CALL);
    cg_stx(s, BPF_DW, R6, word(f, CG_UNWIND_CALL), R1);
    cg_ldx(s, BPF_DW, R1, R6, word(f, CG_UNWIND_N));
    cg_alui(s, BPF_ADD, R1, 1);
    cg_stx(s, BPF_DW, R6, word(f, CG_UNWIND_N), R1);
    cg_jmpi(s, BPF_JEQ, R7, NGS_BASE_ELSEWHERE, f->l_bad);
    cg_jmpi(s, BPF_JNE, R7, 0, saved);
    cg_ldx(s, BPF_DW, R3, R6, word(f, CG_UNWIND_FIRST));
    cg_alu(s, BPF_SUB, R1, R3);
    cg_jmpi(s, BPF_JNE, R1, 2, f->l_bad);
    cg_movi(s, R2, base);
    cg_bind(s, own);
    cg_alui(s, BPF_LSH, R2, 3);
    cg_alu(s, BPF_ADD, R2, R6);
    cg_ldx(s, BPF_DW, R0, R2, word(f, CG_UNWIND_REGS));
    cg_exit(s);

    cg_bind(s, saved); /* below that frame's CFA, which is the stack pointer here */
    cg_ldx(s, BPF_DW, R8, R6, word(f, CG_UNWIND_SP));
    cg_alui(s, BPF_LSH, R7, 3);
    cg_alu(s, BPF_SUB, R8, R7);
    cg_movi(s, R2, 8);
    cg_lib_read_user(f, LIB_FRAME(private_[0]), R8, 0, f->l_bad);
    cg_ldx(s, BPF_DW, R0, R6, LIB_FRAME(private_[0]));
    cg_exit(s);
}

/*
 * A call costs more than most of a frame, so one takes several. Where the innermost address has no
 * row, that of the instruction before it serves: a program that has called the kernel stands behind
 * its last instruction.
 */
void cg_lib_unwind_steps(struct cg_lib_fn *f)
{
    struct cg_asm *s = &f->s;
    uint32_t lost = cg_label(s), again = cg_label(s);
    struct ways w;

    new_ways(f, &w);
    cg_lib_enter(f);
    for (int k = 0; k < FRAMES_A_CALL; k++) {
        w.next = cg_label(s);
        step(f, &w);
        cg_bind(s, w.next);
    }
    cg_lib_leave(f, STEPS_GO_ON);

    say_ends(f, &w);
    cg_bind(s, w.none);
    cg_ldx(s, BPF_DW, R1, R6, word(f, CG_UNWIND_N));
    cg_jmpi(s, BPF_JNE, R1, 1, lost);
    cg_ldx(s, BPF_DW, R1, R6, word(f, CG_UNWIND_CALL));
    cg_jmpi(s, BPF_JNE, R1, 0, again);
    cg_sti(s, BPF_DW, R6, word(f, CG_UNWIND_CALL), 1);
    cg_sti(s, BPF_DW, R6, word(f, CG_UNWIND_N), 0);
    cg_lib_leave(f, STEPS_GO_ON);
    cg_bind(s, again); /* nor has that one: nothing was called from here, so the place is its own */
    cg_ldx(s, BPF_DW, R1, R6, word(f, CG_UNWIND_PLACES));
    cg_movi(s, R2, ~(int64_t)NGS_PLACE_CALL);
    cg_alu(s, BPF_AND, R1, R2);
    cg_stx(s, BPF_DW, R6, word(f, CG_UNWIND_PLACES), R1);
    cg_ja(s, lost);
    cg_bind(s, w.lost); /* as where threads begin */
    cg_sti(s, BPF_DW, R6, word(f, CG_UNWIND_END), NGS_END_OUTERMOST);
    cg_bind(s, lost);
    cg_lib_leave(f, STEPS_NO_ROW);
}

/* By why it ended. */
static void count_end(struct cg_lib_fn *f)
{
    struct cg_asm *s = &f->s;
    uint32_t counted = cg_label(s), some = cg_label(s);

    cg_ldx(s, BPF_DW, R2, R6, word(f, CG_UNWIND_END));
    cg_jmpi(s, BPF_JNE, R2, NGS_END_ASKED, some);
    cg_ldx(s, BPF_DW, R1, R6, word(f, CG_UNWIND_MOST));
    cg_jmpi(s, BPF_JLT, R1, NGS_STACK_MAX, some);
    cg_movi(s, R2, NGS_END_CUT);
    cg_bind(s, some);
    cg_jmpi(s, BPF_JGE, R2, NGS_END_COUNT, counted);
    cg_value(s, R1, CG_CONTROL, (uint32_t)offsetof(struct ngs_control, ends));
    cg_alui(s, BPF_LSH, R2, 3);
    cg_alu(s, BPF_ADD, R1, R2);
    cg_movi(s, R2, 1);
    cg_atomic(s, BPF_ADD, R1, 0, R2);
    cg_bind(s, counted);
}

void cg_lib_unwind(struct cg_lib_fn *f)
{
    struct cg_asm *s = &f->s;
    uint32_t next = cg_label(s), done = cg_label(s);

    cg_lib_enter(f);
    set_process(f);
    cg_lib_counter(f);
    cg_bind(s, next);
    if (f->may_goto)
        cg_may_goto(s, done);
    cg_jmpi(s, BPF_JGE, R9, CALLS, done);
    cg_alui(s, BPF_ADD, R9, 1);
    cg_mov(s, R1, R6);
    cg_lib_call(f, CG_LIB_UNWIND_STEPS);
    cg_jmpi(s, BPF_JEQ, R0, STEPS_GO_ON, next);
    cg_jmpi(s, BPF_JNE, R0, STEPS_NO_ROW, done);
    cg_mov(s, R1, R6);
    cg_lib_call(f, CG_LIB_UNWIND_BRIDGE);
    cg_jmpi(s, BPF_JNE, R0, 0, next);
    cg_bind(s, done);
    count_end(f);
    cg_ldx(s, BPF_DW, R0, R6, word(f, CG_UNWIND_N));
    cg_exit(s);
}

/* ---- addresses as numbers that all processes have in common ---- */

void cg_lib_unwind_place(struct cg_lib_fn *f)
{
    struct cg_asm *s = &f->s;
    uint32_t as_is = cg_label(s);

    cg_lib_enter(f);
    cg_mov(s, R7, R2);
    cg_alui(s, BPF_RSH, R2, 62);
    cg_jmpi(s, BPF_JEQ, R2, 2, as_is); /* it is one */
    set_process(f);
    cg_mov(s, R1, R6);
    cg_mov(s, R2, R7);
    cg_lib_call(f, CG_LIB_UNWIND_RANGE);
    cg_jmpi(s, BPF_JEQ, R0, 0, as_is);
    cg_ldx(s, BPF_DW, R1, R6, range(f, RANGE(place)));
    cg_alu(s, BPF_ADD, R7, R1);
    cg_bind(s, as_is);
    cg_mov(s, R0, R7);
    cg_exit(s);
}
