/*
 * context: facts about the hit, in the kernel: process, time, registers, names. Enters: CONTEXT and
 * SCONTEXT; leaves: helper calls and reads of the context. Refuses, with the place, what no helper
 * tells (the parent's pid, effective ids).
 *
 * r6 is the context: struct bpf_perf_event_data (whose regs come first), struct pt_regs or struct
 * bpf_raw_tracepoint_args; all may be read directly, 8 bytes at a time (kernel/trace/bpf_trace.c:
 * pe_prog_is_valid_access, kprobe_prog_is_valid_access, raw_tp_prog_is_valid_access). What fentry
 * and fexit give is asked for by helpers: read directly it would be pointers, which the verifier
 * lets nobody calculate with.
 */
#include "cg/emit.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "arch/arch.h"
#include "base/arena.h"
#include "base/diag.h"
#include "cg/graph.h"
#include "cg/registers.h"
#include "cg/syscall.h"

static uint16_t ip_offset(const struct cg_gen *g)
{
    const struct arch *a = g->c->cx->arch;

    return a->regs[a->ip].offset;
}

static void refuse(struct cg_gen *g, const struct ir_ins *i, const char *what)
{
    g->c->failed = true;
    diag_error(g->c->cx->diag, g->c->u->locs[i->loc].at, "not-yet",
               "%s cannot be told in a handler that runs in the kernel", what);
}

/* r0 = tgid << 32 | tid */
static void pid_tgid(struct cg_gen *g)
{
    uint32_t plain = cg_label(&g->s), done = cg_label(&g->s);

    cg_clobber_all(g);
    cg_value(&g->s, R1, CG_CONTROL, offsetof(struct ngs_control, pidns_ino));
    cg_ldx(&g->s, BPF_DW, R1, R1, 0);
    cg_jmpi(&g->s, BPF_JEQ, R1, 0, plain);
    cg_puti(g, R1, 0); /* the library's frame argument, which this one does not use */
    cg_do_lib(g, CG_LIB_PID);
    cg_ja(&g->s, done);
    cg_bind(&g->s, plain); /* the common one: a call less */
    cg_do_call(g, BPF_FUNC_get_current_pid_tgid);
    cg_bind(&g->s, done);
}

static void helper(struct cg_gen *g, const struct ir_ins *i, int number)
{
    cg_call_begin(g);
    cg_do_call(g, number);
    cg_result(g, i->dst, R0);
}

/* r0 = the one at OFF of pt_regs; else as above. */
static void user_reg(struct cg_gen *g, uint32_t off, uint32_t none)
{
    cg_user_regs(g, &(struct cg_user_regs){.n = 1, .off = {off}}, none);
}

static void emit_user_reg(struct cg_gen *g, const struct ir_ins *i, uint32_t off)
{
    cg_call_begin(g);
    cg_clobber_all(g);
    user_reg(g, off, cg_is_function(g) || cg_is_call(g) ? 0 : cg_fail(g, i, NGS_ERR_NO_USER_REGS));
    cg_result(g, i->dst, R0);
}

static void emit_uaddr(struct cg_gen *g, const struct ir_ins *i)
{
    uint32_t none = cg_label(&g->s), done = cg_label(&g->s);

    cg_call_begin(g);
    cg_clobber_all(g);
    user_reg(g, ip_offset(g), none);
    if (!cg_is_function(g) && !cg_is_call(g)) {
        cg_ja(&g->s, done);
        cg_bind(&g->s, none);
        cg_movi(&g->s, R0, 0);
        cg_bind(&g->s, done);
    } else {
        cg_bind(&g->s, none);
    }
    cg_result(g, i->dst, R0);
}

static void emit_user_mode(struct cg_gen *g, const struct ir_ins *i)
{
    int d = cg_def(g, i->dst);
    uint32_t done = cg_label(&g->s);

    if (!cg_is_tick(g)) {
        cg_movi(&g->s, d, cg_is_function(g));
        return;
    }
    cg_mode_bits(g, d, R6, 0);
    if (g->c->cx->arch->user_mode.zero) { /* 0 - 1 alone is negative */
        cg_alui(&g->s, BPF_SUB, d, 1);
        cg_alui(&g->s, BPF_RSH, d, 63);
    } else {
        cg_jmpi(&g->s, BPF_JEQ, d, 0, done);
        cg_movi(&g->s, d, 1);
    }
    cg_bind(&g->s, done);
}

