/*
 * dwarf_member: members of structs and unions. Enters: a type, perhaps a name; leaves: offset, type
 * and place among the bits, also of what is inside anonymous members and base classes. Left out:
 * what lies deeper than NESTING_MAX; members whose place
 * is no constant.
 */
#include <dwarf.h>
#include <string.h>

#include "debug/dwarf_priv.h"

struct member_walk {
    const char *name; /* looked for; NULL: every one */
    void (*fn)(const struct cmember *m, void *arg);
    void *arg;
    struct cmember *out;
    unsigned visits;
};

/*
 * A bitfield's storage unit and place in it. DWARF 4 and 5: DW_AT_data_bit_offset, from the start
 * of the struct. Before: DW_AT_bit_offset from the storage unit's most significant bit (DWARF
 * 3, 5.5.6).
 */
static void place_bits(Dwarf_Die *die, struct cmember *m, uint64_t bits)
{
    uint64_t unit = ctype_size(m->type), storage, bit;

    if (unit == 0 || unit > 8 || bits == 0 || bits > unit * 8)
        return;
    if (die_udata(die, DW_AT_data_bit_offset, &bit)) {
        if (bit > (uint64_t)UINT32_MAX * 8)
            return;
        uint64_t start = bit / (unit * 8) * unit;

        if (bit - start * 8 + bits > unit * 8) /* packed: it straddles two units */
            start = bit / 8;
        m->offset += start;
        m->bit_off = (uint32_t)(bit - start * 8);
        m->bit_size = (uint32_t)bits;
    } else if (die_udata(die, DW_AT_bit_offset, &bit)) {
        if (!die_udata(die, DW_AT_byte_size, &storage) || storage == 0 || storage > 8)
            storage = unit;
        if (bit > storage * 8 || bit + bits > storage * 8)
            return;
        m->bit_off = (uint32_t)(storage * 8 - bit - bits);
        m->bit_size = (uint32_t)bits;
    } else { /* at bit 0 */
        m->bit_size = (uint32_t)bits;
    }
}

/* True: found, or everything seen that the bounds allow. */
static bool walk_members(struct dbg *m, Dwarf_Die *record, uint64_t base, int depth,
                         struct member_walk *w)
{
    Dwarf_Die child;

    if (depth > NESTING_MAX || dwarf_child(record, &child))
        return false;
    do {
        int tag = dwarf_tag(&child);
        uint64_t offset, bits;

        if (!bounds_count(++w->visits, BOUND_DIES, "members"))
            return false;
        if (tag != DW_TAG_member && tag != DW_TAG_inheritance)
            continue;
        if (die_flag(&child, DW_AT_external) || !die_member_offset(&child, &offset) ||
            __builtin_add_overflow(base, offset, &offset))
            continue;
        const char *name = tag == DW_TAG_member ? die_name(&child) : NULL;
        const struct ctype *type = ctype_of(m, &child);

        if (!name) { /* anonymous, or a base class: its members are ours */
            struct ctype *inner = ctype_complete(type);

            if ((inner->kind == CT_STRUCT || inner->kind == CT_UNION) &&
                walk_members(inner->m, &dies_of(inner)->core, offset, depth + 1, w))
                return true;
            continue;
        }
        if (w->name && strcmp(name, w->name))
            continue;
        struct cmember found = {.name = name, .type = type, .offset = offset};

        if (die_udata(&child, DW_AT_bit_size, &bits))
            place_bits(&child, &found, bits);
        if (w->name) {
            *w->out = found;
            return true;
        }
        w->fn(&found, w->arg);
    } while (dwarf_siblingof(&child, &child) == 0);
    return false;
}

bool dw_members(const struct ctype *t, const char *name, struct cmember *out, dbg_member_fn *fn,
                void *arg)
{
    struct ctype *w = ctype_complete(t);
    struct member_walk walk = {.name = name, .out = out, .fn = fn, .arg = arg};

    bounds_file(w->m->path);
    return (w->kind == CT_STRUCT || w->kind == CT_UNION) &&
           walk_members(w->m, &dies_of(w)->core, 0, 0, &walk);
}
