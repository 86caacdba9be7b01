/*
 * lib: the run-time library, subprograms that the verifier checks once each (global functions),
 * however often they are called. Here: the frame around them, reads of memory, processes,
 * histograms' buckets, records. Enters: which ones are used; leaves: their functions in the
 * object's list. See lib_str.c and lib_fmt.c.
 *
 * The first argument is a frame that may be null in the verifier's eyes; strings are handles
 * (gen.h). Loops: with may_goto the counter comes out of memory, so that the verifier knows nothing
 * of it and one look at the body is enough; before Linux 6.9 it is known, and the verifier walks
 * every turn of a bounded loop.
 */
#include "cg/lib.h"

#include <stddef.h>

#include "base/arena.h"

#define CONTROL(field) ((uint32_t)offsetof(struct ngs_control, field))

const char *cg_lib_name(enum cg_lib lib)
{
    static const char *const names[] = {
#define CG_LIB_NAME(id, name, n) name,
        CG_LIBS(CG_LIB_NAME)
#undef CG_LIB_NAME
    };

    return names[lib];
}

/*
 * Since Linux 6.15 the verifier compares only registers that are still read
 * (compute_live_registers), but takes every call of a subprogram to read r1 to r5: what is left in
 * those that hold no argument would count, and blocks be walked again for it.
 */
void cg_call_lib(struct cg *c, struct cg_asm *s, enum cg_lib lib)
{
    static const uint8_t n_args[] = {
#define CG_LIB_ARGS(id, name, n) n,
        CG_LIBS(CG_LIB_ARGS)
#undef CG_LIB_ARGS
    };

    c->lib_used[lib] = true;
    for (int r = R1 + n_args[lib]; r <= R5; r++)
        cg_movi(s, r, 0);
    cg_call_sub(s, cg_lib_name(lib));
}

void cg_lib_source(struct cg *c, enum cg_lib lib, uint32_t handle)
{
    c->sources[lib] |= (uint8_t)(1 << (handle >> CG_HANDLE_SHIFT & 3));
}

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
 * homes that a call really names are told apart: each is another walk of what follows for the
 * verifier.
 */
