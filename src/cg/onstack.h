/*
 * onstack: handlers so small that their frame is a part of BPF's stack: no element of the map of
 * frames is claimed for a hit, and no hit is skipped for want of one.
 */
#ifndef CG_ONSTACK_H
#define CG_ONSTACK_H

#include "cg/gen.h"

/* May the handler of g->graph try? Sets g->on_stack, and g->unlimited when it cannot run out of
 * MAXACTION. */
void cg_choose_stack(struct cg_gen *g);
/* Moves what the finished code has in the frame to the stack; false: it does not fit, and the code
 * must be written again with a frame. Before labels are resolved. */
bool cg_move_to_stack(struct cg_gen *g);

#endif
