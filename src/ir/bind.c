/*
 * bind: pp() and probefunc() in a handler whose probe point says them become literals. Enters: a
 * unit after inlining; leaves: SCONTEXT of those two kinds only where the value is known at
 * run time alone: timer.profile, and functions that several handlers share.
 */
#include "ir/ir.h"

#include <string.h>

void ir_bind_context(struct ir_unit *u)
{
    for (uint32_t n = 0; n < u->n_probes; n++) {
        const struct ir_probe *p = &u->probes[n];
        const struct ir_func *f = u->funcs[p->func];

        for (uint32_t b = 0; b < f->n_blocks; b++)
            for (struct ir_ins *i = f->blocks[b]->first; i; i = i->next) {
                const char *text = NULL;

                if (i->op != IR_SCONTEXT)
                    continue;
                if (i->imm == NGS_CTX_PP)
                    text = p->name;
                else if (i->imm == NGS_CTX_KFUNC)
                    text = p->func_name;
                if (!text)
                    continue;
                i->op = IR_SSET;
                i->imm = 0;
                i->s = IR_LIT(ir_lit(u, text, (uint32_t)strlen(text)));
            }
    }
}
