/*
 * ir: the linear form between tree and BPF: functions of basic blocks over temporaries, frame
 * slots and string operands.
 *
 *   - A temporary is a 64-bit integer, assigned once, used only in the block that assigns it.
 *   - A slot is a place in the frame: a long, or a string of MAXSTRINGLEN. Script variables and all
 *     that lives across blocks are slots (why: docs/architecture.md, "Frame").
 *   - An instruction that can fail names the block to go to then (onerr); the error's kind,
 *     argument and place are in the frame by the time that block runs.
 *   - A call is a terminator: arguments were stored in the callee's parameter slots; after it
 *     control goes on at the block it names, and the result is in the callee's result slot.
 *
 * lower makes it, passes (a file each) change it, cg reads it. ir_verify checks the rules above.
 */
#ifndef IR_IR_H
#define IR_IR_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "base/abi.h"
#include "base/compile.h"

/*
 * op, text, flags; what it does. IRF_CALLS is a hint that code generators choose registers by, for
 * what is live across the instruction.
 */
#define IR_OPS(X)                                                                                 \
    /* integers: dst = a op b */                                                                  \
    X(CONST, "const", IRF_DST)              /* dst = imm */                                       \
    X(MODADDR, "modaddr", IRF_DST)          /* dst = imm (vaddr) + bias of module */              \
    X(ADD, "add", IRF_DST)                                                                        \
    X(SUB, "sub", IRF_DST)                                                                        \
    X(MUL, "mul", IRF_DST)                                                                        \
    X(DIV, "div", IRF_DST | IRF_FAILS)      /* signed; by 0 fails; INT64_MIN / -1 wraps */        \
    X(MOD, "mod", IRF_DST | IRF_FAILS)                                                            \
    X(AND, "and", IRF_DST)                                                                        \
    X(OR, "or", IRF_DST)                                                                          \
    X(XOR, "xor", IRF_DST)                                                                        \
    X(SHL, "shl", IRF_DST)                  /* count is masked to 0..63 */                        \
    X(SHR, "shr", IRF_DST)                  /* arithmetic */                                      \
    X(USHR, "ushr", IRF_DST)                                                                      \
    X(SEXT, "sext", IRF_DST)                /* sign-extend the low imm bytes of a */              \
    X(ZEXT, "zext", IRF_DST)                                                                      \
    X(SET, "set", IRF_DST)                  /* dst = a cond b ? 1 : 0 */                          \
    /* slots and globals */                                                                       \
    X(LOAD, "load", IRF_DST)                /* dst = slot */                                      \
    X(STORE, "store", 0)                    /* slot = a */                                        \
    X(GLOAD, "gload", IRF_DST)              /* dst = global */                                    \
    X(GSTORE, "gstore", 0)                  /* global = a */                                      \
    X(GADD, "gadd", IRF_DST)                /* atomically global += a; dst = the old value */     \
    X(GSTAT, "gstat", IRF_CALLS)            /* global <<< a */                                    \
    /* dst = stat_op (imm) of global */                                                           \
    X(GSTATGET, "gstatget", IRF_DST | IRF_FAILS | IRF_CALLS)                                      \
    X(GCLEAR, "gclear", 0)                  /* deletes a number or aggregate: 0 or empty */       \
    X(GSGET, "gsget", IRF_FAILS | IRF_SETS_STR | IRF_CALLS) /* str = global string */             \
    X(GSSET, "gsset", IRF_CALLS)            /* global string = s */                               \
    X(GSCAT, "gscat", IRF_FAILS | IRF_CALLS) /* global string .= s */                             \
    /* reading memory */                                                                          \
    /* dst = size bytes at a, is_signed, space; cached for user space */                          \
    X(READ, "read", IRF_DST | IRF_FAILS | IRF_USER_CALLS)                                         \
    /* appends to str the bytes at a, at most b, up to NUL; imm 1: into an empty str, control     \
     * characters as '?' */                                                                       \
    X(SREAD, "sread", IRF_FAILS | IRF_CALLS)                                                      \
    /* dst = enum ngs_ctx imm, argument a */                                                      \
    X(CONTEXT, "context", IRF_DST | IRF_FAILS | IRF_CALLS)                                        \
    /* strings: str is the destination operand */                                                 \
    X(SSET, "sset", IRF_SETS_STR | IRF_USER_CALLS) /* str = s */                                  \
    X(SCAT, "scat", IRF_USER_CALLS)         /* str .= s */                                        \
    X(SFMT, "sfmt", IRF_CALLS)              /* str .= a formatted by the spec b (NGS_SPEC) */     \
    X(SFMTS, "sfmts", IRF_CALLS)            /* str .= s formatted by the spec b */                \
    X(SMARK, "smark", IRF_CALLS)            /* str .= address marker of kind imm for a */         \
    X(SCONTEXT, "scontext", IRF_SETS_STR | IRF_CALLS) /* str = enum ngs_ctx imm */                \
    /* str = text of the error in the frame; clears it */                                         \
    X(SERROR, "serror", IRF_SETS_STR | IRF_CALLS)                                                 \
    X(SLEN, "slen", IRF_DST)                /* dst = length of s */                               \
    X(SEQ, "seq", IRF_DST | IRF_CALLS)      /* dst = s == s2 */                                   \
    X(SCMP, "scmp", IRF_DST | IRF_CALLS)    /* dst = <0, 0, >0 */                                 \
    /* script arrays: keys in args */                                                             \
    X(MGET, "mget", IRF_DST | IRF_MAP | IRF_CALLS) /* dst = map[keys], 0 when absent (longs) */   \
    /* str = map[keys], "" when absent */                                                         \
    X(MGETS, "mgets", IRF_FAILS | IRF_MAP | IRF_SETS_STR | IRF_CALLS)                             \
    X(MHAS, "mhas", IRF_DST | IRF_MAP | IRF_CALLS)                                                \
    X(MSET, "mset", IRF_FAILS | IRF_MAP | IRF_CALLS)   /* map[keys] = a */                        \
    X(MSETS, "msets", IRF_FAILS | IRF_MAP | IRF_CALLS) /* map[keys] = s */                        \
    /* atomically map[keys] += a; dst = the old value */                                          \
    X(MADD, "madd", IRF_DST | IRF_FAILS | IRF_MAP | IRF_CALLS)                                    \
    X(MSTAT, "mstat", IRF_FAILS | IRF_MAP | IRF_CALLS) /* map[keys] <<< a */                      \
    /* dst = stat_op (imm) of map[keys] */                                                        \
    X(MSTATGET, "mstatget", IRF_DST | IRF_FAILS | IRF_MAP | IRF_CALLS)                            \
    X(MDEL, "mdel", IRF_MAP | IRF_CALLS)                                                          \
    /* moves the array's elements to user space until this handler ends; imm 1: kernel handlers   \
     * also assign elements, and their value wins */                                              \
    X(MTAKE, "mtake", IRF_USER | IRF_MAP | IRF_USER_CALLS)                                        \
    X(MCLEAR, "mclear", IRF_USER | IRF_MAP | IRF_USER_CALLS) /* deletes the whole array */        \
    /* dst = iterator; imm: NGS_SORT; a: limit (-1: none) */                                      \
    X(FEBEGIN, "febegin", IRF_DST | IRF_FAILS | IRF_USER | IRF_MAP | IRF_USER_CALLS)              \
    /* dst = 1 and slots in args set (NONE: unwanted; last: the value), or 0; a: iterator */      \
    X(FENEXT, "fenext", IRF_DST | IRF_USER | IRF_USER_CALLS)                                      \
    X(FEEND, "feend", IRF_USER | IRF_USER_CALLS) /* a: iterator */                                \
    /* prints the histogram of global (map < 0) or map[keys]; into str when given */              \
    X(HIST, "hist", IRF_USER | IRF_FAILS | IRF_USER_CALLS)                                        \
    /* dst = count of bucket a of the histogram of global, or map[keys] */                        \
    X(GBUCKET, "gbucket", IRF_DST | IRF_FAILS | IRF_USER | IRF_USER_CALLS)                        \
    X(MBUCKET, "mbucket", IRF_DST | IRF_FAILS | IRF_USER | IRF_MAP | IRF_USER_CALLS)              \
    /* output and control of the session */                                                       \
    X(PRINT, "print", IRF_CALLS)            /* format fmt, args */                                \
    X(WARN, "warn", IRF_CALLS)              /* s */                                               \
    X(EXIT, "exit", IRF_CALLS)                                                                    \
    X(PAUSE, "pause", IRF_CALLS)            /* exit() is sure: others end where they come here */ \
    /* enum ngs_ucall imm, args; dst or str receives the result; FCALL is one that the library of \
     * kernel programs has, too */                                                                \
    X(FCALL, "fcall", IRF_FAILS | IRF_CALLS)                                                      \
    X(UCALL, "ucall", IRF_USER | IRF_FAILS | IRF_USER_CALLS)                                      \
    /* saves the slots of function imm, but its result's, and its ret_off on the frame's stack;   \
     * too deep fails */                                                                          \
    X(PUSH, "push", IRF_FAILS | IRF_CALLS)                                                        \
    X(POP, "pop", IRF_CALLS)                /* restores them */                                   \
    X(BUDGET, "budget", IRF_FAILS)          /* fails below 0; else takes imm actions off */      \
    X(CHARGE, "charge", 0)                  /* takes imm actions off, or gives -imm back */      \
    /* terminators */                                                                             \
    /* to onerr, with error imm (enum ngs_error), argument a, text s (NGS_ERR_SCRIPT) */          \
    X(RAISE, "raise", IRF_TERM | IRF_FAILS | IRF_CALLS)                                           \
    X(JUMP, "jump", IRF_TERM)               /* to to[0] */                                        \
    X(BRANCH, "branch", IRF_TERM)           /* a cond b ? to[0] : to[1] */                        \
    /* function imm; goes on at to[0], or at onerr when the frame's error is set */               \
    X(CALL, "call", IRF_TERM | IRF_FAILS)                                                         \
    X(RET, "ret", IRF_TERM)                 /* from a function; imm 1: with the error set */     \
    /* ends the handler; imm 1: reports an uncaught error */                                       \
    X(DONE, "done", IRF_TERM)                                                                      \
    /* ends the handler in the kernel; function imm, its rest, goes on in user space: args, slots, \
     * are what its parameters are set to */                                                      \
    X(HANDOVER, "handover", IRF_TERM | IRF_CALLS)

