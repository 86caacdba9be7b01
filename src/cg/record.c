/*
 * record: what a handler in the kernel sends to user space, the session's end, and errors of the
 * script. Enters: PRINT, WARN, EXIT, RAISE, HANDOVER; leaves: records for the ring, built by the
 * library.
 */
#include "cg/emit.h"
#include "cg/graph.h"

#include <stddef.h>

/*
 * A record is built in the frame at frame_out. Up to the first string every argument's place is
 * known; behind it the position is kept in a word of the frame.
 */
struct record {
    uint32_t pos;
    bool known;
};

static void put_record_long(struct cg_gen *g, struct record *r, struct ir_val v)
{
    const struct ir_unit *u = g->c->u;
    uint32_t skip = cg_label(&g->s);

    if (r->known) {
        cg_put(g, R3, v);
        cg_clobber(g, R2);
        cg_addr(&g->s, R2, R9, u->frame_out);
        cg_stx(&g->s, BPF_DW, R2, (int)r->pos, R3);
        r->pos += 8;
        return;
    }
    cg_put(g, R3, v);
    cg_clobber(g, R1);
    cg_ldx(&g->s, BPF_DW, R1, R9, cg_word(g->c->u, CG_WORD_POS));
    cg_jmpi(&g->s, BPF_JGT, R1, (int32_t)u->frame_out_size, skip);
    cg_clobber(g, R2);
    cg_addr(&g->s, R2, R9, u->frame_out);
    cg_alu(&g->s, BPF_ADD, R2, R1);
    cg_stx(&g->s, BPF_DW, R2, 0, R3);
    cg_alui(&g->s, BPF_ADD, R1, 8);
    cg_stx(&g->s, BPF_DW, R9, cg_word(g->c->u, CG_WORD_POS), R1);
    cg_bind(&g->s, skip);
    cg_overwritten(g, CG_CALLER_SAVED);
}

static void put_record_str(struct cg_gen *g, struct record *r, struct ir_val s)
{
    cg_put_str(g, R3, s);
    if (r->known) {
        cg_puti(g, R2, r->pos);
    } else {
        cg_clobber(g, R2);
        cg_ldx(&g->s, BPF_DW, R2, R9, cg_word(g->c->u, CG_WORD_POS));
    }
    cg_put_frame(g, R1, 0);
    cg_do_lib(g, CG_LIB_OUT_STR);
    cg_stx(&g->s, BPF_DW, R9, cg_word(g->c->u, CG_WORD_POS), R0);
    r->known = false;
}

/* MORE: the handler may print more. */
static void send_record(struct cg_gen *g, const struct record *r, enum ngs_rec_kind kind,
                        uint32_t index, bool more)
{
    if (r->known) {
        cg_puti(g, R2, r->pos);
    } else {
        cg_clobber(g, R2);
        cg_ldx(&g->s, BPF_DW, R2, R9, cg_word(g->c->u, CG_WORD_POS));
    }
    cg_puti(g, R3, (int32_t)(kind | index << 16));
    cg_puti(g, R4, g->probe_index);
    if (kind != NGS_REC_REST)
        cg_puti(g, R5, more ? NGS_REC_MORE : 0);
    g->keeps |= more;
    cg_put_frame(g, R1, 0);
    cg_do_lib(g, kind == NGS_REC_REST ? CG_LIB_SEND_REST : CG_LIB_SEND);
}

void cg_k_print(struct cg_gen *g, const struct ir_ins *i)
{
    struct record r = {.pos = sizeof(struct ngs_rec), .known = true};

    cg_call_begin(g);
    for (uint32_t k = 0; k < i->n_args; k++)
        cg_hold(g, i->args[k]);
    for (uint32_t k = 0; k < i->n_args; k++) {
        if (i->args[k].kind == IRV_TEMP || i->args[k].kind == IRV_IMM)
            put_record_long(g, &r, i->args[k]);
        else
            put_record_str(g, &r, i->args[k]);
    }
    send_record(g, &r, NGS_REC_PRINT, i->fmt, cg_prints_after(g, i));
}

void cg_k_warn(struct cg_gen *g, const struct ir_ins *i)
{
    struct record r = {.pos = sizeof(struct ngs_rec), .known = true};

    cg_call_begin(g);
    put_record_str(g, &r, i->s);
    send_record(g, &r, NGS_REC_WARN, 0, cg_prints_after(g, i));
}

/* control.gate = gate OP MASK; r1 and r2 are free. */
static void change_stop(struct cg_gen *g, int op, int32_t mask)
{
    cg_value(&g->s, R1, CG_CONTROL, offsetof(struct ngs_control, gate));
    cg_movi(&g->s, R2, mask);
    cg_atomic(&g->s, op, R1, 0, R2);
}

