/*
 * pprof_read: a saved pprof (profile.proto, gzipped or not) becomes a profile again. Enters: any
 * bytes; leaves: frames, stacks and what is said of time. Of several values of a sample the
 * first is taken whose unit is not nanoseconds, else the last; inlined functions are frames of
 * their own. Refused: what is no such message, what refers to nothing, what is larger than the
 * bounds of text (out.h).
 *
 * What wrote it was ngstap, or not: names are made clean, and a frame's kind is told by the label
 * "code" of the innermost frame (pprof.c), else by its place.
 */
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/bytes.h"
#include "out/out.h"
#include "out/pprof.h"
#include "out/protobuf.h"

/* CELLS: frames of all stacks together, of which a few bytes can name many. */
enum { INFLATED_MAX = 128 << 20, ENTRIES_MAX = 1 << 24, CELLS_MAX = 1 << 24 };

struct location {
    uint64_t id;
    uint32_t first, n; /* of the frames in the file's order: innermost first */
};

struct text {
    const char *s; /* clean; NULL: not asked for yet */
    struct pb_reader bytes;
};

struct function {
    uint64_t id;
    uint32_t name, file, line;
};

struct reader {
    struct arena *a;
    struct out_profile *p;
    struct text *strings;
    uint32_t n_strings;
    struct function *functions;
    uint32_t n_functions;
    uint64_t *mappings; /* ids, by module */
    struct location *locations;
    uint32_t n_locations;
    uint32_t n_cells;
    uint64_t types[8][2]; /* of values: type, unit */
    uint32_t n_types, value;
    const char *why;
};

static bool fail(struct reader *r, const char *why)
{
    r->why = why;
    return false;
}

/* ---- tables: ids may be any numbers, and are most often 1, 2, ... ---- */

static int by_id(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return x < y ? -1 : x > y;
}

/* The element of N elements of SIZE bytes at V, sorted, that begins with ID; NULL: none. */
static void *find(const void *v, uint32_t n, size_t size, uint64_t id)
{
    const char *base = v;

    if (id && id <= n && *(const uint64_t *)(base + (id - 1) * size) == id)
        return (char *)base + (id - 1) * size;
    return n ? bsearch(&id, v, n, size, by_id) : NULL;
}

static const char *text(struct reader *r, uint64_t i)
{
    size_t n;

    if (i >= r->n_strings)
        return NULL;
    struct text *t = &r->strings[i];

    if (!t->s)
        t->s = out_clean(r->a, (const char *)t->bytes.at, (size_t)(t->bytes.end - t->bytes.at), &n);
    return t->s;
}

static bool is_text(struct reader *r, uint64_t i, const char *word)
{
    const char *s = text(r, i);

    return s && !strcmp(s, word);
}

/* ---- the messages ---- */

static bool take_function(struct reader *r, struct pb_reader m)
{
    struct function fn = {0};
    struct pb_field f;

    while (pb_next(&m, &f)) {
        if (f.type != PB_VARINT)
            continue;
        if (f.number == FUNCTION_ID)
            fn.id = f.value;
        else if (f.number == FUNCTION_NAME && f.value < UINT32_MAX)
            fn.name = (uint32_t)f.value;
        else if (f.number == FUNCTION_FILE && f.value < UINT32_MAX)
            fn.file = (uint32_t)f.value;
        else if (f.number == FUNCTION_START && f.value < INT32_MAX)
            fn.line = (uint32_t)f.value;
    }
    r->functions = arena_grow(r->a, r->functions, r->n_functions, sizeof(fn));
    r->functions[r->n_functions++] = fn;
    return !m.bad;
}

static bool take_mapping(struct reader *r, struct pb_reader m)
{
    struct out_module module = {.path = ""};
    struct out_profile *p = r->p;
    uint64_t id = 0;
    struct pb_field f;

    while (pb_next(&m, &f)) {
        if (f.type != PB_VARINT)
            continue;
        const char *s = text(r, f.value);

        if (f.number == MAPPING_ID)
            id = f.value;
        else if (f.number == MAPPING_START)
            module.start = f.value;
        else if (f.number == MAPPING_LIMIT)
            module.end = f.value;
        else if (f.number == MAPPING_FILE && s)
            module.path = s;
        else if (f.number == MAPPING_BUILD_ID && s && *s)
            module.build_id = s;
    }
    p->modules = arena_grow(r->a, p->modules, p->n_modules, sizeof(module));
    r->mappings = arena_grow(r->a, r->mappings, p->n_modules, sizeof(id));
    r->mappings[p->n_modules] = id;
    p->modules[p->n_modules++] = module;
    return !m.bad;
}

