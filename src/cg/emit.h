/*
 * emit: the emitters: each writes the code of one IR instruction at the end of the program. They
 * are grouped by family, a file each; the table in ops.c says which serves which operation. Those
 * whose code differs are cg_k_OP for the kernel and cg_u_OP for user space.
 *
 * What a failed operation leaves in its string slot: SREAD what it held (in user space with the
 * pages before the fault appended); GSGET and MGETS bytes that may be of several values. A length
 * is never above MAXSTRINGLEN. So who catches the error must not read the slot, or set it first.
 */
#ifndef CG_EMIT_H
#define CG_EMIT_H

#include "cg/alloc.h"
#include "cg/cold.h"
#include "cg/gen.h"
#include "cg/rodata.h"

typedef void cg_emit_fn(struct cg_gen *g, const struct ir_ins *i);

/* arith.c: integers */
cg_emit_fn cg_emit_const, cg_emit_modaddr, cg_emit_alu, cg_emit_div, cg_emit_extend, cg_emit_set;
/* The low BYTES (1, 2, 4; 8: nothing) of REG, extended. */
void cg_extend(struct cg_gen *g, int reg, int64_t bytes, bool is_signed);

/* variables.c: slots, globals, the budget */
cg_emit_fn cg_emit_load, cg_emit_store, cg_emit_gload, cg_emit_gstore, cg_emit_gadd, cg_emit_gclear,
    cg_emit_budget;

/* read.c: memory, in the kernel */
cg_emit_fn cg_k_read;
/* context.c: facts of the moment, in the kernel */
cg_emit_fn cg_k_context, cg_k_scontext;
/* walk.c: stacks, in the kernel; false: that CONTEXT is about something else */
bool cg_walk(struct cg_gen *g, const struct ir_ins *i);
/* FCALL NGS_U_STACK_TEXT */
cg_emit_fn cg_stack_text;
/* str.c: strings, in the kernel; the length in user space, too */
cg_emit_fn cg_k_sread, cg_k_sset, cg_k_scat, cg_k_sfmt, cg_k_sfmts, cg_k_smark, cg_k_serror,
    cg_k_slen, cg_k_seq, cg_k_scmp, cg_k_gsget, cg_k_gsset, cg_k_gscat, cg_k_fcall;
/* map.c: arrays and aggregates, in the kernel */
cg_emit_fn cg_k_mget, cg_k_mgets, cg_k_mhas, cg_k_mset, cg_k_msets, cg_k_madd, cg_k_mdel,
    cg_k_mstat, cg_k_mstatget, cg_k_gstat, cg_k_gstatget;
/* record.c: output, the session's end, errors, what goes on in user space, in the kernel */
cg_emit_fn cg_k_print, cg_k_warn, cg_k_exit, cg_k_pause, cg_k_raise, cg_k_handover;
/* stack.c: activations of recursive functions */
cg_emit_fn cg_push_pop;

/* user.c: user space */
cg_emit_fn cg_u_read, cg_u_sread, cg_u_context, cg_u_scontext, cg_u_sset, cg_u_scat, cg_u_sfmt,
    cg_u_sfmts, cg_u_smark, cg_u_serror, cg_u_seq, cg_u_scmp, cg_u_gsget, cg_u_gsset, cg_u_gscat,
    cg_u_mget, cg_u_mgets, cg_u_mhas, cg_u_mset, cg_u_msets, cg_u_madd, cg_u_mdel, cg_u_mstat,
    cg_u_mstatget, cg_u_mtake, cg_u_mclear, cg_u_gstat, cg_u_gstatget, cg_u_gbucket, cg_u_mbucket,
    cg_u_febegin, cg_u_fenext, cg_u_feend, cg_u_hist, cg_u_print, cg_u_warn, cg_u_exit, cg_u_ucall,
    cg_u_fcall, cg_u_raise;
/* Where an error ends a handler in the kernel: the session goes on, if this hit has paused it. */
void cg_k_resume(struct cg_gen *g);
/* The error that nothing caught, as a record: belongs to no instruction. */
void cg_u_report(struct cg_gen *g);

#endif
