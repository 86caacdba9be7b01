/*
 * held: what a handler's rest asks that only the moment of the hit can tell: facts of the context
 * and memory, which the target has changed by the time that the rest runs. Enters: a handler and
 * its rest, which still name the same slots; leaves: these values computed where the handler ends,
 * kept in slots that the rest reads; what failed then fails where the rest asks for it. Refuses,
 * with the place, a read whose address is not known by then.
 *
 * An address is known if it is made of constants, facts, other such reads, and of variables that
 * have one value from the cut up to the read: found backwards, through blocks that control comes
 * to from one other only, or never set in the rest at all. A read that gives 0 when it fails
 * (user_int(), --skip-badvars) is two blocks that meet again; so its slot holds 0 then.
 */
#include "ir/rest.h"

#include <string.h>

#include "base/diag.h"

enum { MANY = 3 }; /* blocks that go to one */

struct site { /* an instruction of the rest that asks for a held value */
    struct ir_ins *ins;
    uint32_t block, held;
};

/* The blocks that jump to one, if they are one or two, and nothing fails that way. */
struct arrivals {
    const struct ir_block *v[2];
};

struct holder {
    struct rest *r;
    struct arrivals *from; /* by block of the rest */
    struct ir_ins **def;   /* by temporary of the rest */
    uint32_t *def_block;
    bool *set, *gset; /* by slot, by global: the rest sets it somewhere */
    bool calls;       /* it calls functions */
    struct site *sites;
    uint32_t n_sites;
};

/* ---- what the rest looks like ---- */

static void survey(struct holder *h)
{
    const struct rest *r = h->r;
    struct arena *a = r->scratch;
    const struct ir_func *f = r->rest;
    uint32_t *preds = ARENA_ARRAY(a, uint32_t, f->n_blocks);

    h->from = ARENA_ARRAY(a, struct arrivals, f->n_blocks);
    h->def = ARENA_ARRAY(a, struct ir_ins *, f->n_temps + 1);
    h->def_block = ARENA_ARRAY(a, uint32_t, f->n_temps + 1);
    h->set = ARENA_ARRAY(a, bool, r->u->n_slots);
    h->gset = ARENA_ARRAY(a, bool, r->u->n_globals + 1);
    preds[0] = MANY; /* the kernel comes there */
    for (uint32_t b = 0; b < f->n_blocks; b++)
        for (struct ir_ins *i = f->blocks[b]->first; i; i = i->next) {
            for (int k = 0; k < 2; k++)
                if (i->to[k] != IR_NO_BLOCK && preds[i->to[k]]++ < 2)
                    h->from[i->to[k]].v[preds[i->to[k]] - 1] = f->blocks[b];
            if (i->onerr != IR_NO_BLOCK)
                preds[i->onerr] += MANY;
            h->calls |= i->op == IR_CALL;
            if (i->dst) {
                h->def[i->dst] = i;
                h->def_block[i->dst] = b;
            }
            if (i->op == IR_STORE)
                h->set[i->slot] = true;
            if (i->op == IR_GSTORE || i->op == IR_GADD || i->op == IR_GCLEAR)
                h->gset[i->global] = true;
            for (uint32_t k = 0; i->op == IR_FENEXT && k < i->n_args; k++)
                if (i->args[k].kind == IRV_SLOT)
                    h->set[i->args[k].id] = true;
        }
    for (uint32_t b = 0; b < f->n_blocks; b++)
        if (preds[b] > 2)
            h->from[b] = (struct arrivals){0};
}

/* ---- values ---- */

static bool same_val(struct ir_val a, struct ir_val b)
{
    return a.kind == b.kind && a.id == b.id && a.imm == b.imm;
}

static bool same(const struct ir_ins *a, const struct ir_ins *b)
{
    return a->op == b->op && a->cond == b->cond && same_val(a->a, b->a) && same_val(a->b, b->b) &&
           a->imm == b->imm && a->global == b->global && a->slot == b->slot &&
           a->module == b->module && a->size == b->size && a->is_signed == b->is_signed &&
           a->space == b->space;
}

static uint32_t new_slot(const struct rest *r, enum ir_slot_type t)
{
    return ir_slot_new(r->u, r->handler, t, NULL);
}

