/*
 * kprobe: functions of the kernel and of its modules. Enters: a probe record with its places, its
 * program; leaves: links of many kprobes (kprobe_multi), perf events of the kprobe PMU, or fentry
 * and fexit links. Refused: what the kernel refuses, with its reason. A place of several that the
 * kernel refuses is left out, and named.
 *
 * Places are addresses, since several functions may have one name; only fentry goes by name.
 * Kernel functions are hit by every process; whose hits count is tested at the head of the handler.
 */
#include "load/kinds.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <linux/perf_event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/diag.h"
#include "base/file.h"
#include "target/ksyms.h"

#define KPROBE_PMU "/sys/bus/event_source/devices/kprobe/"

enum {
    NAMES_SHOWN = 5, /* of places that are left out */
    FILE_MAX = 4096,
};

/* The places of a probe, and what has become of them. */
struct kprobes {
    const struct obj_probe *probe;
    int prog;
    uint64_t *addrs, *cookies;
    uint32_t n;
    uint32_t *refused, n_refused;
    int err; /* of the first that was refused */
};

/* tracepoint.c closes them. */
static void keep(struct session *s, int fd)
{
    s->tracepoints =
        arena_grow(s->cx->arena, s->tracepoints, s->n_tracepoints, sizeof(*s->tracepoints));
    s->tracepoints[s->n_tracepoints++] = fd;
}

static bool asks_cookie(const struct session *s, const struct obj_probe *p)
{
    return s->cookies && (p->flags & PROBE_F_COOKIE);
}

static const char *func_of(const struct session *s, const struct obj_probe *p, uint32_t i)
{
    return object_str(s->o, s->o->places[p->place + i].func);
}

/* ---- why not ---- */

static bool is_locked_down(void)
{
    size_t len;
    char *text = file_read("/sys/kernel/security/lockdown", FILE_MAX, &len);
    bool locked = text && strstr(text, "[confidentiality]");

    free(text);
    return locked;
}

/* Does the kernel refuse the place, and not us? */
static bool is_places_fault(int err)
{
    return err == EINVAL || err == ENOENT || err == EILSEQ || err == EOPNOTSUPP || err == ESRCH ||
           err == EADDRNOTAVAIL || err == EBUSY;
}

static bool failed(const struct session *s, const struct obj_probe *p, const char *func, int err)
{
    struct diag *d = s->cx->diag;

    if (err == EPERM && is_locked_down()) {
        diag_error(d, (struct span){0}, "attach",
                   "cannot arm probe %s: the kernel is locked down (confidentiality)",
                   attach_name(s, p));
        diag_hint(d, "it lets nobody probe its functions or read its memory until it is booted "
                     "with lockdown=none, or without Secure Boot");
        return false;
    }
    if (!is_places_fault(err))
        return attach_failed(s, p, func, err);
    if (kernel_forbids(s->cx, func) == KSYM_YES)
        diag_error(d, (struct span){0}, "attach",
                   "cannot arm probe %s: the kernel keeps probes away from %s, which handling a "
                   "probe needs itself (NOKPROBE_SYMBOL)",
                   attach_name(s, p), func);
    else if (kernel_can_trace(s->cx, s->t, func) == KSYM_NO)
        diag_error(d, (struct span){0}, "attach",
                   "cannot arm probe %s: %s is built without a place for tracers (notrace, or code "
                   "that only runs at boot)",
                   attach_name(s, p), func);
    else
        diag_error(d, (struct span){0}, "attach", "cannot arm probe %s: the kernel refuses %s: %s",
                   attach_name(s, p), func, strerror(err));
    diag_hint(d, "probe a function that calls it, or one that it calls");
    return false;
}

/* ---- many in one link ---- */

/* False and errno. */
static bool link_many(struct session *s, const struct kprobes *k, uint32_t from, uint32_t n)
{
    const struct kernel_kprobe_link link = {
        .prog = (uint32_t)k->prog,
        .attach_type = KERNEL_KPROBE_MULTI,
        .multi_flags = attach_has(k->probe->kind, ATTACH_ON_RETURN) ? KERNEL_MULTI_RETURN : 0,
        .count = n,
        .addrs = (uintptr_t)(k->addrs + from),
        .cookies = asks_cookie(s, k->probe) ? (uintptr_t)(k->cookies + from) : 0,
    };
    int fd = kernel_link_kprobes(&link);

    if (fd >= 0)
        keep(s, fd);
    return fd >= 0;
}

static bool refuse(const struct session *s, struct kprobes *k, uint32_t i, int err)
{
    k->refused = arena_grow(s->cx->arena, k->refused, k->n_refused, sizeof(*k->refused));
    k->refused[k->n_refused++] = i;
    k->err = k->n_refused == 1 ? err : k->err;
    return true;
}

/* Tries a refused list by halves, to find the places that are refused. False and errno. */
static bool link_halves(struct session *s, struct kprobes *k, uint32_t from, uint32_t n)
{
    if (!n || link_many(s, k, from, n))
        return true;
    if (!is_places_fault(errno))
        return false;
    if (n == 1)
        return refuse(s, k, from, errno);
    return link_halves(s, k, from, n / 2) && link_halves(s, k, from + n / 2, n - n / 2);
}

