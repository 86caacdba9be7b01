/*
 * speedscope: JSON for https://www.speedscope.app, a "sampled" profile by its file format schema
 * (file-format-schema.json): frames shared, one sample a distinct stack, its count as the weight.
 */
#include <inttypes.h>

#include "out/out.h"

static void put_frame(FILE *f, const struct out_frame *frame)
{
    fputs("{\"name\":\"", f);
    out_json(f, frame->name, frame->len);
    fputc('"', f);
    if (frame->file) {
        fputs(",\"file\":\"", f);
        for (const char *c = frame->file; *c; c++)
            out_json(f, c, 1);
        fprintf(f, "\",\"line\":%u", frame->line);
    }
    fputc('}', f);
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
        put_frame(f, &p->frames[n]);
    }
    fprintf(f, "]},\n\"profiles\":[{\"type\":\"sampled\",\"name\":\"CPU\",\"unit\":\"%s\",",
            i->period_ns > 0 ? "nanoseconds" : "none");
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
