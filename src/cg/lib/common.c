/*
 * common: what functions of the library are made of: entry and exit, errors, counts, the address of
 * a string, the counter of a loop, a part of a word. Enters: the function being written; leaves:
 * its code.
 */
#include "cg/lib/lib.h"

#include <stddef.h>

#define CONTROL(field) ((uint32_t)offsetof(struct ngs_control, field))

void cg_lib_call(struct cg_lib_fn *f, enum cg_lib lib)
{
    cg_call_lib(f->c, &f->s, lib);
}

void cg_lib_count(struct cg_lib_fn *f, uint32_t field, int tmp1, int tmp2)
{
    cg_value(&f->s, tmp1, CG_CONTROL, field);
    cg_movi(&f->s, tmp2, 1);
    cg_atomic(&f->s, BPF_ADD, tmp1, 0, tmp2);
}

/*
 * DST = address of the string that HANDLE names. Accesses from there on may reach ROOM bytes. Only
 * regions that a call really names are told apart: each is another walk of what follows for the
 * verifier.
 */
void cg_lib_resolve(struct cg_lib_fn *f, int dst, int handle, int frame, int tmp, bool writable)
{
    struct cg_asm *s = &f->s;
    const struct cg *c = f->c;
    uint8_t regions = writable ? 1 << CG_IN_FRAME : c->lib_regions[f->lib];
    uint32_t done = cg_label(s);

    if (!regions)
        regions = 1 << CG_IN_FRAME;
    cg_mov(s, tmp, handle);
    cg_alui(s, BPF_RSH, tmp, CG_HANDLE_SHIFT);
    cg_mov(s, dst, handle);
    cg_alui(s, BPF_AND, dst, (1 << CG_HANDLE_SHIFT) - 1);
    for (int region = CG_IN_FRAME; regions; region++) {
        uint32_t next = cg_label(s);

        if (!(regions & 1 << region))
            continue;
        regions &= (uint8_t) ~(1 << region);
        if (regions)
            cg_jmpi(s, BPF_JNE, tmp, region, next);
        if (region == CG_IN_FRAME) {
            cg_jmpi(s, BPF_JGT, dst, (int32_t)(c->u->frame_size - c->room), f->l_bad);
            cg_alu(s, BPF_ADD, dst, frame);
        } else {
            cg_jmpi(s, BPF_JGT, dst, (int32_t)c->rodata_lits, f->l_bad);
            cg_value(s, tmp, CG_RODATA, 0);
            cg_alu(s, BPF_ADD, dst, tmp);
        }
        if (regions)
            cg_ja(s, done);
        cg_bind(s, next);
    }
    cg_bind(s, done);
}

void cg_lib_enter(struct cg_lib_fn *f)
{
    cg_jmpi(&f->s, BPF_JEQ, R1, 0, f->l_bad);
    cg_mov(&f->s, R6, R1);
}

void cg_lib_leave(struct cg_lib_fn *f, int32_t result)
{
    cg_movi(&f->s, R0, result);
    cg_exit(&f->s);
}

void cg_lib_fault(struct cg_lib_fn *f, int addr)
{
    struct cg_asm *s = &f->s;

    cg_sti(s, BPF_DW, R6, LIB_FRAME(error), NGS_ERR_FAULT);
    cg_stx(s, BPF_DW, R6, LIB_FRAME(error_arg), addr);
    cg_lib_count(f, CONTROL(faults), R1, R2);
    cg_lib_leave(f, 1);
}

void cg_lib_counter(struct cg_lib_fn *f)
{
    if (!f->may_goto) {
        cg_movi(&f->s, R9, 0);
        return;
    }
    cg_sti(&f->s, BPF_DW, R6, LIB_FRAME(private_[1]), 0);
    cg_ldx(&f->s, BPF_DW, R9, R6, LIB_FRAME(private_[1]));
}

void cg_lib_mask_word(struct cg_asm *s, int word, int n, int tmp)
{
    cg_movi(s, tmp, 8);
    cg_alu(s, BPF_SUB, tmp, n);
    cg_alui(s, BPF_LSH, tmp, 3);
    cg_alu(s, BPF_LSH, word, tmp);
    cg_alu(s, BPF_RSH, word, tmp);
}
