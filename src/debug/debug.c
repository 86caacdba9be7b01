/*
 * debug: modules and what is known of them. Enters: a path as the target sees it, or "kernel";
 * leaves: a struct dbg, with the first source of the table below that knows the module. Names,
 * variables and locals are asked of that source. Refused: what is no ELF file, programs of other
 * machines; a module that no source knows has its ELF symbols alone, and a reason.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "arch/arch.h"
#include "debug/debugfile.h"
#include "debug/source.h"

/* In the order in which they are asked. */
static const struct dbg_source *const sources[] = {&dbg_source_dwarf, &dbg_source_nginx,
                                                   &dbg_source_layout, &dbg_source_btf};

struct failed_open { /* so that a module without debug information is looked for once */
    struct failed_open *next;
    const char *path, *why;
};

/* ---- opening ---- */

struct debuginfo *debuginfo_new(struct compile *cx, struct target *t)
{
    struct debuginfo *di = ARENA_NEW(cx->arena, struct debuginfo);

    di->cx = cx;
    di->a = cx->arena;
    di->t = t;
    di->last = &di->modules;
    di->last_looked = &di->looked;
    if (!sysroot_is_host(t->root))
        di->host = sysroot_new(cx, "/");
    return di;
}

void debuginfo_layouts(struct debuginfo *di, const char *dir)
{
    di->layouts = dir;
}

/* ---- what answers rest on ---- */

struct used {
    FILE *f;
    const struct dbg *m;
};

static void add_used(const char *file, void *arg)
{
    struct used *u = arg;

    fprintf(u->f, "%s\t%s\n", u->m->path, file);
}

/* Which layouts the process has shown to be those of which modules: lines "MODULE<tab>FILE". */
static const char *layouts_used(const struct debuginfo *di)
{
    char *text = NULL;
    size_t len;
    struct used u = {.f = open_memstream(&text, &len)};

    for (u.m = u.f ? di->modules : NULL; u.m; u.m = u.m->next)
        if (u.m->source && u.m->source->layouts)
            u.m->source->layouts(u.m, add_used, &u);
    if (u.f)
        fclose(u.f);
    const char *out = arena_strdup(di->a, text ? text : "");

    free(text);
    return out;
}

bool debuginfo_layouts_same(struct debuginfo *di, const char *text)
{
    for (const char *line = text; *line; line += strcspn(line, "\n"), line += *line == '\n') {
        const char *why;

        if (!dbg_open(di, arena_strndup(di->a, line, strcspn(line, "\t")), &why))
            return false;
    }
    return !strcmp(layouts_used(di), text);
}

void debuginfo_found(const struct debuginfo *di, dbg_found_fn *fn, void *arg)
{
    const char *used = layouts_used(di);

    for (const struct looked *l = di->looked; l; l = l->next)
        fn(arg, l->host ? DBG_FOUND_HOST : DBG_FOUND_ROOT, l->path, &l->id);
    for (size_t n; *used; used += n + 1) {
        struct file_identity id = {0};
        struct stat st;

        n = strcspn(used, "\n");
        const char *line = arena_strndup(di->a, used, n);

        if (!stat(strchr(line, '\t') + 1, &st))
            file_identity(&st, &id);
        fn(arg, DBG_FOUND_LAYOUT, line, &id);
    }
}

const char *debuginfo_unsettled(const struct debuginfo *di)
{
    if (di->failed)
        return "a file that it names is not there";
    for (const struct dbg *m = di->modules; m; m = m->next)
        if (!m->source || !m->source->settled || !m->source->settled(m))
            return "what it knows of a file is not the file's own, nor a debug file's";
        else if (m->source->layouts && strpbrk(m->path, "\t\n"))
            return "the path of a file is no word";
    return NULL;
}

