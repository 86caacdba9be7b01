/*
 * gen: one BPF program that is being written, for the kernel or for ngstap's interpreter.
 *
 * Registers: r6 context, r9 frame, r10 stack; r0-r5, r7, r8 hold temporaries, within a block only.
 * At the entry of every block only r6, r9 and r10 are live, and the stack holds only what the
 * prologue stored: so the verifier sees one state per block.
 *
 * Memory: each hit of a kernel handler runs in a frame, an element of the map NGS_MAP_FRAMES, of
 * NGS_FRAMES_PER_CPU x CPUs x frame_size bytes in all; user space has one. Slots hold what the
 * last handler left there. Spill slots live in the frame map, not on the BPF stack: the verifier
 * tracks stack contents, and every difference makes it re-verify the block (3,791 instructions were
 * walked 139,000 times).
 */
#ifndef CG_GEN_H
#define CG_GEN_H

#include "cg/asm.h"
#include "cg/unit.h"
#include "target/target.h"

/* How a back edge is encoded (graph.h). */
enum cg_loops {
    CG_LOOP_MAY_GOTO,
    CG_LOOP_CALLBACK,
    CG_LOOP_FOR_EACH,
    CG_LOOP_PLAIN /* user space */
};

struct cg_gen {
    struct cg *c;
    struct cg_asm s;
    bool user;
    bool keeps;     /* user space keeps records until its end */
    bool on_stack;  /* the frame is on BPF's stack: onstack.h */
    bool unlimited; /* it cannot run out of MAXACTION */
    bool metered;   /* its time is budgeted */
    enum cg_loops loops;
    const struct ir_probe *probe;
    uint32_t probe_index;
    uint32_t func;            /* the probe's handler, or a rest of it */
    const struct ir_ins *ins; /* being written; NULL: none */

    struct cg_alloc *alloc; /* alloc.c: registers */
    struct cg_graph *graph; /* graph.h: blocks */
    struct cg_cold *cold;   /* cold.h: code behind the rest */
    uint32_t n_cold;

    uint32_t l_done, l_exceeded, l_report; /* labels: the ends of the handler */
    bool need_exceeded, need_report;       /* something jumps there */
};

/* Words of BPF's stack: results of helpers in user space; in the kernel for the prologue alone. */
enum { CG_STACK0 = -8, CG_STACK1 = -16 };

/* Is it an address of the kernel's? Those are the same for every process. */
static inline bool cg_is_kernel(const struct cg *c, const struct ir_ins *i)
{
    return i->module < c->u->n_modules && kernel_is_path(c->u->modules[i->module].path);
}

#endif
