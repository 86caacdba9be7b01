/*
 * debugimage: a file as libdw gets it: a copy in memory with every compressed debug section
 * expanded behind it, and NULs after each part. Enters: an open ELF file; leaves: a handle on the
 * copy. Refused: sections that say they expand to more than DEBUG_SIZE_MAX, or that do not.
 *
 * Why a copy: libdw 0.188 takes a string for sound whose NUL is missing at the end of its section,
 * and reads on. In the copy there is always a NUL within the memory. And libelf knows zstd only
 * since elfutils 0.189. libz (which libelf needs) and libzstd (which dpkg needs) are asked for at
 * run time: they are there without being dependencies.
 */
#include <dlfcn.h>
#include <errno.h>
#include <stddef.h>
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
    uint32_t head; /* bytes before the stream */
};

static bool read_at(int fd, void *to, size_t size, uint64_t at)
{
    for (size_t done = 0; done < size;) {
        ssize_t got = pread(fd, (char *)to + done, size - done, (off_t)(at + done));

        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return false;
        done += (size_t)got;
    }
    return true;
}

/* What libdw is asked about here. Macros and look-up tables can be large, and are not. */
static bool is_wanted(const char *name)
{
    static const char *const wanted[] = {
        "info",     "types",  "abbrev",   "str",  "line",        "line_str", "loc",
        "loclists", "ranges", "rnglists", "addr", "str_offsets", "frame"};
    const char *what = strchr(name, '_') + 1; /* .debug_x, .zdebug_x */

    for (size_t i = 0; i < sizeof(wanted) / sizeof(*wanted); i++)
        if (!strcmp(what, wanted[i]))
            return true;
    return false;
}

/* By the section's first bytes. False: no sound header. */
static bool look(int fd, const GElf_Shdr *sh, const char *name, struct packed *out)
{
    unsigned char p[12];
    Elf64_Chdr ch;

    *out = (struct packed){PLAIN, sh->sh_size, 0};
    if (sh->sh_flags & SHF_COMPRESSED) {
        if (sh->sh_size < sizeof(ch) || !read_at(fd, &ch, sizeof(ch), sh->sh_offset))
            return false;
        *out =
            (struct packed){ch.ch_type == ELFCOMPRESS_ZSTD ? ZSTD : ZLIB, ch.ch_size, sizeof(ch)};
        return ch.ch_type == ELFCOMPRESS_ZLIB || ch.ch_type == ELFCOMPRESS_ZSTD;
    }
    if (name[1] != 'z' || sh->sh_size < sizeof(p) || !read_at(fd, p, sizeof(p), sh->sh_offset) ||
        memcmp(p, "ZLIB", 4))
        return true;
    *out = (struct packed){
        ZLIB_GNU, 0, sizeof(p)}; /* "ZLIB", then the size, big-endian (binutils, before the gABI) */
    for (size_t i = 4; i < sizeof(p); i++)
        out->size = out->size << 8 | p[i];
    return true;
}

/* ---- expanding ---- */

typedef int zlib_uncompress(unsigned char *dst, unsigned long *dst_size, const unsigned char *src,
                            unsigned long src_size);
typedef size_t zstd_decompress(void *dst, size_t dst_size, const void *src, size_t src_size);

/* SIZE bytes must come out of FROM's N. */
static bool expand(struct arena *a, const struct packed *packed, char *to, const char *from,
                   uint64_t n, const char **why)
{
    const char *library = packed->how == ZSTD ? "libzstd.so.1" : "libz.so.1";
    void *lib = dlopen(library, RTLD_NOW | RTLD_LOCAL);
    void *symbol = lib ? dlsym(lib, packed->how == ZSTD ? "ZSTD_decompress" : "uncompress") : NULL;
    zstd_decompress *zstd;
    zlib_uncompress *zlib;
    unsigned long got = packed->size;
    bool ok = false;

    *why = "a compressed section cannot be expanded";
    /* memcpy is POSIX's way from an object pointer to a function's. */
    if (!symbol) {
        *why = arena_printf(a, "its sections are compressed, and %s is not installed", library);
    } else if (packed->how == ZSTD) {
        memcpy(&zstd, &symbol, sizeof(zstd));
        ok = zstd(to, packed->size, from, n) == packed->size;
    } else {
        memcpy(&zlib, &symbol, sizeof(zlib));
        ok = zlib((unsigned char *)to, &got, (const unsigned char *)from, n) == 0 &&
             got == packed->size;
    }
    if (lib)
        dlclose(lib);
    return ok;
}

/* ---- the copy ---- */

struct copy {
    char *image;
    uint64_t file_size, size, at;   /* AT: where the next expanded section goes */
    uint64_t shoff, shnum, strings; /* STRINGS: offset of the section names */
};

/* The section's header in the copy is made to say that there is nothing in it. */
static bool drop(struct copy *c, Elf_Scn *scn)
{
    size_t i = elf_ndxscn(scn);
    uint32_t type = SHT_NOBITS;

    if (i >= c->shnum)
        return false;
    memcpy(c->image + c->shoff + i * sizeof(Elf64_Shdr) + offsetof(Elf64_Shdr, sh_type), &type,
           sizeof(type));
    return true;
}

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

static bool fill(struct arena *a, struct elf_file *f, struct copy *c, uint32_t n_packed,
                 const char **why)
{
    Elf_Scn *scn = NULL;
    GElf_Shdr sh;

    if (!read_at(f->fd, c->image, c->file_size, 0)) {
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

        if (!name || !look(f->fd, &sh, name, &packed) || packed.how == PLAIN)
            continue;
        if (!is_wanted(name)) {
            if (drop(c, scn))
                continue;
            *why = "its section headers are not sound";
            return false;
        }
        if (packed.size > c->size - c->at - NULS || sh.sh_offset > c->file_size ||
            sh.sh_size > c->file_size - sh.sh_offset || !redirect(c, scn, &packed)) {
            *why = "its section headers are not sound";
            return false;
        }
        if (!expand(a, &packed, c->image + c->at, c->image + sh.sh_offset + packed.head,
                    sh.sh_size - packed.head, why))
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
        if (!look(f->fd, &sh, name, &packed)) {
            *why = "a compressed section has no sound header";
            return false;
        }
        if (packed.how != PLAIN && !is_wanted(name)) {
            n_packed++;
            continue;
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
    Elf *elf = fill(a, f, &c, n_packed, why) ? elf_memory(c.image, c.size) : NULL;

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
