/*
 * module: one module's file: its name, build-id and symbols. Enters: an open file; leaves: a libelf
 * handle on it, copies of its symbols. Refused: what is no ELF file.
 */
#include <unistd.h>

#include "debug/source.h"

bool elf_file_open(struct elf_file *f, int fd)
{
    *f = (struct elf_file){.fd = fd};
    f->elf = fd >= 0 ? elf_open(fd) : NULL;
    if (f->elf)
        return true;
    if (fd >= 0)
        close(fd);
    f->fd = -1;
    return false;
}

void elf_file_close(struct elf_file *f)
{
    if (f->elf) {
        elf_end(f->elf);
        close(f->fd);
    }
    *f = (struct elf_file){.fd = -1};
}

struct dbg *dbg_new(struct debuginfo *di, const char *path)
{
    struct dbg *m = ARENA_NEW(di->a, struct dbg);

    m->di = di;
    m->path = path;
    m->file.fd = -1;
    return m;
}

struct dbg *dbg_add(struct dbg *m)
{
    *m->di->last = m;
    m->di->last = &m->next;
    return m;
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
    return m->source && m->source->kernel;
}

const struct elf_symbols *dbg_symbols(struct dbg *m)
{
    bool full;

    if (m->symbols)
        return m->symbols;
    bounds_file(m->path);
    m->symbols = ARENA_NEW(m->di->a, struct elf_symbols);
    *m->symbols = elf_symbols_of(m->di->a, m->file.elf, &full);
    if (!full && m->source && m->source->symbols) {
        struct elf_symbols theirs = m->source->symbols(m);

        if (theirs.n > m->symbols->n)
            *m->symbols = theirs;
    }
    return m->symbols;
}
