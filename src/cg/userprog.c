/*
 * userprog: one handler that runs in user space -> instructions for ngstap's interpreter. Enters: a probe;
 * leaves: its code at the end of the unit's user code, and the range in the probe's record.
 *
 * The interpreter clears the frame's header and gives its address in r9 (base/abi.h). Back edges are plain jumps.
 */
#include "cg/gen.h"

#include <stddef.h>
#include <string.h>

#include "base/arena.h"

#define FRAME(field) ((int)offsetof(struct ngs_frame, field))

enum { ARGS = sizeof(struct ngs_rec), TEXT = ARGS + 3 * 8 };

static void call(struct cg_gen *g, enum ngs_helper helper)
{
    cg_call(&g->s, NGS_H_BASE + helper);
}

/* The frame's error as a record: error, argument, place, text of error("..."). */
static void report(struct cg_gen *g)
{
    static const int fields[3] = {FRAME(error), FRAME(error_arg), FRAME(error_loc)};
    uint32_t out = g->c->u->frame_out;

    cg_addr(&g->s, R1, R9, out);
    cg_sti(&g->s, BPF_W, R1, 0, NGS_REC_ERROR);
    cg_sti(&g->s, BPF_W, R1, offsetof(struct ngs_rec, probe), (int32_t)g->probe_index);
    cg_sti(&g->s, BPF_W, R1, offsetof(struct ngs_rec, tid), 0);
    for (int k = 0; k < 3; k++) {
        cg_ldx(&g->s, BPF_DW, R2, R9, fields[k]);
        cg_stx(&g->s, BPF_DW, R1, ARGS + 8 * k, R2);
    }
    cg_addr(&g->s, R1, R9, out + TEXT);
    cg_addr(&g->s, R2, R9, g->c->u->frame_error_text);
    call(g, NGS_H_STR_COPY);
    cg_addr(&g->s, R1, R9, out);
    cg_ldx(&g->s, BPF_W, R2, R1, TEXT + (int)offsetof(struct ngs_str, len));
    cg_alui(&g->s, BPF_ADD, R2, TEXT + (int)sizeof(struct ngs_str) + 7);
    cg_alui(&g->s, BPF_AND, R2, -8);
    cg_stx(&g->s, BPF_W, R1, offsetof(struct ngs_rec, size), R2);
    call(g, NGS_H_PRINT);
}

static void keep(struct cg *c, const struct cg_asm *s, struct obj_probe *rec)
{
    struct bpf_insn *v = ARENA_ARRAY(c->cx->arena, struct bpf_insn, c->n_user + s->n);

    if (c->n_user)
        memcpy(v, c->user, c->n_user * sizeof(*v));
    memcpy(v + c->n_user, s->v, s->n * sizeof(*v));
    rec->code_off = c->n_user;
    rec->code_len = s->n;
    c->user = v;
    c->n_user += s->n;
}

bool cg_user_program(struct cg *c, uint32_t probe)
{
    struct cg_gen g = {.c = c, .user = true, .probe = &c->u->probes[probe], .probe_index = probe, .loops = CG_LOOP_PLAIN};

    cg_asm_begin(&g.s, c->cx, true);
    g.l_done = cg_label(&g.s);
    g.l_exceeded = cg_label(&g.s);
    g.l_report = cg_label(&g.s);
    if (!cg_flow(&g))
        return false;
    cg_movi(&g.s, R1, c->cx->limits.maxaction);
    cg_stx(&g.s, BPF_DW, R9, FRAME(budget), R1);
    cg_write_body(&g);
    if (g.need_exceeded) {
        cg_bind(&g.s, g.l_exceeded);
        cg_sti(&g.s, BPF_DW, R9, FRAME(error), NGS_ERR_MAXACTION);
        cg_sti(&g.s, BPF_DW, R9, FRAME(error_arg), 0);
        cg_sti(&g.s, BPF_DW, R9, FRAME(error_loc), (int32_t)g.probe->rec.loc);
    }
    if (g.need_report || g.need_exceeded) {
        cg_bind(&g.s, g.l_report);
        report(&g);
    }
    cg_bind(&g.s, g.l_done);
    cg_movi(&g.s, R0, 0);
    cg_exit(&g.s);
    if (!cg_asm_end(&g.s))
        return false;
    if (c->dump) {
        struct cg_func f = {.name = c->u->probes[probe].name, .section = ".ngstap.user"};

        cg_asm_take(&g.s, &f);
        cg_disassemble(c->dump, c->cx, &f);
    }
    keep(c, &g.s, &c->probes[probe]);
    return !c->failed;
}
