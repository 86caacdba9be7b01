/*
 * object: ELF bytes -> the checked metadata of an object. Enters: bytes that anyone may have
 * written; leaves: struct object, copied into the arena (so it is aligned), every offset, index and
 * string of which can be used without another check. Refuses: what is not such a file, another
 * version, anything out of bounds. The ELF file is read by hand, since libbpf gives these bytes to
 * libelf, which is to see only what was checked (and would make this five lines shorter). Of code
 * only what it asks of the kernel is looked at (codecheck.c): the kernel's verifier checks its own,
 * the interpreter each instruction that it runs (run/interp.c).
 */
#include "load/object.h"

#include <elf.h>
#include <string.h>

#include "base/arena.h"
#include "base/bytes.h"
#include "base/diag.h"

#ifndef EM_BPF
#define EM_BPF 247
#endif

enum {
    FILE_MAX = 256 << 20,
    SECTIONS_MAX = 64,
    STRING_LEN_MAX = 1 << 20,
    RECORDS_MAX = 1 << 20,
};

struct reader {
    struct compile *cx;
    const char *elf;
    size_t size;
    Elf64_Shdr sections[SECTIONS_MAX];
    const char *names[SECTIONS_MAX];
    uint32_t n_sections;
    struct object *o;
};

static bool damaged(const struct reader *r, const char *what)
{
    return object_damaged(r->cx, what);
}

/* ---- ELF ---- */

static bool in_file(const struct reader *r, uint64_t off, uint64_t size)
{
    return off <= r->size && size <= r->size - off;
}

/* A section of programs. */
static bool is_code(const char *name)
{
    for (uint32_t kind = 0; kind < PROBE_KINDS; kind++)
        if (attach_kind(kind)->section && !strcmp(name, attach_kind(kind)->section))
            return true;
    return !strcmp(name, ".text");
}

static bool known_section(const char *name)
{
    static const char *const known[] = {
        ".maps",        NGS_MAP_GLOBALS, NGS_MAP_CONTROL, NGS_MAP_RODATA, "license", ".ngstap.user",
        ".ngstap.meta", ".BTF",          ".BTF.ext",      ".symtab",      ".strtab", ".shstrtab",
    };

    if (!strncmp(name, ".rel", 4))
        name += 4;
    for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++)
        if (!strcmp(name, known[i]))
            return true;
    return is_code(name);
}

/* Section I: inside the file, of a known name and kind, seen once. */
static bool read_section(struct reader *r, uint32_t i, const Elf64_Shdr *strtab)
{
    const Elf64_Shdr *s = &r->sections[i];

    if (i == 0)
        return s->sh_type == SHT_NULL || damaged(r, "its first section is not empty");
    if (s->sh_type != SHT_PROGBITS && s->sh_type != SHT_REL && s->sh_type != SHT_SYMTAB &&
        s->sh_type != SHT_STRTAB)
        return damaged(r, "a section of unknown type");
    if (!in_file(r, s->sh_offset, s->sh_size))
        return damaged(r, "a section lies outside of the file");
    if (s->sh_link >= r->n_sections || (s->sh_type == SHT_REL && s->sh_info >= r->n_sections))
        return damaged(r, "a section refers to one that is not there");
    if (s->sh_addralign > 8 || s->sh_offset % (s->sh_addralign ? s->sh_addralign : 1))
        return damaged(r, "a section is not aligned");
    if (s->sh_flags & SHF_COMPRESSED)
        return damaged(r, "a section is compressed");
    if (s->sh_name >= strtab->sh_size)
        return damaged(r, "a section's name lies outside of the names");
    r->names[i] =
        r->elf + strtab->sh_offset + s->sh_name; /* ends: read_sections checked the last byte */
    if (!known_section(r->names[i]) || (s->sh_flags & SHF_EXECINSTR && !is_code(r->names[i])))
        return damaged(r, "a section that objects do not have");
    for (uint32_t k = 1; k < i; k++)
        if (!strcmp(r->names[k], r->names[i]))
            return damaged(r, "two sections of one name");
    return true;
}

