/*
 * context: functions that tell where a handler runs: process, thread, processor, time, registers.
 * Enters: calls; leaves: CONTEXT and SCONTEXT instructions (base/abi.h, enum ngs_ctx).
 */
#include "func/family.h"

#include <string.h>

#include "arch/arch.h"

static bool lower_long(struct ir_cursor *c, const struct intrinsic *self, const struct expr *call,
                       const struct ir_val *args, uint32_t n, struct ir_val *result)
{
    *result = ir_put_int(c, IR_CONTEXT, n ? args[0] : IR_NONE, n > 1 ? args[1] : IR_NONE);
    c->f->blocks[c->block]->last->imm = self->arg;
    return true;
}

/* sema/addresses.c: are stacks texts in this script? */
static bool lower_stack_texts(struct ir_cursor *c, const struct intrinsic *self,
                              const struct expr *call, const struct ir_val *args, uint32_t n,
                              struct ir_val *result)
{
    *result = IR_IMM(c->u->cx->stack_texts);
    return true;
}

/* Has SLOT just been emptied? */
static bool is_empty(const struct ir_cursor *c, struct ir_val slot)
{
    const struct ir_ins *i = c->f->blocks[c->block]->last;

    return i && i->op == IR_SSET && i->str.id == slot.id && i->s.kind == IRV_LIT &&
           !c->u->lits[i->s.id].len;
}

/* Appends a fact that is a string: SCONTEXT sets its destination, so it gets one of its own, unless
 * there is nothing yet to append to. */
static bool lower_string(struct ir_cursor *c, const struct intrinsic *self, const struct expr *call,
                         const struct ir_val *args, uint32_t n, struct ir_val *result)
{
    bool empty = is_empty(c, *result);
    struct ir_val fact = empty ? *result : IR_SLOT(ir_slot_new(c->u, c->f, IR_STRING, NULL));
    struct ir_ins *i = ir_put(c, IR_SCONTEXT);

    i->str = fact;
    i->imm = self->arg;
    if (!empty)
        ir_put_str(c, IR_SCAT, *result, fact);
    return true;
}

/* arg: nanoseconds per unit, negative for the monotonic clock. */
static bool lower_clock(struct ir_cursor *c, const struct intrinsic *self, const struct expr *call,
                        const struct ir_val *args, uint32_t n, struct ir_val *result)
{
    int64_t unit = self->arg < 0 ? -self->arg : self->arg;

    *result = ir_put_int(c, IR_CONTEXT, IR_NONE, IR_NONE);
    c->f->blocks[c->block]->last->imm = self->arg < 0 ? NGS_CTX_MONO_NS : NGS_CTX_TIME_NS;
    if (unit > 1)
        *result = ir_put_int(c, IR_DIV, *result, IR_IMM(unit));
    return true;
}

/* arg: 1 sign-extends a part of a register (register()), 0 does not (u_register()). */
static bool lower_register(struct ir_cursor *c, const struct intrinsic *self,
                           const struct expr *call, const struct ir_val *args, uint32_t n,
                           struct ir_val *result)
{
    const struct ir_lit *name = args[0].kind == IRV_LIT ? &c->u->lits[args[0].id] : NULL;
    const struct arch *arch = c->u->cx->arch;
    struct diag *d = c->u->cx->diag;
    uint8_t size = 8;
    int reg = name ? arch_register(arch, name->text, name->len, &size) : -1;

    if (reg < 0) {
        if (name)
            diag_error(d, call->args[0]->at, "register", "no register '%s' on %s", name->text,
                       arch->title);
        else
            diag_error(d, call->args[0]->at, "register",
                       "the name of a register must be a literal");
        diag_hint(d, "%s", arch->all_names);
        return false;
    }
    *result = ir_put_int(c, IR_CONTEXT, IR_IMM(reg), IR_NONE);
    c->f->blocks[c->block]->last->imm = NGS_CTX_REG;
    if (size < 8) {
        *result = ir_put_int(c, self->arg ? IR_SEXT : IR_ZEXT, *result, IR_NONE);
        c->f->blocks[c->block]->last->imm = size;
    }
    return true;
}