void cg_lib_resolve(struct cg_lib_fn *f, int dst, int handle, int frame, int tmp, bool writable)
{
    struct cg_asm *s = &f->s;
    const struct cg *c = f->c;
    uint8_t homes = writable ? 1 << CG_IN_FRAME : c->sources[f->lib];
    uint32_t done = cg_label(s);

    if (!homes)
        homes = 1 << CG_IN_FRAME;
    cg_mov(s, tmp, handle);
    cg_alui(s, BPF_RSH, tmp, CG_HANDLE_SHIFT);
    cg_mov(s, dst, handle);
    cg_alui(s, BPF_AND, dst, (1 << CG_HANDLE_SHIFT) - 1);
    for (int home = CG_IN_FRAME; homes; home++) {
        uint32_t next = cg_label(s);

        if (!(homes & 1 << home))
            continue;
        homes &= (uint8_t) ~(1 << home);
        if (homes)
            cg_jmpi(s, BPF_JNE, tmp, home, next);
        if (home == CG_IN_FRAME) {
            cg_jmpi(s, BPF_JGT, dst, (int32_t)(c->u->frame_size - c->room), f->l_bad);
            cg_alu(s, BPF_ADD, dst, frame);
        } else {
            cg_jmpi(s, BPF_JGT, dst, (int32_t)c->rodata_lits, f->l_bad);
            cg_value(s, tmp, CG_RODATA, 0);
            cg_alu(s, BPF_ADD, dst, tmp);
        }
        if (homes)
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

/* A read failed at ADDR: the frame's error is set, 1 is returned. */
void cg_lib_fault(struct cg_lib_fn *f, int addr)
{
    struct cg_asm *s = &f->s;

    cg_sti(s, BPF_DW, R6, LIB_FRAME(error), NGS_ERR_FAULT);
    cg_stx(s, BPF_DW, R6, LIB_FRAME(error_arg), addr);
    cg_lib_count(f, CONTROL(faults), R1, R2);
    cg_lib_leave(f, 1);
}

/* ---- reads ---- */

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
static void make_miss(struct cg_lib_fn *f)
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
    cg_call(s, HELPER_READ_USER);
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
    direct_read(f, HELPER_READ_USER);
}

static void make_kread(struct cg_lib_fn *f)
{
    cg_lib_enter(f);
    cg_mov(&f->s, R7, R2);
    cg_mov(&f->s, R8, R3);
    direct_read(f, HELPER_READ_KERNEL);
}

/* ---- process ---- */

/* In a pid namespace of our own the numbers are those that its processes have there (loader:
 * pidns). */
static void make_pid(struct cg_lib_fn *f)
{
    struct cg_asm *s = &f->s;
    uint32_t plain = cg_label(s), none = cg_label(s);

    cg_value(s, R6, CG_CONTROL, CONTROL(pidns_dev));
    cg_ldx(s, BPF_DW, R2, R6, 8); /* pidns_ino */
    cg_jmpi(s, BPF_JEQ, R2, 0, plain);
    cg_ldx(s, BPF_DW, R1, R6, 0);
    cg_mov(s, R3, R10);
    cg_alui(s, BPF_ADD, R3, -8);
    cg_movi(s, R4, 8);
    cg_call(s, HELPER_GET_NS_PID_TGID);
    cg_jmpi(s, BPF_JNE, R0, 0, none);
    cg_ldx(s, BPF_W, R0, R10, -4); /* struct bpf_pidns_info: pid, tgid */
    cg_alui(s, BPF_LSH, R0, 32);
    cg_ldx(s, BPF_W, R1, R10, -8);
    cg_alu(s, BPF_OR, R0, R1);
    cg_exit(s);
    cg_bind(s, plain);
    cg_call(s, HELPER_GET_PID_TGID);
    cg_exit(s);
    cg_bind(s, none);
    cg_lib_leave(f, 0);
}

/* Of several processes that are named, each is the target of its own hits. */
static void make_target(struct cg_lib_fn *f)
{
    struct cg_asm *s = &f->s;
    uint32_t first = cg_label(s);

    cg_lib_enter(f);
    cg_value(s, R7, CG_CONTROL, CONTROL(scope));
    cg_ldx(s, BPF_DW, R1, R7, 0);
    cg_alui(s, BPF_AND, R1, NGS_SCOPE_SEVERAL);
    cg_jmpi(s, BPF_JEQ, R1, 0, first);
    cg_ldx(s, BPF_W, R1, R6, LIB_FRAME(member.kind));
    cg_jmpi(s, BPF_JNE, R1, NGS_NAMED, first);
    cg_movi(s, R1, 0);
    cg_lib_call(f, CG_LIB_PID);
    cg_alui(s, BPF_RSH, R0, 32);
    cg_exit(s);
    cg_bind(s, first);
    cg_value(s, R7, CG_CONTROL, CONTROL(target));
    cg_ldx(s, BPF_DW, R0, R7, 0);
    cg_exit(s);
}

static void make_execname(struct cg_lib_fn *f)
{
    struct cg_asm *s = &f->s;
    uint32_t some = cg_label(s);

    cg_lib_enter(f);
    cg_lib_resolve(f, R7, R2, R6, R4, true);
    cg_sti(s, BPF_DW, R10, -8, 0);
    cg_sti(s, BPF_DW, R10, -16, 0);
    cg_mov(s, R1, R10);
    cg_alui(s, BPF_ADD, R1, -16);
    cg_movi(s, R2, 16);
    cg_call(s, HELPER_GET_COMM);
    cg_lib_clean_comm(f, -16);
    cg_mov(s, R1, R7);
    cg_alui(s, BPF_ADD, R1, LIB_BYTES);
    cg_movi(s, R2, (int64_t)(f->c->max < 16 ? f->c->max + 1 : 16));
    cg_mov(s, R3, R10);
    cg_alui(s, BPF_ADD, R3, -16);
    cg_call(s, HELPER_READ_KERNEL_STR);
    cg_jmpi(s, BPF_JSGT, R0, 0, some);
    cg_movi(s, R0, 1);
    cg_bind(s, some);
    cg_alui(s, BPF_SUB, R0, 1);
    cg_stx(s, BPF_W, R7, 0, R0);
    cg_lib_leave(f, 0);
}

/*
 * "%ps" gives "name" or "name [module]": what is behind the name goes. Without bpf_snprintf the
 * string gets a marker that becomes the name in user space.
 */
static void make_kfunc(struct cg_lib_fn *f)
{
    enum { NAME_MAX_LEN = 64 };
    struct cg_asm *s = &f->s;
    uint32_t set = cg_label(s);
    int32_t size = f->c->max < NAME_MAX_LEN ? (int32_t)f->c->max + 1 : NAME_MAX_LEN;

    cg_lib_enter(f);
    cg_mov(s, R8, R3);
    cg_mov(s, R9, R2);
    cg_lib_resolve(f, R7, R2, R6, R4, true);
    cg_sti(s, BPF_W, R7, 0, 0);
    if (!f->c->k->has[FEAT_SNPRINTF]) {
        cg_mov(s, R1, R6);
        cg_mov(s, R2, R9);
        cg_movi(s, R3, 'k');
        cg_mov(s, R4, R8);
        cg_lib_call(f, CG_LIB_MARK);
        cg_lib_leave(f, 0);
        return;
    }
    cg_stx(s, BPF_DW, R10, -8, R8);
    cg_mov(s, R1, R7);
    cg_alui(s, BPF_ADD, R1, LIB_BYTES);
    cg_movi(s, R2, size);
    cg_value(s, R3, CG_RODATA, f->c->fmt_ps);
    cg_mov(s, R4, R10);
    cg_alui(s, BPF_ADD, R4, -8);
    cg_movi(s, R5, 8);
    cg_call(s, HELPER_SNPRINTF);
    for (int k = 0; k < size - 1; k++) {
        uint32_t next = cg_label(s);

        cg_ldx(s, BPF_B, R1, R7, LIB_BYTES + k);
        cg_sti(s, BPF_W, R7, 0, k);
        cg_jmpi(s, BPF_JEQ, R1, 0, set);
        cg_jmpi(s, BPF_JNE, R1, ' ', next);
        cg_sti(s, BPF_B, R7, LIB_BYTES + k, 0);
        cg_ja(s, set);
        cg_bind(s, next);
    }
    cg_sti(s, BPF_W, R7, 0, size - 1);
    cg_bind(s, set);
    cg_lib_leave(f, 0);
}

/* ---- histograms ---- */

static void make_bucket(struct cg_lib_fn *f)
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
static void make_linear(struct cg_lib_fn *f)
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

/* ---- records ---- */

static void make_out_str(struct cg_lib_fn *f)
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

static void make_send(struct cg_lib_fn *f)
{
    struct cg_asm *s = &f->s;
    uint32_t lost = cg_label(s), sent = cg_label(s);

    cg_lib_enter(f);
    cg_alui(s, BPF_ADD, R6, (int32_t)f->c->u->frame_out);
    cg_mov(s, R7, R2);
    cg_jmpi(s, BPF_JGT, R7, (int32_t)f->c->u->frame_out_size, lost);
    cg_stx(s, BPF_W, R6, offsetof(struct ngs_rec, kind), R3);
    cg_stx(s, BPF_W, R6, offsetof(struct ngs_rec, size), R7);
    cg_stx(s, BPF_W, R6, offsetof(struct ngs_rec, probe), R4);
    cg_movi(s, R1, 0);
    cg_lib_call(f, CG_LIB_PID);
    cg_stx(s, BPF_W, R6, offsetof(struct ngs_rec, tid), R0);
    cg_map(s, R1, NGS_MAP_RING);
    cg_mov(s, R2, R6);
    cg_mov(s, R3, R7);
    cg_movi(s, R4, 0);
    cg_call(s, HELPER_RINGBUF_OUTPUT);
    cg_jmpi(s, BPF_JEQ, R0, 0, sent);
    cg_bind(s, lost);
    cg_lib_count(f, CONTROL(lost), R1, R2);
    cg_bind(s, sent);
    cg_lib_leave(f, 0);
}

/* The error that nothing caught, as a record; past MAXERRORS the session stops. */
static void make_report(struct cg_lib_fn *f)
{
    struct cg_asm *s = &f->s;
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
    cg_lib_call(f, CG_LIB_SEND);
    cg_value(s, R1, CG_CONTROL, CONTROL(errors));
    cg_movi(s, R2, 1);
    cg_atomic(s, BPF_ADD | BPF_FETCH, R1, 0, R2);
    cg_movi(s, R3, f->c->cx->limits.maxerrors);
    cg_jmp(s, BPF_JLT, R2, R3, go_on);
    cg_value(s, R1, CG_CONTROL, CONTROL(stopped));
    cg_sti(s, BPF_DW, R1, 0, 1);
    cg_bind(s, go_on);
    cg_lib_leave(f, 0);
}

/* ---- all of them ---- */

static const struct {
    void (*make)(struct cg_lib_fn *f);
    uint32_t n_args;
} makers[CG_LIB_COUNT] = {
    [CG_LIB_PID] = {make_pid, 1},
    [CG_LIB_TARGET] = {make_target, 1},
    [CG_LIB_MISS] = {make_miss, 3},
    [CG_LIB_KREAD] = {make_kread, 3},
    [CG_LIB_APPEND] = {cg_lib_append, 3},
    [CG_LIB_COPY] = {cg_lib_copy, 3},
    [CG_LIB_READ_STR] = {cg_lib_read_str, 4},
    [CG_LIB_KREAD_STR] = {cg_lib_kread_str, 4},
    [CG_LIB_READ_NAME] = {cg_lib_read_name, 4},
    [CG_LIB_LINE] = {cg_lib_line, 3},
    [CG_LIB_LINE_PART] = {cg_lib_line_part, 3},
    [CG_LIB_DEC] = {cg_lib_dec, 3},
    [CG_LIB_FORMAT] = {cg_lib_format, 4},
    [CG_LIB_FORMAT_STR] = {cg_lib_format_str, 4},
    [CG_LIB_FILL] = {cg_lib_fill, 4},
    [CG_LIB_SHARED_GET] = {cg_lib_shared_get, 3},
    [CG_LIB_SHARED_SET] = {cg_lib_shared_set, 4},
    [CG_LIB_SHARED_APPEND] = {cg_lib_shared_append, 3},
    [CG_LIB_DIGITS] = {cg_lib_digits, 3},
    [CG_LIB_MARK] = {cg_lib_mark, 4},
    [CG_LIB_EQ] = {cg_lib_eq, 3},
    [CG_LIB_CMP] = {cg_lib_cmp, 3},
    [CG_LIB_HASH] = {cg_lib_hash, 3},
    [CG_LIB_HASH_PART] = {cg_lib_hash_part, 4},
    [CG_LIB_BUCKET] = {make_bucket, 2},
    [CG_LIB_LINEAR] = {make_linear, 5},
    [CG_LIB_OUT_STR] = {make_out_str, 3},
    [CG_LIB_SEND] = {make_send, 4},
    [CG_LIB_REPORT] = {make_report, 2},
    [CG_LIB_ERROR_TEXT] = {cg_lib_error_text, 2},
    [CG_LIB_EXECNAME] = {make_execname, 2},
    [CG_LIB_KFUNC] = {make_kfunc, 3},
};

static bool make_one(struct cg *c, enum cg_lib lib)
{
    struct cg_lib_fn f = {.c = c, .lib = lib, .may_goto = c->k->has[FEAT_MAY_GOTO]};

    cg_asm_begin(&f.s, c->cx, false);
    f.l_bad = cg_label(&f.s);
    makers[lib].make(&f);
    if (cg_label_used(&f.s, f.l_bad)) {
        cg_bind(&f.s, f.l_bad);
        cg_lib_leave(&f, 0);
    }
    if (!cg_asm_end(&f.s))
        return false;
    cg_asm_take(&f.s, cg_new_func(c, cg_lib_name(lib), CG_SIG_GLOBAL, makers[lib].n_args));
    return true;
}

/* Those that call others come before them, so that it is known by then what the others are given.
 */
bool cg_make_lib(struct cg *c)
{
    static const uint8_t callers[] = {CG_LIB_REPORT, CG_LIB_ERROR_TEXT,   CG_LIB_KFUNC,
                                      CG_LIB_DEC,    CG_LIB_FORMAT,       CG_LIB_FORMAT_STR,
                                      CG_LIB_SEND,   CG_LIB_SHARED_APPEND};
    bool made[CG_LIB_COUNT] = {false};

    for (uint32_t k = 0; k < sizeof(callers) + CG_LIB_COUNT; k++) {
        enum cg_lib lib = (enum cg_lib)(k < sizeof(callers) ? callers[k] : k - sizeof(callers));

        if (!c->lib_used[lib] || made[lib])
            continue;
        made[lib] = true;
        if (!make_one(c, lib))
            return false;
    }
    return true;
}
