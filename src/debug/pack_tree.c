/*
 * pack_tree: what is kept of a module for a pack. Enters: the names in its index, and the DIEs they
 * stand for; leaves: types with members and enumerators, variables, functions with their
 * parameters, each with no more than a script's questions are answered from. A type that is only
 * declared here and defined there is the defined one. Left out: lines, blocks and locals, calls.
 */
#include <dwarf.h>
#include <stdlib.h>
#include <string.h>

#include "debug/pack.h"

enum { ATTRS_MAX = 16 };

struct maker { /* of one DIE */
    struct pack *p;
    struct pack_attr v[ATTRS_MAX];
    uint32_t n;
};

static void add(struct maker *k, struct pack_attr attr)
{
    if (k->n < ATTRS_MAX)
        k->v[k->n++] = attr;
}

static void add_number(struct maker *k, unsigned name, unsigned form, uint64_t number)
{
    add(k, (struct pack_attr){.name = (uint16_t)name, .form = (uint16_t)form, .number = number});
}

static void add_text(struct maker *k, unsigned name, const char *text)
{
    if (text && strnlen(text, NAME_LEN_MAX) < NAME_LEN_MAX)
        add(k, (struct pack_attr){.name = (uint16_t)name, .form = DW_FORM_strp, .text = text});
}

static void add_flag(struct maker *k, unsigned name, bool set)
{
    if (set)
        add_number(k, name, DW_FORM_flag_present, 0);
}

/* A constant of DIE, as it is. */
static void copy_number(struct maker *k, Dwarf_Die *die, unsigned name)
{
    uint64_t n;

    if (die_udata(die, name, &n))
        add_number(k, name, (int64_t)n < 0 ? DW_FORM_sdata : DW_FORM_udata, n);
}

static void copy_type(struct maker *k, Dwarf_Die *die)
{
    Dwarf_Die type;

    if (die_type(die, &type))
        add(k, (struct pack_attr){.name = DW_AT_type,
                                  .form = DW_FORM_ref_addr,
                                  .type = pack_type_of(k->p, &type)});
}

static void finish(struct maker *k, unsigned tag, struct pack_die *out)
{
    out->tag = (uint16_t)tag;
    out->n = (uint16_t)k->n;
    out->attrs = k->n ? ARENA_ARRAY(k->p->a, struct pack_attr, k->n) : NULL;
    if (k->n)
        memcpy(out->attrs, k->v, k->n * sizeof(*k->v));
}

static void append_to(struct pack_die *die, struct pack_die ***last)
{
    **last = die;
    *last = &die->next;
}

static struct pack_die *append(struct maker *k, unsigned tag, struct pack_die ***last)
{
    struct pack_die *die = ARENA_NEW(k->p->a, struct pack_die);

    finish(k, tag, die);
    append_to(die, last);
    return die;
}

/* ---- types ---- */

/* The definition of what DIE declares, if the module has it. */
static void define(struct dbg *m, Dwarf_Die *die)
{
    const struct index *x = dw_index(m);
    const struct index_entry *e;
    const char *name = die_name(die);
    Dwarf_Attribute signature;
    int tag = dwarf_tag(die);

    if (dwarf_attr(die, DW_AT_signature, &signature)) { /* as in dw_kind */
        Dwarf_Die unit_type;

        if (dwarf_formref_die(&signature, &unit_type))
            *die = unit_type;
    }
    if (!x || !name || !die_flag(die, DW_AT_declaration) ||
        (tag != DW_TAG_structure_type && tag != DW_TAG_class_type && tag != DW_TAG_union_type &&
         tag != DW_TAG_enumeration_type))
        return;
    for (uint32_t n = index_find(x, INDEX_TYPES, name, &e); n; n--, e++)
        if (e->tag == tag && !(e->flags & ENTRY_DECLARATION) && index_die(m, e, die))
            return;
}

struct pack_type *pack_type_of(struct pack *p, Dwarf_Die *die)
{
    struct pack_type *t;
    Dwarf_Die from = *die;

    define(p->m, &from);
    HASH_FIND(hh, p->by_record, &from.addr, sizeof(from.addr), t);
    if (t)
        return t;
    t = ARENA_NEW(p->a, struct pack_type);
    t->from = from;
    t->record = from.addr;
    HASH_ADD(hh, p->by_record, record, sizeof(t->record), t);
    *p->last_type = t;
    p->last_type = &t->next;
    p->n_types++;
    return t;
}

