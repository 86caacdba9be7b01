/*
 * lib: what the files of the run-time library share (lib.c, lib_str.c, lib_fmt.c).
 */
#ifndef CG_LIB_H
#define CG_LIB_H

#include "cg/gen.h"

struct cg_lib_fn { /* one subprogram being written; r6 is the frame */
    struct cg *c;
    enum cg_lib lib;
    struct cg_asm s;
    bool may_goto;
    uint32_t l_bad; /* leaves with r0 = 0: what the verifier wants checked but never happens */
};

/* enum bpf_func_id, include/uapi/linux/bpf.h */
enum {
    HELPER_GET_PID_TGID = 14,
    HELPER_GET_COMM = 16,
    HELPER_READ_USER = 112,
    HELPER_READ_KERNEL = 113,
    HELPER_READ_USER_STR = 114,
    HELPER_READ_KERNEL_STR = 115,
    HELPER_GET_NS_PID_TGID = 120,
    HELPER_RINGBUF_OUTPUT = 130,
    HELPER_SNPRINTF = 165,
};

#define LIB_FRAME(field) ((int)offsetof(struct ngs_frame, field))
#define LIB_BYTES        ((int)offsetof(struct ngs_str, bytes))

void cg_lib_enter(struct cg_lib_fn *f); /* r6 = frame */
void cg_lib_leave(struct cg_lib_fn *f, int32_t result);
void cg_lib_fault(struct cg_lib_fn *f, int addr);
void cg_lib_count(struct cg_lib_fn *f, uint32_t field, int tmp1, int tmp2);
void cg_lib_call(struct cg_lib_fn *f, enum cg_lib lib);
void cg_lib_resolve(struct cg_lib_fn *f, int dst, int handle, int frame, int tmp, bool writable);
/* Copies r3 bytes (at most MAXSTRINGLEN in the verifier's eyes) from r8 to r1, exactly; goes to
 * DONE. Clobbers r0-r5, r8. */
void cg_lib_copy_bytes(struct cg_lib_fn *f, uint32_t done);
/* Appends r3 bytes at r8 to the string at r7, whose length is r2; what does not fit is cut and
 * counted. */
void cg_lib_append_bytes(struct cg_lib_fn *f, uint32_t done);

/* A thread's name at [r10 + OFF]: control characters become '?'. Clobbers r3. */
void cg_lib_clean_comm(struct cg_lib_fn *f, int off);

void cg_lib_append(struct cg_lib_fn *f);
void cg_lib_copy(struct cg_lib_fn *f);
void cg_lib_read_str(struct cg_lib_fn *f);
void cg_lib_kread_str(struct cg_lib_fn *f);
void cg_lib_read_name(struct cg_lib_fn *f);
void cg_lib_line(struct cg_lib_fn *f);
void cg_lib_line_part(struct cg_lib_fn *f);
void cg_lib_shared_get(struct cg_lib_fn *f);
void cg_lib_shared_set(struct cg_lib_fn *f);
void cg_lib_shared_append(struct cg_lib_fn *f);
void cg_lib_hash(struct cg_lib_fn *f);
void cg_lib_hash_part(struct cg_lib_fn *f);
void cg_lib_eq(struct cg_lib_fn *f);
void cg_lib_cmp(struct cg_lib_fn *f);
void cg_lib_fill(struct cg_lib_fn *f);
void cg_lib_digits(struct cg_lib_fn *f);
void cg_lib_mark(struct cg_lib_fn *f);
void cg_lib_dec(struct cg_lib_fn *f);
void cg_lib_format(struct cg_lib_fn *f);
void cg_lib_format_str(struct cg_lib_fn *f);
void cg_lib_error_text(struct cg_lib_fn *f);

#endif
