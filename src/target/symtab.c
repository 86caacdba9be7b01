/*
 * symtab: the symbol table of an ELF file. Enters: an open file, untrusted; leaves: a copy of its
 * symbols in the arena, sorted by address. Left out: undefined, absolute and thread-local symbols,
 * and tables larger than base/bounds.h lets them be.
 *
 * It stands here and not in debug/ since others than debug/ need it, who may not include that:
 * run/symbols.c names addresses that are printed, stap/module.c names places by symbols, sxx/vars.c
 * and this folder's module.c and workers.c know programs and libraries by theirs.
 */
#include <gelf.h>
#include <stdlib.h>
#include <string.h>

#include "base/bounds.h"
#include "target/elf.h"

enum { SYMBOL_NAME_MAX = 4096 };

static int by_address(const void *a, const void *b)
{
    const struct elf_symbol *x = a, *y = b;

    if (x->vaddr != y->vaddr)
        return x->vaddr < y->vaddr ? -1 : 1;
    if (x->is_func != y->is_func)
        return x->is_func ? -1 : 1;
    if (x->size != y->size)
        return x->size > y->size ? -1 : 1;
    return strcmp(x->name, y->name);
}

static bool is_wanted(const GElf_Sym *sym)
{
    int type = GELF_ST_TYPE(sym->st_info);

    /* An STT_GNU_IFUNC's address is its resolver's, no function anybody calls. TLS values are
     * offsets. */
    return sym->st_shndx != SHN_UNDEF && sym->st_shndx != SHN_ABS && sym->st_value &&
           (type == STT_FUNC || type == STT_OBJECT || type == STT_NOTYPE || type == STT_GNU_IFUNC);
}

/* The symbol table of ELF: .symtab, else .dynsym; NULL: none, or one that is beyond all bounds. */
static Elf_Scn *symbol_table(Elf *elf, GElf_Shdr *table, GElf_Shdr *strings, bool *full)
{
    Elf_Scn *scn = NULL, *symtab = NULL, *dynsym = NULL;

    while ((scn = elf_nextscn(elf, scn))) {
        if (!gelf_getshdr(scn, table))
            continue;
        if (table->sh_type == SHT_SYMTAB && !symtab)
            symtab = scn;
        if (table->sh_type == SHT_DYNSYM && !dynsym)
            dynsym = scn;
    }
    scn = symtab ? symtab : dynsym;
    *full = symtab != NULL;
    if (!scn || !gelf_getshdr(scn, table) || !table->sh_entsize ||
        table->sh_entsize != gelf_fsize(elf, ELF_T_SYM, 1, EV_CURRENT) ||
        !gelf_getshdr(elf_getscn(elf, table->sh_link), strings) ||
        !bounds_count(table->sh_size / table->sh_entsize, BOUND_SYMBOLS, "symbols") ||
        !bounds_count(strings->sh_size, BOUND_NAMES, "bytes of names"))
        return NULL;
    return scn;
}

/* How far a symbol that says no size may reach. */
static uint32_t room_of(Elf *elf, const GElf_Sym *sym)
{
    Elf_Scn *scn = sym->st_shndx < SHN_LORESERVE ? elf_getscn(elf, sym->st_shndx) : NULL;
    GElf_Shdr sh;

    if (!scn || !gelf_getshdr(scn, &sh) || sym->st_value - sh.sh_addr >= sh.sh_size)
        return 0;
    uint64_t room = sh.sh_size - (sym->st_value - sh.sh_addr);

    return room < UINT32_MAX ? (uint32_t)room : UINT32_MAX;
}

/* The symbols in the order of the file. */
static struct elf_symbols list(struct arena *a, Elf *elf, bool functions, bool *full)
{
    struct elf_symbols out = {0};
    GElf_Shdr table, strings;
    Elf_Scn *scn = symbol_table(elf, &table, &strings, full);
    uint64_t n = scn ? table.sh_size / table.sh_entsize : 0;

    /* Read by libelf, and copied: the ELF handle may go before the arena does. */
    if (!scn || !bounds_take(table.sh_size + n * sizeof(*out.v) + 2 * strings.sh_size))
        return out;
    Elf_Data *data = elf_getdata(scn, NULL);
    Elf_Data *text = elf_getdata(elf_getscn(elf, table.sh_link), NULL);

    if (!data || !data->d_buf || !text || !text->d_buf || !text->d_size)
        return out;
    /* One copy of the string table serves all names. */
    char *names = arena_alloc(a, text->d_size + 1);

    memcpy(names, text->d_buf, text->d_size);
    out.v = arena_calloc(a, n ? n : 1, sizeof(*out.v));
    for (uint64_t i = 0; i < n && bounds_ok(); i++) {
        GElf_Sym sym;

        if (!gelf_getsym(data, (int)i, &sym) || !is_wanted(&sym) || sym.st_name >= text->d_size ||
            (!functions && GELF_ST_TYPE(sym.st_info) == STT_FUNC))
            continue;
        const char *name = names + sym.st_name;

        if (!*name || strnlen(name, SYMBOL_NAME_MAX) == SYMBOL_NAME_MAX)
            continue;
        out.v[out.n++] = (struct elf_symbol){
            .room = sym.st_size ? 0 : room_of(elf, &sym),
            .vaddr = sym.st_value,
            .size = sym.st_size,
            .name = name,
            .is_func = GELF_ST_TYPE(sym.st_info) == STT_FUNC,
            .is_global = GELF_ST_BIND(sym.st_info) != STB_LOCAL,
            .is_ifunc = GELF_ST_TYPE(sym.st_info) == STT_GNU_IFUNC,
        };
    }
    *full = *full && out.n;
    return out;
}

struct elf_symbols elf_symbols_of(struct arena *a, Elf *elf, bool *full)
{
    struct elf_symbols s = list(a, elf, true, full);

    if (s.n)
        qsort(s.v, s.n, sizeof(*s.v), by_address);
    return s;
}

struct elf_symbols elf_symbols_here(struct arena *a, int fd)
{
    struct elf_symbols none = {0};
    Elf *elf = elf_open(fd);
    bool full;

    if (!elf)
        return none;
    struct elf_symbols s = elf_symbols_of(a, elf, &full);

    elf_end(elf);
    return s;
}

struct elf_symbols elf_variables_here(struct arena *a, int fd)
{
    Elf *elf = elf_open(fd);
    bool full;

    if (!elf)
        return (struct elf_symbols){0};
    struct elf_symbols s = list(a, elf, false, &full);

    elf_end(elf);
    return s;
}

const struct elf_symbol *elf_symbol_at(const struct elf_symbols *s, uint64_t vaddr)
{
    uint32_t low = 0, high = s->n;

    while (low < high) { /* the first symbol above VADDR */
        uint32_t mid = low + (high - low) / 2;

        if (s->v[mid].vaddr <= vaddr)
            low = mid + 1;
        else
            high = mid;
    }
    /* Of several at one address the first is best (functions, then the largest). Symbols can lie
     * inside others (labels in assembly): look back a little for one that reaches up to VADDR. */
    const struct elf_symbol *label = NULL;
    uint32_t next = low;

    for (uint32_t back = 0; next > 0 && back < 64; back++) {
        uint32_t i = next - 1;

        while (i > 0 && s->v[i - 1].vaddr == s->v[i].vaddr)
            i--;
        const struct elf_symbol *sym = &s->v[i];

        if (vaddr - sym->vaddr < sym->size)
            return sym;
        if (!back && !sym->size && (vaddr == sym->vaddr || vaddr - sym->vaddr < sym->room))
            label = sym;
        next = i;
    }
    return label;
}
