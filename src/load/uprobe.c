/*
 * uprobe: breakpoints at functions of user-space programs. Enters: a probe record, its program, the
 * modules as the target has them; leaves: perf events of the uprobe PMU, one an address space or one
 * for everybody. Refuses: a module that is not there, an address in no segment, what
 * perf_event_open refuses.
 */
#include "load/session.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/perf_event.h>
#include <stdio.h>
#include <unistd.h>

#include "base/diag.h"

#define UPROBE_PMU "/sys/bus/event_source/devices/uprobe/"

/* A number out of a file of the uprobe PMU; FORMAT as for scanf. */
static bool pmu_number(const char *file, const char *format, unsigned *value)
{
    FILE *f = fopen(file, "re");
    bool ok = f && fscanf(f, format, value) == 1;

    if (f)
        fclose(f);
    return ok;
}

static bool file_offset(struct session *s, const struct obj_probe *p, const struct module *m,
                        uint64_t *off)
{
    int fd = open(m->probe_path, O_RDONLY | O_CLOEXEC);

    if (fd < 0)
        return attach_failed(s, p, m->probe_path, errno);
    bool ok = elf_vaddr_to_offset(fd, p->vaddr, off);

    close(fd);
    return ok || diag_error(s->cx->diag, (struct span){0}, "attach",
                            "cannot arm probe %s: address %#llx lies in no segment of %s",
                            attach_name(s, p), (unsigned long long)p->vaddr, m->path);
}

/*
 * Is the breakpoint in the process's memory? It is not when the file that was opened is not the one
 * that the process has mapped (an overlay's copy; a file replaced since): the probe would never
 * fire, without a word.
 */
static void check_live(struct session *s, const struct obj_probe *p, const struct module *m)
{
#ifdef __x86_64__
    char path[64];
    unsigned char byte;

    if (!s->t->n_pids || !m->end)
        return;
    snprintf(path, sizeof(path), "/proc/%d/mem", (int)target_first(s->t));
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd < 0)
        return;
    if (pread(fd, &byte, 1, (off_t)(p->vaddr + m->bias)) == 1 && byte != 0xcc)
        diag_warning(s->cx->diag, (struct span){0},
                     "probe %s does not reach process %d: it runs another file than %s",
                     attach_name(s, p), (int)target_first(s->t), m->probe_path);
    close(fd);
#endif
}

static bool describe(struct session *s, const struct obj_probe *p, struct perf_event_attr *attr)
{
    const struct module *m = s->modules[p->module];
    unsigned type, bit = 0;
    uint64_t off;

    if (!m || !m->probe_path)
        return attach_failed(s, p, object_str(s->o, s->o->modules[p->module].path), ENOENT);
    if (!pmu_number(UPROBE_PMU "type", "%u", &type) ||
        (p->kind == PROBE_URETPROBE &&
         (!pmu_number(UPROBE_PMU "format/retprobe", "config:%u", &bit) || bit > 63)))
        return diag_error(
            s->cx->diag, (struct span){0}, "attach",
            "cannot arm probe %s: this kernel has no uprobes for perf (CONFIG_UPROBE_EVENTS)",
            attach_name(s, p));
    if (!file_offset(s, p, m, &off))
        return false;
    *attr = (struct perf_event_attr){
        .size = sizeof(*attr),
        .type = type,
        .config = p->kind == PROBE_URETPROBE ? 1ull << bit : 0,
        .uprobe_path = (uintptr_t)m->probe_path,
        .probe_offset = off,
    };
    return true;
}

static bool open_uprobes(struct session *s, struct perf_event_attr *attr, int prog)
{
    uint32_t before = s->n_events, n;
    const pid_t *pids = load_scope_pids(s, &n);

    if (!n)
        return attach_event(s, attr, -1, 0, prog);
    /* The event filters by address space: one on the first thread serves all of the process. */
    for (uint32_t i = 0; i < n; i++)
        if (!attach_event(s, attr, pids[i], -1, prog) && errno != ESRCH)
            return false;
    errno = ESRCH;
    return s->n_events > before;
}

bool attach_uprobe(struct session *s, const struct obj_probe *p, int prog)
{
    const struct module *m = s->modules[p->module];
    struct perf_event_attr attr;

    if (!describe(s, p, &attr))
        return false;
    if (!open_uprobes(s, &attr, prog))
        return attach_failed(s, p, m->path, errno);
    check_live(s, p, m);
    return true;
}

bool attach_uprobes_in(struct session *s, pid_t pid)
{
    bool any = false;

    for (uint32_t i = 0; i < s->o->h->table[OBJ_PROBES].n; i++) {
        const struct obj_probe *p = &s->o->probes[i];
        struct perf_event_attr attr;

        if (load_is_uprobe(p) && describe(s, p, &attr))
            any |= attach_event(s, &attr, pid, -1, attach_program(s, i));
    }
    return any;
}

void detach_uprobes_of(struct session *s, pid_t pid)
{
    for (uint32_t i = 0; i < s->n_events;)
        if (s->events[i].pid == pid && !s->events[i].clock) {
            attach_close_later(s->events[i].fd);
            s->events[i] = s->events[--s->n_events];
        } else {
            i++;
        }
}
