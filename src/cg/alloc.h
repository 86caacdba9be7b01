/*
 * alloc: registers of temporaries and of values of slots; calls of helpers and of the library.
 *
 * Within one instruction an emitter takes these steps, each of them at most once but for holds and
 * puts:
 *
 *   1. cg_use, cg_tmp, cg_def: registers, which are its own until the instruction ends;
 *   2. cg_call_begin: saves what lives beyond the instruction and lies in r0-r5;
 *   3. cg_hold: saves an operand that is needed after a call or on more than one path;
 *   4. cg_put...: operands into argument registers; one that was not held is put once;
 *   5. cg_do_call, cg_do_lib: r0-r5 are lost; held operands may be put again, and more calls made;
 *   6. cg_result: names the register that holds the result.
 *
 * An emitter must do all spilling before its first branch, else the two paths disagree about where
 * a temporary is. Only cg_put() of a value saved by cg_hold() is allowed after it.
 */
#ifndef CG_ALLOC_H
#define CG_ALLOC_H

#include "cg/gen.h"

/* Before the first block; room for the temporaries of any function of the unit. */
void cg_alloc_begin(struct cg_gen *g);
/* What follows belongs to no instruction: all registers are free. */
void cg_alloc_end(struct cg_gen *g);
void cg_block_begin(struct cg_gen *g, const struct ir_func *f, const struct ir_block *b);
void cg_ins_begin(struct cg_gen *g, const struct ir_ins *i);
void cg_ins_end(struct cg_gen *g);

/* ---- registers ---- */

/* The register that holds the value. */
int cg_use(struct cg_gen *g, struct ir_val v);
/* A scratch register for this instruction. */
int cg_tmp(struct cg_gen *g);
/* The register for the result; TEMP 0: scratch. */
int cg_def(struct cg_gen *g, uint32_t temp);
/* As cg_def, with A in it: operations of two operands. */
int cg_def_copy(struct cg_gen *g, uint32_t temp, struct ir_val a);
/* Is this the last use of the temporary? */
bool cg_dies(const struct cg_gen *g, struct ir_val v);

static inline bool cg_is_imm32(struct ir_val v)
{
    return v.kind == IRV_NONE || (v.kind == IRV_IMM && cg_fits32(v.imm));
}
static inline bool cg_is_long(struct ir_val v) /* else a string */
{
    return v.kind == IRV_TEMP || v.kind == IRV_IMM || v.kind == IRV_NONE;
}

/* Makes TEMP of the value of SLOT where a register holds that; false: load it. */
bool cg_load_cached(struct cg_gen *g, uint32_t slot, uint32_t temp);
/* From now on REG holds the slot's value; -1: no register does. */
void cg_slot_is(struct cg_gen *g, uint32_t slot, int reg);

/* ---- calls ---- */

enum { CG_CALLER_SAVED = 0x3f }; /* r0-r5 */

void cg_call_begin(struct cg_gen *g);
void cg_hold(struct cg_gen *g, struct ir_val v);
void cg_put(struct cg_gen *g, int reg, struct ir_val v);
void cg_puti(struct cg_gen *g, int reg, int64_t imm);
/* REG = address in the frame. */
void cg_put_frame(struct cg_gen *g, int reg, uint32_t off);
/* REG = handle (kernel) or address (user space) of a string; 0 for none. */
void cg_put_str(struct cg_gen *g, int reg, struct ir_val s);
/* REG is about to be written by other means: an operand in it is saved first. */
void cg_clobber(struct cg_gen *g, int reg);
void cg_clobber_all(struct cg_gen *g); /* r0-r5 */
/* The registers of MASK have been written: no operand is found in them any more. */
void cg_overwritten(struct cg_gen *g, uint32_t mask);
/* REG, computed at run time, is the handle of a string in REGION (rodata.h). */
void cg_handle_in(struct cg_gen *g, int reg, int region);
void cg_do_call(struct cg_gen *g, int helper); /* enum bpf_func_id, or NGS_H_BASE + .. */
void cg_do_lib(struct cg_gen *g, enum cg_lib lib);
/* REG holds the value of TEMP (0: unused) when the instruction ends. */
void cg_result(struct cg_gen *g, uint32_t temp, int reg);

/* ---- calls off the common path ---- */

struct cg_save {
    int8_t reg;
    int16_t off; /* of its spill slot in the frame */
    bool store;  /* else it is there already */
};

/* What such a call must save: the live ones of r0-r5, but for those in BUT. At most 6. */
uint32_t cg_cold_saves(struct cg_gen *g, struct cg_save *out, uint32_t but);

#endif
