/*
 * types_priv: what the files of this folder share. names.c: which C name a type has; plan.c: how a
 * struct must be written so that it is laid out alike; print.c: the text.
 */
#ifndef TYPES_TYPES_PRIV_H
#define TYPES_TYPES_PRIV_H

#include <uthash.h>

#include "types/types.h"

enum {
    DEPTH_MAX = 100,      /* structs in structs, steps of one type */
    ENTITIES_MAX = 50000, /* named types in one header */
    LINES_MAX = 1000000,  /* members and enumerators printed */
    STEPS_MAX = 20000000, /* types looked at */
    C_NAME_MAX = 255,     /* bytes of a name */
};

/* ---- plans ---- */

enum item_kind { ITEM_FIELD, ITEM_PAD_BITS, ITEM_PAD_BYTES, ITEM_LOST };

struct item {
    enum item_kind kind;
    struct cfield f; /* of ITEM_FIELD, and of ITEM_LOST: a member that lies over others */
    bool opaque;     /* its type cannot be written: as bytes */
    uint64_t n;      /* of padding; of an opaque member, its size */
    uint64_t offset; /* bytes, of padding */
    uint64_t align;  /* the attribute that it needs; 0: none */
};

enum plan_state { PLAN_NEW, PLAN_BUSY, PLAN_DONE };

struct plan { /* of one struct or union */
    const struct ctype *type;
    enum plan_state state;
    bool is_union, packed;
    bool walked;        /* print.c: what it needs is there */
    uint64_t attribute; /* aligned(N); 0: none */
    uint64_t align, size;
    struct item *items;
    uint32_t n;
    UT_hash_handle hh;
};

/* ---- names ---- */

enum space { SPACE_TAG, SPACE_ORDINARY };

enum entity_state { ENT_NEW, ENT_BUSY, ENT_DEFINED };

struct entity { /* a named type */
    const struct ctype
        *type; /* of a typedef: it; of a record or enum: the complete one, when known */
    struct cdecl d;
    const char *name;   /* in C, unique in its space */
    const char *origin; /* in the debug information */
    bool declared;      /* a typedef, or a tag's forward declaration, is written */
    enum entity_state state;
    struct entity *same_name; /* other types of that name */
    struct entity *next;      /* in order of finding */
};

struct alias { /* types that are one entity */
    const struct ctype *type;
    struct entity *e;
    UT_hash_handle hh;
};

struct word { /* by "s:NAME" */
    const char *key;
    struct entity *first;
    UT_hash_handle hh;
};

struct printer {
    struct compile *cx;
    struct arena *a;
    const struct types_opts *o;
    FILE *out;
    struct plan *plans;
    struct alias *aliases;
    struct word *origins, *used; /* names in the debug information; C names taken */
    struct entity *entities, **last;
    uint32_t n_entities, lines, steps;
    uint32_t n_pads; /* in the struct being printed */
    bool overrun;
    bool block; /* the last thing written was in braces */
};

/* Is there room for one more of what COUNT counts? */
bool printer_step(struct printer *p, uint32_t *count, uint32_t max);

/* The entity of a typedef, of a tagged record or enum; of untagged ones, of the typedef TYPEDEF's
 * name, or NULL when that is NULL. NULL also when there are too many. */
struct entity *names_entity(struct printer *p, const struct ctype *t,
                            const struct entity *typedef_of);
/* NAME as an identifier of C. */
const char *names_c(struct printer *p, const char *name);
/* An identifier for NAME that nothing else has in that space, renames done. */
const char *names_take(struct printer *p, enum space space, const char *name);
void names_free(struct printer *p);

/* T without typedefs, qualifiers and dimensions: what it holds by value; NULL: void, or too
 * long. */
const struct ctype *plan_core(struct printer *p, const struct ctype *t, struct cdecl *d);
/* The plan of a struct or union (complete); NULL: it is being made, or it nests too deeply. */
struct plan *plan_of(struct printer *p, const struct ctype *t, int depth);
/* The base type's name in C, one with that size and sign. NULL: C has none. */
const char *plan_base_name(const struct ctype *t);
void plan_free(struct printer *p);

#endif
