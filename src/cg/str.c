/*
 * str: operations on strings, in the kernel. Enters: one IR instruction; leaves: appends of short
 * literals and comparisons with them in line, the rest as calls of the library (lib/str.c,
 * lib/fmt.c).
 *
 * A string is {len, bytes}; a NUL is kept behind the bytes. What a frame holds before a handler
 * sets it is of no use, lengths included: every length is compared with MAXSTRINGLEN before it is
 * used.
 */
#include "cg/emit.h"

#include <stddef.h>
#include <string.h>

#include "base/diag.h"

enum { INLINE_MAX = 40 }; /* bytes of a literal that is appended or compared in line */

#define BYTES ((uint32_t)offsetof(struct ngs_str, bytes))

static const struct ir_lit *short_literal(const struct cg_gen *g, struct ir_val s)
{
    const struct ir_lit *l = s.kind == IRV_LIT ? &g->c->u->lits[s.id] : NULL;

    return l && l->len <= INLINE_MAX && l->len <= g->c->max ? l : NULL;
}

static int32_t word(const char *p, uint32_t n)
{
    uint32_t v = 0;

    for (uint32_t k = 0; k < n; k++)
        v |= (uint32_t)(unsigned char)p[k] << 8 * k;
    return n == 1 ? (int8_t)v : n == 2 ? (int16_t)v : (int32_t)v;
}

/* Stores the N bytes of P at [BASE + OFF]. */
static void store_bytes(struct cg_gen *g, int base, uint32_t off, const char *p, uint32_t n)
{
    while (n) {
        uint32_t k = n >= 4 ? 4 : n >= 2 ? 2 : 1;

        cg_sti(&g->s, k == 4 ? BPF_W : k == 2 ? BPF_H : BPF_B, base, (int)off, word(p, k));
        p += k;
        off += k;
        n -= k;
    }
}

/* A register and an offset that address the string: r9 itself where it reaches. */
static int string_base(struct cg_gen *g, struct ir_val s, uint32_t *off)
{
    const struct cg *c = g->c;
    int r;

    if (s.kind == IRV_SLOT) {
        *off = c->u->slots[s.id].off;
        if (cg_fits16((int64_t)*off + BYTES + INLINE_MAX + 8))
            return R9;
        r = cg_tmp(g);
        cg_addr(&g->s, r, R9, *off);
    } else {
        r = cg_tmp(g);
        cg_value(&g->s, r, CG_RODATA, c->u->lits[s.id].off);
    }
    *off = 0;
    return r;
}

static void call_2(struct cg_gen *g, enum cg_lib lib, struct ir_val dst, struct ir_val src)
{
    cg_call_begin(g);
    cg_put_str(g, R2, dst);
    cg_put_str(g, R3, src);
    cg_put_frame(g, R1, 0);
    cg_do_lib(g, lib);
}

static bool same(struct ir_val a, struct ir_val b)
{
    return a.kind == b.kind && a.id == b.id;
}

/*
 * SSET and SCAT are marked as not calling in the kernel, so that short literals keep registers as
 * they are; when they do call, what lives is saved as around any call.
 */
void cg_k_sset(struct cg_gen *g, const struct ir_ins *i)
{
    const struct ir_lit *l = short_literal(g, i->s);
    uint32_t off;

    if (same(i->str, i->s))
        return;
    if (!l) {
        call_2(g, CG_LIB_COPY, i->str, i->s);
        return;
    }
    int base = string_base(g, i->str, &off);

    cg_sti(&g->s, BPF_W, base, (int)off, (int32_t)l->len);
    store_bytes(g, base, off + BYTES, l->text, l->len + 1);
}

