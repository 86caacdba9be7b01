/*
 * user: the operations of handlers that run in user space. Enters: one IR instruction; leaves: a call of an
 * NGS_H_ helper with pointers into the frame, globals and literals (base/abi.h). What needs no
 * helper (arithmetic, slots, branches) is shared with the kernel's side: ops.c.
 *
 * A helper that fails returns -1 and leaves error and argument in the frame; where -1 is also a
 * value, the frame's error tells.
 */
#include "cg/gen.h"

#include <stddef.h>

#include "base/arena.h"

/* Starts a call: everything that is needed later is safe from it. */
static void begin(struct cg_gen *g, const struct ir_ins *i)
{
    cg_call_begin(g);
    cg_hold(g, i->a);
    cg_hold(g, i->b);
    for (uint32_t k = 0; k < i->n_args; k++)
        cg_hold(g, i->args[k]);
}

static void call(struct cg_gen *g, enum ngs_helper helper)
{
    cg_do_call(g, NGS_H_BASE + helper);
}

static void fail_if_negative(struct cg_gen *g, const struct ir_ins *i)
{
    cg_jmpi(&g->s, BPF_JSLT, R0, 0, cg_fail(g, i, NGS_OK));
}

static void fail_if_error(struct cg_gen *g, const struct ir_ins *i)
{
    cg_ldx(&g->s, BPF_DW, R1, R9, offsetof(struct ngs_frame, error));
    cg_jmpi(&g->s, BPF_JNE, R1, 0, cg_fail(g, i, NGS_OK));
}

/* REG = address of a word on the stack. */
static void put_stack(struct cg_gen *g, int reg, int off)
{
    cg_puti(g, reg, 0);
    cg_mov(&g->s, reg, R10);
    cg_alui(&g->s, BPF_ADD, reg, off);
}


/* The word at OFF in the frame = register; R5 may be used for the address. */
static void store_frame(struct cg_gen *g, uint32_t off, int reg)
{
    cg_puti(g, R5, 0);
    cg_stx_far(&g->s, BPF_DW, R9, off, reg, R5);
}

static bool is_text(struct ir_val v)
{
    return v.kind == IRV_SLOT || v.kind == IRV_LIT || v.kind == IRV_GLOBAL;
}

/* The result: the word a helper stored at CG_SCRATCH0. */
static void result_from_stack(struct cg_gen *g, const struct ir_ins *i)
{
    cg_ldx(&g->s, BPF_DW, R0, R10, CG_SCRATCH0);
    cg_result(g, i->dst, R0);
}

/* ---- memory and context ---- */

void cg_u_read(struct cg_gen *g, const struct ir_ins *i)
{
    begin(g, i);
    cg_put(g, R1, i->a);
    cg_puti(g, R2, i->size);
    cg_puti(g, R3, i->space);
    put_stack(g, R4, CG_SCRATCH0);
    call(g, NGS_H_READ);
    fail_if_negative(g, i);
    cg_ldx(&g->s, BPF_DW, R0, R10, CG_SCRATCH0);
    if (i->is_signed && i->size < 8) {
        cg_alui(&g->s, BPF_LSH, R0, 64 - i->size * 8);
        cg_alui(&g->s, BPF_ARSH, R0, 64 - i->size * 8);
    }
    cg_result(g, i->dst, R0);
}

void cg_u_sread(struct cg_gen *g, const struct ir_ins *i)
{
    begin(g, i);
    cg_put(g, R2, i->a);
    cg_put(g, R3, i->b);
    cg_put_str(g, R1, i->str);
    cg_puti(g, R4, i->space);
    cg_puti(g, R5, i->imm);
    call(g, NGS_H_READ_STRING);
    fail_if_negative(g, i);
}

void cg_u_context(struct cg_gen *g, const struct ir_ins *i)
{
    begin(g, i);
    cg_put(g, R2, i->a);
    cg_puti(g, R1, i->imm);
    call(g, NGS_H_CONTEXT);
    if (i->imm == NGS_CTX_REG || i->imm == NGS_CTX_RETVAL)
        fail_if_error(g, i);
    cg_result(g, i->dst, R0);
}

void cg_u_scontext(struct cg_gen *g, const struct ir_ins *i)
{
    begin(g, i);
    cg_put_str(g, R1, i->str);
    cg_puti(g, R2, i->imm);
    cg_puti(g, R3, 0);
    call(g, NGS_H_CONTEXT_STR);
}

/* ---- strings ---- */

static void two_strings(struct cg_gen *g, const struct ir_ins *i, struct ir_val a, struct ir_val b, enum ngs_helper helper)
{
    begin(g, i);
    cg_put_str(g, R1, a);
    cg_put_str(g, R2, b);
    call(g, helper);
}

