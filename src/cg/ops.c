/*
 * ops: the table of operations, and those that are the same in the kernel and in user space:
 * integers, slots, globals, the budget; reads in the kernel; the code behind the handler (stubs).
 * Enters: one IR instruction; leaves: its instructions at the end of the program being written.
 */
#include "cg/gen.h"

#include <stddef.h>

#include "base/arena.h"
#include "base/diag.h"

#define FRAME(field) ((int)offsetof(struct ngs_frame, field))

/* ---- integers ---- */

static void emit_const(struct cg_gen *g, const struct ir_ins *i)
{
    cg_movi(&g->s, cg_def(g, i->dst), i->imm);
}

static void emit_modaddr(struct cg_gen *g, const struct ir_ins *i)
{
    int d = cg_def(g, i->dst);

    if (i->module >= NGS_MAX_MODULES) {
        g->c->failed = true;
        diag_error(g->c->cx->diag, g->c->u->locs[i->loc].at, "limit",
                   "the script uses more than %d modules", NGS_MAX_MODULES);
    }
    cg_value(&g->s, d, CG_CONTROL, (uint32_t)(offsetof(struct ngs_control, bias) + 8 * i->module));
    if (!g->user) { /* the prologue let in who has one of the layouts; the verifier has not seen it */
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

static int alu_op(enum ir_op op)
{
    switch (op) {
    case IR_ADD:
        return BPF_ADD;
    case IR_SUB:
        return BPF_SUB;
    case IR_MUL:
        return BPF_MUL;
    case IR_AND:
        return BPF_AND;
    case IR_OR:
        return BPF_OR;
    case IR_XOR:
        return BPF_XOR;
    case IR_SHL:
        return BPF_LSH;
    case IR_SHR:
        return BPF_ARSH;
    default:
        return BPF_RSH;
    }
}

/* Shift counts in a register need no mask: BPF takes them modulo 64 (RFC 9669, 4.1). */
static void emit_alu(struct cg_gen *g, const struct ir_ins *i)
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

        cg_alui(&g->s, alu_op(i->op), cg_def_copy(g, i->dst, a), (int32_t)(shift ? imm & 63 : imm));
        return;
    }
    if (shift && b.kind == IRV_IMM) {
        cg_alui(&g->s, alu_op(i->op), cg_def_copy(g, i->dst, a), (int32_t)(b.imm & 63));
        return;
    }
    int rb = cg_use(g, b);

    cg_alu(&g->s, alu_op(i->op), cg_def_copy(g, i->dst, a), rb);
}

static void extend(struct cg_gen *g, int reg, int64_t bytes, bool is_signed)
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

