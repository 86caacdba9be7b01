/*
 * timer: probes by the clock. timer.s(N) and its units leave as one instance that ngstap's own
 * event loop runs every PERIOD ns, .randomize(M) with its deviation; timer.profile (and
 * perf.sw.cpu_clock, which is the same event with a rate) as a perf event that samples whatever
 * runs on each CPU. Refused: periods below 1 us.
 */
#include "probe/tables.h"

#include <inttypes.h>
#include <linux/perf_event.h>
#include <string.h>
#include <time.h>

/* 999 Hz, not 1000: a rate that common periodic work does not run in step with. */
enum { PROFILE_PERIOD_NS = 1001001 };

static const struct unit {
    const char *name;
    int64_t ns;
} units[] = {
    {"s", 1000000000}, {"sec", 1000000000}, {"ms", 1000000}, {"msec", 1000000},
    {"us", 1000},      {"usec", 1000},      {"ns", 1},       {"nsec", 1},
};

/* A tick of this kernel in ns: the resolution of its coarse clocks (TICK_NSEC, vdso/jiffies.h). */
static int64_t jiffy(void)
{
    struct timespec ts;

    return clock_getres(CLOCK_MONOTONIC_COARSE, &ts) || ts.tv_sec || !ts.tv_nsec ? 4000000
                                                                                 : ts.tv_nsec;
}

static bool long_enough(struct probe_env *env, const struct point_part *part, int64_t ns)
{
    return ns >= OBJ_MIN_PERIOD ||
           diag_error(env->cx->diag, part->arg->at, "limit",
                      "a period of %" PRId64 " ns is too short: at least %d", ns, OBJ_MIN_PERIOD);
}

/* The period that a part such as ms(5) or hz(100) asks for. */
static bool period(struct probe_env *env, const struct point_part *part, int64_t *ns)
{
    int64_t n = part->arg->number;
    struct diag *d = env->cx->diag;

    if (n <= 0)
        return diag_error(d, part->arg->at, "probe", "a timer's %s must be above 0",
                          strcmp(part->name, "hz") ? "period" : "rate");
    if (!strcmp(part->name, "hz")) {
        *ns = 1000000000 / n;
        return long_enough(env, part, *ns);
    }
    *ns = strcmp(part->name, "jiffies") ? 1 : jiffy();
    for (size_t i = 0; i < sizeof(units) / sizeof(*units); i++)
        if (!strcmp(part->name, units[i].name))
            *ns = units[i].ns;
    if (__builtin_mul_overflow(n, *ns, ns))
        return diag_error(d, part->arg->at, "probe", "this period is longer than 292 years");
    return long_enough(env, part, *ns);
}

static bool resolve_timer(struct probe_env *env, struct probe_point *point,
                          const struct probe_type *type)
{
    const struct point_part *unit = point->parts->next, *randomize = unit->next;
    struct probe_inst *inst;
    int64_t ns, jitter = 0;

    if (!period(env, unit, &ns))
        return false;
    if (randomize) { /* in the period's unit; SystemTap refuses it for hz, which has none */
        int64_t n = unit->arg->number, m = randomize->arg->number;

        if (!strcmp(unit->name, "hz"))
            return diag_error(env->cx->diag, randomize->at, "probe",
                              "a rate cannot be randomized: give a period, such as timer.ms(10)");
        if (m < 0 || m >= n)
            return diag_error(env->cx->diag, randomize->arg->at, "probe",
                              "randomize must be smaller than the timer's period");
        jitter = ns / n * m;
    }
    inst = probe_add(env, point, type);
    inst->period = (uint64_t)ns;
    inst->jitter = (uint64_t)jitter;
    return true;
}

static bool resolve_profile(struct probe_env *env, struct probe_point *point,
                            const struct probe_type *type)
{
    const struct point_part *last = point->parts;
    int64_t ns = PROFILE_PERIOD_NS;

    while (last->next)
        last = last->next;
    if (!strcmp(last->name, "sample")) { /* perf's word: one sample every N events, here ns */
        if (last->arg->number <= 0)
            return diag_error(env->cx->diag, last->arg->at, "probe",
                              "a sampling period must be above 0");
        ns = last->arg->number;
        if (!long_enough(env, last, ns))
            return false;
    } else if (!strcmp(last->name, "hz") && !period(env, last, &ns)) {
        return false;
    }
    probe_add(env, point, type)->period = (uint64_t)ns;
    return true;
}

/* perf.type(1).config(0): perf_event_open(2)'s numbers for the software clocks, which are what
 * timer.profile is made of; nothing else is counted. */
static bool resolve_perf(struct probe_env *env, struct probe_point *point,
                         const struct probe_type *type)
{
    const struct point_part *kind = point->parts->next, *config = kind->next;

    if (kind->arg->number == PERF_TYPE_SOFTWARE &&
        (config->arg->number == PERF_COUNT_SW_CPU_CLOCK ||
         config->arg->number == PERF_COUNT_SW_TASK_CLOCK))
        return resolve_profile(env, point, type);
    diag_error(env->cx->diag, span_join(kind->at, config->at), "not-yet",
               "only the processors' clock is sampled: perf.type(1).config(0)");
    diag_hint(env->cx->diag, "perf.sw.cpu_clock is the same; timer.profile needs no number");
    return false;
}

#define TIMER(unit)                                                                                \
    {"timer." unit "(number)",                                                                     \
     "every so often, in user space",                                                              \
     PROBE_TIMER,                                                                                  \
     resolve_timer,                                                                                \
     NULL,                                                                                         \
     NULL},                                                                                        \
    {                                                                                              \
        "timer." unit "(number).randomize(number)", NULL, PROBE_TIMER, resolve_timer, NULL, NULL   \
    }
#define PROFILE(pattern, summary)                                                                  \
    {                                                                                              \
        pattern, summary, PROBE_PROFILE, resolve_profile, NULL, NULL                               \
    }

#define PERF(pattern, summary)                                                                     \
    {                                                                                              \
        pattern, summary, PROBE_PROFILE, resolve_perf, NULL, NULL                                  \
    }

const struct probe_type probe_types_timer[] = {
    TIMER("s"),
    TIMER("sec"),
    TIMER("ms"),
    TIMER("msec"),
    TIMER("us"),
    TIMER("usec"),
    TIMER("ns"),
    TIMER("nsec"),
    TIMER("hz"),
    TIMER("jiffies"),
    PROFILE("timer.profile", "999 times a second on every busy CPU"),
    PROFILE("timer.profile.hz(number)", "likewise, N times a second"),
    PROFILE("perf.sw.cpu_clock", "as timer.profile"),
    PROFILE("perf.sw.cpu_clock.sample(number)", "as timer.profile, every N ns"),
    PROFILE("perf.sw.cpu_clock.hz(number)", "as timer.profile, N times a second"),
    PERF("perf.type(number).config(number)", "perf.type(1).config(0) is perf.sw.cpu_clock"),
    PERF("perf.type(number).config(number).sample(number)", "likewise, every N ns"),
    PERF("perf.type(number).config(number).hz(number)", "likewise, N times a second"),
    {NULL, NULL, PROBE_NEVER, NULL, NULL, NULL},
};