/* The N-th argument by calling convention: of those in registers. */
static bool lower_argument(struct ir_cursor *c, const struct intrinsic *self,
                           const struct expr *call, const struct ir_val *args, uint32_t n,
                           struct ir_val *result)
{
    const struct arch *arch = c->u->cx->arch;

    if (args[0].kind != IRV_IMM || args[0].imm < 1 || args[0].imm > arch->n_args)
        return diag_error(c->u->cx->diag, call->args[0]->at, "argument",
                          "the argument's number must be a literal from 1 to %u", arch->n_args);
    *result = ir_put_int(c, IR_CONTEXT, IR_IMM(args[0].imm - 1), IR_NONE);
    c->f->blocks[c->block]->last->imm = NGS_CTX_PARAM;
    if (self->arg) {
        *result = ir_put_int(c, self->arg > 0 ? IR_ZEXT : IR_SEXT, *result, IR_NONE);
        c->f->blocks[c->block]->last->imm = self->arg > 0 ? self->arg : -self->arg;
    }
    return true;
}

/* Of 32 random bits the part N / 2^32: no division, and 0 of 0. */
static bool lower_random(struct ir_cursor *c, const struct intrinsic *self, const struct expr *call,
                         const struct ir_val *args, uint32_t n, struct ir_val *result)
{
    struct ir_val bits = ir_put_int(c, IR_CONTEXT, IR_NONE, IR_NONE);

    c->f->blocks[c->block]->last->imm = NGS_CTX_RANDOM;
    *result = ir_put_int(c, IR_SHR, ir_put_int(c, IR_MUL, bits, args[0]), IR_IMM(32));
    return true;
}

#define FACT(name, ctx)                                                                            \
    {                                                                                              \
        name, TYPE_LONG, 0, 0, {0}, INTRIN_PURE, lower_long, ctx                                   \
    }
/* Of ngstap itself; in the kernel only the tapset asks, by (1), and gets 0. */
#define OWN(name, ctx)                                                                             \
    {                                                                                              \
        name, TYPE_LONG, 1, 0, {TYPE_LONG}, INTRIN_PURE, lower_long, ctx                           \
    }
#define TEXT(name, ctx)                                                                            \
    {                                                                                              \
        name, TYPE_STRING, 0, 0, {0}, INTRIN_PURE, lower_string, ctx                               \
    }
/* All processors show one clock: which one is asked for does not matter. */
#define CPU_CLOCK(name, unit)                                                                      \
    {                                                                                              \
        name, TYPE_LONG, 1, 1, {TYPE_LONG}, INTRIN_PURE, lower_clock, unit                         \
    }
#define CLOCK(name, unit)                                                                          \
    {                                                                                              \
        name, TYPE_LONG, 0, 0, {0}, INTRIN_PURE, lower_clock, unit                                 \
    }
#define REGISTER(name, sext)                                                                       \
    {                                                                                              \
        name, TYPE_LONG, 1, 1, {TYPE_STRING}, INTRIN_PURE | INTRIN_USER_REGS, lower_register, sext \
    }
#define ARGUMENT(name, bytes)                                                                      \
    {                                                                                              \
        name, TYPE_LONG, 1, 1, {TYPE_LONG}, INTRIN_PURE | INTRIN_USER_REGS, lower_argument, bytes  \
    }

