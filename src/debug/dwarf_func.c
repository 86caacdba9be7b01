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

/* The name of the unit that DIE is in. */
static const char *unit_name(Dwarf_Die *die)
{
    Dwarf_Die unit;
    const char *name = dwarf_diecu(die, &unit, NULL, NULL) ? die_name(&unit) : NULL;

    return name ? name : "";
}

bool has_pc(Dwarf_Die *die, uint64_t pc)
{
    return dwarf_haspc(die, pc) == 1;
}

void func_origin(Dwarf_Die *die, Dwarf_Die *out)
{
    Dwarf_Attribute attr;

    if (!dwarf_attr(die, DW_AT_abstract_origin, &attr) || !dwarf_formref_die(&attr, out) ||
        dwarf_tag(out) != DW_TAG_subprogram)
        *out = *die;
}

/* In DWARF 5 the first file is the unit's own, so that its line table need not be read. */
const char *func_file(Dwarf_Die *die, const char *unit)
{
    Dwarf_Attribute attr;
    Dwarf_Word number;
    Dwarf_Die origin;
    Dwarf_Half version = 0;

    func_origin(die, &origin);
    if (!dwarf_attr_integrate(&origin, DW_AT_decl_file, &attr) || dwarf_formudata(&attr, &number) ||
        !dwarf_cu_die(attr.cu, &origin, &version, NULL, NULL, NULL, NULL, NULL))
        return unit;
    if (version >= 5 && number <= 1)
        return unit_name(&origin);
    const char *file = dwarf_decl_file(die);

    return !file || file_matches(file, unit) ? unit : file;
}

static void fill_function(struct dbg *m, Dwarf_Die *die, struct dbg_func *f)
{
    Dwarf_Attribute attr;
    int line = 0;

    f->dbg = m;
    f->file = func_file(die, f->unit);
    if (!dwarf_decl_line(die, &line) && line > 0)
        f->line = (uint32_t)line;
    if (dwarf_attr_integrate(die, DW_AT_external, &attr))
        dwarf_formflag(&attr, &f->external);
    Dwarf_Die *kept = ARENA_NEW(m->di->a, Dwarf_Die);

    *kept = *die;
    f->record = kept;
}

bool func_of_die(struct dbg *m, Dwarf_Die *die, const char *name, const char *unit,
                 struct dbg_func *out)
{
    *out = (struct dbg_func){.name = name, .unit = unit};
    if (!code_of(m, die, name, &out->entry, &out->end))
        return false;
    fill_function(m, die, out);
    return true;
}

static Dwarf_Word number_of(Dwarf_Die *die, unsigned name)
{
    Dwarf_Attribute attr;
    Dwarf_Word n = 0;

    if (dwarf_attr(die, name, &attr))
        dwarf_formudata(&attr, &n);
    return n;
}

bool func_is_rest(Dwarf_Die *die, Dwarf_Die *scope)
{
    Dwarf_Die of, in;

    func_origin(die, &of);
    func_origin(scope, &in);
    Dwarf_Word line = number_of(die, DW_AT_call_line);

    return of.addr == in.addr && line && line == number_of(&of, DW_AT_decl_line) &&
           number_of(die, DW_AT_call_column) == number_of(&of, DW_AT_decl_column);
}

bool func_of_inlined(struct dbg *m, Dwarf_Die *die, Dwarf_Die *code, const char *name,
                     struct dbg_func *out)
{
    Dwarf_Addr entry, base, low, high;

    *out = (struct dbg_func){.name = name, .unit = unit_name(die), .inlined = true};
    if (dwarf_entrypc(die, &entry)) {
        if (dwarf_ranges(die, 0, &base, &low, &high) <= 0)
            return false;
        entry = low;
    }
    if (!entry || !has_pc(code, entry))
        return false;
    out->entry = entry;
    fill_function(m, die, out);
    out->code = ARENA_NEW(m->di->a, Dwarf_Die);
    *(Dwarf_Die *)out->code = *code;
    return true;
}

static void add_entry(struct dbg *m, const struct index *x, const struct index_entry *e,
                      const char *file, struct dbg_funcs *f)
{
    Dwarf_Die die;
    const char *name = index_name(x, e), *unit = x->names + e->cu;
    struct dbg_func fn;

    if (!index_die(m, e, &die))
        return;
    if (e->flags & ENTRY_INLINE) {
        fn = (struct dbg_func){.name = name, .unit = unit};
        fill_function(m, &die, &fn);
    } else if (!func_of_die(m, &die, name, unit, &fn)) {
        return;
    }
    if (file && !file_matches(unit, file) && !file_matches(fn.file, file))
        return;
    if (fn.entry) {
        const struct elf_symbol *s = elf_symbol_at(dbg_symbols(m), fn.entry);

        if (s && s->vaddr == fn.entry && symbol_is_piece(s->name))
            return;
    }
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
