/*
 * dwarf_func: functions by name. Enters: a pattern, perhaps a file; leaves: their instances with
 * entry addresses, from DWARF and, for what it does not know, from ELF symbols. Left out: places that a
 * target's own debug file names and its program does not; ".cold" and ".part.N" pieces, which are reached by jumps or with a convention of their own; functions of
 * units in .dwo files.
 */
#include <dwarf.h>
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

#include "debug/dwarf_priv.h"

enum { FUNCTIONS_MAX = 1 << 20 };

static bool is_pattern(const char *s)
{
    return strpbrk(s, "*?[") != NULL;
}

/* Is the symbol "NAME.part.0", "NAME.cold" or the like? */
static bool is_piece(const char *symbol)
{
    const char *dot = strchr(symbol + (*symbol == '.'), '.');

    return dot && (strstr(dot, ".cold") || strstr(dot, ".part."));
}

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

struct found {
    struct dbg_func *v;
    uint32_t n;
};

static void append(struct dbg *m, struct found *f, const struct dbg_func *add)
{
    if (f->n >= FUNCTIONS_MAX)
        return;
    if (add->entry && m->doubtful && !entry_is_own(m, add->entry)) {
        if (!m->misplaced++)
            diag_warning(
                m->di->cx->diag, (struct span){0},
                "the debug file of %s puts %s at 0x%llx, where no function of it starts: left "
                "out, like others of that kind",
                m->path, add->name, (unsigned long long)add->entry);
        return;
    }
    f->v = arena_grow(m->di->a, f->v, f->n, sizeof(*f->v));
    f->v[f->n++] = *add;
}

static void add_entry(struct dbg *m, const struct index *x, const struct index_entry *e,
                      const char *file, struct found *f)
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

        if (s && s->vaddr == fn.entry && is_piece(s->name))
            return;
    }
    if (!dwarf_decl_line(&die, &line) && line > 0)
        fn.line = (uint32_t)line;
    Dwarf_Die *kept = ARENA_NEW(m->di->a, Dwarf_Die);

    *kept = die;
    fn.die = kept;
    append(m, f, &fn);
}

/* The N entries of one name; of a function that has code nowhere, one without. */
static void add_group(struct dbg *m, const struct index *x, const struct index_entry *e, uint32_t n,
                      const char *file, struct found *f)
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

static void from_dwarf(struct dbg *m, const char *pattern, const char *file, struct found *f)
{
    const struct index *x = dbg_index(m);
    const struct index_entry *e;

    if (!x)
        return;
    if (!is_pattern(pattern)) {
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

static int by_entry(const void *a, const void *b)
{
    const struct dbg_func *x = a, *y = b;

    if (x->entry != y->entry)
        return x->entry < y->entry ? -1 : 1;
    if (!x->die != !y->die)
        return x->die ? -1 : 1; /* DWARF before symbols: kept when duplicates go */
    return strcmp(x->name, y->name);
}

/* One of an address: a symbol is only wanted where DWARF knows nothing. */
static uint32_t drop_duplicates(struct dbg_func *v, uint32_t n)
{
    uint32_t kept = 0;

    for (uint32_t i = 0; i < n; i++)
        if (!kept || !v[i].entry || v[kept - 1].entry != v[i].entry)
            v[kept++] = v[i];
    return kept;
}

uint32_t dbg_functions(struct dbg *m, const char *pattern, const char *file, struct dbg_func **out)
{
    struct found f = {0};

    from_dwarf(m, pattern, file, &f);
    const struct elf_symbols *s = dbg_symbols(m);

    for (uint32_t i = 0; !file && i < s->n && bounds_ok(); i++) {
        const struct elf_symbol *sym = &s->v[i];

        if (!sym->is_func || is_piece(sym->name) || fnmatch(pattern, sym->name, 0))
            continue;
        append(
            m, &f,
            &(struct dbg_func){
                .name = sym->name, .entry = sym->vaddr, .end = sym->vaddr + sym->size, .dbg = m});
    }
    if (f.n) {
        qsort(f.v, f.n, sizeof(*f.v), by_entry);
        f.n = drop_duplicates(f.v, f.n);
    }
    *out = f.v;
    return f.n;
}

const struct ctype *dbg_func_result(const struct dbg_func *f)
{
    Dwarf_Die type;

    if (!f->die || !die_type((Dwarf_Die *)f->die, &type))
        return NULL;
    return ctype_of_die(f->dbg, &type, 0);
}
