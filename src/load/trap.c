/*
 * trap: what a breakpoint takes of whoever hits it, beside the program that runs there. Enters: how
 * the kernel gets over the instruction; leaves: ns, which are measured here, at breakpoints in
 * ngstap's own code: from half a microsecond to 15 were seen, by the machine it runs on and by the
 * instruction. Refused: nothing; without breakpoints it is what the kind's row says.
 */
#include "load/session.h"

#include <fcntl.h>
#include <link.h>
#include <linux/perf_event.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"

#define UPROBE_PMU "/sys/bus/event_source/devices/uprobe/"

enum { TURNS = 8, CALLS = 4 /* a turn; the fastest counts: others were interrupted */ };

/* Where in ngstap's file an address of its code is. */
struct code_place {
    uintptr_t addr;
    uint64_t offset; /* 0: it was not found */
};

static int find_place(struct dl_phdr_info *info, size_t size, void *arg)
{
    struct code_place *p = arg;

    (void)size;
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *h = &info->dlpi_phdr[i];
        uintptr_t start = info->dlpi_addr + h->p_vaddr;

        if (h->p_type == PT_LOAD && p->addr >= start && p->addr - start < h->p_filesz)
            p->offset = p->addr - start + h->p_offset;
    }
    return 1; /* the first is the program itself */
}

/* A breakpoint at FN, in this process; -1: there can be none. */
static int set_breakpoint(arch_hit_fn *fn, bool returns)
{
    struct code_place at = {.addr = (uintptr_t)fn};
    unsigned type, bit = 0;

    dl_iterate_phdr(find_place, &at);
    if (!at.offset || !file_number(UPROBE_PMU "type", "%u", &type) ||
        (returns && !file_number(UPROBE_PMU "format/retprobe", "config:%u", &bit)))
        return -1;
    struct perf_event_attr attr = {.size = sizeof(attr),
                                   .type = type,
                                   .config = returns ? 1ull << (bit & 63) : 0,
                                   .uprobe_path = (uintptr_t) "/proc/self/exe",
                                   .probe_offset = at.offset};

    return (int)syscall(SYS_perf_event_open, &attr, getpid(), -1, -1, PERF_FLAG_FD_CLOEXEC);
}

static uint32_t measure(arch_hit_fn *fn)
{
    uint64_t best = UINT32_MAX;

    for (int turn = 0; turn < TURNS; turn++) {
        uint64_t start = clock_ns(CLOCK_MONOTONIC);

        for (int i = 0; i < CALLS; i++)
            fn();
        uint64_t ns = (clock_ns(CLOCK_MONOTONIC) - start) / CALLS;

        if (ns < best)
            best = ns;
    }
    return (uint32_t)best;
}

uint32_t trap_cost(struct session *s, uint32_t kind, enum arch_hit hit)
{
    bool returns = attach_has(kind, ATTACH_ON_RETURN);
    uint32_t *known = &s->overload.traps[hit][returns];
    arch_hit_fn *fn = arch_hit_sample(hit);

    if (*known)
        return *known;
    int fd = fn ? set_breakpoint(fn, returns) : -1;

    *known = attach_kind(kind)->cost;
    if (fd >= 0) {
        *known = measure(fn);
        attach_close_later(&fd, 1);
    }
    return *known;
}
