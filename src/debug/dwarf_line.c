/*
 * dwarf_line: statements, by the line tables of a module's units. Enters: lines of a file, or an
 * address; leaves: where statements of those lines begin, with the function that each is in, which
 * may be one that is inlined there. Of a line's rows in one function the lowest is taken
 * that begins a statement, else the lowest. Left out: rows outside of all functions of their file.
 */
#include <dwarf.h>
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

#include "debug/dwarf_priv.h"

/* ---- the function at an address ---- */

struct scope {
    Dwarf_Die code; /* the function whose code is there */
    Dwarf_Die die;  /* the one asked for: the innermost that is inlined there, or ... */
    /* ... the last that is declared in FILE at LINE or before, as rows of several of them can have
     * one address; FILE NULL: any */
    const char *file;
    int line, best;
};

static void choose(struct scope *s, Dwarf_Die *die)
{
    const char *file = s->file ? dwarf_decl_file(die) : NULL;
    int line = 0;

    if (s->file && (!file || strcmp(file, s->file) != 0 || dwarf_decl_line(die, &line) ||
                    line > s->line || line < s->best))
        return;
    s->best = line;
    s->die = *die;
}

static void go_in(struct scope *s, Dwarf_Die *within, uint64_t pc, uint64_t depth)
{
    Dwarf_Die die;

    if (!bounds_count(depth, BOUND_INLINE_DEPTH, "blocks in one another") ||
        dwarf_child(within, &die))
        return;
    do {
        int tag = dwarf_tag(&die);

        if (tag != DW_TAG_inlined_subroutine && tag != DW_TAG_lexical_block &&
            tag != DW_TAG_try_block && tag != DW_TAG_catch_block)
            continue;
        if (!has_pc(&die, pc))
            continue;
        if (tag == DW_TAG_inlined_subroutine)
            choose(s, &die);
        go_in(s, &die, pc, depth + 1);
        return;
    } while (bounds_ok() && dwarf_siblingof(&die, &die) == 0);
}

/* S->code is that of the address asked before: the next one is mostly in the same function. */
static bool find_scope(Dwarf_Die *unit, uint64_t pc, struct scope *s)
{
    Dwarf_Die die;

    s->die.addr = NULL;
    s->best = 0;
    if (!s->code.addr || !has_pc(&s->code, pc)) {
        s->code.addr = NULL;
        if (dwarf_child(unit, &die))
            return false;
        do {
            if (dwarf_tag(&die) == DW_TAG_subprogram && has_pc(&die, pc))
                s->code = die;
        } while (!s->code.addr && bounds_ok() && dwarf_siblingof(&die, &die) == 0);
        if (!s->code.addr)
            return false;
    }
    choose(s, &s->code);
    go_in(s, &s->code, pc, 0);
    return s->die.addr;
}

static bool func_of_scope(struct dbg *m, Dwarf_Die *unit, struct scope *s, struct dbg_func *out)
{
    const char *name = die_name(&s->die), *unit_is = die_name(unit);

    if (!name)
        return false;
    return s->die.addr == s->code.addr ? func_of_die(m, &s->die, name, unit_is ? unit_is : "", out)
                                       : func_of_inlined(m, &s->die, &s->code, name, out);
}

/* ---- rows ---- */

struct found {
    struct dbg_statement s;
    uint64_t die;
    bool begins; /* is_stmt */
};

struct rows {
    struct dbg *m;
    const struct dbg_lines *want;
    struct found *v;
    uint32_t n;
    /* of the unit at hand */
    Dwarf_Die *unit;
    struct scope scope;
    const void *func_of; /* the DIE that FUNC is made of */
    struct dbg_func func;
    const char *file; /* the one asked before, and whether it is wanted */
    bool is_wanted;
    bool begins; /* the row at hand begins a statement */
};

static bool is_wanted(struct rows *s, const char *file)
{
    if (file != s->file) {
        s->file = file;
        s->is_wanted = file && (!s->want->file || file_matches(file, s->want->file));
    }
    return s->is_wanted;
}

static void add(struct rows *s, uint64_t addr, uint32_t line, const char *file)
{
    struct dbg_func *f = &s->func;
    uint32_t from = 0;

    s->scope.file = file;
    s->scope.line = (int)line;
    if (!find_scope(s->unit, addr, &s->scope))
        return;
    const char *name = die_name(&s->scope.die);

    if (!name || fnmatch(s->want->function, name, 0) != 0)
        return;
    if (s->func_of != s->scope.die.addr) {
        s->func_of = NULL;
        if (!func_of_scope(s->m, s->unit, &s->scope, f))
            return;
        s->func_of = s->scope.die.addr;
    }
    if (s->want->relative)
        from = f->line;
    if (line < from || line - from < s->want->low || line - from > s->want->high)
        return;
    s->v = arena_grow(s->m->di->a, s->v, s->n, sizeof(*s->v));
    s->v[s->n++] = (struct found){
        .s = {.func = *f,
              .vaddr = addr,
              .line = line,
              .file = file_matches(file, f->file) ? f->file : file},
        .die = dwarf_dieoffset(&s->scope.die),
        .begins = s->begins,
    };
}

