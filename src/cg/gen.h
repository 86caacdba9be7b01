/*
 * gen: what the files of the code generator share: the unit being generated, one program being
 * written, register allocation, the library.
 *
 * Registers: r6 ctx, r9 frame, r10 stack; r0-r5, r7, r8 hold temporaries, within a block only. At
 * the entry of every block nothing but r6, r9 and r10 is live, and nothing is on the stack but what
 * the prologue put there: so the verifier sees one state per block.
 */
#ifndef CG_GEN_H
#define CG_GEN_H

#include "cg/asm.h"
#include "cg/cg.h"

/* ---- the library: global subprograms, made when used (lib*.c) ---- */

/* id, name, arguments (the frame included) */
#define CG_LIBS(X)                                                                                 \
    X(PID, "ngs_pid", 1)               /* () tgid << 32 | tid, in our pid namespace */             \
    X(TARGET, "ngs_target", 1)         /* () the process named, at hand or first */                \
    X(MISS, "ngs_read_miss", 3)        /* (addr, size) 0: private_[0] is the value; 1: failed */   \
    X(KREAD, "ngs_read_kernel", 3)     /* likewise */                                              \
    X(APPEND, "ngs_append", 3)         /* (dst, src) string handles */                             \
    X(COPY, "ngs_copy", 3)             /* (dst, src) */                                            \
    X(READ_STR, "ngs_read_str", 4)     /* (dst, addr, max) 0, or 1 and the frame's error */        \
    X(KREAD_STR, "ngs_read_kstr", 4)   /* likewise */                                              \
    X(READ_NAME, "ngs_read_name", 4)   /* likewise; control characters become '?' */               \
    X(LINE, "ngs_line", 3)             /* (offset of text in the frame, bytes) likewise */         \
    X(LINE_PART, "ngs_line_part", 3)   /* likewise, the first 128 bytes */                         \
    X(DEC, "ngs_dec", 3)               /* (dst, value) appends %d */                               \
    X(FORMAT, "ngs_format", 4)         /* (dst, value, spec) */                                    \
    X(FORMAT_STR, "ngs_format_str", 4) /* (dst, src, spec) */                                      \
    X(FILL, "ngs_fill", 4)             /* (dst, char, n) appends N times CHAR */                   \
    X(SHARED_GET, "ngs_shared_get", 3)       /* (dst, global's offset) 0, or 1 and the frame's error */ \
    X(SHARED_SET, "ngs_shared_set", 4)       /* (global's offset, src, in place of private_[1] alone) 1: beaten */ \
    X(SHARED_APPEND, "ngs_shared_append", 3) /* (global's offset, src) 0, or 1 and the frame's error */ \
    X(DIGITS, "ngs_digits", 3)         /* (dst, n) appends the last N bytes of private_[2..7] */   \
    X(MARK, "ngs_mark", 4)             /* (dst, kind, addr) */                                     \
    X(EQ, "ngs_eq", 3)                 /* (a, b) 1 or 0 */                                         \
    X(CMP, "ngs_cmp", 3)               /* (a, b) -1, 0, 1 */                                       \
    X(HASH, "ngs_hash", 3)             /* (offset of 16 bytes in the frame, string) */             \
    X(HASH_PART, "ngs_hash_part", 4)   /* (lanes' offset, string, where) takes 128 bytes in */     \
    X(BUCKET, "ngs_bucket", 2)         /* (value) bucket of a logarithmic histogram */             \
    X(LINEAR, "ngs_linear", 5)         /* (value, start, interval, buckets) */                     \
    X(OUT_STR, "ngs_out_str", 3)       /* (pos, string) stores it in the record; new pos */        \
    X(SEND, "ngs_send", 4)             /* (size, kind | format << 16, probe) */                    \
    X(REPORT, "ngs_report", 2)         /* (probe) the frame's error, as a record */                \
    X(ERROR_TEXT, "ngs_error_text", 2) /* (dst) message of the frame's error; clears it */         \
    X(EXECNAME, "ngs_execname", 2)     /* (dst) */                                                 \
    X(KFUNC, "ngs_kfunc", 3)           /* (dst, addr) kernel function's name */

enum cg_lib {
#define CG_LIB_ENUM(id, name, n) CG_LIB_##id,
    CG_LIBS(CG_LIB_ENUM)
#undef CG_LIB_ENUM
        CG_LIB_COUNT
};

/*
 * A string handle: where a struct ngs_str lies, as one number: offset, and in bit 28 its home.
 * Frames and literals are smaller than 256 MiB.
 */
