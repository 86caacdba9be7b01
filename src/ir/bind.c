/*
 * bind: pp(), pn() and probefunc() in a handler whose probe point says them become literals.
 * Enters: a unit after inlining; leaves: SCONTEXT of those kinds only where the value is known at
 * run time alone: timer.profile, handlers with several places (pn() is the same in all), and
 * functions that several handlers share.
 */
#include "ir/ir.h"

#include <string.h>

#include "base/arena.h"

static bool asks(const struct ir_ins *i)
{
    return i->op == IR_SCONTEXT && (i->imm == NGS_CTX_PP || i->imm == NGS_CTX_KFUNC);
}

/* Does F, or what it calls, ask for its place? */
static bool asks_place(const struct ir_unit *u, const struct ir_func *f, bool *seen)
{
    if (seen[f->id])
        return false;
    seen[f->id] = true;
    for (uint32_t b = 0; b < f->n_blocks; b++)
        for (const struct ir_ins *i = f->blocks[b]->first; i; i = i->next)
            if (asks(i) || (i->op == IR_CALL && asks_place(u, u->funcs[i->imm], seen)))
                return true;
    return false;
}

static const char *known(const struct ir_probe *p, const struct ir_ins *i)
{
    if (i->op == IR_SCONTEXT && i->imm == NGS_CTX_PN)
        return p->written;
    if (!asks(i) || p->n_places > 1)
        return NULL;
    return i->imm == NGS_CTX_PP ? p->name : p->func_name;
}

static void bind(struct ir_unit *u, const struct ir_probe *p)
{
    const struct ir_func *f = u->funcs[p->func];

    for (uint32_t b = 0; b < f->n_blocks; b++)
        for (struct ir_ins *i = f->blocks[b]->first; i; i = i->next) {
            const char *text = known(p, i);

            if (!text)
                continue;
            i->op = IR_SSET;
            i->imm = 0;
            i->s = IR_LIT(ir_lit(u, text, (uint32_t)strlen(text)));
        }
}

void ir_bind_context(struct ir_unit *u)
{
    for (uint32_t n = 0; n < u->n_probes; n++) {
        struct ir_probe *p = &u->probes[n];

        if (p->n_places > 1 && !p->func_name)
            p->asks_place =
                asks_place(u, u->funcs[p->func], ARENA_ARRAY(u->cx->arena, bool, u->n_funcs));
        bind(u, p);
    }
}

/* A system call tells its number, without a cookie. */
static bool is_split(const struct ir_probe *p)
{
    return p->asks_place && attach_has(p->rec.kind, ATTACH_PLACES);
}

/* The handler is shared: only the code that is made of it differs. */
void ir_split_places(struct ir_unit *u)
{
    struct ir_probe *v;
    uint32_t n = 0, at = 0;

    for (uint32_t k = 0; k < u->n_probes; k++)
        n += is_split(&u->probes[k]) ? u->probes[k].n_places : 1;
    v = ARENA_ARRAY(u->cx->arena, struct ir_probe, n + 1);
    for (uint32_t k = 0; k < u->n_probes; k++) {
        const struct ir_probe *p = &u->probes[k];

        for (uint32_t i = 0; i < (is_split(p) ? p->n_places : 1); i++, at++) {
            v[at] = *p;
            if (!is_split(p))
                continue;
            v[at].name = p->places[i].name;
            v[at].func_name = p->places[i].func_name;
            v[at].places = &p->places[i];
            v[at].n_places = 1;
            v[at].asks_place = false;
        }
    }
    u->probes = v;
    u->n_probes = n;
}
