/*
 * body: the code of a handler between its prologue and its ends.
 */
#ifndef CG_BODY_H
#define CG_BODY_H

#include "cg/gen.h"

/* Writes all blocks that something jumps to, and the cold blocks; g->graph is made by then. */
void cg_write_body(struct cg_gen *g);
/* In a loop callback, before the body: jumps to the node whose id is frame->pc. */
void cg_dispatch(struct cg_gen *g);

#endif
