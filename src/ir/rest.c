/*
 * rest: a handler in the kernel that reaches what only user space can do is cut there, and goes on
 * in user space. Enters: a valid unit, before functions are spliced; leaves: such a handler ending
 * with HANDOVER at the first operation of this kind on each path, and for each of these places a
 * function, the rest of the handler from there on. Refuses, with the place: what held.c refuses;
 * more text in use there than a record holds.
 *
 * - Functions that lead to such operations are copied into the handler. One that calls itself is
 *   not: the handler is cut before it is called.
 * - The cut lies right before the operation: what it needs was computed by then, in the script's
 *   order. So no error is pending: a catch block clears it before its first statement.
 * - An array that is read and deleted after the cut is taken (MTAKE) where the rest begins, not
 *   where the list of statements begins: what the handler does in between it does in the kernel.
 */
#include "ir/rest.h"

#include "base/diag.h"
#include "ir/live.h"

enum { USER_OPS = 1, HIT_OPS, PLACE_OPS }; /* see is_one */

struct reach {
    const struct ir_unit *u;
    int ops;
    bool *seen;
    const struct ir_ins *found;
};

/* One of USER_OPS, which only user space has? Of HIT_OPS, which only the hit can answer? Of
 * PLACE_OPS, which it answers best? */
static bool is_one(const struct ir_ins *i, int ops)
{
    if (ops == USER_OPS)
        return (ir_op_flags(i->op) & IRF_USER) != 0;
    if (ir_is_place(i) || ops == PLACE_OPS)
        return ir_is_place(i) && ops == PLACE_OPS;
    return i->op == IR_READ || i->op == IR_SREAD || i->op == IR_CONTEXT || i->op == IR_SCONTEXT;
}

static void look(struct reach *r, const struct ir_func *f)
{
    if (r->seen[f->id])
        return;
    r->seen[f->id] = true;
    for (uint32_t b = 0; b < f->n_blocks && !r->found; b++)
        for (const struct ir_ins *i = f->blocks[b]->first; i && !r->found; i = i->next)
            if (is_one(i, r->ops))
                r->found = i;
            else if (i->op == IR_CALL)
                look(r, r->u->funcs[i->imm]);
}

/* The first of OPS that F, or what it calls, has; NULL: none. */
static const struct ir_ins *reaches(const struct ir_unit *u, const struct ir_func *f, int ops)
{
    struct reach r = {.u = u, .ops = ops, .seen = ARENA_ARRAY(u->cx->arena, bool, u->n_funcs)};

    look(&r, f);
    return r.found;
}

static bool refuse_recursive(const struct ir_unit *u, const struct ir_func *handler,
                             const struct ir_ins *found)
{
    diag_error(u->cx->diag, u->locs[found->loc].at, "not-yet",
               "this is not known in a function that calls itself, where a handler of %s goes on "
               "in user space",
               handler->name);
    diag_hint(u->cx->diag, "ask for it before, into a variable");
    return false;
}

/* Copies the functions that lead to OPS into F, which is part of HANDLER. Those that call
 * themselves stay: a handler is cut before it calls them. */
static bool splice_calls(struct ir_unit *u, struct ir_func *f, int ops,
                         const struct ir_func *handler)
{
    for (uint32_t b = 0; b < f->n_blocks; b++) { /* those of copies come behind */
        struct ir_ins *call = f->blocks[b]->last;
        const struct ir_func *callee = call->op == IR_CALL ? u->funcs[call->imm] : NULL;
        const struct ir_ins *found = callee ? reaches(u, callee, ops) : NULL;

        if (found && callee->recursive && ops == HIT_OPS)
            return refuse_recursive(u, handler, found);
        if (!found || callee->recursive)
            continue;
        ir_splice(u, f, call, ir_copy(u, callee, 0));
        u->n_funcs--; /* the copy was the last one */
    }
    return true;
}

/* ---- where a handler is cut ---- */

struct cut {
    uint32_t from; /* block that the handler is to end with; it jumps to the rest */
    struct ir_ins *ins;
    struct ir_func *rest;
};

struct cuts {
    struct ir_unit *u;
    struct ir_func *f;
    struct cut *v;
    uint32_t n;
    bool *seen; /* by block, of the first N_BLOCKS: the kernel gets there */
    uint32_t n_blocks;
};

