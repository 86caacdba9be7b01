/*
 * pack_layout: what is kept of a module for a file of layouts (layout.c reads them): types, and
 * which type a variable has, for every build that lays them out alike. Enters: a module, a list of
 * names; leaves: those types with all that they hold by value. A struct that they only point to is
 * declared, unless it is in the list. Nothing has an address.
 *
 * The list has a line for each name:
 *
 *     type NAME        a type, by the name that a script has for it, without "struct"
 *     optional NAME    a type that some builds lack
 *     variable NAME    a variable
 *     place TYPE PATH  where the member PATH ("a.b") of TYPE lies, or how large TYPE is ("-")
 *
 * A place is written behind its line: OFFSET SIZE in bytes, and of a bit field its first bit and
 * how many it has; what a build lacks loses its line. Other lines (what it is a layout of, and
 * where from) are for the reader, see layout_list.c.
 */
#include <dwarf.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "debug/layout.h"
#include "debug/pack.h"

/* How much of a type is asked for. */
enum { UNKNOWN, POINTED_TO, HELD };

static bool is_aggregate(const struct pack_type *t)
{
    int tag = dwarf_tag((Dwarf_Die *)&t->from);

    return tag == DW_TAG_structure_type || tag == DW_TAG_class_type || tag == DW_TAG_union_type;
}

static void ask(struct pack *p, Dwarf_Die *die, uint8_t how)
{
    struct pack_type *t = pack_type_of(p, die);

    if (t->asked < how)
        t->asked = how;
}

/* Asks for what DIE, of whose type HOW much is asked for, has as its type. */
static void ask_target(struct pack *p, Dwarf_Die *die, uint8_t how)
{
    Dwarf_Die type;

    if (die_type(die, &type))
        ask(p, &type, how);
}

/* Asks for what T leads to. */
static void visit(struct pack *p, struct pack_type *t)
{
    int tag = dwarf_tag(&t->from);
    uint64_t visits = 0;
    Dwarf_Die child;

    ask_target(p, &t->from,
               tag == DW_TAG_pointer_type || tag == DW_TAG_subroutine_type ? POINTED_TO : t->asked);
    if ((is_aggregate(t) && t->asked != HELD) || dwarf_child(&t->from, &child))
        return;
    do {
        switch (dwarf_tag(&child)) {
        case DW_TAG_member:
        case DW_TAG_inheritance:
            ask_target(p, &child, HELD);
            break;
        case DW_TAG_formal_parameter:
            ask_target(p, &child, POINTED_TO);
            break;
        default:
            break;
        }
    } while (bounds_count(++visits, BOUND_ENUMERATORS, "members") &&
             dwarf_siblingof(&child, &child) == 0);
}

/* Until no more is asked for. */
static void visit_all(struct pack *p)
{
    bool more;

    do {
        more = false;
        for (struct pack_type *t = p->types; t && bounds_ok(); t = t->next) {
            if (t->visited == t->asked)
                continue;
            t->visited = t->asked;
            visit(p, t);
            more = true;
        }
    } while (more && bounds_ok());
}

/* Asks for each DIE of that name and class. False: there is none. */
static bool keep(struct pack *p, const struct index *x, enum index_class class, const char *name)
{
    const struct index_entry *e;
    uint32_t n = index_find(x, class, name, &e);
    bool found = false;
    Dwarf_Die die;

    for (; n; n--, e++) {
        if (!index_die(p->m, e, &die))
            continue;
        found = true;
        if (class == INDEX_TYPES) {
            ask(p, &die, HELD);
        } else {
            ask_target(p, &die, HELD);
            pack_declare(p, x->names + e->cu, &die);
            break;
        }
    }
    return found;
}

static bool keep_line(struct pack *p, const struct index *x, const char *line, size_t n,
                      const char **why)
{
    static const struct {
        const char *word;
        enum index_class class;
        bool must;
    } words[] = {{"type ", INDEX_TYPES, true},
                 {"optional ", INDEX_TYPES, false},
                 {"variable ", INDEX_VARIABLES, true}};

    for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++) {
        size_t len = strlen(words[i].word);

        if (n <= len || strncmp(line, words[i].word, len) != 0)
            continue;
        const char *name = arena_strndup(p->m->di->a, line + len, n - len);

        if (keep(p, x, words[i].class, name) || !words[i].must)
            return true;
        *why = arena_printf(p->m->di->a, "it has no %s%s", words[i].word, name);
        return false;
    }
    return true;
}

/* ---- places ---- */

static void write_line(struct dbg *m, const char *line, size_t n, FILE *out)
{
    char *copy = arena_strndup(m->di->a, line, n), *save = NULL;
    const char *word = strtok_r(copy, " ", &save), *type = strtok_r(NULL, " ", &save);
    const char *path = strtok_r(NULL, " ", &save);
    struct layout_place place;

    if (!word || strcmp(word, "place") != 0 || !path) {
        fprintf(out, "%.*s\n", (int)n, line);
    } else if (layout_place_of(dbg_type(m, type), path, &place)) {
        fprintf(out, "place %s %s %" PRIu64 " %" PRIu64, type, path, place.offset, place.size);
        if (place.bit_size)
            fprintf(out, " %u %u", place.bit_off, place.bit_size);
        fputc('\n', out);
    }
}

char *pack_layout_list(struct dbg *m, const char *list)
{
    char *text = NULL;
    size_t len;
    FILE *out = open_memstream(&text, &len);

    for (const char *line = list; out && *line;) {
        size_t n = strcspn(line, "\n");

        write_line(m, line, n, out);
        line += n + (line[n] == '\n');
    }
    if (out && fclose(out)) {
        free(text);
        text = NULL;
    }
    return text;
}

bool pack_layout_tree(struct pack *p, const char *list, const char **why)
{
    const struct index *x = dw_index(p->m);

    p->last_type = &p->types;
    p->enumerators = ARENA_NEW(p->a, struct pack_die);
    *why = "its names cannot be read";
    if (!x)
        return false;
    for (const char *line = list; *line; line += strcspn(line, "\n"), line += *line == '\n')
        if (!keep_line(p, x, line, strcspn(line, "\n"), why))
            return false;
    visit_all(p);
    for (struct pack_type *t = p->types; t && bounds_ok(); t = t->next)
        if (is_aggregate(t) && t->asked != HELD)
            pack_declare_type(p, t);
        else
            pack_fill_type(p, t);
    HASH_CLEAR(hh, p->by_record);
    return bounds_ok();
}
