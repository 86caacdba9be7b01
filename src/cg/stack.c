/*
 * stack: PUSH and POP, the stack of recursive activations in the frame. Enters: the two
 * instructions; leaves: code that copies the function's return id and slots (but its result)
 * between their places and the stack's top. Both programs for the kernel and for user space.
 */
#include "cg/emit.h"

#include <stddef.h>

#define FRAME(field) ((int)offsetof(struct ngs_frame, field))

static bool is_saved(const struct cg_gen *g, uint32_t func, uint32_t slot)
{
    const struct ir_func *f = g->c->u->funcs[func];

    return g->c->u->slots[slot].func == func && !(f->has_result && f->result == slot);
}

static uint32_t activation_size(const struct cg_gen *g, uint32_t func)
{
    const struct ir_unit *u = g->c->u;
    uint32_t size = 8; /* the return id */

    for (uint32_t s = 0; s < u->n_slots; s++)
        if (is_saved(g, func, s))
            size += u->slots[s].type == IR_LONG ? 8 : u->str_size;
    return size;
}

/* Between the frame and the activation, whose address is in R4. */
static void copy_long(struct cg_gen *g, uint32_t place, uint32_t at, bool push)
{
    if (push) {
        cg_ldx_far(&g->s, BPF_DW, R2, R9, place);
        cg_stx_far(&g->s, BPF_DW, R4, at, R2, R3);
    } else {
        cg_ldx_far(&g->s, BPF_DW, R2, R4, at);
        cg_stx_far(&g->s, BPF_DW, R9, place, R2, R3);
    }
}

/* The string at PLACE of the frame and the one at AT of the activation. */
static void copy_string(struct cg_gen *g, uint32_t place, uint32_t at, bool push)
{
    int first = g->user ? R1 : R2; /* of (dst, src); a frame goes before them in the library */
    int saved = push ? first : first + 1, here = push ? first + 1 : first;

    cg_ldx(&g->s, BPF_DW, saved, R9, FRAME(sp));
    cg_alui(&g->s, BPF_ADD, saved, (int32_t)(g->c->u->frame_stack + at));
    if (g->user) {
        cg_alu(&g->s, BPF_ADD, saved, R9);
        cg_addr(&g->s, here, R9, place);
        cg_do_call(g, NGS_H_BASE + NGS_H_STR_COPY);
    } else {
        cg_movi(&g->s, here, place); /* handles of strings in the frame are their offsets */
        cg_mov(&g->s, R1, R9);
        cg_handle_in(g, R3, CG_IN_FRAME);
        cg_do_lib(g, CG_LIB_COPY);
    }
}

void cg_push_pop(struct cg_gen *g, const struct ir_ins *i)
{
    const struct ir_unit *u = g->c->u;
    uint32_t func = (uint32_t)i->imm, size = activation_size(g, func), at = 8;
    uint32_t limit = u->frame_stack_size > size ? u->frame_stack_size - size : 0;
    bool push = i->op == IR_PUSH;
    uint32_t skip = cg_label(&g->s);

    if (!push && u->frame_stack_size < size)
        return; /* nothing can have been pushed */
    cg_call_begin(g);
    for (uint32_t s = 0; s < u->n_slots; s++)
        cg_slot_is(g, s, -1);
    cg_overwritten(g, CG_CALLER_SAVED);
    cg_ldx(&g->s, BPF_DW, R1, R9, FRAME(sp));
    cg_ldx(&g->s, BPF_DW, R2, R9, FRAME(depth));
    if (push) {
        uint32_t fail = cg_fail(g, i, NGS_ERR_NESTING);

        if (u->frame_stack_size < size) /* always */
            cg_jmpi(&g->s, BPF_JGE, R1, 0, fail);
        cg_jmpi(&g->s, BPF_JGT, R1, (int32_t)limit, fail);
        cg_jmpi(&g->s, BPF_JGE, R2, (int32_t)g->c->cx->limits.maxnesting, fail);
        cg_alui(&g->s, BPF_ADD, R2, 1);
    } else {
        cg_alui(&g->s, BPF_SUB, R2, 1);
        cg_alui(&g->s, BPF_SUB, R1, (int32_t)size);
        cg_stx(&g->s, BPF_DW, R9, FRAME(sp), R1);
        cg_jmpi(&g->s, BPF_JGT, R1, (int32_t)limit, skip); /* never; the verifier cannot know */
    }
    cg_stx(&g->s, BPF_DW, R9, FRAME(depth), R2);
    cg_addr(&g->s, R4, R9, u->frame_stack);
    cg_alu(&g->s, BPF_ADD, R4, R1);
    copy_long(g, u->funcs[func]->ret_off, 0, push);
    for (uint32_t s = 0; s < u->n_slots; s++)
        if (is_saved(g, func, s) && u->slots[s].type == IR_LONG) {
            copy_long(g, u->slots[s].off, at, push);
            at += 8;
        }
    for (uint32_t s = 0; s < u->n_slots; s++)
        if (is_saved(g, func, s) && u->slots[s].type == IR_STRING) {
            copy_string(g, u->slots[s].off, at, push);
            at += u->str_size;
        }
    if (push) {
        cg_ldx(&g->s, BPF_DW, R1, R9, FRAME(sp));
        cg_alui(&g->s, BPF_ADD, R1, (int32_t)size);
        cg_stx(&g->s, BPF_DW, R9, FRAME(sp), R1);
    }
    cg_bind(&g->s, skip);
}
