/*
 * What the files that implement helpers (base/abi.h, NGS_HELPERS) share. A helper takes its
 * arguments as the code of a handler put them into r1 to r5, none of them trusted, and returns r0.
 */
#ifndef RUN_HELPERS_H
#define RUN_HELPERS_H

#include "run/state.h"

typedef uint64_t (*run_helper_fn)(struct run *r, const uint64_t *args);

/* By number; NULL where another file has the helper. */
extern const run_helper_fn run_array_helpers[NGS_HELPER_COUNT];

/* Ends the program, as cg never makes such code: WHY is the message. Returns 0. */
uint64_t run_bad(struct run *r, const char *why);

/* Adds 1 to a counter that kernel handlers add to as well. */
void run_count(uint64_t *counter);

/* As vm_at, for what is no mere bytes: cg aligns all of that to 8. NULL: run_bad was called. */
void *run_at8(struct run *r, uint64_t addr, uint64_t size, bool write);

#endif
