/*
 * What the files that implement helpers (base/abi.h, NGS_HELPERS) share. A helper takes its
 * arguments as the code of a handler put them into r1 to r5, none of them trusted, and returns r0.
 * Helpers are static functions, rows of the tables of helpers.c and arrays.c.
 */
#ifndef RUN_HELPERS_H
#define RUN_HELPERS_H

#include "run/state.h"

typedef uint64_t (*run_helper_fn)(struct run *r, const uint64_t *args);

/* ---- operands.c ---- */

struct ngs_frame *run_frame(struct run *r);
/* The handler's error: into its frame. Returns -1, as abi.h has it. */
uint64_t run_fail(struct run *r, enum ngs_error error, uint64_t arg);
/* Ends the program, as cg never makes such code: WHY is the message. Returns 0. */
uint64_t run_bad(struct run *r, const char *why);

/* As vm_at, for what is no mere bytes: cg aligns all of that to 8. NULL: run_bad was called. */
void *run_at8(struct run *r, uint64_t addr, uint64_t size, bool write);
/* A string that is read; false, and *OUT empty: run_bad was called. */
bool run_str(struct run *r, uint64_t addr, struct str *out);
/* A string that is written, of MAXSTRINGLEN; NULL: run_bad was called. */
struct ngs_str *run_dst(struct run *r, uint64_t addr);
/* Sets or appends up to a NUL, as strings are C's; what is cut is counted. */
void run_put(struct run *r, struct ngs_str *dst, const char *p, size_t n);
void run_append(struct run *r, struct ngs_str *dst, const char *p, size_t n);

/* ---- arrays.c ---- */

/* By number; NULL where helpers.c has the helper. */
extern const run_helper_fn run_array_helpers[NGS_HELPER_COUNT];

/* ---- ucall.c ---- */

/* Function CALL of enum ngs_ucall with N words; DST: where a string goes. */
uint64_t run_ucall(struct run *r, uint32_t call, const uint64_t *args, uint32_t n, uint64_t dst);

/* ---- helpers.c ---- */

/* struct vm's helper, for a vm whose ctx is a struct run. */
uint64_t run_helper(struct vm *vm, uint32_t number, const uint64_t args[5]);

#endif
