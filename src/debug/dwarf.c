/*
 * dwarf: DWARF as a source (source.h). Enters: a module; leaves: libdw's handle on the module's own
 * sections or on a separate debug file (debugfile.c, debuginfod.c, pack.c), and the names in its
 * index. Refused, with a reason that says what was looked for and how to get it: modules without
 * debug information, files that libdw does not take, split DWARF (.dwo files), a missing
 * supplementary (dwz) file.
 */
#include <dwarf.h>
#include <elfutils/libdwelf.h>
#include <string.h>

#include "base/bytes.h"
#include "base/clean.h"
#include "debug/dwarf_priv.h"

/* Are all units in .dwo files? */
static bool only_skeletons(Dwarf *dw)
{
    Dwarf_CU *cu = NULL, *next;
    Dwarf_Half version;
    uint8_t type;
    Dwarf_Die die;
    bool any = false;

    while (dwarf_get_units(dw, cu, &next, &version, &type, &die, NULL) == 0) {
        cu = next;
        any = true;
        if (type != DW_UT_skeleton && !dwarf_hasattr(&die, DW_AT_dwo_name) &&
            !dwarf_hasattr(&die, DW_AT_GNU_dwo_name))
            return false;
    }
    return any;
}

/* Ends what start() began. */
static void stop(struct dwarf *d)
{
    dwarf_end(d->dw);
    dwarf_end(d->alt_dw);
    d->dw = d->alt_dw = NULL;
    debugimage_free(&d->image);
    debugimage_free(&d->alt_image);
    elf_file_close(&d->alt);
}

static bool open_alt(struct dwarf *d, struct search *s, const struct sysroot *from,
                     const char *name, const char **why)
{
    const char *alt_name;
    const void *id;
    ssize_t len = dwelf_dwarf_gnu_debugaltlink(d->dw, &alt_name, &id);
    struct build_id want = {.len = 0};

    if (len == 0)
        return true;
    if (len < 0 || len > BUILD_ID_MAX) {
        *why = "its .gnu_debugaltlink section is not sound";
        return false;
    }
    memcpy(want.bytes, id, (size_t)len);
    want.len = (uint32_t)len;
    /* libdw would look for it by itself, by names out of the file and on the host: it must not come
     * to that. */
    s->looked = s->refused = NULL;
    if (!debugfile_find_alt(s, from, name, alt_name, &want, &d->alt) &&
        !debuginfod_fetch(s, &want, &d->alt, &name)) {
        *why = arena_printf(s->a,
                            "it needs the supplementary debug file with build-id %s (made by dwz), "
                            "looked for at %s%s%s",
                            build_id_text(s->a, &want), s->looked ? s->looked : "no place",
                            s->refused ? "; not usable: " : "", s->refused ? s->refused : "");
        return false;
    }
    if (!debugimage_make(s->a, &d->alt, &d->alt_image, why))
        return false;
    d->alt_dw = dwarf_begin_elf(d->alt_image.elf, DWARF_C_READ, NULL);
    if (!d->alt_dw) {
        *why =
            arena_printf(s->a, "its supplementary debug file is not sound: %s", dwarf_errmsg(-1));
        return false;
    }
    dwarf_new_oom_handler(d->alt_dw, bounds_no_memory);
    dwarf_setalt(d->dw, d->alt_dw);
    return true;
}

/* Starts libdw on F, which lies at NAME below FROM. */
static bool start(struct dwarf *d, const struct elf_file *f, struct search *s,
                  const struct sysroot *from, const char *name, const char **why)
{
    if (!debugimage_make(s->a, f, &d->image, why))
        return false;
    d->dw = dwarf_begin_elf(d->image.elf, DWARF_C_READ, NULL);
    if (!d->dw) {
        *why = arena_printf(s->a, "it is not sound: %s", dwarf_errmsg(-1));
        goto bad;
    }
    /* libdw's own handler names no file. */
    dwarf_new_oom_handler(d->dw, bounds_no_memory);
    if (!open_alt(d, s, from, name, why))
        goto bad;
    if (only_skeletons(d->dw)) {
        *why = "it is split DWARF (-gsplit-dwarf, .dwo files), which is not read; build without "
               "that option";
        goto bad;
    }
    return true;
bad:
    stop(d);
    return false;
}

