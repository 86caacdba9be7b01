/*
 * user: handlers that run in user space, for ngstap's interpreter. Enters: a handler, IR
 * instructions; leaves: BPF that calls NGS_H_ helpers for what is hard (base/abi.h). Integers,
 * slots, globals and the flow are written as for the kernel; there is no verifier, so back edges
 * are plain jumps.
 *
 * A helper that fails has set the frame's error; those that say so return -1.
 */
#include "cg/emit.h"

#include <stddef.h>
#include <string.h>

#define FRAME(field) ((int)offsetof(struct ngs_frame, field))

static void call(struct cg_gen *g, enum ngs_helper helper)
{
    cg_do_call(g, NGS_H_BASE + (int)helper);
}

/* The helper returned -1: its error is in the frame. */
static void check(struct cg_gen *g, const struct ir_ins *i)
{
    cg_jmpi(&g->s, BPF_JEQ, R0, -1, cg_fail(g, i, NGS_OK));
}

/* For helpers whose result may be -1: did the error in the frame, cleared before, get set? */
static void clear_error(struct cg_gen *g)
{
    cg_sti(&g->s, BPF_DW, R9, FRAME(error), 0);
}

static void check_error(struct cg_gen *g, const struct ir_ins *i)
{
    cg_clobber(g, R1);
    cg_ldx(&g->s, BPF_DW, R1, R9, FRAME(error));
    cg_jmpi(&g->s, BPF_JNE, R1, 0, cg_fail(g, i, NGS_OK));
}

/* reg = address of a word on the stack */
static void stack_addr(struct cg_gen *g, int reg, int off)
{
    cg_clobber(g, reg);
    cg_mov(&g->s, reg, R10);
    cg_alui(&g->s, BPF_ADD, reg, off);
}

/* ---- keys ---- */

/* Key at frame_key, pointers to string keys at frame_texts; holds what is needed later. */
static void build_key(struct cg_gen *g, const struct ir_ins *i)
{
    const struct ir_unit *u = g->c->u;

    cg_hold(g, i->a);
    for (uint32_t k = 0; k < i->n_args; k++)
        cg_hold(g, i->args[k]);
    for (uint32_t k = 0; k < i->n_args; k++) {
        if (cg_is_long(i->args[k])) {
            cg_put(g, R2, i->args[k]);
            cg_stx(&g->s, BPF_DW, R9, (int)(u->frame_key + u->maps[i->map].rec.key_off[k]), R2);
            cg_overwritten(g, 1u << R2);
            cg_sti(&g->s, BPF_DW, R9, (int)(u->frame_texts + 8 * k), 0);
        } else {
            cg_put_str(g, R2, i->args[k]);
            cg_stx(&g->s, BPF_DW, R9, (int)(u->frame_texts + 8 * k), R2);
        }
    }
    for (uint32_t k = 0; k < i->n_args; k++) {
        if (cg_is_long(i->args[k]))
            continue;
        cg_put_frame(g, R1, u->frame_key + u->maps[i->map].rec.key_off[k]);
        cg_put_str(g, R2, i->args[k]);
        call(g, NGS_H_STR_HASH);
    }
}

/* ---- instructions that are one call ---- */

/* What a helper's arguments are, r1 first, a letter each. */
enum operand {
    A = 'a', /* numbers of the instruction */
    B = 'b',
    VALUE = 'v', /* address of a word that holds its A */
    OUT = 'o',   /* address of a word that the helper sets */
    DST = 'd',   /* strings of the instruction: the one that it sets */
    S = 's',     /* and those that it reads */
    S2 = 't',
    IMM = 'i', /* constants of the instruction */
    SIZE = 'z',
    SPACE = 'p',
    GLOBAL = 'g',
    MAP = 'm',
    KEY = 'k',   /* address of the key in the frame, made of its arguments */
    TEXTS = 'x', /* address of the key's texts */
};

/* What a helper leaves. */
enum outcome {
    FAILS = 1,      /* r0 is -1 when it failed */
    SETS_ERROR = 2, /* r0 may be anything: whether it failed says the frame's error */
    RESULT = 4,     /* r0 is the instruction's result */
    WORD = 8,       /* the word of OUT is */
};

static void put_number(struct cg_gen *g, const struct ir_ins *i, int reg, char operand)
{
    switch (operand) {
    case A:
        cg_put(g, reg, i->a);
        break;
    case B:
        cg_put(g, reg, i->b);
        break;
    case VALUE:
        cg_put(g, reg, i->a);
        cg_stx(&g->s, BPF_DW, R10, CG_STACK0, reg);
        break;
    }
}

