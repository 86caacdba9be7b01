/*
 * cold: jumps between blocks, and code off the common path, written behind the handler's so that
 * the common path is straight: failures, reads that miss, calls of the library, back edges.
 *
 * A label is bound once, by the file that writes the code it names: nodes' by body.c, cold blocks'
 * by cold.c, the handler's ends by its program, all others by the emitter that made them. Only the
 * handler's ends may be made again: the program around a loop callback is another function, with
 * labels of its own.
 */
#ifndef CG_COLD_H
#define CG_COLD_H

#include "cg/alloc.h"

enum cg_cold_kind { CG_COLD_FAIL, CG_COLD_READ, CG_COLD_LIB, CG_COLD_BACK };

struct cg_cold {
    enum cg_cold_kind kind;
    uint32_t label, back; /* its own; where it goes on: bound by the emitter */
    struct span at;
    /* FAIL */
    enum ngs_error error; /* NGS_OK: it is in the frame already */
    int64_t arg;          /* error_arg */
    uint32_t loc;
    uint32_t to; /* label */
    /* READ, LIB */
    struct cg_save save[8];
    uint32_t n_save;
    int addr, dst; /* READ: registers */
    int32_t size;
    uint32_t fail; /* label */
    enum cg_lib lib;
    int32_t args[3];
    uint32_t n_args;
    /* BACK */
    uint32_t node;
};

/* Adds a cold block; returns its label. */
uint32_t cg_new_cold(struct cg_gen *g, struct cg_cold cold);
/* The label to jump to when I fails with ERROR (NGS_OK: the error is in the frame already). */
uint32_t cg_fail(struct cg_gen *g, const struct ir_ins *i, enum ngs_error error);
/* Writes all cold blocks; after every other code of the handler. */
void cg_write_cold(struct cg_gen *g);

/* The label of the edge from the node being written to node TO. */
uint32_t cg_edge(struct cg_gen *g, uint32_t to);
/* Goes to node TO; nothing is written when it is next and the edge is a plain jump. */
void cg_jump_edge(struct cg_gen *g, uint32_t to);
/* As cg_jump_edge, to a block of the function being written. */
void cg_jump_block(struct cg_gen *g, uint32_t block);
/* Is NODE written behind the one being written, so that no jump is needed? */
bool cg_is_next(const struct cg_gen *g, uint32_t node);

#endif
