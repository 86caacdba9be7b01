/*
 * tracepoint: tracepoints of the kernel. Enters: a probe record with its event's name, its program;
 * leaves: a raw tracepoint, whose program gets the event's arguments as numbers. Refused: names
 * that the kernel does not know, and arguments that the event has not.
 *
 * A tracepoint fires for every process; whose hits count is tested at the head of the handler.
 */
#include "load/kinds.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/diag.h"

static bool open_tracepoint(struct session *s, const struct obj_probe *p, int prog)
{
    const char *event = object_str(s->o, p->event);
    int fd = bpf_raw_tracepoint_open(event, prog);

    if (fd < 0 && errno == ENOENT)
        return diag_error(s->cx->diag, (struct span){0}, "attach",
                          "cannot arm probe %s: this kernel has no tracepoint '%s'",
                          attach_name(s, p), event);
    if (fd < 0)
        return attach_failed(s, p, event, errno);
    s->tracepoints =
        arena_grow(s->cx->arena, s->tracepoints, s->n_tracepoints, sizeof(*s->tracepoints));
    s->tracepoints[s->n_tracepoints++] = fd;
    return true;
}

static void close_all(struct session *s)
{
    while (s->n_tracepoints)
        close(s->tracepoints[--s->n_tracepoints]);
}

const struct attach_ops attach_tracepoint = {
    .kinds = ATTACH_OPS_OF(PROBE_TRACEPOINT),
    .feature = FEAT_RAW_TRACEPOINT,
    .open = open_tracepoint,
    .close = close_all,
};
