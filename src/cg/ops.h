/*
 * ops: the table of operations: who writes the code of which.
 */
#ifndef CG_OPS_H
#define CG_OPS_H

#include "cg/emit.h"

struct cg_op {
    cg_emit_fn *kernel, *user; /* NULL: body.c writes it (terminators), or only the other can */
};
extern const struct cg_op cg_ops[IR_OP_COUNT];

#endif
