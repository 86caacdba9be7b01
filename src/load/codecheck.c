/*
 * codecheck: what an object's programs may ask of the kernel. Enters: the instructions of a
 * section; leaves: yes, and whether guru mode is wanted, or an error. What is let through is what
 * scripts can be compiled to, so an object can do no more than a script: no other helper of the
 * kernel's, none of its functions (kfuncs), no map or variable by its number. Whether a program is
 * sound, the kernel's verifier says.
 */
#include "load/object.h"

#include <linux/bpf.h>

#include "base/arena.h"

/* Each helper that cg/ calls: another one is an error of the object's, or a row that lacks. */
static const uint16_t helpers[] = {
    BPF_FUNC_for_each_map_elem,
    BPF_FUNC_get_attach_cookie,
    BPF_FUNC_get_current_comm,
    BPF_FUNC_get_current_pid_tgid,
    BPF_FUNC_get_current_task,
    BPF_FUNC_get_current_task_btf,
    BPF_FUNC_get_current_uid_gid,
    BPF_FUNC_get_func_arg,
    BPF_FUNC_get_func_ip,
    BPF_FUNC_get_func_ret,
    BPF_FUNC_get_ns_current_pid_tgid,
    BPF_FUNC_get_prandom_u32,
    BPF_FUNC_get_smp_processor_id,
    BPF_FUNC_get_stack,
    BPF_FUNC_ktime_get_ns,
    BPF_FUNC_loop,
    BPF_FUNC_map_delete_elem,
    BPF_FUNC_map_lookup_elem,
    BPF_FUNC_map_update_elem,
    BPF_FUNC_probe_read_kernel,
    BPF_FUNC_probe_read_kernel_str,
    BPF_FUNC_probe_read_user,
    BPF_FUNC_probe_read_user_str,
    BPF_FUNC_ringbuf_output,
    BPF_FUNC_snprintf,
    BPF_FUNC_task_pt_regs,
};

/* What -g is for: writing to a program's memory, signals. */
static const uint16_t guru_helpers[] = {
    BPF_FUNC_probe_write_user,
    BPF_FUNC_send_signal_thread,
};

static bool is_one_of(const uint16_t *v, size_t n, int32_t id)
{
    for (size_t i = 0; i < n; i++)
        if (v[i] == id)
            return true;
    return false;
}

static bool check_call(struct compile *cx, const struct bpf_insn *i, bool *asks_guru)
{
    if (i->src_reg == BPF_PSEUDO_CALL)
        return true;
    if (i->src_reg)
        return object_damaged(cx, "it calls a function of the kernel");
    if (is_one_of(guru_helpers, sizeof(guru_helpers) / sizeof(*guru_helpers), i->imm))
        *asks_guru = true;
    else if (!is_one_of(helpers, sizeof(helpers) / sizeof(*helpers), i->imm))
        return object_damaged(
            cx, arena_printf(cx->arena, "it calls helper %d, which no script does", i->imm));
    return true;
}

bool object_check_code(struct compile *cx, const void *data, size_t size, bool *asks_guru)
{
    const struct bpf_insn *i = data, *end = i + size / sizeof(*i);

    if (size % sizeof(*i))
        return object_damaged(cx, "a program is cut");
    for (; i < end; i++) {
        bool call = i->code == (BPF_JMP | BPF_CALL) || i->code == (BPF_JMP32 | BPF_CALL) ||
                    i->code == (BPF_JMP | BPF_CALL | BPF_X);

        if (call && !check_call(cx, i, asks_guru))
            return false;
        if (i->code == (BPF_LD | BPF_IMM | BPF_DW) && i->src_reg && i->src_reg != BPF_PSEUDO_FUNC)
            return object_damaged(cx, "a program refers to something of the kernel by its number");
    }
    return true;
}
