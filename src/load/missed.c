/*
 * missed: hits that the kernel leaves out. Enters: a session; leaves: how many. A program does not
 * run where it was interrupted itself, nor a kprobe's where another's was (recursion_misses;
 * kernel/bpf/trampoline.c, kernel/trace/bpf_trace.c); a kprobe is passed over where one is being
 * handled, and a return when too many are pending (missed of its link, since Linux 6.7). The kernel
 * does not say whose hits those were.
 */
#include <linux/bpf.h>
#include <string.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "load/session.h"

/* struct bpf_link_info (include/uapi/linux/bpf.h), of which the header in use may lack members. */
struct link_info {
    uint32_t type, id, prog_id, pad;
    union {
        struct {
            uint64_t addrs;
            uint32_t count, flags;
            uint64_t missed;
        } multi;
        struct {
            uint32_t type, pad;
            uint64_t name;
            uint32_t name_len, offset;
            uint64_t addr, missed;
        } event;
        uint8_t rest[96]; /* the kernel looks whether what it does not know is 0 */
    };
};

enum { LINK_PERF_EVENT = 7, LINK_KPROBE_MULTI = 8, EVENT_KPROBE = 3, EVENT_KRETPROBE = 4 };

static uint64_t of_program(int fd)
{
    struct bpf_prog_info info = {0};
    uint32_t size = sizeof(info);

    return bpf_obj_get_info_by_fd(fd, &info, &size) ? 0 : info.recursion_misses;
}

/* FD may be something else: a perf event, of which nothing is known. */
static uint64_t of_link(int fd)
{
    struct link_info info = {0};
    uint32_t size = sizeof(info);

    if (bpf_obj_get_info_by_fd(fd, &info, &size))
        return 0;
    if (info.type == LINK_KPROBE_MULTI)
        return info.multi.missed;
    return info.type == LINK_PERF_EVENT &&
                   (info.event.type == EVENT_KPROBE || info.event.type == EVENT_KRETPROBE)
               ? info.event.missed
               : 0;
}

uint64_t session_missed(const struct session *s)
{
    uint64_t n = 0;
    struct bpf_program *p = NULL;

    if (!s->obj)
        return 0;
    while ((p = bpf_object__next_program(s->obj, p)))
        if (bpf_program__fd(p) >= 0)
            n += of_program(bpf_program__fd(p));
    for (uint32_t i = 0; i < s->n_layers; i++)
        n += of_program(s->layers[i].hub);
    for (uint32_t i = 0; i < s->n_tracepoints; i++)
        n += of_link(s->tracepoints[i]);
    return n;
}
