/*
 * replaced: addresses that breakpoints in a program, ours and others', have replaced: a caller's,
 * by that of a trampoline while a .return probe waits; the program's own while it is on the
 * trampoline, or while the instruction at a breakpoint runs in a copy. Enters: the walk's words,
 * with such an address; leaves: the address that the program knows nothing else of, by what the
 * kernel keeps of the thread (include/linux/uprobes.h; struct return_instance: one for each
 * replaced caller, with the place where its address stood, the innermost first). Refuses: other
 * addresses, and kernels of which load/replaced.c does not know where they keep it.
 */
#include "cg/lib/unwind.h"

#include "arch/arch.h"

/* The kernel keeps 64 callers of a thread (MAX_URETPROBE_DEPTH); a copy of an instruction, and the
 * trampoline, have so many bytes (UPROBE_XOL_SLOT_BYTES). */
enum { INSTANCES_A_CALL = 8, CALLS = 64 / INSTANCES_A_CALL, SLOT = 128 };
enum { NONE, FOUND, GO_ON };

#define WHERE(field) ((uint32_t)offsetof(struct ngs_replaced, field))
#define SCRATCH      LIB_FRAME(private_[0])

/* The frame's AT = the kernel's word at register POINTER + the offset that control has at FIELD
 * (WHERE). Spoils r0-r5. */
static void read_member(struct cg_lib_fn *f, int at, int pointer, uint32_t field, uint32_t bad)
{
    struct cg_asm *s = &f->s;

    cg_value(s, R1, CG_CONTROL, (uint32_t)offsetof(struct ngs_control, replaced) + field);
    cg_ldx(s, BPF_W, R3, R1, 0);
    cg_alu(s, BPF_ADD, R3, pointer);
    cg_addr(s, R1, R6, (uint32_t)at);
    cg_movi(s, R2, 8);
    cg_call(s, BPF_FUNC_probe_read_kernel);
    cg_jmpi(s, BPF_JNE, R0, 0, bad);
}

/* Register TO = that word, an address; goes to BAD where there is none. */
static void follow(struct cg_lib_fn *f, int to, int pointer, uint32_t field, uint32_t bad)
{
    read_member(f, SCRATCH, pointer, field, bad);
    cg_ldx(&f->s, BPF_DW, to, R6, SCRATCH);
    cg_jmpi(&f->s, BPF_JEQ, to, 0, bad);
}

/* r7 = the thread's struct uprobe_task. */
static void find_task(struct cg_lib_fn *f)
{
    struct cg_asm *s = &f->s;

    cg_value(s, R1, CG_CONTROL, (uint32_t)offsetof(struct ngs_control, replaced) + WHERE(utask));
    cg_ldx(s, BPF_W, R1, R1, 0);
    cg_jmpi(s, BPF_JEQ, R1, 0, f->l_bad);
    cg_call(s, BPF_FUNC_get_current_task);
    cg_mov(s, R7, R0);
    follow(f, R7, R7, WHERE(utask), f->l_bad);
}

/* From the instance of CG_UNWIND_RETURN on, which is not 0. */
void cg_lib_unwind_returns(struct cg_lib_fn *f)
{
    struct cg_asm *s = &f->s;
    const int at = word(f, CG_UNWIND_RETURN);
    uint32_t next = cg_label(s), found = cg_label(s);

    cg_lib_enter(f);
    cg_ldx(s, BPF_DW, R8, R6, word(f, CG_UNWIND_SP));
    cg_alui(s, BPF_SUB, R8, 8);
    cg_movi(s, R9, 0);
    cg_bind(s, next);
    cg_ldx(s, BPF_DW, R7, R6, at);
    read_member(f, SCRATCH, R7, WHERE(stack), f->l_bad);
    cg_ldx(s, BPF_DW, R1, R6, SCRATCH);
    cg_jmp(s, BPF_JEQ, R1, R8, found);
    follow(f, R7, R7, WHERE(next), f->l_bad);
    cg_stx(s, BPF_DW, R6, at, R7);
    cg_alui(s, BPF_ADD, R9, 1);
    cg_jmpi(s, BPF_JLT, R9, INSTANCES_A_CALL, next);
    cg_lib_leave(f, GO_ON);
    cg_bind(s, found);
    read_member(f, word(f, CG_UNWIND_IP), R7, WHERE(address), f->l_bad);
    cg_lib_leave(f, FOUND);
}

