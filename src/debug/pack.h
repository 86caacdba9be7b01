/*
 * pack: the making of a pack (debug.h, dbg_pack): what scripts can ask of a build, as DWARF 5 of
 * our own. The files, from below; each uses those before it:
 *
 *     pack_place     places of variables as bytes
 *     pack_tree      what is kept of the module's DIEs, as the tree below
 *     pack_layout    likewise, of names in a list, for a file of layouts
 *     pack_same      types that several units describe alike are one
 *     pack_dwarf     the tree as sections
 *     pack_elf       sections and symbols as an ELF file
 */
#ifndef DEBUG_PACK_H
#define DEBUG_PACK_H

#include "debug/dwarf_priv.h"

struct pack_bytes { /* in the arena */
    struct arena *a;
    uint8_t *v;
    size_t n, room;
};

struct pack_attr {
    uint16_t name; /* DW_AT_* */
    uint16_t form; /* DW_FORM_*: strp TEXT; ref_addr TYPE or, as DW_AT_abstract_origin, DIE;
                    * exprloc and sec_offset (a list of locations or ranges) BYTES; else NUMBER */
    uint32_t size; /* of BYTES */
    union {
        uint64_t number;
        const char *text;
        struct pack_type *type;
        const struct pack_die *die;
        const uint8_t *bytes;
    };
};

struct pack_die {
    uint16_t tag;
    uint16_t n;
    uint32_t offset; /* in .debug_info, once it is written */
    struct pack_attr *attrs;
    struct pack_die *child, *next;
};

struct pack_type {
    struct pack_die die;
    struct pack_type *next; /* in the order they are found in: of those alike the first stays */
    const struct pack_type *same; /* the one that is written; itself, often */
    Dwarf_Die from;
    const void *record; /* where FROM lies */
    uint64_t hash, new_hash;
    uint8_t asked, visited; /* pack_layout.c's own */
    UT_hash_handle hh;
};

struct pack_unit {
    struct pack_unit *next;
    const char *name;
    const char **files; /* others that declare functions, from number 2 on */
    uint32_t n_files;
    struct pack_die *first, **last;
};

struct pack {
    struct dbg *m;
    struct arena *a;
    struct pack_type *by_record, *types, **last_type;
    uint32_t n_types;
    struct pack_die *enumerators;   /* all of the module's: of one name the one that it knows */
    struct pack_unit *units, *unit; /* the first, the last */
    struct pack_origin *origins;    /* pack_tree.c's own */
};

struct pack_sections {
    struct pack_bytes info, abbrev, str, loclists, rnglists, line;
};

void pack_put(struct pack_bytes *b, const void *p, size_t n);
void pack_byte(struct pack_bytes *b, uint8_t byte);
void pack_uleb(struct pack_bytes *b, uint64_t n);
void pack_sleb(struct pack_bytes *b, int64_t n);

/* DIE's attribute NAME, a place, into *OUT. False: it has none, or none that a script can read. */
bool pack_place(struct arena *a, Dwarf_Die *die, unsigned name, struct pack_attr *out);
/* DIE's ranges into *OUT; false: it has none. */
bool pack_ranges(struct arena *a, Dwarf_Die *die, struct pack_attr *out);
void pack_tree(struct pack *p);
/* The type that DIE is, its definition where the module has one; new ones come last. */
struct pack_type *pack_type_of(struct pack *p, Dwarf_Die *die);
void pack_fill_type(struct pack *p, struct pack_type *t);
/* ... with no more than its name. */
void pack_declare_type(struct pack *p, struct pack_type *t);
/* Adds VARIABLE, without its place, to UNIT. */
void pack_declare(struct pack *p, const char *unit, Dwarf_Die *variable);
/* False: *WHY says what the module lacks. */
bool pack_layout_tree(struct pack *p, const char *list, const char **why);
/* LIST with the places that it asks for, malloc'ed. NULL: there is no memory. */
char *pack_layout_list(struct dbg *m, const char *list);
void pack_same(struct pack *p);
void pack_dwarf(struct pack *p, struct pack_sections *out);

#endif