/* ---- one by one ---- */

static bool pmu_attr(const struct obj_probe *p, struct perf_event_attr *attr)
{
    bool returns = attach_has(p->kind, ATTACH_ON_RETURN);
    unsigned type, bit = 0;

    if (!file_number(KPROBE_PMU "type", "%u", &type) ||
        (returns && !file_number(KPROBE_PMU "format/retprobe", "config:%u", &bit)))
        return false;
    *attr = (struct perf_event_attr){
        .size = sizeof(*attr), .type = type, .config = returns ? 1ull << (bit & 63) : 0};
    return true;
}

/* False and errno. */
static bool open_event(struct session *s, const struct kprobes *k, uint32_t i,
                       struct perf_event_attr *attr)
{
    attr->kprobe_addr = k->addrs[i];
    int fd = (int)syscall(SYS_perf_event_open, attr, -1, 0, -1, PERF_FLAG_FD_CLOEXEC);

    if (fd < 0)
        return false;
    int held = attach_program(fd, k->prog, s->cookies ? &k->cookies[i] : NULL);

    if (held >= 0)
        keep(s, held);
    return held >= 0;
}

static bool open_events(struct session *s, struct kprobes *k)
{
    struct perf_event_attr attr;

    if (!pmu_attr(k->probe, &attr))
        return false;
    for (uint32_t i = 0; i < k->n; i++)
        if (!open_event(s, k, i, &attr) && !(is_places_fault(errno) && refuse(s, k, i, errno)))
            return false;
    return true;
}

/* ---- a probe ---- */

static bool told_refused(const struct session *s, const struct kprobes *k)
{
    const char *names = "";

    if (!k->n_refused)
        return true;
    if (k->n_refused == k->n)
        return failed(s, k->probe, func_of(s, k->probe, k->refused[0]), k->err);
    for (uint32_t i = 0; i < k->n_refused && i < NAMES_SHOWN; i++)
        names = arena_printf(s->cx->arena, "%s%s%s", names, *names ? ", " : "",
                             func_of(s, k->probe, k->refused[i]));
    diag_warning(s->cx->diag, (struct span){0},
                 "probe %s: %u of %u functions cannot be probed and are left out: %s%s (%s)",
                 attach_name(s, k->probe), k->n_refused, k->n, names,
                 k->n_refused > NAMES_SHOWN ? ", ..." : "", strerror(k->err));
    return true;
}

static bool open_kprobe(struct session *s, const struct obj_probe *p, int prog)
{
    struct kprobes k = {.probe = p,
                        .prog = prog,
                        .n = p->n_places,
                        .addrs = ARENA_ARRAY(s->cx->arena, uint64_t, p->n_places),
                        .cookies = ARENA_ARRAY(s->cx->arena, uint64_t, p->n_places)};

    for (uint32_t i = 0; i < k.n; i++) {
        const struct obj_place *at = &s->o->places[p->place + i];

        k.addrs[i] = s->control->bias[0][at->module] + at->vaddr;
        k.cookies[i] = p->place + i;
    }
    bool many = s->kprobe_multi && k.n > 1;

    if (!(many ? link_halves(s, &k, 0, k.n) : open_events(s, &k)))
        return failed(s, p, func_of(s, p, 0), errno);
    return told_refused(s, &k);
}

/* A program is made for one way to attach it. */
static void prepare_kprobe(const struct session *s, const struct obj_probe *p,
                           struct bpf_program *prog)
{
    if (s->kprobe_multi && p->n_places > 1)
        bpf_program__set_expected_attach_type(prog, (enum bpf_attach_type)KERNEL_KPROBE_MULTI);
}

static void prepare_fentry(const struct session *s, const struct obj_probe *p,
                           struct bpf_program *prog)
{
    bpf_program__set_attach_target(prog, 0, func_of(s, p, 0));
}

static bool open_fentry(struct session *s, const struct obj_probe *p, int prog)
{
    int fd = bpf_raw_tracepoint_open(NULL, prog);

    if (fd < 0) {
        failed(s, p, func_of(s, p, 0), errno);
        diag_hint(s->cx->diag, "--no-feature=fentry tries it by a kprobe");
        return false;
    }
    keep(s, fd);
    return true;
}

const struct attach_ops attach_kprobe = {
    .kinds = ATTACH_OPS_OF(PROBE_KPROBE) | ATTACH_OPS_OF(PROBE_KRETPROBE),
    .feature = FEAT_KPROBE,
    .prepare = prepare_kprobe,
    .open = open_kprobe,
};

const struct attach_ops attach_fentry = {
    .kinds = ATTACH_OPS_OF(PROBE_FENTRY) | ATTACH_OPS_OF(PROBE_FEXIT),
    .feature = FEAT_FENTRY,
    .prepare = prepare_fentry,
    .open = open_fentry,
};
