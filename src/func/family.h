/*
 * family: what func/table.c needs of each family's file: its rows.
 */
#ifndef FUNC_FAMILY_H
#define FUNC_FAMILY_H

#include "func/func.h"

struct func_family {
    const struct intrinsic *rows;
    uint32_t n;
};

extern const struct func_family func_context, func_memory, func_string, func_symbol, func_control;

#endif
