/*
 * pack_elf: a build's part of a pack as an ELF file, which debuggers take for its debug file, too.
 * Enters: a module, sections of DWARF; leaves: a file with the headers of the module's sections as
 * objcopy --only-keep-debug leaves them, its notes (the build-id is one), the symbols that
 * target/symtab.c reads, and the DWARF, compressed by zlib. A file of layouts has the list it was
 * made by and the DWARF.
 */
#include <dwarf.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "debug/layout.h"
#include "debug/pack.h"

enum { NOTES_MAX = 4096, ALIGN_MAX = 4096 };

struct file {
    struct arena *a;
    Elf *in, *out;
    struct pack_bytes names; /* .shstrtab */
    uint16_t *moved;         /* by a section's number in IN; 0: left out */
    size_t n_moved;
    size_t number; /* of the last section */
};

/* NULL: it cannot be made. */
static Elf_Scn *new_section(struct file *f, const char *name, GElf_Shdr *sh, void *bytes,
                            size_t size)
{
    Elf_Scn *scn = elf_newscn(f->out);
    Elf_Data *data = scn ? elf_newdata(scn) : NULL;

    if (!data)
        return NULL;
    data->d_buf = bytes;
    data->d_size = size;
    data->d_align = sh->sh_addralign ? sh->sh_addralign : 1;
    data->d_type = sh->sh_type == SHT_SYMTAB ? ELF_T_SYM : ELF_T_BYTE;
    data->d_version = EV_CURRENT;
    sh->sh_name = (GElf_Word)f->names.n;
    pack_put(&f->names, name, strlen(name) + 1);
    f->number = elf_ndxscn(scn);
    return gelf_update_shdr(scn, sh) ? scn : NULL;
}

/* The section in IN is one of the process, so that symbols belong to it. */
static bool copy_section(struct file *f, Elf_Scn *scn, const char *name, GElf_Shdr sh)
{
    Elf_Data *notes =
        sh.sh_type == SHT_NOTE && sh.sh_size <= NOTES_MAX ? elf_rawdata(scn, NULL) : NULL;
    uint64_t size = sh.sh_size;
    size_t number = elf_ndxscn(scn);

    if (!notes)
        sh.sh_type = SHT_NOBITS;
    sh.sh_link = sh.sh_info = 0;
    if (sh.sh_addralign > ALIGN_MAX) /* libelf fills the gap before a section with bytes */
        sh.sh_addralign = 1;
    sh.sh_flags &= ~(uint64_t)SHF_INFO_LINK;
    if (!new_section(f, name, &sh, notes ? notes->d_buf : NULL, notes ? notes->d_size : size))
        return false;
    if (number < f->n_moved)
        f->moved[number] = (uint16_t)f->number;
    return true;
}

static bool copy_sections(struct file *f)
{
    Elf_Scn *scn = NULL;
    size_t names;

    if (elf_getshdrstrndx(f->in, &names) || elf_getshdrnum(f->in, &f->n_moved) ||
        f->n_moved >= SHN_LORESERVE)
        return false;
    f->moved = ARENA_ARRAY(f->a, uint16_t, f->n_moved + 1);
    while ((scn = elf_nextscn(f->in, scn))) {
        GElf_Shdr sh;
        const char *name = gelf_getshdr(scn, &sh) ? elf_strptr(f->in, names, sh.sh_name) : NULL;

        if (name && sh.sh_flags & SHF_ALLOC && !copy_section(f, scn, name, sh))
            return false;
    }
    return true;
}

/* ---- symbols ---- */

static Elf_Scn *symbol_table(Elf *elf, GElf_Shdr *sh)
{
    Elf_Scn *scn = NULL;

    while ((scn = elf_nextscn(elf, scn)))
        if (gelf_getshdr(scn, sh) && sh->sh_type == SHT_SYMTAB)
            return scn;
    return NULL;
}

/* As target/symtab.c. */
static bool is_wanted(const struct file *f, const GElf_Sym *sym)
{
    int type = GELF_ST_TYPE(sym->st_info);

    return sym->st_shndx < f->n_moved && f->moved[sym->st_shndx] && sym->st_value &&
           (type == STT_FUNC || type == STT_OBJECT || type == STT_NOTYPE || type == STT_GNU_IFUNC);
}

static bool copy_symbols(struct file *f, Elf *from)
{
    GElf_Shdr sh;
    Elf_Scn *scn = symbol_table(from, &sh);
    Elf_Data *data = scn ? elf_getdata(scn, NULL) : NULL;
    struct pack_bytes v = {.a = f->a}, names = {.a = f->a};
    uint32_t local = 1;
    GElf_Sym sym = {0};

    if (!data || !sh.sh_entsize ||
        !bounds_count(sh.sh_size / sh.sh_entsize, BOUND_SYMBOLS, "symbols"))
        return !scn;
    pack_put(&v, &sym, sizeof(Elf64_Sym));
    pack_byte(&names, 0);
    for (int i = 0; gelf_getsym(data, i, &sym); i++) {
        const char *name = is_wanted(f, &sym) ? elf_strptr(from, sh.sh_link, sym.st_name) : NULL;

        if (!name || !*name)
            continue;
        sym.st_name = (GElf_Word)names.n;
        sym.st_shndx = f->moved[sym.st_shndx];
        pack_put(&names, name, strlen(name) + 1);
        pack_put(&v, &sym, sizeof(sym)); /* GElf_Sym is Elf64_Sym */
        local += GELF_ST_BIND(sym.st_info) == STB_LOCAL;
    }
    GElf_Shdr table = {.sh_type = SHT_SYMTAB,
                       .sh_entsize = sizeof(Elf64_Sym),
                       .sh_addralign = 8,
                       .sh_info = local,
                       .sh_link = (GElf_Word)f->number + 2};
    GElf_Shdr strings = {.sh_type = SHT_STRTAB, .sh_addralign = 1};

    return new_section(f, ".symtab", &table, v.v, v.n) &&
           new_section(f, ".strtab", &strings, names.v, names.n);
}

