/*
 * gather: keeps the records of a handler in the kernel until it has ended, as handlers on several
 * CPUs send theirs at once. Enters: the ring buffer's records, of any content; leaves: the same,
 * each handler's one after the other, in the order in which handlers end. What SystemTap has for it
 * is a buffer for each CPU, which it flushes when a handler ends (runtime/print_flush.c).
 *
 * More than KEPT_MAX bytes of a handler are passed on before it ends.
 */
#include "run/gather.h"

#include <stdlib.h>

#include "run/record.h"
#include "run/text.h"

enum { KEPT_MAX = 1 << 20 };

bool gather_open(struct gather *g, uint32_t frames, gather_fn *take, void *arg)
{
    *g = (struct gather){.kept = calloc(frames ? frames : 1, sizeof(*g->kept)),
                         .n = frames,
                         .take = take,
                         .arg = arg};
    for (uint32_t k = 0; g->kept && k < frames; k++)
        g->kept[k] = TEXT_NEW;
    return g->kept;
}

static void pass_on(struct gather *g, struct text *kept)
{
    for (size_t at = 0; at < kept->len;) {
        struct ngs_rec head;

        record_open(kept->p + at, kept->len - at, &head);
        if (!head.size) /* never: only whole records are kept */
            break;
        g->take(g->arg, kept->p + at, head.size);
        at += head.size;
    }
    kept->len = 0;
}

void gather_record(struct gather *g, const void *data, size_t size)
{
    struct ngs_rec head;
    bool sound = !record_open(data, size, &head).bad && head.frame < g->n;
    struct text *kept = sound ? &g->kept[head.frame] : NULL;

    if (!sound) {
        g->take(g->arg, data, size);
        return;
    }
    if (!(head.flags & NGS_REC_MORE) || head.flags & NGS_REC_FIRST || kept->len > KEPT_MAX)
        pass_on(g, kept);
    if (head.flags & NGS_REC_MORE)
        text_bytes(kept, data, head.size);
    else if (head.kind != NGS_REC_END)
        g->take(g->arg, data, size);
}

void gather_flush(struct gather *g)
{
    for (uint32_t k = 0; k < g->n; k++)
        pass_on(g, &g->kept[k]);
}

void gather_close(struct gather *g)
{
    for (uint32_t k = 0; k < g->n; k++)
        text_free(&g->kept[k]);
    free(g->kept);
    *g = (struct gather){0};
}
