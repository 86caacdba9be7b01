/*
 * library: the run-time library of kernel programs, as those see it that call it: global
 * subprograms that the verifier checks once each, however often they are called. A function is a
 * row here and its maker, cg_lib_NAME() in a file beside this one.
 *
 * Contract: r1 is the frame (null in the verifier's eyes until it is compared), r2... hold the
 * arguments; r0 is the result; r1-r5 are lost, r6-r9 stay. Strings are handles (rodata.h). What a
 * function that fails leaves in its string: emit.h.
 */
#ifndef CG_LIB_LIBRARY_H
#define CG_LIB_LIBRARY_H

#include <stdbool.h>
#include <stdint.h>

struct cg;
struct cg_asm;

/* Whose frames STACK adds. */
enum cg_stack_of { CG_STACK_PROGRAM, CG_STACK_KERNEL, CG_STACK_TEXT };

/* Arguments that are strings which a function reads. */
enum { CG_IN_R2 = 1 << 2, CG_IN_R3 = 1 << 3, CG_IN_R4 = 1 << 4, CG_IN_R5 = 1 << 5 };

/*
 * ID; name: "ngs_NAME" in the object; arguments, the frame included; which of them are strings that
 * it reads. A function stands above those that it calls, since they are made in this order, and
 * where a function's strings lie must be known when it is made: calls by cg_do_lib() tell it,
 * others tell cg_lib_source(). (TARGET may stand below PID, which reads no string and is always
 * used.)
 */
