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

static void stack_result(struct cg_gen *g, const struct ir_ins *i, int off)
{
    cg_ldx(&g->s, BPF_DW, R0, R10, off);
    cg_result(g, i->dst, R0);
}

/* ---- reads, context ---- */

void cg_u_read(struct cg_gen *g, const struct ir_ins *i)
{
    cg_call_begin(g);
    cg_put(g, R1, i->a);
    cg_puti(g, R2, i->size);
    cg_puti(g, R3, i->space);
    stack_addr(g, R4, CG_STACK0);
    call(g, NGS_H_READ);
    check(g, i);
    cg_ldx(&g->s, BPF_DW, R0, R10, CG_STACK0);
    if (i->is_signed && i->size < 8) {
        cg_alui(&g->s, BPF_LSH, R0, 64 - 8 * i->size);
        cg_alui(&g->s, BPF_ARSH, R0, 64 - 8 * i->size);
    }
    cg_result(g, i->dst, R0);
}

void cg_u_sread(struct cg_gen *g, const struct ir_ins *i)
{
    cg_call_begin(g);
    cg_hold(g, i->b);
    cg_put(g, R2, i->a);
    cg_put(g, R3, i->b);
    cg_puti(g, R4, i->space);
    cg_puti(g, R5, i->imm);
    cg_put_str(g, R1, i->str);
    call(g, NGS_H_READ_STRING);
    check(g, i);
}

void cg_u_context(struct cg_gen *g, const struct ir_ins *i)
{
    cg_call_begin(g);
    clear_error(g);
    cg_put(g, R2, i->a);
    cg_puti(g, R1, i->imm);
    call(g, NGS_H_CONTEXT);
    check_error(g, i);
    cg_result(g, i->dst, R0);
}

void cg_u_scontext(struct cg_gen *g, const struct ir_ins *i)
{
    cg_call_begin(g);
    cg_put(g, R3, i->a);
    cg_puti(g, R2, i->imm);
    cg_put_str(g, R1, i->str);
    call(g, NGS_H_CONTEXT_STR);
}

/* ---- strings ---- */

static void two_strings(struct cg_gen *g, enum ngs_helper helper, struct ir_val a, struct ir_val b)
{
    cg_call_begin(g);
    cg_put_str(g, R1, a);
    cg_put_str(g, R2, b);
    call(g, helper);
}

void cg_u_sset(struct cg_gen *g, const struct ir_ins *i)
{
    if (i->str.kind != i->s.kind || i->str.id != i->s.id)
        two_strings(g, NGS_H_STR_COPY, i->str, i->s);
}

void cg_u_scat(struct cg_gen *g, const struct ir_ins *i)
{
    two_strings(g, NGS_H_STR_APPEND, i->str, i->s);
}

void cg_u_sfmt(struct cg_gen *g, const struct ir_ins *i)
{
    cg_call_begin(g);
    cg_hold(g, i->a);
    cg_put(g, R3, i->b);
    cg_put(g, R2, i->a);
    cg_put_str(g, R1, i->str);
    call(g, NGS_H_STR_FORMAT);
}

void cg_u_sfmts(struct cg_gen *g, const struct ir_ins *i)
{
    cg_call_begin(g);
    cg_put(g, R3, i->b);
    cg_put_str(g, R2, i->s);
    cg_put_str(g, R1, i->str);
    call(g, NGS_H_STR_FORMAT_STR);
}

void cg_u_smark(struct cg_gen *g, const struct ir_ins *i)
{
    cg_call_begin(g);
    cg_put(g, R3, i->a);
    cg_puti(g, R2, i->imm);
    cg_put_str(g, R1, i->str);
    call(g, NGS_H_STR_MARK);
}

void cg_u_serror(struct cg_gen *g, const struct ir_ins *i)
{
    cg_call_begin(g);
    cg_put_str(g, R1, i->str);
    call(g, NGS_H_ERROR_TEXT);
}

void cg_u_gsget(struct cg_gen *g, const struct ir_ins *i)
{
    cg_call_begin(g);
    cg_puti(g, R2, i->global);
    cg_put_str(g, R1, i->str);
    call(g, NGS_H_SHARED_GET);
    check(g, i);
}

static void to_global(struct cg_gen *g, const struct ir_ins *i, enum ngs_helper helper)
{
    cg_call_begin(g);
    cg_puti(g, R1, i->global);
    cg_put_str(g, R2, i->s);
    call(g, helper);
}