/* Further out are those that were replaced before: the next search begins where this one ended. */
void cg_lib_unwind_return(struct cg_lib_fn *f)
{
    struct cg_asm *s = &f->s;
    const int at = word(f, CG_UNWIND_RETURN);
    uint32_t have = cg_label(s), next = cg_label(s), none = cg_label(s);

    cg_lib_enter(f);
    cg_ldx(s, BPF_DW, R1, R6, word(f, CG_UNWIND_CALL));
    cg_jmpi(s, BPF_JEQ, R1, 0, f->l_bad);
    cg_ldx(s, BPF_DW, R1, R6, at);
    cg_jmpi(s, BPF_JNE, R1, 0, have);
    find_task(f);
    follow(f, R7, R7, WHERE(first), f->l_bad);
    cg_stx(s, BPF_DW, R6, at, R7);
    cg_bind(s, have);
    cg_movi(s, R8, 0);
    cg_bind(s, next);
    cg_jmpi(s, BPF_JGE, R8, CALLS, none);
    cg_alui(s, BPF_ADD, R8, 1);
    cg_mov(s, R1, R6);
    cg_lib_call(f, CG_LIB_UNWIND_RETURNS);
    cg_jmpi(s, BPF_JEQ, R0, GO_ON, next);
    cg_jmpi(s, BPF_JNE, R0, FOUND, none);
    cg_lib_leave(f, 1);
    cg_bind(s, none);
    cg_sti(s, BPF_DW, R6, at, 0);
    cg_lib_leave(f, 0);
}

/* r9 = how far the program is behind the address in register FROM; goes to NO when it is not within
 * a copy. */
static void within(struct cg_lib_fn *f, int from, uint32_t no)
{
    cg_ldx(&f->s, BPF_DW, R9, R6, word(f, CG_UNWIND_IP));
    cg_alu(&f->s, BPF_SUB, R9, from);
    cg_jmpi(&f->s, BPF_JGE, R9, SLOT, no);
}

void cg_lib_unwind_stepped(struct cg_lib_fn *f)
{
    const struct arch *a = f->c->cx->arch;
    struct cg_asm *s = &f->s;
    uint32_t trampoline = cg_label(s), left = cg_label(s);

    cg_lib_enter(f);
    cg_ldx(s, BPF_DW, R1, R6, word(f, CG_UNWIND_N));
    cg_jmpi(s, BPF_JNE, R1, 1, f->l_bad);
    find_task(f);
    follow(f, R8, R7, WHERE(copy), trampoline);
    within(f, R8, trampoline);
    follow(f, R8, R7, WHERE(vaddr), f->l_bad);
    cg_alu(s, BPF_ADD, R8, R9);
    cg_stx(s, BPF_DW, R6, word(f, CG_UNWIND_IP), R8);
    cg_sti(s, BPF_DW, R6, word(f, CG_UNWIND_CALL), 0);
    cg_lib_leave(f, 1);

    cg_bind(s, trampoline); /* the function has returned */
    cg_call(s, BPF_FUNC_get_current_task);
    cg_mov(s, R8, R0);
    follow(f, R8, R8, WHERE(mm), f->l_bad);
    follow(f, R8, R8, WHERE(area), f->l_bad);
    follow(f, R8, R8, WHERE(trampoline), f->l_bad);
    within(f, R8, f->l_bad);
    follow(f, R7, R7, WHERE(first), left);
    follow(f, R8, R7, WHERE(stack), left);
    cg_alui(s, BPF_ADD, R8, 8);
    cg_ldx(s, BPF_DW, R1, R6, word(f, CG_UNWIND_SP));
    cg_mov(s, R2, R8);
    cg_alu(s, BPF_SUB, R2, R1);
    cg_jmpi(s, BPF_JGT, R2, a->unwind.pushed, left);
    cg_stx(s, BPF_DW, R6, word(f, CG_UNWIND_SP), R8);
    cg_sti(s, BPF_DW, R6, word(f, CG_UNWIND_CALL), 0);
    read_member(f, word(f, CG_UNWIND_IP), R7, WHERE(address), f->l_bad);
    cg_lib_leave(f, 1);

    /* The kernel has put the address where the trampoline pushed first, or is about to. */
    cg_bind(s, left);
    cg_ldx(s, BPF_DW, R3, R6, word(f, CG_UNWIND_IP));
    cg_movi(s, R2, 4);
    cg_lib_read_user(f, SCRATCH, R3, 0, f->l_bad);
    cg_ldx(s, BPF_W, R1, R6, SCRATCH);
    cg_movi(s, R2, a->unwind.pops);
    cg_jmp(s, BPF_JNE, R1, R2, f->l_bad);
    cg_ldx(s, BPF_DW, R8, R6, word(f, CG_UNWIND_SP));
    cg_alui(s, BPF_ADD, R8, a->unwind.pushed);
    cg_movi(s, R2, 8);
    cg_lib_read_user(f, SCRATCH, R8, -8, f->l_bad);
    cg_ldx(s, BPF_DW, R7, R6, SCRATCH);
    cg_mov(s, R1, R6);
    cg_mov(s, R2, R7);
    cg_lib_call(f, CG_LIB_UNWIND_RANGE);
    cg_jmpi(s, BPF_JEQ, R0, 0, f->l_bad);
    cg_stx(s, BPF_DW, R6, word(f, CG_UNWIND_IP), R7);
    cg_stx(s, BPF_DW, R6, word(f, CG_UNWIND_SP), R8);
    cg_sti(s, BPF_DW, R6, word(f, CG_UNWIND_CALL), 0);
    cg_lib_leave(f, 1);
}
