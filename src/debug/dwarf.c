/*
 * dwarf: a module's debug information, opened. Enters: a path as the target sees it; leaves: a
 * struct dbg with libdw's handle on the module's own sections or on its separate debug file
 * (debugfile.c). Refused, with a reason that says what was looked for and how to get it: modules
 * without debug information, files that libdw does not take, split DWARF (.dwo files), a missing
 * supplementary (dwz) file.
 */
#include <dwarf.h>
#include <elfutils/libdwelf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "debug/debugfile.h"
#include "debug/dwarf_priv.h"

struct debuginfo *debuginfo_new(struct compile *cx, struct target *t)
{
    struct debuginfo *di = ARENA_NEW(cx->arena, struct debuginfo);

    di->cx = cx;
    di->a = cx->arena;
    di->t = t;
    di->last = &di->modules;
    if (!sysroot_is_host(t->root))
        di->host = sysroot_new(cx, "/");
    return di;
}

static void close_module(struct dbg *m)
{
    index_free(m->index);
    m->index = NULL;
    if (m->cfi_eh)
        dwarf_cfi_end(m->cfi_eh);
    if (m->dw)
        dwarf_end(m->dw);
    if (m->dw_alt)
        dwarf_end(m->dw_alt);
    m->dw = m->dw_alt = NULL;
    m->cfi_eh = m->cfi_debug = NULL;
    elf_file_close(&m->alt);
    elf_file_close(&m->debug);
    elf_file_close(&m->main);
    if (m->btf)
        btf_close(m);
}

void debuginfo_free(struct debuginfo *di)
{
    if (!di)
        return;
    for (struct dbg *m = di->modules; m; m = m->next)
        close_module(m);
    HASH_CLEAR(hh, di->types);
    HASH_CLEAR(hh, di->pointers);
    sysroot_free(di->host);
    di->modules = NULL;
    di->host = NULL;
}

const char *dbg_path(const struct dbg *m)
{
    return m->path;
}

const struct build_id *dbg_build_id(const struct dbg *m)
{
    return &m->id;
}

bool dbg_is_kernel(const struct dbg *m)
{
    return m->btf != NULL;
}

/* The module's file, the same that breakpoints go into. */
static bool open_main(struct dbg *m, const struct module *mod)
{
    int fd = mod->fd >= 0 ? fcntl(mod->fd, F_DUPFD_CLOEXEC, 0) : -1;

    if (!elf_file_open(&m->main, fd))
        return false;
    elf_build_id_of(m->main.elf, m->main.fd, &m->id);
    return true;
}

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

static bool open_alt(struct dbg *m, struct search *s, const struct sysroot *from, const char *name,
                     const char **why)
{
    const char *alt_name;
    const void *id;
    ssize_t len = dwelf_dwarf_gnu_debugaltlink(m->dw, &alt_name, &id);
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
    if (!debugfile_find_alt(s, from, name, alt_name, &want, &m->alt)) {
        *why = arena_printf(s->a,
                            "it needs the supplementary debug file with build-id %s (made by dwz), "
                            "looked for at %s%s%s",
                            build_id_text(s->a, &want), s->looked ? s->looked : "no place",
                            s->refused ? "; not usable: " : "", s->refused ? s->refused : "");
        return false;
    }
    if (!elf_file_prepare(s->a, &m->alt, why))
        return false;
    m->dw_alt = dwarf_begin_elf(m->alt.debug, DWARF_C_READ, NULL);
    if (!m->dw_alt) {
        *why =
            arena_printf(s->a, "its supplementary debug file is not sound: %s", dwarf_errmsg(-1));
        return false;
    }
    dwarf_new_oom_handler(m->dw_alt, bounds_no_memory);
    dwarf_setalt(m->dw, m->dw_alt);
    return true;
}

/* Starts libdw on F, which lies at NAME below FROM. */
static bool start(struct dbg *m, struct elf_file *f, struct search *s, const struct sysroot *from,
                  const char *name, const char **why)
{
    if (!elf_file_prepare(s->a, f, why))
        return false;
    m->dw = dwarf_begin_elf(f->debug, DWARF_C_READ, NULL);
    if (!m->dw) {
        *why = arena_printf(s->a, "it is not sound: %s", dwarf_errmsg(-1));
        return false;
    }
    /* libdw's own handler names no file. */
    dwarf_new_oom_handler(m->dw, bounds_no_memory);
    if (!open_alt(m, s, from, name, why))
        goto bad;
    if (only_skeletons(m->dw)) {
        *why = "it is split DWARF (-gsplit-dwarf, .dwo files), which is not read; build without "
               "that option";
        goto bad;
    }
    return true;
bad:
    dwarf_end(m->dw);
    if (m->dw_alt)
        dwarf_end(m->dw_alt);
    m->dw = m->dw_alt = NULL;
    elf_file_close(&m->alt);
    return false;
}

