/*
 * lib: what the makers of the library's functions share. See library.h for what a function may do.
 */
#ifndef CG_LIB_H
#define CG_LIB_H

#include "cg/asm.h"
#include "cg/rodata.h"

struct cg_lib_fn { /* one subprogram being written; r6 is the frame */
    struct cg *c;
    enum cg_lib lib;
    struct cg_asm s;
    bool may_goto;
    uint32_t l_bad; /* leaves with r0 = 0: what the verifier wants checked but never happens */
};

#define LIB_FRAME(field) ((int)offsetof(struct ngs_frame, field))
#define LIB_BYTES        ((int)offsetof(struct ngs_str, bytes))

void cg_lib_enter(struct cg_lib_fn *f); /* r6 = frame */
void cg_lib_leave(struct cg_lib_fn *f, int32_t result);
/* Leaves with 1 and the error in the frame: the address in register ADDR cannot be read. */
void cg_lib_fault(struct cg_lib_fn *f, int addr);
/* Adds 1 to the control map's word at FIELD. Spoils TMP1, TMP2. */
void cg_lib_count(struct cg_lib_fn *f, uint32_t field, int tmp1, int tmp2);
/* Calls LIB, which stands below F's function in CG_LIBS; arguments are in r2... */
void cg_lib_call(struct cg_lib_fn *f, enum cg_lib lib);
/*
 * Register DST = address of the string whose handle is in register HANDLE; FRAME: the register that
 * holds the frame. WRITABLE: it lies in the frame, else where calls said (cg_lib_source). Spoils
 * TMP; leaves by l_bad when there is no such place.
 */
void cg_lib_resolve(struct cg_lib_fn *f, int dst, int handle, int frame, int tmp, bool writable);
/* r9 = 0; with may_goto so that the verifier does not know it: then one turn of the loop stands for
 * all. r6 is the frame. */
void cg_lib_counter(struct cg_lib_fn *f);
/* WORD = its lowest N bytes (a register, 1 to 7). */
void cg_lib_mask_word(struct cg_asm *s, int word, int n, int tmp);
/* Copies r3 bytes (at most MAXSTRINGLEN in the verifier's eyes) from r8 to r1, exactly; goes to
 * DONE. Clobbers r0-r5, r8. */
void cg_lib_copy_bytes(struct cg_lib_fn *f, uint32_t done);
/* Appends r3 bytes at r8 to the string at r7, whose length is r2; what does not fit is cut and
 * counted. */
void cg_lib_append_bytes(struct cg_lib_fn *f, uint32_t done);

/* A thread's name, 16 bytes at [r10 + OFF] with NULs behind it: control characters become '?'; r0 =
 * its length. Clobbers r1-r5. */
void cg_lib_clean_comm(struct cg_lib_fn *f, int off);

/* The makers: each writes the function of its row (library.h). */
#define CG_LIB_DECLARE(id, name, n_args, reads) void cg_lib_##name(struct cg_lib_fn *f);
CG_LIBS(CG_LIB_DECLARE)
#undef CG_LIB_DECLARE

#endif