void cg_k_scat(struct cg_gen *g, const struct ir_ins *i)
{
    const struct ir_lit *l = short_literal(g, i->s);
    struct cg_cold cold = {.kind = CG_COLD_LIB, .lib = CG_LIB_APPEND, .n_args = 2};

    if (l && l->len == 0)
        return;
    if (!l) {
        call_2(g, CG_LIB_APPEND, i->str, i->s);
        return;
    }
    uint32_t off = g->c->u->slots[i->str.id].off;
    int len = cg_tmp(g), p = cg_tmp(g);

    cold.n_save = cg_cold_saves(g, cold.save, 1u << len | 1u << p);
    cold.back = cg_label(&g->s);
    cold.args[0] = (int32_t)cg_handle(g->c, i->str);
    cold.args[1] = (int32_t)cg_handle(g->c, i->s);
    if (cg_fits16((int64_t)off + BYTES + INLINE_MAX)) {
        cg_mov(&g->s, p, R9);
    } else {
        cg_addr(&g->s, p, R9, off);
        off = 0;
    }
    cg_ldx(&g->s, BPF_W, len, p, (int)off);
    cg_jmpi(&g->s, BPF_JGT, len, (int32_t)(g->c->max - l->len), cg_new_cold(g, cold));
    /* The length is stored through the string's address before that moves on. */
    cg_alui(&g->s, BPF_ADD, len, (int32_t)l->len);
    cg_stx(&g->s, BPF_W, p, (int)off, len);
    cg_alu(&g->s, BPF_ADD, p, len);
    store_bytes(g, p, off + BYTES - l->len, l->text, l->len + 1);
    cg_bind(&g->s, cold.back);
}

void cg_k_sfmt(struct cg_gen *g, const struct ir_ins *i)
{
    uint64_t spec = (uint64_t)i->b.imm;
    char conv = (char)(spec & 0xff);
    bool plain = i->b.kind == IRV_IMM && (conv == 'd' || conv == 'i') &&
                 (spec >> 8 & 0xffffff) == 0 && (spec >> 32 & 0xffff) == 0xffff;

    cg_call_begin(g);
    cg_hold(g, i->a);
    if (!plain)
        cg_put(g, R4, i->b);
    cg_put(g, R3, i->a);
    cg_put_str(g, R2, i->str);
    cg_put_frame(g, R1, 0);
    cg_do_lib(g, plain ? CG_LIB_DEC : CG_LIB_FORMAT);
}

void cg_k_sfmts(struct cg_gen *g, const struct ir_ins *i)
{
    cg_call_begin(g);
    cg_put(g, R4, i->b);
    cg_put_str(g, R2, i->str);
    cg_put_str(g, R3, i->s);
    cg_put_frame(g, R1, 0);
    cg_do_lib(g, CG_LIB_FORMAT_STR);
}

void cg_k_smark(struct cg_gen *g, const struct ir_ins *i)
{
    cg_call_begin(g);
    cg_put(g, R4, i->a);
    cg_put_str(g, R2, i->str);
    cg_puti(g, R3, i->imm);
    cg_put_frame(g, R1, 0);
    cg_do_lib(g, CG_LIB_MARK);
}

void cg_k_sread(struct cg_gen *g, const struct ir_ins *i)
{
    cg_call_begin(g);
    cg_hold(g, i->a);
    cg_put(g, R4, i->b);
    cg_put(g, R3, i->a);
    cg_put_str(g, R2, i->str);
    cg_put_frame(g, R1, 0);
    cg_do_lib(g, i->space ? CG_LIB_KREAD_STR : i->imm ? CG_LIB_READ_NAME : CG_LIB_READ_STR);
    cg_jmpi(&g->s, BPF_JNE, R0, 0, cg_fail(g, i, NGS_OK));
}

void cg_k_serror(struct cg_gen *g, const struct ir_ins *i)
{
    if (i->str.kind == IRV_NONE) {
        cg_sti(&g->s, BPF_DW, R9, offsetof(struct ngs_frame, error), 0);
        return;
    }
    cg_call_begin(g);
    cg_put_str(g, R2, i->str);
    cg_put_frame(g, R1, 0);
    cg_do_lib(g, CG_LIB_ERROR_TEXT);
}

