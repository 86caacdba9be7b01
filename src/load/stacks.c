/*
 * stacks: the stacks that scripts hold as numbers, and the texts among their frames, for a session
 * of any length. Enters: NGS_MAP_STACKS and NGS_MAP_TEXTS, which handlers fill; leaves: the maps
 * with room for more, as what they had is kept here once half of one is full. A number is made of
 * the stack (cg/lib/stack.c), so one that comes again has the same. Refused: more than KEPT_MAX
 * bytes; a map fills then, and handlers that would store one more fail.
 */
#include "load/session.h"

#include <bpf/bpf.h>
#include <stdlib.h>
#include <string.h>

#include <uthash.h>

enum { KEPT_MAX = 256 * 1024 * 1024 };

struct kept {
    uint64_t number;
    UT_hash_handle hh;
    size_t size;
    uint8_t value[]; /* SIZE bytes: what counts of the element */
};

/* One of the two maps, and what is kept of it. */
struct kept_of {
    const struct bpf_map *map;
    struct kept **kept;
    uint64_t stored, *taken;
    bool is_text;
};

static bool source_of(struct session *s, bool is_text, struct kept_of *from)
{
    const uint64_t *stored = is_text ? &s->control->texts : &s->control->stacks;

    *from = (struct kept_of){.map = s->obj ? bpf_object__find_map_by_name(
                                                 s->obj, is_text ? NGS_MAP_TEXTS : NGS_MAP_STACKS)
                                           : NULL,
                             .kept = is_text ? &s->stacks.texts : &s->stacks.kept,
                             .taken = is_text ? &s->stacks.texts_taken : &s->stacks.taken,
                             .is_text = is_text};
    if (!from->map)
        return false;
    from->stored = __atomic_load_n(stored, __ATOMIC_RELAXED);
    return true;
}

/* Bytes of the element VALUE, of at most MAX, that count; 0: it is damaged. */
static size_t size_of(const struct kept_of *from, const void *value, size_t max)
{
    const struct ngs_stack *stack = value;
    const struct ngs_str *text = value;
    size_t size = from->is_text ? offsetof(struct ngs_str, bytes) + (size_t)text->len
                                : (1 + (size_t)stack->n) * sizeof(uint64_t);

    return (from->is_text || stack->n <= NGS_STACK_ROOM) && size <= max ? size : 0;
}

/* False: out of memory, or of what is allowed. */
static bool keep(struct stacks *st, const struct kept_of *from, uint64_t number, const void *value,
                 size_t size)
{
    struct kept *k = NULL;

    HASH_FIND(hh, *from->kept, &number, sizeof(number), k);
    if (k)
        return true;
    k = st->bytes + sizeof(*k) + size <= KEPT_MAX ? malloc(sizeof(*k) + size) : NULL;
    if (!k)
        return false;
    k->number = number;
    k->size = size;
    memcpy(k->value, value, size);
    HASH_ADD(hh, *from->kept, number, sizeof(k->number), k);
    st->bytes += sizeof(*k) + size;
    return true;
}

/* Each is taken out once it is kept; who stores it meanwhile stores it again. */
static void take_over(struct session *s, const struct kept_of *from)
{
    size_t max = bpf_map__value_size(from->map), size;
    void *value = malloc(max);
    uint64_t number, next;
    int fd = bpf_map__fd(from->map);
    bool more = value && !bpf_map_get_next_key(fd, NULL, &next);

    while (more) {
        number = next;
        more = !bpf_map_get_next_key(fd, &number, &next);
        if (bpf_map_lookup_elem(fd, &number, value) || !(size = size_of(from, value, max)))
            continue;
        if (!keep(&s->stacks, from, number, value, size))
            break;
        if (!bpf_map_delete_elem(fd, &number))
            ++*from->taken;
    }
    free(value);
}

void stacks_watch(struct session *s)
{
    struct kept_of from;

    for (int is_text = 0; is_text < 2; is_text++)
        if (source_of(s, is_text, &from) &&
            (from.stored - *from.taken) * 2 >= bpf_map__max_entries(from.map))
            take_over(s, &from);
}

static void forget(struct stacks *st, struct kept **all)
{
    struct kept *k, *next;

    HASH_ITER (hh, *all, k, next) {
        HASH_DEL(*all, k);
        st->bytes -= sizeof(*k) + k->size;
        free(k);
    }
}

/* What a handler meets now is in the maps, or stored there again: so one generation back is kept,
 * which elements that were added since they were printed may name. */
void session_stacks_forget(struct session *s)
{
    struct kept_of from;

    for (int is_text = 0; is_text < 2; is_text++)
        if (source_of(s, is_text, &from)) {
            forget(&s->stacks, from.kept);
            take_over(s, &from);
        }
}

/* The element's bytes that count, the caller's to free; NULL: there is none. */
static void *find(const struct session *s, bool is_text, uint64_t number, size_t *size)
{
    struct kept_of from;
    struct kept *k = NULL;

    if (!source_of((struct session *)s, is_text, &from))
        return NULL;
    size_t max = bpf_map__value_size(from.map);
    void *value = malloc(max);

    if (!value)
        return NULL;
    if (!bpf_map_lookup_elem(bpf_map__fd(from.map), &number, value) &&
        (*size = size_of(&from, value, max)))
        return value;
    HASH_FIND(hh, *from.kept, &number, sizeof(number), k);
    if (k && k->size <= max) {
        memcpy(value, k->value, k->size);
        *size = k->size;
        return value;
    }
    free(value);
    return NULL;
}

bool session_stack(const struct session *s, uint64_t number, struct ngs_stack *out)
{
    size_t size;
    void *value = find(s, false, number, &size);

    if (value)
        memcpy(out, value, size);
    free(value);
    return value != NULL;
}

char *session_text(const struct session *s, uint64_t number, size_t *len)
{
    size_t size;
    struct ngs_str *value = find(s, true, number, &size);

    if (!value)
        return NULL;
    *len = value->len;
    memmove(value, value->bytes, value->len);
    return (char *)value;
}

void stacks_close(struct session *s)
{
    forget(&s->stacks, &s->stacks.kept);
    forget(&s->stacks, &s->stacks.texts);
    s->stacks = (struct stacks){0};
}