void cg_u_gsset(struct cg_gen *g, const struct ir_ins *i)
{
    to_global(g, i, NGS_H_SHARED_SET);
}

void cg_u_gscat(struct cg_gen *g, const struct ir_ins *i)
{
    to_global(g, i, NGS_H_SHARED_APPEND);
    check(g, i);
}

/* Comparison expands address markers, so that names are compared. */
void cg_u_seq(struct cg_gen *g, const struct ir_ins *i)
{
    uint32_t same = cg_label(&g->s), done = cg_label(&g->s);

    two_strings(g, NGS_H_STR_COMPARE, i->s, i->s2);
    cg_jmpi(&g->s, BPF_JEQ, R0, 0, same);
    cg_movi(&g->s, R0, 0);
    cg_ja(&g->s, done);
    cg_bind(&g->s, same);
    cg_movi(&g->s, R0, 1);
    cg_bind(&g->s, done);
    cg_result(g, i->dst, R0);
}

void cg_u_scmp(struct cg_gen *g, const struct ir_ins *i)
{
    two_strings(g, NGS_H_STR_COMPARE, i->s, i->s2);
    cg_result(g, i->dst, R0);
}

/* ---- arrays ---- */

/* Key at frame_key, pointers to string keys at frame_texts; operands that are needed later are
 * held. */
