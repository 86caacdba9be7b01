/*
 * walk: stacks of the program and of the kernel, in the kernel. Enters: CONTEXT that walks them,
 * asks for a frame or adds frames to the stack at hand, and FCALL that adds a text; leaves: calls
 * of the library, which has the walk itself (lib/unwind.c, lib/stack.c), with the frame's words
 * (enum cg_unwind, enum cg_stacks).
 */
#include "cg/emit.h"

#include <errno.h>
#include <stddef.h>

#include "arch/arch.h"
#include "cg/graph.h"
#include "cg/registers.h"

/* ---- the program's stack ---- */

/* How many frames the script wants; 0, the shortest to say, is all. */
static void unwind_most(struct cg_gen *g, struct ir_val most)
{
    int word = cg_unwind_word(g->c->u, CG_UNWIND_MOST);
    bool all = most.kind == IRV_NONE || (most.kind == IRV_IMM && !most.imm);

    if (all) {
        cg_sti(&g->s, BPF_DW, R9, word, NGS_STACK_MAX);
    } else {
        cg_put(g, R1, most);
        cg_stx(&g->s, BPF_DW, R9, word, R1);
    }
}

/*
 * The registers that a walk begins with, then the walk; 0 where no program's are known. One that
 * was made before in this run of the handler, for as many frames, serves again.
 */
static void emit_unwind(struct cg_gen *g, const struct ir_ins *i)
{
    const struct arch *a = g->c->cx->arch;
    const struct ir_unit *u = g->c->u;
    struct cg_user_regs start = {
        3,
        {a->regs[a->ip].offset, a->regs[a->sp].offset, a->regs[a->frame_pointer].offset},
        {cg_unwind_word(u, CG_UNWIND_IP), cg_unwind_word(u, CG_UNWIND_SP),
         cg_unwind_word(u, CG_UNWIND_FP)}};
    const int end = offsetof(struct ngs_range, end);
    uint32_t walk = cg_label(&g->s), none = cg_label(&g->s), done = cg_label(&g->s);

    for (uint32_t k = 0; a->unwind.known && k < ARCH_HELD_REGS; k++) { /* those that rows name */
        start.off[start.n] = 8 * k;
        start.word[start.n++] = cg_unwind_word(u, CG_UNWIND_REGS) + 8 * (int)k;
    }
    cg_call_begin(g);
    unwind_most(g, i->a);
    cg_clobber_all(g);
    cg_ldx(&g->s, BPF_DW, R1, R9, cg_unwind_word(u, CG_UNWIND_MADE));
    cg_ldx(&g->s, BPF_DW, R2, R9, cg_unwind_word(u, CG_UNWIND_MOST));
    cg_jmp(&g->s, BPF_JNE, R1, R2, walk);
    cg_ldx(&g->s, BPF_DW, R0, R9, cg_unwind_word(u, CG_UNWIND_N));
    cg_ja(&g->s, done);
    cg_bind(&g->s, walk);
    cg_stx(&g->s, BPF_DW, R9, cg_unwind_word(u, CG_UNWIND_MADE), R2);
    cg_sti(&g->s, BPF_DW, R9, cg_unwind_word(u, CG_UNWIND_FIRST), 0);
    cg_sti(&g->s, BPF_DW, R9, cg_unwind_word(u, CG_UNWIND_CFRAME), 0);
    cg_sti(&g->s, BPF_DW, R9, cg_unwind_word(u, CG_UNWIND_RETURN), 0);
    cg_sti(&g->s, BPF_DW, R9, cg_unwind_word(u, CG_UNWIND_N), 0);
    cg_sti(&g->s, BPF_DW, R9, cg_unwind_word(u, CG_UNWIND_CALL), 0);
    cg_sti(&g->s, BPF_DW, R9, cg_unwind_word(u, CG_UNWIND_LEN), 0);
    cg_sti(&g->s, BPF_DW, R9, cg_unwind_word(u, CG_UNWIND_RANGE) + end, 0);
    cg_user_regs(g, &start, none);
    cg_put_frame(g, R1, 0);
    cg_do_lib(g, CG_LIB_UNWIND);
    if (cg_label_used(&g->s, none)) { /* else the verifier finds code that nothing reaches */
        cg_ja(&g->s, done);
        cg_bind(&g->s, none);
        cg_movi(&g->s, R0, 0);
    }
    cg_bind(&g->s, done);
    cg_result(g, i->dst, R0);
}

static void emit_unwind_on(struct cg_gen *g, const struct ir_ins *i)
{
    cg_call_begin(g);
    cg_put(g, R2, i->a);
    cg_clobber_all(g);
    cg_sti(&g->s, BPF_DW, R9, cg_unwind_word(g->c->u, CG_UNWIND_MADE), 0);
    cg_put_frame(g, R1, 0);
    cg_do_lib(g, CG_LIB_UNWIND_ON);
    cg_result(g, i->dst, R0);
}

