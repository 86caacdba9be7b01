/*
 * overload: probes that take more than their budget. Enters: the accounts that handlers keep
 * (struct ngs_spent); leaves: a word when a probe's hits begin to be left out, and at the end how
 * many were; and breakpoints that are out for most of the time where they alone cost too much.
 *
 * A hit that is left out has still cost what its event costs. Where that is more than half of the
 * budget, the probe's events are taken out; also where a function's entry and its return are
 * probed, since handlers that look at one without the other would think of two calls as one. They
 * are put in again for a pulse now and then: less than one in a hundred of the target's requests is
 * slowed, so that not even the slowest hundredth of them tells of it. In a pulse all is seen. When
 * it finds that events have become rare, they stay.
 */
#include "load/kinds.h"

#include <errno.h>
#include <inttypes.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/clock.h"

enum {
    SAID_MAX = 10,               /* probes that are named at the end */
    LOOK_NS = 50 * 1000 * 1000,  /* between two looks at how often a probe is hit, at least */
    PULSE_NS = 20 * 1000 * 1000, /* for which events are put in, about, */
    PAUSE_PULSES = 200,          /* and how many times that they are out */
};

/* ---- accounts ---- */

static uint32_t n_probes(const struct session *s)
{
    return s->o->h->table[OBJ_PROBES].n;
}

/* Hits of all CPUs. */
struct hits {
    uint64_t ran, left_out; /* RAN 0: whatever runs there has no budget */
};

static struct hits count_hits(const struct session *s, uint32_t probe)
{
    struct hits n = {0, 0};

    if (account_read(s, probe))
        for (uint32_t i = 0; i < s->overload.cpus; i++) {
            n.ran += s->overload.values[i].hits;
            n.left_out += s->overload.values[i].left_out;
        }
    return n;
}

static bool was_over(const struct session *s, uint32_t probe)
{
    if (account_read(s, probe))
        for (uint32_t i = 0; i < s->overload.cpus; i++)
            if (s->overload.values[i].over)
                return true;
    return false;
}

/* It begins a window anew; none of its handlers runs. */
static void forgive(const struct session *s, uint32_t probe)
{
    const struct overload *o = &s->overload;

    if (!account_read(s, probe))
        return;
    for (uint32_t i = 0; i < o->cpus; i++) {
        o->values[i].window = 0;
        o->values[i].out = o->values[i].throttled = 0;
    }
    account_write(s, probe);
}

/* ---- opening ---- */

bool overload_open(struct session *s)
{
    struct overload *o = &s->overload;
    uint32_t n = n_probes(s);

    if (o->map < 0)
        return true;
    o->timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    if (o->timer < 0)
        return attach_failed(s, s->o->probes, "timer", errno);
    o->shares = ARENA_ARRAY(s->cx->arena, uint64_t, o->cpus);
    o->probes = ARENA_ARRAY(s->cx->arena, struct overload_probe, n + 1);
    o->hot = ARENA_ARRAY(s->cx->arena, bool, n + 1);
    return true;
}

void overload_armed(struct session *s)
{
    const struct overload *o = &s->overload;

    for (uint32_t i = 0; o->map >= 0 && i < n_probes(s); i++) {
        const struct attach_ops *ops = kinds_ops(s->o->probes[i].kind);

        o->probes[i].pair = ops && ops->is_paired && ops->is_paired(s, &s->o->probes[i]);
        if (!o->probes[i].pair || !account_read(s, i))
            continue;
        for (uint32_t k = 0; k < o->cpus; k++)
            o->values[k].pair = 1;
        account_write(s, i);
    }
}

void overload_close(struct session *s)
{
    if (s->overload.timer >= 0)
        close(s->overload.timer);
    s->overload = (struct overload){.map = -1, .timer = -1};
}

int session_overload_fd(const struct session *s)
{
    return s->overload.timer;
}

/* ---- words ---- */

