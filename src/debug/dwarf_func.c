/*
 * dwarf_func: functions by name, from DWARF. Enters: a pattern, perhaps a file; leaves: their
 * instances with entry addresses. Left out: ".cold" and ".part.N" pieces, which are reached by
 * jumps or with a calling convention of their own; functions of units in .dwo files.
 */
#include <dwarf.h>
#include <fnmatch.h>
#include <string.h>

#include "base/bytes.h"
#include "debug/dwarf_priv.h"

/* The code of a function: its low_pc, or of its ranges the one that a symbol of its name starts,
 * else the first. */
static bool code_of(struct dbg *m, Dwarf_Die *die, const char *name, uint64_t *entry, uint64_t *end)
{
    Dwarf_Addr base, low, high;
    ptrdiff_t off = 0;
    bool any = false;

    if (!dwarf_lowpc(die, &low)) {
        *entry = low;
        *end = !dwarf_highpc(die, &high) && high > low ? high : low;
        return true;
    }
    for (int i = 0; i < CHAIN_MAX && (off = dwarf_ranges(die, off, &base, &low, &high)) > 0; i++) {
        const struct elf_symbol *s = elf_symbol_at(dbg_symbols(m), low);
        bool named = s && s->vaddr == low && !strcmp(s->name, name);

        if (!any || named) {
            *entry = low;
            *end = high;
            any = true;
        }
        if (named)
            break;
    }
    return any;
}

static const char *file_of(struct dbg *m, Dwarf_Die *die, const struct index *x,
                           const struct index_entry *e)
{
    const char *file = dwarf_decl_file(die);

    return file ? file : x->names + e->cu;
}

static void add_entry(struct dbg *m, const struct index *x, const struct index_entry *e,
                      const char *file, struct dbg_funcs *f)
{
    Dwarf_Die die;
    int line = 0;
    struct dbg_func fn = {.name = index_name(x, e), .dbg = m};

    if (!index_die(m, e, &die))
        return;
    fn.file = x->names + e->cu;
    /* The line table of the unit is read for this: only where it is asked for. */
    if (file) {
        if (!file_matches(fn.file, file)) {
            fn.file = file_of(m, &die, x, e);
            if (!file_matches(fn.file, file))
                return;
        }
    }
    if (!(e->flags & ENTRY_INLINE) && !code_of(m, &die, fn.name, &fn.entry, &fn.end))
        return;
    if (fn.entry) {
        const struct elf_symbol *s = elf_symbol_at(dbg_symbols(m), fn.entry);

        if (s && s->vaddr == fn.entry && symbol_is_piece(s->name))
            return;
    }
    if (!dwarf_decl_line(&die, &line) && line > 0)
        fn.line = (uint32_t)line;
    Dwarf_Die *kept = ARENA_NEW(m->di->a, Dwarf_Die);

    *kept = die;
    fn.record = kept;
    dbg_func_add(m, f, &fn);
}

/* The N entries of one name; of a function that has code nowhere, one without. */
static void add_group(struct dbg *m, const struct index *x, const struct index_entry *e, uint32_t n,
                      const char *file, struct dbg_funcs *f)
{
    bool has_code = false;

    for (uint32_t i = 0; i < n; i++)
        has_code |= !(e[i].flags & ENTRY_INLINE);
    for (uint32_t i = 0; i < n; i++) {
        uint32_t before = f->n;
        bool inlined = e[i].flags & ENTRY_INLINE;

        if (inlined && has_code)
            continue;
        add_entry(m, x, &e[i], file, f);
        if (inlined && f->n > before)
            break;
    }
}

void dw_functions(struct dbg *m, const char *pattern, const char *file, struct dbg_funcs *f)
{
    const struct index *x = dw_index(m);
    const struct index_entry *e;

    if (!x)
        return;
    if (!has_wildcard(pattern)) {
        uint32_t n = index_find(x, INDEX_FUNCTIONS, pattern, &e);

        add_group(m, x, e, n, file, f);
        return;
    }
    e = x->v[INDEX_FUNCTIONS];
    for (uint32_t i = 0, end; i < x->n[INDEX_FUNCTIONS] && bounds_ok(); i = end) {
        for (end = i + 1; end < x->n[INDEX_FUNCTIONS] && e[end].name == e[i].name; end++)
            ;
        if (!fnmatch(pattern, index_name(x, &e[i]), 0))
            add_group(m, x, e + i, end - i, file, f);
    }
}

const struct ctype *dw_func_result(const struct dbg_func *f)
{
    Dwarf_Die type;

    if (!die_type(f->record, &type))
        return NULL;
    return ctype_of_die(f->dbg, &type, 0);
}
