/*
 * tree: see tree.h. Stacks are sorted by their frames' names from the outermost on; then one walk
 * over them opens a node wherever a stack leaves the one before it.
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

static uint32_t common(const struct path *a, const struct path *b)
{
    uint32_t n = 0;

    while (n < a->depth && n < b->depth && a->ranks[n] == b->ranks[n])
        n++;
    return n;
}

static uint32_t add_node(struct arena *a, struct out_tree *t, struct out_node node)
{
    t->nodes = arena_grow(a, t->nodes, t->n, sizeof(*t->nodes));
    t->nodes[t->n] = node;
    if (node.depth > t->depth)
        t->depth = node.depth;
    return t->n++;
}

/* Shares, and where each node starts: after its elder siblings. */
static void place(struct out_tree *t)
{
    double profiles = (t->total[0] > 0) + (t->total[1] > 0);
    double *used = calloc(t->n, sizeof(*used)); /* by children already placed */

    for (uint32_t i = 0; used && i < t->n; i++) {
        struct out_node *node = &t->nodes[i];

        for (int k = 0; k < 2; k++)
            if (t->total[k])
                node->width += (double)node->count[k] / (double)t->total[k] / profiles;
        if (i) {
            node->start = t->nodes[node->parent].start + used[node->parent];
            used[node->parent] += node->width;
        }
    }
    free(used);
}

struct out_tree out_tree_make(struct arena *arena, const struct out_profile *a,
                              const struct out_profile *b)
{
    const struct out_profile *const p[2] = {a, b};
    struct out_tree t = {.total = {a->total, b ? b->total : 0}};
    struct ranks r = {0};
    uint32_t n, *open = ARENA_ARRAY(arena, uint32_t, OUT_DEPTH_MAX + 1);

    rank_frames(arena, p, &r);
    struct path *paths = sorted_paths(arena, p, &r, &n);

    add_node(arena, &t, (struct out_node){0});
    for (uint32_t i = 0; i < n; i++) {
        const struct path *path = &paths[i];
        uint32_t same = i ? common(path, path - 1) : 0;

        for (uint32_t d = same; d < path->depth; d++)
            open[d + 1] =
                add_node(arena, &t,
                         (struct out_node){
                             .frame = r.frames[path->ranks[d]], .parent = open[d], .depth = d + 1});
        for (uint32_t d = 0; d <= path->depth; d++)
            t.nodes[open[d]].count[path->profile] += path->count;
        t.nodes[open[path->depth]].self[path->profile] += path->count;
    }
    place(&t);
    return t;
}