struct walk {
    bool *seen; /* by block */
    uint32_t *work, n;
};

static void add(struct walk *w, uint32_t block)
{
    if (block == IR_NO_BLOCK || w->seen[block])
        return;
    w->seen[block] = true;
    w->work[w->n++] = block;
}

static struct walk start(const struct ir_unit *u, const struct ir_func *f, uint32_t block)
{
    struct arena *a = u->cx->arena;
    struct walk w = {.seen = ARENA_ARRAY(a, bool, f->n_blocks),
                     .work = ARENA_ARRAY(a, uint32_t, f->n_blocks)};

    add(&w, block);
    return w;
}

static void add_next(struct walk *w, const struct ir_ins *i)
{
    add(w, i->to[0]);
    add(w, i->to[1]);
    add(w, i->onerr);
}

static bool is_cut(const struct ir_unit *u, const struct ir_ins *i)
{
    if (i->op == IR_CALL)
        return reaches(u, u->funcs[i->imm], USER_OPS) != NULL;
    return is_one(i, USER_OPS) && i->op != IR_MTAKE;
}

static void find_cuts(struct cuts *c)
{
    struct walk w = start(c->u, c->f, 0);

    for (uint32_t n = 0; n < w.n; n++)
        for (struct ir_ins *i = c->f->blocks[w.work[n]]->first; i; i = i->next) {
            if (is_cut(c->u, i)) {
                c->v = arena_grow(c->u->cx->arena, c->v, c->n, sizeof(*c->v));
                c->v[c->n++] = (struct cut){.from = w.work[n], .ins = i};
                break;
            }
            add_next(&w, i);
        }
    c->seen = w.seen;
    c->n_blocks = c->f->n_blocks;
}

/* ---- arrays that are taken ---- */

static bool leads_to(const struct cuts *c, uint32_t block, uint32_t to)
{
    struct walk w = start(c->u, c->f, block);

    for (uint32_t n = 0; n < w.n; n++)
        for (const struct ir_ins *i = c->f->blocks[w.work[n]]->first; i; i = i->next)
            add_next(&w, i);
    return w.seen[to];
}

/* REST begins with those MTAKE that may have come before the cut. */
static void take_first(const struct cuts *c, const struct cut *cut, struct ir_func *rest)
{
    struct ir_unit *u = c->u;
    bool *taken = ARENA_ARRAY(u->cx->arena, bool, u->n_maps + 1);
    uint32_t to = rest->blocks[0]->last->to[0];

    ir_drop_last(rest, 0);
    for (uint32_t b = 0; b < c->n_blocks; b++)
        for (const struct ir_ins *i = c->f->blocks[b]->first; i && c->seen[b]; i = i->next) {
            if (i->op != IR_MTAKE || taken[i->map] || !leads_to(c, b, cut->from))
                continue;
            struct ir_ins *take = ir_emit(u, rest, 0, IR_MTAKE);

            taken[i->map] = true;
            take->map = i->map;
            take->imm = i->imm;
            take->loc = cut->ins->loc;
        }
    struct ir_ins *jump = ir_emit(u, rest, 0, IR_JUMP);

    jump->to[0] = to;
    jump->loc = cut->ins->loc;
}

static void drop_takes(const struct cuts *c)
{
    for (uint32_t b = 0; b < c->f->n_blocks; b++) {
        struct ir_block *block = c->f->blocks[b];
        struct ir_ins **link = &block->first;

        block->last = NULL;
        while (*link)
            if ((*link)->op == IR_MTAKE) {
                *link = (*link)->next;
            } else {
                block->last = *link;
                link = &(*link)->next;
            }
    }
}

/* ---- what the rest is given ---- */

/* Slots of the function's that something reads before it sets them; longs first. */
static struct ir_val *needed(const struct rest *r, uint32_t *n)
{
    const struct ir_unit *u = r->u;
    uint32_t *index = ARENA_ARRAY(r->scratch, uint32_t, u->n_slots + 1), looked_at = 0;
    struct ir_live l = {.u = u, .f = r->rest, .arena = r->scratch, .index = index};
    struct ir_val *v = NULL;

