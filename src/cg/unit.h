/*
 * unit: the object that is being generated: what all its programs and library functions share.
 * Above it, from below: the library's calls (lib/), literals (rodata), a program (gen), registers
 * (alloc), the graph of blocks (graph), code off the common path (cold), emitters by family (emit),
 * the table of operations (ops), a handler's body (body), whole programs (kernel_program,
 * user_program), the object (cg). A file uses only those below it.
 */
#ifndef CG_UNIT_H
#define CG_UNIT_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "arch/arch.h"
#include "cg/lib/library.h"
#include "cg/object.h"
#include "ir/ir.h"
#include "target/target.h"

/* The map that bpf_for_each_map_elem walks where it stands in for a loop: one element a turn. */
enum { CG_TICKS_MAX = 1 << 20 };
#define CG_MAP_TICKS "ngs_ticks"

struct cg_literal { /* made by the code generator: no literal of the script */
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
    uint8_t lib_regions[CG_LIB_COUNT]; /* a bit per region (rodata.h) of the strings it reads */
    struct bpf_insn *user;             /* code of all handlers that run in user space */
    uint32_t n_user, user_size;        /* of the buffer */
    const char **map_names;            /* of the BPF maps, by script array */
    bool sends;                        /* a handler in the kernel prints, or goes on */
    bool stacks;                       /* ... makes stacks to be kept */
    bool *map_used;                    /* by handlers in the kernel; the others are user space's */
    struct obj_probe *probes;          /* finished records but for strings */
    struct obj_rest *rests;            /* finished records */
    uint32_t *rest_funcs;              /* whose code they are */
    uint32_t n_rests;
    uint32_t n_places; /* of all probes together */
    uint32_t globals_size;
    uint32_t room; /* how far behind its start an access to a string may reach */
    uint32_t max;  /* MAXSTRINGLEN */
    bool sumsq;    /* something asks for @variance */
    bool ticks;    /* something loops by bpf_for_each_map_elem */
    uint32_t frames_per_cpu;
    uint32_t n_metered; /* handlers whose time is budgeted */
    bool failed;   /* an error was reported while code was written */

    /* rodata.c: literals of the script, then the code generator's own, then zeroes */
    char *rodata;
    uint32_t rodata_used, rodata_size; /* of the buffer */
    uint32_t rodata_lits;              /* end of the literals */
    struct cg_literal *literals;
    uint32_t n_literals;
    uint32_t error_table;      /* offset of the handles of error texts by kind; u32 each */
    uint32_t hash_key;         /* offset of the hash's key */
    uint32_t hashed, n_hashed; /* struct ngs_hashed of the literals that are keys */
    uint32_t place_table;      /* offset, by place */
    uint32_t *call_tables;     /* by probe: offset of the places by NGS_CALL(...), u32 each; or 0 */
    uint32_t zeroes;           /* offset of zero bytes for a histogram */
    uint32_t fmt_ps;           /* offset of "%ps" */

    /* graph.c: tables by function that handlers share; those of other handlers are stale */
    uint32_t *func_base;  /* its first node */
    uint32_t *func_index; /* its index in func_ids */
};

/* Is the time of its handler budgeted? */
static inline bool cg_is_metered(const struct cg *c, uint32_t probe)
{
    return c->cx->limits.overload && !c->u->probes[probe].saves &&
           !attach_in_user_space(c->u->probes[probe].rec.kind);
}

/* ns of each window that all handlers together may take of a CPU; only where one is metered. */
static inline int32_t cg_budget(const struct cg *c)
{
    return (int32_t)((uint64_t)c->cx->limits.overload * (1u << NGS_WINDOW_SHIFT) / 100);
}

/* Adds a function to the object; the pointer is valid until the next one is added. */
struct cg_func *cg_new_func(struct cg *c, const char *name, enum cg_signature sig, uint32_t n_args);

