/*
 * tree: the stacks of one profile, or of two, merged from the outermost frame on: what a flame
 * graph shows.
 */
#ifndef OUT_TREE_H
#define OUT_TREE_H

#include "out/out.h"

struct out_node {
    const struct out_frame *frame; /* NULL: the root, all samples */
    uint32_t parent;               /* index; the root is its own */
    uint32_t depth;                /* the root: 0 */
    uint64_t count[2];             /* samples in it and in what it called, by profile */
    uint64_t self[2];              /* in itself alone */
    double start, width;           /* shares of the whole: of one profile, or the mean of two */
};

struct out_tree {
    struct out_node *nodes; /* a node comes after its parent; siblings by name */
    uint32_t n;
    uint32_t depth;    /* of the deepest node */
    uint32_t left_out; /* too small, with what they called */
    uint64_t total[2]; /* samples */
    uint64_t self[2][OUT_KINDS]; /* of them by kind of the innermost frame */
};

/* B: NULL for the tree of A alone. Nodes of a width below SMALLEST are left out, and take no
 * memory. Owned by ARENA. */
struct out_tree out_tree_make(struct arena *arena, const struct out_profile *a,
                              const struct out_profile *b, double smallest);

#endif
