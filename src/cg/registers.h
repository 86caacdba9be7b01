/*
 * registers: whose registers a handler's context is, and those of the program.
 */
#ifndef CG_REGISTERS_H
#define CG_REGISTERS_H

#include "arch/arch.h"
#include "cg/emit.h"

static inline bool cg_is_tick(const struct cg_gen *g)
{
    return attach_kind(g->probe->rec.kind)->context == CONTEXT_TICK;
}

/* The context is a program's registers; else they are the task's, where there are any: a system
 * call's are in the frame (syscall.h). */
static inline bool cg_is_function(const struct cg_gen *g)
{
    return attach_kind(g->probe->rec.kind)->context == CONTEXT_FUNCTION;
}

static inline bool cg_is_call(const struct cg_gen *g)
{
    return attach_kind(g->probe->rec.kind)->context == CONTEXT_SYSCALL;
}

static inline bool cg_is_event(const struct cg_gen *g)
{
    return attach_kind(g->probe->rec.kind)->context == CONTEXT_EVENT || cg_is_call(g);
}

/* The context is the kernel's registers. */
static inline bool cg_is_in_kernel(const struct cg_gen *g)
{
    return attach_kind(g->probe->rec.kind)->context == CONTEXT_KERNEL;
}

static inline bool cg_is_traced(const struct cg_gen *g)
{
    return attach_kind(g->probe->rec.kind)->context == CONTEXT_TRACED;
}

/* REG = the bits of the registers at OFF of BASE that tell a program from the kernel. */
void cg_mode_bits(struct cg_gen *g, int reg, int base, int off);
/* Goes to TO when those registers are a program's (USER) or the kernel's; changes REG. */
void cg_if_mode(struct cg_gen *g, bool user, int reg, int base, int off, uint32_t to);

/* Some of the program's registers: places in pt_regs, and the frame's words that they go to (0:
 * none). */
struct cg_user_regs {
    uint32_t n;
    uint32_t off[3 + ARCH_HELD_REGS];
    int word[3 + ARCH_HELD_REGS];
};
/*
 * Takes them; the last one stays in r0. When a tick interrupted the kernel, the task's own are on
 * its kernel stack (bpf_task_pt_regs); kernel threads have none, nor has a kernel without that
 * helper: then control goes to NONE. Clobbers r0 to r5.
 */
void cg_user_regs(struct cg_gen *g, const struct cg_user_regs *r, uint32_t none);

#endif