static bool add_member(struct maker *k, Dwarf_Die *die)
{
    uint64_t offset;

    if (die_flag(die, DW_AT_external) || !die_member_offset(die, &offset))
        return false;
    add_text(k, DW_AT_name, die_name(die));
    copy_type(k, die);
    if (dwarf_hasattr(die, DW_AT_data_member_location))
        add_number(k, DW_AT_data_member_location, DW_FORM_udata, offset);
    copy_number(k, die, DW_AT_bit_size);
    copy_number(k, die, DW_AT_data_bit_offset);
    copy_number(k, die, DW_AT_bit_offset);
    copy_number(k, die, DW_AT_byte_size);
    copy_number(k, die, DW_AT_alignment);
    return true;
}

/* What is negative has a form of its own: see dw_type_enumerators. */
static void add_constant(struct maker *k, int64_t value)
{
    add_number(k, DW_AT_const_value, value < 0 ? DW_FORM_sdata : DW_FORM_udata, (uint64_t)value);
}

/* What a type's child is to it; false: nothing. */
static bool add_part(struct maker *k, Dwarf_Die *die)
{
    Dwarf_Attribute attr;
    int64_t value;

    switch (dwarf_tag(die)) {
    case DW_TAG_member:
    case DW_TAG_inheritance:
        return add_member(k, die);
    case DW_TAG_enumerator:
        if (!dwarf_attr(die, DW_AT_const_value, &attr) || !constant_of(&attr, false, &value))
            return false;
        add_text(k, DW_AT_name, die_name(die));
        add_constant(k, value);
        return true;
    case DW_TAG_subrange_type:
        copy_number(k, die, DW_AT_count);
        copy_number(k, die, DW_AT_upper_bound);
        return true;
    case DW_TAG_formal_parameter:
        copy_type(k, die);
        return true;
    case DW_TAG_unspecified_parameters:
        return true;
    default:
        return false;
    }
}

static void add_parts(struct pack *p, Dwarf_Die *die, struct pack_die **last)
{
    Dwarf_Die child;
    uint64_t visits = 0;

    if (dwarf_child(die, &child))
        return;
    do {
        struct maker k = {.p = p};

        if (add_part(&k, &child))
            append(&k, (unsigned)dwarf_tag(&child), &last);
    } while (bounds_count(++visits, BOUND_ENUMERATORS, "members") &&
             dwarf_siblingof(&child, &child) == 0);
}

void pack_fill_type(struct pack *p, struct pack_type *t)
{
    struct maker k = {.p = p};
    Dwarf_Die *die = &t->from;

    add_text(&k, DW_AT_name, die_name(die));
    copy_number(&k, die, DW_AT_byte_size);
    copy_number(&k, die, DW_AT_encoding);
    copy_number(&k, die, DW_AT_alignment);
    add_flag(&k, DW_AT_declaration, die_flag(die, DW_AT_declaration));
    add_flag(&k, DW_AT_prototyped, die_flag(die, DW_AT_prototyped));
    copy_type(&k, die);
    finish(&k, (unsigned)dwarf_tag(die), &t->die);
    add_parts(p, die, &t->die.child);
}

void pack_declare_type(struct pack *p, struct pack_type *t)
{
    struct maker k = {.p = p};

    add_text(&k, DW_AT_name, die_name(&t->from));
    add_flag(&k, DW_AT_declaration, true);
    finish(&k, (unsigned)dwarf_tag(&t->from), &t->die);
}

/* ---- declarations that code leads to ---- */

struct pack_origin {
    const void *record;
    struct pack_die die;
    UT_hash_handle hh;
};

/* NULL: it is none that is kept. */
static struct pack_die *origin_of(struct pack *p, Dwarf_Die *die)
{
    struct pack_origin *o;

    HASH_FIND(hh, p->origins, &die->addr, sizeof(die->addr), o);
    return o ? &o->die : NULL;
}

static void keep_origin(struct pack *p, const struct index_entry *e)
{
    struct pack_origin *o;
    Dwarf_Die die;

    if (!index_die(p->m, e, &die) || origin_of(p, &die))
        return;
    o = ARENA_NEW(p->a, struct pack_origin);
    o->record = die.addr;
    HASH_ADD(hh, p->origins, record, sizeof(o->record), o);
}

static bool add_origin(struct maker *k, Dwarf_Die *die)
{
    Dwarf_Die origin;
    struct pack_die *to;

    func_origin(die, &origin);
    to = origin.addr != die->addr ? origin_of(k->p, &origin) : NULL;
    if (to)
        add(k,
            (struct pack_attr){.name = DW_AT_abstract_origin, .form = DW_FORM_ref_addr, .die = to});
    return to != NULL;
}

/* ---- variables and functions ---- */

static void add_place(struct maker *k, Dwarf_Die *die, unsigned name)
{
    struct pack_attr attr;

    if (pack_place(k->p->a, die, name, &attr))
        add(k, attr);
}

static bool flag_integrated(Dwarf_Die *die, unsigned name)
{
    Dwarf_Attribute attr;
    bool set = false;

    return dwarf_attr_integrate(die, name, &attr) && !dwarf_formflag(&attr, &set) && set;
}

