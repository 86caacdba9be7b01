/*
 * file: the rows of an ELF file. Enters: an open file, and its separate debug file, untrusted;
 * leaves: the rows of .eh_frame and .debug_frame. Refused: files without either, or of a machine
 * whose stacks are not walked.
 */
#include "unwind/unwind.h"

#include <stdlib.h>
#include <string.h>

#include "arch/arch.h"
#include "target/elf.h"

/* More is no section of frames: Chromium has 10 MB. */
enum { SECTION_MAX = 64 * 1024 * 1024, SECTIONS_MAX = 3 };

struct sections {
    struct unwind_section v[SECTIONS_MAX];
    unsigned n;
};

static void add(struct sections *s, const Elf_Data *data, uint64_t vaddr, bool debug)
{
    if (data && data->d_buf && data->d_size && data->d_size <= SECTION_MAX && s->n < SECTIONS_MAX)
        s->v[s->n++] = (struct unwind_section){data->d_buf, data->d_size, vaddr, debug};
}

/* A section's bytes, expanded; they live as long as its file's handle. */
static const Elf_Data *bytes_of(Elf_Scn *scn, const GElf_Shdr *sh)
{
    GElf_Chdr ch;

    if (sh->sh_size > SECTION_MAX)
        return NULL;
    if (!(sh->sh_flags & SHF_COMPRESSED))
        return elf_rawdata(scn, NULL);
    if (!gelf_getchdr(scn, &ch) || ch.ch_size > SECTION_MAX || elf_compress(scn, 0, 0) < 0)
        return NULL;
    return elf_getdata(scn, NULL);
}

/* Likewise one that old tools have compressed (".zdebug_frame"): "ZLIB" and its size come first. */
static const Elf_Data *old_bytes_of(Elf_Scn *scn, const GElf_Shdr *sh)
{
    const Elf_Data *raw = sh->sh_size <= SECTION_MAX ? elf_rawdata(scn, NULL) : NULL;
    uint64_t size = 0;

    if (!raw || !raw->d_buf || raw->d_size < 12 || memcmp(raw->d_buf, "ZLIB", 4))
        return NULL;
    for (int i = 4; i < 12; i++)
        size = size << 8 | ((const uint8_t *)raw->d_buf)[i];
    if (size > SECTION_MAX || elf_compress_gnu(scn, 0, 0) < 0)
        return NULL;
    return elf_getdata(scn, NULL);
}

static void add_named(struct sections *to, Elf *elf, const char *wanted, bool debug)
{
    Elf_Scn *scn = NULL;
    GElf_Shdr sh;
    size_t names;

    if (elf_getshdrstrndx(elf, &names))
        return;
    while ((scn = elf_nextscn(elf, scn))) {
        const char *name = gelf_getshdr(scn, &sh) ? elf_strptr(elf, names, sh.sh_name) : NULL;

        if (!name || sh.sh_type == SHT_NOBITS)
            continue;
        bool old = debug && !strcmp(name, ".zdebug_frame");

        if (old || !strcmp(name, wanted)) {
            add(to, old ? old_bytes_of(scn, &sh) : bytes_of(scn, &sh), sh.sh_addr, debug);
            return;
        }
    }
}

/* The segment that VADDR is loaded with. */
static bool segment_of(Elf *elf, uint64_t vaddr, GElf_Phdr *out)
{
    size_t n;

    if (elf_getphdrnum(elf, &n))
        return false;
    for (size_t i = 0; i < n && gelf_getphdr(elf, (int)i, out); i++)
        if (out->p_type == PT_LOAD && vaddr >= out->p_vaddr && vaddr - out->p_vaddr < out->p_filesz)
            return true;
    return false;
}

/* ---- files without section headers ---- */

/* Where .eh_frame_hdr says that .eh_frame begins (LSB, "Exception Frames"), in one of the two ways
 * that linkers write; 0: it does not. */