static bool read_sections(struct reader *r)
{
    Elf64_Ehdr h;

    if (r->size < sizeof(h) || memcmp(r->elf, ELFMAG, SELFMAG))
        return diag_error(r->cx->diag, (struct span){0}, "object", "not an ELF file");
    memcpy(&h, r->elf, sizeof(h));
    if (r->size > FILE_MAX || h.e_ident[EI_CLASS] != ELFCLASS64 ||
        h.e_ident[EI_DATA] != ELFDATA2LSB || h.e_type != ET_REL || h.e_machine != EM_BPF)
        return diag_error(r->cx->diag, (struct span){0}, "object", "not an object file of eBPF");
    if (h.e_shentsize != sizeof(Elf64_Shdr) || h.e_shnum < 2 || h.e_shnum > SECTIONS_MAX ||
        h.e_shstrndx == 0 || h.e_shstrndx >= h.e_shnum ||
        !in_file(r, h.e_shoff, (uint64_t)h.e_shnum * sizeof(Elf64_Shdr)))
        return damaged(r, "bad section table");
    r->n_sections = h.e_shnum;
    memcpy(r->sections, r->elf + h.e_shoff, h.e_shnum * sizeof(Elf64_Shdr));
    const Elf64_Shdr *strtab = &r->sections[h.e_shstrndx];

    if (strtab->sh_type != SHT_STRTAB || !in_file(r, strtab->sh_offset, strtab->sh_size) ||
        strtab->sh_size == 0 || r->elf[strtab->sh_offset + strtab->sh_size - 1])
        return damaged(r, "bad section names");
    for (uint32_t i = 0; i < r->n_sections; i++)
        if (!read_section(r, i, strtab))
            return false;
    return true;
}

/* The bytes of section I, aligned. */
static const void *copy_section(const struct reader *r, uint32_t i)
{
    void *copy = arena_alloc(r->cx->arena, r->sections[i].sh_size);

    if (r->sections[i].sh_size)
        memcpy(copy, r->elf + r->sections[i].sh_offset, r->sections[i].sh_size);
    return copy;
}

/* Copies section NAME; NULL and *SIZE = 0 when it is absent. */
static const void *section_copy(struct reader *r, const char *name, size_t *size)
{
    *size = 0;
    for (uint32_t i = 1; i < r->n_sections; i++)
        if (!strcmp(r->names[i], name) && r->sections[i].sh_type == SHT_PROGBITS) {
            *size = r->sections[i].sh_size;
            return copy_section(r, i);
        }
    return NULL;
}

/* Symbols, relocations and types: libbpf takes them as they are. */
static bool check_links(struct reader *r)
{
    size_t n_syms = 0, btf_size;
    const void *btf = section_copy(r, ".BTF", &btf_size);
    uint32_t symtabs = 0;

    for (uint32_t i = 1; i < r->n_sections; i++) {
        const Elf64_Shdr *s = &r->sections[i], *names = &r->sections[s->sh_link];

        if (s->sh_type != SHT_SYMTAB)
            continue;
        if (symtabs++ || names->sh_type != SHT_STRTAB || s->sh_entsize != sizeof(Elf64_Sym))
            return damaged(r, "bad symbol table");
        if (!object_check_symbols(r->cx, copy_section(r, i), s->sh_size, r->elf + names->sh_offset,
                                  names->sh_size, r->n_sections))
            return false;
        n_syms = s->sh_size / sizeof(Elf64_Sym);
    }
    for (uint32_t i = 1; i < r->n_sections; i++) {
        const Elf64_Shdr *s = &r->sections[i];

        if (s->sh_type != SHT_REL)
            continue;
        if (r->sections[s->sh_link].sh_type != SHT_SYMTAB || s->sh_entsize != sizeof(Elf64_Rel))
            return damaged(r, "bad relocation table");
        if (!object_check_relocs(r->cx, copy_section(r, i), s->sh_size,
                                 r->sections[s->sh_info].sh_size, n_syms))
            return false;
    }
    return btf && symtabs ? object_check_btf(r->cx, btf, btf_size)
                          : damaged(r, "no types or no symbols");
}

/* ---- programs ---- */

