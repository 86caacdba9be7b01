/*
 * unit: the list of the object's functions. Enters: a name and a signature; leaves: a place for the
 * instructions.
 */
#include "cg/unit.h"

#include "base/arena.h"

struct cg_func *cg_new_func(struct cg *c, const char *name, enum cg_signature sig, uint32_t n_args)
{
    c->funcs = arena_grow(c->cx->arena, c->funcs, c->n_funcs, sizeof(*c->funcs));
    struct cg_func *f = &c->funcs[c->n_funcs++];

    *f = (struct cg_func){.name = name, .sig = sig, .n_args = n_args};
    return f;
}
