/*
 * kernel_program: one handler -> one program for the verifier. Enters: a probe; leaves: a function
 * in the object's list, and where its loops need one, a callback beside it. Refuses loops where the
 * kernel can do none.
 *
 * Prologue: nothing once the session is stopped; nothing for processes outside of the scope; claim
 * one of this CPU's frames, unless the handler's is on the stack (onstack.h). A perf_event can
 * interrupt a uprobe program on its CPU, and an uprobe's may be preempted, so the claim is an
 * atomic exchange, and a hit that finds all of them taken is counted as skipped. The frame is given
 * back on the one way out.
 */
#include "cg/program.h"

#include <stddef.h>

#include "base/arena.h"
#include "base/diag.h"
#include "cg/body.h"
#include "cg/emit.h"
#include "cg/graph.h"
#include "cg/onstack.h"
#include "cg/syscall.h"

#define FRAME(field)   ((int)offsetof(struct ngs_frame, field))
#define CONTROL(field) ((uint32_t)offsetof(struct ngs_control, field))

/* bpf_loop's own limit: BPF_MAX_LOOPS, kernel/bpf/bpf_iter.c. */
enum { MAX_LOOPS = 1 << 23 };

static enum cg_loops kernel_loops(const struct cg *c)
{
    return c->k->has[FEAT_MAY_GOTO]   ? CG_LOOP_MAY_GOTO
           : c->k->has[FEAT_BPF_LOOP] ? CG_LOOP_CALLBACK
                                      : CG_LOOP_FOR_EACH;
}

static void count(struct cg_gen *g, uint32_t field)
{
    cg_value(&g->s, R1, CG_CONTROL, field);
    cg_movi(&g->s, R2, 1);
    cg_atomic(&g->s, BPF_ADD, R1, 0, R2);
}

/* Slots hold what the last handler left: the handler sets its own. */
static void clear_frame(struct cg_gen *g)
{
    const struct ir_unit *u = g->c->u;

    cg_sti(&g->s, BPF_DW, R9, FRAME(error), 0);
    cg_sti(&g->s, BPF_DW, R9, FRAME(depth), 0);
    cg_sti(&g->s, BPF_DW, R9, FRAME(sp), 0);
    if (u->funcs[g->func]->pauses)
        cg_sti(&g->s, BPF_DW, R9, FRAME(paused), 0);
    cg_movi(&g->s, R1, g->c->cx->limits.maxaction);
    cg_stx(&g->s, BPF_DW, R9, FRAME(budget), R1);
    if (g->graph->walks)
        cg_sti(&g->s, BPF_DW, R9, cg_unwind_word(u, CG_UNWIND_MADE), 0);
    if (g->graph->walks_kernel)
        cg_sti(&g->s, BPF_DW, R9, cg_stacks_word(u, CG_STACKS_KERNEL_N), 0);
    if (g->graph->stacks)
        cg_sti(&g->s, BPF_DW, R9, cg_stacks_word(u, CG_STACKS_STACK), 0);
    if (g->graph->reads && u->reads)
        for (uint32_t k = 0; k < u->cache_lines; k++)
            cg_sti_far(&g->s, BPF_DW, R9, u->frame_cache + 8 * k, -1, R1);
}

/*
 * r7 = the process's struct ngs_member, or 0 where nobody asks; r8 is the gate, and says that
 * somebody does. Hits of others go to QUIT. Where the scope is one process, this is
 * a read and a comparison.
 */
