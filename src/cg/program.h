/*
 * program: whole programs, one per handler or rest. All return false after reporting.
 */
#ifndef CG_PROGRAM_H
#define CG_PROGRAM_H

#include "cg/unit.h"

/* Adds a function to the object, and a loop callback where the handler's loops need one. */
bool cg_kernel_program(struct cg *c, uint32_t probe);
/* Appends the handler's code to the unit's user code; shows it on the unit's dump. */
bool cg_user_program(struct cg *c, uint32_t probe);
/* Likewise the code of c->rests[REST], of PROBE's handler. */
bool cg_user_rest(struct cg *c, uint32_t probe, uint32_t rest);

#endif
