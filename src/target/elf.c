/*
 * elf: opens ELF files; their build-id and segments. Enters: an open file, untrusted; leaves: a
 * libelf handle, or copies of what was asked for. Refused: whatever libelf does not take, and
 * tables or segments that do not lie within the file.
 *
 * Files are read, never mapped: a mapped file that its owner truncates kills the reader with
 * SIGBUS.
 */
#include <ctype.h>
#include <errno.h>
#include <gelf.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "arch/arch.h"
#include "base/bounds.h"
#include "target/elf.h"

enum { NOTES_MAX = 64 * 1024 };

static bool read_fully(int fd, char *buf, size_t size, uint64_t off)
{
    while (size) {
        ssize_t got = pread(fd, buf, size, (off_t)off);

        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return false;
        buf += got;
        off += (uint64_t)got;
        size -= (size_t)got;
    }
    return true;
}

/* ---- opening ---- */

struct heads { /* where the tables of an ELF file are */
    uint64_t shoff, phoff, shnum, phnum, shsize, phsize;
};

static bool is_foreign(const unsigned char *ident)
{
    return ident[EI_DATA] !=
           (__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? ELFDATA2LSB : ELFDATA2MSB);
}

/* An unsigned field of SIZE bytes. */
static uint64_t field(const char *p, size_t size, bool swap)
{
    uint64_t n = 0;

    for (size_t i = 0; i < size; i++)
        n |= (uint64_t)(unsigned char)p[swap ? size - 1 - i : i] << (8 * i);
    return n;
}

#define FIELD(type, p, member, swap)                                                               \
    field((p) + offsetof(type, member), sizeof(((type *)0)->member), swap)

/* What does not fit into the header's 16 bits stands in the first section's header (gABI, ELF
 * Header). */
static bool read_heads(int fd, struct heads *h)
{
    char eh[sizeof(Elf64_Ehdr)], sh[sizeof(Elf64_Shdr)];

    if (!read_fully(fd, eh, sizeof(Elf32_Ehdr), 0) || memcmp(eh, ELFMAG, SELFMAG) != 0)
        return false;
    bool swap = is_foreign((const unsigned char *)eh), wide = eh[EI_CLASS] == ELFCLASS64;

    if (wide && !read_fully(fd, eh, sizeof(eh), 0))
        return false;
#define EHDR(member)                                                                               \
    (wide ? FIELD(Elf64_Ehdr, eh, member, swap) : FIELD(Elf32_Ehdr, eh, member, swap))
#define SHDR(member)                                                                               \
    (wide ? FIELD(Elf64_Shdr, sh, member, swap) : FIELD(Elf32_Shdr, sh, member, swap))
    *h = (struct heads){.shoff = EHDR(e_shoff),
                        .phoff = EHDR(e_phoff),
                        .shnum = EHDR(e_shnum),
                        .phnum = EHDR(e_phnum),
                        .shsize = wide ? sizeof(Elf64_Shdr) : sizeof(Elf32_Shdr),
                        .phsize = wide ? sizeof(Elf64_Phdr) : sizeof(Elf32_Phdr)};
    if (h->shoff && (!h->shnum || h->phnum == PN_XNUM)) {
        if (!read_fully(fd, sh, h->shsize, h->shoff))
            return false;
        h->shnum = h->shnum ? h->shnum : SHDR(sh_size);
        h->phnum = h->phnum == PN_XNUM ? SHDR(sh_info) : h->phnum;
    }
#undef EHDR
#undef SHDR
    return true;
}

static bool fits(uint64_t off, uint64_t n, uint64_t size, uint64_t file)
{
    return !n || (off <= file && n <= (file - off) / size);
}

/* libelf takes memory for as many sections as the file says it has, before it looks whether they
 * are there. */
static bool sound_heads(int fd, uint64_t file)
{
    struct heads h;

    return read_heads(fd, &h) && fits(h.shoff, h.shoff ? h.shnum : 0, h.shsize, file) &&
           fits(h.phoff, h.phnum, h.phsize, file) &&
           bounds_count(h.shnum, BOUND_SECTIONS, "sections") &&
           bounds_count(h.phnum, BOUND_SEGMENTS, "segments");
}

