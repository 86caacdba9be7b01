/*
 * debugimage: a file as libdw gets it: a copy in memory with every compressed debug section
 * expanded behind it, and NULs after each part. Enters: an open ELF file; leaves: a handle on the
 * copy. Refused: sections that say they expand to more than DEBUG_SIZE_MAX, or that do not.
 *
 * Why a copy: libdw 0.188 takes a string for sound whose NUL is missing at the end of its section,
 * and reads on. In the copy there is always a NUL within the memory. And libelf knows zstd only
 * since elfutils 0.189: libzstd is asked for at run time here; dpkg depends on it, so that it is
 * there without being a dependency.
 */
#include <dlfcn.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "target/debugfile.h"

#ifndef ELFCOMPRESS_ZSTD
#define ELFCOMPRESS_ZSTD 2 /* gABI, 2022; missing in older elf.h */
#endif

#define DEBUG_SIZE_MAX ((uint64_t)2 << 30) /* all debug sections of a file, expanded */

enum { NULS = 64, SECTIONS_MAX = 65536 };

/* ---- what a section is and becomes ---- */

enum packing { PLAIN, ZLIB, ZLIB_GNU, ZSTD };

struct packed {
    enum packing how;
    uint64_t size; /* expanded */
};

/* False: no sound header. libelf refuses types that it does not know, so zstd's is read here. */
static bool look(Elf_Scn *scn, const GElf_Shdr *sh, const char *name, struct packed *out)
{
    *out = (struct packed){PLAIN, sh->sh_size};
    if (!(sh->sh_flags & SHF_COMPRESSED) && name[1] != 'z')
        return true;
    Elf_Data *raw = elf_rawdata(scn, NULL);
    const unsigned char *p = raw ? raw->d_buf : NULL;

    if (!p)
        return false;
    if (!(sh->sh_flags &
          SHF_COMPRESSED)) { /* "ZLIB", then the size, big-endian (binutils, before the gABI) */
        if (raw->d_size < 12 || memcmp(p, "ZLIB", 4))
            return true;
        *out = (struct packed){ZLIB_GNU, 0};
        for (int i = 4; i < 12; i++)
            out->size = out->size << 8 | p[i];
        return true;
    }
    Elf64_Chdr ch;

    if (raw->d_size < sizeof(ch))
        return false;
    memcpy(&ch, p, sizeof(ch));
    out->how = ch.ch_type == ELFCOMPRESS_ZSTD ? ZSTD : ZLIB;
    out->size = ch.ch_size;
    return ch.ch_type == ELFCOMPRESS_ZLIB || ch.ch_type == ELFCOMPRESS_ZSTD;
}

/* ---- expanding ---- */

typedef size_t zstd_decompress(void *dst, size_t dst_size, const void *src, size_t src_size);

static bool expand_zstd(Elf_Scn *scn, char *to, uint64_t size, const char **why)
{
    void *lib = dlopen("libzstd.so.1", RTLD_NOW | RTLD_LOCAL);
    void *symbol = lib ? dlsym(lib, "ZSTD_decompress") : NULL;
    Elf_Data *raw = elf_rawdata(scn, NULL);
    zstd_decompress *fn;
    bool ok = false;

    memcpy(&fn, &symbol, sizeof(fn)); /* POSIX's way from an object pointer to a function's */
    if (!fn)
        *why = "its sections are compressed with zstd, and libzstd.so.1 is not installed";
    else if (raw && raw->d_buf && raw->d_size >= sizeof(Elf64_Chdr))
        ok = fn(to, size, (char *)raw->d_buf + sizeof(Elf64_Chdr),
                raw->d_size - sizeof(Elf64_Chdr)) == size;
    if (lib)
        dlclose(lib);
    return ok;
}

static bool expand(Elf_Scn *scn, const struct packed *packed, char *to, const char **why)
{
    *why = "a compressed section cannot be expanded";
    if (packed->how == ZSTD)
        return expand_zstd(scn, to, packed->size, why);
    if (packed->how == ZLIB ? elf_compress(scn, 0, 0) < 0 : elf_compress_gnu(scn, 0, 0) < 0)
        return false;
    Elf_Data *data = elf_getdata(scn, NULL);

    if (!data || !data->d_buf || data->d_size != packed->size)
        return false;
    memcpy(to, data->d_buf, data->d_size);
    return true;
}

/* ---- the copy ---- */

static bool read_all(int fd, char *to, size_t size)
{
    for (size_t at = 0; at < size;) {
        ssize_t got = pread(fd, to + at, size - at, (off_t)at);

        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return false;
        at += (size_t)got;
    }
    return true;
}

struct copy {
    char *image;
    uint64_t file_size, size, at;   /* AT: where the next expanded section goes */
    uint64_t shoff, shnum, strings; /* STRINGS: offset of the section names */
};

