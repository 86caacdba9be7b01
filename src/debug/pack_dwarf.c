/*
 * pack_dwarf: a pack's tree as DWARF 5. Enters: the tree, its types merged; leaves: .debug_info,
 * .debug_abbrev, .debug_str, .debug_loclists. The types are a unit of their own, which comes first
 * and is called "types"; each source file's functions and variables are one.
 */
#include <dwarf.h>
#include <string.h>

#include "debug/pack.h"

enum { HEADER = 12, LISTS_HEADER = 12, CODE_MAX = 256 };

struct abbrev {
    uint8_t key[CODE_MAX];
    uint32_t code;
    UT_hash_handle hh;
};

struct text {
    const char *text;
    uint32_t at;
    UT_hash_handle hh;
};

struct fixup { /* a reference to a type that is written later */
    size_t at;
    const struct pack_type *to;
};

struct writer {
    struct arena *a;
    struct pack_sections *out;
    struct abbrev *abbrevs;
    struct text *texts;
    struct fixup *fixups;
    uint32_t n_fixups, n_abbrevs;
};

static void put32(struct pack_bytes *b, uint32_t n)
{
    pack_put(b, &n, sizeof(n)); /* little-endian, as the file is */
}

static void put16(struct pack_bytes *b, uint16_t n)
{
    pack_put(b, &n, sizeof(n));
}

/* The number of the abbreviation that DIE has. */
static uint32_t abbrev_of(struct writer *w, const struct pack_die *die)
{
    struct pack_bytes key = {.a = w->a};
    struct abbrev *x;

    pack_uleb(&key, die->tag);
    pack_byte(&key, die->child ? DW_CHILDREN_yes : DW_CHILDREN_no);
    for (uint32_t i = 0; i < die->n; i++) {
        pack_uleb(&key, die->attrs[i].name);
        pack_uleb(&key, die->attrs[i].form);
    }
    put16(&key, 0);
    HASH_FIND(hh, w->abbrevs, key.v, (unsigned)key.n, x);
    if (x)
        return x->code;
    x = ARENA_NEW(w->a, struct abbrev);
    memcpy(x->key, key.v, key.n); /* a DIE has 16 attributes at most (pack_tree.c), of 6 bytes */
    x->code = ++w->n_abbrevs;
    HASH_ADD_KEYPTR(hh, w->abbrevs, x->key, (unsigned)key.n, x);
    pack_uleb(&w->out->abbrev, x->code);
    pack_put(&w->out->abbrev, key.v, key.n);
    return x->code;
}

static uint32_t text_at(struct writer *w, const char *text)
{
    struct text *t;

    HASH_FIND_STR(w->texts, text, t);
    if (t)
        return t->at;
    t = ARENA_NEW(w->a, struct text);
    t->text = text;
    t->at = (uint32_t)w->out->str.n;
    HASH_ADD_KEYPTR(hh, w->texts, t->text, (unsigned)strlen(text), t);
    pack_put(&w->out->str, text, strlen(text) + 1);
    return t->at;
}

static void write_attr(struct writer *w, const struct pack_attr *a)
{
    struct pack_bytes *info = &w->out->info, *lists = &w->out->loclists;

    switch (a->form) {
    case DW_FORM_strp:
        put32(info, text_at(w, a->text));
        break;
    case DW_FORM_ref_addr:
        w->fixups = arena_grow(w->a, w->fixups, w->n_fixups, sizeof(*w->fixups));
        w->fixups[w->n_fixups++] = (struct fixup){info->n, a->type->same};
        put32(info, 0);
        break;
    case DW_FORM_exprloc:
        pack_uleb(info, a->size);
        pack_put(info, a->bytes, a->size);
        break;
    case DW_FORM_sec_offset:
        put32(info, (uint32_t)lists->n);
        pack_put(lists, a->bytes, a->size);
        break;
    case DW_FORM_addr:
        pack_put(info, &a->number, sizeof(a->number));
        break;
    case DW_FORM_udata:
        pack_uleb(info, a->number);
        break;
    case DW_FORM_sdata:
        pack_sleb(info, (int64_t)a->number);
        break;
    default: /* DW_FORM_flag_present has no bytes */
        break;
    }
}

/* As deep as the tree: a unit, its functions or types, what is in them. */
static void write_die(struct writer *w, const struct pack_die *die)
{
    pack_uleb(&w->out->info, abbrev_of(w, die));
    for (uint32_t i = 0; i < die->n; i++)
        write_attr(w, &die->attrs[i]);
    for (const struct pack_die *c = die->child; c; c = c->next)
        write_die(w, c);
    if (die->child)
        pack_byte(&w->out->info, 0);
}

/* Its head, and its own DIE, which has others. Leaves where it begins. */
static size_t begin_unit(struct writer *w, const char *name)
{
    struct pack_bytes *info = &w->out->info;
    struct pack_die any = {0};
    struct pack_attr attrs[] = {
        {.name = DW_AT_producer, .form = DW_FORM_strp, .text = "ngstap pack"},
        {.name = DW_AT_language, .form = DW_FORM_udata, .number = DW_LANG_C11},
        {.name = DW_AT_name, .form = DW_FORM_strp, .text = name},
    };
    struct pack_die unit = {.tag = DW_TAG_compile_unit, .n = 3, .attrs = attrs, .child = &any};
    size_t at = info->n;

    put32(info, 0); /* its length */
    put16(info, 5);
    pack_byte(info, DW_UT_compile);
    pack_byte(info, 8);
    put32(info, 0); /* all have one table of abbreviations */
    pack_uleb(info, abbrev_of(w, &unit));
    for (uint32_t i = 0; i < unit.n; i++)
        write_attr(w, &attrs[i]);
    return at;
}

static void end_unit(struct writer *w, size_t at)
{
    pack_byte(&w->out->info, 0);
    uint32_t length = (uint32_t)(w->out->info.n - at - sizeof(length));

    memcpy(w->out->info.v + at, &length, sizeof(length));
}

/* DWARF 5, 7.29. */
static void begin_lists(struct pack_bytes *lists)
{
    put32(lists, 0);
    put16(lists, 5);
    pack_byte(lists, 8);
    pack_byte(lists, 0);
    put32(lists, 0);
}

void pack_dwarf(struct pack *p, struct pack_sections *out)
{
    const struct pack_bytes none = {.a = p->a};
    struct writer w = {.a = p->a, .out = out};

    *out = (struct pack_sections){none, none, none, none};
    begin_lists(&out->loclists);
    size_t at = begin_unit(&w, "types");

    if (p->enumerators->child)
        write_die(&w, p->enumerators);
    for (struct pack_type *t = p->types; t && bounds_ok(); t = t->next) {
        if (t->same != t)
            continue;
        t->offset = (uint32_t)out->info.n;
        write_die(&w, &t->die);
    }
    end_unit(&w, at);
    for (struct pack_unit *u = p->units; u && bounds_ok(); u = u->next) {
        at = begin_unit(&w, u->name);
        for (struct pack_die *die = u->first; die; die = die->next)
            write_die(&w, die);
        end_unit(&w, at);
    }
    pack_byte(&out->abbrev, 0);
    for (uint32_t i = 0; i < w.n_fixups; i++)
        memcpy(out->info.v + w.fixups[i].at, &w.fixups[i].to->offset, sizeof(uint32_t));
    uint32_t length = (uint32_t)(out->loclists.n - sizeof(length));

    memcpy(out->loclists.v, &length, sizeof(length));
    HASH_CLEAR(hh, w.abbrevs);
    HASH_CLEAR(hh, w.texts);
}