/* The number of the value that is computed as INS says, whose operands are values. */
static uint32_t value(struct holder *h, const struct ir_ins *ins)
{
    struct rest *r = h->r;
    struct held v = {.ins = *ins};
    bool reads = ins->op == IR_READ || ins->op == IR_SREAD;

    for (uint32_t k = 0; k < r->n_held; k++)
        if (same(&r->held[k].ins, ins))
            return k;
    v.kept = reads || ins->op == IR_CONTEXT || ins->op == IR_SCONTEXT;
    v.fails = reads || (ins->op == IR_CONTEXT && ins->imm == NGS_CTX_REG && !r->has_regs);
    if (v.kept)
        v.slot = new_slot(r, ins->op == IR_SREAD || ins->op == IR_SCONTEXT ? IR_STRING : IR_LONG);
    if (v.fails)
        v.failed = new_slot(r, IR_LONG);
    if (reads)
        v.addr = new_slot(r, IR_LONG);
    r->held = arena_grow(r->scratch, r->held, r->n_held, sizeof(*r->held));
    r->held[r->n_held] = v;
    return r->n_held++;
}

static bool find(struct holder *h, const struct ir_ins *i, uint32_t block, uint32_t *number);

/* Makes operand V, of an instruction of BLOCK, one of a value; false: it is not known. */
static bool known(struct holder *h, uint32_t block, struct ir_val *v)
{
    uint32_t number;

    if (v->kind != IRV_TEMP)
        return true;
    if (!find(h, h->def[v->id], h->def_block[v->id], &number))
        return false;
    *v = IR_TEMP(number + 1);
    return true;
}

/* What sets SLOT last in BLOCK, before I. */
static const struct ir_ins *setter(const struct holder *h, uint32_t slot, const struct ir_ins *i,
                                   uint32_t block, bool *unclear)
{
    const struct ir_func *f = h->r->rest;
    const struct ir_ins *last = NULL;

    for (const struct ir_ins *p = f->blocks[block]->first; p != i; p = p->next) {
        if (p->op == IR_STORE && p->slot == slot)
            last = p;
        for (uint32_t k = 0; p->op == IR_FENEXT && k < p->n_args; k++)
            if (p->args[k].kind == IRV_SLOT && p->args[k].id == slot)
                *unclear = true;
        if (p->op == IR_CALL && h->r->u->slots[slot].func != h->r->handler->id)
            *unclear = true;
    }
    return last;
}

/* Is V 0 where a read of BLOCK failed and went to FAILED instead of setting it? */
static bool is_zero_then(const struct holder *h, struct ir_val v, uint32_t block, uint32_t failed)
{
    while (v.kind == IRV_TEMP && h->def_block[v.id] == block) {
        const struct ir_ins *i = h->def[v.id];

        if (i->op == IR_READ)
            return i->onerr == failed;
        if ((i->op != IR_SHL && i->op != IR_SHR && i->op != IR_USHR && i->op != IR_SEXT &&
             i->op != IR_ZEXT) ||
            i->b.kind == IRV_TEMP) /* a part of what was read */
            return false;
        v = i->a;
    }
    return false;
}

/* SLOT's value at the start of BLOCK, if one of two that go there reads it and the other sets it to
 * 0 when that fails. */
static bool find_or_zero(struct holder *h, uint32_t slot, uint32_t block, uint32_t *number)
{
    const struct ir_block *const *from = h->from[block].v;

    for (int k = 0; k < 2 && from[0] && from[1]; k++) {
        const struct ir_block *read = from[k], *failed = from[1 - k];
        bool unclear = false;
        const struct ir_ins *value = setter(h, slot, NULL, read->id, &unclear),
                            *zero = setter(h, slot, NULL, failed->id, &unclear);

        if (!unclear && value && zero && zero->a.kind == IRV_IMM && !zero->a.imm &&
            is_zero_then(h, value->a, read->id, failed->id))
            return find(h, h->def[value->a.id], read->id, number);
    }
    return false;
}

