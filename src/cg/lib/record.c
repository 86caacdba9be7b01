/*
 * record: the library's records for user space: a string in one, sending it, errors that nothing
 * caught; and buckets of histograms. Leaves: subprograms. A record that the ring has no room for is
 * counted as lost.
 */
#include "cg/lib/lib.h"

#include <stddef.h>

#define CONTROL(field) ((uint32_t)offsetof(struct ngs_control, field))

void cg_lib_out_str(struct cg_lib_fn *f)
{
    struct cg_asm *s = &f->s;
    uint32_t out = f->c->u->frame_out, size = f->c->u->frame_out_size;
    uint32_t sound = cg_label(s), fits = cg_label(s), full = cg_label(s), done = cg_label(s);

    cg_lib_enter(f);
    cg_mov(s, R7, R2);
    cg_lib_resolve(f, R8, R3, R6, R4, false);
    cg_jmpi(s, BPF_JGT, R7, (int32_t)(size - LIB_BYTES), full);
    cg_ldx(s, BPF_W, R3, R8, 0);
    cg_jmpi(s, BPF_JLE, R3, (int32_t)f->c->max, sound);
    cg_movi(s, R3, f->c->max);
    cg_bind(s, sound);
    cg_movi(s, R4, size - LIB_BYTES);
    cg_alu(s, BPF_SUB, R4, R7);
    cg_jmp(s, BPF_JLE, R3, R4, fits);
    cg_mov(s, R3, R4);
    cg_lib_count(f, CONTROL(truncated), R1, R2);
    cg_bind(s, fits);
    cg_jmpi(s, BPF_JGT, R3, (int32_t)f->c->max, full);
    cg_mov(s, R1, R6);
    cg_alui(s, BPF_ADD, R1, (int32_t)out);
    cg_alu(s, BPF_ADD, R1, R7);
    cg_stx(s, BPF_DW, R1, 0, R3);
    cg_alui(s, BPF_ADD, R1, LIB_BYTES);
    cg_alui(s, BPF_ADD, R8, LIB_BYTES);
    cg_mov(s, R9, R3);
    cg_alui(s, BPF_ADD, R9, 7);
    cg_alui(s, BPF_AND, R9, -8);
    cg_alu(s, BPF_ADD, R9, R7);
    cg_alui(s, BPF_ADD, R9, LIB_BYTES);
    cg_lib_copy_bytes(f, done);
    cg_bind(s, done);
    cg_mov(s, R0, R9);
    cg_exit(s);
    cg_bind(s, full);
    cg_mov(s, R0, R7);
    cg_exit(s);
}

/* The record's header: r2 bytes, kind and format in r3, probe in r4, flags in r5. r6 = the
 * record. */
static void put_header(struct cg_lib_fn *f)
{
    struct cg_asm *s = &f->s;

    cg_ldx(s, BPF_W, R0, R6, LIB_FRAME(number));
    cg_alui(s, BPF_ADD, R6, (int32_t)f->c->u->frame_out);
    cg_stx(s, BPF_W, R6, offsetof(struct ngs_rec, kind), R3);
    cg_stx(s, BPF_W, R6, offsetof(struct ngs_rec, size), R2);
    cg_stx(s, BPF_W, R6, offsetof(struct ngs_rec, probe), R4);
    cg_stx(s, BPF_W, R6, offsetof(struct ngs_rec, frame), R0);
    cg_stx(s, BPF_W, R6, offsetof(struct ngs_rec, flags), R5);
    cg_movi(s, R1, 0);
    cg_lib_call(f, CG_LIB_PID);
    cg_stx(s, BPF_W, R6, offsetof(struct ngs_rec, tid), R0);
}

/* Sends the r3 bytes of the record at r6; r0: 0, or it is lost. */
static void output(struct cg_asm *s)
{
    cg_map(s, R1, NGS_MAP_RING);
    cg_mov(s, R2, R6);
    cg_movi(s, R4, 0);
    cg_call(s, BPF_FUNC_ringbuf_output);
}

static void send(struct cg_lib_fn *f, uint32_t counter, uint32_t other)
{
    struct cg_asm *s = &f->s;
    uint32_t lost = cg_label(s), sent = cg_label(s);

    cg_mov(s, R7, R2);
    cg_jmpi(s, BPF_JGT, R7, (int32_t)f->c->u->frame_out_size, lost);
    put_header(f);
    cg_mov(s, R3, R7);
    output(s);
    cg_jmpi(s, BPF_JEQ, R0, 0, sent);
    cg_bind(s, lost);
    cg_lib_count(f, counter, R1, R2);
    if (other) {
        cg_lib_count(f, other, R1, R2);
        cg_lib_leave(f, 1);
    }
    cg_bind(s, sent);
    cg_lib_leave(f, 0);
}