static bool check_code(struct reader *r)
{
    for (uint32_t i = 1; i < r->n_sections; i++)
        if (is_code(r->names[i]) &&
            !object_check_code(r->cx, copy_section(r, i), r->sections[i].sh_size, &r->o->asks_guru))
            return false;
    return true;
}

/* ---- metadata ---- */

static bool check_header(const struct reader *r, const struct obj_header *h, size_t size)
{
    if (!h || size < offsetof(struct obj_header, flags) || memcmp(h->magic, NGS_OBJ_MAGIC, 8))
        return diag_error(r->cx->diag, (struct span){0}, "object", "not an object of ngstap");
    if (h->version != NGS_OBJ_VERSION)
        return diag_error(
            r->cx->diag, (struct span){0}, "object",
            "the object is of version %u, this ngstap runs version %u: compile the script again",
            h->version, NGS_OBJ_VERSION);
    if (size < sizeof(*h) || h->header_size != sizeof(*h))
        return damaged(r, "bad header");
    if (h->flags & ~(uint32_t)OBJ_F_TARGET)
        return damaged(r, "unknown flags");
    if (h->maxstringlen == 0 || h->maxstringlen > STRING_LEN_MAX)
        return damaged(r, "MAXSTRINGLEN out of range");
    if (h->frame_size < sizeof(struct ngs_frame) || h->frame_size > OBJ_MAX_FRAME ||
        h->frame_out > h->frame_size)
        return damaged(r, "bad frame size");
    if (h->overload > 100)
        return damaged(r, "its budget is no part of a processor");
    if (h->globals_size > OBJ_MAX_VALUE || h->rodata_size > OBJ_MAX_VALUE)
        return damaged(r, "its variables are too large");
    if (h->hash_key % 8 || h->hash_key > h->rodata_size ||
        (h->hash_key && NGS_HASH_KEY_SIZE(h->maxstringlen) > h->rodata_size - h->hash_key))
        return damaged(r, "no room for the key of its hash");
    if (h->hashed % 8 || h->hashed > h->rodata_size ||
        (h->rodata_size - h->hashed) / sizeof(struct ngs_hashed) < h->n_hashed)
        return damaged(r, "hashes outside of the literals");
    return true;
}

static const void *table(const struct reader *r, enum obj_table t, size_t size, size_t record,
                         bool *bad)
{
    static const char none[8] __attribute__((aligned(8)));
    uint32_t off = r->o->h->table[t].off, n = r->o->h->table[t].n;

    if (n == 0)
        return none;
    if (off % 8 || off > size || n > RECORDS_MAX * (record == 1 ? 64u : 1u) ||
        (size - off) / record < n) {
        *bad = true;
        return none;
    }
    return (const char *)r->o->h + off;
}

static uint32_t count(const struct reader *r, enum obj_table t)
{
    return r->o->h->table[t].n;
}

static bool check_string(const struct reader *r, uint32_t off)
{
    return off < count(r, OBJ_STRINGS);
}

static bool check_places(const struct reader *r, const struct obj_probe *p)
{
    uint32_t n = count(r, OBJ_PLACES);

    if (!p->n_places || p->place > n || p->n_places > n - p->place)
        return damaged(r, "a probe without a place");
    for (uint32_t i = 0; i < p->n_places; i++) {
        const struct obj_place *at = &r->o->places[p->place + i];

        if (!check_string(r, at->name) || !check_string(r, at->func))
            return damaged(r, "bad place of a probe");
        if (attach_has(p->kind, ATTACH_CALLS)
                ? at->module != OBJ_NO_MODULE || at->vaddr > NGS_CALL_ANY
                : at->module >= count(r, OBJ_MODULES))
            return damaged(r, "a probe in an unknown module, or of an unknown system call");
    }
    return true;
}