/* ---- functions of the kernel ---- */

/* A helper's number with the place of its result, which is no pointer then, whatever the function
 * is given. */
static void traced_value(struct cg_gen *g, const struct ir_ins *i, int64_t which)
{
    bool result = which == NGS_FUNC_RESULT;
    int to = cg_word(g->c->u, CG_WORD_REGS);

    cg_call_begin(g);
    cg_clobber_all(g);
    cg_mov(&g->s, R1, R6);
    cg_movi(&g->s, R2, which);
    cg_addr(&g->s, result ? R2 : R3, R9, (uint32_t)to);
    cg_do_call(g, result ? BPF_FUNC_get_func_ret : BPF_FUNC_get_func_arg);
    cg_ldx(&g->s, BPF_DW, R0, R9, to);
    cg_result(g, i->dst, R0);
}

/* WHICH: an argument by register, or NGS_FUNC_RESULT. */
static void function_value(struct cg_gen *g, const struct ir_ins *i, int64_t which)
{
    const struct arch *a = g->c->cx->arch;

    if (cg_is_traced(g))
        traced_value(g, i, which);
    else
        cg_ldx(&g->s, BPF_DW, cg_def(g, i->dst), R6,
               a->regs[which == NGS_FUNC_RESULT ? a->result : a->args[which]].offset);
}

/* A kprobe's ip is somewhere behind a breakpoint, or in a trampoline: the kernel knows better, but
 * for an instruction within a function. */
static void function_address(struct cg_gen *g, const struct ir_ins *i)
{
    uint32_t known = cg_label(&g->s);

    cg_call_begin(g);
    cg_clobber_all(g);
    cg_mov(&g->s, R1, R6);
    cg_do_call(g, BPF_FUNC_get_func_ip);
    if (cg_is_in_kernel(g)) {
        cg_jmpi(&g->s, BPF_JNE, R0, 0, known);
        cg_ldx(&g->s, BPF_DW, R0, R6, ip_offset(g));
        cg_bind(&g->s, known);
    }
    cg_result(g, i->dst, R0);
}

/* FACT: enum ngs_call_fact. */
static void call_fact(struct cg_gen *g, const struct ir_ins *i, int64_t fact)
{
    cg_ldx(&g->s, BPF_DW, cg_def(g, i->dst), R9, cg_call_word(g, (uint32_t)fact));
}

