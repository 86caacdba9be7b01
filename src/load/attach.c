/*
 * attach: arms a session's kernel probes and disarms them. Enters: loaded programs and the probe
 * records; leaves: perf events that run them (clock.c opens those of ticks, uprobe.c breakpoints).
 * Refuses: what perf_event_open refuses.
 *
 * Without a scope clock events are opened on every CPU, breakpoints in every process; scope.c says
 * for which processes else.
 */
#include "load/session.h"

#include <linux/perf_event.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>

static int program_of(const struct session *s, uint32_t probe)
{
    const char *section = object_section((enum probe_kind)s->o->probes[probe].kind);
    char name[16];

    snprintf(name, sizeof(name), "p%u", probe);
    const struct bpf_program *prog = bpf_object__find_program_by_name(s->obj, name);

    return prog && !strcmp(bpf_program__section_name(prog), section) ? bpf_program__fd(prog) : -1;
}

static bool arm(struct session *s, uint32_t i)
{
    const struct obj_probe *p = &s->o->probes[i];

    if (!object_section((enum probe_kind)p->kind))
        return true;
    int prog = program_of(s, i);

    if (prog < 0)
        return object_damaged(s->cx, "a probe has no program");
    return p->kind == PROBE_PROFILE ? attach_clock(s, p, prog) : attach_uprobe(s, p, prog);
}

bool load_attach(struct session *s)
{
    if (!track_start(s))
        return false;
    nesting_start(s);
    for (uint32_t i = 0; s->obj && i < s->o->h->table[OBJ_PROBES].n; i++)
        if (!arm(s, i)) {
            load_detach(s);
            return false;
        }
    track_armed(s);
    return true;
}

void load_detach(struct session *s)
{
    for (uint32_t i = 0; i < s->n_events; i++)
        ioctl(s->events[i], PERF_EVENT_IOC_DISABLE, 0);
    attach_undo(s, 0);
    track_stop(s);
    nesting_stop(s);
    detach_uprobes(s);
}