static void add_variable(struct maker *k, Dwarf_Die *die)
{
    add_text(k, DW_AT_name, die_name(die));
    copy_type(k, die);
    add_flag(k, DW_AT_external, flag_integrated(die, DW_AT_external));
    add_flag(k, DW_AT_declaration, die_flag(die, DW_AT_declaration));
    add_place(k, die, DW_AT_location);
}

static void add_parameter(struct maker *k, Dwarf_Die *die)
{
    Dwarf_Attribute attr;
    int64_t value;

    add_text(k, DW_AT_name, die_name(die));
    copy_type(k, die);
    if (dwarf_attr_integrate(die, DW_AT_const_value, &attr) &&
        constant_of(&attr, ctype_signed(ctype_of(k->p->m, die)), &value))
        add_number(k, DW_AT_const_value, DW_FORM_sdata, (uint64_t)value);
    else
        add_place(k, die, DW_AT_location);
}

/* Those that FUNCTION itself lists: what its declaration has besides is asked there. */
static void add_parameters(struct pack *p, Dwarf_Die *function, struct pack_die **last)
{
    Dwarf_Die child;
    uint64_t visits = 0;

    if (dwarf_child(function, &child))
        return;
    do {
        int tag = dwarf_tag(&child);
        struct maker k = {.p = p};

        if (tag == DW_TAG_formal_parameter)
            add_parameter(&k, &child);
        if (tag == DW_TAG_formal_parameter || tag == DW_TAG_unspecified_parameters)
            append(&k, (unsigned)tag, &last);
    } while (bounds_count(++visits, BOUND_DIES, "parameters") &&
             dwarf_siblingof(&child, &child) == 0);
}

/* The number of the file that declares it, where that is not the unit's own. */
static void add_file(struct maker *k, Dwarf_Die *die, struct pack_unit *u)
{
    const char *file = func_file(die, u->name);
    uint32_t i = 0;

    if (!strcmp(file, u->name))
        return;
    while (i < u->n_files && strcmp(u->files[i], file) != 0)
        i++;
    if (i == u->n_files) {
        u->files = arena_grow(k->p->a, u->files, u->n_files, sizeof(*u->files));
        u->files[u->n_files++] = file;
    }
    add_number(k, DW_AT_decl_file, DW_FORM_udata, i + 2);
}

static void add_code(struct maker *k, Dwarf_Die *die)
{
    Dwarf_Addr low, high;
    struct pack_attr ranges;

    if (!dwarf_lowpc(die, &low)) {
        add_number(k, DW_AT_low_pc, DW_FORM_addr, low);
        if (!dwarf_highpc(die, &high) && high > low)
            add_number(k, DW_AT_high_pc, DW_FORM_udata, high - low);
    } else if (pack_ranges(k->p->a, die, &ranges)) {
        add(k, ranges);
    }
}

static void add_function(struct maker *k, Dwarf_Die *die, const struct index_entry *e,
                         struct pack_unit *u)
{
    if (!(e->flags & ENTRY_INLINE)) {
        add_code(k, die);
        add_place(k, die, DW_AT_frame_base);
        if (add_origin(k, die)) /* which says the rest */
            return;
    }
    add_text(k, DW_AT_name, die_name(die));
    add_flag(k, DW_AT_external, flag_integrated(die, DW_AT_external));
    add_file(k, die, u);
    copy_number(k, die, DW_AT_decl_line);
    copy_type(k, die);
    copy_number(k, die, DW_AT_inline);
}

/* ---- inlined functions ---- */

/* What is in one another is side by side in the pack. */
struct inlining {
    struct pack *p;
    Dwarf_Die *code;
    struct pack_die **last; /* where the next one goes */
};

static void add_inlined(void *arg, Dwarf_Die *die)
{
    struct inlining *in = arg;
    struct maker k = {.p = in->p};
    struct dbg_func f;

    if (!func_of_inlined(in->p->m, die, in->code, die_name(die), &f) || !add_origin(&k, die))
        return;
    add_number(&k, DW_AT_low_pc, DW_FORM_addr, f.entry);
    struct pack_die *made = append(&k, DW_TAG_inlined_subroutine, &in->last);

    add_parameters(in->p, die, &made->child);
}

static void add_all_inlined(struct pack *p, const struct index_entry *e, struct pack_die *made)
{
    Dwarf_Die die;
    struct inlining in = {p, &die, &made->child};

    while (*in.last)
        in.last = &(*in.last)->next;
    if (index_die(p->m, e, &die))
        func_each_inlined(&die, add_inlined, &in);
}

/* ---- all of it ---- */

static int by_order(const void *a, const void *b)
{
    const struct index_entry *x = *(const struct index_entry *const *)a,
                             *y = *(const struct index_entry *const *)b;

    return x->order < y->order ? -1 : x->order > y->order;
}

