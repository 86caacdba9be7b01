/*
 * shared: the library's global strings: read, set, appended to, by the protocol of base/abi.h
 * (struct ngs_shared). Enters: offsets in the globals, handles; leaves: subprograms. No loop waits
 * for another CPU: each ends after NGS_SHARED_TRIES turns, which the verifier walks.
 */
#include "cg/lib/lib.h"

#include <stddef.h>

#define SHARED(field) ((int)offsetof(struct ngs_shared, field))

/* REG, an offset in the globals, becomes the address of the string. */
static void shared_address(struct cg_lib_fn *f, int reg, int tmp)
{
    const struct cg *c = f->c;

    cg_alui(&f->s, BPF_AND, reg, -8); /* atomics must be aligned in the verifier's eyes */
    cg_jmpi(&f->s, BPF_JGT, reg, (int32_t)(c->u->globals_size - NGS_SHARED_SIZE(c->max)), f->l_bad);
    cg_value(&f->s, tmp, CG_GLOBALS, 0);
    cg_alu(&f->s, BPF_ADD, reg, tmp);
}

/* TICKET becomes the address of its text. */
static void text_address(struct cg_lib_fn *f, int ticket, int shared)
{
    struct cg_asm *s = &f->s;

    cg_alui(s, BPF_AND, ticket, NGS_SHARED_TEXTS - 1);
    cg_alui(s, BPF_MUL, ticket, (int32_t)f->c->u->str_size);
    cg_alu(s, BPF_ADD, ticket, shared);
    cg_alui(s, BPF_ADD, ticket, sizeof(struct ngs_shared));
}

/* TICKET becomes the address at SHARED(busy) from which its text's word is. */
static void busy_address(struct cg_lib_fn *f, int ticket, int shared)
{
    cg_alui(&f->s, BPF_AND, ticket, NGS_SHARED_TEXTS - 1);
    cg_alui(&f->s, BPF_LSH, ticket, 3);
    cg_alu(&f->s, BPF_ADD, ticket, shared);
}

/* Copies the text of r3 bytes at r8 to r1; r3 is at most MAXSTRINGLEN. Goes to DONE. */
static void copy_text(struct cg_lib_fn *f, uint32_t done)
{
    struct cg_asm *s = &f->s;

    cg_stx(s, BPF_W, R1, 0, R3);
    cg_mov(s, R2, R1);
    cg_alu(s, BPF_ADD, R2, R3);
    cg_sti(s, BPF_B, R2, LIB_BYTES, 0);
    cg_alui(s, BPF_ADD, R1, LIB_BYTES);
    cg_alui(s, BPF_ADD, R8, LIB_BYTES);
    cg_lib_copy_bytes(f, done);
}

static void leave_busy(struct cg_lib_fn *f)
{
    cg_sti(&f->s, BPF_DW, R6, LIB_FRAME(error), NGS_ERR_BUSY);
    cg_sti(&f->s, BPF_DW, R6, LIB_FRAME(error_arg), 0);
    cg_lib_leave(f, 1);
}

/* Starts a turn of a loop counted by r9; after the last one to OUT. */
static uint32_t next_turn(struct cg_lib_fn *f, uint32_t out)
{
    uint32_t head = cg_here(&f->s);

    cg_jmpi(&f->s, BPF_JGE, R9, NGS_SHARED_TRIES, out);
    cg_alui(&f->s, BPF_ADD, R9, 1);
    return head;
}

/* (dst, offset): private_[1] is the ticket of what was read. */
void cg_lib_shared_get(struct cg_lib_fn *f)
{
    enum { AT_SHARED = -8, AT_TICKET = -16 };
    struct cg_asm *s = &f->s;
    uint32_t again, done = cg_label(s), busy = cg_label(s);

    cg_lib_enter(f);
    cg_mov(s, R8, R3);
    cg_lib_resolve(f, R7, R2, R6, R4, true);
    shared_address(f, R8, R4);
    cg_stx(s, BPF_DW, R10, AT_SHARED, R8);
    cg_movi(s, R9, 0);
    again = next_turn(f, busy);
    cg_ldx(s, BPF_DW, R1, R10, AT_SHARED);
    cg_ldx(s, BPF_DW, R8, R1, SHARED(shown));
    cg_stx(s, BPF_DW, R10, AT_TICKET, R8);
    text_address(f, R8, R1);
    cg_ldx(s, BPF_W, R3, R8, 0);
    cg_jmpi(s, BPF_JGT, R3, (int32_t)f->c->max, again); /* another's by now */
    cg_mov(s, R1, R7);
    copy_text(f, done);
    cg_bind(s, done);
    cg_ldx(s, BPF_DW, R1, R10, AT_SHARED);
    cg_movi(s, R2, 0);
    cg_atomic(s, BPF_ADD | BPF_FETCH, R1, SHARED(next), R2); /* also orders it behind the copying */
    cg_ldx(s, BPF_DW, R1, R10, AT_TICKET);
    cg_mov(s, R3, R1);
    cg_alui(s, BPF_ADD, R3, NGS_SHARED_TEXTS);
    cg_jmp(s, BPF_JGT, R2, R3, again);
    cg_stx(s, BPF_DW, R6, LIB_FRAME(private_[1]), R1);
    cg_lib_leave(f, 0);
    cg_bind(s, busy);
    leave_busy(f);
}

/* Shows the ticket in r1 unless a later one is shown; r7: the string. After four lost races the
 * value counts as set before those of the others. */