static const char *say_none(struct search *s, const struct dbg *m, const char *own)
{
    const char *how = arena_printf(
        s->a,
        "install its -dbg or -dbgsym package, set DEBUGINFOD_URLS to the servers of its "
        "distribution, build it with -g and do not strip it, or make a pack where the debug "
        "information of %s is: ngstap pack %s -o %s.pack, to be given by -d %s.pack",
        m->id.len ? arena_printf(s->a, "build-id %s", build_id_text(s->a, &m->id)) : "that build",
        m->path, base_name(m->path), base_name(m->path));

    return arena_printf(s->a, "no debug information for %s (%s%s): %s%s%s%s%s; %s", m->path,
                        m->id.len ? "build-id " : "it has no build-id",
                        m->id.len ? build_id_text(s->a, &m->id) : "",
                        own ? arena_printf(s->a, "its own cannot be used: %s", own)
                            : "the file itself has none",
                        s->looked ? "; looked for " : "", s->looked ? s->looked : "",
                        s->refused ? "; not usable: " : "", s->refused ? s->refused : "", how);
}

/* ---- the steps, in the order of preference ---- */

/* *NAME, below *FROM: where OUT lies. */
typedef bool find_fn(struct search *s, struct dbg *m, struct elf_file *out, const char **name,
                     const struct sysroot **from);

static const struct sysroot *host_of(const struct dbg *m)
{
    return m->di->host ? m->di->host : m->di->t->root;
}

static bool find_file(struct search *s, struct dbg *m, struct elf_file *out, const char **name,
                      const struct sysroot **from)
{
    return debugfile_find(s, m->di->t->root, m->di->host, &m->id, &m->file, out, name, from);
}

/* What servers sent lies on this machine. */
static bool find_on_servers(struct search *s, struct dbg *m, struct elf_file *out,
                            const char **name, const struct sysroot **from)
{
    *from = host_of(m);
    return debuginfod_fetch(s, &m->id, out, name);
}

static bool find_in_named(struct search *s, struct dbg *m, struct elf_file *out, const char **name,
                          const struct sysroot **from)
{
    *from = host_of(m);
    return pack_find_named(s, &m->di->cx->debug, &m->id, out, name);
}

static bool find_in_kept(struct search *s, struct dbg *m, struct elf_file *out, const char **name,
                         const struct sysroot **from)
{
    *from = host_of(m);
    return pack_find_kept(s, &m->id, out, name);
}

/* What the user names comes first: servers may be slow. */
static const struct step {
    unsigned which; /* DEBUG_* */
    const char *where;
    find_fn *find;
} steps[] = {
    {DEBUG_PACK, "the pack", find_in_named},
    {DEBUG_DWARF, "the file", find_file},
    {DEBUG_DEBUGINFOD, "debuginfod:", find_on_servers},
    {DEBUG_PACK, "the pack", find_in_kept},
};

/* With -v: which debug information is used, or what came of a step. */
static void say(const struct dbg *m, const char *what, const char *which)
{
    struct compile *cx = m->di->cx;

    if (cx->verbose && cx->err)
        clean_line(cx->err, "debug information of %s: %s%s", m->path, what, which);
}

static bool take_step(struct dbg *m, const struct step *step, struct search *s)
{
    struct dwarf *d = dwarf_of(m);
    const struct sysroot *from;
    const char *name, *why;
    struct search here = {.a = s->a, .module = s->module, .progress = s->progress, .di = s->di};
    struct search alt = here;

    if (step->find(&here, m, &d->debug, &name, &from)) {
        if (start(d, &d->debug, &alt, from, name, &why)) {
            m->doubtful = !sysroot_is_host(from);
            d->packed = step->which == DEBUG_PACK;
            d->remote = step->which != DEBUG_DWARF;
            say(m, arena_printf(s->a, "from %s ", step->where), name);
            return true;
        }
        elf_file_close(&d->debug);
        search_refused(&here, sysroot_dir(from), name, why);
    }
    if (here.looked) {
        search_looked(s, "", here.looked);
        say(m, here.refused ? "not usable: " : "none at ",
            here.refused ? here.refused : here.looked);
    }
    if (here.refused)
        s->refused =
            s->refused ? arena_printf(s->a, "%s; %s", s->refused, here.refused) : here.refused;
    return false;
}