enum { CG_IN_FRAME, CG_IN_RODATA, CG_HANDLE_SHIFT = 28 };

/* A record of the table of places in rodata: two handles. */
enum { CG_PLACE_NAME = 0, CG_PLACE_FUNC = 4, CG_PLACE_SIZE = 8 };

struct cg_own { /* a literal of the code generator's own */
    const char *text;
    uint32_t off;
};

struct cg {
    struct compile *cx;
    const struct ir_unit *u;
    const struct kernel *k;
    FILE *dump;
    struct cg_func *funcs;
    uint32_t n_funcs;
    bool lib_used[CG_LIB_COUNT];
    uint8_t sources[CG_LIB_COUNT]; /* homes of the strings it is given to read, a bit each */
    struct bpf_insn *user;         /* code of all handlers that run in user space */
    uint32_t n_user;
    const char **map_names;   /* of the BPF maps, by script array */
    struct obj_probe *probes; /* finished records but for strings */

    char *rodata; /* literals of the unit, then the code generator's own, then zeroes */
    uint32_t rodata_used, rodata_size /* of the buffer */;
    uint32_t rodata_lits; /* end of the literals */
    struct cg_own *own;
    uint32_t n_own;
    uint32_t globals_size;
    uint32_t room;        /* how far behind its start an access to a string may reach */
    uint32_t max;         /* MAXSTRINGLEN */
    uint32_t error_table; /* offset in rodata: handles of error texts by kind; u32 each */
    uint32_t hash_key;    /* offset in rodata of the hash's key */
    uint32_t hashed, n_hashed; /* there: struct ngs_hashed of the literals that are keys */
    uint32_t *func_base;  /* flow.c, by function: its first node in the handler at hand */
    uint32_t *func_index; /* and its index there */
    uint32_t n_places;    /* of all probes together */
    uint32_t place_table; /* offset in rodata, by place */
    uint32_t zeroes;      /* offset in rodata of zero bytes for a histogram */
    uint32_t fmt_ps;      /* offset in rodata of "%ps" */
    bool sumsq;           /* something asks for @variance */
    bool ticks;           /* something loops by for_each_map_elem */
    bool failed;
};

enum { CG_TICKS_MAX = 1 << 20 };
#define CG_MAP_TICKS "ngs_ticks"

/* How a back edge is encoded. */
enum cg_loops {
    CG_LOOP_MAY_GOTO,
    CG_LOOP_CALLBACK,
    CG_LOOP_FOR_EACH,
    CG_LOOP_PLAIN /* user space */
};

/* ---- a program ---- */

struct cg_temp {
    int8_t reg;    /* -1: none */
    int8_t home;   /* its word among the homes, -1: none */
    uint32_t last; /* position of its last use in the block */
    bool crosses;  /* lives across a call */
};

/*
 * Words at frame_spill. Nothing of this is on BPF's stack: the verifier remembers what it has seen
 * stored there, and blocks would be walked again for every difference (3,791 instructions were
 * walked 139,000 times); what lies in a map's value it knows nothing of.
 */
enum {
    CG_WORD_POS,
    CG_WORD_BUCKET,
    CG_WORD_STAMP,
    CG_WORD_REGS /* struct pt_regs: 21 words */,
    CG_WORD_HOMES = 24,
    CG_HOMES = 40
};
_Static_assert(CG_WORD_HOMES + CG_HOMES <= IR_SPILL_WORDS, "ir.h");
static inline int cg_word(const struct ir_unit *u, int word)
{
    return (int)u->frame_spill + 8 * word;
}

/* In user space, where nobody minds: words of the stack for results of helpers; in the kernel's
 * prologue. */
enum { CG_STACK0 = -8, CG_STACK1 = -16 };

/* Code written behind the rest, so that the common path is straight. */
enum cg_stub_kind { CG_STUB_FAIL, CG_STUB_READ, CG_STUB_LIB, CG_STUB_BACK };

struct cg_save {
    int8_t reg;
    int16_t off; /* in the frame */
    bool store;  /* else it is there already */
};

struct cg_stub {
    enum cg_stub_kind kind;
    uint32_t label, back;
    struct span at;
    /* FAIL */
    enum ngs_error error; /* NGS_OK: it is in the frame already */
    int64_t arg; /* error_arg */
    uint32_t loc;
    uint32_t to; /* label */
    /* READ, LIB */
    struct cg_save save[8];
    uint32_t n_save;
    int addr, dst; /* READ: registers */
    int32_t size;
    uint32_t fail; /* label */
    enum cg_lib lib;
    int32_t args[3];
    uint32_t n_args;
    /* BACK */
    uint32_t node;
};

