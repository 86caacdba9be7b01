/*
 * elf: finished functions, maps and metadata -> one relocatable ELF file of machine BPF, as
 * base/abi.h lists its sections. Enters: a cg_unit; leaves: bytes in the compile's arena, the same
 * for the same unit. Refuses (internal errors): relocations to names that do not exist or at places
 * outside their function.
 *
 * libbpf's expectations (src/libbpf.c bpf_program__record_reloc, sym_is_subprog,
 * bpf_object__add_programs):
 *   - R_BPF_64_64 against a map's symbol in .maps, or against a data section's symbol with the
 * offset in the first immediate;
 *   - a call: R_BPF_64_32 against the function's symbol with imm -1;
 *   - the address of a static function: R_BPF_64_64 against the symbol of section .text, imm the
 * byte offset;
 *   - functions of .text may be local symbols, programs must be global.
 */
#include "cg/elf.h"

#include <elf.h>
#include <errno.h>
#include <libelf.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/diag.h"

#ifndef EM_BPF
#define EM_BPF 247
#endif
enum { RELOC_64_64 = 1, RELOC_64_32 = 10 }; /* R_BPF_*: include/uapi/linux/elf.h, llvm's BPF.def */

struct section {
    const char *name;
    uint32_t type, link, info, align, entsize;
    uint64_t flags;
    const void *data;
    size_t size;
    Elf_Type elf_type;
    uint32_t name_off;
};

struct writer {
    const struct cg_unit *u;
    struct arena *arena;
    struct cg_layout l;
    struct section *sections; /* [0] is the null section */
    uint32_t n_sections;
    Elf64_Sym *syms;
    uint32_t n_syms, n_local;
    char *strings;
    uint32_t strings_len, strings_cap;
    uint32_t *func_sym, *map_sym; /* symbol by function, by map */
    const struct cg_func **text;  /* functions of .text, by name */
    uint32_t n_text;
    uint32_t text_sym; /* symbol of section .text */
};

static bool internal(const struct cg_unit *u, const char *what, const char *name)
{
    return diag_error(u->cx->diag, (struct span){0}, "internal", "object writer: %s '%s'", what,
                      name);
}

static uint32_t add_string(struct writer *w, const char *s)
{
    uint32_t len = (uint32_t)strlen(s) + 1, off = w->strings_len;

    if (w->strings_cap - w->strings_len < len) {
        w->strings_cap = (w->strings_cap + len) * 2;
        char *bigger = arena_alloc(w->arena, w->strings_cap);

        if (w->strings_len)
            memcpy(bigger, w->strings, w->strings_len);
        w->strings = bigger;
    }
    memcpy(w->strings + off, s, len);
    w->strings_len += len;
    return off;
}

/* ---- layout ---- */

static uint32_t code_section(struct writer *w, const char *name)
{
    struct cg_layout *l = &w->l;

    for (uint32_t i = 0; i < l->n_sections; i++)
        if (!strcmp(l->sections[i].name, name))
            return i;
    l->sections = arena_grow(w->arena, l->sections, l->n_sections, sizeof(*l->sections));
    l->sections[l->n_sections].name = name;
    return l->n_sections++;
}

static const char *section_of(const struct cg_func *f)
{
    return f->section ? f->section : ".text";
}

