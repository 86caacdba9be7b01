/*
 * asm: one function's instructions being written: labels, jumps, relocations, line marks. A jump
 * names a label; cg_asm_end() resolves them, through islands where a target is out of reach.
 */
#ifndef CG_ASM_H
#define CG_ASM_H

#include <stdbool.h>
#include <stdint.h>

#include <linux/bpf.h>

#include "base/compile.h"
#include "cg/object.h"

/* Newer than the kernel headers of the oldest build host: RFC 9669, linux/bpf.h of 6.9. */
#ifndef BPF_JCOND
#define BPF_JCOND 0xe0
#endif

enum { R0, R1, R2, R3, R4, R5, R6, R7, R8, R9, R10 };

/* Data that instructions address directly; the order is that of load.h's enum user_map. */
enum cg_data { CG_GLOBALS, CG_RODATA, CG_CONTROL };

struct cg_fix { /* instruction INSN jumps to LABEL */
    uint32_t insn, label;
};

struct cg_asm { /* arrays are in CX's arena, and move as they grow */
    struct compile *cx;
    bool user; /* for ngstap's interpreter */
    struct bpf_insn *v;
    uint32_t n;
    struct cg_reloc *relocs;
    uint32_t n_relocs;
    struct cg_line *lines;
    uint32_t n_lines;
    uint32_t *labels; /* instruction, or CG_UNBOUND */
    uint32_t n_labels;
    struct cg_fix *fixes;
    uint32_t n_fixes;
};

enum { CG_UNBOUND = 0xffffffff };

void cg_asm_begin(struct cg_asm *s, struct compile *cx, bool user); /* S may hold anything */
/* Resolves jumps. False after reporting: a label that is jumped to was never bound, or the code is
 * too long for its jumps. */
bool cg_asm_end(struct cg_asm *s);
/* Makes the finished instructions, relocations and lines F's; nothing is copied. */
void cg_asm_take(const struct cg_asm *s, struct cg_func *f);

/* A new label, which is nowhere; cg_bind puts it before the next instruction, once (cold.h). */
uint32_t cg_label(struct cg_asm *s);
void cg_bind(struct cg_asm *s, uint32_t label);
static inline uint32_t cg_here(struct cg_asm *s)
{
    uint32_t l = cg_label(s);

    cg_bind(s, l);
    return l;
}
bool cg_label_used(const struct cg_asm *s, uint32_t label); /* does anything jump there so far? */
/* What follows is the code of AT, a place in the script; one that is empty changes nothing. */
void cg_mark(struct cg_asm *s, struct span at);

/*
 * Each adds one instruction (cg_movi and what names a map, data or a callback two) of 64 bits.
 * Registers are R0 to R10, offsets must fit into 16 bits, jumps compare without a sign but for
 * BPF_JSGT and its kin.
 */
void cg_raw(struct cg_asm *s, uint8_t code, int dst, int src, int off, int32_t imm);
void cg_mov(struct cg_asm *s, int dst, int src); /* nothing when they are the same */
void cg_movi(struct cg_asm *s, int dst, int64_t imm);
void cg_alu(struct cg_asm *s, int op, int dst, int src); /* op: BPF_ADD ... */
void cg_alui(struct cg_asm *s, int op, int dst, int32_t imm);
void cg_zext32(struct cg_asm *s, int reg); /* clears the upper 32 bits */
void cg_neg(struct cg_asm *s, int reg);
void cg_be64(struct cg_asm *s, int reg); /* little endian -> big endian */
void cg_ldx(struct cg_asm *s, int size, int dst, int base, int off); /* size: BPF_B H W DW */
void cg_stx(struct cg_asm *s, int size, int base, int off, int src);
void cg_sti(struct cg_asm *s, int size, int base, int off, int32_t imm);
void cg_atomic(struct cg_asm *s, int op, int base, int off, int src); /* op: BPF_ADD | BPF_FETCH */
void cg_ja(struct cg_asm *s, uint32_t label);
void cg_jmp(struct cg_asm *s, int op, int dst, int src, uint32_t label);
void cg_jmpi(struct cg_asm *s, int op, int dst, int32_t imm, uint32_t label);
void cg_jmpi32(struct cg_asm *s, int op, int dst, int32_t imm, uint32_t label); /* lower halves */
void cg_may_goto(struct cg_asm *s, uint32_t label); /* taken once the kernel's limit is reached */
void cg_call(struct cg_asm *s, int helper);         /* as cg_do_call (alloc.h) has it */
void cg_call_sub(struct cg_asm *s, const char *name); /* a function of the object */
void cg_exit(struct cg_asm *s);
void cg_map(struct cg_asm *s, int dst, const char *name);
/* DST = the address of OFF in DATA */
void cg_value(struct cg_asm *s, int dst, enum cg_data data, uint32_t off);
void cg_callback(struct cg_asm *s, int dst, const char *name); /* address of that function */

static inline bool cg_fits16(int64_t v)
{
    return v == (int16_t)v;
}
static inline bool cg_fits32(int64_t v)
{
    return v == (int32_t)v;
}

/* [BASE + OFF], for any OFF: where it is out of reach, the address goes through TMP (which may be
 * the destination of a load, never BASE). */
void cg_ldx_far(struct cg_asm *s, int size, int dst, int base, uint32_t off);
void cg_stx_far(struct cg_asm *s, int size, int base, uint32_t off, int src, int tmp);
void cg_sti_far(struct cg_asm *s, int size, int base, uint32_t off, int32_t imm, int tmp);
/* dst = base + off */
void cg_addr(struct cg_asm *s, int dst, int base, uint32_t off);

#endif