static void build_key(struct cg_gen *g, const struct ir_ins *i)
{
    const struct ir_unit *u = g->c->u;

    cg_call_begin(g);
    cg_hold(g, i->a);
    for (uint32_t k = 0; k < i->n_args; k++)
        cg_hold(g, i->args[k]);
    if (i->map < 0)
        return;
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

static void map_and_key(struct cg_gen *g, const struct ir_ins *i)
{
    cg_puti(g, R1, i->map);
    cg_put_frame(g, R2, g->c->u->frame_key);
}

void cg_u_mget(struct cg_gen *g, const struct ir_ins *i)
{
    build_key(g, i);
    map_and_key(g, i);
    stack_addr(g, R3, CG_STACK0);
    call(g, NGS_H_MAP_GET);
    stack_result(g, i, CG_STACK0);
}

void cg_u_mgets(struct cg_gen *g, const struct ir_ins *i)
{
    build_key(g, i);
    map_and_key(g, i);
    cg_put_str(g, R3, i->str);
    call(g, NGS_H_MAP_GET);
    check(g, i);
}

void cg_u_mhas(struct cg_gen *g, const struct ir_ins *i)
{
    build_key(g, i);
    map_and_key(g, i);
    call(g, NGS_H_MAP_HAS);
    cg_result(g, i->dst, R0);
}

void cg_u_mset(struct cg_gen *g, const struct ir_ins *i)
{
    build_key(g, i);
    cg_put(g, R1, i->a);
    cg_stx(&g->s, BPF_DW, R10, CG_STACK0, R1);
    map_and_key(g, i);
    cg_put_frame(g, R3, g->c->u->frame_texts);
    stack_addr(g, R4, CG_STACK0);
    call(g, NGS_H_MAP_SET);
    check(g, i);
}

void cg_u_msets(struct cg_gen *g, const struct ir_ins *i)
{
    build_key(g, i);
    map_and_key(g, i);
    cg_put_frame(g, R3, g->c->u->frame_texts);
    cg_put_str(g, R4, i->s);
    call(g, NGS_H_MAP_SET);
    check(g, i);
}

/* The helper gives the new value, the instruction the old one. */
void cg_u_madd(struct cg_gen *g, const struct ir_ins *i)
{
    build_key(g, i);
    clear_error(g);
    cg_put(g, R4, i->a);
    cg_stx(&g->s, BPF_DW, R10, CG_STACK0, R4);
    map_and_key(g, i);
    cg_put_frame(g, R3, g->c->u->frame_texts);
    call(g, NGS_H_MAP_ADD);
    check_error(g, i);
    cg_ldx(&g->s, BPF_DW, R1, R10, CG_STACK0);
    cg_alu(&g->s, BPF_SUB, R0, R1);
    cg_result(g, i->dst, R0);
}

void cg_u_mstat(struct cg_gen *g, const struct ir_ins *i)
{
    build_key(g, i);
    cg_put(g, R4, i->a);
    map_and_key(g, i);
    cg_put_frame(g, R3, g->c->u->frame_texts);
    call(g, NGS_H_MAP_STAT_ADD);
    check(g, i);
}

void cg_u_mstatget(struct cg_gen *g, const struct ir_ins *i)
{
    build_key(g, i);
    map_and_key(g, i);
    cg_puti(g, R3, i->imm);
    stack_addr(g, R4, CG_STACK0);
    call(g, NGS_H_MAP_STAT);
    check(g, i);
    stack_result(g, i, CG_STACK0);
}

void cg_u_mdel(struct cg_gen *g, const struct ir_ins *i)
{
    build_key(g, i);
    map_and_key(g, i);
    call(g, NGS_H_MAP_DELETE);
}

void cg_u_mtake(struct cg_gen *g, const struct ir_ins *i)
{
    cg_call_begin(g);
    cg_puti(g, R1, i->map);
    cg_puti(g, R2, i->imm);
    call(g, NGS_H_MAP_TAKE);
}

void cg_u_mclear(struct cg_gen *g, const struct ir_ins *i)
{
    cg_call_begin(g);
    cg_puti(g, R1, i->map);
    call(g, NGS_H_MAP_CLEAR);
}

/* ---- aggregates ---- */

void cg_u_gstat(struct cg_gen *g, const struct ir_ins *i)
{
    cg_call_begin(g);
    cg_put(g, R2, i->a);
    cg_puti(g, R1, i->global);
    call(g, NGS_H_STAT_ADD);
}

void cg_u_gstatget(struct cg_gen *g, const struct ir_ins *i)
{
    cg_call_begin(g);
    cg_puti(g, R1, i->global);
    cg_puti(g, R2, i->imm);
    stack_addr(g, R3, CG_STACK0);
    call(g, NGS_H_STAT);
    check(g, i);
    stack_result(g, i, CG_STACK0);
}

void cg_u_hist(struct cg_gen *g, const struct ir_ins *i)
{
    build_key(g, i);
    if (i->map >= 0) {
        map_and_key(g, i);
        cg_put_str(g, R3, i->str);
        call(g, NGS_H_HIST_MAP);
    } else {
        cg_puti(g, R1, i->global);
        cg_put_str(g, R2, i->str);
        call(g, NGS_H_HIST);
    }
    check(g, i);
}

/* ---- foreach ---- */

void cg_u_febegin(struct cg_gen *g, const struct ir_ins *i)
{
    cg_call_begin(g);
    cg_put(g, R3, i->a);
    cg_puti(g, R2, i->imm);
    cg_puti(g, R1, i->map);
    call(g, NGS_H_FE_BEGIN);
    check(g, i);
    cg_result(g, i->dst, R0);
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

void cg_u_feend(struct cg_gen *g, const struct ir_ins *i)
{
    cg_call_begin(g);
    cg_put(g, R1, i->a);
    call(g, NGS_H_FE_END);
}

/* ---- output ---- */

/* Stores S at R6 of the record and moves R6 behind it. r6 is free in user space. */
static void record_str(struct cg_gen *g, struct ir_val s)
{
    cg_clobber(g, R1);
    cg_mov(&g->s, R1, R6);
    cg_put_str(g, R2, s);
    call(g, NGS_H_STR_COPY);
    cg_sti(&g->s, BPF_W, R6, offsetof(struct ngs_str, pad), 0);
    cg_ldx(&g->s, BPF_W, R1, R6, 0);
    cg_alui(&g->s, BPF_ADD, R1, 7 + (int32_t)offsetof(struct ngs_str, bytes));
    cg_alui(&g->s, BPF_AND, R1, -8);
    cg_alu(&g->s, BPF_ADD, R6, R1);
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

void cg_u_exit(struct cg_gen *g, const struct ir_ins *i)
{
    cg_call_begin(g);
    call(g, NGS_H_EXIT);
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
    call(g, NGS_H_STR_COPY);
    cg_ldx(&g->s, BPF_W, R1, R6, 0);
    cg_alui(&g->s, BPF_ADD, R1, 7 + (int32_t)offsetof(struct ngs_str, bytes));
    cg_alui(&g->s, BPF_AND, R1, -8);
    cg_alu(&g->s, BPF_ADD, R6, R1);
    cg_ja(&g->s, sent);
    cg_bind(&g->s, plain);
    cg_sti(&g->s, BPF_DW, R6, 0, 0);
    cg_alui(&g->s, BPF_ADD, R6, 8);
    cg_bind(&g->s, sent);
    send_record(g);
}