static void scope(struct cg_gen *g, uint32_t quit)
{
    uint32_t in = cg_label(&g->s), member = cg_label(&g->s), ask = cg_label(&g->s);
    /* the variables of a module that it reads are those of the scope's processes */
    bool everybody = g->probe->everybody && !g->graph->modules;

    cg_value(&g->s, R1, CG_CONTROL, CONTROL(only));
    cg_ldx(&g->s, BPF_DW, R7, R1, 0);
    cg_jmpi(&g->s, BPF_JEQ, R7, 0, ask);
    if (!everybody) {
        cg_call(&g->s, BPF_FUNC_get_current_pid_tgid);
        cg_alui(&g->s, BPF_RSH, R0, 32);
        cg_jmp(&g->s, BPF_JNE, R0, R7, quit);
    }
    cg_movi(&g->s, R7, 0);
    cg_ja(&g->s, in);
    cg_bind(&g->s, ask);
    cg_movi(&g->s, R1, 0);
    cg_call_lib(g->c, &g->s, CG_LIB_PID);
    cg_alui(&g->s, BPF_RSH, R0, 32);
    cg_stx(&g->s, BPF_W, R10, CG_STACK0, R0);
    cg_map(&g->s, R1, NGS_MAP_SCOPE);
    cg_mov(&g->s, R2, R10);
    cg_alui(&g->s, BPF_ADD, R2, CG_STACK0);
    cg_call(&g->s, BPF_FUNC_map_lookup_elem);
    cg_jmpi(&g->s, BPF_JNE, R0, 0, member);
    if (!everybody)
        cg_jmpi(&g->s, BPF_JSET, R8, NGS_SCOPE_TEST, quit);
    cg_ja(&g->s, in);
    cg_bind(&g->s, member);
    cg_ldx(&g->s, BPF_DW, R7, R0, 0);
    if (!everybody)
        cg_jmpi32(&g->s, BPF_JEQ, R7, NGS_WATCHED, quit);
    if (g->graph->modules) {
        cg_mov(&g->s, R1, R7);
        cg_alui(&g->s, BPF_RSH, R1, 32);
        cg_jmpi(&g->s, BPF_JLT, R1, NGS_LAYOUTS, in);
        count(g, CONTROL(unplaced));
        cg_ja(&g->s, quit);
    }
    cg_bind(&g->s, in);
}

/*
 * Is there anything to look at? One read and a branch where the session runs and no hits of others
 * can come in.
 */
static void gate(struct cg_gen *g, uint32_t quit)
{
    uint32_t tested = cg_label(&g->s), in = cg_label(&g->s);

    cg_movi(&g->s, R7, 0);
    cg_value(&g->s, R1, CG_CONTROL, CONTROL(gate));
    cg_ldx(&g->s, BPF_DW, R8, R1, 0);
    cg_jmpi(&g->s, BPF_JEQ, R8, 0, in);
    cg_jmpi(&g->s, BPF_JSET, R8, NGS_STOPPED, quit);
    cg_mov(&g->s, R1, R8);
    cg_alui(&g->s, BPF_AND, R1, NGS_SCOPE_ALL);
    cg_jmpi(&g->s, BPF_JEQ, R1, 0, tested);
    scope(g, quit);
    cg_bind(&g->s, tested);
    cg_alui(&g->s, BPF_AND, R8, NGS_COUNTED);
    cg_jmpi(&g->s, BPF_JEQ, R8, 0, in);
    count(g, CONTROL(hits));
    cg_bind(&g->s, in);
}

/*
 * r8 = when the handler began, 0 where it is not measured; a hit that is left out goes to QUIT.
 * Most hits of a handler that takes little are let in by a look-up and a count.
 */
