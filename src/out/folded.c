/*
 * folded: a stack a line, outermost frame first, as stackcollapse-stap.pl writes them and
 * flamegraph.pl reads them. A ; within a frame would split it, and becomes a colon. The kernel's
 * functions end as perf's do; a unit is a comment before the first line.
 */
#include <inttypes.h>
#include <string.h>

#include "out/out.h"

static void put_name(FILE *f, const char *s, size_t len)
{
    const char *semicolon;

    while ((semicolon = memchr(s, ';', len))) {
        size_t n = (size_t)(semicolon - s);

        fwrite(s, 1, n, f);
        fputc(':', f);
        s += n + 1;
        len -= n + 1;
    }
    fwrite(s, 1, len, f);
}

bool out_write_folded(struct compile *cx, const struct out_profile *p, const struct out_info *i,
                      FILE *f)
{
    if (p->unit)
        fprintf(f, UNIT_COMMENT "%s\n", p->unit);
    for (uint32_t s = 0; s < p->n_stacks; s++) {
        const struct out_stack *stack = &p->stacks[s];

        for (uint32_t d = 0; d < stack->depth; d++) {
            const struct out_frame *frame = &p->frames[stack->frames[d]];

            if (d)
                fputc(';', f);
            if (frame->kind == OUT_COMPILED)
                fputs("T:", f);
            else if (frame->kind == OUT_BUILTIN && strncmp(frame->name, "builtin#", 8) != 0)
                fputs(NAMED_BUILTIN, f);
            put_name(f, frame->name, frame->len);
            if (frame->kind == OUT_KERNEL)
                fputs(KERNEL_MARK, f);
        }
        fprintf(f, " %" PRIu64 "\n", stack->count);
    }
    return true;
}
