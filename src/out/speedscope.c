/*
 * speedscope: JSON for https://www.speedscope.app, a "sampled" profile by its file format schema
 * (file-format-schema.json): frames shared, one sample a distinct stack, its count as the weight.
 */
#include <inttypes.h>
#include <string.h>

#include "out/out.h"

static void put_text(FILE *f, const char *key, const char *s, size_t len)
{
    fprintf(f, "\"%s\":\"", key);
    out_json(f, s, len);
    fputc('"', f);
}

/* KIND is ours: the page passes over what it does not know. It colours frames by their files: where
 * none is known a module tells C, the kernel and Lua apart. */
static void put_frame(FILE *f, const struct out_profile *p, const struct out_frame *frame)
{
    const char *file = frame->file, *kind = out_kind_name(frame->kind);

    if (!file && frame->module)
        file = p->modules[frame->module - 1].path;
    fputc('{', f);
    put_text(f, "name", frame->name, frame->len);
    if (file) {
        fputc(',', f);
        put_text(f, "file", file, strlen(file));
    }
    if (frame->file)
        fprintf(f, ",\"line\":%u", frame->line);
    fputc(',', f);
    put_text(f, "kind", kind, strlen(kind));
    fputc('}', f);
}

/* The units of the schema. */
static const char *unit_of(const struct out_profile *p, const struct out_info *i)
{
    static const char *const known[] = {"microseconds", "bytes"};

    for (size_t k = 0; p->unit && k < sizeof(known) / sizeof(*known); k++)
        if (!strcmp(p->unit, known[k]))
            return known[k];
    return i->period_ns > 0 ? "nanoseconds" : "none";
}

bool out_write_speedscope(struct compile *cx, const struct out_profile *p, const struct out_info *i,
                          FILE *f)
{
    uint64_t unit = i->period_ns > 0 ? (uint64_t)i->period_ns : 1;

    fputs("{\"$schema\":\"https://www.speedscope.app/file-format-schema.json\",\n"
          "\"exporter\":\"ngstap\",\"name\":\"",
          f);
    for (const char *c = i->title ? i->title : "profile"; *c; c++)
        out_json(f, c, 1);
    fputs("\",\n\"shared\":{\"frames\":[", f);
    for (uint32_t n = 0; n < p->n_frames; n++) {
        fputs(n ? ",\n" : "\n", f);
        put_frame(f, p, &p->frames[n]);
    }
    fputs("]},\n\"profiles\":[{\"type\":\"sampled\",", f);
    put_text(f, "name", p->unit ? p->unit : "CPU", strlen(p->unit ? p->unit : "CPU"));
    fprintf(f, ",\"unit\":\"%s\",", unit_of(p, i));
    fprintf(f, "\"startValue\":0,\"endValue\":%" PRIu64 ",\n\"samples\":[", p->total * unit);
    for (uint32_t s = 0; s < p->n_stacks; s++) {
        fputs(s ? ",\n[" : "\n[", f);
        for (uint32_t d = 0; d < p->stacks[s].depth; d++)
            fprintf(f, d ? ",%u" : "%u", p->stacks[s].frames[d]);
        fputc(']', f);
    }
    fputs("],\n\"weights\":[", f);
    for (uint32_t s = 0; s < p->n_stacks; s++)
        fprintf(f, "%s%" PRIu64, s ? "," : "", p->stacks[s].count * unit);
    fputs("]}]}\n", f);
    return true;
}
