/*
 * pprof: profile.proto (google/pprof, proto/profile.proto), gzipped. One sample a distinct stack,
 * with its count and, when the period is known, its CPU time; a location and a function a frame, a
 * mapping a file of C code.
 */
#include "base/diag.h"
#include "out/out.h"
#include "out/pprof.h"
#include "out/protobuf.h"

struct writer {
    struct pb out, part, inner;
    struct arena *arena;
    struct pb_table strings;
};

static uint32_t string(struct writer *w, const char *s)
{
    return pb_intern_text(w->arena, &w->strings, s);
}

static void put_value_type(struct writer *w, unsigned field, uint32_t type, uint32_t unit)
{
    pb_number(&w->part, VALUE_TYPE, type);
    pb_number(&w->part, VALUE_UNIT, unit);
    pb_message(&w->out, field, &w->part);
}

static void put_frames(struct writer *w, const struct out_profile *p)
{
    for (uint32_t i = 0; i < p->n_frames; i++) {
        const struct out_frame *f = &p->frames[i];
        uint32_t name = string(w, f->name);

        pb_number(&w->part, FUNCTION_ID, i + 1);
        pb_number(&w->part, FUNCTION_NAME, name);
        pb_number(&w->part, FUNCTION_SYSTEM_NAME, name);
        pb_number(&w->part, FUNCTION_FILE, f->file ? string(w, f->file) : 0);
        pb_number(&w->part, FUNCTION_START, f->line);
        pb_message(&w->out, PROFILE_FUNCTION, &w->part);

        pb_number(&w->inner, LINE_FUNCTION, i + 1);
        pb_number(&w->inner, LINE_LINE, f->line);
        pb_number(&w->part, LOCATION_ID, i + 1);
        pb_number(&w->part, LOCATION_MAPPING, f->module);
        pb_number(&w->part, LOCATION_ADDRESS, f->address);
        pb_message(&w->part, LOCATION_LINE, &w->inner);
        pb_message(&w->out, PROFILE_LOCATION, &w->part);
    }
}

/* They have functions: nobody needs to look for symbols. */
static void put_mappings(struct writer *w, const struct out_profile *p)
{
    for (uint32_t i = 0; i < p->n_modules; i++) {
        const struct out_module *m = &p->modules[i];

        pb_number(&w->part, MAPPING_ID, i + 1);
        pb_number(&w->part, MAPPING_START, m->start);
        pb_number(&w->part, MAPPING_LIMIT, m->end);
        pb_number(&w->part, MAPPING_FILE, string(w, m->path));
        pb_number(&w->part, MAPPING_BUILD_ID, m->build_id ? string(w, m->build_id) : 0);
        pb_number(&w->part, MAPPING_HAS_FUNCTIONS, 1);
        pb_message(&w->out, PROFILE_MAPPING, &w->part);
    }
}

static void put_samples(struct writer *w, const struct out_profile *p, int64_t period, uint32_t key,
                        const uint32_t kinds[OUT_KINDS])
{
    for (uint32_t i = 0; i < p->n_stacks; i++) {
        const struct out_stack *s = &p->stacks[i];

        for (uint32_t d = s->depth; d-- > 0;) /* the leaf first */
            pb_varint(&w->inner, (uint64_t)s->frames[d] + 1);
        pb_message(&w->part, SAMPLE_LOCATION, &w->inner);
        pb_varint(&w->inner, s->count);
        if (period > 0)
            pb_varint(&w->inner, s->count * (uint64_t)period);
        pb_message(&w->part, SAMPLE_VALUE, &w->inner);
        pb_number(&w->inner, LABEL_KEY, key);
        pb_number(&w->inner, LABEL_STR, kinds[p->frames[s->frames[s->depth - 1]].kind]);
        pb_message(&w->part, SAMPLE_LABEL, &w->inner);
        pb_message(&w->out, PROFILE_SAMPLE, &w->part);
    }
}

static void encode(struct writer *w, const struct out_profile *p, const struct out_info *i)
{
    string(w, ""); /* number 0 must be empty */
    uint32_t samples = string(w, "samples"), count = string(w, "count"), cpu = string(w, "cpu"),
             ns = string(w, "nanoseconds"), key = string(w, "code"), kinds[OUT_KINDS];

    for (unsigned k = 0; k < OUT_KINDS; k++)
        kinds[k] = string(w, out_kind_name(k));
    if (p->unit)
        put_value_type(w, PROFILE_SAMPLE_TYPE, string(w, out_quantity(p->unit)),
                       string(w, out_scaled(p->unit)));
    else
        put_value_type(w, PROFILE_SAMPLE_TYPE, samples, count);
    if (i->period_ns > 0)
        put_value_type(w, PROFILE_SAMPLE_TYPE, cpu, ns);
    put_samples(w, p, i->period_ns, key, kinds);
    put_mappings(w, p);
    put_frames(w, p);
    if (i->title)
        pb_number(&w->out, PROFILE_COMMENT, string(w, i->title));
    pb_number(&w->out, PROFILE_TIME_NANOS, (uint64_t)i->time * 1000000000u);
    pb_number(&w->out, PROFILE_DURATION_NANOS, (uint64_t)(i->seconds * 1e9));
    if (i->period_ns > 0) {
        put_value_type(w, PROFILE_PERIOD_TYPE, cpu, ns);
        pb_number(&w->out, PROFILE_PERIOD, (uint64_t)i->period_ns);
    }
    pb_put_table(&w->out, PROFILE_STRING, &w->strings);
}

bool out_write_pprof(struct compile *cx, const struct out_profile *p, const struct out_info *i,
                     FILE *f)
{
    struct writer w = {.arena = cx->arena};

    encode(&w, p, i);
    bool ok = pb_gzip(&w.out, f);

    pb_free(&w.out);
    pb_free(&w.part);
    pb_free(&w.inner);
    pb_table_free(&w.strings);
    return ok || diag_error(cx->diag, (struct span){0}, "output", "out of memory");
}