    for (uint32_t s = 0; s < u->n_slots; s++)
        if (!u->funcs[u->slots[s].func]->rest_of) /* it has none of its own yet */
            index[s] = ++looked_at;
    ir_live_find(&l, looked_at);
    *n = 0;
    for (int type = IR_LONG; type <= IR_STRING; type++)
        for (uint32_t s = 0; s < u->n_slots; s++)
            if (u->slots[s].type == (enum ir_slot_type)type && index[s] &&
                ir_live_has(l.in, index[s] - 1)) {
                v = arena_grow(u->cx->arena, v, *n, sizeof(*v));
                v[(*n)++] = IR_SLOT(s);
            }
    return v;
}

static bool fits_record(const struct rest *r, const struct ir_val *v, uint32_t n)
{
    uint64_t size = sizeof(struct ngs_rec) + sizeof(struct ngs_rest);

    for (uint32_t k = 0; k < n; k++)
        size += r->u->slots[v[k].id].type == IR_LONG
                    ? 8
                    : NGS_STR_SIZE((uint64_t)r->u->cx->limits.maxstringlen);
    if (size <= NGS_REC_MAX)
        return true;
    diag_error(r->u->cx->diag, r->u->locs[r->cut->loc].at, "limit",
               "what the handler has in use here, up to %llu bytes, is more than user space can be "
               "handed over at once (%d)",
               (unsigned long long)size, NGS_REC_MAX);
    diag_hint(r->u->cx->diag, "-D MAXSTRINGLEN=N with N below %u makes each string smaller",
              r->u->cx->limits.maxstringlen + 1);
    return false;
}

static bool hand_over(struct rest *r)
{
    uint32_t n;
    struct ir_val *given = needed(r, &n);

    if (!fits_record(r, given, n))
        return false;
    struct ir_ins *i = ir_emit(r->u, r->handler, r->block, IR_HANDOVER);

    i->imm = r->rest->id;
    i->args = given;
    i->n_args = n;
    i->loc = r->cut->loc;
    r->rest->params = ARENA_ARRAY(r->u->cx->arena, uint32_t, n + 1);
    r->rest->n_params = n;
    const uint32_t *own = ir_own_slots(r->u, r->rest, r->scratch);

    for (uint32_t k = 0; k < n; k++)
        r->rest->params[k] = own[given[k].id] ? own[given[k].id] - 1 : given[k].id;
    return true;
}

/* ---- exit() ---- */

/* Does F call exit() on every way to its end but by an error? */
static bool always_exits(const struct ir_unit *u, const struct ir_func *f)
{
    struct walk w = start(u, f, 0);
    bool any = false;

    for (uint32_t n = 0; n < w.n; n++) {
        const struct ir_ins *i = f->blocks[w.work[n]]->first;

        for (; i; i = i->next) {
            const struct ir_func *callee = i->op == IR_CALL ? u->funcs[i->imm] : NULL;

            if (i->op == IR_EXIT || (callee && !callee->recursive && always_exits(u, callee)))
                break;
            if ((i->op == IR_DONE || i->op == IR_RET) && !i->imm)
                return false;
            add(&w, i->to[0]);
            add(&w, i->to[1]);
        }
        any |= i != NULL;
    }
    return any;
}

/* Those blocks of F, a handler that is cut, from which a way leads to its end without exit(). An
 * error that is caught is such a way, if the catch block is. */
static bool *ways_out(const struct ir_unit *u, const struct ir_func *f)
{
    bool *out = ARENA_ARRAY(u->cx->arena, bool, f->n_blocks), more = true;

    while (more) {
        more = false;
        for (uint32_t b = f->n_blocks; b-- > 0;) {
            bool leads = false;

            for (const struct ir_ins *i = f->blocks[b]->first; i && !leads && !out[b];
                 i = i->next) {
                const struct ir_func *callee =
                    i->op == IR_CALL || i->op == IR_HANDOVER ? u->funcs[i->imm] : NULL;

                leads = (i->onerr != IR_NO_BLOCK && out[i->onerr]) ||
                        (i->op == IR_DONE && !i->imm) || (i->op == IR_HANDOVER && !callee->exits);
                if (i->op == IR_EXIT ||
                    (i->op == IR_CALL && !callee->recursive && always_exits(u, callee)))
                    break;
                for (int k = 0; k < 2; k++)
                    leads |= i->to[k] != IR_NO_BLOCK && out[i->to[k]];
            }
            more |= leads;
            out[b] |= leads;
        }
    }
    return out;
}