enum {
    IRF_DST = 1,
    IRF_FAILS = 2,
    IRF_TERM = 4,
    IRF_USER = 8,       /* only in user-space programs */
    IRF_MAP = 16,       /* names a script array (map) */
    IRF_SETS_STR = 32,  /* sets the whole of str */
    /* Its code calls helpers or the library on the common path, which overwrites r0-r5. */
    IRF_USER_CALLS = 64,
    IRF_KERNEL_CALLS = 128,
    IRF_CALLS = IRF_USER_CALLS | IRF_KERNEL_CALLS,
};

enum ir_op {
#define IR_OP_ENUM(id, text, flags) IR_##id,
    IR_OPS(IR_OP_ENUM)
#undef IR_OP_ENUM
    IR_OP_COUNT
};

enum ir_cond { IR_EQ, IR_NE, IR_LT, IR_LE, IR_GT, IR_GE };

enum ir_val_kind {
    IRV_NONE,
    IRV_TEMP,   /* id */
    IRV_IMM,    /* imm; anywhere a temporary may be read */
    IRV_SLOT,   /* id: string slot, or long slot in FENEXT and HANDOVER */
    IRV_LIT,    /* id: string literal */
};

struct ir_val {
    enum ir_val_kind kind;
    uint32_t id;
    int64_t imm;
};