struct cg_node {
    uint32_t func, block;
    uint32_t label;
    uint32_t pc; /* id for the dispatch; 0: none (the entry is 1) */
    bool reached;
    bool head;            /* an edge goes back to it: starts with a may_goto */
    bool wanted, written; /* something jumps there; its code stands */
};

struct cg_site {         /* a call */
    uint32_t callee, id; /* id counts per callee */
    uint32_t to, onerr;  /* nodes */
    uint32_t from;
};

struct cg_gen {
    struct cg *c;
    struct cg_asm s;
    bool user;
    enum cg_loops loops;
    const struct ir_probe *probe;
    uint32_t probe_index;

    /* flow.c */
    struct cg_node *nodes;
    uint32_t n_nodes;
    uint32_t *func_ids; /* of the handler and what it calls, by cg->func_index */
    uint32_t n_block_nodes;
    struct cg_site *sites;
    uint32_t n_sites;
    uint32_t (*backs)[2];
    uint32_t n_backs;
    uint32_t *order; /* nodes in order of emission */
    uint32_t n_order;
    uint32_t n_pcs;
    uint32_t node, next; /* being written; the one behind it */
    bool in_callback;    /* the handler's code is a loop callback */
    bool reads;          /* the handler may read user memory: the cache must be cleared */
    bool places;         /* it asks where modules lie in memory */
    uint32_t l_done, l_exceeded, l_report; /* ends of the handler */
    bool need_exceeded, need_report;

    struct cg_stub *stubs;
    uint32_t n_stubs;

    /* alloc.c */
    const struct ir_ins *ins;
    struct cg_temp *temps; /* of the function being written */
    uint32_t pos;
    uint32_t reg_temp[11]; /* temporary in each register, 0: none */
    uint32_t reg_slot[11]; /* slot + 1 whose value it holds, 0: none */
    uint32_t pinned;       /* bit per register: not to be taken within this instruction */
    uint32_t clobbered;    /* bit per register: its temporary is there no more (within a call) */
    uint64_t homes_used;
    uint8_t handles[6]; /* by register: home of the string whose handle was put there, a bit */
    uint32_t result_temp;
    int result_reg;
};

/* ---- alloc.c ---- */

void cg_block_begin(struct cg_gen *g, const struct ir_func *f, const struct ir_block *b);
void cg_ins_begin(struct cg_gen *g, const struct ir_ins *i);
void cg_ins_end(struct cg_gen *g);

int cg_use(struct cg_gen *g, struct ir_val v); /* register with the value */
int cg_tmp(struct cg_gen *g);                  /* scratch register for this instruction */
int cg_def(struct cg_gen *g, uint32_t temp);   /* register for the result; temp 0: scratch */
int cg_def_copy(struct cg_gen *g, uint32_t temp, struct ir_val a); /* likewise, preloaded with A */
bool cg_dies(const struct cg_gen *g, struct ir_val v);
static inline bool cg_is_imm32(struct ir_val v)
{
    return v.kind == IRV_NONE || (v.kind == IRV_IMM && cg_fits32(v.imm));
}

/* Calls: what lives in r0-r5 goes to safety. Then operands are put into argument registers; those
 * needed after a call or on more than one path are held before that. */
void cg_call_begin(struct cg_gen *g);
void cg_hold(struct cg_gen *g, struct ir_val v);
void cg_clobber(struct cg_gen *g, int reg); /* REG is about to be written by other means */
void cg_put(struct cg_gen *g, int reg, struct ir_val v);
void cg_puti(struct cg_gen *g, int reg, int64_t imm);
void cg_put_frame(struct cg_gen *g, int reg, uint32_t off); /* reg = address in the frame */
void cg_put_str(struct cg_gen *g, int reg,
                struct ir_val s); /* reg = handle (kernel) or address (user) */
void cg_do_call(struct cg_gen *g, int helper);
void cg_do_lib(struct cg_gen *g, enum cg_lib lib);
void cg_result(struct cg_gen *g, uint32_t temp,
               int reg); /* REG holds the result when the instruction ends */

/* What a cold call must save: live registers among r0-r5, but for those in BUT. */
uint32_t cg_cold_saves(struct cg_gen *g, struct cg_save *out, uint32_t but);