static bool add_line(struct reader *r, struct pb_reader m, const struct out_frame *base)
{
    const struct function *fn = NULL;
    struct out_frame frame = *base;
    struct pb_field f;

    while (pb_next(&m, &f))
        if (f.type == PB_VARINT && f.number == LINE_FUNCTION)
            fn = find(r->functions, r->n_functions, sizeof(*fn), f.value);
    const char *file = fn ? text(r, fn->file) : NULL;

    if (m.bad || !fn || !(frame.name = text(r, fn->name)))
        return fail(r, "a line of a function that is not there");
    if (!*frame.name)
        frame.name = "?";
    frame.len = (uint32_t)strlen(frame.name);
    if (file && *file)
        frame.file = file;
    frame.line = fn->line;
    r->p->frames = arena_grow(r->a, r->p->frames, r->p->n_frames, sizeof(frame));
    r->p->frames[r->p->n_frames++] = frame;
    return true;
}

static uint32_t module_of(struct reader *r, uint64_t id)
{
    for (uint32_t i = 0; id && i < r->p->n_modules; i++)
        if (r->mappings[i] == id)
            return i + 1;
    return 0;
}

/* Its frames are told apart by kind later: which it is only samples say. */
static bool take_location(struct reader *r, struct pb_reader m)
{
    struct location l = {.first = r->p->n_frames};
    struct out_frame base = {.kind = OUT_KINDS};
    struct pb_reader again = m;
    struct pb_field f;

    while (pb_next(&m, &f))
        if (f.type == PB_VARINT && f.number == LOCATION_ID)
            l.id = f.value;
        else if (f.type == PB_VARINT && f.number == LOCATION_ADDRESS)
            base.address = f.value;
        else if (f.type == PB_VARINT && f.number == LOCATION_MAPPING)
            base.module = module_of(r, f.value);
    while (pb_next(&again, &f))
        if (f.type == PB_BYTES && f.number == LOCATION_LINE && !add_line(r, f.bytes, &base))
            return false;
    if (r->p->n_frames == l.first) { /* without symbols */
        base.name = arena_printf(r->a, "0x%llx", (unsigned long long)base.address);
        base.len = (uint32_t)strlen(base.name);
        r->p->frames = arena_grow(r->a, r->p->frames, r->p->n_frames, sizeof(base));
        r->p->frames[r->p->n_frames++] = base;
    }
    l.n = r->p->n_frames - l.first;
    r->locations = arena_grow(r->a, r->locations, r->n_locations, sizeof(l));
    r->locations[r->n_locations++] = l;
    return !m.bad;
}

static bool take_type(struct reader *r, struct pb_reader m)
{
    struct pb_field f;

    if (r->n_types == sizeof(r->types) / sizeof(*r->types))
        return fail(r, "more kinds of values than any profiler has");
    while (pb_next(&m, &f))
        if (f.type == PB_VARINT && (f.number == VALUE_TYPE || f.number == VALUE_UNIT))
            r->types[r->n_types][f.number - 1] = f.value;
    r->n_types++;
    return !m.bad;
}

static enum out_kind usual_kind(const struct reader *r, const struct out_frame *f)
{
    const char *path = f->module ? r->p->modules[f->module - 1].path : "";

    if (*path == '[' || f->address >> 63)
        return OUT_KERNEL;
    if (f->module || f->address)
        return OUT_C;
    return f->name[0] == '@' || f->file || strchr(f->name, ':') ? OUT_LUA : OUT_C;
}

/* The kind that the label "code" gives; OUT_KINDS: none. */
static enum out_kind labelled(struct reader *r, struct pb_reader m)
{
    uint64_t key = 0, value = 0;
    struct pb_field f;

