/*
 * pack_place: where a variable is, for a pack. Enters: a location's attribute; leaves: its
 * operations as bytes that lead nowhere else (no index into .debug_addr, no DIE), with lists in
 * DWARF 5's form (2.6.2, 7.7.3). Left out: operations that a script's reader refuses all the same;
 * such a place is an empty one, "optimized out".
 */
#include <dwarf.h>
#include <string.h>

#include "debug/pack.h"

void pack_put(struct pack_bytes *b, const void *p, size_t n)
{
    if (b->n + n > b->room) {
        size_t room = 2 * (b->n + n) + 64;
        uint8_t *v = arena_alloc(b->a, room);

        if (b->n)
            memcpy(v, b->v, b->n);
        b->v = v;
        b->room = room;
    }
    if (n)
        memcpy(b->v + b->n, p, n);
    b->n += n;
}

void pack_byte(struct pack_bytes *b, uint8_t byte)
{
    pack_put(b, &byte, 1);
}

void pack_uleb(struct pack_bytes *b, uint64_t n)
{
    do {
        pack_byte(b, (uint8_t)((n & 127) | (n > 127 ? 128 : 0)));
    } while (n >>= 7);
}

void pack_sleb(struct pack_bytes *b, int64_t n)
{
    for (;;) {
        uint8_t low = n & 127;

        n >>= 7;
        if ((n == 0 && !(low & 64)) || (n == -1 && low & 64)) {
            pack_byte(b, low);
            return;
        }
        pack_byte(b, low | 128);
    }
}

static bool operations(struct pack_bytes *b, Dwarf_Attribute *attr, Dwarf_Op *ops, size_t n,
                       int depth);

static bool entry_value(struct pack_bytes *b, Dwarf_Attribute *attr, Dwarf_Op *op, int depth)
{
    struct pack_bytes inside = {.a = b->a};
    Dwarf_Attribute inner;
    Dwarf_Op *ops;
    size_t n;

    if (depth || dwarf_getlocation_attr(attr, op, &inner) || dwarf_getlocation(&inner, &ops, &n) ||
        !operations(&inside, &inner, ops, n, depth + 1))
        return false;
    pack_byte(b, DW_OP_entry_value);
    pack_uleb(b, inside.n);
    pack_put(b, inside.v, inside.n);
    return true;
}

/* An index of .debug_addr: what is there. */
static bool indexed(struct pack_bytes *b, Dwarf_Attribute *attr, Dwarf_Op *op, uint8_t atom)
{
    Dwarf_Attribute inner;
    Dwarf_Addr addr;

    if (dwarf_getlocation_attr(attr, op, &inner) || dwarf_formaddr(&inner, &addr))
        return false;
    pack_byte(b, atom);
    if (atom == DW_OP_addr)
        pack_put(b, &addr, sizeof(addr));
    else
        pack_uleb(b, addr);
    return true;
}

static bool implicit_value(struct pack_bytes *b, Dwarf_Attribute *attr, Dwarf_Op *op)
{
    Dwarf_Block block;

    if (dwarf_getlocation_implicit_value(attr, op, &block))
        return false;
    pack_byte(b, DW_OP_implicit_value);
    pack_uleb(b, block.length);
    pack_put(b, block.data, block.length);
    return true;
}

/* Bytes of a fixed operand, after those of DWARF 5, 7.7.1; -1: none of those. */
static int operand_size(uint8_t atom)
{
    switch (atom) {
    case DW_OP_addr:
    case DW_OP_const8u:
    case DW_OP_const8s:
        return 8;
    case DW_OP_const4u:
    case DW_OP_const4s:
        return 4;
    case DW_OP_const2u:
    case DW_OP_const2s:
        return 2;
    case DW_OP_const1u:
    case DW_OP_const1s:
    case DW_OP_pick:
    case DW_OP_deref_size:
        return 1;
    default:
        return -1;
    }
}

static bool has_no_operand(uint8_t atom)
{
    return atom == DW_OP_deref || (atom >= DW_OP_dup && atom <= DW_OP_over) ||
           (atom >= DW_OP_swap && atom <= DW_OP_rot) || (atom >= DW_OP_abs && atom <= DW_OP_plus) ||
           (atom >= DW_OP_shl && atom <= DW_OP_xor) || (atom >= DW_OP_eq && atom <= DW_OP_ne) ||
           (atom >= DW_OP_lit0 && atom <= DW_OP_reg31) || atom == DW_OP_nop ||
           atom == DW_OP_call_frame_cfa || atom == DW_OP_stack_value ||
           atom == DW_OP_form_tls_address || atom == DW_OP_GNU_push_tls_address;
}