/* The section header of the copy that belongs to SCN is made to point at what was expanded. */
static bool redirect(struct copy *c, Elf_Scn *scn, const struct packed *packed)
{
    size_t i = elf_ndxscn(scn);
    char *place = c->image + c->shoff + i * sizeof(Elf64_Shdr);
    Elf64_Shdr sh;
    Elf64_Chdr ch = {.ch_addralign = 1};

    if (i >= c->shnum)
        return false;
    memcpy(&sh, place, sizeof(sh));
    if (packed->how == ZLIB_GNU) { /* ".zdebug_x" becomes ".debug_x" one byte on */
        uint64_t name = c->strings + sh.sh_name;

        if (name + 1 >= c->file_size || c->image[name + 1] != 'z')
            return false;
        c->image[name + 1] = '.';
        sh.sh_name++;
    } else {
        if (sh.sh_offset > c->file_size || c->file_size - sh.sh_offset < sizeof(ch))
            return false;
        memcpy(&ch, c->image + sh.sh_offset, sizeof(ch));
    }
    sh.sh_flags &= ~(uint64_t)SHF_COMPRESSED;
    sh.sh_offset = c->at;
    sh.sh_size = packed->size;
    sh.sh_addralign = ch.ch_addralign && ch.ch_addralign <= 16 ? ch.ch_addralign : 1;
    memcpy(place, &sh, sizeof(sh));
    return true;
}

/* Finds the tables to change; only little-endian 64-bit files are changed. */
static bool find_tables(Elf *elf, struct copy *c)
{
    GElf_Ehdr eh;
    GElf_Shdr sh;
    size_t shnum, shstrndx;

    if (!gelf_getehdr(elf, &eh) || eh.e_ident[EI_CLASS] != ELFCLASS64 ||
        eh.e_ident[EI_DATA] != ELFDATA2LSB || eh.e_shentsize != sizeof(Elf64_Shdr) ||
        elf_getshdrnum(elf, &shnum) || elf_getshdrstrndx(elf, &shstrndx) ||
        !gelf_getshdr(elf_getscn(elf, shstrndx), &sh))
        return false;
    c->shoff = eh.e_shoff;
    c->shnum = shnum;
    c->strings = sh.sh_offset;
    return c->shoff <= c->file_size && shnum <= (c->file_size - c->shoff) / sizeof(Elf64_Shdr) &&
           c->strings <= c->file_size;
}

static bool fill(struct elf_file *f, struct copy *c, uint32_t n_packed, const char **why)
{
    Elf_Scn *scn = NULL;
    GElf_Shdr sh;

    if (!read_all(f->fd, c->image, c->file_size)) {
        *why = "it cannot be read";
        return false;
    }
    if (!n_packed)
        return true;
    if (!find_tables(f->elf, c)) {
        *why = "it has compressed sections and is not a little-endian 64-bit file";
        return false;
    }
    while ((scn = elf_nextscn(f->elf, scn))) {
        const char *name = debug_section(f->elf, scn, &sh);
        struct packed packed;

        if (!name || !look(scn, &sh, name, &packed) || packed.how == PLAIN)
            continue;
        if (packed.size > c->size - c->at - NULS || !redirect(c, scn, &packed)) {
            *why = "its section headers are not sound";
            return false;
        }
        if (!expand(scn, &packed, c->image + c->at, why))
            return false;
        c->at += (packed.size + NULS + 15) & ~(uint64_t)15;
    }
    return true;
}

bool elf_file_prepare(struct arena *a, struct elf_file *f, const char **why)
{
    Elf_Scn *scn = NULL;
    GElf_Shdr sh;
    struct stat st;
    uint64_t total = 0, expanded = 0;
    uint32_t n_packed = 0;

    if (f->image)
        return true;
    while ((scn = elf_nextscn(f->elf, scn))) {
        const char *name = debug_section(f->elf, scn, &sh);
        struct packed packed;

        if (!name)
            continue;
        if (!look(scn, &sh, name, &packed)) {
            *why = "a compressed section has no sound header";
            return false;
        }
        if (packed.size > DEBUG_SIZE_MAX || (total += packed.size) > DEBUG_SIZE_MAX ||
            n_packed > SECTIONS_MAX) {
            *why = arena_printf(a, "its debug sections say that they are over %llu bytes long",
                                (unsigned long long)DEBUG_SIZE_MAX);
            return false;
        }
        if (packed.how != PLAIN) {
            expanded += packed.size + NULS + 16;
            n_packed++;
        }
    }
    *why = "it cannot be read";
    if (fstat(f->fd, &st) || st.st_size <= 0 || st.st_size > ELF_FILE_MAX)
        return false;
    struct copy c = {.file_size = (uint64_t)st.st_size};

    c.at = (c.file_size + NULS + 15) & ~(uint64_t)15;
    c.size = c.at + expanded + NULS;
    c.image = calloc(1, c.size);
    if (!c.image) {
        *why = "there is not enough memory for it";
        return false;
    }
    Elf *elf = fill(f, &c, n_packed, why) ? elf_memory(c.image, c.size) : NULL;

    if (!elf) {
        free(c.image);
        return false;
    }
    elf_end(f->elf);
    f->elf = elf;
    f->image = c.image;
    *why = NULL;
    return true;
}