static void lay_out(struct writer *w)
{
    const struct cg_unit *u = w->u;
    struct cg_layout *l = &w->l;

    l->func_section = ARENA_ARRAY(w->arena, uint32_t, u->n_funcs);
    l->func_off = ARENA_ARRAY(w->arena, uint32_t, u->n_funcs);
    l->order = ARENA_ARRAY(w->arena, uint32_t, u->n_funcs);
    l->map_off = ARENA_ARRAY(w->arena, uint32_t, u->n_maps);
    for (int text = 0; text < 2; text++)
        for (uint32_t i = 0; i < u->n_funcs; i++)
            if ((strcmp(section_of(&u->funcs[i]), ".text") == 0) == text)
                l->func_section[i] = code_section(w, section_of(&u->funcs[i]));
    uint32_t n = 0;

    for (uint32_t s = 0; s < l->n_sections; s++)
        for (uint32_t i = 0; i < u->n_funcs; i++)
            if (l->func_section[i] == s) {
                l->func_off[i] = l->sections[s].size;
                l->sections[s].size += u->funcs[i].n_insns * 8;
                l->sections[s].n_funcs++;
                l->order[n++] = i;
            }
    for (uint32_t i = 0; i < u->n_maps; i++)
        if (!cg_map_is_data(&u->maps[i])) {
            l->map_off[i] = l->maps_size;
            l->maps_size += cg_map_members(&u->maps[i]) * 8;
        }
}

/* ---- sections ---- */

static uint32_t add_section(struct writer *w, struct section s)
{
    w->sections = arena_grow(w->arena, w->sections, w->n_sections, sizeof(*w->sections));
    s.name_off = s.name ? add_string(w, s.name) : 0;
    if (!s.align)
        s.align = 1;
    w->sections[w->n_sections] = s;
    return w->n_sections++;
}

static uint32_t section_index(const struct writer *w, const char *name)
{
    for (uint32_t i = 1; i < w->n_sections; i++)
        if (!strcmp(w->sections[i].name, name))
            return i;
    return 0;
}

/* Code section S: the functions' instructions one after the other. Relocations patch it later. */
static void add_code(struct writer *w, uint32_t s)
{
    const struct cg_section *c = &w->l.sections[s];
    char *code = arena_alloc(w->arena, c->size);

    for (uint32_t i = 0; i < w->u->n_funcs; i++)
        if (w->l.func_section[i] == s && w->u->funcs[i].n_insns)
            memcpy(code + w->l.func_off[i], w->u->funcs[i].insns, w->u->funcs[i].n_insns * 8);
    add_section(w, (struct section){.name = c->name,
                                    .type = SHT_PROGBITS,
                                    .align = 8,
                                    .flags = SHF_ALLOC | SHF_EXECINSTR,
                                    .data = code,
                                    .size = c->size});
}

static void add_data(struct writer *w, const char *name, uint64_t flags, const void *data,
                     size_t size)
{
    if (size)
        add_section(w, (struct section){.name = name,
                                        .type = SHT_PROGBITS,
                                        .flags = flags,
                                        .align = 8,
                                        .data = data,
                                        .size = size});
}

static bool add_map_sections(struct writer *w)
{
    const struct cg_unit *u = w->u;

    add_data(w, ".maps", SHF_ALLOC | SHF_WRITE, arena_alloc(w->arena, w->l.maps_size),
             w->l.maps_size);
    for (uint32_t i = 0; i < u->n_maps; i++) {
        const struct cg_map *m = &u->maps[i];

        if (!cg_map_is_data(m))
            continue;
        bool literals = !strcmp(m->name, NGS_MAP_RODATA);
        void *value = arena_alloc(w->arena, m->value_size);

        if (literals && u->rodata_size > m->value_size)
            return internal(u, "literals are larger than their map", m->name);
        if (literals && u->rodata_size)
            memcpy(value, u->rodata, u->rodata_size);
        add_data(w, m->name, literals ? SHF_ALLOC : SHF_ALLOC | SHF_WRITE, value, m->value_size);
    }
    return true;
}

/* ---- symbols ---- */

static uint32_t add_symbol(struct writer *w, const char *name, unsigned bind, unsigned type,
                           const char *section, uint64_t value, uint64_t size)
{
    w->syms = arena_grow(w->arena, w->syms, w->n_syms, sizeof(*w->syms));
    w->syms[w->n_syms] = (Elf64_Sym){
        .st_name = name ? add_string(w, name) : 0,
        .st_info = ELF64_ST_INFO(bind, type),
        .st_shndx = section ? (uint16_t)section_index(w, section) : SHN_UNDEF,
        .st_value = value,
        .st_size = size,
    };
    return w->n_syms++;
}

