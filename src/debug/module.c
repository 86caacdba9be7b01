/*
 * module: one module's file: its name, build-id and symbols. Enters: an open file; leaves: a libelf
 * handle on it, copies of its symbols. Refused: what is no ELF file.
 */
#include <stdlib.h>
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
        elf_end(f->debug);
        elf_end(f->elf);
        close(f->fd);
        bounds_give(f->image_size);
        free(f->image);
    }
    *f = (struct elf_file){.fd = -1};
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