Elf *elf_open(int fd)
{
    struct stat st;

    elf_version(EV_CURRENT);
    if (fstat(fd, &st) || !S_ISREG(st.st_mode) || st.st_size < (off_t)sizeof(Elf32_Ehdr) ||
        st.st_size > ELF_FILE_MAX || !sound_heads(fd, (uint64_t)st.st_size))
        return NULL;
    Elf *elf = elf_begin(fd, ELF_C_READ, NULL);

    if (elf && elf_kind(elf) == ELF_K_ELF)
        return elf;
    if (elf)
        elf_end(elf);
    return NULL;
}

/* The build-id among the notes of SIZE bytes; gABI: name and descriptor are padded to ALIGN. */
static bool find_build_id(const char *data, size_t size, bool swap, size_t align,
                          struct build_id *id)
{
    size_t off = 0;

    if (align != 8)
        align = 4;
    while (size - off >= 12) {
        uint32_t head[3];

        memcpy(head, data + off, sizeof(head));
        if (swap)
            for (int i = 0; i < 3; i++)
                head[i] = __builtin_bswap32(head[i]);
        uint64_t name = off + 12;
        uint64_t desc = (name + head[0] + align - 1) & ~(uint64_t)(align - 1);
        uint64_t next = (desc + head[1] + align - 1) & ~(uint64_t)(align - 1);

        if (desc > size || head[1] > size - desc)
            return false;
        if (head[2] == NT_GNU_BUILD_ID && head[0] == 4 && !memcmp(data + name, "GNU", 4) &&
            head[1] > 0 && head[1] <= BUILD_ID_MAX) {
            memset(id, 0, sizeof(*id));
            memcpy(id->bytes, data + desc, head[1]);
            id->len = head[1];
            return true;
        }
        if (next >= size)
            return false;
        off = next;
    }
    return false;
}

bool elf_notes_build_id(const char *data, size_t size, struct build_id *id)
{
    return size >= 12 && find_build_id(data, size, false, 4, id);
}

/* The build-id among the notes that lie at OFF of the file. */
static bool read_notes(int fd, uint64_t off, uint64_t size, uint64_t align, bool swap,
                       struct build_id *id)
{
    char *buf = size <= NOTES_MAX ? malloc(size + 1) : NULL;
    bool found = buf && read_fully(fd, buf, size, off) && find_build_id(buf, size, swap, align, id);

    free(buf);
    return found;
}

/*
 * By section: in a debug file made by objcopy --only-keep-debug the segments' contents are gone.
 * Else by PT_NOTE, for a file that has no sections.
 */
bool elf_build_id_of(Elf *elf, int fd, struct build_id *id)
{
    GElf_Ehdr eh;
    Elf_Scn *scn = NULL;
    size_t n;
    bool found = false;

    id->len = 0;
    if (!gelf_getehdr(elf, &eh))
        return false;
    bool swap = is_foreign(eh.e_ident);

    while (!found && (scn = elf_nextscn(elf, scn))) {
        GElf_Shdr sh;

        found = gelf_getshdr(scn, &sh) && sh.sh_type == SHT_NOTE &&
                read_notes(fd, sh.sh_offset, sh.sh_size, sh.sh_addralign, swap, id);
    }
    if (elf_getphdrnum(elf, &n))
        n = 0;
    for (size_t i = 0; i < n && i < BOUND_SEGMENTS && !found; i++) {
        GElf_Phdr ph;

        found = gelf_getphdr(elf, (int)i, &ph) && ph.p_type == PT_NOTE &&
                read_notes(fd, ph.p_offset, ph.p_filesz, ph.p_align, swap, id);
    }
    return found;
}

uint16_t elf_machine_here(int fd)
{
    Elf *elf = elf_open(fd);
    GElf_Ehdr eh;
    bool sound = elf && gelf_getehdr(elf, &eh);

    elf_end(elf);
    return sound ? eh.e_machine : EM_NONE;
}

bool elf_facts_here(int fd, const struct map *m, struct elf_facts *out)
{
    Elf *elf = elf_open(fd);

    memset(out, 0, sizeof(*out));
    if (!elf)
        return false;
    elf_build_id_of(elf, fd, &out->id);
    out->bias = m ? elf_bias(elf, m) : 0;
    elf_end(elf);
    return true;
}

