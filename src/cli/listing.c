/*
 * listing: -l, -L and --dump-probe-types. Enters: a program of one probe, analysed; leaves: a line
 * for each place where it would run, sorted, each once.
 */
#include "cli/listing.h"

#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/bytes.h"
#include "base/clean.h"
#include "probe/probe.h"

bool listing_points(struct compile *cx, const struct program *prog, const struct source *script,
                    bool variables, FILE *out)
{
    const char **lines = NULL;
    uint32_t n = 0;

    for (const struct probe_inst *i = prog->insts; i; i = i->next) {
        const struct span at = i->probe->at; /* a library's file may have probes of its own */

        if (source_get(cx->sources, span_file(cx->sources, at)) != script)
            continue;
        lines = arena_grow(cx->arena, lines, n, sizeof(*lines));
        lines[n++] = probe_listed(cx->arena, i, variables);
    }
    if (n)
        qsort(lines, n, sizeof(*lines), order_by_text);
    for (uint32_t i = 0; i < n; i++) {
        if (i && !strcmp(lines[i], lines[i - 1]))
            continue;
        clean_print(out, lines[i], strlen(lines[i]));
        fputc('\n', out);
    }
    return n > 0;
}

static void print_type(const struct probe_type *t, void *arg)
{
    fprintf(arg, "%s\n", t->pattern);
}

void listing_types(FILE *out)
{
    probe_each(print_type, out);
}
