/*
 * process: the library's facts of the moment: process, thread's name, kernel function. Leaves:
 * subprograms.
 */
#include "cg/lib/lib.h"

#include <stddef.h>

#define CONTROL(field) ((uint32_t)offsetof(struct ngs_control, field))

/* In a pid namespace of our own the numbers are those that its processes have there (loader:
 * pidns). */
void cg_lib_pid(struct cg_lib_fn *f)
{
    struct cg_asm *s = &f->s;
    uint32_t plain = cg_label(s), none = cg_label(s);

    cg_value(s, R6, CG_CONTROL, CONTROL(pidns_dev));
    cg_ldx(s, BPF_DW, R2, R6, 8); /* pidns_ino */
    cg_jmpi(s, BPF_JEQ, R2, 0, plain);
    cg_ldx(s, BPF_DW, R1, R6, 0);
    cg_mov(s, R3, R10);
    cg_alui(s, BPF_ADD, R3, -8);
    cg_movi(s, R4, 8);
    cg_call(s, BPF_FUNC_get_ns_current_pid_tgid);
    cg_jmpi(s, BPF_JNE, R0, 0, none);
    cg_ldx(s, BPF_W, R0, R10, -4); /* struct bpf_pidns_info: pid, tgid */
    cg_alui(s, BPF_LSH, R0, 32);
    cg_ldx(s, BPF_W, R1, R10, -8);
    cg_alu(s, BPF_OR, R0, R1);
    cg_exit(s);
    cg_bind(s, plain);
    cg_call(s, BPF_FUNC_get_current_pid_tgid);
    cg_exit(s);
    cg_bind(s, none);
    cg_lib_leave(f, 0);
}

/* Of several processes that are named, each is the target of its own hits. */
void cg_lib_target(struct cg_lib_fn *f)
{
    struct cg_asm *s = &f->s;
    uint32_t first = cg_label(s);

    cg_lib_enter(f);
    cg_value(s, R7, CG_CONTROL, CONTROL(gate));
    cg_ldx(s, BPF_DW, R1, R7, 0);
    cg_alui(s, BPF_AND, R1, NGS_SCOPE_SEVERAL);
    cg_jmpi(s, BPF_JEQ, R1, 0, first);
    cg_ldx(s, BPF_W, R1, R6, LIB_FRAME(member.kind));
    cg_jmpi(s, BPF_JNE, R1, NGS_NAMED, first);
    cg_movi(s, R1, 0);
    cg_lib_call(f, CG_LIB_PID);
    cg_alui(s, BPF_RSH, R0, 32);
    cg_exit(s);
    cg_bind(s, first);
    cg_value(s, R7, CG_CONTROL, CONTROL(target));
    cg_ldx(s, BPF_DW, R0, R7, 0);
    cg_exit(s);
}

void cg_lib_execname(struct cg_lib_fn *f)
{
    struct cg_asm *s = &f->s;
    uint32_t fits = cg_label(s);
    int most = f->c->max < 15 ? (int)f->c->max : 15;

    cg_lib_enter(f);
    cg_lib_resolve(f, R7, R2, R6, R4, true);
    cg_sti(s, BPF_DW, R10, -8, 0);
    cg_sti(s, BPF_DW, R10, -16, 0);
    cg_mov(s, R1, R10);
    cg_alui(s, BPF_ADD, R1, -16);
    cg_movi(s, R2, 16);
    cg_call(s, BPF_FUNC_get_current_comm);
    cg_lib_clean_comm(f, -16);
    cg_jmpi(s, BPF_JLE, R0, most, fits);
    cg_movi(s, R0, most);
    cg_bind(s, fits);
    cg_stx(s, BPF_W, R7, 0, R0);
    for (int k = 0; k + 8 <= most + 1; k += 8) {
        cg_ldx(s, BPF_DW, R1, R10, k - 16);
        cg_stx(s, BPF_DW, R7, LIB_BYTES + k, R1);
    }
    for (int k = (most + 1) & ~7; k <= most; k++) {
        cg_ldx(s, BPF_B, R1, R10, k - 16);
        cg_stx(s, BPF_B, R7, LIB_BYTES + k, R1);
    }
    if (most < 15)
        cg_sti(s, BPF_B, R7, LIB_BYTES + most, 0);
    cg_lib_leave(f, 0);
}

/*
 * "%ps" gives "name" or "name [module]": what is behind the name goes. Without bpf_snprintf the
 * string gets a marker that becomes the name in user space.
 */
void cg_lib_kfunc(struct cg_lib_fn *f)
{
    enum { NAME_MAX_LEN = 64 };
    struct cg_asm *s = &f->s;
    uint32_t set = cg_label(s);
    int32_t size = f->c->max < NAME_MAX_LEN ? (int32_t)f->c->max + 1 : NAME_MAX_LEN;

    cg_lib_enter(f);
    cg_mov(s, R8, R3);
    cg_mov(s, R9, R2);
    cg_lib_resolve(f, R7, R2, R6, R4, true);
    cg_sti(s, BPF_W, R7, 0, 0);
    if (!f->c->k->has[FEAT_SNPRINTF]) {
        cg_mov(s, R1, R6);
        cg_mov(s, R2, R9);
        cg_movi(s, R3, 'k');
        cg_mov(s, R4, R8);
        cg_lib_call(f, CG_LIB_MARK);
        cg_lib_leave(f, 0);
        return;
    }
    cg_stx(s, BPF_DW, R10, -8, R8);
    cg_mov(s, R1, R7);
    cg_alui(s, BPF_ADD, R1, LIB_BYTES);
    cg_movi(s, R2, size);
    cg_value(s, R3, CG_RODATA, f->c->fmt_ps);
    cg_mov(s, R4, R10);
    cg_alui(s, BPF_ADD, R4, -8);
    cg_movi(s, R5, 8);
    cg_call(s, BPF_FUNC_snprintf);
    for (int k = 0; k < size - 1; k++) {
        uint32_t next = cg_label(s);

        cg_ldx(s, BPF_B, R1, R7, LIB_BYTES + k);
        cg_sti(s, BPF_W, R7, 0, k);
        cg_jmpi(s, BPF_JEQ, R1, 0, set);
        cg_jmpi(s, BPF_JNE, R1, ' ', next);
        cg_sti(s, BPF_B, R7, LIB_BYTES + k, 0);
        cg_ja(s, set);
        cg_bind(s, next);
    }
    cg_sti(s, BPF_W, R7, 0, size - 1);
    cg_bind(s, set);
    cg_lib_leave(f, 0);
}