/* The unit NAME, as the last one. */
static struct pack_unit *begin_unit(struct pack *p, const char *name)
{
    struct pack_unit *u = p->unit;

    if (!u || u->name != name) {
        u = ARENA_NEW(p->a, struct pack_unit);
        u->name = name;
        u->last = &u->first;
        *(p->unit ? &p->unit->next : &p->units) = u;
        p->unit = u;
    }
    return u;
}

void pack_declare(struct pack *p, const char *unit, Dwarf_Die *variable)
{
    struct pack_unit *u = begin_unit(p, unit);
    struct maker k = {.p = p};

    add_text(&k, DW_AT_name, die_name(variable));
    copy_type(&k, variable);
    add_flag(&k, DW_AT_external, true);
    add_flag(&k, DW_AT_declaration, true);
    append(&k, DW_TAG_variable, &u->last);
}

/* NULL: there is no such DIE. */
static struct pack_die *add_entry(struct pack *p, const struct index *x,
                                  const struct index_entry *e)
{
    struct maker k = {.p = p};
    struct pack_unit *u;
    Dwarf_Die die;

    if (!index_die(p->m, e, &die))
        return NULL;
    u = begin_unit(p, x->names + e->cu);
    if (e->tag == DW_TAG_variable)
        add_variable(&k, &die);
    else
        add_function(&k, &die, e, u);
    struct pack_die *made = e->flags & ENTRY_INLINE ? origin_of(p, &die) : NULL;

    if (!made)
        made = ARENA_NEW(p->a, struct pack_die);
    finish(&k, e->tag, made);
    append_to(made, &u->last);
    if (e->tag == DW_TAG_subprogram)
        add_parameters(p, &die, &made->child);
    return made;
}

static void add_enumerators(struct pack *p, const struct index *x)
{
    struct maker none = {.p = p};
    struct pack_die **last;

    p->enumerators = ARENA_NEW(p->a, struct pack_die);
    finish(&none, DW_TAG_enumeration_type, p->enumerators);
    last = &p->enumerators->child;
    for (uint32_t i = 0; i < x->n[INDEX_ENUMERATORS]; i++) {
        const struct index_entry *e = &x->v[INDEX_ENUMERATORS][i];
        struct maker k = {.p = p};

        add_text(&k, DW_AT_name, index_name(x, e));
        add_constant(&k, (int64_t)e->die);
        append(&k, DW_TAG_enumerator, &last);
    }
}

void pack_tree(struct pack *p)
{
    static const enum index_class classes[] = {INDEX_TYPES, INDEX_VARIABLES, INDEX_FUNCTIONS};
    const struct index *x = dw_index(p->m);
    uint32_t n = 0;

    p->last_type = &p->types;
    if (!x)
        return;
    const struct index_entry **v =
        ARENA_ARRAY(p->a, const struct index_entry *,
                    (size_t)x->n[INDEX_TYPES] + x->n[INDEX_VARIABLES] + x->n[INDEX_FUNCTIONS] + 1);

    for (size_t c = 0; c < sizeof(classes) / sizeof(*classes); c++)
        for (uint32_t i = 0; i < x->n[classes[c]]; i++)
            v[n++] = &x->v[classes[c]][i];
    qsort(v, n, sizeof(*v), by_order); /* as the units have them */
    /* Types that have names come first, since of one name the first is it. */
    for (uint32_t i = 0; i < n && bounds_ok(); i++) {
        Dwarf_Die die;

        if (v[i]->tag != DW_TAG_variable && v[i]->tag != DW_TAG_subprogram &&
            index_die(p->m, v[i], &die))
            pack_type_of(p, &die);
    }
    add_enumerators(p, x);
    struct pack_die **made = ARENA_ARRAY(p->a, struct pack_die *, n + 1);

    for (uint32_t i = 0; i < n && bounds_ok(); i++)
        if (v[i]->flags & ENTRY_INLINE)
            keep_origin(p, v[i]);
    for (uint32_t i = 0; i < n && bounds_ok(); i++)
        if (v[i]->tag == DW_TAG_variable || v[i]->tag == DW_TAG_subprogram)
            made[i] = add_entry(p, x, v[i]);
    for (uint32_t i = 0; i < n && bounds_ok(); i++)
        if (made[i] && v[i]->tag == DW_TAG_subprogram && !(v[i]->flags & ENTRY_INLINE))
            add_all_inlined(p, v[i], made[i]);
    for (struct pack_type *t = p->types; t && bounds_ok(); t = t->next)
        pack_fill_type(p, t); /* which adds those that it leads to */
    HASH_CLEAR(hh, p->by_record);
    HASH_CLEAR(hh, p->origins);
}