static void begin_spending(struct cg_gen *g, uint32_t quit)
{
    uint32_t measured = cg_label(&g->s), in = cg_label(&g->s);
    int left = (int)offsetof(struct ngs_spent, unmeasured);

    if (!g->metered)
        return;
    cg_sti(&g->s, BPF_W, R10, CG_STACK0, (int32_t)g->probe_index);
    cg_map(&g->s, R1, NGS_MAP_SPENT);
    cg_mov(&g->s, R2, R10);
    cg_alui(&g->s, BPF_ADD, R2, CG_STACK0);
    cg_call(&g->s, BPF_FUNC_map_lookup_elem);
    cg_jmpi(&g->s, BPF_JEQ, R0, 0, quit);
    cg_movi(&g->s, R8, 0);
    cg_ldx(&g->s, BPF_W, R1, R0, left);
    cg_jmpi(&g->s, BPF_JEQ, R1, 0, measured);
    cg_alui(&g->s, BPF_ADD, R1, -1);
    cg_stx(&g->s, BPF_W, R0, left, R1);
    cg_ja(&g->s, in);
    cg_bind(&g->s, measured);
    cg_movi(&g->s, R1, 0);
    cg_movi(&g->s, R2, g->probe_index);
    cg_movi(&g->s, R3, attach_kind(g->probe->rec.kind)->context == CONTEXT_TICK);
    cg_call_lib(g->c, &g->s, CG_LIB_SPEND_BEGIN);
    cg_jmpi(&g->s, BPF_JEQ, R0, 0, quit);
    cg_mov(&g->s, R8, R0);
    cg_bind(&g->s, in);
}

static void end_spending(struct cg_gen *g)
{
    uint32_t none = cg_label(&g->s);

    if (!g->metered)
        return;
    cg_ldx(&g->s, BPF_DW, R3, R9, FRAME(started));
    cg_jmpi(&g->s, BPF_JEQ, R3, 0, none);
    cg_movi(&g->s, R1, 0);
    cg_movi(&g->s, R2, g->probe_index);
    cg_call_lib(g->c, &g->s, CG_LIB_SPEND_END);
    cg_bind(&g->s, none);
}

static void prologue(struct cg_gen *g, uint32_t quit, uint32_t skipped)
{
    cg_mark(&g->s, g->c->u->locs[g->probe->rec.loc].at);
    cg_mov(&g->s, R6, R1);
    gate(g, quit);
    begin_spending(g, quit);
    if (g->on_stack) {
        if (g->metered)
            cg_stx(&g->s, BPF_DW, R9, FRAME(started), R8);
        if (!g->unlimited) {
            cg_movi(&g->s, R1, g->c->cx->limits.maxaction);
            cg_stx(&g->s, BPF_DW, R9, FRAME(budget), R1);
        }
        return;
    }
    cg_claim(g->c, &g->s, skipped);
    clear_frame(g);
    if (g->metered)
        cg_stx(&g->s, BPF_DW, R9, FRAME(started), R8);
    cg_stx(&g->s, BPF_DW, R9, FRAME(member), R7);
    cg_syscall_begin(g);
}

static void report_of(struct cg_gen *g)
{
    cg_movi(&g->s, R1, 0);
    cg_ldx(&g->s, BPF_DW, R2, R9, FRAME(error));
    cg_ldx(&g->s, BPF_DW, R3, R9, FRAME(error_arg));
    cg_ldx(&g->s, BPF_DW, R4, R9, FRAME(error_loc));
    cg_movi(&g->s, R5, g->probe_index);
    cg_call_lib(g->c, &g->s, CG_LIB_REPORT_OF);
}

/* The ends that a handler's code jumps to, except its plain end. */
static void ends(struct cg_gen *g)
{
    if (g->need_exceeded) {
        cg_bind(&g->s, g->l_exceeded);
        cg_sti(&g->s, BPF_DW, R9, FRAME(error), NGS_ERR_MAXACTION);
        cg_sti(&g->s, BPF_DW, R9, FRAME(error_arg), 0);
        cg_sti(&g->s, BPF_DW, R9, FRAME(error_loc), (int32_t)g->probe->rec.loc);
    }
    if (g->need_report || g->need_exceeded) {
        cg_bind(&g->s, g->l_report);
        if (g->on_stack) {
            report_of(g);
            return;
        }
        cg_mov(&g->s, R1, R9);
        cg_movi(&g->s, R2, g->probe_index);
        cg_call_lib(g->c, &g->s, CG_LIB_REPORT);
        cg_k_resume(g);
    }
}