void cg_u_sset(struct cg_gen *g, const struct ir_ins *i)
{
    two_strings(g, i, i->str, i->s, NGS_H_STR_COPY);
}

void cg_u_scat(struct cg_gen *g, const struct ir_ins *i)
{
    two_strings(g, i, i->str, i->s, NGS_H_STR_APPEND);
}

void cg_u_sfmt(struct cg_gen *g, const struct ir_ins *i)
{
    begin(g, i);
    cg_put(g, R2, i->a);
    cg_put_str(g, R1, i->str);
    cg_puti(g, R3, i->imm);
    call(g, NGS_H_STR_FORMAT);
}

void cg_u_sfmts(struct cg_gen *g, const struct ir_ins *i)
{
    begin(g, i);
    cg_put_str(g, R1, i->str);
    cg_put_str(g, R2, i->s);
    cg_puti(g, R3, i->imm);
    call(g, NGS_H_STR_FORMAT_STR);
}

void cg_u_smark(struct cg_gen *g, const struct ir_ins *i)
{
    begin(g, i);
    cg_put(g, R3, i->a);
    cg_put_str(g, R1, i->str);
    cg_puti(g, R2, i->imm);
    call(g, NGS_H_STR_MARK);
}

void cg_u_serror(struct cg_gen *g, const struct ir_ins *i)
{
    begin(g, i);
    cg_put_str(g, R1, i->str); /* 0 when nobody wants the text */
    call(g, NGS_H_ERROR_TEXT);
}

void cg_u_slen(struct cg_gen *g, const struct ir_ins *i)
{
    const struct ir_unit *u = g->c->u;
    int dst = cg_def(g, i->dst);

    if (i->s.kind == IRV_SLOT) {
        cg_ldx_far(&g->s, BPF_W, dst, R9, u->slots[i->s.id].off);
    } else {
        bool global = i->s.kind == IRV_GLOBAL;

        cg_value(&g->s, dst, global ? CG_GLOBALS : CG_RODATA, global ? u->globals[i->s.id].off : u->lits[i->s.id].off);
        cg_ldx(&g->s, BPF_W, dst, dst, 0);
    }
}

void cg_u_seq(struct cg_gen *g, const struct ir_ins *i)
{
    uint32_t equal = cg_label(&g->s), end = cg_label(&g->s);

    two_strings(g, i, i->s, i->s2, NGS_H_STR_COMPARE);
    cg_jmpi(&g->s, BPF_JEQ, R0, 0, equal);
    cg_movi(&g->s, R0, 0);
    cg_ja(&g->s, end);
    cg_bind(&g->s, equal);
    cg_movi(&g->s, R0, 1);
    cg_bind(&g->s, end);
    cg_result(g, i->dst, R0);
}

void cg_u_scmp(struct cg_gen *g, const struct ir_ins *i)
{
    two_strings(g, i, i->s, i->s2, NGS_H_STR_COMPARE);
    cg_result(g, i->dst, R0);
}

/* ---- script arrays ---- */

/* The key at frame_key and, for those that store, the keys' texts at frame_texts. */
static void put_key(struct cg_gen *g, const struct ir_ins *i, bool texts)
{
    const struct ir_unit *u = g->c->u;
    const struct obj_map *m = &u->maps[i->map].rec;

    for (uint32_t k = 0; k < i->n_args && k < m->n_keys; k++) {
        uint32_t off = u->frame_key + m->key_off[k];

        if (is_text(i->args[k])) {
            cg_put_frame(g, R1, off);
            cg_put_str(g, R2, i->args[k]);
            if (texts)
                store_frame(g, u->frame_texts + 8 * k, R2);
            call(g, NGS_H_STR_HASH);
        } else {
            cg_put(g, R1, i->args[k]);
            store_frame(g, off, R1);
            if (texts) {
                cg_puti(g, R1, 0);
                store_frame(g, u->frame_texts + 8 * k, R1);
            }
        }
    }
    cg_puti(g, R1, i->map);
    cg_put_frame(g, R2, u->frame_key);
}

static void map_call(struct cg_gen *g, const struct ir_ins *i, enum ngs_helper helper)
{
    begin(g, i);
    put_key(g, i, false);
    call(g, helper);
}

void cg_u_mget(struct cg_gen *g, const struct ir_ins *i)
{
    begin(g, i);
    put_key(g, i, false);
    put_stack(g, R3, CG_SCRATCH0);
    call(g, NGS_H_MAP_GET);
    result_from_stack(g, i);
}

void cg_u_mgets(struct cg_gen *g, const struct ir_ins *i)
{
    begin(g, i);
    put_key(g, i, false);
    cg_put_str(g, R3, i->str);
    call(g, NGS_H_MAP_GET);
}

void cg_u_mhas(struct cg_gen *g, const struct ir_ins *i)
{
    map_call(g, i, NGS_H_MAP_HAS);
    cg_result(g, i->dst, R0);
}

