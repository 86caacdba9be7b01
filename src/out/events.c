/*
 * events: a live session for other programs: newline-delimited JSON, an object an event, in the
 * order in which things happen. Enters: what is printed, in pieces, warnings, errors, histograms;
 * leaves: a line each. Control characters and what would not be seen are JSON's escapes, so that a
 * parser gives back what was printed. JSON has no bytes: where some are no text they are \\xNN, and
 * the event says that it is "escaped", backslashes that were printed being doubled.
 */
#include <inttypes.h>
#include <string.h>

#include "base/arena.h"
#include "base/clean.h"
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

static bool is_text(const unsigned char *p, size_t len)
{
    uint32_t code;

    for (size_t i = 0, n; i < len; i += n)
        if (!(n = clean_character(p + i, len - i, &code)))
            return false;
    return true;
}

static void put_escape(FILE *f, uint32_t code)
{
    if (code > 0xffff) { /* a pair of surrogates (RFC 8259, 7) */
        fprintf(f, "\\u%04x", 0xd800 + ((code - 0x10000) >> 10));
        code = 0xdc00 + ((code - 0x10000) & 0x3ff);
    }
    fprintf(f, "\\u%04x", code);
}

static void put_text(FILE *f, const unsigned char *p, size_t len, bool escaped)
{
    static const char named[] = "\tt\nn\rr\bb\ff";
    const char *name;
    uint32_t code;

    for (size_t i = 0, n; i < len; i += n ? n : 1) {
        n = clean_character(p + i, len - i, &code);
        if (!n)
            fprintf(f, "\\\\x%02x", p[i]);
        else if (code == '\\' && escaped)
            fputs("\\\\\\\\", f);
        else if (code && code < ' ' && (name = strchr(named, (int)code)))
            fprintf(f, "\\%c", name[1]);
        else if (clean_printable(code))
            out_json(f, (const char *)p + i, n);
        else
            put_escape(f, code);
    }
}

void out_events_message(struct out_events *e, const char *kind, const char *text, size_t len)
{
    const unsigned char *p = (const unsigned char *)text;
    bool escaped = !is_text(p, len);

    fprintf(e->f, "{\"event\":\"%s\",%s\"text\":\"", kind, escaped ? "\"escaped\":true," : "");
    put_text(e->f, p, len, escaped);
    fputs("\"}\n", e->f);
    fflush(e->f);
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