/* The bytes of the unit's table, of which each makes a row at most. */
static uint64_t table_size(struct dwarf *d, Dwarf_Die *unit)
{
    uint64_t at, wide;
    uint32_t length;

    if (!d->line_table && !(d->line_table = section_data(&d->image, ".debug_line")))
        return 0;
    const Elf_Data *data = d->line_table;

    if (!die_udata(unit, DW_AT_stmt_list, &at) || at > data->d_size ||
        data->d_size - at < sizeof(length) + sizeof(wide))
        return 0;
    memcpy(&length, (const char *)data->d_buf + at, sizeof(length));
    if (length != UINT32_MAX)
        return length;
    memcpy(&wide, (const char *)data->d_buf + at + sizeof(length), sizeof(wide));
    return wide;
}

/* libdw makes all of a unit's rows when one is asked for. */
static bool rows_of(struct dbg *m, Dwarf_Die *unit, Dwarf_Lines **lines, size_t *n)
{
    struct dwarf *d = dwarf_of(m);

    if (!(dwarf_hasattr(unit, DW_AT_low_pc) || dwarf_hasattr(unit, DW_AT_ranges)) ||
        !bounds_count(table_size(d, unit), BOUND_LINES, "bytes of a unit's line table") ||
        dwarf_getsrclines(unit, lines, n))
        return false;
    d->lines += *n < BOUND_LINES ? (uint32_t)*n : BOUND_LINES;
    return bounds_count(d->lines, BOUND_LINES, "rows of line tables");
}

static bool search_unit(Dwarf_Die *unit, void *arg)
{
    struct rows *s = arg;
    Dwarf_Lines *lines;
    size_t n;

    if (!rows_of(s->m, unit, &lines, &n))
        return true;
    s->unit = unit;
    s->scope.code.addr = NULL;
    s->func_of = NULL;
    s->file = NULL;
    for (size_t i = 0; i < n && bounds_ok(); i++) {
        Dwarf_Line *row = dwarf_onesrcline(lines, i);
        bool ends = false;
        Dwarf_Addr addr;
        int line;

        if (!row || dwarf_lineno(row, &line) || line <= 0 || dwarf_lineaddr(row, &addr) ||
            dwarf_linebeginstatement(row, &s->begins) || dwarf_lineendsequence(row, &ends) || ends)
            continue;
        if (!s->want->relative && ((uint32_t)line < s->want->low || (uint32_t)line > s->want->high))
            continue;
        const char *file = dwarf_linesrc(row, NULL, NULL);

        if (is_wanted(s, file))
            add(s, addr, (uint32_t)line, file);
    }
    return true;
}

/* ---- one of each line and function ---- */

static int by_line(const void *a, const void *b)
{
    const struct found *x = a, *y = b;

    if (x->die != y->die)
        return x->die < y->die ? -1 : 1;
    if (x->s.line != y->s.line)
        return x->s.line < y->s.line ? -1 : 1;
    if (x->begins != y->begins)
        return x->begins ? -1 : 1;
    return x->s.vaddr < y->s.vaddr ? -1 : x->s.vaddr > y->s.vaddr;
}

static int by_address(const void *a, const void *b)
{
    const struct dbg_statement *x = a, *y = b;

    if (x->vaddr != y->vaddr)
        return x->vaddr < y->vaddr ? -1 : 1;
    return x->line < y->line ? -1 : x->line > y->line;
}

uint32_t dw_statements(struct dbg *m, const struct dbg_lines *want, struct dbg_statement **out)
{
    struct rows s = {.m = m, .want = want};
    struct dbg_statement *v = NULL;
    uint32_t n = 0;

    bounds_file(m->path);
    each_unit(m, search_unit, &s);
    if (!s.n)
        return 0;
    qsort(s.v, s.n, sizeof(*s.v), by_line);
    for (uint32_t i = 0; i < s.n; i++) {
        const struct found *f = &s.v[i];

        if (i && f[-1].die == f->die && f[-1].s.line == f->s.line &&
            !strcmp(f[-1].s.file, f->s.file))
            continue;
        if (!place_is_sure(m, f->s.func.name, f->s.vaddr))
            continue;
        v = arena_grow(m->di->a, v, n, sizeof(*v));
        v[n++] = f->s;
    }
    if (n)
        qsort(v, n, sizeof(*v), by_address);
    *out = v;
    return n;
}