/* Lets go of what user space keeps of this handler, if none of its prints was the last. */
static void end_records(struct cg_gen *g)
{
    uint32_t none = cg_label(&g->s);

    cg_ldx(&g->s, BPF_W, R1, R9, FRAME(waiting));
    cg_jmpi(&g->s, BPF_JEQ, R1, 0, none);
    cg_mov(&g->s, R1, R9);
    cg_movi(&g->s, R2, g->probe_index);
    cg_call_lib(g->c, &g->s, CG_LIB_SEND_END);
    cg_bind(&g->s, none);
}

static void epilogue(struct cg_gen *g, uint32_t quit, uint32_t skipped)
{
    if (g->keeps)
        end_records(g);
    end_spending(g);
    if (!g->on_stack)
        cg_sti(&g->s, BPF_DW, R9, FRAME(busy), 0);
    cg_bind(&g->s, quit);
    cg_movi(&g->s, R0, 0);
    cg_exit(&g->s);
    if (g->on_stack)
        return;
    cg_bind(&g->s, skipped);
    count(g, CONTROL(skipped));
    cg_ja(&g->s, quit);
}

/* The handler's code as the body of a loop callback: entered anew after every back edge. */
static bool callback(struct cg_gen *g, const char *name)
{
    bool each = g->loops == CG_LOOP_FOR_EACH;

    cg_mark(&g->s, g->c->u->locs[g->probe->rec.loc].at);
    cg_mov(&g->s, R1, each ? R4 : R2);
    cg_ldx(&g->s, BPF_DW, R6, R1, 0);
    cg_ldx(&g->s, BPF_DW, R9, R1, 8);
    cg_dispatch(g);
    cg_write_body(g);
    ends(g);
    if (g->need_report || cg_label_used(&g->s, g->l_done)) { /* else it never ends by itself */
        cg_bind(&g->s, g->l_done);
        cg_sti(&g->s, BPF_DW, R9, FRAME(pc), -1);
        cg_movi(&g->s, R0, 1);
        cg_exit(&g->s);
    }
    if (!cg_asm_end(&g->s))
        return false;
    cg_asm_take(&g->s, cg_new_func(g->c, name, each ? CG_SIG_FOR_EACH : CG_SIG_LOOP, each ? 4 : 2));
    return true;
}

/* The program around a callback: when the loop has run out of turns and the handler has not
 * ended, that is a handler that runs too long. */
static void call_callback(struct cg_gen *g, const char *name)
{
    cg_sti(&g->s, BPF_DW, R9, FRAME(pc), 1);
    cg_stx(&g->s, BPF_DW, R10, CG_STACK1, R6);
    cg_stx(&g->s, BPF_DW, R10, CG_STACK0, R9);
    cg_callback(&g->s, R2, name);
    cg_mov(&g->s, R3, R10);
    cg_alui(&g->s, BPF_ADD, R3, CG_STACK1);
    cg_movi(&g->s, R4, 0);
    if (g->loops == CG_LOOP_FOR_EACH) {
        g->c->ticks = true;
        cg_map(&g->s, R1, CG_MAP_TICKS);
        cg_call(&g->s, BPF_FUNC_for_each_map_elem);
    } else {
        cg_movi(&g->s, R1, MAX_LOOPS);
        cg_call(&g->s, BPF_FUNC_loop);
    }
    cg_ldx(&g->s, BPF_DW, R1, R9, FRAME(pc));
    cg_jmpi(&g->s, BPF_JEQ, R1, -1, g->l_done);
    g->need_exceeded = true;
    ends(g);
}

static void begin(struct cg_gen *g)
{
    cg_asm_begin(&g->s, g->c->cx, false);
    g->l_done = cg_label(&g->s);
    g->l_exceeded = cg_label(&g->s);
    g->l_report = cg_label(&g->s);
}

