/*
 * share: strings that are never live together share a slot of the frame (stack slot coloring); a
 * string and its copy do so first (coalescing), which leaves nothing to copy. Enters: a finished
 * unit; leaves: the color of each string slot within its function, and no copies of a slot to
 * itself. Parameters, which callers set, and the slots of recursive functions, which are saved as a
 * whole, get colors of their own. A result's slot is the callee's until its caller has read it,
 * which is before it calls again.
 */
#include "ir/live.h"

struct coloring {
    struct ir_live live;
    uint32_t *slots; /* by number among those that are shared */
    uint32_t n;
    uint64_t *conflict; /* n rows; symmetric once copies are merged */
    uint32_t *same;     /* by number: of the first of those that it is merged with */
};

static uint64_t *row(const struct coloring *c, uint32_t k)
{
    return c->conflict + (size_t)k * c->live.words;
}

/* The number + 1 of a string operand among the shared slots. */
static uint32_t shared(const struct coloring *c, struct ir_val v)
{
    return v.kind == IRV_SLOT ? c->live.index[v.id] : 0;
}

static void use(const struct coloring *c, uint64_t *live, struct ir_val v)
{
    if (shared(c, v))
        ir_live_set(live, shared(c, v) - 1);
}

/* Does I set one shared slot to what another one has? */
static bool is_copy(const struct coloring *c, const struct ir_ins *i)
{
    return i->op == IR_SSET && shared(c, i->s) && shared(c, i->str);
}

/* What is set at I must not lie where anything lies that is read at it or after it. */
static void conflicts(const struct coloring *c, const struct ir_ins *i, const uint64_t *after,
                      struct ir_val v)
{
    uint32_t k = shared(c, v);

    if (!k)
        return;
    uint64_t *r = row(c, k - 1);

    bool had = is_copy(c, i) && ir_live_has(r, shared(c, i->s) - 1);

    for (uint32_t w = 0; w < c->live.words; w++)
        r[w] |= after[w];
    if (is_copy(c, i) && !had) /* one text: they may lie in one place until either changes */
        r[(shared(c, i->s) - 1) / 64] &= ~(1ull << ((shared(c, i->s) - 1) % 64));
    if (is_copy(c, i))
        return;
    use(c, r, i->s);
    use(c, r, i->s2);
    for (uint32_t n = 0; n < i->n_args; n++)
        use(c, r, i->args[n]);
}

static void see(void *ctx, const struct ir_ins *i, const uint64_t *after)
{
    const struct coloring *c = ctx;

    conflicts(c, i, after, i->str);
    for (uint32_t k = 0; i->op == IR_FENEXT && k < i->n_args; k++)
        conflicts(c, i, after, i->args[k]);
}

static bool callers_set(const struct ir_func *f, uint32_t slot)
{
    for (uint32_t k = 0; k < f->n_params; k++)
        if (f->params[k] == slot)
            return true;
    return false;
}

/* What a handler's rest finds when it begins was set by nobody: each conflicts with the others. */
static void conflicts_at_entry(const struct coloring *c)
{
    for (uint32_t k = 0; k < c->n; k++)
        for (uint32_t w = 0; w < c->live.words && ir_live_has(c->live.in, k); w++)
            row(c, k)[w] |= c->live.in[w];
}

/* ---- copies ---- */

static void make_symmetric(const struct coloring *c)
{
    for (uint32_t k = 0; k < c->n; k++)
        for (uint32_t o = 0; o < c->n; o++)
            if (ir_live_has(row(c, k), o))
                ir_live_set(row(c, o), k);
}

static uint32_t first_of(const struct coloring *c, uint32_t k)
{
    while (c->same[k] != k)
        k = c->same[k];
    return k;
}

/* A copy and what it is made of become one, where neither changes while the other is in use. */
static void merge(const struct coloring *c, const struct ir_ins *i)
{
    uint32_t a = first_of(c, shared(c, i->s) - 1), b = first_of(c, shared(c, i->str) - 1);

    if (a == b || ir_live_has(row(c, a), b))
        return;
    for (uint32_t w = 0; w < c->live.words; w++)
        row(c, a)[w] |= row(c, b)[w];
    for (uint32_t o = 0; o < c->n; o++)
        if (ir_live_has(row(c, b), o))
            ir_live_set(row(c, o), a);
    c->same[b] = a;
}

