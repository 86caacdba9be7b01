/*
 * syscall: the system call that a handler is at.
 */
#ifndef CG_SYSCALL_H
#define CG_SYSCALL_H

#include "cg/gen.h"

/* Is the handler at system calls, and does I need what cg_syscall_begin() leaves in the frame? */
bool cg_asks_call(const struct cg_gen *g, const struct ir_ins *i);
/*
 * Puts the program's registers, the call's number, its convention and its arguments into words of
 * the frame (CG_WORD_REGS, CG_WORD_CALL). Enters: r6 and r9; changes r0 to r5.
 */
void cg_syscall_begin(struct cg_gen *g);
/* Where in the frame that fact (enum ngs_call_fact) is then. */
int cg_call_word(const struct cg_gen *g, uint32_t fact);
/* r0 = the index in OBJ_PLACES of the place that is for the call, as far as the verifier does not
 * look; changes r1 to r3. */
void cg_syscall_place(struct cg_gen *g);

#endif
