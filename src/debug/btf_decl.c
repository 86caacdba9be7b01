/*
 * btf_decl: the kernel's types as they were declared; what dwarf_decl.c is for DWARF. Enters: a
 * type of BTF; leaves: its own step, members, enumerators, parameters. BTF does not record
 * attributes: alignments are never said.
 */
#include "debug/btf_priv.h"

static const struct btf_type *record(const struct ctype *t)
{
    return btf__type_by_id(btf_of(t->m), t->id);
}

static enum cdecl_kind kind_of(const struct btf_type *b)
{
    switch (btf_kind(b)) {
    case BTF_KIND_INT:
    case BTF_KIND_FLOAT:
        return CD_BASE;
    case BTF_KIND_TYPEDEF:
        return CD_TYPEDEF;
    case BTF_KIND_CONST:
        return CD_CONST;
    case BTF_KIND_VOLATILE:
        return CD_VOLATILE;
    case BTF_KIND_RESTRICT:
        return CD_RESTRICT;
    case BTF_KIND_PTR:
        return CD_POINTER;
    case BTF_KIND_ARRAY:
        return CD_ARRAY;
    case BTF_KIND_STRUCT:
        return CD_STRUCT;
    case BTF_KIND_UNION:
        return CD_UNION;
    case BTF_KIND_FWD:
        return btf_kflag(b) ? CD_UNION : CD_STRUCT;
    case BTF_KIND_ENUM:
    case KIND_ENUM64:
        return CD_ENUM;
    case BTF_KIND_FUNC_PROTO:
        return CD_FUNC;
    default:
        return CD_OTHER;
    }
}

void btf_ctype_decl(const struct ctype *t, struct cdecl *out)
{
    const struct btf_type *b = record(t);

    for (int i = 0; b && btf_kind(b) == BTF_KIND_TYPE_TAG && i < CHAIN_MAX; i++) {
        t = btf_ctype_of(t->m, b->type);
        b = t ? record(t) : NULL;
    }
    out->self = t;
    if (!b)
        return;
    if (btf_is_fwd(b)) {
        t = btf_ctype_of(t->m, btf_complete(t->m, t->id));
        if (!t)
            return;
        b = record(t);
        out->self = t;
        out->incomplete = btf_is_fwd(b);
    }
    out->kind = kind_of(b);
    out->name = btf_name(t->m, b->name_off);
    out->prototyped = true;
    switch (out->kind) {
    case CD_ENUM:
        out->incomplete = btf_vlen(b) == 0;
        break;
    case CD_ARRAY:
        out->of = btf_ctype_of(t->m, btf_array(b)->type);
        break;
    case CD_TYPEDEF:
    case CD_CONST:
    case CD_VOLATILE:
    case CD_RESTRICT:
    case CD_POINTER:
    case CD_FUNC:
        out->of = btf_ctype_of(t->m, b->type);
        break;
    default:
        break;
    }
}

void btf_ctype_fields(const struct ctype *t, dbg_field_fn *fn, void *arg)
{
    const struct btf_type *b = record(t);

    if (!b || !btf_is_composite(b))
        return;
    const struct btf_member *members = btf_members(b);

    for (uint16_t i = 0; i < btf_vlen(b); i++) {
        struct cfield f = {.name = btf_name(t->m, members[i].name_off),
                           .type = btf_ctype_of(t->m, members[i].type),
                           .bit = btf_member_bit_offset(b, i),
                           .bit_size = btf_member_bitfield_size(b, i)};
        uint32_t id = btf_complete(t->m, members[i].type);
        const struct btf_type *core = id ? btf__type_by_id(btf_of(t->m), id) : NULL;

        if (!f.type || !core)
            continue;
        if (!f.bit_size && btf_is_int(core) && btf_int_bits(core) < core->size * 8) {
            f.bit_size = btf_int_bits(core); /* bit fields before Linux 5.0 */
            f.bit += btf_int_offset(core);
        }
        fn(&f, arg);
    }
}

void btf_ctype_enumerators(const struct ctype *t, dbg_value_fn *fn, void *arg)
{
    const struct btf_type *b = record(t);

    if (!b || (!btf_is_enum(b) && btf_kind(b) != KIND_ENUM64))
        return;
    for (uint16_t i = 0; i < btf_vlen(b); i++) {
        /* The name, then the value: 32 bits, or twice 32. */
        const uint32_t *e = (const uint32_t *)(b + 1) + (size_t)i * (btf_is_enum(b) ? 2 : 3);
        const char *name = btf_name(t->m, e[0]);
        int64_t value = !btf_is_enum(b)       ? (int64_t)(e[1] | (uint64_t)e[2] << 32)
                        : btf_ctype_signed(t) ? (int32_t)e[1]
                                              : (int64_t)e[1];

        if (name)
            fn(name, value, arg);
    }
}

void btf_ctype_params(const struct ctype *t, dbg_type_fn *fn, void *arg)
{
    const struct btf_type *b = record(t);

    if (!b || !btf_is_func_proto(b))
        return;
    const struct btf_param *params = btf_params(b);

    for (uint16_t i = 0; i < btf_vlen(b); i++)
        fn(btf_ctype_of(t->m, params[i].type), arg); /* 0 as the last one: the dots */
}