static bool dw_open(struct dbg *m, const char **none)
{
    struct debuginfo *di = m->di;
    const unsigned without = di->cx->debug.without;
    struct search s = {
        .a = di->a, .module = m->path, .progress = di->local ? NULL : di->cx->err, .di = di};
    struct search own = s;
    const char *why = NULL;

    m->data = ARENA_NEW(di->a, struct dwarf);
    if (!(without & DEBUG_DWARF) && elf_file_has_debug(&m->file)) {
        if (start(dwarf_of(m), &m->file, &own, di->t->root, m->path, &why)) {
            say(m, "its own", "");
            return true;
        }
        say(m, "its own cannot be used: ", why);
    }
    for (size_t i = 0; i < sizeof(steps) / sizeof(*steps); i++)
        if (!(without & steps[i].which) && take_step(m, &steps[i], &s))
            return true;
    m->data = NULL;
    *none = say_none(&s, m, why);
    return false;
}

bool dbg_open_layout(struct dbg *m, struct elf_file *f, const char **why)
{
    struct search s = {.a = m->di->a, .module = m->path};
    struct dwarf *d = ARENA_NEW(m->di->a, struct dwarf);

    m->data = d;
    d->packed = true;
    d->debug = *f;
    if (start(d, &d->debug, &s, host_of(m), m->path, why)) {
        m->source = &dbg_source_dwarf;
        return true;
    }
    elf_file_close(f);
    m->data = NULL;
    return false;
}

/* Its own sections, or a debug file's that was looked for by its path. */
static bool dw_settled(const struct dbg *m)
{
    return !dwarf_of(m)->remote;
}

static void dw_close(struct dbg *m)
{
    struct dwarf *d = dwarf_of(m);

    index_free(d->index);
    stop(d);
    elf_file_close(&d->debug);
    m->data = NULL;
}

/* ---- beside names and types ---- */

static struct elf_symbols dw_symbols(struct dbg *m)
{
    Elf *elf = dwarf_of(m)->debug.elf;
    bool full;

    return elf ? elf_symbols_of(m->di->a, elf, &full) : (struct elf_symbols){0};
}

static bool dw_cfa(struct dbg *m, uint64_t pc, uint32_t *reg, int64_t *offset)
{
    return cfi_frame(dwarf_getcfi(dwarf_of(m)->dw), pc, reg, offset); /* dwarf_end frees it */
}

/* ---- names ---- */

static bool dw_enumerator(struct dbg *m, const char *name, int64_t *value)
{
    const struct index *x = dw_index(m);
    const struct index_entry *e;

    if (!x || !index_find(x, INDEX_ENUMERATORS, name, &e))
        return false;
    *value = (int64_t)e->die;
    return true;
}

static bool dw_names(struct dbg *m, enum dbg_class c, dbg_name_fn *fn, void *arg)
{
    static const enum index_class classes[] = {INDEX_TYPES, INDEX_VARIABLES, INDEX_FUNCTIONS};
    const struct index *x = dw_index(m);
    const char *before = NULL;

    for (uint32_t i = 0; x && i < x->n[classes[c]] && bounds_ok(); i++) {
        const char *name = index_name(x, &x->v[classes[c]][i]);

        if (name != before)
            fn(name, arg);
        before = name;
    }
    return x && x->n[classes[c]];
}

const struct dbg_source dbg_source_dwarf = {
    .name = "DWARF",
    .open = dw_open,
    .settled = dw_settled,
    .close = dw_close,
    .type = dw_type,
    .enumerator = dw_enumerator,
    .names = dw_names,
    .variable = dw_variable,
    .variable_type = dw_variable_type,
    .functions = dw_functions,
    .inlined = dw_inlined,
    .calls = dw_calls,
    .statements = dw_statements,
    .statement_at = dw_statement_at,
    .line_at = dw_line_at,
    .local = dw_local,
    .locals = dw_locals,
    .func_result = dw_func_result,
    .symbols = dw_symbols,
    .cfa = dw_cfa,
    .kind = dw_kind,
    .complete = dw_complete,
    .size = dw_size,
    .is_signed = dw_signed,
    .target = dw_target,
    .array_len = dw_array_len,
    .text = dw_text,
    .members = dw_members,
    .decl = dw_decl,
    .fields = dw_fields,
    .type_enumerators = dw_type_enumerators,
    .params = dw_params,
};