/* The value of a variable that is loaded at I. */
static bool find_load(struct holder *h, const struct ir_ins *i, uint32_t block, uint32_t *number)
{
    const struct rest *r = h->r;
    struct ir_ins leaf = {.op = IR_LOAD, .slot = i->slot};
    const struct ir_ins *end = i;
    bool unclear = false;

    for (uint32_t b = block; !unclear; end = NULL) {
        const struct ir_ins *store = setter(h, i->slot, end, b, &unclear);

        if (store && !unclear) {
            struct ir_val v = store->a;

            if (!known(h, b, &v))
                return false;
            if (v.kind == IRV_TEMP) {
                *number = v.id - 1;
            } else {
                struct ir_ins constant = {.op = IR_CONST, .imm = v.imm};

                *number = value(h, &constant);
            }
            return true;
        }
        if (!unclear && find_or_zero(h, i->slot, b, number))
            return true;
        if (!h->from[b].v[0] || h->from[b].v[1])
            break;
        b = h->from[b].v[0]->id;
    }
    if (h->set[i->slot] || (h->calls && r->u->slots[i->slot].func != r->handler->id))
        return false;
    *number = value(h, &leaf);
    return true;
}

/* The value of I, an instruction of BLOCK of the rest, as the handler can compute it. */
static bool find(struct holder *h, const struct ir_ins *i, uint32_t block, uint32_t *number)
{
    struct ir_ins v = {.op = i->op,
                       .cond = i->cond,
                       .a = i->a,
                       .b = i->b,
                       .imm = i->imm,
                       .global = i->global,
                       .module = i->module,
                       .size = i->size,
                       .is_signed = i->is_signed,
                       .space = i->space,
                       .loc = i->loc};

    switch (i->op) {
    case IR_LOAD:
        return find_load(h, i, block, number);
    case IR_GLOAD:
        if (h->gset[i->global])
            return false;
        break;
    case IR_CONST:
    case IR_MODADDR:
    case IR_ADD:
    case IR_SUB:
    case IR_MUL:
    case IR_AND:
    case IR_OR:
    case IR_XOR:
    case IR_SHL:
    case IR_SHR:
    case IR_USHR:
    case IR_SEXT:
    case IR_ZEXT:
    case IR_SET:
    case IR_READ:
    case IR_SREAD:
    case IR_CONTEXT:
    case IR_SCONTEXT:
        break;
    default:
        return false;
    }
    if (!known(h, block, &v.a) || !known(h, block, &v.b))
        return false;
    *number = value(h, &v);
    return true;
}

static bool refuse(const struct rest *r, const struct ir_ins *i)
{
    struct place p;
    const struct ir_unit *u = r->u;
    bool placed = span_place(u->cx->sources, u->locs[r->cut->loc].at, &p);

    diag_error(u->cx->diag, u->locs[i->loc].at, "not-yet",
               "what is read here is not known before the handler goes on in user space%s%s, when "
               "the target has gone on, too",
               placed ? ", from line " : "",
               placed ? arena_printf(u->cx->arena, "%u on", p.line) : "");
    diag_hint(u->cx->diag, "read it before that, into a variable or an array");
    return false;
}

/* ---- the rest ---- */

/* Goes from the end of BLOCK, which jumps to where HELD is wanted, to an error if it failed. */
static void fail_as_then(const struct rest *r, const struct held *v, uint32_t block,
                         const struct ir_ins *ask)
{
    struct ir_func *f = r->rest;
    struct ir_cursor c = {.u = r->u, .f = f, .block = block, .loc = ask->loc, .onerr = ask->onerr};
    uint32_t sound = f->blocks[block]->last->to[0], failed = ir_block_new(r->u, f);

    ir_drop_last(f, block);
    ir_put_branch(&c, IR_EQ, ir_put_load(&c, v->failed), IR_IMM(0), sound, failed);
    ir_at(&c, failed);
    struct ir_val addr = v->ins.op == IR_CONTEXT ? IR_NONE : ir_put_load(&c, v->addr);
    struct ir_ins *raise = ir_put(&c, IR_RAISE);

    raise->imm = v->ins.op == IR_CONTEXT ? NGS_ERR_NO_USER_REGS : NGS_ERR_FAULT;
    raise->a = addr;
}

