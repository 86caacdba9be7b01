/*
 * function: functions by name. Enters: a pattern, perhaps a file; leaves: what the module's source
 * knows of them and, for what it does not know, its ELF symbols. Left out: places that a target's
 * own debug file names and its program does not; pieces of functions (".cold", ".part.N").
 */
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "debug/source.h"

enum { FUNCTIONS_MAX = 1 << 20 };

bool symbol_is_piece(const char *symbol)
{
    const char *dot = strchr(symbol + (*symbol == '.'), '.');

    return dot && (strstr(dot, ".cold") || strstr(dot, ".part."));
}

/* Wildcards match as in SystemTap's dwarf_atvar_query: the end of a path from a slash on, or all of
 * it. */
static bool file_matches_pattern(const char *file, const char *pattern)
{
    if (!fnmatch(pattern, file, 0))
        return true;
    while ((file = strchr(file, '/')))
        if (!fnmatch(pattern, ++file, 0))
            return true;
    return false;
}

bool file_matches(const char *file, const char *wanted)
{
    size_t n = file ? strlen(file) : 0, w = strlen(wanted);

    if (n && has_wildcard(wanted))
        return file_matches_pattern(file, wanted);
    return w && n >= w && !strcmp(file + n - w, wanted) &&
           (n == w || file[n - w - 1] == '/' || wanted[0] == '/');
}

bool place_is_sure(struct dbg *m, const char *name, uint64_t vaddr)
{
    if (!m->doubtful || entry_is_own(m, vaddr))
        return true;
    if (!m->misplaced++)
        diag_warning(m->di->cx->diag, (struct span){0},
                     "the debug file of %s puts %s at 0x%llx, where no function of it starts: left "
                     "out, like others of that kind",
                     m->path, name, (unsigned long long)vaddr);
    return false;
}

void dbg_func_add(struct dbg *m, struct dbg_funcs *f, const struct dbg_func *add)
{
    if (f->n >= FUNCTIONS_MAX || (add->entry && !place_is_sure(m, add->name, add->entry)))
        return;
    f->v = arena_grow(m->di->a, f->v, f->n, sizeof(*f->v));
    f->v[f->n++] = *add;
}

static int by_entry(const void *a, const void *b)
{
    const struct dbg_func *x = a, *y = b;

    if (x->entry != y->entry)
        return x->entry < y->entry ? -1 : 1;
    if (!x->record != !y->record)
        return x->record ? -1 : 1; /* a source before symbols: kept when duplicates go */
    return strcmp(x->name, y->name);
}

/* One of an address: a symbol is only wanted where a source knows nothing. */
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
    struct dbg_funcs f = {0};

    if (m->source && m->source->functions)
        m->source->functions(m, pattern, file, &f);
    const struct elf_symbols *s = dbg_symbols(m);

    for (uint32_t i = 0; !file && i < s->n && bounds_ok(); i++) {
        const struct elf_symbol *sym = &s->v[i];

        if (!sym->is_func || symbol_is_piece(sym->name) || fnmatch(pattern, sym->name, 0))
            continue;
        dbg_func_add(m, &f,
                     &(struct dbg_func){.name = sym->name,
                                        .entry = sym->vaddr,
                                        .end = sym->vaddr + sym->size,
                                        .external = true, /* not known */
                                        .dbg = m});
    }
    if (f.n) {
        qsort(f.v, f.n, sizeof(*f.v), by_entry);
        f.n = drop_duplicates(f.v, f.n);
    }
    *out = f.v;
    return f.n;
}

uint32_t dbg_inlined(struct dbg *m, const char *pattern, const char *file, struct dbg_func **out)
{
    struct dbg_funcs f = {0};
    uint32_t kept = 0;

    if (m->source && m->source->inlined)
        m->source->inlined(m, pattern, file, &f);
    if (f.n)
        qsort(f.v, f.n, sizeof(*f.v), by_entry);
    for (uint32_t i = 0; i < f.n; i++)
        if (!kept || f.v[kept - 1].entry != f.v[i].entry ||
            strcmp(f.v[kept - 1].name, f.v[i].name) != 0)
            f.v[kept++] = f.v[i];
    *out = f.v;
    return kept;
}

uint32_t dbg_calls(const struct dbg_func *f, const char *pattern, struct dbg_call **out,
                   bool *complete)
{
    const struct dbg_source *source = f->record ? f->dbg->source : NULL;

    *out = NULL;
    *complete = false;
    return source && source->calls ? source->calls(f, pattern, out, complete) : 0;
}

uint32_t dbg_statements(struct dbg *m, const struct dbg_lines *want, struct dbg_statement **out)
{
    *out = NULL;
    return m->source && m->source->statements ? m->source->statements(m, want, out) : 0;
}

bool dbg_statement_at(struct dbg *m, uint64_t vaddr, struct dbg_statement *out)
{
    return m->source && m->source->statement_at && m->source->statement_at(m, vaddr, out);
}
