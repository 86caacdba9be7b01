/*
 * otlp: a profile as OpenTelemetry's collectors take it, gzipped: ExportProfilesServiceRequest of
 * opentelemetry/proto/collector/profiles/v1development, which is ProfilesData of
 * opentelemetry/proto/profiles/v1development field for field. The signal is in development: these
 * are the fields of opentelemetry-proto 1.11.0 (July 2026), unchanged since 1.10.0; until 1.9.0
 * those of a sample have other numbers.
 *
 * Whose profile it is becomes the resource's attributes, by the semantic conventions where they
 * have a name. The dictionary holds each entry once, entry 0 of each table is the zero value.
 * Values are CPU time where the time between samples is known, else what was counted.
 */
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/bytes.h"
#include "base/diag.h"
#include "out/out.h"
#include "out/protobuf.h"

/* Fields of the messages in profiles.proto, common.proto and resource.proto. */
enum { REQUEST_RESOURCES = 1, REQUEST_DICTIONARY = 2 };
enum dictionary_field {
    DICTIONARY_MAPPING = 1,
    DICTIONARY_LOCATION = 2,
    DICTIONARY_FUNCTION = 3,
    DICTIONARY_LINK = 4,
    DICTIONARY_STRING = 5,
    DICTIONARY_ATTRIBUTE = 6,
    DICTIONARY_STACK = 7
};
enum { RESOURCE_PROFILES_RESOURCE = 1, RESOURCE_PROFILES_SCOPES = 2 };
enum { RESOURCE_ATTRIBUTES = 1 };
enum { SCOPE_PROFILES_SCOPE = 1, SCOPE_PROFILES_PROFILES = 2 };
enum { SCOPE_NAME = 1 };
enum profile_field {
    PROFILE_SAMPLE_TYPE = 1,
    PROFILE_SAMPLES = 2,
    PROFILE_TIME = 3,
    PROFILE_DURATION = 4,
    PROFILE_PERIOD_TYPE = 5,
    PROFILE_PERIOD = 6,
    PROFILE_ID = 7
};
enum { LINK_TRACE_ID = 1, LINK_SPAN_ID = 2 };
enum { VALUE_TYPE_TYPE = 1, VALUE_TYPE_UNIT = 2 };
enum { SAMPLE_STACK = 1, SAMPLE_VALUES = 4 };
enum { MAPPING_START = 1, MAPPING_LIMIT = 2, MAPPING_FILE = 4, MAPPING_ATTRIBUTES = 5 };
enum { STACK_LOCATIONS = 1 };
enum { LOCATION_MAPPING = 1, LOCATION_ADDRESS = 2, LOCATION_LINES = 3, LOCATION_ATTRIBUTES = 4 };
enum { LINE_FUNCTION = 1, LINE_LINE = 2 };
enum { FUNCTION_NAME = 1, FUNCTION_SYSTEM_NAME = 2, FUNCTION_FILE = 3, FUNCTION_START = 4 };
enum { ATTRIBUTE_KEY = 1, ATTRIBUTE_VALUE = 2 };
enum { KEY_VALUE_KEY = 1, KEY_VALUE_VALUE = 2 };
enum { ANY_STRING = 1, ANY_INT = 3 };

enum { LINK_TRACE_LEN = 16, LINK_SPAN_LEN = 8 };

struct writer {
    struct arena *arena;
    struct pb out, message, part, inner, value;
    struct pb_table mappings, locations, functions, links, strings, attributes, stacks;
    uint32_t *mapping_of, *location_of; /* by module, by frame */
    uint64_t *counts;                   /* by stack */
    const struct out_profile *p;
    const struct out_info *i;
};

static uint32_t string(struct writer *w, const char *s)
{
    return pb_intern_text(w->arena, &w->strings, s);
}

/* ---- the dictionary ---- */

