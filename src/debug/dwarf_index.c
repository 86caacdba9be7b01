/*
 * dwarf_index: the names of a module, with the DIEs they stand for. Enters: its debug information;
 * leaves: one block of memory with sorted tables, which is also the format of the cache file.
 * One walk over the top-level DIEs of every unit; of types of one name and tag the first complete
 * one is kept, of variables and functions every definition. Left out: units whose DIEs are in a
 * .dwo file, names longer than NAME_LEN_MAX, what is declared inside functions and namespaces.
 */
#include <dwarf.h>
#include <stdlib.h>
#include <string.h>

#include "debug/dwarf_priv.h"
#include "debug/index_format.h"

/* What is known of a name while the walk goes on. */
struct name {
    const char *text;
    uint32_t off;
    uint32_t complete, declared; /* bit per type tag */
    bool var_declared, enumerator;
    UT_hash_handle hh;
};

struct builder {
    struct arena *a;
    struct name *names;
    uint64_t names_size;
    struct index_entry *v[INDEX_CLASSES];
    uint32_t n[INDEX_CLASSES];
    uint32_t order;
    uint32_t cu; /* offset of the unit's name */
    uint16_t unit_flags;
};

static struct name *name_of(struct builder *b, const char *text)
{
    struct name *n;
    size_t len = strnlen(text, NAME_LEN_MAX);

    if (len == NAME_LEN_MAX || !bounds_count(b->names_size, BOUND_NAMES, "bytes of names"))
        return NULL;
    HASH_FIND(hh, b->names, text, (unsigned)len, n);
    if (n)
        return n;
    n = ARENA_NEW(b->a, struct name);
    n->text = text;
    n->off = (uint32_t)b->names_size;
    b->names_size += len + 1;
    HASH_ADD_KEYPTR(hh, b->names, n->text, (unsigned)len, n);
    return n;
}

static void add(struct builder *b, enum index_class c, const struct name *n, uint64_t die, int tag,
                unsigned flags)
{
    if (!bounds_count(b->n[c], BOUND_ENTRIES - 1, "names"))
        return;
    b->v[c] = arena_grow(b->a, b->v[c], b->n[c], sizeof(**b->v));
    b->v[c][b->n[c]++] = (struct index_entry){
        .die = die,
        .name = n->off,
        .cu = b->cu,
        .tag = (uint16_t)tag,
        .flags = (uint16_t)flags,
        .order = b->order++,
    };
}

static uint32_t tag_bit(int tag)
{
    switch (tag) {
    case DW_TAG_typedef:
        return 1;
    case DW_TAG_base_type:
        return 2;
    case DW_TAG_structure_type:
    case DW_TAG_class_type:
        return 4;
    case DW_TAG_union_type:
        return 8;
    default:
        return 16;
    }
}

/* Enumerations are walked into; the same header in another unit is known by its first
 * enumerator. */
static void add_enumerators(struct builder *b, Dwarf_Die *die)
{
    Dwarf_Die child;
    bool first = true;

    if (dwarf_child(die, &child))
        return;
    do {
        Dwarf_Attribute attr;
        int64_t value;
        const char *text = die_name(&child);
        struct name *n;

        if (dwarf_tag(&child) != DW_TAG_enumerator || !text || !(n = name_of(b, text)))
            continue;
        if (first && n->enumerator)
            return;
        first = false;
        if (n->enumerator || !dwarf_attr(&child, DW_AT_const_value, &attr) ||
            /* What is negative is DW_FORM_sdata: DW_FORM_data1 is 0 to 255 in signed ones, too. */
            !constant_of(&attr, false, &value))
            continue;
        n->enumerator = true;
        add(b, INDEX_ENUMERATORS, n, (uint64_t)value, DW_TAG_enumerator, b->unit_flags);
    } while (bounds_ok() && dwarf_siblingof(&child, &child) == 0);
}

static void add_type(struct builder *b, Dwarf_Die *die, int tag)
{
    const char *text = die_name(die);
    bool declared =
        tag != DW_TAG_base_type && tag != DW_TAG_typedef && die_flag(die, DW_AT_declaration);
    struct name *n = text ? name_of(b, text) : NULL;
    uint32_t bit = tag_bit(tag);

    if (tag == DW_TAG_enumeration_type && !declared && (!n || !(n->complete & bit)))
        add_enumerators(b, die);
    if (!n || (n->complete & bit) || (declared && (n->declared & bit)))
        return;
    *(declared ? &n->declared : &n->complete) |= bit;
    add(b, INDEX_TYPES, n, dwarf_dieoffset(die), tag,
        b->unit_flags | (declared ? ENTRY_DECLARATION : 0));
}

