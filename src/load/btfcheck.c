/*
 * btfcheck: checks .BTF, symbols and relocations before libbpf sees them: libbpf up to 1.2 follows
 * type ids and offsets without looking. Enters: sections' bytes; leaves: yes, or an error. Only the
 * kinds of types that ngstap writes are let through, each reference to a type of the kind that it
 * must be, in the form of cg/btf.c; places where a value would be followed (names, ids, sizes,
 * symbol and section indexes) are in range.
 */
#include "load/object.h"

#include <elf.h>
#include <linux/btf.h>
#include <string.h>

#include "base/arena.h"
#include "base/diag.h"

enum { TYPES_MAX = 1 << 16 };

struct btf_reader {
    struct compile *cx;
    struct btf_header h;
    const char *types, *strings;
    const struct btf_type **v; /* by id; [0]: void, NULL */
    uint32_t n;
};

static bool bad(const struct btf_reader *b, const char *what)
{
    return object_damaged(b->cx, what);
}

static uint32_t kind_at(const struct btf_reader *b, uint32_t id)
{
    return id < b->n && b->v[id] ? BTF_INFO_KIND(b->v[id]->info) : BTF_KIND_UNKN;
}

/* Bytes that follow the type; UINT32_MAX: not a kind of ours. */
static uint32_t extra_bytes(const struct btf_type *t)
{
    uint32_t n = BTF_INFO_VLEN(t->info);

    switch (BTF_INFO_KIND(t->info)) {
    case BTF_KIND_INT:
        return 4;
    case BTF_KIND_PTR:
    case BTF_KIND_FUNC:
        return 0;
    case BTF_KIND_ARRAY:
        return sizeof(struct btf_array);
    case BTF_KIND_STRUCT:
        return n * (uint32_t)sizeof(struct btf_member);
    case BTF_KIND_FUNC_PROTO:
        return n * (uint32_t)sizeof(struct btf_param);
    case BTF_KIND_VAR:
        return sizeof(struct btf_var);
    case BTF_KIND_DATASEC:
        return n * (uint32_t)sizeof(struct btf_var_secinfo);
    default:
        return UINT32_MAX;
    }
}

static bool read_types(struct btf_reader *b)
{
    uint32_t off = 0;

    b->v = arena_grow(b->cx->arena, NULL, 0, sizeof(*b->v));
    b->n = 1;
    while (off < b->h.type_len) {
        const struct btf_type *t = (const struct btf_type *)(b->types + off);

        if (b->h.type_len - off < sizeof(*t) || b->n >= TYPES_MAX)
            return bad(b, "its types are cut");
        uint32_t extra = extra_bytes(t);

        off += (uint32_t)sizeof(*t);
        if (extra == UINT32_MAX || b->h.type_len - off < extra || t->name_off >= b->h.str_len)
            return bad(b, "a bad type");
        off += extra;
        b->v = arena_grow(b->cx->arena, b->v, b->n, sizeof(*b->v));
        b->v[b->n++] = t;
    }
    return true;
}

/* A type whose size is told without end: it refers to types before it only. */
static bool earlier(const struct btf_reader *b, uint32_t id, uint32_t to)
{
    return to > 0 && to < id && kind_at(b, to) != BTF_KIND_FUNC &&
           kind_at(b, to) != BTF_KIND_DATASEC && kind_at(b, to) != BTF_KIND_VAR &&
           kind_at(b, to) != BTF_KIND_FUNC_PROTO;
}

static bool check_struct(const struct btf_reader *b, uint32_t id)
{
    const struct btf_type *t = b->v[id];
    const struct btf_member *m = (const struct btf_member *)(t + 1);

    for (uint32_t i = 0; i < BTF_INFO_VLEN(t->info); i++)
        if (m[i].name_off >= b->h.str_len || !earlier(b, id, m[i].type))
            return false;
    return true;
}

static bool check_proto(const struct btf_reader *b, uint32_t id)
{
    const struct btf_type *t = b->v[id];
    const struct btf_param *p = (const struct btf_param *)(t + 1);

    if (!earlier(b, id, t->type))
        return false;
    for (uint32_t i = 0; i < BTF_INFO_VLEN(t->info); i++)
        if (p[i].name_off >= b->h.str_len || !earlier(b, id, p[i].type))
            return false;
    return true;
}

/* Of libbpf's others, "pinning" would take the maps of other programs by name. */
static bool is_map_member(const char *name)
{
    static const char *const known[] = {"type", "max_entries", "map_flags", "key_size",
                                        "value_size"};

    for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++)
        if (!strcmp(name, known[i]))
            return true;
    return false;
}

