/*
 * pprof: profile.proto (google/pprof, proto/profile.proto), gzipped. One sample a distinct stack,
 * with its count and, when the period is known, its CPU time; a location and a function a frame, a
 * mapping a file of C code.
 * The wire format is protobuf's: (field << 3 | type), varints, length-delimited messages.
 */
#include <stdlib.h>
#include <string.h>

#include <zlib.h>

#include "base/arena.h"
#include "base/diag.h"
#include "out/out.h"

/* Fields of the messages in profile.proto. */
enum profile_field {
    PROFILE_SAMPLE_TYPE = 1,
    PROFILE_SAMPLE = 2,
    PROFILE_MAPPING = 3,
    PROFILE_LOCATION = 4,
    PROFILE_FUNCTION = 5,
    PROFILE_STRING = 6,
    PROFILE_TIME_NANOS = 9,
    PROFILE_DURATION_NANOS = 10,
    PROFILE_PERIOD_TYPE = 11,
    PROFILE_PERIOD = 12,
    PROFILE_COMMENT = 13,
};
enum { VALUE_TYPE = 1, VALUE_UNIT = 2 };
enum { SAMPLE_LOCATION = 1, SAMPLE_VALUE = 2, SAMPLE_LABEL = 3 };
enum { LABEL_KEY = 1, LABEL_STR = 2 };
enum {
    MAPPING_ID = 1,
    MAPPING_START = 2,
    MAPPING_LIMIT = 3,
    MAPPING_FILE = 5,
    MAPPING_BUILD_ID = 6,
    MAPPING_HAS_FUNCTIONS = 7
};
enum { LOCATION_ID = 1, LOCATION_MAPPING = 2, LOCATION_ADDRESS = 3, LOCATION_LINE = 4 };
enum { LINE_FUNCTION = 1, LINE_LINE = 2 };
enum {
    FUNCTION_ID = 1,
    FUNCTION_NAME = 2,
    FUNCTION_SYSTEM_NAME = 3,
    FUNCTION_FILE = 4,
    FUNCTION_START = 5
};

struct bytes {
    unsigned char *p;
    size_t n, room;
    bool failed;
};

struct writer {
    struct bytes out, part, inner;
    struct arena *arena;
    const char **strings;
    uint32_t n_strings;
};

static void put_byte(struct bytes *b, unsigned char c)
{
    if (b->n == b->room) {
        size_t room = b->room ? 2 * b->room : 256;
        unsigned char *p = realloc(b->p, room);

        if (!p) {
            b->failed = true;
            return;
        }
        b->p = p;
        b->room = room;
    }
    b->p[b->n++] = c;
}

static void put_varint(struct bytes *b, uint64_t v)
{
    for (; v >= 0x80; v >>= 7)
        put_byte(b, (unsigned char)(v | 0x80));
    put_byte(b, (unsigned char)v);
}

static void put_number(struct bytes *b, unsigned field, uint64_t v)
{
    if (!v)
        return; /* the default */
    put_varint(b, field << 3);
    put_varint(b, v);
}

static void put_block(struct bytes *b, unsigned field, const void *p, size_t n)
{
    put_varint(b, field << 3 | 2);
    put_varint(b, n);
    for (size_t i = 0; i < n; i++)
        put_byte(b, ((const unsigned char *)p)[i]);
}

/* What FROM holds becomes a message within B; FROM is emptied. */
static void put_message(struct bytes *b, unsigned field, struct bytes *from)
{
    put_block(b, field, from->p ? (const void *)from->p : "", from->n);
    b->failed |= from->failed;
    from->n = 0;
}

/* Strings are not looked up again: besides the fixed ones there are those of the frames and modules
 * alone, each of which the profile holds once. */
static uint32_t string(struct writer *w, const char *s)
{
    w->strings = arena_grow(w->arena, w->strings, w->n_strings, sizeof(*w->strings));
    w->strings[w->n_strings] = s;
    return w->n_strings++;
}

static void put_value_type(struct writer *w, unsigned field, uint32_t type, uint32_t unit)
{
    put_number(&w->part, VALUE_TYPE, type);
    put_number(&w->part, VALUE_UNIT, unit);
    put_message(&w->out, field, &w->part);
}

static void put_frames(struct writer *w, const struct out_profile *p)
{
    for (uint32_t i = 0; i < p->n_frames; i++) {
        const struct out_frame *f = &p->frames[i];
        uint32_t name = string(w, f->name);

        put_number(&w->part, FUNCTION_ID, i + 1);
        put_number(&w->part, FUNCTION_NAME, name);
        put_number(&w->part, FUNCTION_SYSTEM_NAME, name);
        put_number(&w->part, FUNCTION_FILE, f->file ? string(w, f->file) : 0);
        put_number(&w->part, FUNCTION_START, f->line);
        put_message(&w->out, PROFILE_FUNCTION, &w->part);

        put_number(&w->inner, LINE_FUNCTION, i + 1);
        put_number(&w->inner, LINE_LINE, f->line);
        put_number(&w->part, LOCATION_ID, i + 1);
        put_number(&w->part, LOCATION_MAPPING, f->module);
        put_number(&w->part, LOCATION_ADDRESS, f->address);
        put_message(&w->part, LOCATION_LINE, &w->inner);
        put_message(&w->out, PROFILE_LOCATION, &w->part);
    }
}