/* The result is the word of number r1 in those at FIRST of the frame; 0: there are r2 only. */
static void frame_word(struct cg_gen *g, const struct ir_ins *i, int first)
{
    uint32_t none = cg_label(&g->s), done = cg_label(&g->s);

    cg_jmp(&g->s, BPF_JGE, R1, R2, none);
    cg_jmpi(&g->s, BPF_JGE, R1, NGS_STACK_MAX, none);
    cg_alui(&g->s, BPF_LSH, R1, 3);
    cg_alu(&g->s, BPF_ADD, R1, R9);
    cg_ldx(&g->s, BPF_DW, R0, R1, first);
    cg_ja(&g->s, done);
    cg_bind(&g->s, none);
    cg_movi(&g->s, R0, 0);
    cg_bind(&g->s, done);
    cg_result(g, i->dst, R0);
}

/* Of the frame whose number it is told, the word in those at FIRST. */
static void emit_unwound(struct cg_gen *g, const struct ir_ins *i, int first)
{
    cg_call_begin(g);
    cg_put(g, R1, i->a);
    cg_clobber_all(g);
    cg_ldx(&g->s, BPF_DW, R2, R9, cg_unwind_word(g->c->u, CG_UNWIND_N));
    frame_word(g, i, cg_unwind_word(g->c->u, first));
}

/* What another process has at that address is another's; where there is one process alone no
 * look-up, which costs as much as five marks. */
static void emit_address_place(struct cg_gen *g, const struct ir_ins *i)
{
    uint32_t known = cg_label(&g->s);

    cg_call_begin(g);
    cg_put(g, R2, i->a);
    cg_clobber_all(g);
    cg_mov(&g->s, R0, R2);
    cg_value(&g->s, R1, CG_CONTROL, offsetof(struct ngs_control, only));
    cg_ldx(&g->s, BPF_DW, R1, R1, 0);
    cg_jmpi(&g->s, BPF_JNE, R1, 0, known);
    cg_put_frame(g, R1, 0);
    cg_do_lib(g, CG_LIB_UNWIND_PLACE);
    cg_bind(&g->s, known);
    cg_result(g, i->dst, R0);
}

/* ---- the kernel's stack ---- */

/* Frames that are the probe's own. With an event's arguments as context the kernel walks from where
 * the helper is called (bpf_get_stack_raw_tp): from the program, by way of what called its loop,
 * and bpf_trace_run, or a trampoline. Else it walks from the context's registers. */
static int32_t frames_of_probe(const struct cg_gen *g)
{
    if (!cg_is_event(g) && !cg_is_traced(g))
        return 0;
    if (!g->graph->in_callback)
        return 2;
    return g->loops == CG_LOOP_FOR_EACH ? 4 : 3; /* the kernel inlines bpf_loop */
}

/* The kernel's stack is in the frame's words; clobbers r0 to r5. */
static void kernel_walk(struct cg_gen *g)
{
    uint32_t have = cg_label(&g->s), some = cg_label(&g->s);
    int n = cg_stacks_word(g->c->u, CG_STACKS_KERNEL_N);

    cg_ldx(&g->s, BPF_DW, R0, R9, n);
    cg_jmpi(&g->s, BPF_JNE, R0, 0, have);
    cg_mov(&g->s, R1, R6);
    cg_addr(&g->s, R2, R9, (uint32_t)cg_stacks_word(g->c->u, CG_STACKS_KERNEL));
    cg_movi(&g->s, R3, NGS_STACK_MAX * 8);
    cg_movi(&g->s, R4, frames_of_probe(g));
    cg_do_call(g, BPF_FUNC_get_stack);
    cg_jmpi(&g->s, BPF_JSGE, R0, 0, some);
    cg_movi(&g->s, R0, 0);
    cg_bind(&g->s, some);
    cg_alui(&g->s, BPF_RSH, R0, 3);
    cg_alui(&g->s, BPF_ADD, R0, 1);
    cg_stx(&g->s, BPF_DW, R9, n, R0);
    cg_bind(&g->s, have);
}

/* r0 = frame ARG of the kernel's stack, of whatever number: all are walked at once. */
static void emit_kernel_frame(struct cg_gen *g, const struct ir_ins *i)
{
    int word = cg_word(g->c->u, CG_WORD_STACK);

    cg_call_begin(g);
    cg_put(g, R1, i->a);
    cg_clobber_all(g);
    cg_stx(&g->s, BPF_DW, R9, word, R1);
    kernel_walk(g);
    cg_ldx(&g->s, BPF_DW, R1, R9, word);
    cg_ldx(&g->s, BPF_DW, R2, R9, cg_stacks_word(g->c->u, CG_STACKS_KERNEL_N));
    cg_alui(&g->s, BPF_SUB, R2, 1);
    frame_word(g, i, cg_stacks_word(g->c->u, CG_STACKS_KERNEL));
}

