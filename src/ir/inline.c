/*
 * inline: puts a script function into its caller when that is its only call in the unit. Most
 * functions of a tapset are called once; a call that stays costs a return dispatch, and the
 * verifier walks its blocks again. Enters and leaves a valid unit; recursive functions stay.
 *
 * A callee's RET with imm 0 goes on behind the call, with imm 1 to the call's onerr.
 */
#include "ir/ir.h"

struct site {
    struct ir_func *caller;
    struct ir_ins *call;
    uint32_t count;
};

static void find_sites(const struct ir_unit *u, struct site *sites)
{
    for (uint32_t n = 0; n < u->n_funcs; n++) {
        struct ir_func *f = u->funcs[n];

        for (uint32_t b = 0; b < f->n_blocks; b++) {
            struct ir_ins *i = f->blocks[b]->last;

            if (i && i->op == IR_CALL) {
                sites[i->imm].caller = f;
                sites[i->imm].call = i;
                sites[i->imm].count++;
            }
        }
    }
}

static void shift_temp(struct ir_val *v, uint32_t by)
{
    if (v->kind == IRV_TEMP)
        v->id += by;
}

/* The callee's blocks stand at the end of the caller's, renumbered. */
void ir_splice(struct ir_unit *u, struct ir_func *caller, struct ir_ins *call,
               struct ir_func *callee)
{
    uint32_t first_block = caller->n_blocks, first_temp = caller->n_temps;
    uint32_t back = call->to[0], error = call->onerr;

    for (uint32_t b = 0; b < callee->n_blocks; b++) {
        struct ir_block *block = callee->blocks[b];

        for (struct ir_ins *i = block->first; i; i = i->next) {
            shift_temp(&i->a, first_temp);
            shift_temp(&i->b, first_temp);
            for (uint32_t k = 0; k < i->n_args; k++)
                shift_temp(&i->args[k], first_temp);
            if (i->dst)
                i->dst += first_temp;
            for (int k = 0; k < 2; k++)
                if (i->to[k] != IR_NO_BLOCK)
                    i->to[k] += first_block;
            if (i->onerr != IR_NO_BLOCK)
                i->onerr += first_block;
            if (i->op == IR_RET) {
                i->op = IR_JUMP;
                i->to[0] = i->imm ? error : back;
                i->imm = 0;
            }
        }
        block->id = caller->n_blocks;
        caller->blocks =
            arena_grow(u->cx->arena, caller->blocks, caller->n_blocks, sizeof(*caller->blocks));
        caller->blocks[caller->n_blocks++] = block;
    }
    caller->n_temps += callee->n_temps;
    call->op = IR_JUMP;
    call->to[0] = first_block;
    call->onerr = IR_NO_BLOCK;
    call->imm = 0;
    /* Slots go with the caller, so that handlers can share their space. */
    for (uint32_t s = 0; s < u->n_slots; s++)
        if (u->slots[s].func == callee->id)
            u->slots[s].func = caller->id;
    callee->n_blocks = 0;
}

/* Removes functions left without blocks; ids change everywhere. */
static void drop_empty(struct ir_unit *u)
{
    uint32_t *renumber = ARENA_ARRAY(u->cx->arena, uint32_t, u->n_funcs);
    uint32_t kept = 0;

    for (uint32_t n = 0; n < u->n_funcs; n++) {
        renumber[n] = kept;
        if (u->funcs[n]->n_blocks) {
            u->funcs[n]->id = kept;
            u->funcs[kept++] = u->funcs[n];
        }
    }
    u->n_funcs = kept;
    for (uint32_t s = 0; s < u->n_slots; s++)
        u->slots[s].func = renumber[u->slots[s].func];
    for (uint32_t p = 0; p < u->n_probes; p++)
        u->probes[p].func = renumber[u->probes[p].func];
    for (uint32_t n = 0; n < u->n_funcs; n++) {
        struct ir_func *f = u->funcs[n];

        f->n_calls = 0;
        f->calls = ARENA_ARRAY(u->cx->arena, uint32_t, kept);
        for (uint32_t b = 0; b < f->n_blocks; b++)
            for (struct ir_ins *i = f->blocks[b]->first; i; i = i->next) {
                bool seen = false;

                if (i->op == IR_PUSH || i->op == IR_POP || i->op == IR_HANDOVER)
                    i->imm = renumber[i->imm];
                if (i->op != IR_CALL)
                    continue;
                i->imm = renumber[i->imm];
                for (uint32_t k = 0; k < f->n_calls; k++)
                    seen |= f->calls[k] == (uint32_t)i->imm;
                if (!seen)
                    f->calls[f->n_calls++] = (uint32_t)i->imm;
            }
    }
}

void ir_inline(struct ir_unit *u)
{
    for (bool again = true; again;) {
        struct site *sites = ARENA_ARRAY(u->cx->arena, struct site, u->n_funcs);

        again = false;
        find_sites(u, sites);
        for (uint32_t n = 0; n < u->n_funcs; n++) {
            struct ir_func *f = u->funcs[n];

            if (f->is_probe || !f->n_blocks || f->recursive)
                continue;
            if (sites[n].count == 1 && sites[n].caller != f) {
                ir_splice(u, sites[n].caller, sites[n].call, f);
                again = true;
                break; /* the sites found before may have moved */
            }
            if (sites[n].count == 0) {
                f->n_blocks = 0;
                again = true;
                break;
            }
        }
    }
    drop_empty(u);
}
