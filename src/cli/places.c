/*
 * places: names for addresses and frames. Enters: addresses in the target's files, frames as a
 * script printed them; leaves: symbols, lines of sources, Lua functions, modules. A file whose
 * lines take too much is the last that is asked for lines; names are looked up as before.
 */
#include "cli/places.h"

#include <string.h>

#include "base/bounds.h"
#include "debug/debug.h"
#include "lua/lua.h"
#include "target/target.h"

static struct debuginfo *debuginfo_of(struct places *p)
{
    if (!p->debuginfo) /* an object was run: no script was analysed */
        p->debuginfo = debuginfo_new(p->cx, p->target);
    return p->debuginfo;
}

/* Ends a question about lines of sources. */
static bool end_question(struct places *p)
{
    if (bounds_end())
        return true;
    p->off = true;
    bounds_begin(p->cx); /* nothing is reached any more */
    bounds_end();
    return false;
}

/* ---- addresses: struct symbol_source ---- */

/* With the separate debug files that only debug/ finds. */
static const struct elf_symbols *symbols_of(void *arg, const struct module *m)
{
    return dbg_module_symbols(debuginfo_of(arg), m);
}

static bool line_of(void *arg, const struct module *m, uint64_t vaddr, struct symbol_line *out)
{
    struct places *p = arg;

    if (p->off)
        return false;
    bounds_begin(p->cx);
    bool found = dbg_module_line(debuginfo_of(p), m, vaddr, out);

    return end_question(p) && found;
}

static int debug_file_of(void *arg, const struct module *m)
{
    return dbg_module_debug_file(debuginfo_of(arg), m);
}

struct symbol_source places_symbols(struct places *p)
{
    return (struct symbol_source){symbols_of, line_of, p, debug_file_of};
}

/* ---- frames: struct out_reader_opts ---- */

static bool name_frame(void *arg, const char *frame, size_t len, char *to, size_t size)
{
    const struct places *p = arg;

    return p->names && lua_names_frame(p->names, frame, len, to, size);
}

/* Of the target's files; the kernel's code has none. */
static const struct module *module_named(const struct places *p, const char *path)
{
    const struct module *m = p->target ? p->target->modules : NULL;

    while (m && strcmp(m->path, path))
        m = m->next;
    return m;
}

static void tell_module(void *arg, struct arena *a, struct out_module *out)
{
    const struct places *p = arg;
    const struct module *m = module_named(p, out->path);

    if (!m)
        return;
    out->start = m->start;
    out->end = m->end;
    out->build_id = m->id.len ? build_id_text(a, &m->id) : NULL;
}

/* By what debug information says of its first instruction. */
static void place_frame(void *arg, struct arena *a, const struct out_module *module,
                        struct out_frame *f)
{
    struct places *p = arg;
    const struct module *m = module_named(p, module->path);
    struct dbg_statement at = {.line = 0};
    const char *why;
    size_t n;

    if (!m || !p->debuginfo || p->off || f->address < m->bias)
        return;
    bounds_begin(p->cx);
    struct dbg *dbg = dbg_open(p->debuginfo, m->path, &why);
    bool found = dbg && dbg_statement_at(dbg, f->address - m->bias, &at) && at.line;

    if (!end_question(p) || !found)
        return;
    f->file = out_clean(a, at.file, strlen(at.file), &n);
    f->line = at.line;
}

void places_serve(struct places *p, struct out_reader_opts *reader)
{
    reader->rename = name_frame;
    reader->module = tell_module;
    reader->place = place_frame;
    reader->arg = p;
}