void cg_k_slen(struct cg_gen *g, const struct ir_ins *i)
{
    uint32_t off;

    if (i->s.kind == IRV_LIT) {
        cg_movi(&g->s, cg_def(g, i->dst), g->c->u->lits[i->s.id].len);
        return;
    }
    int base = string_base(g, i->s, &off), d = cg_def(g, i->dst);

    cg_ldx(&g->s, BPF_W, d, base, (int)off);
}

/* dst = s == literal: the length, then four bytes at a time. */
static void equals_literal(struct cg_gen *g, const struct ir_ins *i, struct ir_val s,
                           const struct ir_lit *l)
{
    uint32_t off, done = 0, no = cg_label(&g->s), end = cg_label(&g->s);
    int base = string_base(g, s, &off), t = cg_tmp(g), d = cg_def(g, i->dst);

    cg_ldx(&g->s, BPF_W, t, base, (int)off);
    cg_jmpi(&g->s, BPF_JNE, t, (int32_t)l->len, no);
    while (done < l->len) {
        uint32_t n = l->len - done >= 4 ? 4 : l->len - done >= 2 ? 2 : 1;
        uint32_t want = (uint32_t)word(l->text + done, n);

        if (n < 4)
            want &= n == 2 ? 0xffff : 0xff;
        cg_ldx(&g->s, n == 4 ? BPF_W : n == 2 ? BPF_H : BPF_B, t, base, (int)(off + BYTES + done));
        cg_jmpi32(&g->s, BPF_JNE, t, (int32_t)want, no);
        done += n;
    }
    cg_movi(&g->s, d, 1);
    cg_ja(&g->s, end);
    cg_bind(&g->s, no);
    cg_movi(&g->s, d, 0);
    cg_bind(&g->s, end);
}

void cg_k_seq(struct cg_gen *g, const struct ir_ins *i)
{
    const struct ir_lit *l = short_literal(g, i->s2);
    struct ir_val s = i->s;

    if (!l) {
        l = short_literal(g, i->s);
        s = i->s2;
    }
    if (same(i->s, i->s2)) {
        cg_movi(&g->s, cg_def(g, i->dst), 1);
    } else if (l && s.kind != IRV_LIT) {
        equals_literal(g, i, s, l);
    } else {
        call_2(g, CG_LIB_EQ, i->s, i->s2);
        cg_result(g, i->dst, R0);
    }
}

void cg_k_scmp(struct cg_gen *g, const struct ir_ins *i)
{
    call_2(g, CG_LIB_CMP, i->s, i->s2);
    cg_result(g, i->dst, R0);
}

/* ---- global strings ---- */

void cg_k_gsget(struct cg_gen *g, const struct ir_ins *i)
{
    cg_call_begin(g);
    cg_put_str(g, R2, i->str);
    cg_puti(g, R3, g->c->u->globals[i->global].off);
    cg_put_frame(g, R1, 0);
    cg_do_lib(g, CG_LIB_SHARED_GET);
    cg_jmpi(&g->s, BPF_JNE, R0, 0, cg_fail(g, i, NGS_OK));
}

void cg_k_gsset(struct cg_gen *g, const struct ir_ins *i)
{
    cg_call_begin(g);
    cg_puti(g, R2, g->c->u->globals[i->global].off);
    cg_put_str(g, R3, i->s);
    cg_puti(g, R4, 0);
    cg_put_frame(g, R1, 0);
    cg_do_lib(g, CG_LIB_SHARED_SET);
}

void cg_k_gscat(struct cg_gen *g, const struct ir_ins *i)
{
    cg_call_begin(g);
    cg_puti(g, R2, g->c->u->globals[i->global].off);
    cg_put_str(g, R3, i->s);
    cg_put_frame(g, R1, 0);
    cg_do_lib(g, CG_LIB_SHARED_APPEND);
    cg_jmpi(&g->s, BPF_JNE, R0, 0, cg_fail(g, i, NGS_OK));
}

