/*
 * pack_dwarf: a pack's tree as DWARF 5. Enters: the tree, its types merged; leaves: .debug_info
 * and what it leads to. The types are a unit of their own, which comes first and is called "types";
 * each source file's functions and variables are one. The line tables have no lines, but the names
 * of files; they are DWARF 4's, which can do without folders.
 */
#include <dwarf.h>
#include <string.h>

#include "debug/pack.h"

enum { CODE_MAX = 256 };

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

struct fixup { /* a reference, for when all is written */
    size_t at;
    const struct pack_die *to;
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
    struct pack_bytes *info = &w->out->info;
    struct pack_bytes *lists = a->name == DW_AT_ranges ? &w->out->rnglists : &w->out->loclists;

    switch (a->form) {
    case DW_FORM_strp:
        put32(info, text_at(w, a->text));
        break;
    case DW_FORM_ref_addr:
        w->fixups = arena_grow(w->a, w->fixups, w->n_fixups, sizeof(*w->fixups));
        w->fixups[w->n_fixups++] = (struct fixup){
            info->n, a->name == DW_AT_abstract_origin ? a->die : &a->type->same->die};
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
static void write_die(struct writer *w, struct pack_die *die)
{
    die->offset = (uint32_t)w->out->info.n;
    pack_uleb(&w->out->info, abbrev_of(w, die));
    for (uint32_t i = 0; i < die->n; i++)
        write_attr(w, &die->attrs[i]);
    for (struct pack_die *c = die->child; c; c = c->next)
        write_die(w, c);
    if (die->child)
        pack_byte(&w->out->info, 0);
}

/* The length at AT is of all that follows it. */
static void set_length(struct pack_bytes *b, size_t at)
{
    uint32_t length = (uint32_t)(b->n - at - sizeof(length));

    memcpy(b->v + at, &length, sizeof(length));
}

/* A table of files, without lines (DWARF 4, 6.2.4). */
static void write_files(struct pack_bytes *line, const struct pack_unit *u)
{
    static const uint8_t head[] = {1, 1, 1, (uint8_t)-5, 14, 13, /* as GCC has them */
                                   0, 1, 1, 1,           1,  0,  0, 0, 1, 0, 0, 1};
    size_t at = line->n, header;

    put32(line, 0);
    put16(line, 4);
    header = line->n;
    put32(line, 0);
    pack_put(line, head, sizeof(head));
    pack_byte(line, 0); /* no folders */
    for (uint32_t i = 0; i <= u->n_files; i++) {
        const char *name = i ? u->files[i - 1] : u->name;

        pack_put(line, name, strlen(name) + 1);
        pack_put(line, (uint8_t[3]){0}, 3);
    }
    pack_byte(line, 0);
    set_length(line, header);
    set_length(line, at);
}

/* Its head, and its own DIE, which has others. Leaves where it begins. */
static size_t begin_unit(struct writer *w, const struct pack_unit *u)
{
    struct pack_bytes *info = &w->out->info;
    struct pack_die any = {0};
    struct pack_attr attrs[] = {
        {.name = DW_AT_producer, .form = DW_FORM_strp, .text = "ngstap pack"},
        {.name = DW_AT_language, .form = DW_FORM_udata, .number = DW_LANG_C11},
        {.name = DW_AT_name, .form = DW_FORM_strp, .text = u->name},
        {.name = DW_AT_stmt_list, .form = DW_FORM_sec_offset},
    };
    struct pack_die unit = {
        .tag = DW_TAG_compile_unit, .n = u->n_files ? 4 : 3, .attrs = attrs, .child = &any};
    size_t at = info->n;

    put32(info, 0);
    put16(info, 5);
    pack_byte(info, DW_UT_compile);
    pack_byte(info, 8);
    put32(info, 0); /* all have one table of abbreviations */
    pack_uleb(info, abbrev_of(w, &unit));
    for (uint32_t i = 0; i < 3; i++)
        write_attr(w, &attrs[i]);
    if (u->n_files) {
        put32(info, (uint32_t)w->out->line.n);
        write_files(&w->out->line, u);
    }
    return at;
}

static void end_unit(struct writer *w, size_t at)
{
    pack_byte(&w->out->info, 0);
    set_length(&w->out->info, at);
}

/* DWARF 5, 7.28 and 7.29. */
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

    *out = (struct pack_sections){none, none, none, none, none, none};
    begin_lists(&out->loclists);
    begin_lists(&out->rnglists);
    size_t at = begin_unit(&w, &(struct pack_unit){.name = "types"});

    if (p->enumerators->child)
        write_die(&w, p->enumerators);
    for (struct pack_type *t = p->types; t && bounds_ok(); t = t->next)
        if (t->same == t)
            write_die(&w, &t->die);
    end_unit(&w, at);
    for (struct pack_unit *u = p->units; u && bounds_ok(); u = u->next) {
        at = begin_unit(&w, u);
        for (struct pack_die *die = u->first; die; die = die->next)
            write_die(&w, die);
        end_unit(&w, at);
    }
    pack_byte(&out->abbrev, 0);
    for (uint32_t i = 0; i < w.n_fixups; i++)
        memcpy(out->info.v + w.fixups[i].at, &w.fixups[i].to->offset, sizeof(uint32_t));
    set_length(&out->loclists, 0);
    set_length(&out->rnglists, 0);
    HASH_CLEAR(hh, w.abbrevs);
    HASH_CLEAR(hh, w.texts);
}