/* Is there an exit() on a way from BLOCK, other than one to an error's end? */
static bool meets_exit(const struct ir_unit *u, const struct ir_func *f, uint32_t block)
{
    struct walk w = start(u, f, block);

    for (uint32_t n = 0; n < w.n; n++)
        for (const struct ir_ins *i = f->blocks[w.work[n]]->first; i; i = i->next) {
            if (i->op == IR_EXIT || (i->op == IR_HANDOVER && u->funcs[i->imm]->exits) ||
                (i->op == IR_CALL && !u->funcs[i->imm]->recursive &&
                 always_exits(u, u->funcs[i->imm])))
                return true;
            add_next(&w, i);
        }
    return false;
}

static void put_pause(struct ir_unit *u, struct ir_func *f, uint32_t block)
{
    struct ir_block *b = f->blocks[block];
    struct ir_ins *first = b->first, *last = b->last;

    b->first = b->last = NULL;
    ir_emit(u, f, block, IR_PAUSE)->loc = first->loc;
    b->first->next = first;
    b->last = last;
    f->pauses = true;
}

/* PAUSE where F comes to a block from which it is sure to call exit(), in user space: what others
 * do from there on would be done as if it had not been called. */
static void put_pauses(struct ir_unit *u, struct ir_func *f)
{
    const bool *out = ways_out(u, f);
    bool *enters = ARENA_ARRAY(u->cx->arena, bool, f->n_blocks);

    enters[0] = true;
    for (uint32_t b = 0; b < f->n_blocks; b++)
        for (const struct ir_ins *i = f->blocks[b]->first; i && out[b]; i = i->next) {
            const uint32_t to[] = {i->to[0], i->to[1], i->onerr};

            for (int k = 0; k < 3; k++)
                if (to[k] != IR_NO_BLOCK)
                    enters[to[k]] = true;
        }
    for (uint32_t b = 0; b < f->n_blocks; b++)
        if (enters[b] && !out[b] && meets_exit(u, f, b))
            put_pause(u, f, b);
}

static bool finish(const struct cuts *c, const struct cut *cut, bool has_regs)
{
    struct rest r = {.u = c->u,
                     .scratch = arena_new(),
                     .handler = c->f,
                     .rest = cut->rest,
                     .block = cut->from,
                     .cut = cut->ins,
                     .has_regs = has_regs};

    bool ok = splice_calls(c->u, r.rest, HIT_OPS, c->f) &&
              splice_calls(c->u, r.rest, PLACE_OPS, c->f) && ir_hold(&r);

    if (ok) {
        take_first(c, cut, r.rest);
        ir_put_held(&r);
        r.rest->exits = always_exits(c->u, r.rest);
        ok = hand_over(&r);
    }
    arena_free(r.scratch);
    return ok;
}

static bool cut_handler(struct ir_unit *u, const struct ir_probe *p)
{
    struct cuts c = {.u = u, .f = u->funcs[p->func]};

    if (!splice_calls(u, c.f, USER_OPS, c.f))
        return false;
    ir_own_slots(u, c.f, u->cx->arena);
    find_cuts(&c);
    for (uint32_t k = 0; k < c.n; k++)
        ir_split(u, c.f, c.v[k].from, c.v[k].ins);
    for (uint32_t k = 0; k < c.n; k++) { /* while the handler still is whole */
        c.v[k].rest = ir_copy(u, c.f, c.f->blocks[c.v[k].from]->last->to[0]);
        c.v[k].rest->is_probe = c.v[k].rest->user = true;
        c.v[k].rest->rest_of = c.f;
    }
    for (uint32_t k = 0; k < c.n; k++)
        if (!finish(&c, &c.v[k], attach_kind(p->rec.kind)->context == CONTEXT_FUNCTION))
            return false;
    drop_takes(&c);
    put_pauses(u, c.f);
    return true;
}

bool ir_hand_over(struct ir_unit *u)
{
    bool ok = true, any = false;

    u->handed_over = true;

    for (uint32_t n = 0; n < u->n_probes; n++) {
        const struct ir_func *f = u->funcs[u->probes[n].func];

        if (f->user || !reaches(u, f, USER_OPS))
            continue;
        any = true;
        ok &= cut_handler(u, &u->probes[n]);
    }
    if (ok && any)
        ir_simplify(u);
    return ok;
}