#define IR_NONE      ((struct ir_val){IRV_NONE, 0, 0})
#define IR_TEMP(t)   ((struct ir_val){IRV_TEMP, (t), 0})
#define IR_IMM(v)    ((struct ir_val){IRV_IMM, 0, (v)})
#define IR_SLOT(s)   ((struct ir_val){IRV_SLOT, (s), 0})
#define IR_LIT(l)    ((struct ir_val){IRV_LIT, (l), 0})

enum { IR_NO_BLOCK = 0xffffffff };

struct ir_ins {
    struct ir_ins *next;
    enum ir_op op;
    enum ir_cond cond;       /* SET BRANCH */
    uint32_t dst;            /* temporary, when IRF_DST; they count from 1; 0: unused */
    struct ir_val a, b;      /* integer operands */
    struct ir_val str;       /* string destination: IRV_SLOT */
    struct ir_val s, s2;     /* string operands: SLOT LIT */
    struct ir_val *args;     /* map keys, print arguments, FENEXT destinations, HANDOVER values */
    uint32_t n_args;
    int64_t imm;
    int32_t map;             /* map id */
    uint32_t global, slot, module, fmt; /* by op */
    uint8_t size;            /* READ: 1 2 4 8 */
    bool is_signed;          /* READ */
    uint8_t space;           /* READ SREAD: enum space of ast.h: 0 user, 1 kernel */
    uint32_t to[2];          /* terminators: blocks */
    uint32_t onerr;          /* block of the same function, when IRF_FAILS */
    uint32_t loc;            /* index in unit->locs: for messages and line info */
};