static bool check_probe(const struct reader *r, const struct obj_probe *p)
{
    if (p->kind >= PROBE_KINDS || !check_string(r, p->name) || !check_string(r, p->event))
        return damaged(r, "bad probe");
    if (p->loc >= count(r, OBJ_LOCS) && p->loc != 0)
        return damaged(r, "a probe without its place");
    if (attach_has(p->kind, ATTACH_PERIOD) && (p->period < OBJ_MIN_PERIOD || p->period > INT64_MAX))
        return damaged(r, "a timer's period is out of range");
    if (attach_is_timer(p->kind) && p->jitter >= p->period)
        return damaged(r, "a timer's period may vary by more than it is long");
    if (!attach_in_user_space(p->kind)) {
        if (p->code_len)
            return damaged(r, "a kernel probe with code for user space");
        if (attach_has(p->kind, ATTACH_EVENT) && !*object_str(r->o, p->event))
            return damaged(r, "a probe without its event");
        return !(attach_has(p->kind, ATTACH_PLACES) || attach_has(p->kind, ATTACH_CALLS)) ||
               check_places(r, p);
    }
    if (p->code_len == 0 && !attach_has(p->kind, ATTACH_NO_CODE))
        return damaged(r, "a probe without code");
    if (attach_has(p->kind, ATTACH_FILE) &&
        (!is_file_name(object_str(r->o, p->event)) || p->umask > 0777 || p->period > OBJ_MAX_FILE))
        return damaged(r, "a probe of a file that cannot be");
    return (p->code_off <= r->o->user_code_len &&
            p->code_len <= r->o->user_code_len - p->code_off) ||
           damaged(r, "a probe's code lies outside of the code");
}

static bool check_module(const struct reader *r, const struct obj_module *m)
{
    struct build_id id;

    if (!check_string(r, m->path) || !check_string(r, m->build_id))
        return damaged(r, "bad module");
    if (m->build_id && !build_id_parse(object_str(r->o, m->build_id), &id))
        return damaged(r, "a module's build-id is none");
    return true;
}

static uint32_t string_size(const struct reader *r)
{
    return (uint32_t)NGS_STR_SIZE(r->o->h->maxstringlen);
}

/* Does a payload of this type fit at OFF of SIZE bytes, aligned? */
static bool payload_fits(const struct reader *r, uint32_t type, uint32_t off, uint32_t size,
                         uint32_t hist, const int64_t *args)
{
    uint64_t need = 8;

    if (off % 8 || off > size)
        return false;
    if (type == OBJ_STRING) {
        need = string_size(r);
    } else if (type == OBJ_STATS) {
        if (hist > NGS_HIST_LINEAR || (hist == NGS_HIST_LINEAR && !ngs_hist_buckets(hist, args)))
            return false;
        need = sizeof(struct ngs_stats) + (uint64_t)ngs_hist_buckets(hist, args) * 8;
    } else if (type != OBJ_LONG) {
        return false;
    }
    return need <= size - off;
}

/* Does a global fit? Its string has a struct ngs_shared around it. */
static bool global_fits(const struct reader *r, const struct obj_global *g)
{
    uint32_t size = r->o->h->globals_size;

    if (g->type == OBJ_STRING)
        return g->off % 8 == 0 && g->off <= size &&
               NGS_SHARED_SIZE((uint64_t)r->o->h->maxstringlen) <= size - g->off;
    return payload_fits(r, g->type, g->off, size, g->hist, g->hist_args);
}

static bool check_map(const struct reader *r, const struct obj_map *m)
{
    if (!check_string(r, m->name) || !check_string(r, m->map_name) || m->n_keys == 0 ||
        m->n_keys > OBJ_MAX_KEYS || m->key_size > OBJ_MAX_KEYS * 16 ||
        m->value_size > OBJ_MAX_VALUE || m->max_entries == 0 || m->max_entries > OBJ_MAX_ENTRIES)
        return damaged(r, "bad array");
    for (uint32_t k = 0; k < m->n_keys; k++) {
        bool text = m->key_type[k] == OBJ_STRING;

        if ((!text && m->key_type[k] != OBJ_LONG) || m->key_off[k] % 8 ||
            m->key_off[k] > m->key_size || m->key_size - m->key_off[k] < (text ? 16 : 8))
            return damaged(r, "bad key of an array");
        if (text ? !payload_fits(r, OBJ_STRING, m->text_off[k], m->value_size, 0, NULL)
                 : m->text_off[k] != 0)
            return damaged(r, "bad text of an array's key");
    }
    if (!payload_fits(r, m->val_type, m->val_off, m->value_size, m->hist, m->hist_args) ||
        (m->val_type == OBJ_STRING && m->val_off < 8)) /* its stamp */
        return damaged(r, "bad value of an array");
    return true;
}