void cg_k_context(struct cg_gen *g, const struct ir_ins *i)
{
    const struct arch *arch = g->c->cx->arch;

    if (cg_walk(g, i))
        return;
    switch (i->imm) {
    case NGS_CTX_PID:
    case NGS_CTX_TID:
        cg_call_begin(g);
        pid_tgid(g);
        if (i->imm == NGS_CTX_PID)
            cg_alui(&g->s, BPF_RSH, R0, 32);
        else
            cg_zext32(&g->s, R0);
        cg_result(g, i->dst, R0);
        break;
    case NGS_CTX_UID:
    case NGS_CTX_GID:
        helper(g, i, BPF_FUNC_get_current_uid_gid);
        if (i->imm == NGS_CTX_GID)
            cg_alui(&g->s, BPF_RSH, R0, 32);
        else
            cg_zext32(&g->s, R0);
        break;
    case NGS_CTX_CPU:
        helper(g, i, BPF_FUNC_get_smp_processor_id);
        break;
    case NGS_CTX_TARGET:
        cg_call_begin(g);
        cg_put_frame(g, R1, 0);
        cg_do_lib(g, CG_LIB_TARGET);
        cg_result(g, i->dst, R0);
        break;
    case NGS_CTX_MONO_NS:
        helper(g, i, BPF_FUNC_ktime_get_ns);
        break;
    case NGS_CTX_TIME_NS:
        helper(g, i, BPF_FUNC_ktime_get_ns);
        cg_value(&g->s, R1, CG_CONTROL, offsetof(struct ngs_control, clock_offset));
        cg_ldx(&g->s, BPF_DW, R1, R1, 0);
        cg_alu(&g->s, BPF_ADD, R0, R1);
        break;
    case NGS_CTX_USER_MODE:
        emit_user_mode(g, i);
        break;
    case NGS_CTX_UADDR:
        emit_uaddr(g, i);
        break;
    case NGS_CTX_ADDR:
        if (cg_is_event(g))
            refuse(g, i, "the address");
        else if ((cg_is_in_kernel(g) && g->c->k->has[FEAT_BPF_COOKIE]) || cg_is_traced(g))
            function_address(g, i);
        else
            cg_ldx(&g->s, BPF_DW, cg_def(g, i->dst), R6, ip_offset(g));
        break;
    case NGS_CTX_REG:
        if (i->a.kind != IRV_IMM || i->a.imm < 0 || i->a.imm >= arch->n_regs)
            refuse(g, i, "a register that is not named by a literal");
        else if (cg_is_in_kernel(g))
            cg_ldx(&g->s, BPF_DW, cg_def(g, i->dst), R6, arch->regs[i->a.imm].offset);
        else
            emit_user_reg(g, i, arch->regs[i->a.imm].offset);
        break;
    case NGS_CTX_ARG:
        if (cg_is_call(g) && i->a.imm >= NGS_CALL_NUMBER)
            call_fact(g, i, i->a.imm);
        else if (cg_is_in_kernel(g) || cg_is_traced(g))
            function_value(g, i, i->a.imm);
        else
            cg_ldx(&g->s, BPF_DW, cg_def(g, i->dst), R6, 8 * (int)i->a.imm);
        break;
    case NGS_CTX_PARAM:
        if (cg_is_call(g) && i->a.imm >= ARCH_SYSCALL_ARGS)
            refuse(g, i, "an argument that no system call has");
        else if (cg_is_call(g))
            call_fact(g, i, NGS_CALL_PARAM + i->a.imm);
        else if (cg_is_in_kernel(g))
            function_value(g, i, i->a.imm);
        else
            emit_user_reg(g, i, arch->regs[arch->args[i->a.imm]].offset);
        break;
    case NGS_CTX_RETVAL:
        if (cg_is_call(g) && attach_has(g->probe->rec.kind, ATTACH_ON_RETURN))
            cg_ldx(&g->s, BPF_DW, cg_def(g, i->dst), R6, 8);
        else if (cg_is_event(g))
            refuse(g, i, "a returned value");
        else if (cg_is_traced(g) && !attach_has(g->probe->rec.kind, ATTACH_ON_RETURN))
            refuse(g, i, "a returned value"); /* the function has only begun */
        else if (cg_is_traced(g))
            function_value(g, i, NGS_FUNC_RESULT);
        else
            cg_ldx(&g->s, BPF_DW, cg_def(g, i->dst), R6, arch->regs[arch->result].offset);
        break;
    case NGS_CTX_TASK:
        helper(g, i, BPF_FUNC_get_current_task);
        break;
    case NGS_CTX_RETURN:
        cg_movi(&g->s, cg_def(g, i->dst), attach_has(g->probe->rec.kind, ATTACH_ON_RETURN));
        break;
    case NGS_CTX_RANDOM:
        helper(g, i, BPF_FUNC_get_prandom_u32);
        break;
    case NGS_CTX_PIDNS: {
        int d = cg_def(g, i->dst);

        cg_value(&g->s, d, CG_CONTROL, offsetof(struct ngs_control, pidns_ino));
        cg_ldx(&g->s, BPF_DW, d, d, 0);
        break;
    }
    case NGS_CTX_PPID: /* where the kernel has BTF, tapset/task.stp reads them: this is never run */
    case NGS_CTX_EUID:
    case NGS_CTX_EGID:
        if (i->a.kind == IRV_IMM && i->a.imm == 1)
            cg_movi(&g->s, cg_def(g, i->dst), 0);
        else
            refuse(g, i,
                   i->imm == NGS_CTX_PPID ? "the parent's pid (without the kernel's BTF)"
                                          : "an effective id (without the kernel's BTF)");
        break;
    default:
        refuse(g, i, "this");
        break;
    }
}

