/*
 * user_program: one handler, or the rest of one -> code for ngstap's interpreter. Enters: a probe;
 * leaves: its code behind the others' in the unit, and its place there in the record of the probe
 * or the rest. There is no verifier, so back edges are plain jumps, and nothing is claimed: user
 * space has one frame.
 */
#include "cg/program.h"

#include <stddef.h>
#include <string.h>

#include "base/arena.h"
#include "cg/body.h"
#include "cg/emit.h"
#include "cg/graph.h"

/* SystemTap's MAXACTION_INTERRUPTIBLE (runtime_defines.h). */
enum { MAXACTION_FACTOR = 10 };

#define FRAME(field) ((int)offsetof(struct ngs_frame, field))

static void prologue(struct cg_gen *g)
{
    cg_mark(&g->s, g->c->u->locs[g->probe->rec.loc].at);
    cg_mov(&g->s, R9, R1);
    cg_sti(&g->s, BPF_DW, R9, FRAME(error), 0);
    cg_sti(&g->s, BPF_DW, R9, FRAME(depth), 0);
    cg_sti(&g->s, BPF_DW, R9, FRAME(sp), 0);
    cg_movi(&g->s, R1, (int64_t)g->c->cx->limits.maxaction * MAXACTION_FACTOR);
    cg_stx(&g->s, BPF_DW, R9, FRAME(budget), R1);
}

/* The code of a rest begins with a frame that run/ has set up (base/abi.h, struct ngs_rest). */
static void rest_prologue(struct cg_gen *g)
{
    cg_mark(&g->s, g->c->u->locs[g->c->u->funcs[g->func]->blocks[0]->first->loc].at);
    cg_mov(&g->s, R9, R1);
}

static void add_code(struct cg *c, const struct bpf_insn *v, uint32_t n)
{
    if (c->user_size - c->n_user < n) {
        struct bpf_insn *all;

        c->user_size = (c->user_size + n) * 2;
        all = ARENA_ARRAY(c->cx->arena, struct bpf_insn, c->user_size);
        if (c->n_user)
            memcpy(all, c->user, c->n_user * sizeof(*all));
        c->user = all;
    }
    memcpy(c->user + c->n_user, v, n * sizeof(*v));
    c->n_user += n;
}

/* The code of FUNC, of PROBE; *OFF and *LEN: its place. */
static bool write_code(struct cg *c, uint32_t probe, uint32_t func, const char *name, uint32_t *off,
                       uint32_t *len)
{
    struct cg_gen g = {.c = c,
                       .user = true,
                       .probe = &c->u->probes[probe],
                       .probe_index = probe,
                       .func = func,
                       .loops = CG_LOOP_PLAIN};
    struct cg_func shown = {.name = name, .section = ".ngstap.user", .sig = CG_SIG_PROG};

    cg_asm_begin(&g.s, c->cx, true);
    g.l_done = cg_label(&g.s);
    g.l_exceeded = cg_label(&g.s);
    g.l_report = cg_label(&g.s);
    cg_graph_make(&g);
    if (c->u->funcs[func]->rest_of)
        rest_prologue(&g);
    else
        prologue(&g);
    cg_write_body(&g);
    if (g.need_report) {
        cg_bind(&g.s, g.l_report);
        cg_u_report(&g);
    }
    cg_bind(&g.s, g.l_done);
    cg_movi(&g.s, R0, 0);
    cg_exit(&g.s);
    if (!cg_asm_end(&g.s))
        return false;
    cg_asm_take(&g.s, &shown);
    if (c->dump)
        cg_disassemble(c->dump, c->cx, &shown);
    add_code(c, g.s.v, g.s.n);
    *off = c->n_user - g.s.n;
    *len = g.s.n;
    return !c->failed;
}

bool cg_user_program(struct cg *c, uint32_t probe)
{
    return write_code(c, probe, c->u->probes[probe].func, arena_printf(c->cx->arena, "p%u", probe),
                      &c->probes[probe].code_off, &c->probes[probe].code_len);
}

bool cg_user_rest(struct cg *c, uint32_t probe, uint32_t rest)
{
    return write_code(c, probe, c->rest_funcs[rest],
                      arena_printf(c->cx->arena, "p%u_rest%u", probe, rest),
                      &c->rests[rest].code_off, &c->rests[rest].code_len);
}