static bool check_global(const struct reader *r, const struct obj_global *g)
{
    if (!check_string(r, g->name) || !check_string(r, g->init_str) || !global_fits(r, g))
        return damaged(r, "bad global variable");
    if (g->type == OBJ_STRING && strlen(object_str(r->o, g->init_str)) > r->o->h->maxstringlen)
        return damaged(r, "a global's initial value is too long");
    return true;
}

static bool check_format(const struct reader *r, const struct obj_format *f)
{
    if (!check_string(r, f->text) || f->n_args > OBJ_MAX_PRINT_ARGS)
        return damaged(r, "bad format");
    for (uint32_t i = 0; i < f->n_args; i++) {
        uint64_t type = f->arg_types >> (2 * i) & 3;

        if (type != OBJ_LONG && type != OBJ_STRING)
            return damaged(r, "bad argument of a format");
    }
    return true;
}

static bool check_rest(const struct reader *r, const struct obj_rest *p)
{
    uint32_t n = count(r, OBJ_VALUES);

    if (p->code_len == 0 || p->code_off > r->o->user_code_len ||
        p->code_len > r->o->user_code_len - p->code_off)
        return damaged(r, "the code of a handler's rest lies outside of the code");
    if (p->flags & ~(uint32_t)REST_F_EXITS)
        return damaged(r, "unknown flags of a handler's rest");
    if (p->value > n || p->n_values > n - p->value)
        return damaged(r, "bad values of a handler's rest");
    return p->loc < count(r, OBJ_LOCS) || p->loc == 0 || damaged(r, "a rest without its place");
}

static bool check_value(const struct reader *r, const struct obj_value *v)
{
    uint32_t need = v->type == OBJ_STRING ? string_size(r) : 8;

    return ((v->type == OBJ_LONG || v->type == OBJ_STRING) && v->off % 8 == 0 &&
            v->off >= sizeof(struct ngs_frame) && v->off <= r->o->h->frame_size &&
            need <= r->o->h->frame_size - v->off) ||
           damaged(r, "bad value of a handler's rest");
}

static bool check_records(const struct reader *r)
{
    const struct object *o = r->o;

    if (count(r, OBJ_STRINGS) == 0 || o->strings[0] || o->strings[count(r, OBJ_STRINGS) - 1])
        return damaged(r, "bad strings");
    if (count(r, OBJ_MODULES) > NGS_MAX_MODULES)
        return damaged(r, "too many modules");
    for (uint32_t i = 0; i < count(r, OBJ_MODULES); i++)
        if (!check_module(r, &o->modules[i]))
            return false;
    for (uint32_t i = 0; i < count(r, OBJ_PROBES); i++)
        if (!check_probe(r, &o->probes[i]))
            return false;
    for (uint32_t i = 0; i < count(r, OBJ_MAPS); i++)
        if (!check_map(r, &o->maps[i]))
            return false;
    for (uint32_t i = 0; i < count(r, OBJ_GLOBALS); i++)
        if (!check_global(r, &o->globals[i]))
            return false;
    for (uint32_t i = 0; i < count(r, OBJ_FORMATS); i++)
        if (!check_format(r, &o->formats[i]))
            return false;
    for (uint32_t i = 0; i < count(r, OBJ_RESTS); i++)
        if (!check_rest(r, &o->rests[i]))
            return false;
    for (uint32_t i = 0; i < count(r, OBJ_VALUES); i++)
        if (!check_value(r, &o->values[i]))
            return false;
    for (uint32_t i = 0; i < count(r, OBJ_LOCS); i++)
        if (!check_string(r, o->locs[i].file) || !check_string(r, o->locs[i].token))
            return damaged(r, "bad place");
    return true;
}