static void add_func_symbols(struct writer *w, unsigned bind)
{
    for (uint32_t k = 0; k < w->u->n_funcs; k++) {
        uint32_t i = w->l.order[k];
        const struct cg_func *f = &w->u->funcs[i];
        bool global = f->sig == CG_SIG_PROG || f->sig == CG_SIG_GLOBAL;

        if (global == (bind == STB_GLOBAL))
            w->func_sym[i] = add_symbol(w, f->name, bind, STT_FUNC, section_of(f), w->l.func_off[i],
                                        f->n_insns * 8);
    }
}

static void add_symbols(struct writer *w)
{
    const struct cg_unit *u = w->u;

    w->func_sym = ARENA_ARRAY(w->arena, uint32_t, u->n_funcs);
    w->map_sym = ARENA_ARRAY(w->arena, uint32_t, u->n_maps);
    add_symbol(w, NULL, STB_LOCAL, STT_NOTYPE, NULL, 0, 0);
    if (section_index(w, ".text"))
        w->text_sym = add_symbol(w, NULL, STB_LOCAL, STT_SECTION, ".text", 0, 0);
    add_func_symbols(w, STB_LOCAL);
    w->n_local = w->n_syms;
    add_func_symbols(w, STB_GLOBAL);
    for (uint32_t i = 0; i < u->n_maps; i++) {
        const struct cg_map *m = &u->maps[i];

        if (!cg_map_is_data(m))
            w->map_sym[i] = add_symbol(w, m->name, STB_GLOBAL, STT_OBJECT, ".maps", w->l.map_off[i],
                                       cg_map_members(m) * 8);
        else if (m->value_size)
            w->map_sym[i] = add_symbol(w, cg_data_symbol(u, m), STB_GLOBAL, STT_OBJECT, m->name, 0,
                                       m->value_size);
    }
    add_symbol(w, "_license", STB_GLOBAL, STT_OBJECT, "license", 0, sizeof("GPL"));
}

/* ---- relocations ---- */

static int by_name(const void *a, const void *b)
{
    return strcmp((*(const struct cg_func *const *)a)->name,
                  (*(const struct cg_func *const *)b)->name);
}

/* Each handler that loops has a callback there: the cost of a relocation must not depend on how
 * many there are. */
static void sort_text(struct writer *w)
{
    const struct cg_unit *u = w->u;

    w->text = ARENA_ARRAY(w->arena, const struct cg_func *, u->n_funcs + 1);
    for (uint32_t i = 0; i < u->n_funcs; i++)
        if (!strcmp(section_of(&u->funcs[i]), ".text"))
            w->text[w->n_text++] = &u->funcs[i];
    qsort(w->text, w->n_text, sizeof(*w->text), by_name);
}

static bool find_func(const struct writer *w, const char *name, uint32_t *index)
{
    const struct cg_func wanted = {.name = name}, *key = &wanted;
    const struct cg_func **found = bsearch(&key, w->text, w->n_text, sizeof(*w->text), by_name);

    if (found)
        *index = (uint32_t)(*found - w->u->funcs);
    return found != NULL;
}

static bool find_map(const struct cg_unit *u, const char *name, uint32_t *index)
{
    for (uint32_t i = 0; i < u->n_maps; i++)
        if (!strcmp(u->maps[i].name, name)) {
            *index = i;
            return true;
        }
    return false;
}

/* Sets the instruction's fields for relocation R of function F and finds its symbol. */
static bool relocate(struct writer *w, const struct cg_func *f, const struct cg_reloc *r,
                     struct bpf_insn *insn, uint32_t *sym, uint32_t *type)
{
    const struct cg_unit *u = w->u;
    bool call = r->kind == CG_RELOC_CALL;
    uint32_t i;

