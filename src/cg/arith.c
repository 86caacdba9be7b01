/*
 * arith: operations on integers, the same in the kernel and in user space. Enters: one IR
 * instruction; leaves: its code. Refuses more modules than the control map has room for.
 */
#include "cg/emit.h"

#include <stddef.h>

#include "base/diag.h"

#define FRAME(field) ((int)offsetof(struct ngs_frame, field))

void cg_emit_const(struct cg_gen *g, const struct ir_ins *i)
{
    cg_movi(&g->s, cg_def(g, i->dst), i->imm);
}

void cg_emit_modaddr(struct cg_gen *g, const struct ir_ins *i)
{
    int d = cg_def(g, i->dst);

    if (i->module >= NGS_MAX_MODULES) {
        g->c->failed = true;
        diag_error(g->c->cx->diag, g->c->u->locs[i->loc].at, "limit",
                   "the script uses more than %d modules", NGS_MAX_MODULES);
    }
    cg_value(&g->s, d, CG_CONTROL, (uint32_t)(offsetof(struct ngs_control, bias) + 8 * i->module));
    if (!g->user &&
        !cg_is_kernel(g->c,
                      i)) { /* the prologue has compared the layout; the verifier cannot know */
        int t = cg_tmp(g);

        cg_ldx(&g->s, BPF_W, t, R9, FRAME(member.layout));
        cg_alui(&g->s, BPF_AND, t, NGS_LAYOUTS - 1);
        cg_alui(&g->s, BPF_MUL, t, (int32_t)sizeof(((struct ngs_control *)NULL)->bias[0]));
        cg_alu(&g->s, BPF_ADD, d, t);
    }
    cg_ldx(&g->s, BPF_DW, d, d, 0);
    if (cg_fits32(i->imm)) {
        cg_alui(&g->s, BPF_ADD, d, (int32_t)i->imm);
    } else {
        int t = cg_tmp(g);

        cg_movi(&g->s, t, i->imm);
        cg_alu(&g->s, BPF_ADD, d, t);
    }
}

static const uint8_t alu_ops[IR_OP_COUNT] = {
    [IR_ADD] = BPF_ADD, [IR_SUB] = BPF_SUB,  [IR_MUL] = BPF_MUL,  [IR_DIV] = BPF_DIV,
    [IR_MOD] = BPF_MOD, [IR_AND] = BPF_AND,  [IR_OR] = BPF_OR,    [IR_XOR] = BPF_XOR,
    [IR_SHL] = BPF_LSH, [IR_SHR] = BPF_ARSH, [IR_USHR] = BPF_RSH,
};

/* Shift counts in a register need no mask: BPF takes them modulo 64 (RFC 9669, 4.1). */
void cg_emit_alu(struct cg_gen *g, const struct ir_ins *i)
{
    struct ir_val a = i->a, b = i->b;
    bool shift = i->op == IR_SHL || i->op == IR_SHR || i->op == IR_USHR;
    bool swaps = i->op != IR_SUB && !shift;

    if (swaps && (a.kind != IRV_TEMP || (b.kind == IRV_TEMP && cg_dies(g, b) && !cg_dies(g, a)))) {
        struct ir_val t = a;

        a = b;
        b = t;
    }
    if (cg_is_imm32(b)) {
        int64_t imm = b.kind == IRV_IMM ? b.imm : 0;

        cg_alui(&g->s, alu_ops[i->op], cg_def_copy(g, i->dst, a),
                (int32_t)(shift ? imm & 63 : imm));
        return;
    }
    if (shift && b.kind == IRV_IMM) {
        cg_alui(&g->s, alu_ops[i->op], cg_def_copy(g, i->dst, a), (int32_t)(b.imm & 63));
        return;
    }
    int rb = cg_use(g, b);

    cg_alu(&g->s, alu_ops[i->op], cg_def_copy(g, i->dst, a), rb);
}

void cg_extend(struct cg_gen *g, int reg, int64_t bytes, bool is_signed)
{
    int shift = (int)(64 - 8 * bytes);

    if (bytes <= 0 || bytes >= 8)
        return;
    if (!is_signed && bytes == 4) {
        cg_zext32(&g->s, reg);
    } else if (!is_signed) {
        cg_alui(&g->s, BPF_AND, reg, (1 << 8 * bytes) - 1);
    } else {
        cg_alui(&g->s, BPF_LSH, reg, shift);
        cg_alui(&g->s, BPF_ARSH, reg, shift);
    }
}

void cg_emit_extend(struct cg_gen *g, const struct ir_ins *i)
{
    cg_extend(g, cg_def_copy(g, i->dst, i->a), i->imm, i->op == IR_SEXT);
}