static bool refuse_loops(struct cg *c, const struct cg_gen *g)
{
    diag_error(c->cx->diag, c->u->locs[g->probe->rec.loc].at, "kernel",
               "this handler loops, and the kernel's eBPF cannot: it has none of %s, %s, %s",
               feature_name(FEAT_MAY_GOTO), feature_name(FEAT_BPF_LOOP),
               feature_name(FEAT_FOR_EACH_MAP));
    diag_hint(c->cx->diag, "%s serves from %s on; --backend=stap runs the script as a module",
              feature_name(FEAT_FOR_EACH_MAP), feature_since(FEAT_FOR_EACH_MAP));
    return false;
}

/* The code of a handler whose loops need no callback. */
static void write_program(struct cg_gen *g)
{
    uint32_t quit = cg_label(&g->s), skipped = cg_label(&g->s);

    prologue(g, quit, skipped);
    cg_write_body(g);
    ends(g);
    cg_bind(&g->s, g->l_done);
    epilogue(g, quit, skipped);
}

/* The same around a callback, whose ends are in it. */
static void write_caller(struct cg_gen *g, const char *loop)
{
    uint32_t quit = cg_label(&g->s), skipped = cg_label(&g->s);

    prologue(g, quit, skipped);
    call_callback(g, loop);
    cg_bind(&g->s, g->l_done);
    epilogue(g, quit, skipped);
}

/* Is there a way to get at functions of the kernel, for those that fentry does not serve? */
static bool refuse_kprobe(const struct cg *c, uint32_t probe)
{
    struct span at = c->u->locs[c->u->probes[probe].rec.loc].at;

    if (!c->k->has[FEAT_FENTRY])
        return kernel_no_functions(c->cx, c->k, at);
    diag_error(c->cx->diag, at, "kernel",
               "this probe needs a kprobe, and this kernel (%s) has none (CONFIG_KPROBES, "
               "CONFIG_KPROBE_EVENTS)",
               c->k->release ? c->k->release : "?");
    diag_hint(c->cx->diag, "one function by its name, without registers, pp() of several or "
                           "int_arg(), goes by fentry");
    return false;
}

bool cg_kernel_program(struct cg *c, uint32_t probe)
{
    if (attach_kind(c->u->probes[probe].rec.kind)->context == CONTEXT_KERNEL &&
        !c->k->has[FEAT_KPROBE])
        return refuse_kprobe(c, probe);

    const struct cg_gen start = {.c = c,
                                 .probe = &c->u->probes[probe],
                                 .probe_index = probe,
                                 .func = c->u->probes[probe].func,
                                 .metered = cg_is_metered(c, probe),
                                 .loops = kernel_loops(c)};
    struct cg_gen g = start;
    const char *name = arena_printf(c->cx->arena, "p%u", probe);
    const char *loop = arena_printf(c->cx->arena, "p%u_loop", probe);

    begin(&g);
    cg_graph_make(&g);
    c->sends |= g.graph->sends;
    c->stacks |= g.graph->stacks;
    cg_choose_stack(&g);
    if (g.on_stack) {
        write_program(&g);
        if (!cg_move_to_stack(&g)) {
            g = start;
            begin(&g);
            cg_graph_make(&g);
        }
    }
    if (g.graph->in_callback) {
        if (!c->k->has[FEAT_BPF_LOOP] && !c->k->has[FEAT_FOR_EACH_MAP])
            return refuse_loops(c, &g);
        if (!callback(&g, loop))
            return false;
        begin(&g);
        write_caller(&g, loop);
    } else if (!g.on_stack) {
        write_program(&g);
    }
    if (!cg_asm_end(&g.s))
        return false;
    struct cg_func *f = cg_new_func(c, name, CG_SIG_PROG, 1);

    f->section = attach_kind(g.probe->rec.kind)->section;
    cg_asm_take(&g.s, f);
    return !c->failed;
}
