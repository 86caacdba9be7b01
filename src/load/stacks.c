/*
 * stacks: the stacks of programs that scripts hold as numbers, for a session of any length. Enters:
 * NGS_MAP_STACKS, which handlers fill; leaves: the map with room for more, as what it had is kept
 * here once half of it is full. A number is made of the stack (cg/lib/unwind.c), so one that comes
 * again has the same. Refused: more than KEPT_MAX bytes; the map fills then, and handlers that
 * would store one more fail.
 */
#include "load/session.h"

#include <bpf/bpf.h>
#include <stdlib.h>
#include <string.h>

#include <uthash.h>

enum { KEPT_MAX = 256 * 1024 * 1024 };

struct kept_stack {
    uint64_t number;
    UT_hash_handle hh;
    uint64_t n;
    uint64_t frames[];
};

static const struct bpf_map *map_of(const struct session *s)
{
    return s->obj ? bpf_object__find_map_by_name(s->obj, NGS_MAP_STACKS) : NULL;
}

/* False: out of memory, or of what is allowed. */
static bool keep(struct stacks *st, uint64_t number, const struct ngs_stack *stack)
{
    size_t size = sizeof(struct kept_stack) + stack->n * sizeof(*stack->frames);
    struct kept_stack *k = NULL;

    HASH_FIND(hh, st->kept, &number, sizeof(number), k);
    if (k)
        return true;
    k = st->bytes + size <= KEPT_MAX ? malloc(size) : NULL;
    if (!k)
        return false;
    k->number = number;
    k->n = stack->n;
    memcpy(k->frames, stack->frames, stack->n * sizeof(*stack->frames));
    HASH_ADD(hh, st->kept, number, sizeof(k->number), k);
    st->bytes += size;
    return true;
}

/* Each is taken out once it is kept; who stores it meanwhile stores it again. */
void stacks_watch(struct session *s)
{
    const struct bpf_map *m = map_of(s);
    struct stacks *st = &s->stacks;
    uint64_t stored = m ? __atomic_load_n(&s->control->stacks, __ATOMIC_RELAXED) : 0, number, next;
    struct ngs_stack stack;
    int fd = m ? bpf_map__fd(m) : -1;
    bool more;

    if (!m || (stored - st->taken) * 2 < bpf_map__max_entries(m))
        return;
    for (more = !bpf_map_get_next_key(fd, NULL, &next); more;) {
        number = next;
        more = !bpf_map_get_next_key(fd, &number, &next);
        if (bpf_map_lookup_elem(fd, &number, &stack) || stack.n > NGS_STACK_MAX)
            continue;
        if (!keep(st, number, &stack))
            return;
        if (!bpf_map_delete_elem(fd, &number))
            st->taken++;
    }
}

bool session_stack(const struct session *s, uint64_t number, struct ngs_stack *out)
{
    const struct bpf_map *m = map_of(s);
    struct kept_stack *k = NULL;

    if (m && !bpf_map_lookup_elem(bpf_map__fd(m), &number, out))
        return out->n <= NGS_STACK_MAX;
    HASH_FIND(hh, s->stacks.kept, &number, sizeof(number), k);
    if (!k)
        return false;
    out->n = k->n;
    memcpy(out->frames, k->frames, k->n * sizeof(*k->frames));
    return true;
}

void stacks_close(struct session *s)
{
    struct kept_stack *k, *next;

    HASH_ITER (hh, s->stacks.kept, k, next) {
        HASH_DEL(s->stacks.kept, k);
        free(k);
    }
    s->stacks = (struct stacks){0};
}
