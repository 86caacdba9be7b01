/*
 * build: makes the units, functions, blocks and instructions of ir.h. Enters: requests from lower;
 * leaves: nodes in the compile's arena. Nothing is checked here; ir_verify does that.
 */
#include "ir/ir.h"

#include <string.h>

struct ir_unit *ir_unit_new(struct compile *cx)
{
    struct ir_unit *u = ARENA_NEW(cx->arena, struct ir_unit);

    u->cx = cx;
    ir_loc(u, (struct span){0}, ""); /* 0: no place */
    return u;
}

struct ir_func *ir_func_new(struct ir_unit *u, const char *name)
{
    struct ir_func *f = ARENA_NEW(u->cx->arena, struct ir_func);

    f->name = arena_strdup(u->cx->arena, name);
    f->id = u->n_funcs;
    u->funcs = arena_grow(u->cx->arena, u->funcs, u->n_funcs, sizeof(*u->funcs));
    u->funcs[u->n_funcs++] = f;
    return f;
}

uint32_t ir_block_new(struct ir_unit *u, struct ir_func *f)
{
    struct ir_block *b = ARENA_NEW(u->cx->arena, struct ir_block);

    b->id = f->n_blocks;
    f->blocks = arena_grow(u->cx->arena, f->blocks, f->n_blocks, sizeof(*f->blocks));
    f->blocks[f->n_blocks++] = b;
    return b->id;
}

uint32_t ir_slot_new(struct ir_unit *u, struct ir_func *f, enum ir_slot_type t, const char *name)
{
    u->slots = arena_grow(u->cx->arena, u->slots, u->n_slots, sizeof(*u->slots));
    u->slots[u->n_slots] = (struct ir_slot){.type = t, .name = name, .func = f->id};
    return u->n_slots++;
}

uint32_t ir_lit(struct ir_unit *u, const char *text, uint32_t len)
{
    for (uint32_t i = 0; i < u->n_lits; i++)
        if (u->lits[i].len == len && !memcmp(u->lits[i].text, text, len))
            return i;
    u->lits = arena_grow(u->cx->arena, u->lits, u->n_lits, sizeof(*u->lits));
    u->lits[u->n_lits] =
        (struct ir_lit){.text = arena_strndup(u->cx->arena, text, len), .len = len};
    return u->n_lits++;
}

uint32_t ir_format(struct ir_unit *u, const struct ir_format *f)
{
    for (uint32_t i = 0; i < u->n_formats; i++) {
        const struct ir_format *g = &u->formats[i];

        if (g->len == f->len && !memcmp(g->text, f->text, f->len) && g->flags == f->flags &&
            g->n_args == f->n_args && g->arg_types == f->arg_types)
            return i;
    }
    u->formats = arena_grow(u->cx->arena, u->formats, u->n_formats, sizeof(*u->formats));
    u->formats[u->n_formats] = *f;
    return u->n_formats++;
}

static bool same_span(struct span a, struct span b)
{
    return a.file == b.file && a.off == b.off && a.len == b.len && a.expn == b.expn;
}

uint32_t ir_loc(struct ir_unit *u, struct span at, const char *token)
{
    if (!token)
        token = "";
    for (uint32_t i = u->n_locs; i-- > 0 && u->n_locs - i < 16;) /* places repeat nearby */
        if (same_span(u->locs[i].at, at) && !strcmp(u->locs[i].token, token))
            return i;
    u->locs = arena_grow(u->cx->arena, u->locs, u->n_locs, sizeof(*u->locs));
    u->locs[u->n_locs] = (struct ir_loc){.at = at, .token = arena_strdup(u->cx->arena, token)};
    return u->n_locs++;
}

struct ir_ins *ir_emit(struct ir_unit *u, struct ir_func *f, uint32_t block, enum ir_op op)
{
    struct ir_block *b = f->blocks[block];
    struct ir_ins *i = ARENA_NEW(u->cx->arena, struct ir_ins);

    i->op = op;
    i->onerr = IR_NO_BLOCK;
    i->to[0] = i->to[1] = IR_NO_BLOCK;
    i->map = -1;
    if (b->last)
        b->last->next = i;
    else
        b->first = i;
    b->last = i;
    return i;
}

uint32_t ir_temp(struct ir_func *f)
{
    return ++f->n_temps;
}

struct ir_ins *ir_put(struct ir_cursor *c, enum ir_op op)
{
    struct ir_ins *i = ir_emit(c->u, c->f, c->block, op);

    i->loc = c->loc;
    if (ir_op_flags(op) & IRF_FAILS)
        i->onerr = c->onerr;
    return i;
}

struct ir_val ir_put_int(struct ir_cursor *c, enum ir_op op, struct ir_val a, struct ir_val b)
{
    struct ir_ins *i = ir_put(c, op);

    i->a = a;
    i->b = b;
    i->dst = ir_temp(c->f);
    return IR_TEMP(i->dst);
}

struct ir_val ir_put_set(struct ir_cursor *c, enum ir_cond cond, struct ir_val a, struct ir_val b)
{
    struct ir_val t = ir_put_int(c, IR_SET, a, b);

    c->f->blocks[c->block]->last->cond = cond;
    return t;
}

struct ir_val ir_put_load(struct ir_cursor *c, uint32_t slot)
{
    struct ir_val t = ir_put_int(c, IR_LOAD, IR_NONE, IR_NONE);

    c->f->blocks[c->block]->last->slot = slot;
    return t;
}

void ir_put_store(struct ir_cursor *c, uint32_t slot, struct ir_val value)
{
    struct ir_ins *i = ir_put(c, IR_STORE);

    i->slot = slot;
    i->a = value;
}

void ir_put_str(struct ir_cursor *c, enum ir_op op, struct ir_val str, struct ir_val s)
{
    struct ir_ins *i = ir_put(c, op);

    i->str = str;
    i->s = s;
}

void ir_put_jump(struct ir_cursor *c, uint32_t to)
{
    ir_put(c, IR_JUMP)->to[0] = to;
}

void ir_put_branch(struct ir_cursor *c, enum ir_cond cond, struct ir_val a, struct ir_val b,
                   uint32_t yes, uint32_t no)
{
    struct ir_ins *i = ir_put(c, IR_BRANCH);

    i->cond = cond;
    i->a = a;
    i->b = b;
    i->to[0] = yes;
    i->to[1] = no;
}

void ir_at(struct ir_cursor *c, uint32_t block)
{
    c->block = block;
}

const char *ir_op_text(enum ir_op op)
{
    static const char *const text[] = {
#define IR_OP_TEXT(id, name, flags) name,
        IR_OPS(IR_OP_TEXT)
#undef IR_OP_TEXT
    };

    return op < IR_OP_COUNT ? text[op] : "?";
}

unsigned ir_op_flags(enum ir_op op)
{
    static const unsigned char flags[] = {
#define IR_OP_FLAGS(id, name, fl) fl,
        IR_OPS(IR_OP_FLAGS)
#undef IR_OP_FLAGS
    };

    return op < IR_OP_COUNT ? flags[op] : 0;
}
