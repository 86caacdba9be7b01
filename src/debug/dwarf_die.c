/*
 * dwarf_die: what one DIE says. Enters: a DIE, an attribute's number; leaves: the attribute's
 * value. Refused: values in other forms than the attribute may have.
 */
#include <dwarf.h>

#include "debug/dwarf_priv.h"

bool die_type(Dwarf_Die *die, Dwarf_Die *out)
{
    Dwarf_Attribute attr;
    Dwarf_Die unit_type;

    if (!dwarf_attr_integrate(die, DW_AT_type, &attr) || !dwarf_formref_die(&attr, out))
        return false;
    /* A nameless declaration can stand for the type of a type unit (DWARF 4, 5.5.1). */
    if (dwarf_attr(out, DW_AT_signature, &attr) && dwarf_formref_die(&attr, &unit_type))
        *out = unit_type;
    return true;
}

bool die_flag(Dwarf_Die *die, unsigned attr)
{
    Dwarf_Attribute a;
    bool set = false;

    return dwarf_attr(die, attr, &a) && !dwarf_formflag(&a, &set) && set;
}

bool die_udata(Dwarf_Die *die, unsigned attr, uint64_t *out)
{
    Dwarf_Attribute a;
    Dwarf_Word value;

    if (!dwarf_attr_integrate(die, attr, &a) || dwarf_formudata(&a, &value))
        return false;
    *out = value;
    return true;
}

bool constant_of(Dwarf_Attribute *attr, bool is_signed, int64_t *out)
{
    Dwarf_Sword value;
    Dwarf_Word word;

    switch (dwarf_whatform(attr)) {
    case DW_FORM_data1:
    case DW_FORM_data2:
    case DW_FORM_data4:
        if (is_signed)
            break;
        if (dwarf_formudata(attr, &word))
            return false;
        *out = (int64_t)word;
        return true;
    default:
        break;
    }
    if (dwarf_formsdata(attr, &value))
        return false;
    *out = value;
    return true;
}

const char *die_name(Dwarf_Die *die)
{
    const char *name = dwarf_diename(die);

    return name && *name ? name : NULL;
}

/* DW_AT_data_member_location: a constant, or in DWARF 2 and 3 "DW_OP_plus_uconst N". Absent: 0
 * (unions). */
bool die_member_offset(Dwarf_Die *die, uint64_t *offset)
{
    Dwarf_Attribute attr;
    Dwarf_Word value;
    Dwarf_Op *ops;
    size_t n;

    *offset = 0;
    if (!dwarf_attr_integrate(die, DW_AT_data_member_location, &attr))
        return true;
    if (dwarf_whatform(&attr) != DW_FORM_sec_offset && !dwarf_formudata(&attr, &value)) {
        *offset = value;
        return true;
    }
    if (dwarf_getlocation(&attr, &ops, &n) || n != 1 ||
        (ops[0].atom != DW_OP_plus_uconst && ops[0].atom != DW_OP_constu))
        return false;
    *offset = ops[0].number;
    return true;
}
