/*
 * flat: symbols on their way between processes. Enters: symbols, or bytes that a reader without
 * privileges answered; leaves: bytes, or symbols in the arena. Refused: what is cut, names without
 * an end, addresses that are out of order, more than base/bounds.h lets there be.
 */
#include "target/flat.h"

#include <string.h>

#include "base/bounds.h"

struct head {
    uint32_t n, reserved;
    uint64_t names; /* bytes of them, behind the records, each with its NUL */
};

struct record {
    uint64_t vaddr, size, name; /* NAME: where it begins among the names */
    uint32_t room, flags;
};

enum { IS_FUNC = 1, IS_GLOBAL = 2, IS_IFUNC = 4 };

void flat_put_symbols(FILE *f, const struct elf_symbols *s)
{
    struct head h = {.n = s->n};
    uint64_t at = 0;

    for (uint32_t i = 0; i < s->n; i++)
        h.names += strlen(s->v[i].name) + 1;
    fwrite(&h, sizeof(h), 1, f);
    for (uint32_t i = 0; i < s->n; i++) {
        const struct elf_symbol *e = &s->v[i];
        const struct record r = {.vaddr = e->vaddr,
                                 .size = e->size,
                                 .name = at,
                                 .room = e->room,
                                 .flags = (e->is_func ? IS_FUNC : 0) |
                                          (e->is_global ? IS_GLOBAL : 0) |
                                          (e->is_ifunc ? IS_IFUNC : 0)};

        fwrite(&r, sizeof(r), 1, f);
        at += strlen(e->name) + 1;
    }
    for (uint32_t i = 0; i < s->n; i++)
        fwrite(s->v[i].name, strlen(s->v[i].name) + 1, 1, f);
}

bool flat_get_symbols(struct arena *a, const void *data, size_t n, bool sorted,
                      struct elf_symbols *out)
{
    const char *p = data, *names;
    struct head h;

    *out = (struct elf_symbols){0};
    if (n < sizeof(h))
        return false;
    memcpy(&h, p, sizeof(h));
    n -= sizeof(h);
    p += sizeof(h);
    if (h.n > 2 * BOUND_SYMBOLS || h.names > BOUND_NAMES ||
        n != h.n * sizeof(struct record) + h.names || (h.names && p[n - 1]))
        return false;
    names = p + h.n * sizeof(struct record);
    char *kept = arena_alloc(a, h.names + 1);
    struct elf_symbol *v = ARENA_ARRAY(a, struct elf_symbol, h.n + 1);

    memcpy(kept, names, h.names);
    for (uint32_t i = 0; i < h.n; i++) {
        struct record r;

        memcpy(&r, p + i * sizeof(r), sizeof(r));
        if (r.name >= h.names || (sorted && i && r.vaddr < v[i - 1].vaddr))
            return false;
        v[i] = (struct elf_symbol){.vaddr = r.vaddr,
                                   .size = r.size,
                                   .name = kept + r.name,
                                   .is_func = r.flags & IS_FUNC,
                                   .is_global = r.flags & IS_GLOBAL,
                                   .is_ifunc = r.flags & IS_IFUNC,
                                   .room = r.room};
    }
    *out = (struct elf_symbols){v, h.n};
    return true;
}
