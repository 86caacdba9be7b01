/*
 * spend: the library's account of the time that handlers take (struct ngs_spent): what is asked
 * before one that is to be measured, and what is done when it has ended. Leaves: subprograms.
 *
 * Numbers of one CPU are changed without atomics: where one handler interrupts another's account, a
 * sum is a little too small. What is left out is counted exactly.
 */
#include "cg/lib/lib.h"

#include <stddef.h>

#define CONTROL(field) ((uint32_t)offsetof(struct ngs_control, field))
#define SPENT(field)   ((int)offsetof(struct ngs_spent, field))

enum { AT_KEY = -8 };

/* DST = this CPU's account of the probe whose number is at AT_KEY; none is no case, and leaves. */
static void account(struct cg_lib_fn *f, int dst)
{
    struct cg_asm *s = &f->s;

    cg_map(s, R1, NGS_MAP_SPENT);
    cg_mov(s, R2, R10);
    cg_alui(s, BPF_ADD, R2, AT_KEY);
    cg_call(s, BPF_FUNC_map_lookup_elem);
    cg_jmpi(s, BPF_JEQ, R0, 0, f->l_bad);
    cg_mov(s, dst, R0);
}

/* r6 = the account of probe r2, r8 = that of all. */
static void accounts(struct cg_lib_fn *f)
{
    struct cg_asm *s = &f->s;

    cg_stx(s, BPF_W, R10, AT_KEY, R2);
    account(f, R6);
    cg_sti(s, BPF_W, R10, AT_KEY, (int32_t)f->c->u->n_probes);
    account(f, R8);
}

/* A new window begins for each of them on its own; r1 is its number, r9 the time. */
static void turn_over(struct cg_asm *s)
{
    uint32_t same = cg_label(s), all_same = cg_label(s);

    cg_ldx(s, BPF_DW, R2, R6, SPENT(window));
    cg_jmp(s, BPF_JEQ, R1, R2, same);
    cg_ldx(s, BPF_W, R2, R6, SPENT(out));
    cg_stx(s, BPF_W, R6, SPENT(throttled), R2);
    cg_sti(s, BPF_W, R6, SPENT(out), 0);
    cg_stx(s, BPF_DW, R6, SPENT(window), R1);
    cg_stx(s, BPF_DW, R6, SPENT(first), R9);
    cg_sti(s, BPF_DW, R6, SPENT(spent), 0);
    cg_bind(s, same);
    cg_ldx(s, BPF_DW, R2, R8, SPENT(window));
    cg_jmp(s, BPF_JEQ, R1, R2, all_same);
    cg_stx(s, BPF_DW, R8, SPENT(window), R1);
    cg_sti(s, BPF_DW, R8, SPENT(spent), 0);
    cg_bind(s, all_same);
}

/* REG = what may be taken of that many ns. */
static void part(struct cg_lib_fn *f, int reg)
{
    cg_alui(&f->s, BPF_MUL, reg, (int32_t)f->c->cx->limits.overload);
    cg_alui(&f->s, BPF_DIV, reg, 100);
}

static void over(struct cg_lib_fn *f)
{
    cg_sti(&f->s, BPF_W, R6, SPENT(over), 1);
    cg_lib_count(f, CONTROL(overloads), R1, R2);
}

/*
 * Ticks are thinned evenly: each stands for itself. r2: what all have taken, r3: what this probe
 * has, r4: what all may have taken by now.
 */
static void evenly(struct cg_lib_fn *f, uint32_t run, uint32_t left)
{
    struct cg_asm *s = &f->s;
    int32_t budget = cg_budget(f->c);

    cg_alui(s, BPF_ADD, R4, budget / NGS_THROTTLED);
    cg_jmp(s, BPF_JLE, R2, R4, run);
    cg_alui(s, BPF_MUL, R3, (int32_t)f->c->n_metered);
    cg_jmp(s, BPF_JLE, R3, R4, run);
    cg_ldx(s, BPF_W, R1, R6, SPENT(throttled));
    cg_jmpi(s, BPF_JNE, R1, 0, left);
    cg_sti(s, BPF_W, R6, SPENT(throttled), 1);
    over(f);
    cg_ja(s, left);
}