static void emit_extend(struct cg_gen *g, const struct ir_ins *i)
{
    extend(g, cg_def_copy(g, i->dst, i->a), i->imm, i->op == IR_SEXT);
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
static void emit_div(struct cg_gen *g, const struct ir_ins *i)
{
    bool mod = i->op == IR_MOD, sdiv = g->user || g->c->k->has[FEAT_SDIV];
    int op = mod ? BPF_MOD : BPF_DIV;

    if (cg_is_imm32(i->b)) {
        int32_t imm = i->b.kind == IRV_IMM ? (int32_t)i->b.imm : 0;

        if (imm == 0) {
            int d = cg_def(g, i->dst);

            cg_movi(
                &g->s, d,
                0); /* a condition, so that what follows can be reached in the verifier's eyes */
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

int cg_bpf_cond(enum ir_cond c)
{
    static const int ops[] = {[IR_EQ] = BPF_JEQ,  [IR_NE] = BPF_JNE,  [IR_LT] = BPF_JSLT,
                              [IR_LE] = BPF_JSLE, [IR_GT] = BPF_JSGT, [IR_GE] = BPF_JSGE};

    return ops[c];
}

static void emit_set(struct cg_gen *g, const struct ir_ins *i)
{
    bool imm = cg_is_imm32(i->b);
    int b = imm ? 0 : cg_use(g, i->b), a = cg_use(g, i->a), d = cg_def(g, i->dst);
    uint32_t done = cg_label(&g->s);

    cg_movi(&g->s, d, 1);
    if (imm)
        cg_jmpi(&g->s, cg_bpf_cond(i->cond), a, i->b.kind == IRV_IMM ? (int32_t)i->b.imm : 0, done);
    else
        cg_jmp(&g->s, cg_bpf_cond(i->cond), a, b, done);
    cg_movi(&g->s, d, 0);
    cg_bind(&g->s, done);
}

/* ---- slots and globals ---- */

static void emit_load(struct cg_gen *g, const struct ir_ins *i)
{
    int r = cg_cached_slot(g, i->slot);

    if (r >= 0 && i->dst) {
        uint32_t t = g->reg_temp[r];
        bool safe = r == R7 || r == R8;

        if (!t && (safe || !g->temps[i->dst].crosses) && g->temps[i->dst].last > g->pos) {
            g->reg_temp[r] = i->dst; /* it is there already */
            g->temps[i->dst].reg = (int8_t)r;
            return;
        }
        g->pinned |= 1u << r;
        int d = cg_def(g, i->dst);

        cg_mov(&g->s, d, r);
        return;
    }
    int d = cg_def(g, i->dst);

    cg_ldx_far(&g->s, BPF_DW, d, R9, g->c->u->slots[i->slot].off);
    cg_slot_is(g, i->slot, d);
}

static void emit_store(struct cg_gen *g, const struct ir_ins *i)
{
    uint32_t off = g->c->u->slots[i->slot].off;
    int tmp = cg_fits16(off) ? 0 : cg_tmp(g);

    if (cg_is_imm32(i->a)) {
        cg_sti_far(&g->s, BPF_DW, R9, off, i->a.kind == IRV_IMM ? (int32_t)i->a.imm : 0, tmp);
        cg_slot_is(g, i->slot, -1);
        return;
    }
    int a = cg_use(g, i->a);

    cg_stx_far(&g->s, BPF_DW, R9, off, a, tmp);
    cg_slot_is(g, i->slot, a);
}

static void emit_gload(struct cg_gen *g, const struct ir_ins *i)
{
    int d = cg_def(g, i->dst);

    cg_value(&g->s, d, CG_GLOBALS, g->c->u->globals[i->global].off);
    cg_ldx(&g->s, BPF_DW, d, d, 0);
}

static void emit_gstore(struct cg_gen *g, const struct ir_ins *i)
{
    int p = cg_tmp(g);

    cg_value(&g->s, p, CG_GLOBALS, g->c->u->globals[i->global].off);
    if (cg_is_imm32(i->a))
        cg_sti(&g->s, BPF_DW, p, 0, i->a.kind == IRV_IMM ? (int32_t)i->a.imm : 0);
    else
        cg_stx(&g->s, BPF_DW, p, 0, cg_use(g, i->a));
}

static void emit_gadd(struct cg_gen *g, const struct ir_ins *i)
{
    int p = cg_tmp(g), d;

    cg_value(&g->s, p, CG_GLOBALS, g->c->u->globals[i->global].off);
    d = cg_def_copy(g, i->dst, i->a);
    cg_atomic(&g->s, i->dst ? BPF_ADD | BPF_FETCH : BPF_ADD, p, 0, d);
}

static void emit_gclear(struct cg_gen *g, const struct ir_ins *i)
{
    const struct ir_global *gl = &g->c->u->globals[i->global];
    int p = cg_tmp(g);

    cg_value(&g->s, p, CG_GLOBALS, gl->off);
    cg_sti(&g->s, BPF_DW, p, 0, 0);
    if (gl->type == OBJ_STATS) {
        int t = cg_tmp(g);

        cg_sti(&g->s, BPF_DW, p, offsetof(struct ngs_stats, sum), 0);
        cg_sti(&g->s, BPF_DW, p, offsetof(struct ngs_stats, sumsq), 0);
        cg_movi(&g->s, t, INT64_MAX);
        cg_stx(&g->s, BPF_DW, p, offsetof(struct ngs_stats, min), t);
        cg_movi(&g->s, t, INT64_MIN);
        cg_stx(&g->s, BPF_DW, p, offsetof(struct ngs_stats, max), t);
        for (uint32_t k = 0; k < ngs_hist_buckets(gl->hist, gl->hist_args); k++)
            cg_sti(&g->s, BPF_DW, p, (int)(offsetof(struct ngs_stats, buckets) + 8 * k), 0);
    }
}

static void emit_budget(struct cg_gen *g, const struct ir_ins *i)
{
    int t = cg_tmp(g);

    cg_ldx(&g->s, BPF_DW, t, R9, FRAME(budget));
    if (i->op == IR_BUDGET)
        cg_jmpi(&g->s, BPF_JSLT, t, 0, cg_fail(g, i, NGS_ERR_MAXACTION));
    if (i->imm) {
        cg_alui(&g->s, BPF_ADD, t, (int32_t)-i->imm);
        cg_stx(&g->s, BPF_DW, R9, FRAME(budget), t);
    }
}

/* ---- reading memory in the kernel ---- */

/*
 * User memory goes through the frame's cache: 32 lines of 512 bytes, direct-mapped, so that the low
 * 14 bits of an address are its place in the lines. A tag is the line's number (address / 512), all
 * ones when empty.
 */
static void emit_read_user(struct cg_gen *g, const struct ir_ins *i)
{
    uint32_t tags = g->c->u->frame_cache, lines = tags + IR_CACHE_LINES * 8;
    int a = cg_use(g, i->a), t = cg_tmp(g), d = cg_def(g, i->dst);
    int size = i->size == 1 ? BPF_B : i->size == 2 ? BPF_H : i->size == 4 ? BPF_W : BPF_DW;
    struct cg_stub stub = {
        .kind = CG_STUB_READ, .addr = a, .dst = d, .size = i->size, .lib = CG_LIB_MISS};

    stub.n_save = cg_cold_saves(g, stub.save, 1u << d | 1u << t);
    stub.back = cg_label(&g->s);
    stub.fail = cg_fail(g, i, NGS_OK);
    uint32_t miss = cg_new_stub(g, stub);

    cg_mov(&g->s, d, a);
    cg_alui(&g->s, BPF_RSH, d, 9);
    cg_mov(&g->s, t, d);
    cg_alui(&g->s, BPF_AND, t, IR_CACHE_LINES - 1);
    cg_alui(&g->s, BPF_LSH, t, 3);
    cg_alu(&g->s, BPF_ADD, t, R9);
    cg_ldx_far(&g->s, BPF_DW, t, t, tags);
    cg_jmp(&g->s, BPF_JNE, t, d, miss);
    if (i->size > 1) {
        cg_mov(&g->s, t, a);
        cg_alui(&g->s, BPF_AND, t, IR_CACHE_LINE - 1);
        cg_jmpi(&g->s, BPF_JGT, t, IR_CACHE_LINE - i->size, miss);
    }
    cg_mov(&g->s, t, a);
    cg_alui(&g->s, BPF_AND, t, IR_CACHE_LINES * IR_CACHE_LINE - 1);
    cg_alu(&g->s, BPF_ADD, t, R9);
    if (cg_fits16(lines)) {
        cg_ldx(&g->s, size, d, t, (int)lines);
    } else {
        cg_alui(&g->s, BPF_ADD, t, (int32_t)lines);
        cg_ldx(&g->s, size, d, t, 0);
    }
    cg_bind(&g->s, stub.back);
    if (i->is_signed)
        extend(g, d, i->size, true);
}

static void emit_read(struct cg_gen *g, const struct ir_ins *i)
{
    if (!i->space) {
        emit_read_user(g, i);
        return;
    }
    int a = cg_use(g, i->a), d = cg_def(g, i->dst);
    struct cg_stub stub = {
        .kind = CG_STUB_READ, .addr = a, .dst = d, .size = i->size, .lib = CG_LIB_KREAD};

    stub.n_save = cg_cold_saves(g, stub.save, 1u << d);
    stub.back = cg_label(&g->s);
    stub.fail = cg_fail(g, i, NGS_OK);
    cg_ja(&g->s, cg_new_stub(g, stub));
    cg_bind(&g->s, stub.back);
    if (i->is_signed)
        extend(g, d, i->size, true);
}

/* ---- stubs ---- */

uint32_t cg_new_stub(struct cg_gen *g, struct cg_stub stub)
{
    stub.label = cg_label(&g->s);
    if (g->ins)
        stub.at = g->c->u->locs[g->ins->loc].at;
    g->stubs = arena_grow(g->c->cx->arena, g->stubs, g->n_stubs, sizeof(*g->stubs));
    g->stubs[g->n_stubs] = stub;
    return g->stubs[g->n_stubs++].label;
}

uint32_t cg_fail(struct cg_gen *g, const struct ir_ins *i, enum ngs_error error)
{
    uint32_t to = cg_edge_block(g, i->onerr);

    for (uint32_t k = 0; k < g->n_stubs; k++) {
        const struct cg_stub *s = &g->stubs[k];

        if (s->kind == CG_STUB_FAIL && s->error == error && s->loc == i->loc && s->to == to)
            return s->label;
    }
    return cg_new_stub(
        g,
        (struct cg_stub){.kind = CG_STUB_FAIL,
                         .error = error,
                         .arg = error == NGS_ERR_SIZE_FULL ? g->c->u->maps[i->map].max_entries : 0,
                         .loc = i->loc,
                         .to = to});
}

static void write_fail(struct cg_gen *g, const struct cg_stub *s)
{
    if (s->error != NGS_OK) {
        cg_sti(&g->s, BPF_DW, R9, FRAME(error), (int32_t)s->error);
        cg_sti(&g->s, BPF_DW, R9, FRAME(error_arg), (int32_t)s->arg);
    }
    cg_sti(&g->s, BPF_DW, R9, FRAME(error_loc), (int32_t)s->loc);
    cg_ja(&g->s, s->to);
}

static void write_saves(struct cg_gen *g, const struct cg_stub *s, bool store)
{
    for (uint32_t k = 0; k < s->n_save; k++) {
        if (store && s->save[k].store)
            cg_stx(&g->s, BPF_DW, R9, s->save[k].off, s->save[k].reg);
        else if (!store)
            cg_ldx(&g->s, BPF_DW, s->save[k].reg, R9, s->save[k].off);
    }
}

static void write_read(struct cg_gen *g, const struct cg_stub *s)
{
    write_saves(g, s, true);
    cg_mov(&g->s, R2, s->addr);
    cg_mov(&g->s, R1, R9);
    cg_movi(&g->s, R3, s->size);
    cg_call_lib(g->c, &g->s, s->lib);
    cg_jmpi(&g->s, BPF_JNE, R0, 0, s->fail);
    write_saves(g, s, false);
    cg_ldx(&g->s, BPF_DW, s->dst, R9, FRAME(private_[0]));
    cg_ja(&g->s, s->back);
}

static void write_lib(struct cg_gen *g, const struct cg_stub *s)
{
    write_saves(g, s, true);
    cg_mov(&g->s, R1, R9);
    for (uint32_t k = 0; k < s->n_args; k++)
        cg_movi(&g->s, R2 + (int)k, s->args[k]);
    cg_lib_source(g->c, s->lib, (uint32_t)s->args[1]);
    cg_call_lib(g->c, &g->s, s->lib);
    write_saves(g, s, false);
    cg_ja(&g->s, s->back);
}

void cg_write_stubs(struct cg_gen *g)
{
    for (uint32_t k = 0; k < g->n_stubs; k++) { /* writing one may add others */
        struct cg_stub s = g->stubs[k];

        cg_mark(&g->s, s.at);
        cg_bind(&g->s, s.label);
        switch (s.kind) {
        case CG_STUB_FAIL:
            write_fail(g, &s);
            break;
        case CG_STUB_READ:
            write_read(g, &s);
            break;
        case CG_STUB_LIB:
            write_lib(g, &s);
            break;
        case CG_STUB_BACK:
            cg_back_edge(g, s.node);
            break;
        }
    }
}

/* ---- the table ---- */

#define SAME(fn)                                                                                   \
    {                                                                                              \
        fn, fn, false, false                                                                       \
    }
#define BOTH(op)                                                                                   \
    {                                                                                              \
        cg_k_##op, cg_u_##op, true, true                                                           \
    }
#define COLD(op)                                                                                   \
    {                                                                                              \
        cg_k_##op, cg_u_##op, false, true                                                          \
    } /* in the kernel calls are off the common path */
#define USER(op)                                                                                   \
    {                                                                                              \
        NULL, cg_u_##op, false, true                                                               \
    }

const struct cg_op cg_ops[IR_OP_COUNT] = {
    [IR_CONST] = SAME(emit_const),
    [IR_MODADDR] = SAME(emit_modaddr),
    [IR_ADD] = SAME(emit_alu),
    [IR_SUB] = SAME(emit_alu),
    [IR_MUL] = SAME(emit_alu),
    [IR_DIV] = SAME(emit_div),
    [IR_MOD] = SAME(emit_div),
    [IR_AND] = SAME(emit_alu),
    [IR_OR] = SAME(emit_alu),
    [IR_XOR] = SAME(emit_alu),
    [IR_SHL] = SAME(emit_alu),
    [IR_SHR] = SAME(emit_alu),
    [IR_USHR] = SAME(emit_alu),
    [IR_SEXT] = SAME(emit_extend),
    [IR_ZEXT] = SAME(emit_extend),
    [IR_SET] = SAME(emit_set),
    [IR_LOAD] = SAME(emit_load),
    [IR_STORE] = SAME(emit_store),
    [IR_GLOAD] = SAME(emit_gload),
    [IR_GSTORE] = SAME(emit_gstore),
    [IR_GADD] = SAME(emit_gadd),
    [IR_GCLEAR] = SAME(emit_gclear),
    [IR_GSGET] = BOTH(gsget),
    [IR_GSSET] = BOTH(gsset),
    [IR_GSCAT] = BOTH(gscat),
    [IR_BUDGET] = SAME(emit_budget),
    [IR_CHARGE] = SAME(emit_budget),
    [IR_GSTAT] = BOTH(gstat),
    [IR_GSTATGET] = BOTH(gstatget),
    [IR_READ] = {emit_read, cg_u_read, false, true},
    [IR_SREAD] = BOTH(sread),
    [IR_CONTEXT] = BOTH(context),
    [IR_SSET] = COLD(sset),
    [IR_SCAT] = COLD(scat),
    [IR_SFMT] = BOTH(sfmt),
    [IR_SFMTS] = BOTH(sfmts),
    [IR_SMARK] = BOTH(smark),
    [IR_SCONTEXT] = BOTH(scontext),
    [IR_SERROR] = BOTH(serror),
    [IR_SLEN] = {cg_k_slen, cg_k_slen, false, false},
    [IR_SEQ] = BOTH(seq),
    [IR_SCMP] = BOTH(scmp),
    [IR_MGET] = BOTH(mget),
    [IR_MGETS] = BOTH(mgets),
    [IR_MHAS] = BOTH(mhas),
    [IR_MSET] = BOTH(mset),
    [IR_MSETS] = BOTH(msets),
    [IR_MADD] = BOTH(madd),
    [IR_MSTAT] = BOTH(mstat),
    [IR_MSTATGET] = BOTH(mstatget),
    [IR_MDEL] = BOTH(mdel),
    [IR_MTAKE] = USER(mtake),
    [IR_MCLEAR] = USER(mclear),
    [IR_FEBEGIN] = USER(febegin),
    [IR_FENEXT] = USER(fenext),
    [IR_FEEND] = USER(feend),
    [IR_HIST] = USER(hist),
    [IR_PRINT] = BOTH(print),
    [IR_WARN] = BOTH(warn),
    [IR_EXIT] = BOTH(exit),
    [IR_UCALL] = USER(ucall),
    [IR_PUSH] = {cg_push_pop, cg_push_pop, true, true},
    [IR_POP] = {cg_push_pop, cg_push_pop, true, true},
    [IR_RAISE] = BOTH(raise),
};
