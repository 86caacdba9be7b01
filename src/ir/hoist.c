/*
 * hoist: finds handlers whose every path but an empty one is guarded by pid() == target(), so
 * that the loader can attach them to the target alone (design: only the target pays). Enters: a
 * simplified unit; leaves: probes' and the unit's target_only set. The guard itself stays: pid
 * filters of the kernel's are by thread group, and a uprobe is seen by every process of an image.
 */
#include "ir/ir.h"

/* Does control that comes to block ID end the handler without doing anything? */
static bool only_ends(const struct ir_func *f, uint32_t id)
{
    const struct ir_ins *i = f->blocks[id]->first;

    while (i && (i->op == IR_BUDGET || i->op == IR_CHARGE))
        i = i->next;
    return i && i->op == IR_DONE && !i->imm;
}

static bool guarded(const struct ir_func *f)
{
    uint32_t pid = 0, target = 0;

    for (const struct ir_ins *i = f->blocks[0]->first; i; i = i->next) {
        if (i->op == IR_CONTEXT && i->imm == NGS_CTX_PID) {
            pid = i->dst;
        } else if (i->op == IR_CONTEXT && i->imm == NGS_CTX_TARGET) {
            target = i->dst;
        } else if (i->op == IR_BRANCH && pid && target && i->a.kind == IRV_TEMP &&
                   i->b.kind == IRV_TEMP) {
            bool ours =
                (i->a.id == pid && i->b.id == target) || (i->a.id == target && i->b.id == pid);

            return ours && ((i->cond == IR_EQ && only_ends(f, i->to[1])) ||
                            (i->cond == IR_NE && only_ends(f, i->to[0])));
        } else if (i->op != IR_BUDGET && i->op != IR_CHARGE && i->op != IR_CONST && i->op != IR_STORE) {
            return false;
        }
    }
    return false;
}

void ir_hoist_target(struct ir_unit *u)
{
    bool any = false, all = true;

    for (uint32_t n = 0; n < u->n_probes; n++) {
        struct ir_probe *p = &u->probes[n];
        const struct ir_func *f = u->funcs[p->func];

        if (f->user)
            continue;
        p->target_only = guarded(f);
        any = true;
        all &= p->target_only;
    }
    u->target_only = any && all;
}