/* r0 = frame ARG of the kernel's stack, those before it left out; 0: there is none. */
static void emit_kernel_stack(struct cg_gen *g, const struct ir_ins *i)
{
    uint32_t none = cg_label(&g->s), done = cg_label(&g->s);
    int word = cg_word(g->c->u, CG_WORD_STACK), own = frames_of_probe(g);

    cg_call_begin(g);
    cg_put(g, R4, i->a);
    cg_clobber_all(g);
    cg_jmpi(&g->s, BPF_JGT, R4, BPF_F_SKIP_FIELD_MASK - own, none);
    cg_alui(&g->s, BPF_ADD, R4, own);
    cg_mov(&g->s, R1, R6);
    cg_addr(&g->s, R2, R9, (uint32_t)word);
    cg_movi(&g->s, R3, 8);
    cg_do_call(g, BPF_FUNC_get_stack);
    cg_jmpi(&g->s, BPF_JNE, R0, 8, none);
    cg_ldx(&g->s, BPF_DW, R0, R9, word);
    cg_ja(&g->s, done);
    cg_bind(&g->s, none);
    cg_movi(&g->s, R0, 0);
    cg_bind(&g->s, done);
    cg_result(g, i->dst, R0);
}

/* ---- stacks that become numbers ---- */

/* Adds what the library is told by r3 and r4, of WHOSE. */
static void add_to_stack(struct cg_gen *g, enum cg_stack_of whose)
{
    cg_movi(&g->s, R2, whose);
    cg_put_frame(g, R1, 0);
    cg_do_lib(g, CG_LIB_STACK);
}

static void emit_stack_program(struct cg_gen *g, const struct ir_ins *i)
{
    cg_call_begin(g);
    cg_put(g, R3, i->a);
    cg_put(g, R4, i->b);
    cg_clobber_all(g);
    add_to_stack(g, CG_STACK_PROGRAM);
    cg_result(g, i->dst, R0);
}

static void emit_stack_kernel(struct cg_gen *g, const struct ir_ins *i)
{
    int word = cg_word(g->c->u, CG_WORD_STACK);

    cg_call_begin(g);
    cg_put(g, R1, i->a);
    cg_clobber_all(g);
    cg_stx(&g->s, BPF_DW, R9, word, R1);
    kernel_walk(g);
    cg_movi(&g->s, R3, 0);
    cg_ldx(&g->s, BPF_DW, R4, R9, word);
    add_to_stack(g, CG_STACK_KERNEL);
    cg_result(g, i->dst, R0);
}

/*
 * Keeps the VALUE, an offset in the frame, under the number in the frame's word NUMBER in MAP, if
 * it is not there; adds 1 to the control map's word at COUNT then. Before Linux 6.2 an element may
 * not be made of what lies behind a parameter, so no function of the library does it.
 */
static void keep_under(struct cg_gen *g, const struct ir_ins *i, const char *map, int number,
                       uint32_t value, uint32_t count, uint32_t have)
{
    uint32_t full = cg_label(&g->s), stored = cg_label(&g->s);

    cg_map(&g->s, R1, map);
    cg_put_frame(g, R2, (uint32_t)number);
    cg_put_frame(g, R3, value);
    cg_movi(&g->s, R4, BPF_NOEXIST);
    cg_do_call(g, BPF_FUNC_map_update_elem);
    cg_jmpi(&g->s, BPF_JEQ, R0, -E2BIG, full);
    cg_jmpi(&g->s, BPF_JEQ, R0, -ENOMEM, full);
    cg_jmpi(&g->s, BPF_JEQ, R0, 0, stored);
    cg_ja(&g->s, have); /* another processor has stored it */
    cg_bind(&g->s, full);
    cg_sti(&g->s, BPF_DW, R9, cg_stacks_word(g->c->u, CG_STACKS_STACK), 0);
    cg_ja(&g->s, cg_fail(g, i, NGS_ERR_MAP_FULL));
    cg_bind(&g->s, stored);
    cg_value(&g->s, R1, CG_CONTROL, count);
    cg_movi(&g->s, R2, 1);
    cg_atomic(&g->s, BPF_ADD, R1, 0, R2);
}