/* Entry 0. A link's is spelled out, for readers that expect so many bytes. */
static void begin_tables(struct writer *w)
{
    static const unsigned char zeroes[LINK_TRACE_LEN];
    struct pb_table *const empty[] = {&w->mappings, &w->locations,  &w->functions,
                                      &w->strings,  &w->attributes, &w->stacks};

    for (size_t i = 0; i < sizeof(empty) / sizeof(*empty); i++)
        pb_intern(w->arena, empty[i], "", 0);
    pb_block(&w->part, LINK_TRACE_ID, zeroes, LINK_TRACE_LEN);
    pb_block(&w->part, LINK_SPAN_ID, zeroes, LINK_SPAN_LEN);
    pb_intern_message(w->arena, &w->links, &w->part);
}

/* The attribute KEY = VALUE, as a number of LIST. */
static void list_attribute(struct writer *w, struct pb *list, const char *key, const char *value)
{
    pb_block(&w->value, ANY_STRING, value, strlen(value));
    pb_number(&w->part, ATTRIBUTE_KEY, string(w, key));
    pb_message(&w->part, ATTRIBUTE_VALUE, &w->value);
    pb_varint(list, pb_intern_message(w->arena, &w->attributes, &w->part));
}

/* Frames that are in a stack: the reader leaves out those that repeat what is inside of them. */
static bool *used_frames(struct writer *w)
{
    bool *used = ARENA_ARRAY(w->arena, bool, w->p->n_frames);

    for (uint32_t i = 0; i < w->p->n_stacks; i++)
        for (uint32_t d = 0; d < w->p->stacks[i].depth; d++)
            used[w->p->stacks[i].frames[d]] = true;
    return used;
}

static void make_mappings(struct writer *w, const bool *used_frames)
{
    bool *used = ARENA_ARRAY(w->arena, bool, w->p->n_modules + 1);

    for (uint32_t i = 0; i < w->p->n_frames; i++)
        used[w->p->frames[i].module] |= used_frames[i];
    w->mapping_of = ARENA_ARRAY(w->arena, uint32_t, w->p->n_modules);
    for (uint32_t i = 0; i < w->p->n_modules; i++) {
        const struct out_module *m = &w->p->modules[i];

        if (!used[i + 1])
            continue;
        if (m->build_id)
            list_attribute(w, &w->inner, "process.executable.build_id.gnu", m->build_id);
        pb_number(&w->part, MAPPING_START, m->start);
        pb_number(&w->part, MAPPING_LIMIT, m->end);
        pb_number(&w->part, MAPPING_FILE, string(w, m->path));
        if (w->inner.n)
            pb_message(&w->part, MAPPING_ATTRIBUTES, &w->inner);
        w->mapping_of[i] = pb_intern_message(w->arena, &w->mappings, &w->part);
    }
}

/* profile.frame.type, by the conventions. */
static const char *frame_type(enum out_kind kind)
{
    switch (kind) {
    case OUT_LUA:
    case OUT_COMPILED:
    case OUT_BUILTIN:
        return "luajit";
    case OUT_KERNEL:
        return "kernel";
    case OUT_C:
        return "native";
    case OUT_VOLUNTARY:
    case OUT_INVOLUNTARY:
    case OUT_KINDS:
        break; /* no frame: how the thread left the CPU */
    }
    return NULL;
}

static void make_locations(struct writer *w, const bool *used)
{
    w->location_of = ARENA_ARRAY(w->arena, uint32_t, w->p->n_frames);
    for (uint32_t i = 0; i < w->p->n_frames; i++) {
        const struct out_frame *f = &w->p->frames[i];
        const char *type = frame_type(f->kind);

        if (!used[i])
            continue;
        uint32_t name = string(w, f->name);

        pb_number(&w->part, FUNCTION_NAME, name);
        pb_number(&w->part, FUNCTION_SYSTEM_NAME, name);
        pb_number(&w->part, FUNCTION_FILE, f->file ? string(w, f->file) : 0);
        pb_number(&w->part, FUNCTION_START, f->line);
        uint32_t function = pb_intern_message(w->arena, &w->functions, &w->part);

        if (type)
            list_attribute(w, &w->inner, "profile.frame.type", type);
        list_attribute(w, &w->inner, "ngstap.code", out_kind_name(f->kind));
        pb_number(&w->value, LINE_FUNCTION, function);
        pb_number(&w->value, LINE_LINE, f->line);
        pb_number(&w->part, LOCATION_MAPPING, f->module ? w->mapping_of[f->module - 1] : 0);
        pb_number(&w->part, LOCATION_ADDRESS, f->address);
        pb_message(&w->part, LOCATION_LINES, &w->value);
        pb_message(&w->part, LOCATION_ATTRIBUTES, &w->inner);
        w->location_of[i] = pb_intern_message(w->arena, &w->locations, &w->part);
    }
}

