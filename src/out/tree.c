/*
 * tree: see tree.h. Stacks are sorted by their frames' names from the outermost on: those that
 * share a beginning lie together, and are a node's.
 */
#include "out/tree.h"

#include <stdlib.h>
#include <string.h>

#include "base/arena.h"

struct path {
    uint32_t *ranks; /* of its frames, outermost first */
    uint32_t depth;
    uint32_t profile;
    uint64_t count;
};

static int by_name(const void *x, const void *y)
{
    const struct out_frame *a = *(const struct out_frame *const *)x;
    const struct out_frame *b = *(const struct out_frame *const *)y;
    int order = strcmp(a->name, b->name);

    return order ? order : (int)a->kind - (int)b->kind;
}

/* Frames of all profiles in the order of their names; equal ones have one rank. */
struct ranks {
    const struct out_frame **frames; /* by rank */
    uint32_t *of[2];                 /* rank by index in the profile */
};

static uint32_t rank_of(const struct out_frame **sorted, uint32_t n, const struct out_frame *f)
{
    const struct out_frame **at = bsearch(&f, sorted, n, sizeof(*sorted), by_name);

    return (uint32_t)(at - sorted);
}

static void rank_frames(struct arena *a, const struct out_profile *const p[2], struct ranks *r)
{
    uint32_t n = p[0]->n_frames + (p[1] ? p[1]->n_frames : 0), unique = 0, at = 0;
    const struct out_frame **v = ARENA_ARRAY(a, const struct out_frame *, n + 1);

    for (int k = 0; k < 2 && p[k]; k++)
        for (uint32_t i = 0; i < p[k]->n_frames; i++)
            v[at++] = &p[k]->frames[i];
    qsort(v, n, sizeof(*v), by_name);
    for (uint32_t i = 0; i < n; i++)
        if (!i || by_name(&v[i], &v[unique - 1]))
            v[unique++] = v[i];
    r->frames = v;
    for (int k = 0; k < 2 && p[k]; k++) {
        r->of[k] = ARENA_ARRAY(a, uint32_t, p[k]->n_frames + 1);
        for (uint32_t i = 0; i < p[k]->n_frames; i++)
            r->of[k][i] = rank_of(v, unique, &p[k]->frames[i]);
    }
}

static int by_frames(const void *x, const void *y)
{
    const struct path *a = x, *b = y;

    for (uint32_t i = 0; i < a->depth && i < b->depth; i++)
        if (a->ranks[i] != b->ranks[i])
            return a->ranks[i] < b->ranks[i] ? -1 : 1;
    return (a->depth > b->depth) - (a->depth < b->depth);
}

static struct path *sorted_paths(struct arena *a, const struct out_profile *const p[2],
                                 const struct ranks *r, uint32_t *n)
{
    uint32_t all = p[0]->n_stacks + (p[1] ? p[1]->n_stacks : 0);
    struct path *v = ARENA_ARRAY(a, struct path, all + 1);

    *n = 0;
    for (uint32_t k = 0; k < 2 && p[k]; k++)
        for (uint32_t i = 0; i < p[k]->n_stacks; i++) {
            const struct out_stack *s = &p[k]->stacks[i];
            struct path *path = &v[(*n)++];

            *path = (struct path){ARENA_ARRAY(a, uint32_t, s->depth), s->depth, k, s->count};
            for (uint32_t d = 0; d < s->depth; d++)
                path->ranks[d] = r->of[k][s->frames[d]];
        }
    qsort(v, *n, sizeof(*v), by_frames);
    return v;
}

/* The walk over the sorted paths. */
struct walk {
    struct arena *arena;
    struct out_tree *t;
    const struct path *paths;
    const struct ranks *ranks;
    double smallest, unit[2]; /* width of one sample */
};

static struct out_node sum_up(const struct walk *w, uint32_t from, uint32_t to, uint32_t depth)
{
    struct out_node n = {.depth = depth};

    for (uint32_t i = from; i < to; i++) {
        const struct path *p = &w->paths[i];

        n.count[p->profile] += p->count;
        if (p->depth == depth)
            n.self[p->profile] += p->count;
    }
    for (int k = 0; k < 2; k++)
        n.width += (double)n.count[k] * w->unit[k];
    return n;
}

static uint32_t add_node(struct walk *w, struct out_node node)
{
    struct out_tree *t = w->t;

    t->nodes = arena_grow(w->arena, t->nodes, t->n, sizeof(*t->nodes));
    t->nodes[t->n] = node;
    if (node.depth > t->depth)
        t->depth = node.depth;
    return t->n++;
}

/* The nodes of the paths FROM to TO, which share their first frames up to that of PARENT. Recursion
 * goes no deeper than OUT_DEPTH_MAX. */
static void add_children(struct walk *w, uint32_t parent, uint32_t from, uint32_t to)
{
    uint32_t depth = w->t->nodes[parent].depth;
    double start = w->t->nodes[parent].start;

    while (from < to && w->paths[from].depth == depth) /* end in the parent; they sort first */
        from++;
    while (from < to) {
        uint32_t end = from, rank = w->paths[from].ranks[depth];

        while (end < to && w->paths[end].ranks[depth] == rank)
            end++;
        struct out_node n = sum_up(w, from, end, depth + 1);

        n.frame = w->ranks->frames[rank];
        n.parent = parent;
        n.start = start;
        start += n.width;
        if (n.width >= w->smallest)
            add_children(w, add_node(w, n), from, end);
        else
            w->t->left_out++;
        from = end;
    }
}

static void sum_kinds(struct out_tree *t, int k, const struct out_profile *p)
{
    for (uint32_t i = 0; i < p->n_stacks; i++) {
        const struct out_stack *s = &p->stacks[i];

        t->self[k][p->frames[s->frames[s->depth - 1]].kind] += s->count;
    }
}

struct out_tree out_tree_make(struct arena *arena, const struct out_profile *a,
                              const struct out_profile *b, double smallest)
{
    const struct out_profile *const p[2] = {a, b};
    struct out_tree t = {.total = {a->total, b ? b->total : 0}};
    double profiles = (t.total[0] > 0) + (t.total[1] > 0);
    struct ranks r = {0};
    uint32_t n;

    rank_frames(arena, p, &r);
    struct walk w = {arena, &t, sorted_paths(arena, p, &r, &n), &r, smallest, {0}};

    for (int k = 0; k < 2 && p[k]; k++) {
        w.unit[k] = t.total[k] ? 1 / (double)t.total[k] / profiles : 0;
        sum_kinds(&t, k, p[k]);
    }
    add_children(&w, add_node(&w, sum_up(&w, 0, n, 0)), 0, n);
    return t;
}
