/*
 * statement: single statements of user-space programs. Enters: process("path").statement(..) with
 * "f@file:line" or an address; leaves: a place for each function and each inlined copy that has
 * such a statement; $name is a variable as it stands there. Refused: lines and addresses where no
 * statement begins (the nearest ones are named).
 */
#include "probe/process.h"

#include <inttypes.h>

#include "base/bytes.h"

static struct dbg_lines lines(const struct spec *spec, uint32_t low, uint32_t high)
{
    return (struct dbg_lines){.function = spec->name,
                              .file = spec->file,
                              .low = low,
                              .high = high,
                              .relative = spec->kind == SPEC_RELATIVE};
}

static void add(struct probe_env *env, struct process_places *all, const struct dbg_statement *s)
{
    process_place_add(
        env, all,
        &(struct process_place){.f = s->func,
                                .vaddr = s->vaddr,
                                .pc = s->vaddr,
                                .spec = s->line ? arena_printf(env->cx->arena, "%s@%s:%u",
                                                               s->func.name, s->file, s->line)
                                                : s->func.name});
}

/* The lines nearest to LINE that have a statement, of all of SPEC's; 0: none on that side. */
struct nearest {
    uint32_t below, above;
};

static struct nearest find_nearest(const struct process_module *m, const struct spec *spec,
                                   uint32_t line)
{
    struct dbg_lines all = lines(spec, 0, INT32_MAX);
    struct nearest near = {0, 0};
    struct dbg_statement *v;
    uint32_t n = dbg_statements(m->dbg, &all, &v);

    for (uint32_t i = 0; i < n; i++) {
        uint32_t from = all.relative ? v[i].func.line : 0;
        uint32_t at = v[i].line - from;

        if (at < line && at > near.below)
            near.below = at;
        if (at > line && (!near.above || at < near.above))
            near.above = at;
    }
    return near;
}

/* As in SystemTap the later one when both are as near. */
static uint32_t nearer(struct nearest near, uint32_t line)
{
    if (!near.above || (near.below && line - near.below < near.above - line))
        return near.below;
    return near.above;
}

static bool no_statement(struct probe_env *env, const struct process_module *m,
                         const struct point_part *part, const struct spec *spec)
{
    struct diag *d = env->cx->diag;
    struct dbg_func *v;
    struct spec alone = {.name = spec->name, .file = spec->file};
    uint32_t line = spec->n ? spec->ranges[0].low : 0;
    struct nearest near = find_nearest(m, spec, line);

    if (!near.below && !near.above &&
        !process_functions(env, m, &alone, PROCESS_REAL | PROCESS_INLINED, &v))
        return process_no_function(env, m, part, spec);
    diag_error(d, part->arg->at, "no-statement", "no statement begins at '%s' in %s",
               part->arg->text, dbg_path(m->dbg));
    const char *sign = spec->kind == SPEC_RELATIVE ? "+" : "";

    if (near.below && near.above)
        diag_hint(d, "the nearest lines are %s%u and %s%u; .nearest takes one", sign, near.below,
                  sign, near.above);
    else if (near.below || near.above)
        diag_hint(d, "the nearest line is %s%u; .nearest takes it", sign,
                  near.below ? near.below : near.above);
    else if (m->why)
        diag_hint(d, "%s", m->why);
    else
        diag_hint(d, "no line of that file is known there");
    return false;
}

static bool resolve_lines(struct probe_env *env, struct probe_point *point,
                          const struct probe_type *type, bool nearest)
{
    const struct point_part *part = point->parts->next;
    struct process_places all = {0};
    struct process_module m;
    struct dbg_statement *v;
    struct dbg_func *f;
    struct spec spec;

    if (!process_open(env, point, &m) || !spec_parse(env->cx, part, &spec))
        return false;
    if (spec.kind == SPEC_NO_LINE) { /* the function's first */
        uint32_t n = process_functions(env, &m, &spec, PROCESS_REAL | PROCESS_INLINED, &f);

        for (uint32_t i = 0; i < n; i++)
            add(env, &all,
                &(struct dbg_statement){.func = f[i],
                                        .vaddr = f[i].entry,
                                        .file = f[i].file ? f[i].file : "?",
                                        .line = f[i].line});
        return all.n ? process_add(env, point, type, &m, &all)
                     : process_no_function(env, &m, part, &spec);
    }
    struct spec_range whole = {0, INT32_MAX};
    const struct spec_range *r = spec.kind == SPEC_ALL_LINES ? &whole : spec.ranges;

    for (uint32_t i = 0; i < (spec.kind == SPEC_ALL_LINES ? 1 : spec.n); i++) {
        struct dbg_lines want = lines(&spec, r[i].low, r[i].high);
        uint32_t n = dbg_statements(m.dbg, &want, &v);

        if (!n && nearest) {
            uint32_t line = nearer(find_nearest(&m, &spec, r[i].low), r[i].low);

            want = lines(&spec, line, line);
            n = line ? dbg_statements(m.dbg, &want, &v) : 0;
        }
        for (uint32_t k = 0; k < n; k++)
            add(env, &all, &v[k]);
    }
    return all.n ? process_add(env, point, type, &m, &all) : no_statement(env, &m, part, &spec);
}