static void put_rest(struct cg_gen *g, const struct ir_ins *i, int reg, char operand)
{
    const struct ir_unit *u = g->c->u;

    switch (operand) {
    case VALUE:
    case OUT:
        stack_addr(g, reg, CG_STACK0);
        break;
    case DST:
        cg_put_str(g, reg, i->str);
        break;
    case S:
        cg_put_str(g, reg, i->s);
        break;
    case S2:
        cg_put_str(g, reg, i->s2);
        break;
    case IMM:
        cg_puti(g, reg, i->imm);
        break;
    case SIZE:
        cg_puti(g, reg, i->size);
        break;
    case SPACE:
        cg_puti(g, reg, i->space);
        break;
    case GLOBAL:
        cg_puti(g, reg, i->global);
        break;
    case MAP:
        cg_puti(g, reg, i->map);
        break;
    case KEY:
        cg_put_frame(g, reg, u->frame_key);
        break;
    case TEXTS:
        cg_put_frame(g, reg, u->frame_texts);
        break;
    }
}

/* Numbers first: what is put later would have to save the registers that they are in. */
static void call_helper(struct cg_gen *g, const struct ir_ins *i, enum ngs_helper helper,
                        const char *operands, unsigned outcome)
{
    int n = (int)strlen(operands);

    cg_call_begin(g);
    if (strchr(operands, KEY))
        build_key(g, i);
    if (outcome & SETS_ERROR)
        clear_error(g);
    for (int k = n; k-- > 0;)
        put_number(g, i, R1 + k, operands[k]);
    for (int k = 0; k < n; k++)
        put_rest(g, i, R1 + k, operands[k]);
    call(g, helper);
    if (outcome & FAILS)
        check(g, i);
    if (outcome & SETS_ERROR)
        check_error(g, i);
    if (outcome & WORD)
        cg_ldx(&g->s, BPF_DW, R0, R10, CG_STACK0);
    if (outcome & (RESULT | WORD))
        cg_result(g, i->dst, R0);
}