static const char *say_none(struct search *s, const struct dbg *m, const char *own)
{
    const char *how =
        "install its -dbg or -dbgsym package, or build it with -g and do not strip it";

    return arena_printf(s->a, "no debug information for %s (%s%s): %s%s%s%s%s; %s", m->path,
                        m->id.len ? "build-id " : "it has no build-id",
                        m->id.len ? build_id_text(s->a, &m->id) : "",
                        own ? arena_printf(s->a, "its own cannot be used: %s", own)
                            : "the file itself has none",
                        s->looked ? "; looked for " : "", s->looked ? s->looked : "",
                        s->refused ? "; not usable: " : "", s->refused ? s->refused : "", how);
}

/* Finds the debug information of an opened module; false: m->why says why there is none. */
static bool find_dwarf(struct debuginfo *di, struct dbg *m)
{
    struct search s = {.a = di->a};
    const struct sysroot *from;
    const char *name, *why = NULL, *own = NULL;

    if (elf_file_has_debug(&m->main)) {
        if (start(m, &m->main, &s, di->t->root, m->path, &why))
            return true;
        own = why;
        s = (struct search){.a = di->a};
    }
    if (debugfile_find(&s, di->t->root, di->host, m->path, &m->id, &m->main, &m->debug, &name,
                       &from)) {
        struct search alt = {.a = di->a};

        m->doubtful = !sysroot_is_host(from);

        if (start(m, &m->debug, &alt, from, name, &why))
            return true;
        m->doubtful = false;
        elf_file_close(&m->debug);
        s.refused = arena_printf(di->a, "%s%s%s%s: %s", s.refused ? s.refused : "",
                                 s.refused ? "; " : "", sysroot_dir(from), name, why);
    }
    m->why = say_none(&s, m, own);
    return false;
}

/* "a program of 32 bits", NULL: registers, pointers and parameters of M are what is read here. */
static const char *foreign_kind(const struct dbg *m)
{
    GElf_Ehdr eh;

    if (!gelf_getehdr(m->main.elf, &eh) || eh.e_ident[EI_DATA] != ELFDATA2LSB)
        return "a big-endian program";
    return eh.e_ident[EI_CLASS] == ELFCLASS64 ? NULL : "a program of 32 bits";
}

static struct dbg *open_module(struct debuginfo *di, const char *path, const char **why)
{
    struct module *mod = target_module(di->cx, di->t, path);

    if (!mod) {
        *why = arena_printf(di->a, "%s%s is not there, or is not an ELF file",
                            sysroot_is_host(di->t->root) ? "" : sysroot_dir(di->t->root), path);
        return NULL;
    }
    for (struct dbg *m = di->modules; m; m = m->next)
        if (!strcmp(m->path, mod->path))
            return m;
    struct dbg *m = ARENA_NEW(di->a, struct dbg);

    m->di = di;
    m->path = mod->path;
    m->main.fd = m->debug.fd = m->alt.fd = -1;
    bounds_file(m->path);
    if (!open_main(m, mod)) {
        *why = arena_printf(di->a, "%s cannot be read", mod->path);
        return NULL;
    }
    const char *foreign = foreign_kind(m);

    if (foreign) {
        *why =
            arena_printf(di->a, "%s is %s, whose registers, pointers and parameters are not read",
                         mod->path, foreign);
        elf_file_close(&m->main);
        return NULL;
    }
    find_dwarf(di, m);
    *di->last = m;
    di->last = &m->next;
    return m;
}

struct dbg *dbg_open_any(struct debuginfo *di, const char *path, const char **why)
{
    *why = NULL;
    if (!strcmp(path, "kernel"))
        return btf_open(di, why);
    for (struct failed_open *f = di->failed; f; f = f->next) {
        if (!strcmp(f->path, path)) {
            *why = f->why;
            return NULL;
        }
    }
    struct dbg *m = open_module(di, path, why);

    if (!m) {
        struct failed_open *f = ARENA_NEW(di->a, struct failed_open);

        *f = (struct failed_open){
            .next = di->failed, .path = arena_strdup(di->a, path), .why = *why};
        di->failed = f;
        return NULL;
    }
    *why = m->why;
    return m;
}

