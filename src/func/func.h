/*
 * func: the built-in functions that the script language cannot say itself. One file per family,
 * one row per function in that family's table, one line per family in func/table.c.
 *
 * sema checks a call against the signature; lower calls LOWER to emit it.
 */
#ifndef FUNC_FUNC_H
#define FUNC_FUNC_H

#include <stdbool.h>
#include <stdint.h>

#include "ir/ir.h"
#include "syntax/ast.h"

enum intrinsic_flags {
    INTRIN_PURE = 1,      /* no effect: an unused call may go */
    INTRIN_USER_ONLY = 2, /* needs user space: a handler in the kernel goes on there */
    INTRIN_USER_REGS = 4, /* needs the registers of a user-space context */
    INTRIN_SPLITS = 8,    /* goes on in another block, so that no temporary outlives the call */
    INTRIN_READS = 16,    /* reads memory: INTRIN_SPLITS, too, where what cannot be read is 0 */
    INTRIN_GURU = 128,    /* in guru mode only, and in the tapset */
    INTRIN_MATCHED = 64,  /* of the body's last =~: b and c of the call name its text and pattern */
    INTRIN_KERNEL = 32,   /* reads kernel memory: not where the handler runs in user space */
    INTRIN_STACK = 256,   /* walks the kernel's stack, from its registers if there are any */
    INTRIN_NAMES = 512,   /* its result is an address's name, in the kernel a mark (base/abi.h) */
    INTRIN_AS_IS = 1024,  /* takes texts with marks in them */
};

enum { INTRIN_MAX_ARGS = 6 };

struct intrinsic {
    const char *name;
    enum value_type result;
    uint8_t n_args, min_args; /* min_args < n_args: the rest may be left out */
    enum value_type args[INTRIN_MAX_ARGS];
    uint32_t flags;
    /*
     * Emits the call at the cursor; ARGS are lowered already, N of them. A long result is put into
     * *RESULT; a string result is appended to *RESULT, a string slot that the caller chose. Returns
     * false after reporting at CALL->op_at.
     */
    bool (*lower)(struct ir_cursor *c, const struct intrinsic *self, const struct expr *call,
                  const struct ir_val *args, uint32_t n, struct ir_val *result);
    int64_t arg; /* for rows that share a lower function */
};

/* The built-in of that name taking N arguments, or NULL; N < 0: any number. */
const struct intrinsic *func_find(const char *name, int n);

/* Calls FN for each row: near-name hints, docs/reference.md (tests/unit/reference.c). */
void func_each(void (*fn)(const struct intrinsic *f, void *arg), void *arg);

#endif
