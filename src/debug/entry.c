/*
 * entry: where functions start, by what a file itself says, and its code. Enters: an open ELF file,
 * an address; leaves: whether a function starts there, by the file's symbols or by the table that
 * its unwinder searches (.eh_frame_hdr: LSB Core 5.0, 10.6.2), which stripping leaves. It is asked
 * where other files, which are not to be believed, name places in this one: a breakpoint within an
 * instruction breaks the program. Refused: tables in other forms than linkers write.
 */
#include <string.h>

#include "debug/source.h"

enum { HEAD = 12 }; /* version, three encodings, pointer to .eh_frame, number of entries */

/* The table's entries: pairs of four-byte offsets from the table's own address, sorted by the
 * first. */
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
        if (!d || !d->d_buf || d->d_size < HEAD ||
            memcmp(d->d_buf, pcrel_datarel, sizeof(pcrel_datarel)) != 0)
            return NULL;
        memcpy(n, (char *)d->d_buf + 8, sizeof(*n));
        *vaddr = ph.p_vaddr;
        return *n <= (d->d_size - HEAD) / 8 ? (const char *)d->d_buf + HEAD : NULL;
    }
    return NULL;
}

static bool in_table(Elf *elf, uint64_t wanted)
{
    uint64_t base = 0;
    uint32_t low = 0, high = 0;
    const char *v = table(elf, &base, &high);

    while (v && low < high) {
        uint32_t mid = low + (high - low) / 2;
        int32_t offset;

        memcpy(&offset, v + (size_t)mid * 8, sizeof(offset));
        uint64_t at = base + (uint64_t)(int64_t)offset;

        if (at == wanted)
            return true;
        if (at < wanted)
            low = mid + 1;
        else
            high = mid;
    }
    return false;
}

static bool has_symbol(const struct elf_symbols *s, uint64_t vaddr)
{
    uint32_t low = 0, high = s->n;

    while (low < high) { /* of several at one address functions come first */
        uint32_t mid = low + (high - low) / 2;

        if (s->v[mid].vaddr < vaddr)
            low = mid + 1;
        else
            high = mid;
    }
    return low < s->n && s->v[low].vaddr == vaddr && s->v[low].is_func;
}

bool entry_is_own(struct dbg *m, uint64_t vaddr)
{
    if (!m->own_symbols) {
        bool full;

        m->own_symbols = ARENA_NEW(m->di->a, struct elf_symbols);
        *m->own_symbols = elf_symbols_of(m->di->a, m->file.elf, &full);
    }
    return has_symbol(m->own_symbols, vaddr) || in_table(m->file.elf, vaddr);
}

size_t code_read(struct dbg *m, uint64_t vaddr, unsigned char *out, size_t n)
{
    size_t phnum;

    if (!m->file.elf || elf_getphdrnum(m->file.elf, &phnum))
        return 0;
    for (size_t i = 0; i < phnum && i < BOUND_SEGMENTS; i++) {
        GElf_Phdr ph;
        Elf_Data *d;

        if (!gelf_getphdr(m->file.elf, (int)i, &ph) || ph.p_type != PT_LOAD || vaddr < ph.p_vaddr ||
            vaddr - ph.p_vaddr >= ph.p_filesz)
            continue;
        uint64_t left = ph.p_filesz - (vaddr - ph.p_vaddr);

        n = left < n ? left : n;
        d = elf_getdata_rawchunk(m->file.elf, (int64_t)(ph.p_offset + (vaddr - ph.p_vaddr)), n,
                                 ELF_T_BYTE);
        if (!d || !d->d_buf || d->d_size < n)
            return 0;
        memcpy(out, d->d_buf, n);
        return n;
    }
    return 0;
}
