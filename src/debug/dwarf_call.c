/*
 * dwarf_call: the calls that a function makes, by the call sites that a compiler lists when it
 * optimizes (DW_TAG_call_site of DWARF 5, GNU's before). Enters: a function, a pattern; leaves: the
 * callees with the addresses that calls return to, or tail calls jump at. Left out: calls by
 * pointer, and calls that what is inlined into the function makes: they are that function's.
 */
#include <dwarf.h>
#include <fnmatch.h>
#include <string.h>

#include "arch/arch.h"
#include "debug/dwarf_priv.h"

struct calls {
    const struct dbg_func *f;
    const char *pattern;
    struct dbg_call *v;
    uint32_t n;
    unsigned visits;
    bool any; /* call sites are listed */
};

/* The function's code that ORIGIN declares: that of the same declaration, else what all units can
 * call by that name. */
static void find_callee(struct dbg *m, Dwarf_Die *origin, const char *name, struct dbg_func *out)
{
    const struct index *x = dw_index(m);
    const struct index_entry *e;
    uint32_t n = x ? index_find(x, INDEX_FUNCTIONS, name, &e) : 0;

    *out = (struct dbg_func){.name = name, .dbg = m};
    for (uint32_t i = 0; i < n && bounds_ok(); i++) {
        Dwarf_Die die, declared;
        struct dbg_func f;

        if (e[i].flags & ENTRY_INLINE || !index_die(m, &e[i], &die))
            continue;
        func_origin(&die, &declared);
        bool same = declared.addr == origin->addr;

        if (!same && (out->entry || !(e[i].flags & ENTRY_EXTERNAL)))
            continue;
        if (func_of_die(m, &die, name, x->names + e[i].cu, &f))
            *out = f;
        if (same)
            return;
    }
}

/* Does a jump to TARGET lie at AT, SIZE bytes long? (0: of any size.) The code itself says it. */
static bool is_jump(struct dbg *m, uint64_t at, uint64_t target, uint8_t size)
{
    unsigned char code[ARCH_JUMP_MAX];
    uint8_t n =
        m->arch ? m->arch->jump_size(code, code_read(m, at, code, sizeof(code)), at, target) : 0;

    return n && (!size || n == size);
}

/* The jump that ends at END and leads to TARGET; 0: there is none. */
static uint64_t jump_before(struct dbg *m, uint64_t end, uint64_t target)
{
    for (uint8_t size = 1; size <= ARCH_JUMP_MAX && size < end; size++)
        if (is_jump(m, end - size, target, size))
            return end - size;
    return 0;
}

static void add(struct calls *c, const struct dbg_call *call)
{
    struct dbg *m = c->f->dbg;

    if (call->callee.entry && !place_is_sure(m, call->callee.name, call->callee.entry))
        return;
    if (call->tail && call->at && !place_is_sure(m, call->callee.name, call->at))
        return;
    c->v = arena_grow(m->di->a, c->v, c->n, sizeof(*c->v));
    c->v[c->n++] = *call;
}

static void add_call(struct calls *c, Dwarf_Die *site)
{
    struct dbg *m = c->f->dbg;
    Dwarf_Attribute attr;
    Dwarf_Die origin;
    Dwarf_Addr behind = 0, at = 0;
    struct dbg_call call = {.tail = die_flag(site, DW_AT_call_tail_call) ||
                                    die_flag(site, DW_AT_GNU_tail_call)};

    c->any = true;
    if ((!dwarf_attr(site, DW_AT_call_origin, &attr) &&
         !dwarf_attr(site, DW_AT_abstract_origin, &attr)) ||
        !dwarf_formref_die(&attr, &origin))
        return;
    const char *name = die_name(&origin);

    if (!name || fnmatch(c->pattern, name, 0) != 0)
        return;
    if (dwarf_attr(site, DW_AT_call_return_pc, &attr) || dwarf_attr(site, DW_AT_low_pc, &attr))
        dwarf_formaddr(&attr, &behind);
    if (dwarf_attr(site, DW_AT_call_pc, &attr))
        dwarf_formaddr(&attr, &at);
    func_origin(&origin, &origin);
    if (dwarf_tag(&origin) != DW_TAG_subprogram)
        return;
    find_callee(m, &origin, name, &call.callee);
    if (!call.tail)
        call.at = behind;
    else if (call.callee.entry)
        call.at = behind                                 ? jump_before(m, behind, call.callee.entry)
                  : is_jump(m, at, call.callee.entry, 0) ? at
                                                         : 0;
    add(c, &call);
}

static void add_inlined(struct calls *c, Dwarf_Die *die)
{
    Dwarf_Die *code = c->f->inlined ? c->f->code : c->f->record;
    const char *name = die_name(die);
    struct dbg_call call = {.at = 0};

    if (name && !fnmatch(c->pattern, name, 0) &&
        func_of_inlined(c->f->dbg, die, code, name, &call.callee))
        add(c, &call);
}

static void walk_scope(struct calls *c, Dwarf_Die *scope, uint64_t depth)
{
    Dwarf_Die die;

    if (!bounds_count(depth, BOUND_INLINE_DEPTH, "blocks in one another") ||
        dwarf_child(scope, &die))
        return;
    do {
        if (!bounds_count(++c->visits, BOUND_DIES, "calls in one function"))
            return;
        switch (dwarf_tag(&die)) {
        case DW_TAG_inlined_subroutine:
            if (func_is_rest(&die, c->f->record))
                walk_scope(c, &die, depth + 1);
            else
                add_inlined(c, &die);
            break;
        case DW_TAG_call_site:
        case DW_TAG_GNU_call_site:
            add_call(c, &die);
            break;
        case DW_TAG_lexical_block:
        case DW_TAG_try_block:
        case DW_TAG_catch_block:
            walk_scope(c, &die, depth + 1);
            break;
        default:
            break;
        }
    } while (bounds_ok() && dwarf_siblingof(&die, &die) == 0);
}

uint32_t dw_calls(const struct dbg_func *f, const char *pattern, struct dbg_call **out,
                  bool *complete)
{
    struct calls c = {.f = f, .pattern = pattern};
    Dwarf_Die *code = f->inlined ? f->code : f->record;

    bounds_file(f->dbg->path);
    walk_scope(&c, f->record, 0);
    *complete = c.any || die_flag(code, DW_AT_call_all_calls) ||
                die_flag(code, DW_AT_call_all_source_calls) ||
                die_flag(code, DW_AT_GNU_all_call_sites);
    *out = c.v;
    return c.n;
}