#define CALL(op, helper, operands, outcome)                                                        \
    void cg_u_##op(struct cg_gen *g, const struct ir_ins *i)                                       \
    {                                                                                              \
        call_helper(g, i, NGS_H_##helper, operands, outcome);                                      \
    }

CALL(context, CONTEXT, "ia", SETS_ERROR | RESULT)
CALL(scontext, CONTEXT_STR, "dia", 0)
CALL(sread, READ_STRING, "dabpi", FAILS)
CALL(scat, STR_APPEND, "ds", 0)
CALL(sfmt, STR_FORMAT, "dab", 0)
CALL(sfmts, STR_FORMAT_STR, "dsb", 0)
CALL(smark, STR_MARK, "dia", 0)
CALL(scmp, STR_COMPARE, "st", RESULT)
CALL(serror, ERROR_TEXT, "d", 0)
CALL(gsget, SHARED_GET, "dg", FAILS)
CALL(gsset, SHARED_SET, "gs", 0)
CALL(gscat, SHARED_APPEND, "gs", FAILS)
CALL(mget, MAP_GET, "mko", WORD)
CALL(mgets, MAP_GET, "mkd", FAILS)
CALL(mhas, MAP_HAS, "mk", RESULT)
CALL(mset, MAP_SET, "mkxv", FAILS)
CALL(msets, MAP_SET, "mkxs", FAILS)
CALL(madd, MAP_ADD, "mkxa", SETS_ERROR | RESULT)
CALL(mdel, MAP_DELETE, "mk", 0)
CALL(mtake, MAP_DRAIN, "mi", 0)
CALL(mclear, MAP_CLEAR, "m", 0)
CALL(mstat, MAP_STAT_ADD, "mkxa", FAILS)
CALL(mstatget, MAP_STAT, "mkio", FAILS | WORD)
CALL(gstat, STAT_ADD, "ga", 0)
CALL(gstatget, STAT, "gio", FAILS | WORD)
CALL(gbucket, BUCKET, "gao", FAILS | WORD)
CALL(mbucket, MAP_BUCKET, "mkao", FAILS | WORD)
CALL(febegin, FE_BEGIN, "mia", FAILS | RESULT)
CALL(feend, FE_END, "a", 0)
CALL(exit, EXIT, "", 0)

/* ---- instructions that are a little more ---- */

void cg_u_read(struct cg_gen *g, const struct ir_ins *i)
{
    call_helper(g, i, NGS_H_READ, "azpo", FAILS | WORD);
    if (i->is_signed && i->size < 8) {
        cg_alui(&g->s, BPF_LSH, R0, 64 - 8 * i->size);
        cg_alui(&g->s, BPF_ARSH, R0, 64 - 8 * i->size);
    }
}

void cg_u_sset(struct cg_gen *g, const struct ir_ins *i)
{
    if (i->str.kind != i->s.kind || i->str.id != i->s.id)
        call_helper(g, i, NGS_H_STR_COPY, "ds", 0);
}

/* Comparison expands address markers, so that names are compared. */
void cg_u_seq(struct cg_gen *g, const struct ir_ins *i)
{
    uint32_t same = cg_label(&g->s), done = cg_label(&g->s);

    call_helper(g, i, NGS_H_STR_COMPARE, "st", RESULT);
    cg_jmpi(&g->s, BPF_JEQ, R0, 0, same);
    cg_movi(&g->s, R0, 0);
    cg_ja(&g->s, done);
    cg_bind(&g->s, same);
    cg_movi(&g->s, R0, 1);
    cg_bind(&g->s, done);
}

void cg_u_hist(struct cg_gen *g, const struct ir_ins *i)
{
    if (i->map >= 0)
        call_helper(g, i, NGS_H_HIST_MAP, "mkd", FAILS);
    else
        call_helper(g, i, NGS_H_HIST, "gd", FAILS);
}

void cg_u_fenext(struct cg_gen *g, const struct ir_ins *i)
{
    const struct ir_unit *u = g->c->u;

    cg_call_begin(g);
    cg_hold(g, i->a);
    for (uint32_t k = 0; k < i->n_args; k++) {
        cg_clobber(g, R2);
        if (i->args[k].kind == IRV_SLOT) {
            cg_addr(&g->s, R2, R9, u->slots[i->args[k].id].off);
            cg_slot_is(g, i->args[k].id, -1);
            cg_stx(&g->s, BPF_DW, R9, (int)(u->frame_texts + 8 * k), R2);
        } else {
            cg_sti(&g->s, BPF_DW, R9, (int)(u->frame_texts + 8 * k), 0);
        }
    }
    cg_put(g, R1, i->a);
    cg_put_frame(g, R2, u->frame_texts);
    call(g, NGS_H_FE_NEXT);
    cg_result(g, i->dst, R0);
}

/* ---- output ---- */

/* Copies the string at r2 to r1, which is R6, and moves R6 behind it. r6 is free in user space. */
static void copy_to_record(struct cg_gen *g)
{
    call(g, NGS_H_STR_COPY);
    cg_sti(&g->s, BPF_W, R6, offsetof(struct ngs_str, pad), 0);
    cg_ldx(&g->s, BPF_W, R1, R6, 0);
    cg_alui(&g->s, BPF_ADD, R1, 7 + (int32_t)offsetof(struct ngs_str, bytes));
    cg_alui(&g->s, BPF_AND, R1, -8);
    cg_alu(&g->s, BPF_ADD, R6, R1);
}

static void record_str(struct cg_gen *g, struct ir_val s)
{
    cg_clobber(g, R1);
    cg_mov(&g->s, R1, R6);
    cg_put_str(g, R2, s);
    copy_to_record(g);
}

static void begin_record(struct cg_gen *g, enum ngs_rec_kind kind, uint32_t format)
{
    cg_addr(&g->s, R6, R9, g->c->u->frame_out);
    cg_sti(&g->s, BPF_W, R6, offsetof(struct ngs_rec, kind), (int32_t)(kind | format << 16));
    cg_sti(&g->s, BPF_W, R6, offsetof(struct ngs_rec, probe), (int32_t)g->probe_index);
    cg_sti(&g->s, BPF_W, R6, offsetof(struct ngs_rec, tid), 0);
    cg_alui(&g->s, BPF_ADD, R6, sizeof(struct ngs_rec));
}

static void send_record(struct cg_gen *g)
{
    cg_put_frame(g, R1, g->c->u->frame_out);
    cg_alu(&g->s, BPF_SUB, R6, R1);
    cg_stx(&g->s, BPF_W, R1, offsetof(struct ngs_rec, size), R6);
    call(g, NGS_H_PRINT);
}

void cg_u_print(struct cg_gen *g, const struct ir_ins *i)
{
    cg_call_begin(g);
    for (uint32_t k = 0; k < i->n_args; k++)
        cg_hold(g, i->args[k]);
    begin_record(g, NGS_REC_PRINT, i->fmt);
    for (uint32_t k = 0; k < i->n_args; k++) {
        if (cg_is_long(i->args[k])) {
            cg_put(g, R2, i->args[k]);
            cg_stx(&g->s, BPF_DW, R6, 0, R2);
            cg_overwritten(g, 1u << R2);
            cg_alui(&g->s, BPF_ADD, R6, 8);
        } else {
            record_str(g, i->args[k]);
        }
    }
    send_record(g);
}

void cg_u_warn(struct cg_gen *g, const struct ir_ins *i)
{
    cg_call_begin(g);
    begin_record(g, NGS_REC_WARN, 0);
    record_str(g, i->s);
    send_record(g);
}

void cg_u_ucall(struct cg_gen *g, const struct ir_ins *i)
{
    const struct ir_unit *u = g->c->u;

    cg_call_begin(g);
    clear_error(g);
    for (uint32_t k = 0; k < i->n_args && k <= OBJ_MAX_KEYS; k++)
        cg_hold(g, i->args[k]);
    for (uint32_t k = 0; k < i->n_args && k <= OBJ_MAX_KEYS; k++) {
        if (cg_is_long(i->args[k]))
            cg_put(g, R1, i->args[k]);
        else
            cg_put_str(g, R1, i->args[k]);
        cg_stx(&g->s, BPF_DW, R9, (int)(u->frame_texts + 8 * k), R1);
        cg_overwritten(g, 1u << R1);
    }
    cg_puti(g, R1, i->imm);
    cg_put_frame(g, R2, u->frame_texts);
    cg_puti(g, R3, i->n_args);
    cg_put_str(g, R4, i->str);
    call(g, NGS_H_CALL);
    check_error(g, i);
    cg_result(g, i->dst, R0);
}

void cg_u_fcall(struct cg_gen *g, const struct ir_ins *i)
{
    cg_u_ucall(g, i);
}

void cg_u_raise(struct cg_gen *g, const struct ir_ins *i)
{
    if (i->imm == NGS_ERR_SCRIPT) {
        cg_call_begin(g);
        cg_put_frame(g, R1, g->c->u->frame_error_text);
        cg_put_str(g, R2, i->s);
        call(g, NGS_H_STR_COPY);
    }
    if (i->a.kind == IRV_TEMP || i->a.kind == IRV_IMM)
        cg_stx(&g->s, BPF_DW, R9, FRAME(error_arg), cg_use(g, i->a));
    else
        cg_sti(&g->s, BPF_DW, R9, FRAME(error_arg), 0);
    cg_sti(&g->s, BPF_DW, R9, FRAME(error), (int32_t)i->imm);
    cg_sti(&g->s, BPF_DW, R9, FRAME(error_loc), (int32_t)i->loc);
    cg_jump_block(g, i->onerr);
}

/* The error that nothing caught, as a record: kind, argument, place, text. */
void cg_u_report(struct cg_gen *g)
{
    uint32_t plain = cg_label(&g->s), sent = cg_label(&g->s);

    cg_alloc_end(g);
    begin_record(g, NGS_REC_ERROR, 0);
    cg_ldx(&g->s, BPF_DW, R1, R9, FRAME(error_arg));
    cg_stx(&g->s, BPF_DW, R6, 8, R1);
    cg_ldx(&g->s, BPF_DW, R1, R9, FRAME(error_loc));
    cg_stx(&g->s, BPF_DW, R6, 16, R1);
    cg_ldx(&g->s, BPF_DW, R1, R9, FRAME(error));
    cg_stx(&g->s, BPF_DW, R6, 0, R1);
    cg_alui(&g->s, BPF_ADD, R6, 24);
    cg_jmpi(&g->s, BPF_JNE, R1, NGS_ERR_SCRIPT, plain);
    cg_mov(&g->s, R1, R6);
    cg_addr(&g->s, R2, R9, g->c->u->frame_error_text);
    copy_to_record(g);
    cg_ja(&g->s, sent);
    cg_bind(&g->s, plain);
    cg_sti(&g->s, BPF_DW, R6, 0, 0);
    cg_alui(&g->s, BPF_ADD, R6, 8);
    cg_bind(&g->s, sent);
    send_record(g);
}