struct dbg *dbg_open(struct debuginfo *di, const char *path, const char **why)
{
    struct dbg *m = dbg_open_any(di, path, why);

    return m && (m->dw || m->btf) ? m : NULL;
}

const struct elf_symbols *dbg_symbols(struct dbg *m)
{
    if (m->symbols)
        return m->symbols;
    bounds_file(m->path);
    m->symbols = ARENA_NEW(m->di->a, struct elf_symbols);
    *m->symbols = elf_symbols_of(m->di->a, m->main.elf, &m->symbols_full);
    if (!m->symbols_full && m->debug.elf) {
        bool full;
        struct elf_symbols theirs = elf_symbols_of(m->di->a, m->debug.elf, &full);

        if (theirs.n > m->symbols->n) {
            *m->symbols = theirs;
            m->symbols_full = full;
        }
    }
    return m->symbols;
}

const struct elf_symbols *dbg_module_symbols(struct debuginfo *di, const struct module *m)
{
    const char *why;
    struct dbg *dbg = dbg_open_any(di, m->path, &why);

    return dbg ? dbg_symbols(dbg) : NULL;
}

bool dbg_cfa(struct dbg *m, uint64_t pc, uint32_t *reg, int64_t *offset)
{
    if (!m->cfi_tried) {
        m->cfi_tried = true;
        /* .eh_frame is loaded, so it is in the module itself and not in its debug file. */
        m->cfi_eh = dwarf_getcfi_elf(m->main.elf);
        m->cfi_debug = m->dw ? dwarf_getcfi(m->dw) : NULL; /* dwarf_end frees it */
    }
    Dwarf_CFI *all[] = {m->cfi_eh, m->cfi_debug};

    for (int i = 0; i < 2; i++) {
        Dwarf_Frame *frame;
        Dwarf_Op *ops;
        size_t n;

        if (!all[i] || dwarf_cfi_addrframe(all[i], pc, &frame))
            continue;
        /* A register and an offset come as one DW_OP_bregx (libdw's dwarf_frame_cfa). */
        bool ok = !dwarf_frame_cfa(frame, &ops, &n) && n == 1 && ops[0].atom == DW_OP_bregx &&
                  ops[0].number < 64;

        if (ok) {
            *reg = (uint32_t)ops[0].number;
            *offset = (int64_t)ops[0].number2;
        }
        free(frame);
        if (ok)
            return true;
    }
    return false;
}

bool dbg_enumerator(struct dbg *m, const char *name, int64_t *value)
{
    if (m->btf)
        return btf_enumerator(m, name, value);
    const struct index *x = dbg_index(m);
    const struct index_entry *e;

    if (!x || !index_find(x, INDEX_ENUMERATORS, name, &e))
        return false;
    *value = (int64_t)e->die;
    return true;
}

void dbg_enumerators(struct dbg *m, const char *prefix,
                     void (*fn)(const char *name, int64_t value, void *arg), void *arg)
{
    const struct index *x = m->btf ? NULL : dbg_index(m);
    const struct index_entry *e;
    size_t len = strlen(prefix);

    if (!x)
        return;
    /* Where PREFIX itself is, or would be. */
    index_find(x, INDEX_ENUMERATORS, prefix, &e);
    for (; e < x->v[INDEX_ENUMERATORS] + x->n[INDEX_ENUMERATORS]; e++) {
        if (strncmp(index_name(x, e), prefix, len) != 0)
            break;
        fn(index_name(x, e), (int64_t)e->die, arg);
    }
}

void dbg_names(struct dbg *m, enum dbg_class c, void (*fn)(const char *name, void *arg), void *arg)
{
    static const enum index_class classes[] = {INDEX_TYPES, INDEX_VARIABLES, INDEX_FUNCTIONS};

    if (m->btf) {
        if (c == DBG_TYPES)
            btf_type_names(m, fn, arg);
        return;
    }
    const struct index *x = dbg_index(m);
    const char *before = NULL;

    for (uint32_t i = 0; x && i < x->n[classes[c]] && bounds_ok(); i++) {
        const char *name = index_name(x, &x->v[classes[c]][i]);

        if (name != before)
            fn(name, arg);
        before = name;
    }
    if (c != DBG_FUNCTIONS || (x && x->n[INDEX_FUNCTIONS]))
        return;
    const struct elf_symbols *s = dbg_symbols(m);

    for (uint32_t i = 0; i < s->n; i++)
        if (s->v[i].is_func)
            fn(s->v[i].name, arg);
}