static bool flag_integrated(Dwarf_Die *die, unsigned which)
{
    Dwarf_Attribute attr;
    bool set = false;

    return dwarf_attr_integrate(die, which, &attr) && !dwarf_formflag(&attr, &set) && set;
}

static void add_variable(struct builder *b, Dwarf_Die *die)
{
    const char *text = die_name(die);
    struct name *n = text ? name_of(b, text) : NULL;
    bool declared = die_flag(die, DW_AT_declaration);

    if (!n || (declared && n->var_declared))
        return;
    if (declared)
        n->var_declared = true;
    add(b, INDEX_VARIABLES, n, dwarf_dieoffset(die), DW_TAG_variable,
        b->unit_flags | (declared ? ENTRY_DECLARATION : 0) |
            (flag_integrated(die, DW_AT_external) ? ENTRY_EXTERNAL : 0));
}

static void add_function(struct builder *b, Dwarf_Die *die)
{
    bool code = dwarf_hasattr(die, DW_AT_low_pc) || dwarf_hasattr(die, DW_AT_ranges);

    if (!code && !dwarf_hasattr(die, DW_AT_inline))
        return;
    const char *text = die_name(die);
    struct name *n = text ? name_of(b, text) : NULL;

    if (n)
        add(b, INDEX_FUNCTIONS, n, dwarf_dieoffset(die), DW_TAG_subprogram,
            b->unit_flags | (code ? 0 : ENTRY_INLINE) |
                (flag_integrated(die, DW_AT_external) ? ENTRY_EXTERNAL : 0));
}

static void walk_unit(struct builder *b, Dwarf_Die *unit)
{
    Dwarf_Die die;
    const char *text = die_name(unit);
    struct name *n = name_of(b, text ? text : "");

    b->cu = n ? n->off : 0;
    if (dwarf_child(unit, &die))
        return;
    do {
        int tag = dwarf_tag(&die);

        switch (tag) {
        case DW_TAG_typedef:
        case DW_TAG_base_type:
        case DW_TAG_structure_type:
        case DW_TAG_class_type:
        case DW_TAG_union_type:
        case DW_TAG_enumeration_type:
            add_type(b, &die, tag);
            break;
        case DW_TAG_variable:
            add_variable(b, &die);
            break;
        case DW_TAG_subprogram:
            add_function(b, &die);
            break;
        default:
            break;
        }
    } while (bounds_ok() && dwarf_siblingof(&die, &die) == 0);
}

static void walk(struct builder *b, Dwarf *dw, unsigned flags)
{
    Dwarf_CU *cu = NULL, *next;
    Dwarf_Half version;
    uint8_t type;
    Dwarf_Die die;

    /* The subdie argument is left out: asking for it makes libdw open .dwo files by their names. */
    while (bounds_ok() && dwarf_get_units(dw, cu, &next, &version, &type, &die, NULL) == 0) {
        cu = next;
        if (type == DW_UT_skeleton || dwarf_hasattr(&die, DW_AT_dwo_name) ||
            dwarf_hasattr(&die, DW_AT_GNU_dwo_name))
            continue;
        b->unit_flags = (uint16_t)(flags | (version < 5 && type == DW_UT_type ? ENTRY_TYPES : 0));
        walk_unit(b, &die);
    }
}

/* ---- the block ---- */

static int by_name(const void *a, const void *b, void *names)
{
    const struct index_entry *x = a, *y = b;
    int order = x->name == y->name ? 0 : strcmp((char *)names + x->name, (char *)names + y->name);

    if (order)
        return order;
    return x->order < y->order ? -1 : x->order > y->order;
}

/* Declarations of what is also defined go. */
static uint32_t drop_declared(struct index_entry *v, uint32_t n)
{
    uint32_t kept = 0;

    for (uint32_t i = 0, end; i < n; i = end) {
        bool defined = false;

        for (end = i; end < n && v[end].name == v[i].name; end++)
            defined |= !(v[end].flags & ENTRY_DECLARATION);
        for (uint32_t j = i; j < end; j++)
            if (!defined || !(v[j].flags & ENTRY_DECLARATION))
                v[kept++] = v[j];
    }
    return kept;
}

