/*
 * plt: the procedure linkage table. Enters: an open file, untrusted; leaves: each entry with the
 * name of its function. Linkers lay tables out in several ways (lazy or not, with IBT or BTI), so
 * the sections are looked through for jumps through a slot (struct arch), and the relocation of
 * that slot names the function. Left out: slots without a name (STT_GNU_IFUNC of the file itself).
 */
#include "target/plt.h"

#include <stdlib.h>
#include <string.h>

#include "arch/arch.h"
#include "base/arena.h"
#include "target/elf.h"

/* A word of the file's that the dynamic linker sets to a function's address. */
struct slot {
    uint64_t vaddr;
    const char *name;
};

struct reading {
    struct arena *a;
    const struct arch *arch;
    struct slot *slots;
    uint32_t n_slots;
    struct plt found;
};

static int by_address(const void *a, const void *b)
{
    const struct slot *x = a, *y = b;

    return x->vaddr < y->vaddr ? -1 : x->vaddr > y->vaddr;
}

/* ---- relocations ---- */

static void read_relocations(struct reading *r, Elf *elf, Elf_Scn *scn, const GElf_Shdr *sh)
{
    Elf_Scn *table = elf_getscn(elf, sh->sh_link);
    GElf_Shdr symbols;
    Elf_Data *from = elf_getdata(scn, NULL), *data = table ? elf_getdata(table, NULL) : NULL;

    if (!from || !data || !gelf_getshdr(table, &symbols) || symbols.sh_type != SHT_DYNSYM)
        return;
    size_t n = sh->sh_entsize ? from->d_size / sh->sh_entsize : 0;

    if (!bounds_count(n, BOUND_SYMBOLS, "relocations"))
        return;
    for (size_t i = 0; i < n && bounds_ok(); i++) {
        GElf_Rela rela;
        GElf_Sym sym;
        const char *name;

        if (!gelf_getrela(from, (int)i, &rela) || !GELF_R_SYM(rela.r_info) ||
            !gelf_getsym(data, (int)GELF_R_SYM(rela.r_info), &sym) ||
            GELF_ST_TYPE(sym.st_info) == STT_OBJECT ||
            !(name = elf_strptr(elf, symbols.sh_link, sym.st_name)) || !*name)
            continue;
        r->slots = arena_grow(r->a, r->slots, r->n_slots, sizeof(*r->slots));
        r->slots[r->n_slots++] = (struct slot){rela.r_offset, arena_strdup(r->a, name)};
    }
}

/* ---- entries ---- */

static void read_entries(struct reading *r, const unsigned char *p, size_t size, uint64_t vaddr,
                         bool is_plain)
{
    for (size_t off = 0; off < size && bounds_ok(); off += r->arch->plt_step) {
        struct slot key = {.name = NULL}, *slot;

        if (!r->arch->plt_slot(p + off, size - off, vaddr + off, &key.vaddr))
            continue;
        slot = r->n_slots ? bsearch(&key, r->slots, r->n_slots, sizeof(key), by_address) : NULL;
        if (!slot)
            continue;
        r->found.v = arena_grow(r->a, r->found.v, r->found.n, sizeof(*r->found.v));
        r->found.v[r->found.n++] = (struct plt_entry){slot->name, vaddr + off, is_plain};
    }
}

/* ".plt", ".plt.sec" (IBT), ".plt.got" (functions whose address is taken, too). */
static bool is_table(const char *name, const GElf_Shdr *sh)
{
    return name && sh->sh_type == SHT_PROGBITS && sh->sh_flags & SHF_EXECINSTR &&
           !strncmp(name, ".plt", 4) && (!name[4] || name[4] == '.');
}

struct plt plt_here(struct arena *a, int fd)
{
    struct reading r = {.a = a};
    Elf *elf = elf_open(fd);
    Elf_Scn *scn = NULL;
    GElf_Ehdr eh;
    GElf_Shdr sh;
    size_t names;

    if (!elf)
        return r.found;
    if (gelf_getehdr(elf, &eh) && !elf_getshdrstrndx(elf, &names) &&
        (r.arch = arch_of_machine(eh.e_machine))) {
        while ((scn = elf_nextscn(elf, scn)))
            if (gelf_getshdr(scn, &sh) && sh.sh_type == SHT_RELA)
                read_relocations(&r, elf, scn, &sh);
        if (r.n_slots)
            qsort(r.slots, r.n_slots, sizeof(*r.slots), by_address);
        while ((scn = elf_nextscn(elf, scn))) {
            const char *name = gelf_getshdr(scn, &sh) ? elf_strptr(elf, names, sh.sh_name) : NULL;

            if (!is_table(name, &sh))
                continue;
            Elf_Data *d = elf_rawdata(scn, NULL);

            if (d && d->d_buf)
                read_entries(&r, d->d_buf, d->d_size, sh.sh_addr, !strcmp(name, ".plt"));
        }
    }
    elf_end(elf);
    return r.found;
}