/* Members of a map's definition are pointers to arrays, whose lengths are the values. */
static bool check_map_def(const struct btf_reader *b, uint32_t id)
{
    const struct btf_type *t = b->v[id];
    const struct btf_member *m = (const struct btf_member *)(t + 1);

    if (kind_at(b, id) != BTF_KIND_STRUCT)
        return false;
    for (uint32_t i = 0; i < BTF_INFO_VLEN(t->info); i++)
        if (!is_map_member(b->strings + m[i].name_off) || kind_at(b, m[i].type) != BTF_KIND_PTR ||
            kind_at(b, b->v[m[i].type]->type) != BTF_KIND_ARRAY)
            return false;
    return true;
}

static bool check_datasec(const struct btf_reader *b, uint32_t id)
{
    const struct btf_type *t = b->v[id];
    const struct btf_var_secinfo *v = (const struct btf_var_secinfo *)(t + 1);
    bool maps = !strcmp(b->strings + t->name_off, ".maps");

    for (uint32_t i = 0; i < BTF_INFO_VLEN(t->info); i++) {
        if (kind_at(b, v[i].type) != BTF_KIND_VAR || v[i].offset > t->size ||
            v[i].size > t->size - v[i].offset)
            return false;
        if (maps && !check_map_def(b, b->v[v[i].type]->type))
            return false;
    }
    return true;
}

static bool check_type(const struct btf_reader *b, uint32_t id)
{
    const struct btf_type *t = b->v[id];
    const struct btf_array *a = (const struct btf_array *)(t + 1);

    switch (BTF_INFO_KIND(t->info)) {
    case BTF_KIND_INT:
        return t->size == 1 || t->size == 2 || t->size == 4 || t->size == 8;
    case BTF_KIND_PTR:
        return t->type == 0 || earlier(b, id, t->type);
    case BTF_KIND_ARRAY:
        return earlier(b, id, a->type) && earlier(b, id, a->index_type) &&
               kind_at(b, a->index_type) == BTF_KIND_INT;
    case BTF_KIND_STRUCT:
        return check_struct(b, id);
    case BTF_KIND_FUNC:
        return kind_at(b, t->type) == BTF_KIND_FUNC_PROTO;
    case BTF_KIND_FUNC_PROTO:
        return check_proto(b, id);
    case BTF_KIND_VAR:
        return earlier(b, id, t->type);
    default:
        return check_datasec(b, id);
    }
}

bool object_check_btf(struct compile *cx, const void *data, size_t size)
{
    struct btf_reader b = {.cx = cx};

    if (size < sizeof(b.h))
        return bad(&b, "its types are cut");
    memcpy(&b.h, data, sizeof(b.h));
    if (b.h.magic != BTF_MAGIC || b.h.version != BTF_VERSION || b.h.hdr_len != sizeof(b.h) ||
        b.h.flags || b.h.type_off % 4 || b.h.type_off > size - sizeof(b.h) ||
        b.h.type_len > size - sizeof(b.h) - b.h.type_off || b.h.str_off > size - sizeof(b.h) ||
        b.h.str_len > size - sizeof(b.h) - b.h.str_off || b.h.str_len == 0)
        return bad(&b, "bad header of its types");
    b.types = (const char *)data + sizeof(b.h) + b.h.type_off;
    b.strings = (const char *)data + sizeof(b.h) + b.h.str_off;
    if (b.strings[0] || b.strings[b.h.str_len - 1])
        return bad(&b, "bad names of its types");
    if (!read_types(&b))
        return false;
    for (uint32_t id = 1; id < b.n; id++)
        if (!check_type(&b, id))
            return bad(&b, "a bad type");
    return true;
}

bool object_check_symbols(struct compile *cx, const void *data, size_t size, const char *strings,
                          size_t strings_size, uint32_t n_sections)
{
    const Elf64_Sym *s = data;

    if (size % sizeof(*s))
        return object_damaged(cx, "its symbols are cut");
    for (size_t i = 0; i < size / sizeof(*s); i++)
        if (s[i].st_name >= strings_size ||
            (i && (s[i].st_shndx == SHN_UNDEF || s[i].st_shndx >= n_sections)))
            return object_damaged(cx, "a bad symbol");
    return strings_size > 0 && !strings[strings_size - 1]
               ? true
               : object_damaged(cx, "bad names of symbols");
}

bool object_check_relocs(struct compile *cx, const void *data, size_t size, uint64_t target_size,
                         size_t n_syms)
{
    const Elf64_Rel *r = data;

    if (size % sizeof(*r))
        return object_damaged(cx, "its relocations are cut");
    for (size_t i = 0; i < size / sizeof(*r); i++)
        if (r[i].r_offset % 8 || r[i].r_offset >= target_size || ELF64_R_SYM(r[i].r_info) == 0 ||
            ELF64_R_SYM(r[i].r_info) >= n_syms)
            return object_damaged(cx, "a bad relocation");
    return true;
}