    while (pb_next(&m, &f))
        if (f.type == PB_VARINT && f.number == LABEL_KEY)
            key = f.value;
        else if (f.type == PB_VARINT && f.number == LABEL_STR)
            value = f.value;
    for (unsigned k = 0; is_text(r, key, "code") && k < OUT_KINDS; k++)
        if (is_text(r, value, out_kind_name(k)))
            return k;
    return OUT_KINDS;
}

/* The numbers of FIELD, packed or alone, into *V. */
static void numbers(struct arena *a, const struct pb_field *f, uint64_t **v, uint32_t *n)
{
    struct pb_reader packed = f->bytes;
    uint64_t one = f->value;

    while (f->type == PB_VARINT || pb_next_number(&packed, &one)) {
        *v = arena_grow(a, *v, *n, sizeof(**v));
        (*v)[(*n)++] = one;
        if (f->type == PB_VARINT)
            break;
    }
}

static bool add_stack(struct reader *r, const uint64_t *ids, uint32_t n_ids, uint64_t count,
                      enum out_kind kind)
{
    struct out_stack s = {.count = count};

    for (uint32_t i = 0; i < n_ids; i++) {
        const struct location *l = find(r->locations, r->n_locations, sizeof(*l), ids[i]);

        if (!l)
            return fail(r, "a sample of a location that is not there");
        s.depth += l->n;
        if (s.depth > OUT_DEPTH_MAX)
            return fail(r, "a stack of more than 10000 frames");
    }
    if (!s.depth || !count)
        return true;
    r->n_cells += s.depth;
    if (r->n_cells > CELLS_MAX)
        return fail(r, "more frames than any profile has");
    s.frames = ARENA_ARRAY(r->a, uint32_t, s.depth);
    uint32_t at = s.depth;

    for (uint32_t i = 0; i < n_ids; i++) {
        const struct location *l = find(r->locations, r->n_locations, sizeof(*l), ids[i]);

        for (uint32_t k = 0; k < l->n; k++)
            s.frames[--at] = l->first + k;
    }
    struct out_frame *leaf = &r->p->frames[s.frames[s.depth - 1]];

    if (kind != OUT_KINDS && leaf->kind == OUT_KINDS)
        leaf->kind = kind;
    if (__builtin_add_overflow(r->p->total, count, &r->p->total))
        return fail(r, "the counts add up to more than 2^64");
    r->p->stacks = arena_grow(r->a, r->p->stacks, r->p->n_stacks, sizeof(s));
    r->p->stacks[r->p->n_stacks++] = s;
    return true;
}

static bool take_sample(struct reader *r, struct pb_reader m)
{
    uint64_t *ids = NULL, *values = NULL;
    uint32_t n_ids = 0, n_values = 0;
    enum out_kind kind = OUT_KINDS;
    struct pb_field f;

    while (pb_next(&m, &f)) {
        if (f.type != PB_VARINT && f.type != PB_BYTES)
            continue;
        if (f.number == SAMPLE_LOCATION)
            numbers(r->a, &f, &ids, &n_ids);
        else if (f.number == SAMPLE_VALUE)
            numbers(r->a, &f, &values, &n_values);
        else if (f.number == SAMPLE_LABEL && f.type == PB_BYTES && kind == OUT_KINDS)
            kind = labelled(r, f.bytes);
    }
    if (m.bad || r->value >= n_values || values[r->value] >> 63)
        return fail(r, "a sample without its value");
    return add_stack(r, ids, n_ids, values[r->value], kind);
}

/* ---- the whole ---- */

static bool each(struct reader *r, struct pb_reader m, unsigned field,
                 bool (*take)(struct reader *r, struct pb_reader m))
{
    uint32_t n = 0;
    struct pb_field f;

    while (pb_next(&m, &f)) {
        if (f.number != field || f.type != PB_BYTES)
            continue;
        if (++n > ENTRIES_MAX)
            return fail(r, "more entries than any profile has");
        if (!take(r, f.bytes))
            return r->why ? false : fail(r, "it is no pprof");
    }
    return !m.bad || fail(r, "it is no pprof");
}