static void show_later(struct cg_lib_fn *f, uint32_t done)
{
    struct cg_asm *s = &f->s;

    for (int n = 0; n < 4; n++) {
        cg_ldx(s, BPF_DW, R0, R7, SHARED(shown));
        cg_jmp(s, BPF_JGE, R0, R1, done);
        cg_mov(s, R3, R0);
        cg_mov(s, R2, R1);
        cg_atomic(s, BPF_CMPXCHG, R7, SHARED(shown), R2);
        cg_jmp(s, BPF_JEQ, R0, R3, done);
    }
    cg_ja(s, done);
}

/* (offset, src, only): with ONLY, the new text is shown only if ticket private_[1] still is; 1: it
 * is not. */
void cg_lib_shared_set(struct cg_lib_fn *f)
{
    enum { AT_SRC = -8, AT_TICKET = -16, AT_ONLY = -24, AT_RESULT = -32 };
    struct cg_asm *s = &f->s;
    uint32_t again, give_back = cg_label(s), fits = cg_label(s), copied = cg_label(s);
    uint32_t only = cg_label(s), shown = cg_label(s), lost = cg_label(s), done = cg_label(s);

    cg_lib_enter(f);
    cg_stx(s, BPF_DW, R10, AT_ONLY, R4);
    cg_mov(s, R7, R2);
    cg_lib_resolve(f, R8, R3, R6, R4, false);
    cg_stx(s, BPF_DW, R10, AT_SRC, R8);
    shared_address(f, R7, R4);
    cg_movi(s, R9, 0);
    again = next_turn(f, lost);
    cg_movi(s, R1, 1);
    cg_atomic(s, BPF_ADD | BPF_FETCH, R7, SHARED(next), R1);
    cg_stx(s, BPF_DW, R10, AT_TICKET, R1);
    cg_mov(s, R8, R1);
    busy_address(f, R1, R7);
    cg_movi(s, R2, 1);
    cg_atomic(s, BPF_XCHG, R1, SHARED(busy), R2);
    cg_jmpi(s, BPF_JNE, R2, 0, again); /* being filled */
    cg_ldx(s, BPF_DW, R2, R7, SHARED(shown));
    cg_alui(s, BPF_ADD, R2, NGS_SHARED_TEXTS);
    cg_jmp(s, BPF_JEQ, R2, R8, give_back); /* shown */
    text_address(f, R8, R7);
    cg_mov(s, R1, R8);
    cg_ldx(s, BPF_DW, R8, R10, AT_SRC);
    cg_ldx(s, BPF_W, R3, R8, 0);
    cg_jmpi(s, BPF_JLE, R3, (int32_t)f->c->max, fits);
    cg_movi(s, R3, f->c->max);
    cg_bind(s, fits);
    copy_text(f, copied);
    cg_bind(s, copied);
    cg_sti(s, BPF_DW, R10, AT_RESULT, 0);
    cg_ldx(s, BPF_DW, R1, R10, AT_TICKET);
    cg_ldx(s, BPF_DW, R2, R10, AT_ONLY);
    cg_jmpi(s, BPF_JNE, R2, 0, only);
    show_later(f, shown);
    cg_bind(s, only);
    cg_ldx(s, BPF_DW, R0, R6, LIB_FRAME(private_[1]));
    cg_mov(s, R3, R0);
    cg_atomic(s, BPF_CMPXCHG, R7, SHARED(shown), R1);
    cg_jmp(s, BPF_JEQ, R0, R3, shown);
    cg_sti(s, BPF_DW, R10, AT_RESULT, 1);
    cg_bind(s, shown);
    cg_ldx(s, BPF_DW, R1, R10, AT_TICKET);
    busy_address(f, R1, R7);
    cg_movi(s, R2, 0);
    cg_atomic(s, BPF_XCHG, R1, SHARED(busy),
              R2); /* an exchange, so that what was stored comes first */
    cg_ldx(s, BPF_DW, R0, R10, AT_RESULT);
    cg_ja(s, done);
    cg_bind(s, give_back);
    cg_movi(s, R2, 0);
    cg_atomic(s, BPF_XCHG, R1, SHARED(busy), R2);
    cg_ja(s, again);
    cg_bind(s, lost); /* all others are being set: it was set before them */
    cg_ldx(s, BPF_DW, R0, R10, AT_ONLY);
    cg_bind(s, done);
    cg_exit(s);
}

/* (offset, src): appends to a copy, and shows that unless another text was set meanwhile; then it
 * tries again. */
void cg_lib_shared_append(struct cg_lib_fn *f)
{
    struct cg_asm *s = &f->s;
    uint32_t again, busy = cg_label(s), failed = cg_label(s);
    uint32_t text = f->c->u->frame_val;

    f->c->lib_regions[CG_LIB_APPEND] |= f->c->lib_regions[CG_LIB_SHARED_APPEND];
    cg_lib_source(f->c, CG_LIB_SHARED_SET, text);
    cg_lib_enter(f);
    cg_mov(s, R7, R2);
    cg_mov(s, R8, R3);
    cg_movi(s, R9, 0);
    again = next_turn(f, busy);
    cg_mov(s, R1, R6);
    cg_movi(s, R2, text);
    cg_mov(s, R3, R7);
    cg_lib_call(f, CG_LIB_SHARED_GET);
    cg_jmpi(s, BPF_JNE, R0, 0, failed);
    cg_mov(s, R1, R6);
    cg_movi(s, R2, text);
    cg_mov(s, R3, R8);
    cg_lib_call(f, CG_LIB_APPEND);
    cg_mov(s, R1, R6);
    cg_mov(s, R2, R7);
    cg_movi(s, R3, text);
    cg_movi(s, R4, 1);
    cg_lib_call(f, CG_LIB_SHARED_SET);
    cg_jmpi(s, BPF_JNE, R0, 0, again);
    cg_lib_leave(f, 0);
    cg_bind(s, busy);
    leave_busy(f);
    cg_bind(s, failed);
    cg_lib_leave(f, 1);
}