static void close_module(struct dbg *m)
{
    cfi_close(m);
    if (m->source)
        m->source->close(m);
    elf_file_close(&m->file);
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

/* Sets M's source, or says in M->why what each of them looked for. */
static bool find_source(struct dbg *m, bool kernel)
{
    for (size_t i = 0; i < sizeof(sources) / sizeof(*sources); i++) {
        const char *why = NULL;

        if (sources[i]->kernel != kernel)
            continue;
        if (sources[i]->open(m, &why)) {
            m->source = sources[i];
            m->lacking = m->why;
            m->why = NULL;
            return true;
        }
        if (why)
            m->why = m->why ? arena_printf(m->di->a, "%s; %s", m->why, why) : why;
    }
    return false;
}

/* PATH: "kernel", or "kernel:NAME". */
static struct dbg *open_kernel(struct debuginfo *di, const char *path, const char **why)
{
    const char *module = kernel_module_of(path);

    for (struct dbg *m = di->modules; m; m = m->next)
        if (!strcmp(m->path, path))
            return m;
    if (di->cx->arch && di->cx->arch != arch_native()) {
        *why = arena_printf(di->a, "the kernel here is no %s one", di->cx->arch->title);
        return NULL;
    }
    /* A module's types go on from the kernel's. */
    struct dbg *kernel = module ? open_kernel(di, "kernel", why) : NULL;

    if (module && !kernel)
        return NULL;
    struct dbg *m = dbg_new(di, arena_strdup(di->a, path));

    m->data = kernel; /* for its source, which sets its own */
    if (module)
        kernel_module_build_id(module, &m->id);
    else
        kernel_build_id(&m->id);
    if (find_source(m, true))
        return dbg_add(m);
    *why = m->why;
    return NULL;
}

/* The module's file, the same that breakpoints go into. */
static bool open_main(struct dbg *m, const struct module *mod)
{
    int fd = mod->fd >= 0 ? fcntl(mod->fd, F_DUPFD_CLOEXEC, 0) : -1;

    if (!elf_file_open(&m->file, fd))
        return false;
    elf_build_id_of(m->file.elf, m->file.fd, &m->id);
    return true;
}

/*
 * Why registers, pointers and parameters of M are not read: NULL: they are those of the script's
 * machine, or where there is no script of any.
 */
static const char *why_foreign(struct dbg *m)
{
    const struct arch *wanted = m->di->cx->arch;
    const char *kind = NULL;
    GElf_Ehdr eh;

    if (!gelf_getehdr(m->file.elf, &eh) || eh.e_ident[EI_DATA] != ELFDATA2LSB)
        kind = "a big-endian program";
    else if (eh.e_ident[EI_CLASS] != ELFCLASS64)
        kind = "a program of 32 bits";
    else if (!(m->arch = arch_of_machine(eh.e_machine)) && wanted)
        kind = "a program for another machine";
    if (kind)
        return arena_printf(m->di->a,
                            "%s is %s, whose registers, pointers and parameters are not read",
                            m->path, kind);
    if (!wanted || wanted == m->arch)
        return NULL;
    return arena_printf(m->di->a,
                        "%s is for %s, the script for %s: it is for the machine of what --exec "
                        "names, else for this one",
                        m->path, m->arch->title, wanted->title);
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
    struct dbg *m = dbg_new(di, mod->path);

    bounds_file(m->path);
    if (!open_main(m, mod)) {
        *why = arena_printf(di->a, "%s cannot be read", mod->path);
        return NULL;
    }
    *why = why_foreign(m);
    if (*why) {
        elf_file_close(&m->file);
        return NULL;
    }
    find_source(m, false);
    return dbg_add(m);
}

struct dbg *dbg_open_any(struct debuginfo *di, const char *path, const char **why)
{
    *why = NULL;
    if (kernel_is_path(path))
        return open_kernel(di, path, why);
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

const char *dbg_lacking(const struct dbg *m)
{
    return m->lacking;
}

struct dbg *dbg_open(struct debuginfo *di, const char *path, const char **why)
{
    struct dbg *m = dbg_open_any(di, path, why);

    return m && m->source ? m : NULL;
}

/* ---- symbols ---- */

const struct elf_symbols *dbg_module_symbols(struct debuginfo *di, const struct module *m)
{
    const char *why;

    di->local = true; /* a script that runs does not wait for servers */
    struct dbg *dbg = dbg_open_any(di, m->path, &why);

    di->local = false;
    return dbg ? dbg_symbols(dbg) : NULL;
}

bool dbg_module_line(struct debuginfo *di, const struct module *m, uint64_t vaddr,
                     struct symbol_line *out)
{
    const char *why;

    di->local = true;
    struct dbg *dbg = dbg_open(di, m->path, &why);

    di->local = false;
    return dbg && dbg->source->line_at && dbg->source->line_at(dbg, vaddr, out);
}

int dbg_module_debug_file(struct debuginfo *di, const struct module *m)
{
    struct arena *a = arena_new();
    struct search search = {.a = a, .module = m->path};
    const struct sysroot *from;
    struct elf_file main, found;
    const char *name;
    int fd = -1;

    if (m->id.len && elf_file_open(&main, fcntl(m->fd, F_DUPFD_CLOEXEC, 0))) {
        if (debugfile_find(&search, di->t->root, di->host, &m->id, &main, &found, &name, &from)) {
            fd = fcntl(found.fd, F_DUPFD_CLOEXEC, 0);
            elf_file_close(&found);
        }
        elf_file_close(&main);
    }
    arena_free(a);
    return fd;
}

/* ---- names, variables, locals ---- */

bool dbg_enumerator(struct dbg *m, const char *name, int64_t *value)
{
    return m->source && m->source->enumerator(m, name, value);
}

void dbg_names(struct dbg *m, enum dbg_class c, dbg_name_fn *fn, void *arg)
{
    if ((m->source && m->source->names(m, c, fn, arg)) || c != DBG_FUNCTIONS)
        return;
    const struct elf_symbols *s = dbg_symbols(m);

    for (uint32_t i = 0; i < s->n; i++)
        if (s->v[i].is_func)
            fn(s->v[i].name, arg);
}

bool dbg_tracepoint(struct dbg *m, const char *name, struct dbg_params *out)
{
    return m->source && m->source->tracepoint && m->source->tracepoint(m, name, out);
}

bool dbg_prototype(struct dbg *m, const char *name, struct dbg_prototype *out)
{
    return m->source && m->source->prototype && m->source->prototype(m, name, out);
}

bool dbg_kernel_variable(struct dbg *m, const char *name, const struct ctype **type, bool *per_cpu)
{
    return m->source && m->source->kernel_variable &&
           m->source->kernel_variable(m, name, type, per_cpu);
}

bool dbg_variable(struct dbg *m, const char *name, const char *cu, struct dbg_var *out)
{
    const char *at = strchr(name, '@');

    if (!m->source || !m->source->variable)
        return false;
    if (cu || !at)
        return m->source->variable(m, name, cu, out);
    /* "name@file.c" */
    return m->source->variable(m, arena_strndup(m->di->a, name, (size_t)(at - name)), at + 1, out);
}

const struct ctype *dbg_variable_type(struct dbg *m, const char *name)
{
    return m->source && m->source->variable_type ? m->source->variable_type(m, name) : NULL;
}

bool dbg_local(const struct dbg_func *f, uint64_t pc, const char *name, struct dbg_location *out,
               const char **why)
{
    if (f->record)
        return f->dbg->source->local(f, pc, name, out, why);
    *out = (struct dbg_location){.type = NULL};
    *why = arena_printf(f->dbg->di->a,
                        "\"%s\" of %s: there is no debug information for this "
                        "function, only its symbol",
                        name, f->name);
    return false;
}

void dbg_locals(const struct dbg_func *f, uint64_t pc, dbg_local_fn *fn, void *arg)
{
    if (f->record)
        f->dbg->source->locals(f, pc, fn, arg);
}

const struct ctype *dbg_func_result(const struct dbg_func *f)
{
    return f->record ? f->dbg->source->func_result(f) : NULL;
}
