/*
 * copy: copies of functions or of their ends, blocks that are split. Enters: a valid function;
 * leaves: another one, or the same one with a block more.
 */
#include "ir/rest.h"

#include <string.h>

/* ---- copies ---- */

struct copy {
    struct ir_unit *u;
    const struct ir_func *from;
    struct ir_func *to;
    uint32_t *blocks; /* by block of FROM: its copy's number */
    uint32_t *work, n_work;
};

static uint32_t block_of(struct copy *c, uint32_t block)
{
    if (!c->blocks[block]) {
        c->blocks[block] = ir_block_new(c->u, c->to); /* 0 is the entry */
        c->work[c->n_work++] = block;
    }
    return c->blocks[block];
}

static void copy_ins(struct copy *c, uint32_t block, const struct ir_ins *from)
{
    struct ir_ins *i = ir_emit(c->u, c->to, block, from->op);

    *i = *from;
    i->next = NULL;
    if (from->n_args) {
        i->args = ARENA_ARRAY(c->u->cx->arena, struct ir_val, from->n_args);
        memcpy(i->args, from->args, from->n_args * sizeof(*i->args));
    }
    for (int k = 0; k < 2; k++)
        if (i->to[k] != IR_NO_BLOCK)
            i->to[k] = block_of(c, i->to[k]);
    if (i->onerr != IR_NO_BLOCK)
        i->onerr = block_of(c, i->onerr);
}

struct ir_func *ir_copy(struct ir_unit *u, const struct ir_func *f, uint32_t start)
{
    struct copy c = {.u = u, .from = f, .to = ir_func_new(u, f->name)};

    c.blocks = ARENA_ARRAY(u->cx->arena, uint32_t, f->n_blocks);
    c.work = ARENA_ARRAY(u->cx->arena, uint32_t, f->n_blocks);
    c.to->n_temps = f->n_temps;
    ir_block_new(u, c.to);
    struct ir_ins *entry = ir_emit(u, c.to, 0, IR_JUMP);

    entry->to[0] = block_of(&c, start);
    entry->loc = f->blocks[start]->first->loc;
    for (uint32_t n = 0; n < c.n_work; n++)
        for (const struct ir_ins *i = f->blocks[c.work[n]]->first; i; i = i->next)
            copy_ins(&c, c.blocks[c.work[n]], i);
    return c.to;
}

/* ---- blocks ---- */

void ir_drop_last(struct ir_func *f, uint32_t block)
{
    struct ir_block *b = f->blocks[block];
    struct ir_ins **link = &b->first;

    b->last = NULL;
    for (; (*link)->next; link = &(*link)->next)
        b->last = *link;
    *link = NULL;
}

struct split {
    struct ir_cursor head, tail;
    bool *before;     /* by temporary: set in the head */
    uint32_t *reload; /* by temporary: what the tail has of it, or 0 */
};

/* An operand of the tail: by way of a slot, where the head sets it. */
static void carry(struct split *s, struct ir_val *v)
{
    if (v->kind != IRV_TEMP || !s->before[v->id])
        return;
    if (!s->reload[v->id]) {
        uint32_t slot = ir_slot_new(s->head.u, s->head.f, IR_LONG, NULL);

        ir_put_store(&s->head, slot, *v);
        s->reload[v->id] = ir_put_load(&s->tail, slot).id;
    }
    v->id = s->reload[v->id];
}

uint32_t ir_split(struct ir_unit *u, struct ir_func *f, uint32_t block, struct ir_ins *at)
{
    struct ir_block *b = f->blocks[block];
    struct ir_ins *end = b->last, **link = &b->first;
    uint32_t tail = ir_block_new(u, f), n_temps = f->n_temps;
    struct ir_cursor c = {.u = u, .f = f, .block = block, .loc = at->loc};
    struct split s = {.head = c,
                      .tail = c,
                      .before = ARENA_ARRAY(u->cx->arena, bool, n_temps + 1),
                      .reload = ARENA_ARRAY(u->cx->arena, uint32_t, n_temps + 1)};

    s.tail.block = tail;
    b->last = NULL;
    for (; *link != at; link = &(*link)->next) {
        s.before[(*link)->dst] = true;
        b->last = *link;
    }
    *link = NULL;
    for (struct ir_ins *i = at; i; i = i->next) {
        carry(&s, &i->a);
        carry(&s, &i->b);
        for (uint32_t k = 0; k < i->n_args; k++)
            carry(&s, &i->args[k]);
    }
    ir_put_jump(&s.head, tail);
    if (f->blocks[tail]->last)
        f->blocks[tail]->last->next = at;
    else
        f->blocks[tail]->first = at;
    f->blocks[tail]->last = end;
    return tail;
}

/* ---- slots ---- */

struct owner {
    struct ir_unit *u;
    struct ir_func *f;
    bool *called;   /* by function: F calls it */
    uint32_t *from; /* by slot: F's own + 1 */
};

static uint32_t own(struct owner *o, uint32_t slot)
{
    const struct ir_slot *s = &o->u->slots[slot];

    if (s->func == o->f->id || o->called[s->func])
        return slot;
    if (!o->from[slot])
        o->from[slot] = ir_slot_new(o->u, o->f, s->type, s->name) + 1;
    return o->from[slot] - 1;
}

static void own_val(struct owner *o, struct ir_val *v)
{
    if (v->kind == IRV_SLOT)
        v->id = own(o, v->id);
}

const uint32_t *ir_own_slots(struct ir_unit *u, struct ir_func *f, struct arena *scratch)
{
    struct owner o = {.u = u,
                      .f = f,
                      .called = ARENA_ARRAY(scratch, bool, u->n_funcs),
                      .from = ARENA_ARRAY(scratch, uint32_t, u->n_slots + 1)};

    for (uint32_t b = 0; b < f->n_blocks; b++)
        if (f->blocks[b]->last && f->blocks[b]->last->op == IR_CALL)
            o.called[f->blocks[b]->last->imm] = true;
    for (uint32_t b = 0; b < f->n_blocks; b++)
        for (struct ir_ins *i = f->blocks[b]->first; i; i = i->next) {
            if (i->op == IR_LOAD || i->op == IR_STORE)
                i->slot = own(&o, i->slot);
            own_val(&o, &i->str);
            own_val(&o, &i->s);
            own_val(&o, &i->s2);
            for (uint32_t k = 0; k < i->n_args; k++)
                own_val(&o, &i->args[k]);
        }
    return o.from;
}