void cg_lib_send(struct cg_lib_fn *f)
{
    struct cg_asm *s = &f->s;
    uint32_t flags = cg_label(s);

    _Static_assert(NGS_REC_MORE == 1, "WAITING is a flag");
    cg_lib_enter(f);
    cg_ldx(s, BPF_W, R1, R6, LIB_FRAME(waiting));
    cg_stx(s, BPF_W, R6, LIB_FRAME(waiting), R5);
    cg_jmpi(s, BPF_JEQ, R5, 0, flags);
    cg_jmpi(s, BPF_JNE, R1, 0, flags);
    cg_alui(s, BPF_OR, R5, NGS_REC_FIRST);
    cg_bind(s, flags);
    send(f, CONTROL(lost), 0);
}

/* No print is lost with it: what is kept is shown before the frame's next handler's, or at last. */
void cg_lib_send_end(struct cg_lib_fn *f)
{
    struct cg_asm *s = &f->s;

    cg_lib_enter(f);
    cg_sti(s, BPF_W, R6, LIB_FRAME(waiting), 0);
    cg_mov(s, R4, R2);
    cg_movi(s, R2, sizeof(struct ngs_rec));
    cg_movi(s, R3, NGS_REC_END);
    cg_movi(s, R5, 0);
    put_header(f);
    cg_movi(s, R3, sizeof(struct ngs_rec));
    output(s);
    cg_lib_leave(f, 0);
}

/* A handler that cannot go on in user space is one that was skipped. */
void cg_lib_send_rest(struct cg_lib_fn *f)
{
    cg_lib_enter(f);
    cg_sti(&f->s, BPF_W, R6, LIB_FRAME(waiting), 0);
    cg_movi(&f->s, R5, 0);
    send(f, CONTROL(skipped), CONTROL(unfinished));
}

/* --suppress-handler-errors: nothing is told, so that no print is lost for it. */
static void count_error(struct cg_lib_fn *f)
{
    struct cg_asm *s = &f->s;

    cg_lib_enter(f);
    cg_value(s, R1, CG_CONTROL, CONTROL(errors));
    cg_movi(s, R2, 1);
    cg_atomic(s, BPF_ADD, R1, 0, R2);
    cg_lib_leave(f, 0);
}

/* The error that nothing caught, as a record; past MAXERRORS the session stops. */
void cg_lib_report(struct cg_lib_fn *f)
{
    struct cg_asm *s = &f->s;

    if (f->c->cx->limits.maxerrors == NGS_ERRORS_SUPPRESSED) {
        count_error(f);
        return;
    }
    uint32_t plain = cg_label(s), go_on = cg_label(s);
    int at = (int)sizeof(struct ngs_rec);

    cg_lib_enter(f);
    cg_mov(s, R7, R2);
    cg_addr(s, R8, R6, f->c->u->frame_out);
    cg_ldx(s, BPF_DW, R1, R6, LIB_FRAME(error_arg));
    cg_stx(s, BPF_DW, R8, at + 8, R1);
    cg_ldx(s, BPF_DW, R1, R6, LIB_FRAME(error_loc));
    cg_stx(s, BPF_DW, R8, at + 16, R1);
    cg_ldx(s, BPF_DW, R1, R6, LIB_FRAME(error));
    cg_stx(s, BPF_DW, R8, at, R1);
    cg_sti(s, BPF_DW, R8, at + 24, 0);
    cg_movi(s, R9, at + 32);
    cg_jmpi(s, BPF_JNE, R1, NGS_ERR_SCRIPT, plain);
    cg_mov(s, R1, R6);
    cg_movi(s, R2, at + 24);
    cg_movi(s, R3, f->c->u->frame_error_text);
    cg_lib_source(f->c, CG_LIB_OUT_STR, f->c->u->frame_error_text);
    cg_lib_call(f, CG_LIB_OUT_STR);
    cg_mov(s, R9, R0);
    cg_bind(s, plain);
    cg_mov(s, R1, R6);
    cg_mov(s, R2, R9);
    cg_movi(s, R3, NGS_REC_ERROR);
    cg_mov(s, R4, R7);
    cg_movi(s, R5, 0);
    cg_lib_call(f, CG_LIB_SEND);
    cg_value(s, R1, CG_CONTROL, CONTROL(errors));
    cg_movi(s, R2, 1);
    cg_atomic(s, BPF_ADD | BPF_FETCH, R1, 0, R2);
    cg_movi(s, R3, f->c->cx->limits.maxerrors);
    cg_jmp(s, BPF_JLT, R2, R3, go_on);
    cg_value(s, R1, CG_CONTROL, CONTROL(gate));
    cg_movi(s, R2, NGS_ENDED);
    cg_atomic(s, BPF_OR, R1, 0, R2);
    cg_bind(s, go_on);
    cg_lib_leave(f, 0);
}

/* ---- frames ---- */

enum { AT_INDEX = -8, AT_PROBE = -16 }; /* words of BPF's stack */

