/*
 * debugimage: a file as libdw gets it: a copy in memory of its debug sections alone, expanded where
 * they are compressed, with NULs after each. Enters: an open ELF file; leaves: a handle on the
 * copy. Refused: what goes beyond the memory that a start may take (base/bounds.h), sections that
 * do not expand to what they say, files that are not little-endian and of 64 bits.
 *
 * Why a copy: libdw 0.188 takes a string for sound whose NUL is missing at the end of its section,
 * and reads on. In the copy there is always a NUL within the memory. And libelf knows zstd only
 * since elfutils 0.189. libzstd (which dpkg needs) is asked for at run time: it is there without
 * being a dependency.
 */
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include "base/bounds.h"
#include "base/file.h"
#include "debug/debugfile.h"
#include "debug/library.h"

#ifndef ELFCOMPRESS_ZSTD
#define ELFCOMPRESS_ZSTD 2 /* gABI, 2022; missing in older elf.h */
#endif

enum { NULS = 64, WANTED_MAX = 64 };

/* ---- what a section is and becomes ---- */

enum packing { PLAIN, ZLIB, ZLIB_GNU, ZSTD };

struct packed {
    enum packing how;
    uint64_t size; /* expanded */
    uint32_t head; /* bytes before the stream */
};

/* What libdw is asked about here. Macros and look-up tables can be large, and are not. */
static bool is_wanted(const char *name)
{
    static const char *const wanted[] = {
        "info",     "types",  "abbrev",   "str",  "line",        "line_str", "loc",
        "loclists", "ranges", "rnglists", "addr", "str_offsets", "frame"};
    const char *what;

    if (!strcmp(name, ".gnu_debugaltlink"))
        return true;
    if (strncmp(name, ".debug_", 7) != 0 && strncmp(name, ".zdebug_", 8) != 0)
        return false;
    what = strchr(name, '_') + 1;
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
        if (sh->sh_size < sizeof(ch) || !file_read_at(fd, &ch, sizeof(ch), sh->sh_offset))
            return false;
        *out =
            (struct packed){ch.ch_type == ELFCOMPRESS_ZSTD ? ZSTD : ZLIB, ch.ch_size, sizeof(ch)};
        return ch.ch_type == ELFCOMPRESS_ZLIB || ch.ch_type == ELFCOMPRESS_ZSTD;
    }
    if (name[1] != 'z' || sh->sh_size < sizeof(p) ||
        !file_read_at(fd, p, sizeof(p), sh->sh_offset) || memcmp(p, "ZLIB", 4))
        return true;
    *out = (struct packed){
        ZLIB_GNU, 0, sizeof(p)}; /* "ZLIB", then the size, big-endian (binutils, before the gABI) */
    for (size_t i = 4; i < sizeof(p); i++)
        out->size = out->size << 8 | p[i];
    return true;
}

/* ---- expanding ---- */

typedef size_t zstd_decompress(void *dst, size_t dst_size, const void *src, size_t src_size);

/* SIZE bytes must come out of FROM's N. */
static bool expand(struct arena *a, const struct packed *packed, char *to, const char *from,
                   uint64_t n, const char **why)
{
    const char *lacks;
    library_function *zstd;
    unsigned long got = packed->size;

    *why = "a compressed section cannot be expanded";
    if (packed->how != ZSTD)
        return uncompress((unsigned char *)to, &got, (const unsigned char *)from, n) == Z_OK &&
               got == packed->size;
    zstd = library_find(a, "libzstd.so.1", "ZSTD_decompress", &lacks);
    if (!zstd) {
        *why = arena_printf(a, "its sections are compressed, and %s", lacks);
        return false;
    }
    return ((zstd_decompress *)zstd)(to, packed->size, from, n) == packed->size;
}

/* ---- the copy ---- */

struct part { /* a section that is wanted */
    const char *name;
    GElf_Shdr sh;
    struct packed packed;
    uint64_t at; /* in the copy */
};

struct copy {
    struct part v[WANTED_MAX];
    uint32_t n;
    char *image;
    uint64_t size, names, headers; /* NAMES, HEADERS: where those tables lie */
};

static uint64_t align_up(uint64_t n)
{
    return (n + 15) & ~(uint64_t)15;
}

/* Lists the sections that are wanted, with what they expand to. */
static bool list_parts(const struct elf_file *f, uint64_t file_size, struct copy *c,
                       const char **why)
{
    Elf_Scn *scn = NULL;
    size_t strings;

    *why = "its section headers are not sound";
    if (elf_getshdrstrndx(f->elf, &strings))
        return false;
    while ((scn = elf_nextscn(f->elf, scn))) {
        struct part *p = &c->v[c->n];

        if (!gelf_getshdr(scn, &p->sh) || p->sh.sh_type == SHT_NOBITS || !p->sh.sh_size)
            continue;
        p->name = elf_strptr(f->elf, strings, p->sh.sh_name);
        if (!p->name || !is_wanted(p->name))
            continue;
        if (p->sh.sh_offset > file_size || p->sh.sh_size > file_size - p->sh.sh_offset ||
            c->n + 1 == WANTED_MAX)
            return false;
        if (!look(f->fd, &p->sh, p->name, &p->packed)) {
            *why = "a compressed section has no sound header";
            return false;
        }
        c->n++;
    }
    return true;
}