static bool resolve_line(struct probe_env *env, struct probe_point *point,
                         const struct probe_type *type)
{
    return resolve_lines(env, point, type, false);
}

static bool resolve_nearest(struct probe_env *env, struct probe_point *point,
                            const struct probe_type *type)
{
    return resolve_lines(env, point, type, true);
}

/* ---- addresses ---- */

static bool add_address(struct probe_env *env, struct probe_point *point,
                        const struct probe_type *type, const struct process_module *m,
                        uint64_t vaddr)
{
    const struct point_part *part = point->parts->next;
    struct diag *d = env->cx->diag;
    struct process_places all = {0};
    struct dbg_statement s;
    bool known = dbg_statement_at(m->dbg, vaddr, &s);

    if (!known) {
        const struct elf_symbol *symbol = elf_symbol_at(dbg_symbols(m->dbg), vaddr);

        if (!symbol || !symbol->is_func) {
            diag_error(d, part->arg->at, "no-statement", "no function of %s has code at 0x%" PRIx64,
                       m->module->path, vaddr);
            diag_hint(d, "addresses are those of the file, as nm and objdump show them");
            return false;
        }
        s = (struct dbg_statement){
            .func = {.name = symbol->name, .entry = symbol->vaddr, .dbg = m->dbg},
            .vaddr = symbol->vaddr};
    }
    if (s.vaddr != vaddr && !env->cx->guru) {
        diag_error(d, part->arg->at, "no-statement", "no statement is known to begin at 0x%" PRIx64,
                   vaddr);
        diag_hint(d,
                  "one begins at 0x%" PRIx64 "; -g takes any address, and one within an "
                  "instruction breaks the program",
                  s.vaddr);
        return false;
    }
    s.vaddr = vaddr;
    add(env, &all, &s);
    return process_add(env, point, type, m, &all);
}

static bool resolve_address(struct probe_env *env, struct probe_point *point,
                            const struct probe_type *type)
{
    struct process_module m;

    return process_open(env, point, &m) &&
           add_address(env, point, type, &m, (uint64_t)point->parts->next->arg->number);
}

/* An address as the process has it. */
static bool resolve_absolute(struct probe_env *env, struct probe_point *point,
                             const struct probe_type *type)
{
    const struct point_part *part = point->parts->next;
    uint64_t address = (uint64_t)part->arg->number;
    struct diag *d = env->cx->diag;
    struct process_module m;

    if (!env->cx->guru) {
        diag_error(d, part->at, "guru", "absolute addresses are taken in guru mode only");
        diag_hint(d, "-g turns guru mode on; without .absolute the address is one of the file");
        return false;
    }
    if (!process_open(env, point, &m))
        return false;
    if (m.module->start == m.module->end) {
        diag_error(d, part->at, "no-module", "no process is named that has mapped %s",
                   m.module->path);
        diag_hint(d, "choose one with -x PID");
        return false;
    }
    if (address < m.module->start || address >= m.module->end)
        return diag_error(d, part->arg->at, "no-statement",
                          "0x%" PRIx64 " is not in %s, which lies at 0x%" PRIx64 " to 0x%" PRIx64,
                          address, m.module->path, m.module->start, m.module->end);
    return add_address(env, point, type, &m, address - m.module->bias);
}

const struct probe_type probe_types_statement[] = {
    PROCESS_ROWS(".statement(string)",
                 "where a statement begins: \"f@file.c:LINE\", \"+N\", \":5-9\", \":*\"",
                 resolve_line),
    PROCESS_ROWS(".statement(string).nearest", "likewise, or at the nearest line that has one",
                 resolve_nearest),
    PROCESS_ROWS(".statement(number)", "at an address of the file", resolve_address),
    PROCESS_ROWS(".statement(number).absolute", "at an address of the process (-g)",
                 resolve_absolute),
    {NULL, NULL, PROBE_NEVER, NULL, NULL, NULL},
};
