/*
 * begins: does an instruction begin at an address? A breakpoint within one breaks whoever runs the
 * file, and an object (.bpf.o) or a reader that was taken over can name any address. Enters: an
 * open ELF file and addresses, untrusted; leaves: yes, no, or that it is not known. Functions begin
 * where the file's symbols say so, or the table that its unwinder searches (.eh_frame_hdr: LSB Core
 * 5.0, 10.6.2), which stripping leaves; from there on instructions are told by their lengths. Not
 * known is what no function is known before, and code that is not understood up to there (data in
 * it). A jail reads the file (jail/jail.h) where there is one.
 */
#include <stdlib.h>
#include <string.h>

#include "arch/arch.h"
#include "base/arena.h"
#include "jail/jail.h"
#include "target/elf.h"

enum {
    TABLE_HEAD = 12,        /* version, three encodings, pointer to .eh_frame, number of entries */
    FUNCTION_MAX = 8 << 20, /* bytes that are read of one; an interpreter's loop has 100 KB */
    PLACES_MAX = 1 << 20,
};

/* ---- the unwinder's table ---- */

/* Its entries: pairs of four-byte offsets from the table's own address, sorted by the first. */
static const char *table(Elf *elf, uint64_t *vaddr, uint32_t *n)
{
    static const unsigned char pcrel_datarel[] = {1, 0x1b, 0x03,
                                                  0x3b}; /* as GNU ld, gold, lld have it */
    size_t phnum;

    if (elf_getphdrnum(elf, &phnum))
        return NULL;
    for (size_t i = 0; i < phnum && i < BOUND_SEGMENTS; i++) {
        GElf_Phdr ph;
        Elf_Data *d;

        if (!gelf_getphdr(elf, (int)i, &ph) || ph.p_type != PT_GNU_EH_FRAME)
            continue;
        d = elf_getdata_rawchunk(elf, (int64_t)ph.p_offset, ph.p_filesz, ELF_T_BYTE);
        if (!d || !d->d_buf || d->d_size < TABLE_HEAD ||
            memcmp(d->d_buf, pcrel_datarel, sizeof(pcrel_datarel)) != 0)
            return NULL;
        memcpy(n, (char *)d->d_buf + 8, sizeof(*n));
        *vaddr = ph.p_vaddr;
        return *n <= (d->d_size - TABLE_HEAD) / 8 ? (const char *)d->d_buf + TABLE_HEAD : NULL;
    }
    return NULL;
}

bool elf_table_before(Elf *elf, uint64_t vaddr, uint64_t *start)
{
    uint64_t base = 0;
    uint32_t low = 0, high = 0;
    const char *v = table(elf, &base, &high);
    bool found = false;

    while (v && low < high) {
        uint32_t mid = low + (high - low) / 2;
        int32_t offset;

        memcpy(&offset, v + (size_t)mid * 8, sizeof(offset));
        uint64_t at = base + (uint64_t)(int64_t)offset;

        if (at > vaddr) {
            high = mid;
            continue;
        }
        low = mid + 1;
        *start = at;
        found = true;
    }
    return found;
}

/* ---- instructions ---- */

struct file {
    struct arena *a;
    Elf *elf;
    const struct arch *arch;
    struct elf_symbols *symbols; /* NULL: not asked for yet */
};

/* The bytes from START up to END and an instruction more: *N, fewer at a segment's end. */
static const uint8_t *code(const struct file *f, uint64_t start, uint64_t end, size_t *n)
{
    enum { MORE = 16 };
    size_t phnum;

    if (end - start > FUNCTION_MAX || elf_getphdrnum(f->elf, &phnum))
        return NULL;
    for (size_t i = 0; i < phnum && i < BOUND_SEGMENTS; i++) {
        GElf_Phdr ph;

        if (!gelf_getphdr(f->elf, (int)i, &ph) || ph.p_type != PT_LOAD || !(ph.p_flags & PF_X) ||
            start < ph.p_vaddr || start - ph.p_vaddr >= ph.p_filesz)
            continue;
        uint64_t left = ph.p_filesz - (start - ph.p_vaddr), wanted = end - start + MORE;

        *n = left < wanted ? left : wanted;
        Elf_Data *d = elf_getdata_rawchunk(f->elf, (int64_t)(ph.p_offset + (start - ph.p_vaddr)),
                                           *n, ELF_T_BYTE);

        return d && d->d_buf && d->d_size >= *n ? d->d_buf : NULL;
    }
    return NULL;
}

/* The nearest function at or before VADDR. Most often the table alone knows. */
static bool function_before(struct file *f, uint64_t vaddr, uint64_t *start)
{
    bool found = elf_table_before(f->elf, vaddr, start), full;

    if (found && *start == vaddr)
        return true;
    if (!f->symbols) {
        f->symbols = ARENA_NEW(f->a, struct elf_symbols);
        *f->symbols = elf_symbols_of(f->a, f->elf, &full);
    }
    uint32_t low = 0, high = f->symbols->n;

    while (low < high) { /* to the first symbol behind it */
        uint32_t mid = low + (high - low) / 2;

        if (f->symbols->v[mid].vaddr <= vaddr)
            low = mid + 1;
        else
            high = mid;
    }
    while (low-- && (!found || f->symbols->v[low].vaddr >= *start))
        if (f->symbols->v[low].is_func) {
            *start = f->symbols->v[low].vaddr;
            return true;
        }
    return found;
}

static enum begins begins_at(struct file *f, uint64_t vaddr)
{
    uint64_t start = 0;
    size_t n = 0, at = 0;

    if (!function_before(f, vaddr, &start))
        return BEGINS_UNKNOWN;
    const uint8_t *p = code(f, start, vaddr, &n);

    while (p && at < vaddr - start && at < n) {
        uint8_t size = f->arch->length(p + at, n - at);

        if (!size)
            return BEGINS_UNKNOWN;
        at += size;
    }
    return !p || !n ? BEGINS_UNKNOWN : at == vaddr - start ? BEGINS : BEGINS_NOT;
}

/* ---- asked ---- */

static bool begins_here(int fd, const uint64_t *v, uint32_t n, uint8_t *out)
{
    struct arena *a = arena_new();
    struct file f = {.a = a, .elf = elf_open(fd)};
    GElf_Ehdr eh;
    bool sound = f.elf && gelf_getehdr(f.elf, &eh);

    f.arch = sound ? arch_of_machine(eh.e_machine) : NULL;
    for (uint32_t i = 0; i < n && sound; i++)
        out[i] = f.arch ? (uint8_t)begins_at(&f, v[i]) : BEGINS_UNKNOWN;
    elf_end(f.elf);
    arena_free(a);
    return sound;
}

static bool begins_work(struct jail_question *q, FILE *answer)
{
    uint32_t n = (uint32_t)(q->n / sizeof(uint64_t));
    uint8_t *out = calloc(n, 1);
    bool ok = out && begins_here(q->fds[0], q->data, n, out);

    if (ok)
        fwrite(out, 1, n, answer);
    free(out);
    return ok;
}

bool elf_begins(int fd, const uint64_t *vaddrs, uint32_t n, uint8_t *out)
{
    if (n > PLACES_MAX)
        return false;
    if (jail_reads())
        return jail_read_fact(begins_work, fd, vaddrs, n * sizeof(*vaddrs), out, n);
    return begins_here(fd, vaddrs, n, out);
}