struct ir_block {
    uint32_t id;             /* index in the function's blocks */
    struct ir_ins *first, *last;
    bool loop_head;          /* target of a back edge */
};

enum ir_slot_type { IR_LONG = 1, IR_STRING = 2 };

struct ir_slot {
    enum ir_slot_type type;
    const char *name;        /* script's name, or NULL for the compiler's own */
    uint32_t func;           /* that it belongs to */
    uint32_t color;          /* STRING: number of its frame slot within the function: share pass */
    uint32_t off;            /* offset in the frame: layout pass */
};

/* A handler (is_probe) or a script function. Function ids index unit->funcs. */
struct ir_func {
    const char *name;
    uint32_t id;
    bool is_probe;
    bool user;               /* handler runs in user space */
    /* a handler that goes on in user space with what this one began in the kernel; NULL: none.
     * params are what HANDOVER sets, longs first */
    const struct ir_func *rest_of;
    bool exits;              /* a rest that calls exit() unless an error ends it */
    bool pauses;             /* a handler that has PAUSE */
    bool recursive;
    struct ir_block **blocks;/* blocks[0] is the entry */
    uint32_t n_blocks;
    uint32_t n_temps;        /* temporaries 1..n_temps */
    uint32_t *params;        /* slots */
    uint32_t n_params;
    uint32_t result;         /* slot, valid when has_result */
    bool has_result;
    uint32_t n_colors;       /* frame slots that its strings take: share pass */
    uint32_t ret_off;        /* layout: 8 bytes of the frame for the id of the call to return to */
    uint32_t *calls;         /* ids of functions it calls, each once */
    uint32_t n_calls;
};

struct ir_place {
    const char *name, *func_name;
    uint32_t module;
    uint64_t vaddr, semaphore;
};

struct ir_probe {
    struct obj_probe rec;    /* strings and places are set by cg from the fields below */
    const char *name, *func_name; /* func_name NULL: not known, or several */
    const char *written;          /* the probe point in the script, an alias by its name */
    const char *event;       /* of the kernel's; NULL: none */
    struct ir_place *places; /* functions or system calls, one at least */
    uint32_t n_places;
    bool can_trace;          /* a function of the kernel's that its BTF tells, by name */
    bool asks_place;         /* ir_bind_context: the handler asks at which of several it is */
    bool everybody;          /* runs for all processes, whatever the scope */
    bool saves;              /* what handlers need that run after it: it is never left out */
    uint32_t func;           /* handler */
};

struct ir_map {
    const char *name;
    uint32_t n_keys;
    uint8_t key_types[OBJ_MAX_KEYS]; /* OBJ_LONG OBJ_STRING */
    uint8_t val_type;                /* OBJ_* */
    uint32_t max_entries;
    bool wrap, sized;
    uint32_t hist;                   /* enum ngs_hist */
    int64_t hist_args[3];
    struct obj_map rec;              /* layout pass */
};

