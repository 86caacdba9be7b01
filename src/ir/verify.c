/*
 * verify: checks the rules of ir.h on a unit, so that a broken pass is found where it is and
 * not in the verifier's log. Enters: a unit; leaves: true, or an internal error in the log.
 */
#include "ir/ir.h"

#include <string.h>

struct check {
    const struct ir_unit *u;
    const struct ir_func *f;
    const struct ir_block *b;
    const struct ir_ins *i;
    uint32_t *defined_in; /* temporary -> block id + 1 */
    bool ok;
};

static void bad(struct check *c, const char *what)
{
    c->ok = false;
    diag_error(c->u->cx->diag,
               c->i && c->i->loc < c->u->n_locs ? c->u->locs[c->i->loc].at : (struct span){0},
               "internal", "IR of '%s', block %u: %s: %s", c->f->name, c->b ? c->b->id : 0,
               c->i ? ir_op_text(c->i->op) : "-", what);
}

static void check_int(struct check *c, struct ir_val v)
{
    if (v.kind == IRV_NONE || v.kind == IRV_IMM)
        return;
    if (v.kind != IRV_TEMP)
        bad(c, "an integer operand is not a temporary");
    else if (!v.id || v.id > c->f->n_temps || c->defined_in[v.id] != c->b->id + 1)
        bad(c, "a temporary is used outside the block that assigns it");
}

static void check_str(struct check *c, struct ir_val v, bool dest)
{
    switch (v.kind) {
    case IRV_NONE:
        break;
    case IRV_SLOT:
        if (v.id >= c->u->n_slots || c->u->slots[v.id].type != IR_STRING)
            bad(c, "a string operand is not a string slot");
        break;
    case IRV_LIT:
        if (dest || v.id >= c->u->n_lits)
            bad(c, "bad literal operand");
        break;
    default:
        bad(c, "a string operand is an integer");
    }
}

static void check_block_ref(struct check *c, uint32_t id)
{
    if (id >= c->f->n_blocks)
        bad(c, "jump to a block that is not there");
}

static void check_ins(struct check *c)
{
    const struct ir_ins *i = c->i;
    unsigned flags = ir_op_flags(i->op);

    check_int(c, i->a);
    check_int(c, i->b);
    check_str(c, i->str, true);
    check_str(c, i->s, false);
    check_str(c, i->s2, false);
    for (uint32_t k = 0; k < i->n_args; k++) {
        if (i->args[k].kind == IRV_TEMP || i->args[k].kind == IRV_IMM)
            check_int(c, i->args[k]);
        else if (i->op != IR_FENEXT && i->op != IR_HANDOVER)
            check_str(c, i->args[k], false);
    }
    if ((flags & IRF_MAP) && (i->map < 0 || i->map >= (int)c->u->n_maps))
        bad(c, "no such map");
    if ((i->op == IR_LOAD || i->op == IR_STORE) &&
        (i->slot >= c->u->n_slots || c->u->slots[i->slot].type != IR_LONG))
        bad(c, "not a long slot");
    if ((i->op == IR_GSGET || i->op == IR_GSSET || i->op == IR_GSCAT) &&
        (i->global >= c->u->n_globals || c->u->globals[i->global].type != OBJ_STRING))
        bad(c, "not a global string");
    if ((flags & IRF_FAILS) && i->onerr == IR_NO_BLOCK)
        bad(c, "can fail, but names no block to go to");
    if (i->onerr != IR_NO_BLOCK)
        check_block_ref(c, i->onerr);
    if ((flags & IRF_USER) && c->u->handed_over && c->f->is_probe && !c->f->user)
        bad(c, "only user space can do this");
    if (i->dst) {
        if (!(flags & IRF_DST) && i->op != IR_UCALL && i->op != IR_FCALL)
            bad(c, "has no result");
        else if (i->dst > c->f->n_temps || c->defined_in[i->dst])
            bad(c, "a temporary is assigned twice");
        else
            c->defined_in[i->dst] = c->b->id + 1;
    }
    if (flags & IRF_TERM) {
        if (i->next)
            bad(c, "instructions after the terminator");
        if (i->op == IR_JUMP || i->op == IR_BRANCH || i->op == IR_CALL)
            check_block_ref(c, i->to[0]);
        if (i->op == IR_BRANCH)
            check_block_ref(c, i->to[1]);
        if (i->op == IR_CALL && (i->imm < 0 || i->imm >= c->u->n_funcs))
            bad(c, "call of a function that is not there");
    } else if (!i->next) {
        bad(c, "block without a terminator");
    }
}

bool ir_verify(const struct ir_unit *u)
{
    struct check c = {.u = u, .ok = true};

    for (uint32_t n = 0; n < u->n_funcs; n++) {
        c.f = u->funcs[n];
        c.defined_in = ARENA_ARRAY(u->cx->arena, uint32_t, c.f->n_temps + 1);
        for (uint32_t b = 0; b < c.f->n_blocks; b++) {
            c.b = c.f->blocks[b];
            c.i = NULL;
            if (!c.b->first)
                bad(&c, "empty block");
            for (c.i = c.b->first; c.i; c.i = c.i->next)
                check_ins(&c);
        }
    }
    return c.ok;
}
