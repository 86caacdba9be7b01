/*
 * held: what a handler's rest asks that only the moment of the hit can tell: facts of the context
 * and memory, which the target has changed by the time that the rest runs. Enters: a handler and
 * its rest, which still name the same slots; leaves: these values computed where the handler ends,
 * kept in slots that the rest reads; what failed then fails where the rest asks for it. Refuses,
 * with the place, a read whose address is not known by then, and writes.
 *
 * An address is known if it is made of constants, facts, other such reads, and of variables that
 * have one value from the cut up to the read: whatever may have set them last (reach.c) set the
 * same. A read that gives 0 when it fails (user_int(), --skip-badvars) has two such instructions;
 * its slot holds 0 then.
 */
#include "ir/rest.h"

#include <string.h>

#include "base/diag.h"

struct site { /* an instruction of the rest that asks for a held value */
    struct ir_ins *ins;
    uint32_t block, held;
};

struct temp { /* of the rest */
    const struct ir_ins *def;
    uint32_t block;
    bool tried, known;
    uint32_t number; /* KNOWN: of its value */
};

struct holder {
    struct rest *r;
    struct ir_reach *reach;
    struct temp *temps;
    bool *gset; /* by global: the rest sets it */
    struct site *sites;
    uint32_t n_sites;
};

/* ---- what the rest looks like ---- */

static void survey(struct holder *h)
{
    const struct rest *r = h->r;
    const struct ir_func *f = r->rest;

    h->reach = ir_reach_new(r->scratch, r->u, f);
    h->temps = ARENA_ARRAY(r->scratch, struct temp, f->n_temps + 1);
    h->gset = ARENA_ARRAY(r->scratch, bool, r->u->n_globals + 1);
    for (uint32_t b = 0; b < f->n_blocks; b++)
        for (const struct ir_ins *i = f->blocks[b]->first; i; i = i->next) {
            if (i->dst)
                h->temps[i->dst] = (struct temp){.def = i, .block = b};
            if (i->op == IR_GSTORE || i->op == IR_GADD || i->op == IR_GCLEAR)
                h->gset[i->global] = true;
        }
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

/* The value of a temporary. One that is being looked for depends on itself: it is not known. */
static bool find_temp(struct holder *h, uint32_t temp, uint32_t *number)
{
    struct temp *t = &h->temps[temp];

    if (!t->tried) {
        t->tried = true;
        t->known = find(h, t->def, t->block, &t->number);
    }
    *number = t->number;
    return t->known;
}

/* Makes operand V one of a value; false: it is not known. */
static bool known(struct holder *h, struct ir_val *v)
{
    uint32_t number;

    if (v->kind != IRV_TEMP)
        return true;
    if (!find_temp(h, v->id, &number))
        return false;
    *v = IR_TEMP(number + 1);
    return true;
}

/* The value that D set a slot of the handler's to. */
static bool find_def(struct holder *h, const struct ir_def *d, uint32_t slot, uint32_t *number)
{
    struct ir_ins leaf = {.op = IR_LOAD, .slot = slot};

    if (d->ins && d->ins->a.kind == IRV_TEMP)
        return find_temp(h, d->ins->a.id, number);
    if (d->ins)
        leaf = (struct ir_ins){.op = IR_CONST, .imm = d->ins->a.imm};
    *number = value(h, &leaf);
    return true;
}

/* Is what D sets of memory, and 0 set by ZERO when that cannot be read? */
static bool or_zero(const struct holder *h, const struct ir_def *d, const struct ir_def *zero)
{
    struct ir_val v = d->ins ? d->ins->a : IR_NONE;

    if (!zero->ins || zero->ins->a.kind != IRV_IMM || zero->ins->a.imm)
        return false;
    while (v.kind == IRV_TEMP && h->temps[v.id].block == d->block) {
        const struct ir_ins *i = h->temps[v.id].def;

        if (i->op == IR_READ)
            return i->onerr == zero->block;
        if ((i->op != IR_SHL && i->op != IR_SHR && i->op != IR_USHR && i->op != IR_SEXT &&
             i->op != IR_ZEXT) ||
            i->b.kind == IRV_TEMP) /* a part of what was read */
            return false;
        v = i->a;
    }
    return false;
}

/* The value of a variable that is loaded at I. */
static bool find_load(struct holder *h, const struct ir_ins *i, uint32_t block, uint32_t *number)
{
    struct ir_def defs[IR_REACH_MAX];
    uint32_t n, other;

    if (!ir_reach_find(h->reach, i->slot, block, i, defs, &n) || !n)
        return false;
    for (uint32_t k = 0; k < 2 && n == 2; k++)
        if (or_zero(h, &defs[k], &defs[1 - k]))
            return find_def(h, &defs[k], i->slot, number);
    if (!find_def(h, &defs[0], i->slot, number))
        return false;
    for (uint32_t k = 1; k < n; k++)
        if (!find_def(h, &defs[k], i->slot, &other) || other != *number)
            return false;
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
    if (!known(h, &v.a) || !known(h, &v.b))
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

static bool refuse_write(const struct rest *r, const struct ir_ins *i)
{
    diag_error(r->u->cx->diag, r->u->locs[i->loc].at, "not-yet",
               "the handler goes on in user space before it writes here, and the target goes on, "
               "too");
    diag_hint(r->u->cx->diag, "write before what only user space can do");
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

            if (i->op == IR_FCALL && (i->imm == NGS_U_WRITE || i->imm == NGS_U_WRITE_STR))
                return refuse_write(r, i);
            if (!is_held(i))
                continue;
            if (!find(&h, i, b, &s.held)) {
                if (ir_is_place(i)) /* the address as it is, of the process that user space knows */
                    continue;
                return refuse(r, i);
            }
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

/* Does V walk the program's stack, by no other value? What is asked of its frames comes behind. */
static bool is_walk(const struct held *v)
{
    return v->ins.op == IR_CONTEXT && v->ins.imm == NGS_CTX_UNWIND && v->ins.a.kind != IRV_TEMP;
}

void ir_put_held(struct rest *r)
{
    struct ir_cursor c = {.u = r->u, .f = r->handler, .block = r->block, .loc = r->cut->loc};

    ir_drop_last(r->handler, r->block);
    for (int walks = 1; walks >= 0; walks--)
        for (uint32_t k = 0; k < r->n_held; k++)
            if (r->held[k].kept && is_walk(&r->held[k]) == walks)
                put_value(r, &c, &r->held[k]);
    r->block = c.block;
}