static const struct intrinsic rows[] = {
    FACT("pid", NGS_CTX_PID),
    FACT("tid", NGS_CTX_TID),
    OWN("__ppid", NGS_CTX_PPID),
    FACT("uid", NGS_CTX_UID),
    OWN("__euid", NGS_CTX_EUID),
    FACT("gid", NGS_CTX_GID),
    OWN("__egid", NGS_CTX_EGID),
    FACT("cpu", NGS_CTX_CPU),
    FACT("target", NGS_CTX_TARGET),
    FACT("user_mode", NGS_CTX_USER_MODE),
    FACT("uaddr", NGS_CTX_UADDR),
    FACT("addr", NGS_CTX_ADDR),
    FACT("returnval", NGS_CTX_RETVAL),
    FACT("task_current", NGS_CTX_TASK),
    FACT("is_return", NGS_CTX_RETURN),
    FACT("__pidns", NGS_CTX_PIDNS),
    /* For __uframe() and __usp(). */
    {"__unwind", TYPE_LONG, 1, 0, {TYPE_LONG}, 0, lower_long, NGS_CTX_UNWIND},
    {"__unwind_on", TYPE_LONG, 1, 1, {TYPE_LONG}, 0, lower_long, NGS_CTX_UNWIND_ON},
    {"__uframe", TYPE_LONG, 1, 1, {TYPE_LONG}, INTRIN_PURE, lower_long, NGS_CTX_UFRAME},
    {"__uplace", TYPE_LONG, 1, 1, {TYPE_LONG}, INTRIN_PURE, lower_long, NGS_CTX_UPLACE},
    /* The stack at hand: of the kernel's first N frames, the program's from FROM to TO, texts. */
    {"__stack_kernel",
     TYPE_LONG,
     1,
     1,
     {TYPE_LONG},
     INTRIN_STACK,
     lower_long,
     NGS_CTX_STACK_KERNEL},
    {"__stack_program",
     TYPE_LONG,
     2,
     2,
     {TYPE_LONG, TYPE_LONG},
     0,
     lower_long,
     NGS_CTX_STACK_PROGRAM},
    {"__stack_kept", TYPE_LONG, 0, 0, {0}, 0, lower_long, NGS_CTX_STACK_KEPT},
    {"__stack_texts", TYPE_LONG, 0, 0, {0}, INTRIN_PURE, lower_stack_texts, 0},
    {"__usp", TYPE_LONG, 1, 1, {TYPE_LONG}, INTRIN_PURE, lower_long, NGS_CTX_USP},
    {"stack", TYPE_LONG, 1, 1, {TYPE_LONG}, INTRIN_PURE | INTRIN_STACK, lower_long, NGS_CTX_KSTACK},
    {"randint", TYPE_LONG, 1, 1, {TYPE_LONG}, 0, lower_random, 0},
    TEXT("execname", NGS_CTX_EXECNAME),
    TEXT("pp", NGS_CTX_PP),
    TEXT("pn", NGS_CTX_PN),
    TEXT("probefunc", NGS_CTX_KFUNC),
    TEXT("ppfunc", NGS_CTX_KFUNC),
    CLOCK("gettimeofday_ns", 1),
    CLOCK("gettimeofday_us", 1000),
    CLOCK("gettimeofday_ms", 1000000),
    CLOCK("gettimeofday_s", 1000000000),
    CLOCK("ktime_get_ns", -1),
    CLOCK("local_clock_ns", -1),
    CLOCK("local_clock_us", -1000),
    CLOCK("local_clock_ms", -1000000),
    CLOCK("local_clock_s", -1000000000),
    CPU_CLOCK("cpu_clock_ns", -1),
    CPU_CLOCK("cpu_clock_us", -1000),
    CPU_CLOCK("cpu_clock_ms", -1000000),
    CPU_CLOCK("cpu_clock_s", -1000000000),
    CLOCK("get_cycles", -1),
    REGISTER("register", 1),
    REGISTER("u_register", 0),
    ARGUMENT("long_arg", 0),
    ARGUMENT("ulong_arg", 0),
    ARGUMENT("longlong_arg", 0),
    ARGUMENT("ulonglong_arg", 0),
    ARGUMENT("pointer_arg", 0),
    ARGUMENT("int_arg", -4),
    ARGUMENT("uint_arg", 4),
    ARGUMENT("s32_arg", -4),
    ARGUMENT("u32_arg", 4),
    ARGUMENT("s64_arg", 0),
    ARGUMENT("u64_arg", 0),
};

const struct func_family func_context = {rows, sizeof(rows) / sizeof(*rows)};