/* ---- an address ---- */

struct stretch {
    uint64_t low, high;
    Dwarf_Off unit;
    bool read; /* the unit's rows are counted */
};

/* The code of all units, by address. */
struct stretches {
    struct dbg *m;
    struct stretch *v;
    uint32_t n;
};

static bool add_unit(Dwarf_Die *unit, void *arg)
{
    struct stretches *s = arg;
    Dwarf_Addr base, low, high;
    ptrdiff_t at = 0;

    while (bounds_ok() && (at = dwarf_ranges(unit, at, &base, &low, &high)) > 0) {
        if (!bounds_count(s->n, BOUND_STRETCHES, "stretches of code"))
            return false;
        if (low >= high)
            continue;
        s->v = arena_grow(s->m->di->a, s->v, s->n, sizeof(*s->v));
        s->v[s->n++] = (struct stretch){.low = low, .high = high, .unit = dwarf_dieoffset(unit)};
    }
    return true;
}

static int by_low(const void *a, const void *b)
{
    const struct stretch *x = a, *y = b;

    return x->low < y->low ? -1 : x->low > y->low;
}

/* The unit that has code at VADDR, in *UNIT; NULL: none. */
static struct stretch *stretch_at(struct dbg *m, uint64_t vaddr, Dwarf_Die *unit)
{
    struct dwarf *d = dwarf_of(m);

    if (!d->code) {
        d->code = ARENA_NEW(m->di->a, struct stretches);
        *d->code = (struct stretches){.m = m};
        each_unit(m, add_unit, d->code);
        if (d->code->n)
            qsort(d->code->v, d->code->n, sizeof(*d->code->v), by_low);
    }
    uint32_t low = 0, high = d->code->n;

    while (low < high) {
        uint32_t mid = low + (high - low) / 2;

        if (d->code->v[mid].low <= vaddr)
            low = mid + 1;
        else
            high = mid;
    }
    struct stretch *s = low ? &d->code->v[low - 1] : NULL;

    return s && vaddr < s->high && dwarf_offdie(d->dw, s->unit, unit) ? s : NULL;
}

/* The last row at VADDR or below it. The unit's rows are libdw's from the first time on. */
static Dwarf_Line *row_at(struct dbg *m, struct stretch *s, Dwarf_Die *unit, uint64_t vaddr)
{
    struct stretches *all = dwarf_of(m)->code;
    Dwarf_Lines *lines;
    size_t n;

    if (!s->read && !rows_of(m, unit, &lines, &n))
        return NULL;
    for (uint32_t i = 0; !s->read && i < all->n; i++)
        all->v[i].read |= all->v[i].unit == s->unit && &all->v[i] != s;
    s->read = true;
    return dwarf_getsrc_die(unit, vaddr);
}

bool dw_statement_at(struct dbg *m, uint64_t vaddr, struct dbg_statement *out)
{
    struct scope scope = {.code.addr = NULL};
    Dwarf_Addr addr;
    Dwarf_Die unit;
    int line;

    *out = (struct dbg_statement){.vaddr = vaddr};
    bounds_file(m->path);
    struct stretch *s = stretch_at(m, vaddr, &unit);

    if (!s || !find_scope(&unit, vaddr, &scope) || !func_of_scope(m, &unit, &scope, &out->func))
        return false;
    Dwarf_Line *row = row_at(m, s, &unit, vaddr);
    const char *file = row ? dwarf_linesrc(row, NULL, NULL) : NULL;

    if (!file || dwarf_lineno(row, &line) || line <= 0 || dwarf_lineaddr(row, &addr))
        return true;
    out->file = file_matches(file, out->func.file) ? out->func.file : file;
    out->line = (uint32_t)line;
    out->vaddr = addr;
    return true;
}

bool dw_line_at(struct dbg *m, uint64_t vaddr, struct symbol_line *out)
{
    Dwarf_Die unit;
    int line;

    bounds_file(m->path);
    struct stretch *s = stretch_at(m, vaddr, &unit);
    Dwarf_Line *row = s ? row_at(m, s, &unit, vaddr) : NULL;
    const char *file = row ? dwarf_linesrc(row, NULL, NULL) : NULL;

    *out = (struct symbol_line){file, 0};
    if (file && !dwarf_lineno(row, &line) && line > 0)
        out->line = (uint32_t)line;
    return file;
}