/* They have functions: nobody needs to look for symbols. */
static void put_mappings(struct writer *w, const struct out_profile *p)
{
    for (uint32_t i = 0; i < p->n_modules; i++) {
        const struct out_module *m = &p->modules[i];

        put_number(&w->part, MAPPING_ID, i + 1);
        put_number(&w->part, MAPPING_START, m->start);
        put_number(&w->part, MAPPING_LIMIT, m->end);
        put_number(&w->part, MAPPING_FILE, string(w, m->path));
        put_number(&w->part, MAPPING_BUILD_ID, m->build_id ? string(w, m->build_id) : 0);
        put_number(&w->part, MAPPING_HAS_FUNCTIONS, 1);
        put_message(&w->out, PROFILE_MAPPING, &w->part);
    }
}

static void put_samples(struct writer *w, const struct out_profile *p, int64_t period, uint32_t key,
                        const uint32_t kinds[OUT_KINDS])
{
    for (uint32_t i = 0; i < p->n_stacks; i++) {
        const struct out_stack *s = &p->stacks[i];

        for (uint32_t d = s->depth; d-- > 0;) /* the leaf first */
            put_varint(&w->inner, (uint64_t)s->frames[d] + 1);
        put_message(&w->part, SAMPLE_LOCATION, &w->inner);
        put_varint(&w->inner, s->count);
        if (period > 0)
            put_varint(&w->inner, s->count * (uint64_t)period);
        put_message(&w->part, SAMPLE_VALUE, &w->inner);
        put_number(&w->inner, LABEL_KEY, key);
        put_number(&w->inner, LABEL_STR, kinds[p->frames[s->frames[s->depth - 1]].kind]);
        put_message(&w->part, SAMPLE_LABEL, &w->inner);
        put_message(&w->out, PROFILE_SAMPLE, &w->part);
    }
}

/* Units that pprof scales. */
static bool is_unit(const char *unit)
{
    return !strcmp(unit, "microseconds") || !strcmp(unit, "bytes");
}

static const char *quantity(const char *unit)
{
    return strcmp(unit, "microseconds") ? unit : "time";
}

static void encode(struct writer *w, const struct out_profile *p, const struct out_info *i)
{
    string(w, ""); /* number 0 must be empty */
    uint32_t samples = string(w, "samples"), count = string(w, "count"), cpu = string(w, "cpu"),
             ns = string(w, "nanoseconds"), key = string(w, "code"), kinds[OUT_KINDS];

    for (unsigned k = 0; k < OUT_KINDS; k++)
        kinds[k] = string(w, out_kind_name(k));
    if (p->unit)
        put_value_type(w, PROFILE_SAMPLE_TYPE, string(w, quantity(p->unit)),
                       string(w, is_unit(p->unit) ? p->unit : "count"));
    else
        put_value_type(w, PROFILE_SAMPLE_TYPE, samples, count);
    if (i->period_ns > 0)
        put_value_type(w, PROFILE_SAMPLE_TYPE, cpu, ns);
    put_samples(w, p, i->period_ns, key, kinds);
    put_mappings(w, p);
    put_frames(w, p);
    if (i->title)
        put_number(&w->out, PROFILE_COMMENT, string(w, i->title));
    put_number(&w->out, PROFILE_TIME_NANOS, (uint64_t)i->time * 1000000000u);
    put_number(&w->out, PROFILE_DURATION_NANOS, (uint64_t)(i->seconds * 1e9));
    if (i->period_ns > 0) {
        put_value_type(w, PROFILE_PERIOD_TYPE, cpu, ns);
        put_number(&w->out, PROFILE_PERIOD, (uint64_t)i->period_ns);
    }
    for (uint32_t n = 0; n < w->n_strings; n++)
        put_block(&w->out, PROFILE_STRING, w->strings[n], strlen(w->strings[n]));
}

static bool put_gzip(const struct bytes *b, FILE *f)
{
    enum { GZIP = 16 }; /* zlib.h: added to the window's bits */
    unsigned char chunk[65536];
    z_stream z = {.next_in = b->p, .avail_in = (uInt)b->n};
    int status;

    if (b->n > UINT32_MAX / 2 || deflateInit2(&z, Z_DEFAULT_COMPRESSION, Z_DEFLATED,
                                              MAX_WBITS + GZIP, 8, Z_DEFAULT_STRATEGY))
        return false;
    do {
        z.next_out = chunk;
        z.avail_out = sizeof(chunk);
        status = deflate(&z, Z_FINISH);
        fwrite(chunk, 1, sizeof(chunk) - z.avail_out, f);
    } while (status == Z_OK);
    deflateEnd(&z);
    return status == Z_STREAM_END;
}

bool out_write_pprof(struct compile *cx, const struct out_profile *p, const struct out_info *i,
                     FILE *f)
{
    struct writer w = {.arena = cx->arena};

    encode(&w, p, i);
    bool ok = !w.out.failed && put_gzip(&w.out, f);

    free(w.out.p);
    free(w.part.p);
    free(w.inner.p);
    return ok || diag_error(cx->diag, (struct span){0}, "output", "out of memory");
}