/* WHAT, up to the probe's name, and what can be done about it. */
static void tell(const struct session *s, uint32_t probe, const char *what, say_fn *say, void *arg)
{
    uint32_t percent = s->o->h->overload;
    const char *more =
        percent > 25 ? "" : arena_printf(s->cx->arena, "-D OVERLOAD=%u allows more, ", 4 * percent);

    say(arg,
        arena_printf(s->cx->arena,
                     "%s%s took more than %u %% of a processor; %s-D STP_NO_OVERLOAD everything",
                     what, attach_name(s, &s->o->probes[probe]), percent, more));
}

static void tell_new(struct session *s, say_fn *say, void *arg)
{
    struct overload *o = &s->overload;
    uint64_t now = __atomic_load_n(&s->control->overloads, __ATOMIC_RELAXED);

    if (now == o->seen)
        return;
    o->seen = now;
    for (uint32_t i = 0; i < n_probes(s); i++)
        if (!o->probes[i].told && was_over(s, i)) {
            o->probes[i].told = true;
            tell(s, i, "hits are left out: probe ", say, arg);
        }
}

/* What became of the hits N of a probe; OUT_NS: for how long all were left out, 0: never. */
static const char *fate(const struct session *s, struct hits n, uint64_t out_ns)
{
    struct arena *a = s->cx->arena;
    double seconds = (double)out_ns / SECOND_NS;

    if (!out_ns)
        return arena_printf(a, "%" PRIu64 " hits were left out: probe ", n.left_out);
    if (!n.left_out)
        return arena_printf(a, "all hits of %.1f s, which nobody counted, were left out: probe ",
                            seconds);
    return arena_printf(a,
                        "%" PRIu64 " hits, and all hits of %.1f s, which nobody counted, were left "
                        "out: probe ",
                        n.left_out, seconds);
}

void overload_losses(const struct session *s, say_fn *say, void *arg)
{
    const struct overload *o = &s->overload;
    uint64_t others = 0, out_ns = o->out_ns;
    uint32_t said = 0;

    if (o->map < 0 || !s->control->overloads)
        return;
    if (o->is_hot && !o->is_in)
        out_ns += clock_ns(CLOCK_MONOTONIC) - o->since;
    for (uint32_t i = 0; i < n_probes(s); i++) {
        struct hits n = count_hits(s, i);
        bool out = n.ran && o->probes[i].was_out;

        if ((n.left_out || out) && said < SAID_MAX) {
            said++;
            tell(s, i, fate(s, n, out ? out_ns : 0), say, arg);
        } else {
            others += n.left_out;
        }
    }
    if (others)
        say(arg, arena_printf(s->cx->arena, "%" PRIu64 " hits of other probes were left out, too",
                              others));
}

/* ---- how often events come ---- */

static void no_shares(const struct overload *o)
{
    for (uint32_t i = 0; i < o->cpus; i++)
        o->shares[i] = 0;
}

/*
 * Adds to the shares, by CPU, what a probe's events have cost since the last look, in ns; WHOLE:
 * with the handlers, had they run.
 */
static void add_costs(struct session *s, uint32_t probe, bool whole)
{
    struct overload *o = &s->overload;
    struct overload_probe *p = &o->probes[probe];

    if (!account_read(s, probe))
        return;
    if (!p->hits)
        p->hits = ARENA_ARRAY(s->cx->arena, uint64_t, o->cpus);
    for (uint32_t i = 0; i < o->cpus; i++) {
        const struct ngs_spent *a = &o->values[i];
        uint64_t hits = a->hits + a->left_out;

        o->shares[i] += (hits - p->hits[i]) * (whole && a->each > a->cost ? a->each : a->cost);
        p->hits[i] = hits;
    }
}

/* The percentage of NS that the CPU with most of it has lost. */
static double worst_share(const struct overload *o, uint64_t ns)
{
    uint64_t most = 0;

    for (uint32_t i = 0; i < o->cpus; i++)
        if (o->shares[i] > most)
            most = o->shares[i];
    return ns ? 100.0 * (double)most / (double)ns : 0;
}

