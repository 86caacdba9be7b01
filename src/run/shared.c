/*
 * shared: global strings, which handlers in the kernel set and read at any moment, read and set
 * from user space by the protocol of base/abi.h (struct ngs_shared). Enters: a string in the
 * globals, of any content; leaves: a text that some handler has assigned, whole, or false.
 */
#include "run/value.h"

#include <sched.h>

static bool read_text(struct ngs_shared *s, uint32_t max, struct ngs_str *dst, uint64_t *ticket)
{
    for (int turn = 0; turn < NGS_SHARED_TRIES; turn++) {
        uint64_t shown = __atomic_load_n(&s->shown, __ATOMIC_ACQUIRE);
        const struct ngs_str *text = ngs_shared_text(s, shown, max);
        uint32_t len = __atomic_load_n(&text->len, __ATOMIC_RELAXED);

        if (len <= max) {
            str_set(dst, max, text->bytes, len);
            if (__atomic_fetch_add(&s->next, 0, __ATOMIC_SEQ_CST) <= shown + NGS_SHARED_TEXTS) {
                *ticket = shown;
                return true;
            }
        }
        sched_yield();
    }
    return false;
}

bool shared_get(struct ngs_shared *s, uint32_t max, struct ngs_str *dst)
{
    uint64_t ticket;

    return read_text(s, max, dst, &ticket);
}

/* Makes TICKET's text the current one: in place of *ONLY, or, without ONLY, of any earlier one. */
static bool show(struct ngs_shared *s, uint64_t ticket, const uint64_t *only)
{
    uint64_t shown = only ? *only : __atomic_load_n(&s->shown, __ATOMIC_RELAXED);

    while (shown < ticket) {
        if (__atomic_compare_exchange_n(&s->shown, &shown, ticket, false, __ATOMIC_SEQ_CST,
                                        __ATOMIC_SEQ_CST))
            return true;
        if (only)
            return false;
    }
    return true;
}

static bool put_text(struct ngs_shared *s, uint32_t max, struct str text, const uint64_t *only)
{
    for (int turn = 0; turn < NGS_SHARED_TRIES; turn++) {
        uint64_t ticket = __atomic_fetch_add(&s->next, 1, __ATOMIC_SEQ_CST);
        uint64_t *busy = &s->busy[ticket % NGS_SHARED_TEXTS];
        bool free_text, shown = false;

        if (__atomic_exchange_n(busy, 1, __ATOMIC_SEQ_CST))
            continue;
        free_text = __atomic_load_n(&s->shown, __ATOMIC_SEQ_CST) + NGS_SHARED_TEXTS != ticket;
        if (free_text) {
            str_set(ngs_shared_text(s, ticket, max), max, text.p, text.len);
            shown = show(s, ticket, only);
        }
        __atomic_store_n(busy, 0, __ATOMIC_SEQ_CST);
        if (free_text)
            return shown;
    }
    return !only; /* all others are being set: it was set before them */
}

void shared_set(struct ngs_shared *s, uint32_t max, struct str text)
{
    put_text(s, max, text, NULL);
}

bool shared_append(struct ngs_shared *s, uint32_t max, struct str more, struct ngs_str *room,
                   bool *cut)
{
    for (int turn = 0; turn < NGS_SHARED_TRIES; turn++) {
        uint64_t ticket;

        if (!read_text(s, max, room, &ticket))
            return false;
        *cut = !str_append(room, max, more.p, more.len);
        if (put_text(s, max, (struct str){room->bytes, room->len}, &ticket))
            return true;
    }
    return false;
}