static void *make_block(struct builder *b, size_t *size)
{
    uint64_t total = sizeof(struct index_header);

    for (int c = 0; c < INDEX_CLASSES; c++)
        total += (uint64_t)b->n[c] * sizeof(struct index_entry);
    uint64_t names = total;

    total += b->names_size + 1;
    char *block = bounds_take(total) ? calloc(1, total) : NULL;

    if (!block)
        return NULL;
    struct index_header *h = (struct index_header *)block;

    memcpy(h->magic, INDEX_MAGIC, sizeof(h->magic));
    h->version = INDEX_VERSION;
    h->entry_size = sizeof(struct index_entry);
    h->size = total;
    h->names_off = names;
    h->names_size = total - names;
    for (struct name *n = b->names; n; n = n->hh.next)
        memcpy(block + names + n->off, n->text, n->hh.keylen);
    uint64_t at = sizeof(*h);

    for (int c = 0; c < INDEX_CLASSES; c++) {
        if (b->n[c]) {
            qsort_r(b->v[c], b->n[c], sizeof(**b->v), by_name, block + names);
            if (c == INDEX_VARIABLES)
                b->n[c] = drop_declared(b->v[c], b->n[c]);
            memcpy(block + at, b->v[c], b->n[c] * sizeof(**b->v));
        }
        h->off[c] = at;
        h->n[c] = b->n[c];
        at += (uint64_t)b->n[c] * sizeof(**b->v);
    }
    *size = total;
    return block;
}

/* Takes over BLOCK; NULL: it is not sound. Everything is checked that a look-up relies on, but the
 * tables' order: a wrong one finds nothing, and harms nothing. */
static struct index *from_block(void *block, size_t size)
{
    const struct index_header *h = block;
    const char *bytes = block;
    struct index *x;

    if (size < sizeof(*h) || memcmp(h->magic, INDEX_MAGIC, sizeof(h->magic)) ||
        h->version != INDEX_VERSION || h->entry_size != sizeof(struct index_entry) ||
        h->size != size || h->names_off > size || h->names_size == 0 ||
        h->names_size != size - h->names_off || bytes[size - 1])
        goto bad;
    for (int c = 0; c < INDEX_CLASSES; c++) {
        if (h->off[c] < sizeof(*h) || h->off[c] > h->names_off ||
            h->off[c] % _Alignof(struct index_entry) ||
            h->n[c] > (h->names_off - h->off[c]) / sizeof(struct index_entry))
            goto bad;
        const struct index_entry *v = (const struct index_entry *)(bytes + h->off[c]);

        for (uint32_t i = 0; i < h->n[c]; i++)
            if (v[i].name >= h->names_size || v[i].cu >= h->names_size)
                goto bad;
    }
    x = calloc(1, sizeof(*x));
    if (!x)
        goto bad;
    x->block = block;
    x->size = size;
    x->names = bytes + h->names_off;
    for (int c = 0; c < INDEX_CLASSES; c++) {
        x->v[c] = (const struct index_entry *)(bytes + h->off[c]);
        x->n[c] = h->n[c];
    }
    return x;
bad:
    free(block);
    return NULL;
}

static struct index *index_build(const struct dwarf *d)
{
    struct builder b = {.a = arena_new(), .names_size = 0};
    size_t size;

    walk(&b, d->dw, 0);
    if (d->alt_dw)
        walk(&b, d->alt_dw, ENTRY_ALT);
    void *block = bounds_ok() ? make_block(&b, &size) : NULL;

    HASH_CLEAR(hh, b.names);
    arena_free(b.a);
    return block ? from_block(block, size) : NULL;
}

void index_free(struct index *x)
{
    if (!x)
        return;
    free(x->block);
    free(x);
}

const struct index *dw_index(struct dbg *m)
{
    struct dwarf *d = dwarf_of(m);
    uint8_t key[CACHEFILE_KEY_SIZE];
    size_t size;

    if (d->index)
        return d->index;
    bounds_file(m->path);
    void *kept = cache_load(d, key, &size);

    d->index = kept ? from_block(kept, size) : NULL;
    if (d->index)
        return d->index;
    d->index = index_build(d);
    if (d->index && bounds_ok()) /* one that was cut is not kept */
        cache_save(key, d->index->block, d->index->size);
    return d->index;
}

uint32_t index_find(const struct index *x, enum index_class c, const char *name,
                    const struct index_entry **first)
{
    const struct index_entry *v = x->v[c];
    uint32_t low = 0, high = x->n[c], n = 0;

    while (low < high) {
        uint32_t mid = low + (high - low) / 2;

        if (strcmp(index_name(x, &v[mid]), name) < 0)
            low = mid + 1;
        else
            high = mid;
    }
    *first = v + low;
    while (low + n < x->n[c] && !strcmp(index_name(x, &v[low + n]), name))
        n++;
    return n;
}

bool index_die(const struct dbg *m, const struct index_entry *e, Dwarf_Die *die)
{
    const struct dwarf *d = dwarf_of(m);
    Dwarf *dw = e->flags & ENTRY_ALT ? d->alt_dw : d->dw;
    const char *name;

    return dw &&
           (e->flags & ENTRY_TYPES ? dwarf_offdie_types(dw, e->die, die)
                                   : dwarf_offdie(dw, e->die, die)) &&
           dwarf_tag(die) == e->tag && (name = die_name(die)) &&
           !strcmp(name, index_name(d->index, e));
}