int cg_cached_slot(struct cg_gen *g, uint32_t slot); /* register with the slot's value, or -1 */
void cg_slot_is(struct cg_gen *g, uint32_t slot, int reg); /* -1: unknown */

/* ---- ops ---- */

typedef void (*cg_op_fn)(struct cg_gen *g, const struct ir_ins *i);
struct cg_op {
    cg_op_fn kernel, user;
    bool kernel_calls, user_calls; /* clobbers r0-r5 */
};
extern const struct cg_op cg_ops[IR_OP_COUNT];

uint32_t cg_handle(const struct cg *c, struct ir_val s);
uint32_t cg_new_stub(struct cg_gen *g, struct cg_stub stub); /* returns its label */
/* Label to jump to when I fails with ERROR (NGS_OK: the error is in the frame already). */
uint32_t cg_fail(struct cg_gen *g, const struct ir_ins *i, enum ngs_error error);
void cg_write_stubs(struct cg_gen *g);
int cg_bpf_cond(enum ir_cond c);

/* str.c, map.c, context.c, user.c: emit functions by op */
#define CG_EMITS(X)                                                                                \
    X(print)                                                                                       \
    X(warn)                                                                                        \
    X(exit) X(sread) X(gsget) X(gsset) X(gscat) X(sset) X(scat) X(sfmt) X(sfmts) X(smark) X(scontext) X(serror) X(slen)       \
        X(seq) X(scmp) X(mget) X(mgets) X(mhas) X(mset) X(msets) X(madd) X(mstat) X(mstatget)      \
            X(mdel) X(gstat) X(gstatget) X(context) X(raise)
#define CG_DECLARE(op)                                                                             \
    void cg_k_##op(struct cg_gen *g, const struct ir_ins *i);                                      \
    void cg_u_##op(struct cg_gen *g, const struct ir_ins *i);
CG_EMITS(CG_DECLARE)
#undef CG_DECLARE
void cg_push_pop(struct cg_gen *g, const struct ir_ins *i);
void cg_u_read(struct cg_gen *g, const struct ir_ins *i);
void cg_u_mtake(struct cg_gen *g, const struct ir_ins *i);
void cg_u_mclear(struct cg_gen *g, const struct ir_ins *i);
void cg_u_febegin(struct cg_gen *g, const struct ir_ins *i);
void cg_u_fenext(struct cg_gen *g, const struct ir_ins *i);
void cg_u_feend(struct cg_gen *g, const struct ir_ins *i);
void cg_u_hist(struct cg_gen *g, const struct ir_ins *i);
void cg_u_ucall(struct cg_gen *g, const struct ir_ins *i);

/* ---- flow.c, kernel.c, lib*.c, meta.c, rodata.c ---- */

/* The label of the edge from the node being written to TO. */
uint32_t cg_edge(struct cg_gen *g, uint32_t to);
uint32_t cg_edge_block(struct cg_gen *g,
                       uint32_t block); /* to a block of the function being written */
void cg_jump_edge(struct cg_gen *g,
                  uint32_t to);       /* goes there; nothing when it is next and plain */
bool cg_flow(struct cg_gen *g);       /* finds nodes, back edges, order */
void cg_write_body(struct cg_gen *g); /* all blocks and stubs */
void cg_back_edge(struct cg_gen *g, uint32_t node); /* the code of a back edge */
void cg_dispatch(struct cg_gen *g);                 /* to frame->pc's node */

bool cg_kernel_program(struct cg *c, uint32_t probe);
bool cg_user_program(struct cg *c, uint32_t probe);
bool cg_make_lib(struct cg *c); /* every subprogram that is used */
const char *cg_lib_name(enum cg_lib lib);
void cg_call_lib(struct cg *c, struct cg_asm *s, enum cg_lib lib);  /* arguments are in r1... */
void cg_lib_source(struct cg *c, enum cg_lib lib, uint32_t handle); /* LIB is to read that string */
struct cg_func *cg_new_func(struct cg *c, const char *name, enum cg_signature sig, uint32_t n_args);
void cg_rodata_init(struct cg *c);
uint32_t cg_hashed(const struct cg *c, uint32_t lit); /* offset of a literal's hash, or 0 */
uint32_t
cg_rodata_str(struct cg *c,
              const char *text); /* offset of a struct ngs_str of the code generator's own */
bool cg_make_meta(struct cg *c, struct cg_unit *out);
enum cg_loops cg_kernel_loops(const struct cg *c);

#endif
