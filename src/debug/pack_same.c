/*
 * pack_same: types that are described alike are one. Enters: the types of a pack; leaves: in each,
 * the first of those that no question can tell apart from it. Types lead to one another in circles,
 * so they are told apart by refinement: a hash of what each says of itself, then again and again
 * with the hashes of those it leads to, until no more of them differ.
 */
#include <dwarf.h>
#include <stdlib.h>

#include "base/bytes.h"
#include "debug/pack.h"

struct class
{ /* of types with one hash */
    uint64_t hash;
    const struct pack_type *first;
    UT_hash_handle hh;
};

static uint64_t hash_attr(uint64_t h, const struct pack_attr *a)
{
    h = bytes_hash(h, &a->name, sizeof(a->name));
    h = bytes_hash(h, &a->form, sizeof(a->form));
    if (a->form == DW_FORM_strp)
        return bytes_hash(h, a->text, strlen(a->text));
    if (a->form == DW_FORM_ref_addr)
        return bytes_hash(h, &a->type->hash, sizeof(a->type->hash));
    return bytes_hash(h, &a->number, sizeof(a->number));
}

static uint64_t hash_die(uint64_t h, const struct pack_die *die)
{
    h = bytes_hash(h, &die->tag, sizeof(die->tag));
    for (uint32_t i = 0; i < die->n; i++)
        h = hash_attr(h, &die->attrs[i]);
    for (const struct pack_die *c = die->child; c; c = c->next)
        h = hash_die(h, c); /* members have no members: see pack_tree.c */
    return h;
}

static int by_number(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return x < y ? -1 : x > y;
}

/* How many different hashes there are, after one more step. */
static uint32_t refine(struct pack *p, uint64_t *hashes)
{
    uint32_t n = 0, different = 0;

    for (struct pack_type *t = p->types; t; t = t->next)
        t->new_hash = hash_die(bytes_hash(BYTES_HASH, &t->hash, sizeof(t->hash)), &t->die);
    for (struct pack_type *t = p->types; t; t = t->next)
        hashes[n++] = t->hash = t->new_hash;
    qsort(hashes, n, sizeof(*hashes), by_number);
    for (uint32_t i = 0; i < n; i++)
        different += !i || hashes[i] != hashes[i - 1];
    return different;
}

void pack_same(struct pack *p)
{
    uint64_t *hashes = ARENA_ARRAY(p->a, uint64_t, p->n_types + 1);
    struct class *classes = NULL, *c;
    uint32_t before, now = 0;

    do {
        before = now;
        now = refine(p, hashes);
    } while (now > before && bounds_ok());
    for (struct pack_type *t = p->types; t; t = t->next) {
        HASH_FIND(hh, classes, &t->hash, sizeof(t->hash), c);
        if (!c) {
            c = ARENA_NEW(p->a, struct class);
            c->hash = t->hash;
            c->first = t;
            HASH_ADD(hh, classes, hash, sizeof(c->hash), c);
        }
        t->same = c->first;
    }
    HASH_CLEAR(hh, classes);
}