struct ir_global {
    const char *name;
    uint8_t type;
    int64_t init;
    const char *init_str;
    uint32_t hist;
    int64_t hist_args[3];
    uint32_t off;                    /* layout pass */
};

struct ir_lit {
    const char *text;
    uint32_t len;
    uint32_t off;                    /* in the literals map: layout pass */
};

struct ir_format {
    const char *text;
    uint32_t len, flags, n_args;
    uint64_t arg_types;
};

struct ir_loc {
    struct span at;
    const char *token;
};

struct ir_module {
    const char *path, *build_id;
    bool mapped; /* by the target at hand */
};

struct ir_unit {
    struct compile *cx;
    struct ir_func **funcs;   uint32_t n_funcs;
    struct ir_probe *probes;  uint32_t n_probes;
    struct ir_slot *slots;    uint32_t n_slots;
    struct ir_map *maps;      uint32_t n_maps;
    struct ir_global *globals;uint32_t n_globals;
    struct ir_lit *lits;      uint32_t n_lits;
    struct ir_format *formats;uint32_t n_formats;
    struct ir_loc *locs;      uint32_t n_locs;    /* 0: no place */
    struct ir_module *modules;uint32_t n_modules;
    bool handed_over;         /* ir_hand_over: no handler in the kernel needs user space */

    /* layout pass (ir/layout.c): offsets in bytes */
    uint32_t str_size;        /* NGS_STR_SIZE(maxstringlen) */
    uint32_t frame_error_text;/* struct ngs_str */
    uint32_t frame_cache;     /* read cache: tags then lines, if something reads */
    bool reads;               /* user memory, that is */
    uint8_t cache_lines;      /* a power of two */
    uint8_t cache_shift;      /* a line has 1 << so many bytes: at most a page */
    uint32_t frame_key;       /* key being built: largest key_size */
    uint32_t frame_texts;     /* user programs: pointers for map helpers: OBJ_MAX_KEYS + 1 words */
    uint32_t frame_val;       /* map value being built: largest value_size */
    uint32_t frame_spill;     /* code generator's: IR_SPILL_WORDS words and a struct pt_regs */
    /* enum cg_unwind words; 0: nothing walks a program's stack or names its addresses */
    uint32_t frame_unwind;
    bool walks;               /* something does the former */
    uint32_t frame_stacks;    /* enum cg_stacks words; 0: nothing asks for them */
    bool stacks_sparse;       /* their memory may be taken when they come */
    bool stack_texts;         /* some stacks have texts among their frames */
    uint32_t frame_stack;     /* activations of recursive functions */
    uint32_t frame_stack_size;
    uint32_t frame_slots;
    uint32_t frame_out;       /* record being built */
    uint32_t frame_out_size;  /* room for the largest record the unit makes, at most NGS_REC_MAX */
    uint32_t frame_size;
    uint32_t globals_size, rodata_size;
};

enum { IR_SPILL_WORDS = 52 };
enum { IR_UNWIND_WORDS = 677 + 3 * NGS_STACK_MAX };
enum { IR_STACKS_WORDS = 5 + NGS_STACK_MAX + NGS_STACK_ROOM };

/* Does I ask for more than one frame of the kernel's stack? Then it is walked as a whole. */
static inline bool ir_walks_kernel(const struct ir_ins *i)
{
    return i->op == IR_CONTEXT && (i->imm == NGS_CTX_STACK_KERNEL ||
                                   (i->imm == NGS_CTX_KSTACK && i->a.kind != IRV_IMM));
}

/* Does I add to the stack at hand, or make a number of it? */
static inline bool ir_makes_stack(const struct ir_ins *i)
{
    return i->op == IR_CONTEXT
               ? i->imm == NGS_CTX_STACK_KERNEL || i->imm == NGS_CTX_STACK_PROGRAM ||
                     i->imm == NGS_CTX_STACK_KEPT
               : i->op == IR_FCALL && i->imm == NGS_U_STACK_TEXT;
}

/* ---- builder (build.c) ---- */

