/*
 * abi_args: where the calling convention puts a function's arguments.
 */
#ifndef DEBUG_ABI_ARGS_H
#define DEBUG_ABI_ARGS_H

#include "debug/dwarf_priv.h"

enum { ABI_OPS_MAX = 4 };

/*
 * The location of parameter NAME of FUNCTION at its first instruction: the number of operations, 0
 * when it is not known; *WHY then says why, if that helps (arena).
 */
uint32_t abi_argument(struct dbg *m, Dwarf_Die *function, const char *name,
                      struct dbg_op ops[ABI_OPS_MAX], const char **why);

#endif