#define CG_LIBS(X)                                                                                 \
    /* (probe, evenly) ns of now; 0: the hit is left out. Then (probe, that) */                    \
    X(SPEND_BEGIN, spend_begin, 3, 0)                                                              \
    X(SPEND_END, spend_end, 3, 0)                                                                  \
    /* (error, its argument, its place, probe) as a record, of a handler without a frame */        \
    X(REPORT_OF, report_of, 5, 0)                                                                  \
    /* (cfa) goes on at the caller of a frame that ends there: how many frames */                  \
    X(UNWIND_ON, unwind_on, 2, 0)                                                                  \
    /* () adds frames (enum cg_unwind), that of the registers at hand first: how many there are */ \
    X(UNWIND, unwind, 1, 0)                                                                        \
    /* (enum cg_stack_of, from, to) adds them to the stack at hand */                              \
    X(STACK, stack, 4, 0)                                                                          \
    X(UNWIND_PLACE, unwind_place, 2, 0)    /* (address) as NGS_PLACE, if a file is there */        \
    /* () 1: the caller of Lua's code, which has no rows, is at hand; 0: it is none */             \
    X(UNWIND_BRIDGE, unwind_bridge, 1, 0)                                                          \
    X(UNWIND_STATE, unwind_state, 4, 0)    /* (cframe, state, layout) likewise */                  \
    /* () 1: the caller's address was replaced, and is as it was; 0: it was not */                \
    X(UNWIND_RETURN, unwind_return, 1, 0)                                                          \
    X(UNWIND_RETURNS, unwind_returns, 1, 0) /* () likewise, by some; 2: by others, perhaps */      \
    X(UNWIND_STEPPED, unwind_stepped, 1, 0) /* () likewise, of the program's own address */        \
    /* () adds some: 1: their caller's registers are at hand; 0: it is all; 2: no row there */     \
    X(UNWIND_STEPS, unwind_steps, 1, 0)                                                            \
    X(UNWIND_HELD, unwind_held, 2, 0)      /* (word in pt_regs) what it was there; 0: not known */ \
    X(UNWIND_ROW, unwind_row, 2, 0)        /* (file's address) the rule there; 0: none */          \
    X(UNWIND_RANGE, unwind_range, 2, 0)    /* (ip) 1: the frame's range is its; 0: none is */      \
    X(REPORT, report, 2, 0)                /* (probe) the frame's error, as a record */            \
    X(ERROR_TEXT, error_text, 2, 0)        /* (dst) message of the frame's error; clears it */     \
    X(KFUNC, kfunc, 3, 0)                  /* (dst, addr) kernel function's name */                \
    X(DEC, dec, 3, 0)                      /* (dst, value) appends %d */                           \
    X(FORMAT, format, 4, 0)                /* (dst, value, spec) */                                \
    X(FORMAT_STR, format_str, 4, CG_IN_R3) /* (dst, src, spec) */                                  \
    /* (size, kind | format << 16, probe, 0 or NGS_REC_MORE) */                                    \
    X(SEND, send, 5, 0)                                                                            \
    X(SEND_END, send_end, 2, 0)            /* (probe) where records are kept */                    \
    X(SEND_REST, send_rest, 4, 0)          /* (size, kind | rest << 16, probe) 0, or 1: lost */    \
    /* (global's offset, src) 0, or 1 and the frame's error */                                     \
    X(SHARED_APPEND, shared_append, 3, CG_IN_R3)                                                   \
    X(PID, pid, 1, 0)       /* () tgid << 32 | tid, in our pid namespace */                        \
    X(TARGET, target, 1, 0) /* () the process named, at hand or first */                           \
    /* (addr, size) 0: private_[0] is the value; 1: the frame's error is set */                    \
    X(MISS, read_miss, 3, 0)                                                                       \
    X(KREAD, read_kernel, 3, 0)    /* likewise */                                                  \
    X(WRITE, write, 4, 0)          /* (addr, size, value) 0, or 1 and the frame's error */         \
    X(WRITE_STR, write_str, 4, CG_IN_R3) /* (addr, string, most) likewise */                       \
    X(REPLACE, replace, 5, CG_IN_R3 | CG_IN_R4 | CG_IN_R5) /* (dst, src, from, to) sets dst */     \
    X(LOWER, lower, 3, CG_IN_R3)           /* (dst, src) sets dst */                               \
    X(UPPER, upper, 3, CG_IN_R3)           /* likewise */                                          \
    /* (string, part, start) where PART is from START on, or -1 */                                 \
    X(FIND, find, 4, CG_IN_R2 | CG_IN_R3)                                                          \
    /* likewise, how many places of LIB_SOME it is not at; -1: nowhere */                          \
    X(FIND_SOME, find_some, 4, CG_IN_R2 | CG_IN_R3)                                                \
    X(MATCH, match, 4, CG_IN_R2 | CG_IN_R3) /* (string, part, where) is PART there? 1 or 0 */      \
    X(PART, part, 5, CG_IN_R3)             /* (dst, src, start, n) appends at most N bytes */      \
    X(SUBSTR, substr, 5, CG_IN_R3)         /* likewise, but sets dst */                            \
    /* (string, set, start, others) how many bytes from START on are in SET; OTHERS: are not */    \
    X(SPAN, span, 5, CG_IN_R2 | CG_IN_R3)                                                          \
    X(SPAN_SOME, span_some, 5, CG_IN_R2 | CG_IN_R3) /* likewise, of LIB_SOME bytes */              \
    X(IN_SET, in_set, 3, CG_IN_R2)         /* (set, byte) 1 or 0 */                                \
    X(PLAIN, plain, 3, CG_IN_R2)           /* (string, start) how many need no escape */           \
    X(PLAIN_SOME, plain_some, 3, CG_IN_R2) /* likewise, of LIB_SOME bytes */                       \
    X(NUMBER, number, 3, CG_IN_R2)         /* (string, base) */                                    \
    X(REGEX, regex, 3, CG_IN_R2)           /* (string, table) 1 or 0 */                            \
    /* (string, table, start, state) the state that the next LIB_SOME bytes lead to */             \
    X(REGEX_SOME, regex_some, 5, CG_IN_R2)                                                         \
    X(BYTE, byte, 3, CG_IN_R2)             /* (string, where) as a char; 256: past the end */      \
    X(APPEND, append, 3, CG_IN_R3) /* (dst, src) string handles */                                 \
    X(COPY, copy, 3, CG_IN_R3)     /* (dst, src) */                                                \
    X(READ_STR, read_str, 4, 0)    /* (dst, addr, max) 0, or 1 and the frame's error */            \
    X(KREAD_STR, read_kstr, 4, 0)  /* likewise */                                                  \
    X(READ_NAME, read_name, 4, 0)  /* likewise; control characters become '?' */                   \
    X(LINE, line, 3, 0)            /* (offset of text in the frame, bytes) likewise */             \
    X(LINE_PART, line_part, 3, 0)  /* likewise, the first 128 bytes */                             \
    X(FILL, fill, 4, 0)            /* (dst, char, n) appends N times CHAR */                       \
    /* (dst, global's offset) 0, or 1 and the frame's error */                                     \
    X(SHARED_GET, shared_get, 3, 0)                                                                \
    /* (global's offset, src, only if ticket private_[1] is still shown) 1: it is not */           \
    X(SHARED_SET, shared_set, 4, CG_IN_R3)                                                         \
    X(DIGITS, digits, 3, 0)              /* (dst, n) appends the last N bytes of private_[2..7] */ \
    X(MARK, mark, 4, 0)                  /* (dst, kind, addr) */                                   \
    X(STACK_NUMBER, stack_number, 2, CG_IN_R2) /* (string) of the stack that it is; 0: none */     \
    X(EQ, eq, 3, CG_IN_R2 | CG_IN_R3)    /* (a, b) 1 or 0 */                                       \
    X(CMP, cmp, 3, CG_IN_R2 | CG_IN_R3)  /* (a, b) -1, 0, 1 */                                     \
    X(HASH, hash, 3, CG_IN_R3)           /* (offset of 16 bytes in the frame, string) */           \
    X(HASH_PART, hash_part, 4, CG_IN_R3) /* (lanes' offset, string, where) takes 128 bytes in */   \
    X(BUCKET, bucket, 2, 0)              /* (value) bucket of a logarithmic histogram */           \
    X(LINEAR, linear, 5, 0)              /* (value, start, interval, buckets) */                   \
    X(OUT_STR, out_str, 3, CG_IN_R3)     /* (pos, string) stores it in the record; new pos */      \
    X(EXECNAME, execname, 2, 0)          /* (dst) */

enum cg_lib {
#define CG_LIB_ENUM(id, name, n_args, reads) CG_LIB_##id,
    CG_LIBS(CG_LIB_ENUM)
#undef CG_LIB_ENUM
        CG_LIB_COUNT
};

/* Emits: r9 = a frame of this CPU that nobody uses, else to NONE. Clobbers r0-r5, [r10 - 8]. */
void cg_claim(const struct cg *c, struct cg_asm *s, uint32_t none);
/* Calls LIB, whose arguments are in r1...: the object will have it. */
void cg_call_lib(struct cg *c, struct cg_asm *s, enum cg_lib lib);
/* LIB is to read the string that HANDLE names; to be told before LIB is made. */
void cg_lib_source(struct cg *c, enum cg_lib lib, uint32_t handle);
const char *cg_lib_name(enum cg_lib lib);
uint32_t cg_lib_args(enum cg_lib lib);  /* the frame included */
uint32_t cg_lib_reads(enum cg_lib lib); /* a bit for each register that holds such a string */

/* Makes every function that is used; false after reporting. */
bool cg_make_lib(struct cg *c);

#endif