struct ir_unit *ir_unit_new(struct compile *cx);
struct ir_func *ir_func_new(struct ir_unit *u, const char *name);
uint32_t ir_block_new(struct ir_unit *u, struct ir_func *f);
uint32_t ir_slot_new(struct ir_unit *u, struct ir_func *f, enum ir_slot_type t, const char *name);
uint32_t ir_lit(struct ir_unit *u, const char *text, uint32_t len);   /* equal texts, equal ids */
uint32_t ir_format(struct ir_unit *u, const struct ir_format *f);
uint32_t ir_loc(struct ir_unit *u, struct span at, const char *token);
/* Appends an instruction, zeroed but for op, to a block; onerr is IR_NO_BLOCK. */
struct ir_ins *ir_emit(struct ir_unit *u, struct ir_func *f, uint32_t block, enum ir_op op);
uint32_t ir_temp(struct ir_func *f);

/* Where instructions go while a handler or function is being made: what lower and func share. */
struct ir_cursor {
    struct ir_unit *u;
    struct ir_func *f;
    uint32_t block;
    uint32_t onerr; /* where a failing instruction goes: a catch block, or the end by an error */
    uint32_t loc;   /* of the expression at hand */
};

/* Appends at the cursor: place set, and onerr when the operation can fail. */
struct ir_ins *ir_put(struct ir_cursor *c, enum ir_op op);
/* dst = a op b in a new temporary. */
struct ir_val ir_put_int(struct ir_cursor *c, enum ir_op op, struct ir_val a, struct ir_val b);
struct ir_val ir_put_set(struct ir_cursor *c, enum ir_cond cond, struct ir_val a, struct ir_val b);
struct ir_val ir_put_load(struct ir_cursor *c, uint32_t slot);
void ir_put_store(struct ir_cursor *c, uint32_t slot, struct ir_val value);
/* str = s (SSET) or str .= s (SCAT). */
void ir_put_str(struct ir_cursor *c, enum ir_op op, struct ir_val str, struct ir_val s);
/* Ends the block with a jump to TO; ir_put_branch with a cond b ? yes : no. */
void ir_put_jump(struct ir_cursor *c, uint32_t to);
void ir_put_branch(struct ir_cursor *c, enum ir_cond cond, struct ir_val a, struct ir_val b,
                   uint32_t yes, uint32_t no);
/* Opens BLOCK: what follows goes there. */
void ir_at(struct ir_cursor *c, uint32_t block);

/* ---- passes: each takes and leaves a valid unit ---- */

/* Reports an internal error through cx->diag. */
bool ir_verify(const struct ir_unit *u);
/* Folds constants, drops dead code, jumps to jumps, unreachable blocks; marks loop heads. */
void ir_simplify(struct ir_unit *u);
/* Cuts handlers in the kernel where they reach what only user space can do; false after reporting
 * what cannot be cut. */
bool ir_hand_over(struct ir_unit *u);
/* Splices functions that are called once into their caller. */
void ir_inline(struct ir_unit *u);
/* Moves the blocks of CALLEE, which has no other caller, into CALLER in place of CALL. */
void ir_splice(struct ir_unit *u, struct ir_func *caller, struct ir_ins *call,
               struct ir_func *callee);
/* pp() and probefunc() of named probe points become literals. */
void ir_bind_context(struct ir_unit *u);
/* Strings of a function that are never live together share a slot of the frame. */
void ir_share_strings(struct ir_unit *u);
/* Arrays whose elements may be taken when they come. */
void ir_find_sparse(struct ir_unit *u);
/* A probe for each place, where a handler asks for it and the kernel cannot tell. */
void ir_split_places(struct ir_unit *u);
/* Is there a probe at a function of the kernel's? */
bool ir_probes_kernel(const struct ir_unit *u);
/* Functions of the kernel by fentry and fexit, where their handlers can do with that. False after
 * reporting. */
bool ir_trace_functions(struct ir_unit *u);
/* Offsets: frame, globals, literals, map records. */
void ir_layout(struct ir_unit *u);

/* --dump-ir: each block beside its script line. */
void ir_print(FILE *out, const struct ir_unit *u);
const char *ir_op_text(enum ir_op op);
unsigned ir_op_flags(enum ir_op op);

#endif
