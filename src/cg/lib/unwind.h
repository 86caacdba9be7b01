/*
 * unwind: what the files share that walk a program's stack: the frame's words (enum cg_unwind), and
 * reads of the program's memory.
 */
#ifndef CG_LIB_UNWIND_H
#define CG_LIB_UNWIND_H

#include <stddef.h>

#include "cg/lib/lib.h"

/* A member of the mapping at hand (CG_UNWIND_RANGE). */
#define RANGE(field) ((int)offsetof(struct ngs_range, field))

static inline int word(const struct cg_lib_fn *f, int which)
{
    return cg_unwind_word(f->c->u, which);
}

static inline int range(const struct cg_lib_fn *f, int field)
{
    return word(f, CG_UNWIND_RANGE) + field;
}

/* Reads the r2 bytes at ADDR + OFF of the program into the frame's AT; goes to BAD. ADDR is any
 * other register but r1. */
void cg_lib_read_user(struct cg_lib_fn *f, int at, int addr, int off, uint32_t bad);
/* The frame's word WHICH = what lies there. */
void cg_lib_read_word(struct cg_lib_fn *f, int which, int addr, int off, uint32_t bad);

#endif
