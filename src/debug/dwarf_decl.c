/*
 * dwarf_decl: a type as it was declared, step by step, for who prints C. Enters: a type; leaves:
 * its own step (a typedef, a qualifier, a pointer ...), its direct members, enumerators,
 * parameters. Left out: members whose place is no constant.
 */
#include <dwarf.h>
#include <string.h>

#include "debug/dwarf_priv.h"

static enum cdecl_kind kind_of(int tag)
{
    switch (tag) {
    case DW_TAG_base_type:
        return CD_BASE;
    case DW_TAG_typedef:
        return CD_TYPEDEF;
    case DW_TAG_const_type:
        return CD_CONST;
    case DW_TAG_volatile_type:
        return CD_VOLATILE;
    case DW_TAG_restrict_type:
        return CD_RESTRICT;
    case DW_TAG_atomic_type:
        return CD_ATOMIC;
    case DW_TAG_pointer_type:
    case DW_TAG_reference_type:
    case DW_TAG_rvalue_reference_type:
        return CD_POINTER;
    case DW_TAG_array_type:
        return CD_ARRAY;
    case DW_TAG_structure_type:
    case DW_TAG_class_type:
        return CD_STRUCT;
    case DW_TAG_union_type:
        return CD_UNION;
    case DW_TAG_enumeration_type:
        return CD_ENUM;
    case DW_TAG_subroutine_type:
        return CD_FUNC;
    case DW_TAG_unspecified_type:
        return CD_VOID;
    default:
        return CD_OTHER;
    }
}

/* void is no type of its own here. */
static const struct ctype *or_void(const struct ctype *t)
{
    return t->is_void ? NULL : t;
}

/* Does dimension DIM of ARRAY say how many there are? */
static bool is_bounded(Dwarf_Die *array, uint64_t dim)
{
    Dwarf_Die child;
    uint64_t at = 0;

    if (dwarf_child(array, &child))
        return false;
    do {
        if (dwarf_tag(&child) == DW_TAG_subrange_type && at++ == dim)
            return dwarf_hasattr(&child, DW_AT_count) || dwarf_hasattr(&child, DW_AT_upper_bound);
    } while (at <= NESTING_MAX && dwarf_siblingof(&child, &child) == 0);
    return false;
}

void dw_decl(const struct ctype *t, struct cdecl *out)
{
    Dwarf_Die die = dies_of(t)->named;

    out->kind = kind_of(dwarf_tag(&die));
    if (out->kind == CD_STRUCT || out->kind == CD_UNION || out->kind == CD_ENUM) {
        out->self = ctype_complete(t);
        die = dies_of(out->self)->core;
        out->self = ctype_of_die(out->self->m, &die, 0);
        out->incomplete = die_flag(&die, DW_AT_declaration);
    } else if (out->kind == CD_ARRAY) {
        out->of = ctype_target(t);
        out->flexible = !is_bounded(&die, t->key.dim);
    } else if (out->kind != CD_BASE) {
        out->of = or_void(ctype_of(t->m, &die));
    }
    out->name = die_name(&die);
    out->prototyped = die_flag(&die, DW_AT_prototyped) || dwarf_haschildren(&die) > 0;
    if (!die_udata(&die, DW_AT_alignment, &out->align))
        out->align = 0;
}

/* In bits from the start of the struct. */
static bool place(Dwarf_Die *die, struct cfield *f)
{
    uint64_t offset, bits, bit, storage;

    if (die_flag(die, DW_AT_external) || !die_member_offset(die, &offset) ||
        __builtin_mul_overflow(offset, 8, &f->bit))
        return false;
    if (!die_udata(die, DW_AT_bit_size, &bits))
        return true;
    if (bits == 0 || bits > 128)
        return false;
    f->bit_size = (uint32_t)bits;
    if (die_udata(die, DW_AT_data_bit_offset, &bit))
        return !__builtin_add_overflow(f->bit, bit, &f->bit);
    if (!die_udata(die, DW_AT_bit_offset, &bit))
        return true;
    /* From the storage unit's most significant bit (DWARF 3, 5.5.6); gcc has it negative for what
     * is packed. */
    if (!die_udata(die, DW_AT_byte_size, &storage) || storage == 0 || storage > 16)
        storage = ctype_size(f->type);
    int64_t shift = (int64_t)(storage * 8) - (int64_t)bits - (int64_t)bit;

    if ((int64_t)bit < -1024 || (int64_t)bit > 1024 || (shift < 0 && f->bit < (uint64_t)-shift))
        return false;
    f->bit += (uint64_t)shift;
    return true;
}

void dw_fields(const struct ctype *t, dbg_field_fn *fn, void *arg)
{
    Dwarf_Die child;
    uint64_t visits = 0;

    bounds_file(t->m->path);
    if (dwarf_child(&dies_of(t)->named, &child))
        return;
    do {
        int tag = dwarf_tag(&child);
        struct cfield f = {0};

        if (tag != DW_TAG_member && tag != DW_TAG_inheritance)
            continue;
        f.type = ctype_of(t->m, &child);
        f.name = tag == DW_TAG_member ? die_name(&child) : NULL;
        if (!die_udata(&child, DW_AT_alignment, &f.align))
            f.align = 0;
        if (place(&child, &f))
            fn(&f, arg);
    } while (bounds_count(++visits, BOUND_DIES, "members") && dwarf_siblingof(&child, &child) == 0);
}

void dw_type_enumerators(const struct ctype *t, dbg_value_fn *fn, void *arg)
{
    Dwarf_Die child;
    uint64_t visits = 0;

    /* Compilers have what is negative in DW_FORM_sdata: DW_FORM_data1 is 0 to 255 also in an
     * enumeration that is signed. */
    bounds_file(t->m->path);
    if (dwarf_child(&dies_of(t)->named, &child))
        return;
    do {
        Dwarf_Attribute attr;
        int64_t value;
        const char *name = die_name(&child);

        if (dwarf_tag(&child) == DW_TAG_enumerator && name &&
            dwarf_attr(&child, DW_AT_const_value, &attr) && constant_of(&attr, false, &value))
            fn(name, value, arg);
    } while (bounds_count(++visits, BOUND_ENUMERATORS, "enumerators") &&
             dwarf_siblingof(&child, &child) == 0);
}

void dw_params(const struct ctype *t, dbg_type_fn *fn, void *arg)
{
    Dwarf_Die child;
    uint64_t visits = 0;

    bounds_file(t->m->path);
    if (dwarf_child(&dies_of(t)->named, &child))
        return;
    do {
        int tag = dwarf_tag(&child);

        if (tag == DW_TAG_formal_parameter)
            fn(ctype_of(t->m, &child), arg);
        else if (tag == DW_TAG_unspecified_parameters)
            fn(NULL, arg);
    } while (bounds_count(++visits, BOUND_DIES, "parameters") &&
             dwarf_siblingof(&child, &child) == 0);
}
