/*
 * read: the library's reads of memory: of user memory what the frame's cache misses, of kernel
 * memory all; and writes to user memory. Enters: an address and a size of 1, 2, 4, 8, or a string;
 * leaves: subprograms.
 */
#include "cg/lib/lib.h"

#include <stddef.h>

#define CONTROL(field) ((uint32_t)offsetof(struct ngs_control, field))

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
    const struct ir_unit *u = f->c->u;
    uint32_t tags = u->frame_cache, lines = tags + u->cache_lines * 8u, direct = cg_label(s);
    int32_t line = 1 << u->cache_shift;

    cg_lib_enter(f);
    cg_mov(s, R7, R2);
    cg_mov(s, R8, R3);
    cg_mov(s, R1, R7);
    cg_alui(s, BPF_AND, R1, line - 1);
    cg_alu(s, BPF_ADD, R1, R8);
    cg_jmpi(s, BPF_JGT, R1, line, direct);
    cg_mov(s, R9, R7);
    cg_alui(s, BPF_RSH, R9, u->cache_shift);
    cg_alui(s, BPF_AND, R9, u->cache_lines - 1);
    cg_mov(s, R1, R9);
    cg_alui(s, BPF_LSH, R1, 3);
    cg_alu(s, BPF_ADD, R1, R6);
    cg_alui(s, BPF_ADD, R1, (int32_t)tags);
    cg_sti(s, BPF_DW, R1, 0, -1);
    cg_mov(s, R1, R9);
    cg_alui(s, BPF_LSH, R1, u->cache_shift);
    cg_alu(s, BPF_ADD, R1, R6);
    cg_alui(s, BPF_ADD, R1, (int32_t)lines);
    cg_movi(s, R2, line);
    cg_mov(s, R3, R7);
    cg_alui(s, BPF_AND, R3, -line);
    cg_call(s, BPF_FUNC_probe_read_user);
    cg_jmpi(s, BPF_JNE, R0, 0, direct);
    cg_alui(s, BPF_LSH, R9, 3);
    cg_alu(s, BPF_ADD, R9, R6);
    cg_alui(s, BPF_ADD, R9, (int32_t)tags);
    cg_mov(s, R1, R7);
    cg_alui(s, BPF_RSH, R1, u->cache_shift);
    cg_stx(s, BPF_DW, R9, 0, R1);
    cg_mov(s, R1, R7);
    cg_alui(s, BPF_AND, R1, u->cache_lines * line - 1);
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

/* ---- writes ---- */

enum { ADDRESS_HOME = -8 };

/* Writes r3 bytes at r2 to the address r1; to FAULT where it cannot. */
static void write_bytes(struct cg_lib_fn *f, uint32_t fault)
{
    cg_call(&f->s, BPF_FUNC_probe_write_user);
    cg_jmpi(&f->s, BPF_JNE, R0, 0, fault);
}

/* What was read before may be another thing now: the cache is empty. r6 is the frame. */
static void leave_written(struct cg_lib_fn *f, uint32_t fault)
{
    struct cg_asm *s = &f->s;
    const struct ir_unit *u = f->c->u;

    for (uint32_t k = 0; k < u->cache_lines && u->reads; k++)
        cg_sti_far(s, BPF_DW, R6, u->frame_cache + 8 * k, -1, R1);
    cg_lib_leave(f, 0);
    cg_bind(s, fault);
    cg_ldx(s, BPF_DW, R3, R10, ADDRESS_HOME);
    cg_sti(s, BPF_DW, R6, LIB_FRAME(error), NGS_ERR_WRITE_FAULT);
    cg_stx(s, BPF_DW, R6, LIB_FRAME(error_arg), R3);
    cg_lib_count(f, CONTROL(faults), R1, R2);
    cg_lib_leave(f, 1);
}

/* (addr, size, value): the value's low bytes. */
void cg_lib_write(struct cg_lib_fn *f)
{
    struct cg_asm *s = &f->s;
    uint32_t fault = cg_label(s);

    cg_lib_enter(f);
    cg_stx(s, BPF_DW, R10, ADDRESS_HOME, R2);
    cg_jmpi(s, BPF_JGT, R3, 8, f->l_bad);
    cg_jmpi(s, BPF_JLT, R3, 1, f->l_bad);
    cg_stx(s, BPF_DW, R6, LIB_FRAME(private_[0]), R4);
    cg_mov(s, R1, R2);
    cg_mov(s, R2, R6);
    cg_alui(s, BPF_ADD, R2, LIB_FRAME(private_[0]));
    write_bytes(f, fault);
    leave_written(f, fault);
}

/* (addr, string, most): the bytes, then a NUL. r7 is the string, r8 the number of bytes. */
void cg_lib_write_str(struct cg_lib_fn *f)
{
    struct cg_asm *s = &f->s;
    uint32_t fault = cg_label(s), fits = cg_label(s), none = cg_label(s);

    cg_lib_enter(f);
    cg_stx(s, BPF_DW, R10, ADDRESS_HOME, R2);
    cg_mov(s, R9, R4);
    cg_lib_resolve(f, R7, R3, R6, R4, false);
    cg_ldx(s, BPF_W, R8, R7, 0);
    cg_jmp(s, BPF_JSLE, R8, R9, fits);
    cg_mov(s, R8, R9);
    cg_bind(s, fits);
    cg_jmpi(s, BPF_JSLE, R8, 0, none);
    cg_jmpi(s, BPF_JGT, R8, (int32_t)f->c->max, f->l_bad);
    cg_ldx(s, BPF_DW, R1, R10, ADDRESS_HOME);
    cg_mov(s, R2, R7);
    cg_alui(s, BPF_ADD, R2, LIB_BYTES);
    cg_mov(s, R3, R8);
    write_bytes(f, fault);
    cg_ldx(s, BPF_DW, R1, R10, ADDRESS_HOME);
    cg_alu(s, BPF_ADD, R1, R8);
    cg_stx(s, BPF_DW, R10, ADDRESS_HOME, R1);
    cg_bind(s, none);
    cg_sti(s, BPF_DW, R6, LIB_FRAME(private_[0]), 0);
    cg_ldx(s, BPF_DW, R1, R10, ADDRESS_HOME);
    cg_mov(s, R2, R6);
    cg_alui(s, BPF_ADD, R2, LIB_FRAME(private_[0]));
    cg_movi(s, R3, 1);
    write_bytes(f, fault);
    leave_written(f, fault);
}