void cg_k_exit(struct cg_gen *g, const struct ir_ins *i)
{
    struct record r = {.pos = sizeof(struct ngs_rec), .known = true};

    cg_call_begin(g);
    cg_clobber(g, R1);
    cg_clobber(g, R2);
    change_stop(g, BPF_OR, NGS_ENDED);
    send_record(g, &r, NGS_REC_EXIT, 0, false);
}

static uint32_t rest_index(const struct cg *c, int64_t func)
{
    for (uint32_t k = 0; k < c->n_rests; k++)
        if (c->rest_funcs[k] == (uint64_t)func)
            return k;
    return 0;
}

/* A word of the frame, at the record's end; r2 is where the record is built. */
static void put_record_word(struct cg_gen *g, struct record *r, uint32_t off)
{
    cg_ldx_far(&g->s, BPF_DW, R3, R9, off);
    cg_stx_far(&g->s, BPF_DW, R2, r->pos, R3, R1);
    r->pos += 8;
}

void cg_k_pause(struct cg_gen *g, const struct ir_ins *i)
{
    uint32_t mine = cg_label(&g->s);

    (void)i;
    cg_call_begin(g);
    cg_clobber_all(g);
    cg_ldx(&g->s, BPF_DW, R1, R9, offsetof(struct ngs_frame, paused));
    cg_jmpi(&g->s, BPF_JNE, R1, 0, mine);
    change_stop(g, BPF_OR | BPF_FETCH, NGS_PAUSED);
    cg_jmpi(&g->s, BPF_JSET, R2, NGS_STOPPED, g->l_done);
    cg_sti(&g->s, BPF_DW, R9, offsetof(struct ngs_frame, paused), 1);
    cg_bind(&g->s, mine);
    cg_overwritten(g, CG_CALLER_SAVED);
}

void cg_k_resume(struct cg_gen *g)
{
    uint32_t not_mine = cg_label(&g->s);

    if (!g->c->u->funcs[g->func]->pauses)
        return;
    cg_ldx(&g->s, BPF_DW, R1, R9, offsetof(struct ngs_frame, paused));
    cg_jmpi(&g->s, BPF_JEQ, R1, 0, not_mine);
    change_stop(g, BPF_AND, ~NGS_PAUSED);
    cg_bind(&g->s, not_mine);
}

void cg_k_handover(struct cg_gen *g, const struct ir_ins *i)
{
    bool pause = g->c->u->funcs[i->imm]->exits;
    uint32_t sent = cg_label(&g->s);
    const struct ir_unit *u = g->c->u;
    struct record r = {.pos = sizeof(struct ngs_rec), .known = true};
    uint32_t k = 0;

    _Static_assert(offsetof(struct ngs_rest, budget) == 0, "struct ngs_rest");
    _Static_assert(offsetof(struct ngs_rest, member) == 8, "struct ngs_rest");
    _Static_assert(sizeof(struct ngs_rest) == 16, "struct ngs_rest");
    cg_call_begin(g);
    cg_clobber_all(g);
    if (pause) /* before user space can have seen the record */
        change_stop(g, BPF_OR, NGS_PAUSED);
    cg_addr(&g->s, R2, R9, u->frame_out);
    put_record_word(g, &r, offsetof(struct ngs_frame, budget));
    put_record_word(g, &r, offsetof(struct ngs_frame, member));
    for (; k < i->n_args && u->slots[i->args[k].id].type == IR_LONG; k++)
        put_record_word(g, &r, u->slots[i->args[k].id].off);
    cg_overwritten(g, CG_CALLER_SAVED);
    for (; k < i->n_args; k++)
        put_record_str(g, &r, i->args[k]);
    send_record(g, &r, NGS_REC_REST, rest_index(g->c, i->imm), false);
    if (pause) {
        cg_jmpi(&g->s, BPF_JEQ, R0, 0, sent);
        change_stop(g, BPF_AND, ~NGS_PAUSED);
    }
    cg_bind(&g->s, sent);
}

void cg_k_raise(struct cg_gen *g, const struct ir_ins *i)
{
    if (i->imm == NGS_ERR_SCRIPT) {
        cg_call_begin(g);
        cg_puti(g, R2, g->c->u->frame_error_text);
        cg_put_str(g, R3, i->s);
        cg_put_frame(g, R1, 0);
        cg_do_lib(g, CG_LIB_COPY);
    }
    if (i->a.kind == IRV_TEMP || i->a.kind == IRV_IMM)
        cg_stx(&g->s, BPF_DW, R9, offsetof(struct ngs_frame, error_arg), cg_use(g, i->a));
    else
        cg_sti(&g->s, BPF_DW, R9, offsetof(struct ngs_frame, error_arg), 0);
    cg_sti(&g->s, BPF_DW, R9, offsetof(struct ngs_frame, error), (int32_t)i->imm);
    cg_sti(&g->s, BPF_DW, R9, offsetof(struct ngs_frame, error_loc), (int32_t)i->loc);
    cg_jump_block(g, i->onerr);
}