static void put_dictionary(struct writer *w)
{
    pb_put_table(&w->message, DICTIONARY_MAPPING, &w->mappings);
    pb_put_table(&w->message, DICTIONARY_LOCATION, &w->locations);
    pb_put_table(&w->message, DICTIONARY_FUNCTION, &w->functions);
    pb_put_table(&w->message, DICTIONARY_LINK, &w->links);
    pb_put_table(&w->message, DICTIONARY_STRING, &w->strings);
    pb_put_table(&w->message, DICTIONARY_ATTRIBUTE, &w->attributes);
    pb_put_table(&w->message, DICTIONARY_STACK, &w->stacks);
    pb_message(&w->out, REQUEST_DICTIONARY, &w->message);
}

/* ---- the profile ---- */

static void put_value_type(struct writer *w, unsigned field, const char *type, const char *unit)
{
    pb_number(&w->inner, VALUE_TYPE_TYPE, string(w, type));
    pb_number(&w->inner, VALUE_TYPE_UNIT, string(w, unit));
    pb_message(&w->part, field, &w->inner);
}

/* The table, and what is counted of each: two of the profile's stacks may be one here. */
static void make_stacks(struct writer *w)
{
    w->counts = ARENA_ARRAY(w->arena, uint64_t, (size_t)w->p->n_stacks + 1);
    for (uint32_t n = 0; n < w->p->n_stacks; n++) {
        const struct out_stack *s = &w->p->stacks[n];

        for (uint32_t d = s->depth; d-- > 0;) /* the leaf first */
            pb_varint(&w->inner, w->location_of[s->frames[d]]);
        pb_message(&w->value, STACK_LOCATIONS, &w->inner);
        w->counts[pb_intern_message(w->arena, &w->stacks, &w->value)] += s->count;
    }
}

/* W->part becomes the Profile. */
static void make_profile(struct writer *w)
{
    const struct out_info *i = w->i;
    uint64_t each = i->period_ns > 0 ? (uint64_t)i->period_ns : 1, id[2];

    if (i->period_ns > 0)
        put_value_type(w, PROFILE_SAMPLE_TYPE, "cpu", "nanoseconds");
    else if (w->p->unit)
        put_value_type(w, PROFILE_SAMPLE_TYPE, out_quantity(w->p->unit), out_scaled(w->p->unit));
    else
        put_value_type(w, PROFILE_SAMPLE_TYPE, "samples", "count");
    make_stacks(w);
    for (uint32_t n = 1; n < w->stacks.n; n++) {
        uint64_t value;

        if (__builtin_mul_overflow(w->counts[n], each, &value) || value > INT64_MAX)
            value = INT64_MAX;
        pb_varint(&w->value, value);
        pb_number(&w->inner, SAMPLE_STACK, n);
        pb_message(&w->inner, SAMPLE_VALUES, &w->value);
        pb_message(&w->part, PROFILE_SAMPLES, &w->inner);
    }
    pb_fixed64(&w->part, PROFILE_TIME, (uint64_t)i->time * 1000000000u);
    pb_number(&w->part, PROFILE_DURATION, (uint64_t)(i->seconds * 1e9));
    if (i->period_ns > 0) {
        put_value_type(w, PROFILE_PERIOD_TYPE, "cpu", "nanoseconds");
        pb_number(&w->part, PROFILE_PERIOD, each);
    }
    /* By what it holds: a receiver that got the same twice can tell. */
    id[0] = bytes_hash(BYTES_HASH, w->part.p, w->part.n);
    for (uint32_t l = 0; l < i->n_labels; l++)
        id[0] = bytes_hash(id[0], i->labels[l].value, strlen(i->labels[l].value) + 1);
    id[1] = bytes_hash(id[0], w->part.p, w->part.n);
    pb_block(&w->part, PROFILE_ID, id, sizeof(id));
}