    if (r->insn + !call >= f->n_insns)
        return internal(u, "relocation outside of function", f->name);
    if (insn->code != (call ? BPF_JMP | BPF_CALL : BPF_LD | BPF_IMM | BPF_DW))
        return internal(u, "relocation of a wrong instruction in function", f->name);
    *type = call ? RELOC_64_32 : RELOC_64_64;
    switch (r->kind) {
    case CG_RELOC_MAP:
    case CG_RELOC_MAP_VALUE:
        if (!find_map(u, r->name, &i) ||
            cg_map_is_data(&u->maps[i]) != (r->kind == CG_RELOC_MAP_VALUE) || !w->map_sym[i])
            return internal(u, "relocation to unknown map", r->name);
        *sym = w->map_sym[i];
        return true;
    case CG_RELOC_CALL:
        if (!find_func(w, r->name, &i))
            return internal(u, "call of unknown function", r->name);
        insn->src_reg = BPF_PSEUDO_CALL;
        insn->imm = -1;
        *sym = w->func_sym[i];
        return true;
    case CG_RELOC_CALLBACK:
        if (!find_func(w, r->name, &i) || u->funcs[i].sig == CG_SIG_GLOBAL)
            return internal(u, "address of unknown static function", r->name);
        insn->src_reg = BPF_PSEUDO_FUNC;
        insn->imm = (int32_t)w->l.func_off[i];
        *sym = w->text_sym;
        return true;
    }
    return false;
}

/* The relocations of code section S, sorted by offset as functions and their relocations stand. */
static bool add_relocs(struct writer *w, uint32_t s)
{
    const struct cg_unit *u = w->u;
    const char *name = w->l.sections[s].name;
    uint32_t target = section_index(w, name);
    char *code = (char *)w->sections[target].data; /* add_code's own buffer */
    Elf64_Rel *rels = NULL;
    uint32_t n = 0;

    for (uint32_t k = 0; k < u->n_funcs; k++) {
        const struct cg_func *f = &u->funcs[w->l.order[k]];
        uint32_t off = w->l.func_off[w->l.order[k]];

        if (w->l.func_section[w->l.order[k]] != s)
            continue;
        for (uint32_t i = 0; i < f->n_relocs; i++) {
            const struct cg_reloc *r = &f->relocs[i];
            struct bpf_insn *insn =
                (struct bpf_insn *)(code + off) + (r->insn < f->n_insns ? r->insn : 0);
            uint32_t sym, type;

            if (!relocate(w, f, r, insn, &sym, &type))
                return false;
            rels = arena_grow(w->arena, rels, n, sizeof(*rels));
            rels[n++] = (Elf64_Rel){.r_offset = off + (uint64_t)r->insn * 8,
                                    .r_info = ELF64_R_INFO((uint64_t)sym, type)};
        }
    }
    if (n)
        add_section(w, (struct section){.name = arena_printf(w->arena, ".rel%s", name),
                                        .type = SHT_REL,
                                        .flags = SHF_INFO_LINK,
                                        .align = 8,
                                        .entsize = sizeof(*rels),
                                        .info = target,
                                        .data = rels,
                                        .size = n * sizeof(*rels),
                                        .elf_type = ELF_T_REL});
    return true;
}

/* ---- the file ---- */

static bool put_section(Elf *elf, const struct section *s)
{
    Elf_Scn *scn = elf_newscn(elf);
    Elf64_Shdr *h = scn ? elf64_getshdr(scn) : NULL;
    Elf_Data *d = scn ? elf_newdata(scn) : NULL;

    if (!h || !d)
        return false;
    h->sh_name = s->name_off;
    h->sh_type = s->type;
    h->sh_flags = s->flags;
    h->sh_link = s->link;
    h->sh_info = s->info;
    h->sh_addralign = s->align;
    h->sh_entsize = s->entsize;
    d->d_buf = (void *)s->data;
    d->d_size = s->size;
    d->d_align = s->align;
    d->d_type = s->elf_type;
    d->d_version = EV_CURRENT;
    return true;
}