/* Words at frame_spill, in the frame map. */
enum {
    CG_WORD_POS,    /* of the record that is being built */
    CG_WORD_BUCKET, /* that a value falls into */
    CG_WORD_STAMP,  /* of the string that was copied out of an array */
    CG_WORD_CALL,   /* enum ngs_call_fact: of the system call */
    CG_WORD_CALL_END = CG_WORD_CALL + NGS_CALL_PARAM - NGS_CALL_NUMBER + ARCH_SYSCALL_ARGS,
    CG_WORD_STACK = CG_WORD_CALL_END, /* a frame of the kernel's stack */
    /* struct pt_regs of the script's machine; behind it what alloc.c spills */
    CG_WORD_REGS,
    CG_SPILL_SLOTS = 40
};
_Static_assert(CG_WORD_REGS + CG_SPILL_SLOTS <= IR_SPILL_WORDS, "ir.h");
/* Bytes of the program's stack that are read at once; bytes below a CFA that are asked for. */
enum { CG_UNWIND_WINDOW = 1024, CG_UNWIND_SAVED = 64 };
enum { CG_UNWIND_KEPT_BITS = 7, CG_UNWIND_KEPT_WORDS = 4 };
/* Words at frame_unwind: where the walk of a program's stack is. */
enum cg_unwind {
    CG_UNWIND_IP,
    CG_UNWIND_SP,
    CG_UNWIND_FP,
    CG_UNWIND_CALL,    /* 1: IP is where a call returns to, in the code behind it */
    CG_UNWIND_N,       /* frames known */
    CG_UNWIND_MADE,    /* MOST of the walk that has been made; 0: none in this run */
    CG_UNWIND_MOST,    /* ... that are wanted */
    CG_UNWIND_PROCESS, /* whose: key of NGS_MAP_SPACES */
    CG_UNWIND_MM,      /* ... and its mm_struct (struct ngs_space) */
    CG_UNWIND_TAG,     /* ... and since when its mappings are as they are */
    CG_UNWIND_AT,      /* address of what was read of the stack, */
    CG_UNWIND_LEN,     /* how many bytes, */
    CG_UNWIND_BYTES,   /* and they themselves */
    CG_UNWIND_END = CG_UNWIND_BYTES + CG_UNWIND_WINDOW / 8, /* enum ngs_end */
    /* Where Lua was entered before, by the frame of LuaJIT's that was passed last, | 1; 0: none */
    CG_UNWIND_CFRAME,
    CG_UNWIND_RETURN,  /* the kernel's struct return_instance that was found last; 0: none yet */
    /* Number of the frame that was interrupted last, from 0, and the registers that it had, by
     * their words in struct pt_regs. */
    CG_UNWIND_FIRST,
    CG_UNWIND_REGS,
    /* struct ngs_range that an address was in last; END 0: none */
    CG_UNWIND_RANGE = CG_UNWIND_REGS + ARCH_HELD_REGS,
    /* Rules found before: the address, TAG, what makes it a place, the rule. */
    CG_UNWIND_KEPT = CG_UNWIND_RANGE + sizeof(struct ngs_range) / 8,
    CG_UNWIND_FRAMES =
        CG_UNWIND_KEPT + (CG_UNWIND_KEPT_WORDS << CG_UNWIND_KEPT_BITS), /* their addresses */
    CG_UNWIND_SPS = CG_UNWIND_FRAMES + NGS_STACK_MAX,                   /* ... stack pointers */
    CG_UNWIND_PLACES = CG_UNWIND_SPS + NGS_STACK_MAX                    /* ... as places */
};
_Static_assert(CG_UNWIND_PLACES + NGS_STACK_MAX == IR_UNWIND_WORDS, "ir.h");
/* Words at frame_stacks: the kernel's stack, and the one that is being made. */
enum cg_stacks {
    CG_STACKS_KERNEL_N, /* its frames, + 1; 0: not walked in this run */
    CG_STACKS_KERNEL,
    CG_STACKS_TEXT = CG_STACKS_KERNEL + NGS_STACK_MAX, /* a text's hash, then its number */
    CG_STACKS_NUMBER = CG_STACKS_TEXT + 2,
    CG_STACKS_STACK, /* struct ngs_stack */
    CG_STACKS_FRAMES
};
_Static_assert(CG_STACKS_FRAMES + NGS_STACK_ROOM == IR_STACKS_WORDS, "ir.h");
static inline int cg_stacks_word(const struct ir_unit *u, int word)
{
    return (int)u->frame_stacks + 8 * word;
}
static inline int cg_unwind_word(const struct ir_unit *u, int word)
{
    return (int)u->frame_unwind + 8 * word;
}
static inline int cg_word(const struct ir_unit *u, int word)
{
    return (int)u->frame_spill + 8 * word;
}
static inline int cg_spill_slot(const struct ir_unit *u, int slot)
{
    return cg_word(u, CG_WORD_REGS + slot) + u->cx->arch->pt_regs_size;
}

#endif