void cg_u_mset(struct cg_gen *g, const struct ir_ins *i)
{
    begin(g, i);
    put_key(g, i, true);
    cg_put(g, R3, i->a);
    cg_stx(&g->s, BPF_DW, R10, CG_SCRATCH0, R3);
    cg_put_frame(g, R3, g->c->u->frame_texts);
    put_stack(g, R4, CG_SCRATCH0);
    call(g, NGS_H_MAP_SET);
    fail_if_negative(g, i);
}

void cg_u_msets(struct cg_gen *g, const struct ir_ins *i)
{
    begin(g, i);
    put_key(g, i, true);
    cg_put_frame(g, R3, g->c->u->frame_texts);
    cg_put_str(g, R4, i->s);
    call(g, NGS_H_MAP_SET);
    fail_if_negative(g, i);
}

/* The helper gives the new value, the instruction wants the old one. */
void cg_u_madd(struct cg_gen *g, const struct ir_ins *i)
{
    begin(g, i);
    put_key(g, i, true);
    cg_put(g, R4, i->a);
    cg_put_frame(g, R3, g->c->u->frame_texts);
    call(g, NGS_H_MAP_ADD);
    fail_if_error(g, i);
    cg_put(g, R1, i->a);
    cg_alu(&g->s, BPF_SUB, R0, R1);
    cg_result(g, i->dst, R0);
}

void cg_u_mstat(struct cg_gen *g, const struct ir_ins *i)
{
    begin(g, i);
    put_key(g, i, true);
    cg_put(g, R4, i->a);
    cg_put_frame(g, R3, g->c->u->frame_texts);
    call(g, NGS_H_MAP_STAT_ADD);
    fail_if_negative(g, i);
}

void cg_u_mstatget(struct cg_gen *g, const struct ir_ins *i)
{
    begin(g, i);
    put_key(g, i, false);
    cg_puti(g, R3, i->imm);
    put_stack(g, R4, CG_SCRATCH0);
    call(g, NGS_H_MAP_STAT);
    fail_if_negative(g, i);
    result_from_stack(g, i);
}

void cg_u_mdel(struct cg_gen *g, const struct ir_ins *i)
{
    map_call(g, i, NGS_H_MAP_DELETE);
}

void cg_u_mclear(struct cg_gen *g, const struct ir_ins *i)
{
    begin(g, i);
    cg_puti(g, R1, i->map);
    call(g, NGS_H_MAP_CLEAR);
}

void cg_u_febegin(struct cg_gen *g, const struct ir_ins *i)
{
    begin(g, i);
    cg_put(g, R3, i->a);
    cg_puti(g, R1, i->map);
    cg_puti(g, R2, i->imm);
    call(g, NGS_H_FE_BEGIN);
    cg_result(g, i->dst, R0);
}

/* Where keys and value go: a pointer each, 0 for what nobody wants. */
void cg_u_fenext(struct cg_gen *g, const struct ir_ins *i)
{
    const struct ir_unit *u = g->c->u;

    begin(g, i);
    for (uint32_t k = 0; k < i->n_args; k++) {
        if (i->args[k].kind == IRV_SLOT)
            cg_put_frame(g, R2, u->slots[i->args[k].id].off);
        else
            cg_puti(g, R2, 0);
        store_frame(g, u->frame_texts + 8 * k, R2);
    }
    cg_put(g, R1, i->a);
    cg_put_frame(g, R2, u->frame_texts);
    call(g, NGS_H_FE_NEXT);
    cg_result(g, i->dst, R0);
}

void cg_u_feend(struct cg_gen *g, const struct ir_ins *i)
{
    begin(g, i);
    cg_put(g, R1, i->a);
    call(g, NGS_H_FE_END);
}

/* ---- aggregates ---- */

void cg_u_gstat(struct cg_gen *g, const struct ir_ins *i)
{
    begin(g, i);
    cg_put(g, R2, i->a);
    cg_puti(g, R1, i->global);
    call(g, NGS_H_STAT_ADD);
}

void cg_u_gstatget(struct cg_gen *g, const struct ir_ins *i)
{
    begin(g, i);
    cg_puti(g, R1, i->global);
    cg_puti(g, R2, i->imm);
    put_stack(g, R3, CG_SCRATCH0);
    call(g, NGS_H_STAT);
    fail_if_negative(g, i);
    result_from_stack(g, i);
}

void cg_u_hist(struct cg_gen *g, const struct ir_ins *i)
{
    begin(g, i);
    if (i->map >= 0) {
        put_key(g, i, false);
        cg_put_str(g, R3, i->str);
        call(g, NGS_H_HIST_MAP);
    } else {
        cg_puti(g, R1, i->global);
        cg_put_str(g, R2, i->str);
        call(g, NGS_H_HIST);
    }
    fail_if_negative(g, i);
}

