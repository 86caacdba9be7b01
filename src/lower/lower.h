/*
 * lower: the checked tree -> IR. Every probe instance becomes a handler; script functions that a
 * handler reaches become functions of the unit. See docs/architecture.md for the rules.
 */
#ifndef LOWER_LOWER_H
#define LOWER_LOWER_H

#include "ir/ir.h"
#include "syntax/ast.h"

/* NULL after reporting (constructs that eBPF cannot run are named with their place). */
struct ir_unit *lower_program(struct compile *cx, const struct program *prog);

#endif