/* ---- whose it is ---- */

/* What labels are called by the conventions; others keep their names. */
static const struct {
    const char *label, *attribute;
    bool is_number;
} conventions[] = {
    {"service", "service.name", false},
    {"namespace", "k8s.namespace.name", false},
    {"pod", "k8s.pod.name", false},
    {"container", "k8s.container.name", false},
    {"container_id", "container.id", false},
    {"node", "host.name", false},
    {"pid", "process.pid", true},
    {"executable", "process.executable.path", false},
};

static void put_attribute(struct writer *w, const char *key, const char *value, bool is_number)
{
    char *end;
    uint64_t number = is_number ? strtoull(value, &end, 10) : 0;

    if (number && !*end)
        pb_number(&w->value, ANY_INT, number);
    else
        pb_block(&w->value, ANY_STRING, value, strlen(value));
    pb_text(&w->inner, KEY_VALUE_KEY, key);
    pb_message(&w->inner, KEY_VALUE_VALUE, &w->value);
    pb_message(&w->part, RESOURCE_ATTRIBUTES, &w->inner);
}

static const char *label(const struct writer *w, const char *name)
{
    for (uint32_t i = 0; i < w->i->n_labels; i++)
        if (!strcmp(w->i->labels[i].name, name))
            return w->i->labels[i].value;
    return NULL;
}

/* W->part becomes the Resource. */
static void make_resource(struct writer *w)
{
    const char *executable = label(w, "executable"), *node = label(w, "node");

    if (!label(w, "service")) /* what the conventions have for it */
        put_attribute(w, "service.name", "unknown_service", false);
    for (uint32_t i = 0; i < w->i->n_labels; i++) {
        const struct out_label *l = &w->i->labels[i];
        const char *key = l->name;
        bool is_number = false;

        for (size_t c = 0; c < sizeof(conventions) / sizeof(*conventions); c++)
            if (!strcmp(conventions[c].label, l->name)) {
                key = conventions[c].attribute;
                is_number = conventions[c].is_number;
            }
        put_attribute(w, key, l->value, is_number);
    }
    if (executable)
        put_attribute(w, "process.executable.name", base_name(executable), false);
    if (node && label(w, "pod"))
        put_attribute(w, "k8s.node.name", node, false);
}

static void encode(struct writer *w)
{
    const bool *used = used_frames(w);

    begin_tables(w);
    make_mappings(w, used);
    make_locations(w, used);
    make_resource(w);
    pb_message(&w->message, RESOURCE_PROFILES_RESOURCE, &w->part);
    struct pb scope = {0};

    pb_text(&w->inner, SCOPE_NAME, "ngstap");
    pb_message(&scope, SCOPE_PROFILES_SCOPE, &w->inner);
    make_profile(w);
    pb_message(&scope, SCOPE_PROFILES_PROFILES, &w->part);
    pb_message(&w->message, RESOURCE_PROFILES_SCOPES, &scope);
    pb_free(&scope);
    pb_message(&w->out, REQUEST_RESOURCES, &w->message);
    put_dictionary(w);
}

bool out_write_otlp(struct compile *cx, const struct out_profile *p, const struct out_info *i,
                    FILE *f)
{
    struct writer w = {.arena = cx->arena, .p = p, .i = i};
    struct pb *const messages[] = {&w.out, &w.message, &w.part, &w.inner, &w.value};
    struct pb_table *const tables[] = {&w.mappings, &w.locations,  &w.functions, &w.links,
                                       &w.strings,  &w.attributes, &w.stacks};

    encode(&w);
    bool ok = pb_gzip(&w.out, f);

    for (size_t n = 0; n < sizeof(messages) / sizeof(*messages); n++)
        pb_free(messages[n]);
    for (size_t n = 0; n < sizeof(tables) / sizeof(*tables); n++)
        pb_table_free(tables[n]);
    return ok || diag_error(cx->diag, (struct span){0}, "output", "out of memory");
}