/* ---- events that are out ---- */

static void wake_at(const struct overload *o, uint64_t ns)
{
    struct itimerspec t = {.it_value = {(time_t)(ns / SECOND_NS), (long)(ns % SECOND_NS)}};

    timerfd_settime(o->timer, TFD_TIMER_ABSTIME, &t, NULL);
}

static void take_out(struct session *s, uint64_t now)
{
    struct overload *o = &s->overload;
    uint64_t in = o->is_in ? now - o->since : 0;

    if (!kinds_take_out(s, o->hot))
        return;
    for (uint32_t i = 0; i < n_probes(s); i++)
        o->probes[i].was_out |= o->hot[i];
    if (!o->is_hot || o->is_in)
        o->since = now;
    o->is_hot = true;
    o->is_in = false;
    o->due = now + PAUSE_PULSES * (in > PULSE_NS ? in : PULSE_NS);
    wake_at(o, o->due);
}

static void put_in(struct session *s, uint64_t now)
{
    struct overload *o = &s->overload;

    if (attach_is_closing()) { /* else a hit would be two */
        o->due = now + PULSE_NS;
        wake_at(o, o->due);
        return;
    }
    o->out_ns += now - o->since;
    for (uint32_t i = 0; i < n_probes(s); i++)
        if (o->hot[i]) {
            add_costs(s, i, true); /* what came before is no part of the pulse */
            forgive(s, i);
        }
    kinds_put_in(s, o->hot);
    o->is_in = true;
    o->since = clock_ns(CLOCK_MONOTONIC);
    o->due = o->since + PULSE_NS;
    wake_at(o, o->due);
}

/* A pulse is over: do the events go out again, or have they become rare? */
static void end_pulse(struct session *s, uint64_t now)
{
    struct overload *o = &s->overload;

    no_shares(o);
    for (uint32_t i = 0; i < n_probes(s); i++)
        if (o->hot[i])
            add_costs(s, i, true);
    if (worst_share(o, now - o->since) > s->o->h->overload) {
        take_out(s, now);
        return;
    }
    o->is_hot = o->is_in = false;
    for (uint32_t i = 0; i < n_probes(s); i++)
        o->hot[i] = false;
}

/*
 * Are the events of a probe that went over its budget to go? *AGAIN: it is to be looked at again.
 */
static bool is_to_go(struct session *s, uint32_t probe, uint64_t ns, bool *again)
{
    struct overload_probe *p = &s->overload.probes[probe];
    const struct attach_ops *ops = kinds_ops(s->o->probes[probe].kind);
    bool known = p->hits != NULL;

    if (!p->told || s->overload.hot[probe] || !ops || !ops->take_out)
        return false;
    no_shares(&s->overload);
    add_costs(s, probe, p->pair);
    *again |= !known;
    return known && (p->pair ? 1 : 2) * worst_share(&s->overload, ns) > s->o->h->overload;
}

static void look(struct session *s, uint64_t now)
{
    struct overload *o = &s->overload;
    bool more = false, again = false;

    if (now - o->looked < LOOK_NS)
        return;
    for (uint32_t i = 0; i < n_probes(s); i++)
        if (is_to_go(s, i, now - o->looked, &again))
            more = o->hot[i] = true;
    o->looked = now;
    if (more)
        take_out(s, now);
    else if (again && !o->is_hot)
        wake_at(o, now + LOOK_NS);
}

void session_overload(struct session *s, say_fn *say, void *arg)
{
    struct overload *o = &s->overload;
    uint64_t now = clock_ns(CLOCK_MONOTONIC), expired;

    if (o->map < 0)
        return;
    if (read(o->timer, &expired, sizeof(expired)) < 0)
        expired = 0; /* not yet */
    tell_new(s, say, arg);
    if (o->is_hot && now >= o->due) {
        if (o->is_in)
            end_pulse(s, now);
        else
            put_in(s, now);
    }
    look(s, now);
}