static uint64_t named_by(const uint8_t *header, size_t size, uint64_t vaddr)
{
    enum { PCREL_SDATA4 = 0x1b, ABSPTR = 0 };
    int32_t distance;
    uint64_t at;

    if (size >= 4 + sizeof(at) && header[0] == 1 && header[1] == ABSPTR) {
        memcpy(&at, header + 4, sizeof(at));
        return at;
    }
    if (size < 4 + sizeof(distance) || header[0] != 1 || header[1] != PCREL_SDATA4)
        return 0;
    memcpy(&distance, header + 4, sizeof(distance));
    return vaddr + 4 + (uint64_t)(int64_t)distance;
}

/* Nothing says where .eh_frame ends: at an entry of length 0, or with the segment. */
static void add_by_header(struct sections *to, Elf *elf)
{
    GElf_Phdr ph, load;
    size_t n;

    if (elf_getphdrnum(elf, &n))
        return;
    for (size_t i = 0; i < n && gelf_getphdr(elf, (int)i, &ph); i++) {
        if (ph.p_type != PT_GNU_EH_FRAME || ph.p_filesz > SECTION_MAX)
            continue;
        const Elf_Data *header =
            elf_getdata_rawchunk(elf, (int64_t)ph.p_offset, ph.p_filesz, ELF_T_BYTE);
        uint64_t at =
            header && header->d_buf ? named_by(header->d_buf, header->d_size, ph.p_vaddr) : 0;

        if (!at || !segment_of(elf, at, &load))
            return;
        uint64_t skip = at - load.p_vaddr, size = load.p_filesz - skip;

        add(to,
            elf_getdata_rawchunk(elf, (int64_t)(load.p_offset + skip),
                                 size < SECTION_MAX ? size : SECTION_MAX, ELF_T_BYTE),
            at, false);
        return;
    }
}

/* ---- all together ---- */

static const struct arch *arch_of(Elf *elf)
{
    GElf_Ehdr eh;
    const struct arch *arch = elf && gelf_getehdr(elf, &eh) ? arch_of_machine(eh.e_machine) : NULL;

    return arch && arch->unwind.known ? arch : NULL;
}

bool unwind_bias_here(int fd, const struct map *m, uint64_t *bias)
{
    Elf *elf = elf_open(fd);

    if (!elf)
        return false;
    *bias = elf_bias(elf, m);
    elf_end(elf);
    return true;
}

bool unwind_file(int fd, int debug_fd, struct unwind_rows *out)
{
    Elf *elf = elf_open(fd), *debug = debug_fd >= 0 ? elf_open(debug_fd) : NULL;
    const struct arch *arch = arch_of(elf);
    struct sections all = {.n = 0};
    size_t headers;
    bool ok = false;

    *out = (struct unwind_rows){0};
    if (arch) {
        add_named(&all, elf, ".eh_frame", false);
        if (!elf_getshdrnum(elf, &headers) && !headers)
            add_by_header(&all, elf);
        add_named(&all, elf, ".debug_frame", true);
        if (arch == arch_of(debug))
            add_named(&all, debug, ".debug_frame", true);
        ok = all.n && unwind_make(arch, all.v, all.n, out) && out->n;
    }
    if (debug)
        elf_end(debug);
    if (elf)
        elf_end(elf);
    return ok;
}

/* ---- what tables have wrong ---- */

static const uint8_t *code_at(void *arg, uint64_t vaddr, size_t size)
{
    GElf_Phdr load;
    const Elf_Data *d = NULL;

    if (segment_of(arg, vaddr, &load) && size <= load.p_filesz - (vaddr - load.p_vaddr))
        d = elf_getdata_rawchunk(arg, (int64_t)(load.p_offset + (vaddr - load.p_vaddr)), size,
                                 ELF_T_BYTE);
    return d && d->d_buf && d->d_size == size ? d->d_buf : NULL;
}

bool unwind_mend(int fd, struct unwind_rows *r)
{
    Elf *elf = elf_open(fd);
    const struct arch *arch = arch_of(elf);
    const struct unwind_code code = {code_at, elf};
    bool ok = !arch || !unwind_luajit(arch, &code, r) || unwind_finish(r);

    if (elf)
        elf_end(elf);
    if (!ok) {
        free(r->v);
        *r = (struct unwind_rows){0};
    }
    return ok;
}
