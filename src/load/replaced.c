/*
 * replaced: where the kernel keeps the addresses of a program that breakpoints have replaced, so
 * that a walk of its stack goes on behind them (cg/lib/replaced.c). Enters: the kernel's BTF;
 * leaves: offsets in the control map. A kernel that does not tell them: walks end there.
 */
#include "load/kernel_types.h"
#include "load/session.h"

bool replaced_are_returns(const struct session *s)
{
    for (uint32_t i = 0; i < s->o->h->table[OBJ_PROBES].n; i++)
        if (attach_has(s->o->probes[i].kind, ATTACH_ON_RETURN) &&
            attach_has(s->o->probes[i].kind, ATTACH_PLACES) &&
            !attach_has(s->o->probes[i].kind, ATTACH_KERNEL))
            return true;
    return false;
}

void replaced_find(struct session *s)
{
    struct ngs_replaced at = {.utask = 0}, *to = &s->control->replaced;
    uint32_t utask = 0, in_mm = 0, in_state = 0;
    struct kernel_member all[] = {
        {"task_struct", "utask", &utask, false},
        {"task_struct", "mm", &at.mm, false},
        {"mm_struct", "uprobes_state", &in_mm, false},
        {"uprobes_state", "xol_area", &in_state, false},
        {"xol_area", "vaddr", &at.trampoline, false},
        {"uprobe_task", "return_instances", &at.first, false},
        {"uprobe_task", "xol_vaddr", &at.copy, false},
        {"uprobe_task", "vaddr", &at.vaddr, false},
        {"return_instance", "stack", &at.stack, false},
        {"return_instance", "orig_ret_vaddr", &at.address, false},
        {"return_instance", "next", &at.next, false},
    };

    if (to->utask || !kernel_members(all, sizeof(all) / sizeof(*all)))
        return;
    at.area = in_mm + in_state;
    *to = at;
    __atomic_store_n(&to->utask, utask, __ATOMIC_RELEASE); /* walks ask this one first */
}