static void set_to_handle(struct cg_gen *g, const struct ir_ins *i, uint32_t handle)
{
    cg_call_begin(g);
    cg_put_str(g, R2, i->str);
    cg_puti(g, R3, handle);
    cg_put_frame(g, R1, 0);
    cg_do_lib(g, CG_LIB_COPY);
}

/* A name of the place that this is, out of the table; WHICH: CG_PLACE_NAME or _FUNC. */
static void emit_place(struct cg_gen *g, const struct ir_ins *i, uint32_t which)
{
    uint32_t known = cg_label(&g->s);

    cg_call_begin(g);
    cg_clobber_all(g);
    if (cg_is_call(g)) {
        cg_syscall_place(g);
    } else {
        cg_mov(&g->s, R1, R6);
        cg_do_call(g, BPF_FUNC_get_attach_cookie);
    }
    cg_jmpi(&g->s, BPF_JLT, R0, (int32_t)g->c->n_places, known);
    cg_movi(&g->s, R0,
            g->c->probes[g->probe_index].place); /* for the verifier: it is one of them */
    cg_bind(&g->s, known);
    cg_alui(&g->s, BPF_MUL, R0, CG_PLACE_SIZE);
    cg_value(&g->s, R3, CG_RODATA, g->c->place_table + which);
    cg_alu(&g->s, BPF_ADD, R3, R0);
    cg_ldx(&g->s, BPF_W, R3, R3, 0);
    cg_put_str(g, R2, i->str);
    cg_put_frame(g, R1, 0);
    cg_lib_source(g->c, CG_LIB_COPY, CG_IN_RODATA << CG_HANDLE_SHIFT);
    cg_do_lib(g, CG_LIB_COPY);
}

static void emit_kfunc(struct cg_gen *g, const struct ir_ins *i)
{
    uint32_t none = cg_label(&g->s), done = cg_label(&g->s);

    if (!cg_is_tick(g)) {
        if (g->probe->asks_place)
            emit_place(g, i, CG_PLACE_FUNC);
        else
            set_to_handle(g, i,
                          cg_text_handle(g->c, g->probe->func_name ? g->probe->func_name : ""));
        return;
    }
    cg_call_begin(g);
    cg_clobber_all(g);
    cg_put_str(g, R2, i->str);
    cg_put_frame(g, R1, 0);
    cg_if_mode(g, true, R3, R6, 0, none);
    cg_ldx(&g->s, BPF_DW, R3, R6, ip_offset(g));
    cg_do_lib(g, CG_LIB_KFUNC);
    cg_ja(&g->s, done);
    cg_bind(&g->s, none);
    cg_puti(g, R3, cg_text_handle(g->c, ""));
    cg_do_lib(g, CG_LIB_COPY);
    cg_bind(&g->s, done);
}

void cg_k_scontext(struct cg_gen *g, const struct ir_ins *i)
{
    switch ((enum ngs_ctx)i->imm) {
    case NGS_CTX_EXECNAME:
        cg_call_begin(g);
        cg_put_str(g, R2, i->str);
        cg_put_frame(g, R1, 0);
        cg_do_lib(g, CG_LIB_EXECNAME);
        break;
    case NGS_CTX_PP:
        if (g->probe->asks_place)
            emit_place(g, i, CG_PLACE_NAME);
        else
            set_to_handle(g, i, cg_text_handle(g->c, g->probe->name ? g->probe->name : ""));
        break;
    case NGS_CTX_PN:
        set_to_handle(g, i, cg_text_handle(g->c, g->probe->written ? g->probe->written : ""));
        break;
    case NGS_CTX_KFUNC:
        emit_kfunc(g, i);
        break;
    default:
        refuse(g, i, "this");
        break;
    }
}