static bool take_string(struct reader *r, struct pb_reader m)
{
    r->strings = arena_grow(r->a, r->strings, r->n_strings, sizeof(*r->strings));
    r->strings[r->n_strings++] = (struct text){.bytes = m};
    return true;
}

/* Counts, if there are some; a time else. */
static void choose_value(struct reader *r)
{
    while (r->value + 1 < r->n_types && is_text(r, r->types[r->value][1], "nanoseconds"))
        r->value++;
    if (!is_text(r, r->types[r->value][0], "samples")) {
        const char *type = text(r, r->types[r->value][0]);
        const char *unit = text(r, r->types[r->value][1]);

        r->p->unit = unit && strcmp(unit, "count") != 0 ? unit : type;
    }
}

static bool take_rest(struct reader *r, struct pb_reader m, struct out_info *info)
{
    struct pb_field f;
    struct pb_reader period = {0};
    uint64_t type = 0, unit = 0;

    while (pb_next(&m, &f)) {
        if (f.number == PROFILE_TIME_NANOS && f.type == PB_VARINT)
            info->time = (int64_t)(f.value / 1000000000u);
        else if (f.number == PROFILE_DURATION_NANOS && f.type == PB_VARINT)
            info->seconds = (double)f.value / 1e9;
        else if (f.number == PROFILE_PERIOD && f.type == PB_VARINT && f.value < INT64_MAX)
            info->period_ns = (int64_t)f.value;
        else if (f.number == PROFILE_COMMENT && f.type == PB_VARINT && text(r, f.value))
            info->title = text(r, f.value);
        else if (f.number == PROFILE_PERIOD_TYPE && f.type == PB_BYTES)
            period = f.bytes;
    }
    while (pb_next(&period, &f))
        if (f.type == PB_VARINT && f.number == VALUE_TYPE)
            type = f.value;
        else if (f.type == PB_VARINT && f.number == VALUE_UNIT)
            unit = f.value;
    if (r->p->unit || !is_text(r, type, "cpu") || !is_text(r, unit, "nanoseconds"))
        info->period_ns = 0;
    return !m.bad;
}

static bool read_all(struct reader *r, struct pb_reader m, struct out_info *info)
{
    if (!each(r, m, PROFILE_STRING, take_string) || !r->n_strings ||
        !each(r, m, PROFILE_SAMPLE_TYPE, take_type) || !r->n_types ||
        !each(r, m, PROFILE_FUNCTION, take_function))
        return r->why ? false : fail(r, "it is no pprof");
    choose_value(r);
    if (r->n_functions)
        qsort(r->functions, r->n_functions, sizeof(*r->functions), by_id);
    if (!each(r, m, PROFILE_MAPPING, take_mapping) || !each(r, m, PROFILE_LOCATION, take_location))
        return false;
    if (r->n_locations)
        qsort(r->locations, r->n_locations, sizeof(*r->locations), by_id);
    if (!each(r, m, PROFILE_SAMPLE, take_sample) || !take_rest(r, m, info))
        return r->why ? false : fail(r, "it is no pprof");
    for (uint32_t i = 0; i < r->p->n_frames; i++)
        if (r->p->frames[i].kind == OUT_KINDS)
            r->p->frames[i].kind = usual_kind(r, &r->p->frames[i]);
    return true;
}

bool out_is_pprof(const void *bytes, size_t n)
{
    return n > 2 && !memcmp(bytes, "\x1f\x8b", 2);
}

struct out_profile *out_read_pprof(struct compile *cx, const void *bytes, size_t n,
                                   struct out_info *info, const char **why)
{
    struct reader r = {.a = cx->arena, .p = ARENA_NEW(cx->arena, struct out_profile)};
    const unsigned char *all = bytes;
    unsigned char *inflated = NULL;
    bool ok = false;

    if (out_is_pprof(bytes, n))
        all = inflated = pb_gunzip(bytes, n, INFLATED_MAX, &n);
    if (!all)
        r.why = "its gzip is damaged, or it is too large";
    else
        ok = read_all(&r, (struct pb_reader){all, all + n, false}, info);
    free(inflated);
    *why = r.why;
    return ok ? r.p : NULL;
}