void cg_claim(const struct cg *c, struct cg_asm *s, uint32_t none)
{
    uint32_t got = cg_label(s);

    cg_call(s, BPF_FUNC_get_smp_processor_id);
    cg_alui(s, BPF_MUL, R0, (int32_t)c->frames_per_cpu);
    cg_stx(s, BPF_W, R10, AT_INDEX, R0);
    for (uint32_t k = 0; k < c->frames_per_cpu; k++) {
        if (k) {
            cg_ldx(s, BPF_W, R1, R10, AT_INDEX);
            cg_alui(s, BPF_ADD, R1, 1);
            cg_stx(s, BPF_W, R10, AT_INDEX, R1);
        }
        cg_map(s, R1, NGS_MAP_FRAMES);
        cg_mov(s, R2, R10);
        cg_alui(s, BPF_ADD, R2, AT_INDEX);
        cg_call(s, BPF_FUNC_map_lookup_elem);
        cg_jmpi(s, BPF_JEQ, R0, 0, none);
        cg_mov(s, R9, R0);
        cg_movi(s, R1, 1);
        cg_atomic(s, BPF_XCHG, R9, LIB_FRAME(busy), R1);
        cg_jmpi(s, BPF_JEQ, R1, 0, got);
    }
    cg_ja(s, none);
    cg_bind(s, got);
    cg_ldx(s, BPF_W, R1, R10, AT_INDEX);
    cg_stx(s, BPF_W, R9, LIB_FRAME(number), R1);
    /* whichever frame it is, the verifier sees the same */
    cg_movi(s, R1, 0);
    cg_sti(s, BPF_DW, R10, AT_INDEX, 0);
}

/* A handler that had no frame so far takes one now. */
void cg_lib_report_of(struct cg_lib_fn *f)
{
    struct cg_asm *s = &f->s;
    uint32_t none = cg_label(s);

    cg_mov(s, R6, R2);
    cg_mov(s, R7, R3);
    cg_mov(s, R8, R4);
    cg_stx(s, BPF_DW, R10, AT_PROBE, R5);
    cg_claim(f->c, s, none);
    cg_stx(s, BPF_DW, R9, LIB_FRAME(error), R6);
    cg_stx(s, BPF_DW, R9, LIB_FRAME(error_arg), R7);
    cg_stx(s, BPF_DW, R9, LIB_FRAME(error_loc), R8);
    cg_mov(s, R1, R9);
    cg_ldx(s, BPF_DW, R2, R10, AT_PROBE);
    cg_lib_call(f, CG_LIB_REPORT);
    cg_sti(s, BPF_DW, R9, LIB_FRAME(busy), 0);
    cg_lib_leave(f, 0);
    cg_bind(s, none);
    cg_lib_count(f, CONTROL(skipped), R1, R2);
    cg_lib_leave(f, 0);
}

/* ---- histograms ---- */

void cg_lib_bucket(struct cg_lib_fn *f)
{
    struct cg_asm *s = &f->s;
    uint32_t positive = cg_label(s), zero = cg_label(s), below = cg_label(s);

    cg_jmpi(s, BPF_JEQ, R2, 0, zero);
    cg_mov(s, R1, R2);
    cg_jmpi(s, BPF_JSGT, R2, 0, positive);
    cg_neg(s, R2);
    cg_bind(s, positive);
    cg_movi(s, R0, 1); /* 1 + floor(log2(r2)) */
    for (int bits = 32; bits; bits /= 2) {
        uint32_t small = cg_label(s);

        cg_mov(s, R3, R2);
        cg_alui(s, BPF_RSH, R3, bits);
        cg_jmpi(s, BPF_JEQ, R3, 0, small);
        cg_mov(s, R2, R3);
        cg_alui(s, BPF_ADD, R0, bits);
        cg_bind(s, small);
    }
    cg_jmpi(s, BPF_JSLT, R1, 0, below);
    cg_alui(s, BPF_ADD, R0, NGS_HIST_LOG_ZERO);
    cg_exit(s);
    cg_bind(s, below);
    cg_neg(s, R0);
    cg_alui(s, BPF_ADD, R0, NGS_HIST_LOG_ZERO);
    cg_exit(s);
    cg_bind(s, zero);
    cg_lib_leave(f, NGS_HIST_LOG_ZERO);
}

/* (frame, value, start, interval, buckets) */
void cg_lib_linear(struct cg_lib_fn *f)
{
    struct cg_asm *s = &f->s;
    uint32_t under = cg_label(s), over = cg_label(s);

    cg_jmp(s, BPF_JSLT, R2, R3, under);
    cg_mov(s, R0, R2);
    cg_alu(s, BPF_SUB, R0, R3);
    cg_alu(s, BPF_DIV, R0, R4);
    cg_alui(s, BPF_ADD, R0, 1);
    cg_jmp(s, BPF_JGE, R0, R5, over);
    cg_exit(s);
    cg_bind(s, over);
    cg_mov(s, R0, R5);
    cg_alui(s, BPF_SUB, R0, 1);
    cg_exit(s);
    cg_bind(s, under);
    cg_lib_leave(f, 0);
}