static bool put_file(const struct writer *w, Elf *elf, uint32_t strtab)
{
    Elf64_Ehdr *h = elf64_newehdr(elf);

    if (!h)
        return false;
    h->e_ident[EI_DATA] = ELFDATA2LSB;
    h->e_type = ET_REL;
    h->e_machine = EM_BPF;
    h->e_version = EV_CURRENT;
    h->e_shstrndx = (uint16_t)strtab;
    for (uint32_t i = 1; i < w->n_sections; i++)
        if (!put_section(elf, &w->sections[i]))
            return false;
    return elf_update(elf, ELF_C_WRITE) >= 0;
}

/* libelf writes to a file descriptor only: through an anonymous file. */
static bool save(const struct writer *w, uint32_t strtab, void **out, size_t *size)
{
    int fd = memfd_create("object", MFD_CLOEXEC);
    Elf *elf = NULL;
    off_t end = -1;
    bool done = false;

    if (fd < 0)
        return diag_error(w->u->cx->diag, (struct span){0}, "object", "cannot write the object: %s",
                          strerror(errno));
    if (elf_version(EV_CURRENT) != EV_NONE)
        elf = elf_begin(fd, ELF_C_WRITE, NULL);
    if (elf && put_file(w, elf, strtab))
        end = lseek(fd, 0, SEEK_END);
    const char *why = elf_errmsg(-1);

    if (elf)
        elf_end(elf);
    if (end > 0) {
        *size = (size_t)end;
        *out = arena_alloc(w->arena, *size);
        done = pread(fd, *out, *size, 0) == (ssize_t)*size;
    }
    close(fd);
    return done || diag_error(w->u->cx->diag, (struct span){0}, "internal",
                              "object writer: libelf: %s", why);
}

bool cg_write_elf(const struct cg_unit *u, void **elf, size_t *size)
{
    struct writer w = {.u = u, .arena = u->cx->arena};
    struct cg_blob btf, ext;

    add_string(&w, "");
    add_section(&w, (struct section){.name = NULL});
    lay_out(&w);
    for (uint32_t s = 0; s < w.l.n_sections; s++)
        add_code(&w, s);
    if (!add_map_sections(&w))
        return false;
    add_section(&w, (struct section){.name = "license",
                                     .type = SHT_PROGBITS,
                                     .flags = SHF_ALLOC | SHF_WRITE,
                                     .data = "GPL",
                                     .size = sizeof("GPL")});
    add_symbols(&w);
    sort_text(&w);
    for (uint32_t s = 0; s < w.l.n_sections; s++)
        if (!add_relocs(&w, s))
            return false;
    add_data(&w, ".ngstap.user", 0, u->user_code, (size_t)u->user_len * 8);
    add_data(&w, ".ngstap.meta", 0, u->meta, u->meta_size);
    if (!cg_write_btf(u, &w.l, &btf, &ext))
        return false;
    add_data(&w, ".BTF", 0, btf.data, btf.size);
    add_data(&w, ".BTF.ext", 0, ext.data, ext.size);
    uint32_t symtab = add_section(&w, (struct section){.name = ".symtab",
                                                       .type = SHT_SYMTAB,
                                                       .align = 8,
                                                       .entsize = sizeof(Elf64_Sym),
                                                       .data = w.syms,
                                                       .size = w.n_syms * sizeof(Elf64_Sym),
                                                       .info = w.n_local,
                                                       .elf_type = ELF_T_SYM});
    uint32_t strtab = add_section(&w, (struct section){.name = ".strtab", .type = SHT_STRTAB});

    w.sections[symtab].link = strtab;
    w.sections[strtab].data = w.strings;
    w.sections[strtab].size = w.strings_len;
    for (uint32_t i = 1; i < w.n_sections; i++)
        if (w.sections[i].type == SHT_REL)
            w.sections[i].link = symtab;
    return save(&w, strtab, elf, size);
}