/* ---- functions of the library ---- */

/* FCALL: the destination, when there is one, stands before the arguments. Where there is no row (0:
 * REPORT) only handlers in user space come to the call, since the tapset asks first. */
static const enum cg_lib functions[NGS_U_COUNT] = {
    [NGS_U_STRTOL] = CG_LIB_NUMBER,      [NGS_U_SUBSTR] = CG_LIB_SUBSTR,
    [NGS_U_STRPOS] = CG_LIB_FIND,        [NGS_U_STR_REPLACE] = CG_LIB_REPLACE,
    [NGS_U_STRINGAT] = CG_LIB_BYTE,      [NGS_U_TOUPPER] = CG_LIB_UPPER,
    [NGS_U_TOLOWER] = CG_LIB_LOWER,      [NGS_U_SPAN] = CG_LIB_SPAN,
    [NGS_U_PLAIN] = CG_LIB_PLAIN,        [NGS_U_REGEX] = CG_LIB_REGEX,
    [NGS_U_WRITE] = CG_LIB_WRITE,        [NGS_U_WRITE_STR] = CG_LIB_WRITE_STR,
    [NGS_U_STACK] = CG_LIB_STACK_NUMBER,
};

/* To the thread at hand: whom else the call names is for user space. */
static void raise_signal(struct cg_gen *g, const struct ir_ins *i)
{
    cg_call_begin(g);
    cg_put(g, R1, i->args[0]);
    cg_do_call(g, BPF_FUNC_send_signal_thread);
    cg_jmpi(&g->s, BPF_JNE, R0, 0, cg_fail(g, i, NGS_ERR_SIGNAL));
}

void cg_k_fcall(struct cg_gen *g, const struct ir_ins *i)
{
    if (i->imm == NGS_U_RAISE) {
        raise_signal(g, i);
        return;
    }
    if (i->imm == NGS_U_STACK_TEXT) {
        cg_stack_text(g, i);
        return;
    }
    enum cg_lib lib = functions[i->imm];
    int first = i->str.kind == IRV_SLOT ? R3 : R2;
    bool writes = i->imm == NGS_U_WRITE || i->imm == NGS_U_WRITE_STR;

    if (!lib) { /* what follows must be reachable, if only on paper */
        uint32_t off;
        int base = string_base(g, i->str, &off);

        cg_sti(&g->s, BPF_W, base, (int)off, 0);
        cg_sti(&g->s, BPF_B, base, (int)(off + BYTES), 0);
        return;
    }
    if (writes && !g->c->k->has[FEAT_WRITE_USER]) {
        g->c->failed = true;
        diag_error(g->c->cx->diag, g->c->u->locs[i->loc].at, "no-feature",
                   "this kernel lets no eBPF program write to a process's memory");
        diag_hint(g->c->cx->diag, "it is locked down, perhaps: /sys/kernel/security/lockdown");
    }
    cg_call_begin(g);
    for (uint32_t k = 0; k < i->n_args; k++)
        cg_hold(g, i->args[k]);
    for (uint32_t k = 0; k < i->n_args; k++)
        if (cg_is_long(i->args[k]))
            cg_put(g, first + (int)k, i->args[k]);
    for (uint32_t k = 0; k < i->n_args; k++)
        if (!cg_is_long(i->args[k]))
            cg_put_str(g, first + (int)k, i->args[k]);
    if (first == R3)
        cg_put_str(g, R2, i->str);
    cg_put_frame(g, R1, 0);
    cg_do_lib(g, lib);
    if (writes)
        cg_jmpi(&g->s, BPF_JNE, R0, 0, cg_fail(g, i, NGS_OK));
    if (i->imm == NGS_U_STRINGAT)
        cg_jmpi(&g->s, BPF_JEQ, R0, 256, cg_fail(g, i, NGS_ERR_POSITION));
    cg_result(g, i->dst, R0);
}
