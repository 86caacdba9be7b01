/*
 * table: all formats that stacks can be written in. Adding one is a file, a row here, and their
 * lines in out.h and sources.mk.
 */
#include <string.h>

#include "out/out.h"

static const struct out_format formats[] = {
    {"folded", "a line a stack, \"outer;inner COUNT\", for scripts", ".folded", false, false,
     out_write_folded},
    {"flamegraph", "an interactive picture for the browser", ".svg", false, false,
     out_write_flamegraph},
    {"pprof", "profile.proto, gzipped, for pprof", ".pb.gz", true, false, out_write_pprof},
    {"otlp", "OpenTelemetry's profiles, gzipped, for a collector", ".otlp.gz", true, false,
     out_write_otlp},
    {"speedscope", "JSON for speedscope", ".speedscope.json", false, false, out_write_speedscope},
    {"json", "a JSON object a line for all that happens in a live session", ".jsonl", false, true,
     NULL},
};

const struct out_format *out_format_at(uint32_t i)
{
    return i < sizeof(formats) / sizeof(*formats) ? &formats[i] : NULL;
}

const struct out_format *out_format(const char *name)
{
    const struct out_format *f;

    for (uint32_t i = 0; (f = out_format_at(i)); i++)
        if (!strcmp(f->name, name))
            return f;
    return NULL;
}