/* (probe, evenly) ns of now, or 0: the hit is left out */
void cg_lib_spend_begin(struct cg_lib_fn *f)
{
    struct cg_asm *s = &f->s;
    uint32_t whole = cg_label(s), free = cg_label(s), shut = cg_label(s), left = cg_label(s),
             run = cg_label(s);
    int32_t budget = cg_budget(f->c);

    cg_mov(s, R7, R3);
    accounts(f);
    cg_call(s, BPF_FUNC_ktime_get_ns);
    cg_mov(s, R9, R0);
    cg_mov(s, R1, R9);
    cg_alui(s, BPF_RSH, R1, NGS_WINDOW_SHIFT);
    turn_over(s);
    cg_ldx(s, BPF_W, R1, R6, SPENT(out));
    cg_jmpi(s, BPF_JNE, R1, 0, left);
    cg_ldx(s, BPF_DW, R2, R8, SPENT(spent));
    cg_ldx(s, BPF_DW, R3, R6, SPENT(spent));
    cg_mov(s, R4, R9);
    cg_jmpi(s, BPF_JEQ, R7, 0, whole);
    cg_alui(s, BPF_AND, R4, (1 << NGS_WINDOW_SHIFT) - 1);
    part(f, R4);
    evenly(f, run, left);
    cg_bind(s, whole);
    cg_ldx(s, BPF_W, R1, R6, SPENT(throttled));
    cg_jmpi(s, BPF_JEQ, R1, 0, free);
    cg_jmpi(s, BPF_JLE, R3, budget / NGS_THROTTLED, run);
    cg_ldx(s, BPF_DW, R1, R6, SPENT(first));
    cg_alu(s, BPF_SUB, R4, R1);
    part(f, R4);
    cg_jmp(s, BPF_JGT, R3, R4, shut);
    cg_sti(s, BPF_W, R6, SPENT(throttled), 0);
    cg_ja(s, run);
    cg_bind(s, free);
    cg_jmpi(s, BPF_JLE, R2, budget, run);
    cg_jmpi(s, BPF_JLE, R3, budget / (int32_t)f->c->n_metered, run);
    cg_ldx(s, BPF_W, R1, R6, SPENT(pair));
    cg_jmpi(s, BPF_JEQ, R1, 0, shut);
    cg_movi(s, R1, (int64_t)budget * NGS_PATIENCE);
    cg_jmp(s, BPF_JGT, R2, R1, shut);
    cg_ldx(s, BPF_W, R1, R6, SPENT(over));
    cg_jmpi(s, BPF_JNE, R1, 0, run);
    over(f);
    cg_ja(s, run);
    cg_bind(s, shut);
    cg_sti(s, BPF_W, R6, SPENT(out), 1);
    over(f);
    cg_bind(s, left);
    cg_movi(s, R1, 1);
    cg_atomic(s, BPF_ADD, R6, SPENT(left_out), R1);
    cg_lib_leave(f, 0);
    cg_bind(s, run);
    cg_mov(s, R0, R9);
    cg_exit(s);
}

/* (probe, when it began) */
void cg_lib_spend_end(struct cg_lib_fn *f)
{
    struct cg_asm *s = &f->s;
    uint32_t likely = cg_label(s), cheap = cg_label(s);

    cg_mov(s, R7, R3);
    accounts(f);
    cg_ldx(s, BPF_DW, R9, R6, SPENT(cost));
    cg_call(s, BPF_FUNC_ktime_get_ns);
    cg_alu(s, BPF_SUB, R0, R7);
    cg_jmpi(s, BPF_JLE, R0, NGS_LONGEST, likely);
    cg_movi(s, R0, NGS_LONGEST);
    cg_bind(s, likely);
    cg_alu(s, BPF_ADD, R0, R9); /* this hit, */
    cg_ldx(s, BPF_W, R1, R6, SPENT(pending));
    cg_ldx(s, BPF_DW, R2, R6, SPENT(each));
    cg_alu(s, BPF_MUL, R2, R1);
    cg_alu(s, BPF_ADD, R2, R0); /* and those before */
    cg_ldx(s, BPF_DW, R3, R6, SPENT(hits));
    cg_alu(s, BPF_ADD, R3, R1);
    cg_alui(s, BPF_ADD, R3, 1);
    cg_stx(s, BPF_DW, R6, SPENT(hits), R3);
    cg_stx(s, BPF_DW, R6, SPENT(each), R0);
    cg_alu(s, BPF_SUB, R0, R9);
    cg_movi(s, R1, NGS_UNMEASURED);
    cg_jmpi(s, BPF_JLT, R0, NGS_CHEAP, cheap);
    cg_movi(s, R1, 0);
    cg_bind(s, cheap);
    cg_stx(s, BPF_W, R6, SPENT(pending), R1);
    cg_stx(s, BPF_W, R6, SPENT(unmeasured), R1);
    cg_ldx(s, BPF_DW, R1, R6, SPENT(spent));
    cg_alu(s, BPF_ADD, R1, R2);
    cg_stx(s, BPF_DW, R6, SPENT(spent), R1);
    cg_ldx(s, BPF_DW, R1, R8, SPENT(spent));
    cg_alu(s, BPF_ADD, R1, R2);
    cg_stx(s, BPF_DW, R8, SPENT(spent), R1);
    cg_lib_leave(f, 0);
}
