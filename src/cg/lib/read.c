/*
 * read: the library's reads of memory: of user memory what the frame's cache misses, of kernel
 * memory all. Enters: an address and a size of 1, 2, 4, 8; leaves: subprograms.
 */
#include "cg/lib/lib.h"

/* Stores the value of R3 (1, 2, 4 or 8) bytes at [R1 + OFF] as private_[0]; size in R8. */
static void store_value(struct cg_lib_fn *f, uint32_t off)
{
    static const int sizes[] = {BPF_DW, BPF_W, BPF_H, BPF_B};
    struct cg_asm *s = &f->s;
    uint32_t have = cg_label(s);

    for (int k = 0; k < 4; k++) {
        uint32_t next = cg_label(s);

        if (k < 3)
            cg_jmpi(s, BPF_JNE, R8, 8 >> k, next);
        cg_ldx(s, sizes[k], R0, R1, (int)off);
        if (k < 3)
            cg_ja(s, have);
        cg_bind(s, next);
    }
    cg_bind(s, have);
    cg_stx(s, BPF_DW, R6, LIB_FRAME(private_[0]), R0);
    cg_lib_leave(f, 0);
}

static void direct_read(struct cg_lib_fn *f, int helper)
{
    struct cg_asm *s = &f->s;
    uint32_t fault = cg_label(s);

    cg_jmpi(s, BPF_JGT, R8, 8, f->l_bad);
    cg_sti(s, BPF_DW, R6, LIB_FRAME(private_[0]), 0);
    cg_mov(s, R1, R6);
    cg_alui(s, BPF_ADD, R1, LIB_FRAME(private_[0]));
    cg_mov(s, R2, R8);
    cg_mov(s, R3, R7);
    cg_call(s, helper);
    cg_jmpi(s, BPF_JNE, R0, 0, fault);
    cg_lib_leave(f, 0);
    cg_bind(s, fault);
    cg_lib_fault(f, R7);
}

/* The line is filled and the value taken from it; what straddles lines or cannot be filled is read
 * directly. */
void cg_lib_read_miss(struct cg_lib_fn *f)
{
    struct cg_asm *s = &f->s;
    uint32_t tags = f->c->u->frame_cache, lines = tags + IR_CACHE_LINES * 8, direct = cg_label(s);

    cg_lib_enter(f);
    cg_mov(s, R7, R2);
    cg_mov(s, R8, R3);
    cg_mov(s, R1, R7);
    cg_alui(s, BPF_AND, R1, IR_CACHE_LINE - 1);
    cg_alu(s, BPF_ADD, R1, R8);
    cg_jmpi(s, BPF_JGT, R1, IR_CACHE_LINE, direct);
    cg_mov(s, R9, R7);
    cg_alui(s, BPF_RSH, R9, 9);
    cg_alui(s, BPF_AND, R9, IR_CACHE_LINES - 1);
    cg_mov(s, R1, R9);
    cg_alui(s, BPF_LSH, R1, 3);
    cg_alu(s, BPF_ADD, R1, R6);
    cg_alui(s, BPF_ADD, R1, (int32_t)tags);
    cg_sti(s, BPF_DW, R1, 0, -1);
    cg_mov(s, R1, R9);
    cg_alui(s, BPF_LSH, R1, 9);
    cg_alu(s, BPF_ADD, R1, R6);
    cg_alui(s, BPF_ADD, R1, (int32_t)lines);
    cg_movi(s, R2, IR_CACHE_LINE);
    cg_mov(s, R3, R7);
    cg_alui(s, BPF_AND, R3, -IR_CACHE_LINE);
    cg_call(s, BPF_FUNC_probe_read_user);
    cg_jmpi(s, BPF_JNE, R0, 0, direct);
    cg_alui(s, BPF_LSH, R9, 3);
    cg_alu(s, BPF_ADD, R9, R6);
    cg_alui(s, BPF_ADD, R9, (int32_t)tags);
    cg_mov(s, R1, R7);
    cg_alui(s, BPF_RSH, R1, 9);
    cg_stx(s, BPF_DW, R9, 0, R1);
    cg_mov(s, R1, R7);
    cg_alui(s, BPF_AND, R1, IR_CACHE_LINES * IR_CACHE_LINE - 1);
    cg_alu(s, BPF_ADD, R1, R6);
    cg_alui(s, BPF_ADD, R1, (int32_t)lines);
    store_value(f, 0);
    cg_bind(s, direct);
    direct_read(f, BPF_FUNC_probe_read_user);
}

void cg_lib_read_kernel(struct cg_lib_fn *f)
{
    cg_lib_enter(f);
    cg_mov(&f->s, R7, R2);
    cg_mov(&f->s, R8, R3);
    direct_read(f, BPF_FUNC_probe_read_kernel);
}
