/*
 * entry: where functions start, by what a file itself says, and its code. Enters: an open ELF file,
 * an address; leaves: whether a function starts there, by the file's symbols or by the table that
 * its unwinder searches (.eh_frame_hdr: LSB Core 5.0, 10.6.2), which stripping leaves. It is asked
 * where other files, which are not to be believed, name places in this one: a breakpoint within an
 * instruction breaks the program. Refused: tables in other forms than linkers write.
 */
#include <string.h>

#include "debug/source.h"

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
    uint64_t start;

    return has_symbol(m->own_symbols, vaddr) ||
           (elf_table_before(m->file.elf, vaddr, &start) && start == vaddr);
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