static bool check_hashed(const struct reader *r)
{
    const struct obj_header *h = r->o->h;
    const char *rodata = r->o->rodata;

    for (uint32_t k = 0; k < h->n_hashed; k++) {
        struct ngs_hashed one;
        struct ngs_str text;

        memcpy(&one, rodata + h->hashed + k * sizeof(one), sizeof(one));
        if (one.text > h->rodata_size || h->rodata_size - one.text < sizeof(text))
            return false;
        memcpy(&text, rodata + one.text, sizeof(text));
        if (text.len > h->maxstringlen || text.len > h->rodata_size - one.text - sizeof(text))
            return false;
    }
    return true;
}

static bool read_metadata(struct reader *r)
{
    struct object *o = r->o;
    size_t size, code_size, rodata_size, globals_size, control_size;
    bool bad = false;

    o->h = section_copy(r, ".ngstap.meta", &size);
    if (!check_header(r, o->h, size))
        return false;
    o->user_code = section_copy(r, ".ngstap.user", &code_size);
    if (code_size % 8)
        return damaged(r, "code of odd size");
    o->user_code_len = (uint32_t)(code_size / 8);
    o->rodata = section_copy(r, NGS_MAP_RODATA, &rodata_size);
    section_copy(r, NGS_MAP_GLOBALS, &globals_size);
    section_copy(r, NGS_MAP_CONTROL, &control_size);
    if (rodata_size != o->h->rodata_size || (globals_size && globals_size != o->h->globals_size) ||
        (control_size && control_size != sizeof(struct ngs_control)))
        return damaged(r, "data of a wrong size");
    if (!check_hashed(r))
        return damaged(r, "a hash without its text");
    o->strings = table(r, OBJ_STRINGS, size, 1, &bad);
    o->probes = table(r, OBJ_PROBES, size, sizeof(*o->probes), &bad);
    o->places = table(r, OBJ_PLACES, size, sizeof(*o->places), &bad);
    o->modules = table(r, OBJ_MODULES, size, sizeof(*o->modules), &bad);
    o->maps = table(r, OBJ_MAPS, size, sizeof(*o->maps), &bad);
    o->globals = table(r, OBJ_GLOBALS, size, sizeof(*o->globals), &bad);
    o->formats = table(r, OBJ_FORMATS, size, sizeof(*o->formats), &bad);
    o->locs = table(r, OBJ_LOCS, size, sizeof(*o->locs), &bad);
    o->rests = table(r, OBJ_RESTS, size, sizeof(*o->rests), &bad);
    o->values = table(r, OBJ_VALUES, size, sizeof(*o->values), &bad);
    return bad ? damaged(r, "bad tables") : check_records(r);
}

bool object_open(struct compile *cx, const void *elf, size_t size, struct object *out)
{
    struct reader r = {.cx = cx, .elf = elf, .size = size, .o = out};

    *out = (struct object){.elf = elf, .elf_size = size};
    return read_sections(&r) && check_links(&r) && check_code(&r) && read_metadata(&r);
}

const char *object_str(const struct object *o, uint32_t off)
{
    return o->strings + off;
}

bool object_has_kernel_probes(const struct object *o)
{
    for (uint32_t i = 0; i < o->h->table[OBJ_PROBES].n; i++)
        if (!attach_in_user_space(o->probes[i].kind))
            return true;
    return false;
}

void object_init_globals(const struct object *o, void *globals)
{
    for (uint32_t i = 0; i < o->h->table[OBJ_GLOBALS].n; i++) {
        const struct obj_global *g = &o->globals[i];
        void *at = (char *)globals + g->off;

        if (g->type == OBJ_LONG) {
            memcpy(at, &g->init, sizeof(g->init));
        } else if (g->type == OBJ_STRING) {
            struct ngs_shared *shared = at;
            struct ngs_str *text = ngs_shared_text(shared, 0, o->h->maxstringlen);
            const char *init = object_str(o, g->init_str); /* not too long: check_global */

            shared->next = 1;
            text->len = (uint32_t)strlen(init);
            memcpy(text->bytes, init, text->len + 1);
        } else {
            struct ngs_stats *stats = at;

            stats->min = INT64_MAX;
            stats->max = INT64_MIN;
        }
    }
}
