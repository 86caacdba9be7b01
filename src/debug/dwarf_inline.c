/*
 * dwarf_inline: the places that functions are inlined at. Enters: a pattern, perhaps a file;
 * leaves: for each DW_TAG_inlined_subroutine of such a function its address and the function whose
 * code it is in. All of a module are found by one walk when they are first asked for, since the
 * code may be in other units than the function (LTO). Left out: those without an address, or with
 * one outside of the function that they are in; the rest of a function in itself; units of .dwo
 * files.
 */
#include <dwarf.h>
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "debug/dwarf_priv.h"

struct inlined {
    uint64_t origin; /* offset of the function's abstract instance */
    uint64_t die;    /* ... of DW_TAG_inlined_subroutine */
    uint64_t code;   /* ... of the function that has the code */
    bool alt;        /* ORIGIN is in the supplementary file */
};

struct inlines {
    struct inlined *v; /* by file and origin, then in the order of the walk */
    uint32_t n;
};

void each_unit(struct dbg *m, bool (*fn)(Dwarf_Die *unit, void *arg), void *arg)
{
    Dwarf_CU *cu = NULL, *next;
    Dwarf_Half version;
    uint8_t type;
    Dwarf_Die die;

    /* The subdie argument is left out: asking for it makes libdw open .dwo files by their names. */
    while (bounds_ok() &&
           dwarf_get_units(dwarf_of(m)->dw, cu, &next, &version, &type, &die, NULL) == 0) {
        cu = next;
        if (type != DW_UT_skeleton && !dwarf_hasattr(&die, DW_AT_dwo_name) &&
            !dwarf_hasattr(&die, DW_AT_GNU_dwo_name) && !fn(&die, arg))
            return;
    }
}

struct walk {
    struct dbg *m;
    struct inlines *x;
    uint64_t code;
};

static void add_inlined(void *arg, Dwarf_Die *die)
{
    struct walk *w = arg;
    struct inlines *x = w->x;
    Dwarf_Die origin;

    func_origin(die, &origin);
    if (origin.addr == die->addr || !bounds_count(x->n, BOUND_INLINED - 1, "inlined functions"))
        return;
    x->v = arena_grow(w->m->di->a, x->v, x->n, sizeof(*x->v));
    x->v[x->n++] = (struct inlined){
        .origin = dwarf_dieoffset(&origin),
        .die = dwarf_dieoffset(die),
        .code = w->code,
        .alt = dwarf_of(w->m)->alt_dw && dwarf_cu_getdwarf(origin.cu) == dwarf_of(w->m)->alt_dw,
    };
}

/* SCOPE, a block or a function, is in FUNCTION, or is it. */
static void walk_scope(Dwarf_Die *scope, Dwarf_Die *function, uint64_t depth, func_inlined_fn *fn,
                       void *arg)
{
    Dwarf_Die die;

    if (!bounds_count(depth, BOUND_INLINE_DEPTH, "blocks in one another") ||
        dwarf_child(scope, &die))
        return;
    do {
        switch (dwarf_tag(&die)) {
        case DW_TAG_inlined_subroutine:
            if (!func_is_rest(&die, function))
                fn(arg, &die);
            walk_scope(&die, &die, depth + 1, fn, arg);
            break;
        case DW_TAG_lexical_block:
        case DW_TAG_try_block:
        case DW_TAG_catch_block:
            walk_scope(&die, function, depth + 1, fn, arg);
            break;
        default:
            break;
        }
    } while (bounds_ok() && dwarf_siblingof(&die, &die) == 0);
}

void func_each_inlined(Dwarf_Die *function, func_inlined_fn *fn, void *arg)
{
    walk_scope(function, function, 0, fn, arg);
}

static bool walk_unit(Dwarf_Die *unit, void *arg)
{
    struct walk *w = arg;
    Dwarf_Die die;

    if (dwarf_child(unit, &die))
        return true;
    do {
        if (dwarf_tag(&die) != DW_TAG_subprogram || !dwarf_haschildren(&die) ||
            !(dwarf_hasattr(&die, DW_AT_low_pc) || dwarf_hasattr(&die, DW_AT_ranges)))
            continue;
        w->code = dwarf_dieoffset(&die);
        func_each_inlined(&die, add_inlined, w);
    } while (bounds_ok() && dwarf_siblingof(&die, &die) == 0);
    return true;
}

static int order(const struct inlined *p, uint64_t origin, bool alt)
{
    if (p->alt != alt)
        return p->alt ? 1 : -1;
    return p->origin < origin ? -1 : p->origin > origin;
}

static int by_origin(const void *a, const void *b)
{
    const struct inlined *x = a, *y = b;
    int o = order(x, y->origin, y->alt);

    return o ? o : x->die < y->die ? -1 : x->die > y->die;
}

static const struct inlines *inlines_of(struct dbg *m)
{
    struct dwarf *d = dwarf_of(m);

    if (!d->inlines) {
        d->inlines = ARENA_NEW(m->di->a, struct inlines);
        bounds_file(m->path);
        each_unit(m, walk_unit, &(struct walk){.m = m, .x = d->inlines});
        if (d->inlines->n)
            qsort(d->inlines->v, d->inlines->n, sizeof(*d->inlines->v), by_origin);
    }
    return d->inlines;
}

/* The first place of that function, or where it would be. */
static uint32_t first_of(const struct inlines *x, uint64_t origin, bool alt)
{
    uint32_t low = 0, high = x->n;

    while (low < high) {
        uint32_t mid = low + (high - low) / 2;

        if (order(&x->v[mid], origin, alt) < 0)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

static void add_inlined_at(struct dbg *m, const struct index *x, const struct index_entry *e,
                           const char *file, struct dbg_funcs *out)
{
    const struct inlines *all = inlines_of(m);
    bool alt = e->flags & ENTRY_ALT;

    for (uint32_t i = first_of(all, e->die, alt);
         i < all->n && !order(&all->v[i], e->die, alt) && bounds_ok(); i++) {
        Dwarf_Die die, code;
        struct dbg_func f;

        if (!dwarf_offdie(dwarf_of(m)->dw, all->v[i].die, &die) ||
            !dwarf_offdie(dwarf_of(m)->dw, all->v[i].code, &code) ||
            !func_of_inlined(m, &die, &code, index_name(x, e), &f))
            continue;
        if (file && !file_matches(x->names + e->cu, file) && !file_matches(f.file, file))
            continue;
        dbg_func_add(m, out, &f);
    }
}

void dw_inlined(struct dbg *m, const char *pattern, const char *file, struct dbg_funcs *out)
{
    const struct index *x = dw_index(m);
    const struct index_entry *e;
    uint32_t n;

    if (!x)
        return;
    if (has_wildcard(pattern)) {
        e = x->v[INDEX_FUNCTIONS];
        n = x->n[INDEX_FUNCTIONS];
    } else {
        n = index_find(x, INDEX_FUNCTIONS, pattern, &e);
    }
    for (uint32_t i = 0; i < n && bounds_ok(); i++)
        if (e[i].flags & ENTRY_INLINE && !fnmatch(pattern, index_name(x, &e[i]), 0))
            add_inlined_at(m, x, &e[i], file, out);
}
