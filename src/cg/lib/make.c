/*
 * make: makes the functions of the library that are used. Enters: which these are; leaves: their
 * functions in the object's list.
 *
 * Loops: with may_goto the counter comes out of memory, so that the verifier knows nothing of it
 * and one look at the body is enough; before Linux 6.9 it is known, and the verifier walks every
 * turn of a bounded loop.
 */
#include "cg/lib/lib.h"

#include "base/diag.h"

static void (*const makers[CG_LIB_COUNT])(struct cg_lib_fn *f) = {
#define CG_LIB_MAKER(id, name, n_args, reads) [CG_LIB_##id] = cg_lib_##name,
    CG_LIBS(CG_LIB_MAKER)
#undef CG_LIB_MAKER
};

static bool make_one(struct cg *c, enum cg_lib lib)
{
    struct cg_lib_fn f = {.c = c, .lib = lib, .may_goto = c->k->has[FEAT_MAY_GOTO]};

    cg_asm_begin(&f.s, c->cx, false);
    f.l_bad = cg_label(&f.s);
    makers[lib](&f);
    if (cg_label_used(&f.s, f.l_bad)) {
        cg_bind(&f.s, f.l_bad);
        cg_lib_leave(&f, 0);
    }
    if (!cg_asm_end(&f.s))
        return false;
    cg_asm_take(&f.s, cg_new_func(c, cg_lib_name(lib), CG_SIG_GLOBAL, cg_lib_args(lib)));
    return true;
}

bool cg_make_lib(struct cg *c)
{
    bool made[CG_LIB_COUNT] = {false};

    for (enum cg_lib lib = 0; lib < CG_LIB_COUNT; lib++) {
        made[lib] = c->lib_used[lib];
        if (made[lib] && !make_one(c, lib))
            return false;
    }
    for (enum cg_lib lib = 0; lib < CG_LIB_COUNT; lib++)
        if (c->lib_used[lib] && !made[lib])
            return diag_error(c->cx->diag, (struct span){0}, "internal",
                              "%s stands in the library above what calls it", cg_lib_name(lib));
    return true;
}