/* ---- records ---- */

/* A record is built at frame_out; CG_SCRATCH1 counts its bytes. */
static void rec_begin(struct cg_gen *g)
{
    cg_puti(g, R1, sizeof(struct ngs_rec));
    cg_stx(&g->s, BPF_DW, R10, CG_SCRATCH1, R1);
}

/* REG = where the next argument goes. */
static void rec_here(struct cg_gen *g, int reg)
{
    cg_puti(g, reg, 0);
    cg_ldx(&g->s, BPF_DW, reg, R10, CG_SCRATCH1);
    cg_alui(&g->s, BPF_ADD, reg, (int32_t)g->c->u->frame_out);
    cg_alu(&g->s, BPF_ADD, reg, R9);
}

static void rec_long(struct cg_gen *g, struct ir_val v)
{
    cg_put(g, R2, v);
    rec_here(g, R1);
    cg_stx(&g->s, BPF_DW, R1, 0, R2);
    cg_ldx(&g->s, BPF_DW, R1, R10, CG_SCRATCH1);
    cg_alui(&g->s, BPF_ADD, R1, 8);
    cg_stx(&g->s, BPF_DW, R10, CG_SCRATCH1, R1);
}

static void rec_str(struct cg_gen *g, struct ir_val s)
{
    cg_put_str(g, R2, s);
    rec_here(g, R1);
    call(g, NGS_H_STR_COPY);
    rec_here(g, R1);
    cg_ldx(&g->s, BPF_W, R2, R1, offsetof(struct ngs_str, len));
    cg_alui(&g->s, BPF_ADD, R2, sizeof(struct ngs_str) + 7);
    cg_alui(&g->s, BPF_AND, R2, -8);
    cg_ldx(&g->s, BPF_DW, R1, R10, CG_SCRATCH1);
    cg_alu(&g->s, BPF_ADD, R1, R2);
    cg_stx(&g->s, BPF_DW, R10, CG_SCRATCH1, R1);
}

static void rec_end(struct cg_gen *g, enum ngs_rec_kind kind, uint32_t format)
{
    cg_put_frame(g, R1, g->c->u->frame_out);
    cg_sti(&g->s, BPF_W, R1, 0, (int32_t)(kind | format << 16));
    cg_ldx(&g->s, BPF_DW, R2, R10, CG_SCRATCH1);
    cg_stx(&g->s, BPF_W, R1, offsetof(struct ngs_rec, size), R2);
    cg_sti(&g->s, BPF_W, R1, offsetof(struct ngs_rec, probe), (int32_t)g->probe_index);
    cg_sti(&g->s, BPF_W, R1, offsetof(struct ngs_rec, tid), 0);
    call(g, NGS_H_PRINT);
}

void cg_u_print(struct cg_gen *g, const struct ir_ins *i)
{
    begin(g, i);
    rec_begin(g);
    for (uint32_t k = 0; k < i->n_args; k++) {
        if (is_text(i->args[k]))
            rec_str(g, i->args[k]);
        else
            rec_long(g, i->args[k]);
    }
    rec_end(g, NGS_REC_PRINT, i->fmt);
}

void cg_u_warn(struct cg_gen *g, const struct ir_ins *i)
{
    begin(g, i);
    rec_begin(g);
    rec_str(g, i->s);
    rec_end(g, NGS_REC_WARN, 0);
}

/* ---- control ---- */

void cg_u_exit(struct cg_gen *g, const struct ir_ins *i)
{
    begin(g, i);
    call(g, NGS_H_EXIT);
}

void cg_u_raise(struct cg_gen *g, const struct ir_ins *i)
{
    begin(g, i);
    if (i->imm == NGS_ERR_SCRIPT) {
        cg_put_frame(g, R1, g->c->u->frame_error_text);
        cg_put_str(g, R2, i->s);
        call(g, NGS_H_STR_COPY);
    }
    cg_ja(&g->s, cg_fail(g, i, (enum ngs_error)i->imm));
}

/* Arguments as words: a number, or a pointer to a string. */
void cg_u_ucall(struct cg_gen *g, const struct ir_ins *i)
{
    const struct ir_unit *u = g->c->u;

    begin(g, i);
    for (uint32_t k = 0; k < i->n_args; k++) {
        if (is_text(i->args[k]))
            cg_put_str(g, R1, i->args[k]);
        else
            cg_put(g, R1, i->args[k]);
        store_frame(g, u->frame_texts + 8 * k, R1);
    }
    cg_puti(g, R1, i->imm);
    cg_put_frame(g, R2, u->frame_texts);
    cg_puti(g, R3, i->n_args);
    cg_put_str(g, R4, i->str);
    call(g, NGS_H_CALL);
    fail_if_error(g, i);
    cg_result(g, i->dst, R0);
}