/* Places the parts, the names and the headers. False: there is no room for them. */
static bool lay_out(struct copy *c)
{
    uint64_t names = sizeof(".shstrtab") + 1;

    c->size = align_up(sizeof(Elf64_Ehdr));
    for (uint32_t i = 0; i < c->n; i++) {
        c->v[i].at = c->size;
        if (c->v[i].packed.size > BOUND_MEMORY)
            return bounds_take(c->v[i].packed.size); /* no, and says so */
        c->size = align_up(c->size + c->v[i].packed.size + NULS);
        names += strlen(c->v[i].name) + 1;
    }
    c->names = c->size;
    c->headers = align_up(c->names + names);
    c->size = c->headers + (c->n + 2) * sizeof(Elf64_Shdr) + NULS;
    return bounds_take(c->size);
}

/* The section's bytes, expanded. */
static bool fill(struct arena *a, int fd, const struct part *p, char *to, const char **why)
{
    if (p->packed.how == PLAIN) {
        *why = "it cannot be read";
        return file_read_at(fd, to, p->sh.sh_size, p->sh.sh_offset);
    }
    uint64_t n = p->sh.sh_size - p->packed.head;
    char *stream = bounds_take(n) ? malloc(n ? n : 1) : NULL;
    bool ok = stream && file_read_at(fd, stream, n, p->sh.sh_offset + p->packed.head);

    *why = "there is not enough memory for it";
    ok = ok && expand(a, &p->packed, to, stream, n, why);
    if (stream)
        bounds_give(n);
    free(stream);
    return ok;
}

/* Names and headers of the parts; ".zdebug_x" is called ".debug_x" now that it is expanded. */
static void write_tables(const GElf_Ehdr *from, struct copy *c)
{
    Elf64_Shdr *sh = (Elf64_Shdr *)(c->image + c->headers);
    char *names = c->image + c->names + 1;
    Elf64_Ehdr eh = {.e_type = from->e_type,
                     .e_machine = from->e_machine,
                     .e_version = EV_CURRENT,
                     .e_flags = from->e_flags,
                     .e_ehsize = sizeof(eh),
                     .e_shoff = c->headers,
                     .e_shentsize = sizeof(*sh),
                     .e_shnum = (Elf64_Half)(c->n + 2),
                     .e_shstrndx = (Elf64_Half)(c->n + 1)};

    memcpy(eh.e_ident, from->e_ident, sizeof(eh.e_ident));
    memcpy(c->image, &eh, sizeof(eh));
    for (uint32_t i = 0; i <= c->n; i++) {
        const struct part *p = i < c->n ? &c->v[i] : NULL;
        const char *name = p ? p->name : ".shstrtab";
        bool old = p && p->packed.how == ZLIB_GNU;
        uint32_t off = (uint32_t)(names - (c->image + c->names));

        names = stpcpy(names, old ? "." : "");
        names = stpcpy(names, name + (old ? 2 : 0)) + 1;
        sh[i + 1] = (Elf64_Shdr){.sh_name = off,
                                 .sh_type = p ? SHT_PROGBITS : SHT_STRTAB,
                                 .sh_offset = p ? p->at : c->names,
                                 .sh_size = p ? p->packed.size : c->headers - c->names,
                                 .sh_addralign = 1};
    }
}

bool debugimage_make(struct arena *a, const struct elf_file *f, struct debugimage *out,
                     const char **why)
{
    struct copy *c = ARENA_NEW(a, struct copy);
    struct stat st;
    GElf_Ehdr eh;

    *out = (struct debugimage){0};
    *why = "it is not a little-endian file of 64 bits";
    if (!gelf_getehdr(f->elf, &eh) || eh.e_ident[EI_CLASS] != ELFCLASS64 ||
        eh.e_ident[EI_DATA] != ELFDATA2LSB)
        return false;
    *why = "it cannot be read";
    if (fstat(f->fd, &st) || !list_parts(f, (uint64_t)st.st_size, c, why))
        return false;
    *why = "there is not enough memory for it";
    if (!lay_out(c))
        return false;
    c->image = calloc(1, c->size);
    bool ok = c->image != NULL;

    for (uint32_t i = 0; ok && i < c->n; i++)
        ok = bounds_ok() && fill(a, f->fd, &c->v[i], c->image + c->v[i].at, why);
    if (ok) {
        write_tables(&eh, c);
        out->elf = elf_memory(c->image, c->size);
    }
    if (!out->elf) {
        free(c->image);
        bounds_give(c->size);
        return false;
    }
    out->bytes = c->image;
    out->size = c->size;
    *why = NULL;
    return true;
}

void debugimage_free(struct debugimage *i)
{
    if (i->elf) {
        elf_end(i->elf);
        bounds_give(i->size);
        free(i->bytes);
    }
    *i = (struct debugimage){0};
}

Elf_Data *section_data(const struct debugimage *i, const char *name)
{
    Elf_Scn *scn = NULL;
    size_t names;

    if (elf_getshdrstrndx(i->elf, &names))
        return NULL;
    while ((scn = elf_nextscn(i->elf, scn))) {
        GElf_Shdr sh;
        const char *is = gelf_getshdr(scn, &sh) ? elf_strptr(i->elf, names, sh.sh_name) : NULL;
        Elf_Data *data = is && !strcmp(is, name) ? elf_rawdata(scn, NULL) : NULL;

        if (data && data->d_buf)
            return data;
    }
    return NULL;
}