/* Finds the bytes of OUT's build-id among the loaded notes PH. */
static void find_id_vaddr(int fd, const GElf_Phdr *ph, struct elf_code *out)
{
    char *buf, *at;

    if (out->id_vaddr || !out->id.len || ph->p_filesz < out->id.len || ph->p_filesz > NOTES_MAX)
        return;
    buf = malloc(ph->p_filesz);
    if (buf && read_fully(fd, buf, ph->p_filesz, ph->p_offset)) {
        at = memmem(buf, ph->p_filesz, out->id.bytes, out->id.len);
        if (at)
            out->id_vaddr = ph->p_vaddr + (uint64_t)(at - buf);
    }
    free(buf);
}

bool elf_code_here(int fd, struct elf_code *out)
{
    Elf *elf = elf_open(fd);
    bool found = false;
    size_t n;

    *out = (struct elf_code){.offset = 0};
    if (!elf)
        return false;
    elf_build_id_of(elf, fd, &out->id);
    for (size_t i = 0; !elf_getphdrnum(elf, &n) && i < n && i < BOUND_SEGMENTS; i++) {
        GElf_Phdr ph;

        if (!gelf_getphdr(elf, (int)i, &ph))
            continue;
        if (ph.p_type == PT_NOTE)
            find_id_vaddr(fd, &ph, out);
        if (found || ph.p_type != PT_LOAD || !(ph.p_flags & PF_X) || !ph.p_filesz)
            continue;
        found = true;
        out->offset = ph.p_offset;
        out->vaddr = ph.p_vaddr;
        out->size = ph.p_filesz;
    }
    if (!out->id_vaddr)
        out->id.len = 0;
    elf_end(elf);
    return found;
}

const char *build_id_text(struct arena *a, const struct build_id *id)
{
    char *text = arena_alloc(a, (size_t)id->len * 2 + 1);

    for (uint32_t i = 0; i < id->len && i < BUILD_ID_MAX; i++) {
        text[2 * i] = "0123456789abcdef"[id->bytes[i] >> 4];
        text[2 * i + 1] = "0123456789abcdef"[id->bytes[i] & 15];
    }
    return text;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)tolower((unsigned char)c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool build_id_parse(const char *hex, struct build_id *id)
{
    size_t len = strlen(hex);

    memset(id, 0, sizeof(*id));
    if (len == 0 || len % 2 || len / 2 > BUILD_ID_MAX)
        return false;
    for (size_t i = 0; i < len / 2; i++) {
        int high = hex_digit(hex[2 * i]), low = hex_digit(hex[2 * i + 1]);

        if (high < 0 || low < 0)
            return false;
        id->bytes[i] = (uint8_t)(high << 4 | low);
    }
    id->len = (uint32_t)(len / 2);
    return true;
}

bool build_id_equal(const struct build_id *a, const struct build_id *b)
{
    return a->len && a->len == b->len && a->len <= BUILD_ID_MAX &&
           !memcmp(a->bytes, b->bytes, a->len);
}

uint64_t elf_bias(Elf *elf, const struct map *m)
{
    uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
    size_t n;

    if (elf_getphdrnum(elf, &n))
        return 0;
    for (size_t i = 0; i < n && i < BOUND_SEGMENTS; i++) {
        GElf_Phdr ph;

        if (!gelf_getphdr(elf, (int)i, &ph) || ph.p_type != PT_LOAD || !(ph.p_flags & PF_X))
            continue;
        /* The mapping starts at the segment's page, or later where a part was remapped. */
        uint64_t start = ph.p_offset & ~(page - 1);

        if (m->offset < start || m->offset - start >= ph.p_filesz + page)
            continue;
        return m->start - (m->offset - ph.p_offset + ph.p_vaddr);
    }
    return 0;
}

bool elf_vaddr_to_offset_here(int fd, uint64_t vaddr, uint64_t *offset)
{
    Elf *elf = elf_open(fd);
    size_t n;
    bool found = false;

    if (!elf)
        return false;
    if (elf_getphdrnum(elf, &n))
        n = 0;
    for (size_t i = 0; i < n && i < BOUND_SEGMENTS && !found; i++) {
        GElf_Phdr ph;

        if (!gelf_getphdr(elf, (int)i, &ph) || ph.p_type != PT_LOAD || vaddr < ph.p_vaddr ||
            vaddr - ph.p_vaddr >= ph.p_filesz)
            continue;
        found = !__builtin_add_overflow(vaddr - ph.p_vaddr, ph.p_offset, offset);
    }
    elf_end(elf);
    return found;
}