static bool operation(struct pack_bytes *b, Dwarf_Attribute *attr, Dwarf_Op *op, int depth)
{
    int size = operand_size(op->atom);

    switch (op->atom) {
    case DW_OP_addrx:
    case DW_OP_GNU_addr_index:
        return indexed(b, attr, op, DW_OP_addr);
    case DW_OP_constx:
    case DW_OP_GNU_const_index:
        return indexed(b, attr, op, DW_OP_constu);
    case DW_OP_entry_value:
    case DW_OP_GNU_entry_value:
        return entry_value(b, attr, op, depth);
    case DW_OP_implicit_value:
        return implicit_value(b, attr, op);
    case DW_OP_constu:
    case DW_OP_plus_uconst:
    case DW_OP_regx:
    case DW_OP_piece:
        pack_byte(b, op->atom);
        pack_uleb(b, op->number);
        return true;
    case DW_OP_consts:
    case DW_OP_fbreg:
        pack_byte(b, op->atom);
        pack_sleb(b, (int64_t)op->number);
        return true;
    case DW_OP_bregx:
        pack_byte(b, op->atom);
        pack_uleb(b, op->number);
        pack_sleb(b, (int64_t)op->number2);
        return true;
    case DW_OP_bit_piece:
        pack_byte(b, op->atom);
        pack_uleb(b, op->number);
        pack_uleb(b, op->number2);
        return true;
    default:
        break;
    }
    if (op->atom >= DW_OP_breg0 && op->atom <= DW_OP_breg31) {
        pack_byte(b, op->atom);
        pack_sleb(b, (int64_t)op->number);
        return true;
    }
    if (size < 0 && !has_no_operand(op->atom))
        return false;
    pack_byte(b, op->atom);
    pack_put(b, &op->number, size > 0 ? (size_t)size : 0); /* little-endian, as the file is */
    return true;
}

static bool operations(struct pack_bytes *b, Dwarf_Attribute *attr, Dwarf_Op *ops, size_t n,
                       int depth)
{
    for (size_t i = 0; i < n; i++)
        if (!operation(b, attr, &ops[i], depth))
            return false;
    return true;
}

/* Addresses count from where the list begins. */
static void add_range(struct pack_bytes *list, Dwarf_Addr *base, Dwarf_Addr start, Dwarf_Addr end,
                      const struct pack_bytes *place)
{
    if (start == 0 && end == (Dwarf_Addr)-1) {
        pack_byte(list, DW_LLE_default_location);
    } else {
        if (!list->n || start < *base) {
            *base = start;
            pack_byte(list, DW_LLE_base_address);
            pack_put(list, base, sizeof(*base));
        }
        pack_byte(list, DW_LLE_offset_pair);
        pack_uleb(list, start - *base);
        pack_uleb(list, end - *base);
    }
    pack_uleb(list, place->n);
    pack_put(list, place->v, place->n);
}

bool pack_place(struct arena *a, Dwarf_Die *die, unsigned name, struct pack_attr *out)
{
    struct pack_bytes list = {.a = a};
    Dwarf_Addr first = 0, base, start, end;
    Dwarf_Attribute attr;
    ptrdiff_t at = 0;
    Dwarf_Op *ops;
    size_t n;

    if (!dwarf_attr_integrate(die, name, &attr))
        return false;
    *out = (struct pack_attr){.name = (uint16_t)name, .form = DW_FORM_exprloc};
    if (!dwarf_getlocation(&attr, &ops, &n)) {
        if (!operations(&list, &attr, ops, n, 0) || !list.n)
            return false;
        out->bytes = list.v;
        out->size = (uint32_t)list.n;
        return true;
    }
    while (bounds_ok() && (at = dwarf_getlocations(&attr, at, &base, &start, &end, &ops, &n)) > 0) {
        struct pack_bytes place = {.a = a};

        if (!operations(&place, &attr, ops, n, 0))
            place.n = 0;
        add_range(&list, &first, start, end, &place);
    }
    if (!list.n)
        return false;
    pack_byte(&list, DW_LLE_end_of_list);
    out->form = DW_FORM_sec_offset;
    out->bytes = list.v;
    out->size = (uint32_t)list.n;
    return true;
}

/* DWARF 5, 7.25. */
bool pack_ranges(struct arena *a, Dwarf_Die *die, struct pack_attr *out)
{
    struct pack_bytes list = {.a = a};
    Dwarf_Addr base, low, high;
    ptrdiff_t at = 0;

    if (!dwarf_hasattr(die, DW_AT_ranges))
        return false;
    for (int i = 0; i < CHAIN_MAX && (at = dwarf_ranges(die, at, &base, &low, &high)) > 0; i++) {
        pack_byte(&list, DW_RLE_start_length);
        pack_put(&list, &low, sizeof(low));
        pack_uleb(&list, high - low);
    }
    if (!list.n)
        return false;
    pack_byte(&list, DW_RLE_end_of_list);
    *out = (struct pack_attr){.name = DW_AT_ranges,
                              .form = DW_FORM_sec_offset,
                              .bytes = list.v,
                              .size = (uint32_t)list.n};
    return true;
}