/* The instruction of S becomes one that reads the held value. */
static void ask_slot(const struct rest *r, const struct site *s)
{
    const struct held *v = &r->held[s->held];
    struct ir_ins *i = s->ins;

    if (v->fails) {
        ir_split(r->u, r->rest, s->block, i);
        fail_as_then(r, v, s->block, i);
    }
    i->onerr = IR_NO_BLOCK;
    i->a = i->b = IR_NONE;
    i->imm = 0;
    if (r->u->slots[v->slot].type == IR_LONG) {
        i->op = IR_LOAD;
        i->slot = v->slot;
    } else {
        i->op = i->op == IR_SREAD ? IR_SCAT : IR_SSET;
        i->s = IR_SLOT(v->slot);
    }
}

static bool is_held(const struct ir_ins *i)
{
    return i->op == IR_READ || i->op == IR_SREAD || i->op == IR_CONTEXT || i->op == IR_SCONTEXT;
}

bool ir_hold(struct rest *r)
{
    struct holder h = {.r = r};

    survey(&h);
    for (uint32_t b = 0; b < r->rest->n_blocks; b++)
        for (struct ir_ins *i = r->rest->blocks[b]->first; i; i = i->next) {
            struct site s = {.ins = i, .block = b};

            if (!is_held(i))
                continue;
            if (!find(&h, i, b, &s.held))
                return refuse(r, i);
            h.sites = arena_grow(r->scratch, h.sites, h.n_sites, sizeof(*h.sites));
            h.sites[h.n_sites++] = s;
        }
    while (h.n_sites) /* the last first: it is its block that is split */
        ask_slot(r, &h.sites[--h.n_sites]);
    return true;
}

/* ---- the handler ---- */

/* Operand V of a value, as an operand of the cursor's block. */
static struct ir_val operand(const struct rest *r, struct ir_cursor *c, struct ir_val v)
{
    const struct held *of;

    if (v.kind != IRV_TEMP)
        return v;
    of = &r->held[v.id - 1];
    if (of->kept)
        return ir_put_load(c, of->slot);
    struct ir_val a = operand(r, c, of->ins.a), b = operand(r, c, of->ins.b);
    struct ir_ins *i = ir_put(c, of->ins.op);

    *i = of->ins;
    i->a = a;
    i->b = b;
    i->loc = c->loc;
    i->onerr = i->to[0] = i->to[1] = IR_NO_BLOCK;
    i->map = -1;
    i->dst = ir_temp(c->f);
    return IR_TEMP(i->dst);
}

static void put_value(const struct rest *r, struct ir_cursor *c, const struct held *v)
{
    uint32_t failed = ir_block_new(c->u, c->f), next = ir_block_new(c->u, c->f);
    bool text = c->u->slots[v->slot].type == IR_STRING;
    struct ir_val a = operand(r, c, v->ins.a), b = operand(r, c, v->ins.b);

    c->loc = v->ins.loc;
    c->onerr = failed;
    if (v->ins.op == IR_SREAD)
        ir_put_str(c, IR_SSET, IR_SLOT(v->slot), IR_LIT(ir_lit(c->u, "", 0)));
    else if (v->fails)
        ir_put_store(c, v->slot, IR_IMM(0));
    if (v->fails)
        ir_put_store(c, v->failed, IR_IMM(1));
    if (v->fails && v->ins.op != IR_CONTEXT)
        ir_put_store(c, v->addr, a);
    struct ir_ins *i = ir_put(c, v->ins.op);

    i->a = a;
    i->b = b;
    i->imm = v->ins.imm;
    i->size = v->ins.size;
    i->is_signed = v->ins.is_signed;
    i->space = v->ins.space;
    if (text) {
        i->str = IR_SLOT(v->slot);
    } else {
        i->dst = ir_temp(c->f);
        ir_put_store(c, v->slot, IR_TEMP(i->dst));
    }
    if (v->fails)
        ir_put_store(c, v->failed, IR_IMM(0));
    ir_put_jump(c, next);
    ir_at(c, failed); /* facts but registers never fail */
    ir_put(c, IR_SERROR);
    ir_put_jump(c, next);
    ir_at(c, next);
}

void ir_put_held(struct rest *r)
{
    struct ir_cursor c = {.u = r->u, .f = r->handler, .block = r->block, .loc = r->cut->loc};

    ir_drop_last(r->handler, r->block);
    for (uint32_t k = 0; k < r->n_held; k++)
        if (r->held[k].kept)
            put_value(r, &c, &r->held[k]);
    r->block = c.block;
}
