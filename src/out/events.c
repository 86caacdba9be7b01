/*
 * events: a live session for other programs: newline-delimited JSON, an object an event, in the order
 * in which things happen. Enters: what is printed, in pieces, warnings, errors, histograms; leaves: a
 * line each. Bytes that are no text stand as \\xNN, as everywhere in out/.
 */
#include <inttypes.h>
#include <string.h>

#include "base/arena.h"
#include "out/out.h"

struct out_events {
    FILE *f;
    char *line; /* what is printed and has no end yet */
    size_t used;
};

enum { LINE_MAX_BYTES = 1 << 16 /* a longer one is two events */ };

struct out_events *out_events_new(struct arena *arena, FILE *f)
{
    struct out_events *e = ARENA_NEW(arena, struct out_events);

    e->f = f;
    e->line = arena_alloc(arena, LINE_MAX_BYTES);
    return e;
}

void out_events_message(struct out_events *e, const char *kind, const char *text, size_t len)
{
    struct arena *a = arena_new();
    size_t n;
    const char *clean = out_clean(a, text, len, &n);

    fprintf(e->f, "{\"event\":\"%s\",\"text\":\"", kind);
    out_json(e->f, clean, n);
    fputs("\"}\n", e->f);
    fflush(e->f);
    arena_free(a);
}

void out_events_print(struct out_events *e, const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (text[i] == '\n' || e->used == LINE_MAX_BYTES) {
            out_events_message(e, "print", e->line, e->used);
            e->used = 0;
        }
        if (text[i] != '\n')
            e->line[e->used++] = text[i];
    }
}

void out_events_histogram(struct out_events *e, const struct out_row *rows, uint32_t n)
{
    static const char *const names[] = {
        [OUT_ROW_FROM] = "from", [OUT_ROW_UNDER] = "under", [OUT_ROW_OVER] = "over"};

    fputs("{\"event\":\"histogram\",\"rows\":[", e->f);
    for (uint32_t i = 0; i < n; i++)
        fprintf(e->f, "%s{\"%s\":%" PRId64 ",\"count\":%" PRIu64 "}", i ? "," : "",
                names[rows[i].kind], rows[i].bound, rows[i].count);
    fputs("]}\n", e->f);
    fflush(e->f);
}

void out_events_end(struct out_events *e)
{
    if (e->used)
        out_events_message(e, "print", e->line, e->used);
    e->used = 0;
}