static void merge_copies(const struct coloring *c)
{
    make_symmetric(c);
    for (uint32_t k = 0; k < c->n; k++)
        c->same[k] = k;
    for (uint32_t b = 0; b < c->live.f->n_blocks; b++)
        for (const struct ir_ins *i = c->live.f->blocks[b]->first; i; i = i->next)
            if (is_copy(c, i))
                merge(c, i);
}

static void drop_copies(const struct ir_unit *u, const struct coloring *c)
{
    for (uint32_t b = 0; b < c->live.f->n_blocks; b++)
        for (struct ir_ins **link = &c->live.f->blocks[b]->first; *link;)
            if (is_copy(c, *link) &&
                u->slots[(*link)->s.id].color == u->slots[(*link)->str.id].color)
                *link = (*link)->next; /* not the last: that is a terminator */
            else
                link = &(*link)->next;
}

/* ---- colors ---- */

/* Colors the shared strings, greedily; how many colors there are. */
static uint32_t color(struct ir_unit *u, const struct coloring *c)
{
    uint32_t colors = 0;

    for (uint32_t k = 0; k < c->n; k++) {
        uint64_t *taken = ARENA_ARRAY(c->live.arena, uint64_t, c->live.words);
        uint32_t p = 0;

        if (first_of(c, k) != k)
            continue;
        for (uint32_t o = 0; o < k; o++)
            if (first_of(c, o) == o && ir_live_has(row(c, k), o))
                ir_live_set(taken, u->slots[c->slots[o]].color);
        while (ir_live_has(taken, p))
            p++;
        u->slots[c->slots[k]].color = p;
        colors = p + 1 > colors ? p + 1 : colors;
    }
    for (uint32_t k = 0; k < c->n; k++)
        u->slots[c->slots[k]].color = u->slots[c->slots[first_of(c, k)]].color;
    return colors;
}

static uint32_t share(struct ir_unit *u, struct ir_func *f, uint32_t *index, uint32_t *slots,
                      uint32_t n)
{
    struct coloring c = {
        .live = {.u = u, .f = f, .arena = arena_new(), .index = index}, .slots = slots, .n = n};
    uint32_t colors;

    ir_live_find(&c.live, n);
    c.conflict = ARENA_ARRAY(c.live.arena, uint64_t, (size_t)n * c.live.words);
    for (uint32_t b = 0; b < f->n_blocks; b++)
        ir_live_walk(&c.live, f->blocks[b], see, &c);
    if (f->rest_of)
        conflicts_at_entry(&c);
    c.same = ARENA_ARRAY(c.live.arena, uint32_t, n);
    merge_copies(&c);
    colors = color(u, &c);
    drop_copies(u, &c);
    arena_free(c.live.arena);
    return colors;
}

void ir_share_strings(struct ir_unit *u)
{
    uint32_t *index = ARENA_ARRAY(u->cx->arena, uint32_t, u->n_slots + 1);
    uint32_t *slots = ARENA_ARRAY(u->cx->arena, uint32_t, u->n_slots + 1);

    for (uint32_t n = 0; n < u->n_funcs; n++) {
        struct ir_func *f = u->funcs[n];
        uint32_t shared = 0, own = 0;

        for (uint32_t s = 0; s < u->n_slots; s++) {
            bool mine = u->slots[s].func == n && u->slots[s].type == IR_STRING;

            index[s] = 0;
            if (mine && !f->recursive && !callers_set(f, s)) {
                slots[shared] = s;
                index[s] = ++shared;
            }
        }
        f->n_colors = shared ? share(u, f, index, slots, shared) : 0;
        for (uint32_t s = 0; s < u->n_slots; s++)
            if (u->slots[s].func == n && u->slots[s].type == IR_STRING && !index[s])
                u->slots[s].color = f->n_colors + own++;
        f->n_colors += own;
    }
}