static void emit_stack_kept(struct cg_gen *g, const struct ir_ins *i)
{
    const struct ir_unit *u = g->c->u;
    uint32_t none = cg_label(&g->s), have = cg_label(&g->s);
    int number = cg_stacks_word(u, CG_STACKS_NUMBER), n = cg_stacks_word(u, CG_STACKS_STACK);

    cg_call_begin(g);
    cg_clobber_all(g);
    cg_ldx(&g->s, BPF_DW, R0, R9, n);
    cg_jmpi(&g->s, BPF_JEQ, R0, 0, none);
    cg_map(&g->s, R1, NGS_MAP_STACKS);
    cg_put_frame(g, R2, (uint32_t)number);
    cg_do_call(g, BPF_FUNC_map_lookup_elem);
    cg_jmpi(&g->s, BPF_JNE, R0, 0, have);
    keep_under(g, i, NGS_MAP_STACKS, number, (uint32_t)n, offsetof(struct ngs_control, stacks),
               have);
    cg_bind(&g->s, have);
    cg_sti(&g->s, BPF_DW, R9, n, 0);
    cg_ldx(&g->s, BPF_DW, R0, R9, number);
    cg_bind(&g->s, none);
    cg_result(g, i->dst, R0);
}

/* A text among the frames: its number is made of its hash, and has the bits of ngs_is_text(). */
void cg_stack_text(struct cg_gen *g, const struct ir_ins *i)
{
    const struct ir_unit *u = g->c->u;
    uint32_t have = cg_label(&g->s), fits = cg_label(&g->s);
    int number = cg_stacks_word(u, CG_STACKS_TEXT);

    cg_call_begin(g);
    cg_put_str(g, R3, i->args[0]);
    cg_clobber_all(g);
    cg_movi(&g->s, R2, number);
    cg_put_frame(g, R1, 0);
    cg_do_lib(g, CG_LIB_HASH);
    cg_ldx(&g->s, BPF_DW, R1, R9, number);
    cg_ldx(&g->s, BPF_DW, R2, R9, number + 8);
    cg_movi(&g->s, R3, (int64_t)0x9e3779b97f4a7c15); /* of both lanes: one alone has 32 bits */
    cg_alu(&g->s, BPF_MUL, R1, R3);
    cg_alu(&g->s, BPF_ADD, R1, R2);
    cg_alui(&g->s, BPF_LSH, R1, 2);
    cg_alui(&g->s, BPF_RSH, R1, 2);
    cg_movi(&g->s, R2, (int64_t)1 << 62);
    cg_alu(&g->s, BPF_OR, R1, R2);
    cg_stx(&g->s, BPF_DW, R9, number, R1);
    cg_map(&g->s, R1, NGS_MAP_TEXTS);
    cg_put_frame(g, R2, (uint32_t)number);
    cg_do_call(g, BPF_FUNC_map_lookup_elem);
    cg_jmpi(&g->s, BPF_JNE, R0, 0, have);
    cg_put_str(g, R3, i->args[0]);
    cg_movi(&g->s, R2, (int32_t)u->frame_val);
    cg_put_frame(g, R1, 0);
    cg_do_lib(g, CG_LIB_COPY);
    cg_put_frame(g, R1, u->frame_val);
    cg_ldx(&g->s, BPF_W, R2, R1, 0);
    cg_jmpi(&g->s, BPF_JLE, R2, NGS_TEXT_MAX, fits);
    cg_sti(&g->s, BPF_W, R1, 0, NGS_TEXT_MAX);
    cg_bind(&g->s, fits);
    keep_under(g, i, NGS_MAP_TEXTS, number, u->frame_val, offsetof(struct ngs_control, texts),
               have);
    cg_bind(&g->s, have);
    cg_movi(&g->s, R3, 0);
    cg_movi(&g->s, R4, 1);
    add_to_stack(g, CG_STACK_TEXT);
    cg_result(g, i->dst, R0);
}

bool cg_walk(struct cg_gen *g, const struct ir_ins *i)
{
    switch (i->imm) {
    case NGS_CTX_UNWIND:
        emit_unwind(g, i);
        break;
    case NGS_CTX_UNWIND_ON:
        emit_unwind_on(g, i);
        break;
    case NGS_CTX_UFRAME:
        emit_unwound(g, i, CG_UNWIND_FRAMES);
        break;
    case NGS_CTX_UPLACE:
        emit_unwound(g, i, CG_UNWIND_PLACES);
        break;
    case NGS_CTX_STACK_PROGRAM:
        emit_stack_program(g, i);
        break;
    case NGS_CTX_USP:
        emit_unwound(g, i, CG_UNWIND_SPS);
        break;
    case NGS_CTX_PLACE:
        emit_address_place(g, i);
        break;
    case NGS_CTX_STACK_KERNEL:
        emit_stack_kernel(g, i);
        break;
    case NGS_CTX_STACK_KEPT:
        emit_stack_kept(g, i);
        break;
    case NGS_CTX_KSTACK:
        if (i->a.kind == IRV_IMM)
            emit_kernel_stack(g, i);
        else
            emit_kernel_frame(g, i);
        break;
    default:
        return false;
    }
    return true;
}
