/*
 * graph: the blocks of one handler and of every function that it calls, as one graph. A node is a
 * block, or one of the two ways out of a function: returned, or returned with an error. Read by
 * who writes code (cold.h, body.h); only graph.c changes it, but for what is said here.
 *
 * A call stores the call's id in the callee's ret_off and jumps; a return dispatches on that id.
 */
#ifndef CG_GRAPH_H
#define CG_GRAPH_H

#include "cg/gen.h"

struct cg_node {
    uint32_t func, block;
    uint32_t label;
    uint32_t pc; /* id for the dispatch of a loop callback; 0: none (the entry is 1) */
    bool reached;
    bool head;            /* an edge goes back to it: starts with a may_goto */
    bool prints, prints_after; /* it, or what may follow it; what may follow it alone */
    bool wanted, written; /* something jumps there; its code stands: set by who writes code */
};

struct cg_call_site {
    uint32_t callee, id; /* id counts per callee */
    uint32_t to, onerr;  /* nodes */
    uint32_t from;
};

struct cg_graph {
    struct cg_node *nodes; /* blocks, then the ways out by index of the function in func_ids */
    uint32_t n_nodes, n_block_nodes;
    uint32_t *func_ids; /* of the handler and what it calls, by cg->func_index */
    struct cg_call_site *sites;
    uint32_t n_sites;
    uint32_t (*backs)[2]; /* edges that need more than a jump: from, to */
    uint32_t n_backs;
    uint32_t *order; /* nodes in order of emission */
    uint32_t n_order;
    uint32_t n_pcs;
    uint32_t node, next; /* being written, and the one behind it: set by who writes code */
    bool in_callback;    /* the handler's code is a loop callback */
    bool reads;          /* the handler may read user memory: the cache must be cleared */
    bool walks;          /* it walks the program's stack */
    bool walks_kernel;   /* ... the kernel's */
    bool stacks;         /* it makes stacks to be kept */
    bool modules;        /* it asks where modules lie in memory */
    bool calls;          /* it asks about the system call */
    bool sends;          /* it prints, or goes on in user space */
};

/* Makes g->graph of g->func: nodes, call sites, order, back edges by g->loops. */
void cg_graph_make(struct cg_gen *g);

uint32_t cg_block_node(const struct cg_gen *g, uint32_t func, uint32_t block);
uint32_t cg_return_node(const struct cg_gen *g, uint32_t func, bool error);
/* Of a way out: the function, and whether with an error. */
uint32_t cg_return_func(const struct cg_gen *g, uint32_t node, bool *error);
struct ir_block *cg_node_block(const struct cg_gen *g, uint32_t node);
/* May the handler print, or go on in user space, after instruction I of the node being written? */
bool cg_prints_after(const struct cg_gen *g, const struct ir_ins *i);
/* Does this edge go back, by other means than a jump? */
bool cg_goes_back(const struct cg_gen *g, uint32_t from, uint32_t to);

#endif