/* ---- debug information ---- */

static bool add_debug(struct file *f, const char *name, const struct pack_bytes *b)
{
    GElf_Shdr sh = {.sh_type = SHT_PROGBITS, .sh_addralign = 1};
    Elf_Scn *scn = b->n ? new_section(f, name, &sh, b->v, b->n) : NULL;

    return !b->n || (scn && elf_compress(scn, ELFCOMPRESS_ZLIB, 0) >= 0);
}

static bool add_names(struct file *f)
{
    GElf_Shdr sh = {.sh_type = SHT_STRTAB, .sh_addralign = 1};
    uint32_t at = (uint32_t)f->names.n;

    pack_put(&f->names, ".shstrtab", sizeof(".shstrtab"));
    sh.sh_name = at;
    struct pack_bytes names = f->names; /* new_section() adds a name of its own */
    Elf_Scn *scn = new_section(f, ".shstrtab", &sh, names.v, names.n);
    GElf_Ehdr eh;

    if (!scn || !gelf_getehdr(f->out, &eh))
        return false;
    sh.sh_name = at;
    eh.e_shstrndx = (GElf_Half)f->number;
    return gelf_update_shdr(scn, &sh) && gelf_update_ehdr(f->out, &eh);
}

static bool begin(struct file *f, uint64_t entry)
{
    GElf_Ehdr from, eh;

    if (!f->out || !gelf_getehdr(f->in, &from) || !gelf_newehdr(f->out, ELFCLASS64) ||
        !gelf_getehdr(f->out, &eh))
        return false;
    memcpy(eh.e_ident, from.e_ident, sizeof(eh.e_ident));
    eh.e_type = from.e_type;
    eh.e_machine = from.e_machine;
    eh.e_flags = from.e_flags;
    eh.e_version = EV_CURRENT;
    eh.e_entry = entry;
    pack_byte(&f->names, 0);
    return gelf_update_ehdr(f->out, &eh);
}

static bool write_elf(struct dbg *m, const struct pack_sections *s, int fd)
{
    Elf *debug = dwarf_of(m)->debug.elf;
    struct file f = {.a = m->di->a, .in = m->file.elf, .out = elf_begin(fd, ELF_C_WRITE, NULL)};
    GElf_Shdr sh;

    f.names.a = f.a;
    GElf_Ehdr eh;
    bool ok =
        gelf_getehdr(f.in, &eh) && begin(&f, eh.e_entry) && copy_sections(&f) &&
        copy_symbols(&f, debug && !symbol_table(f.in, &sh) ? debug : f.in) &&
        add_debug(&f, ".debug_info", &s->info) && add_debug(&f, ".debug_abbrev", &s->abbrev) &&
        add_debug(&f, ".debug_str", &s->str) && add_debug(&f, ".debug_loclists", &s->loclists) &&
        add_debug(&f, ".debug_rnglists", &s->rnglists) && add_debug(&f, ".debug_line", &s->line) &&
        add_names(&f) && elf_update(f.out, ELF_C_WRITE) >= 0;

    elf_end(f.out);
    return ok;
}

static bool write_layout(struct dbg *m, const struct pack_sections *s, const char *list, int fd)
{
    struct file f = {.a = m->di->a, .in = m->file.elf, .out = elf_begin(fd, ELF_C_WRITE, NULL)};
    GElf_Shdr sh = {.sh_type = SHT_PROGBITS, .sh_addralign = 1};

    f.names.a = f.a;
    bool ok = begin(&f, 0) && new_section(&f, LAYOUT_SECTION, &sh, (void *)list, strlen(list)) &&
              add_debug(&f, ".debug_info", &s->info) &&
              add_debug(&f, ".debug_abbrev", &s->abbrev) && add_debug(&f, ".debug_str", &s->str) &&
              add_names(&f) && elf_update(f.out, ELF_C_WRITE) >= 0;

    elf_end(f.out);
    return ok;
}

bool dbg_layout(struct dbg *m, const char *list, int fd, const char **why)
{
    struct pack p = {.m = m, .a = arena_new()};
    struct pack_sections sections;
    bool ok;

    *why = "its debug information is no DWARF";
    ok = m->source == &dbg_source_dwarf && pack_layout_tree(&p, list, why);
    if (ok) {
        *why = "its layouts cannot be written";
        pack_same(&p);
        pack_dwarf(&p, &sections);
        char *told = pack_layout_list(m, list);

        ok = told && bounds_ok() && write_layout(m, &sections, told, fd);
        free(told);
    }
    arena_free(p.a);
    return ok;
}

bool dbg_pack(struct dbg *m, int fd, const char **why)
{
    struct pack p = {.m = m, .a = arena_new()};
    struct pack_sections sections;
    bool ok;

    *why = "its debug information is no DWARF";
    ok = m->source == &dbg_source_dwarf;
    if (ok && !m->id.len) {
        *why = "it has no build-id, by which a pack is found: link it with -Wl,--build-id";
        ok = false;
    }
    if (ok) {
        *why = "its pack cannot be made";
        pack_tree(&p);
        pack_same(&p);
        pack_dwarf(&p, &sections);
        ok = bounds_ok() && write_elf(m, &sections, fd);
    }
    arena_free(p.a);
    return ok;
}