/* dst = a / b or a % b on magnitudes, then the sign: before Linux 6.6 division is unsigned only. */
static void divide_magnitudes(struct cg_gen *g, const struct ir_ins *i, int d, int a, int b)
{
    bool mod = i->op == IR_MOD;
    int t = cg_tmp(g), q = cg_tmp(g);
    uint32_t a_done = cg_label(&g->s), b_done = cg_label(&g->s), done = cg_label(&g->s);

    cg_mov(&g->s, t, b);
    cg_jmpi(&g->s, BPF_JSGE, t, 0, b_done);
    cg_neg(&g->s, t);
    cg_bind(&g->s, b_done);
    cg_mov(&g->s, q, a);
    cg_jmpi(&g->s, BPF_JSGE, q, 0, a_done);
    cg_neg(&g->s, q);
    cg_bind(&g->s, a_done);
    cg_alu(&g->s, mod ? BPF_MOD : BPF_DIV, q, t);
    cg_mov(&g->s, t, a);
    if (!mod)
        cg_alu(&g->s, BPF_XOR, t, b);
    cg_mov(&g->s, d, q);
    cg_jmpi(&g->s, BPF_JSGE, t, 0, done);
    cg_neg(&g->s, d);
    cg_bind(&g->s, done);
}

/*
 * INT64_MIN / -1 traps on x86 in kernels with signed division before 6.12 (commit 7dd34d7b7dcf,
 * "bpf: Fix a sdiv overflow issue"), so a divisor of -1 never gets there.
 */
void cg_emit_div(struct cg_gen *g, const struct ir_ins *i)
{
    bool mod = i->op == IR_MOD, sdiv = g->user || g->c->k->has[FEAT_SDIV];
    int op = alu_ops[i->op];

    if (cg_is_imm32(i->b)) {
        int32_t imm = i->b.kind == IRV_IMM ? (int32_t)i->b.imm : 0;

        if (imm == 0) {
            int d = cg_def(g, i->dst);

            /* a condition, so that the verifier sees what follows as reachable */
            cg_movi(&g->s, d, 0);
            cg_jmpi(&g->s, BPF_JEQ, d, 0, cg_fail(g, i, NGS_ERR_DIV_ZERO));
            return;
        }
        if (imm == -1 || imm == 1) {
            int d = cg_def_copy(g, i->dst, i->a);

            if (mod)
                cg_movi(&g->s, d, 0);
            else if (imm == -1)
                cg_neg(&g->s, d);
            return;
        }
        if (sdiv) {
            cg_raw(&g->s, (uint8_t)(BPF_ALU64 | op | BPF_K), cg_def_copy(g, i->dst, i->a), 0, 1,
                   imm);
            return;
        }
    }
    int b = cg_use(g, i->b), a = cg_use(g, i->a), d = cg_def(g, i->dst);

    cg_jmpi(&g->s, BPF_JEQ, b, 0, cg_fail(g, i, NGS_ERR_DIV_ZERO));
    if (!sdiv) {
        divide_magnitudes(g, i, d, a, b);
        return;
    }
    uint32_t done = cg_label(&g->s), plain = cg_label(&g->s);

    cg_jmpi(&g->s, BPF_JNE, b, -1, plain);
    if (mod) {
        cg_movi(&g->s, d, 0);
    } else {
        cg_mov(&g->s, d, a);
        cg_neg(&g->s, d);
    }
    cg_ja(&g->s, done);
    cg_bind(&g->s, plain);
    cg_mov(&g->s, d, a);
    cg_raw(&g->s, (uint8_t)(BPF_ALU64 | op | BPF_X), d, b, 1, 0);
    cg_bind(&g->s, done);
}

static const uint8_t conditions[] = {[IR_EQ] = BPF_JEQ,  [IR_NE] = BPF_JNE,  [IR_LT] = BPF_JSLT,
                                     [IR_LE] = BPF_JSLE, [IR_GT] = BPF_JSGT, [IR_GE] = BPF_JSGE};

void cg_emit_set(struct cg_gen *g, const struct ir_ins *i)
{
    bool imm = cg_is_imm32(i->b);
    int b = imm ? 0 : cg_use(g, i->b), a = cg_use(g, i->a), d = cg_def(g, i->dst);
    uint32_t done = cg_label(&g->s);

    cg_movi(&g->s, d, 1);
    if (imm)
        cg_jmpi(&g->s, conditions[i->cond], a, i->b.kind == IRV_IMM ? (int32_t)i->b.imm : 0, done);
    else
        cg_jmp(&g->s, conditions[i->cond], a, b, done);
    cg_movi(&g->s, d, 0);
    cg_bind(&g->s, done);
}
