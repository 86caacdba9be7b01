/*
 * fleet: an agent's sessions. Enters: what is there to be profiled, what all took; leaves: sessions
 * started, told another rate, and stopped. A session that ends with an error is followed by
 * another after a time that doubles, up to ten minutes.
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/internal.h"
#include "base/arena.h"
#include "base/clock.h"
#include "base/file.h"

enum {
    FAIL_SECONDS = 5,
    FAIL_DOUBLINGS = 7, /* ten minutes */
    REST_WINDOWS = 10,  /* of a group whose session was stopped */
    NO_LABELS_SECONDS = 60,
    GROUP_SESSIONS = 8, /* one program's many processes must not take all that there may be */
    STATUS_MAX = 1 << 20,
};
/* What a start is taken to cost until it is known, in seconds of a CPU. */
#define START_SECONDS 0.4

static uint64_t now_ns(void)
{
    return clock_ns(CLOCK_MONOTONIC);
}

void fleet_begin(struct agent *a)
{
    a->window_begun = a->next_scan = now_ns();
    a->next_window = a->window_begun + (uint64_t)(a->conf->window * SECOND_NS);
    for (struct session *s = a->sessions; s; s = s->next)
        s->whole = false; /* what it took counts since an earlier window's end */
}

static bool is_covered(void *arg, const struct group *group, struct group_member m)
{
    const struct agent *a = arg;

    for (const struct session *s = a->sessions; s; s = s->next)
        if (!s->stopping && session_covers(s, group, m))
            return true;
    return false;
}

bool fleet_runs(void *agent, const char *id)
{
    const struct agent *a = agent;

    for (const struct session *s = a->sessions; s; s = s->next)
        if (!strcmp(s->id, id))
            return true;
    return false;
}

/* ---- costs ---- */

static double cpu_of(int who)
{
    struct rusage u;

    if (getrusage(who, &u))
        return 0;
    return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
           (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

/* Seconds of a CPU that all took: this process and its children, and the sessions' handlers. */
static double spent_by_all(struct agent *a)
{
    double all = cpu_of(RUSAGE_SELF) + cpu_of(RUSAGE_CHILDREN) + a->past.bpf;

    for (struct session *s = a->sessions; s; s = s->next) {
        session_measure(s, a->kernel_counts, !s->whole); /* what has begun grows */
        all += s->cpu + s->bpf;
    }
    return all;
}

static uint64_t own_memory(void)
{
    char *text = file_read("/proc/self/status", STATUS_MAX, NULL);
    const char *at = text ? strstr(text, "\nRssAnon:") : NULL;
    uint64_t bytes = at ? 1024 * strtoull(at + strlen("\nRssAnon:"), NULL, 10) : 0;

    free(text);
    return bytes;
}

/* ---- starting ---- */

static void add_label(struct arena *arena, const char ***v, uint32_t *n, const char *name,
                      const char *value)
{
    if (!value || !*value)
        return;
    *v = arena_grow(arena, *v, *n, sizeof(**v));
    (*v)[(*n)++] = arena_printf(arena, "%s=%s", name, value);
}

static bool write_labels(struct agent *a, struct arena *arena, const struct session *s)
{
    const struct group *g = s->group;
    struct compile own = *a->cx;
    const char **v = NULL;
    uint32_t n = 0;

    own.arena = arena;
    add_label(arena, &v, &n, "service", g->rule->service ? g->rule->service : g->rule->name);
    add_label(arena, &v, &n, "match", g->rule->name);
    add_label(arena, &v, &n, "executable", g->exe);
    add_label(arena, &v, &n, "container", g->container);
    add_label(arena, &v, &n, "container_id", g->key.container);
    add_label(arena, &v, &n, "pod", g->pod);
    add_label(arena, &v, &n, "namespace", g->namespace);
    if (g->key.master || s->n_members == 1)
        add_label(arena, &v, &n, "pid",
                  arena_printf(arena, "%llu",
                               (unsigned long long)(g->key.master ? g->key.master
                                                                  : (uint64_t)s->members[0].pid)));
    return spool_labels(&a->spool, &own, s->id, v, n);
}

static void start(struct agent *a, struct group *g)
{
    struct arena *arena = arena_new();
    struct session_opts o = {.program = a->program,
                             .conf = a->conf,
                             .spool = &a->spool,
                             .interrupt = a->cx->interrupt,
                             .hz = budget_hz(&a->budget)};
    struct session *s = session_start(arena, &o, g);

    if (!s) {
        agent_say(a, "cannot start a session: %s", strerror(errno));
        g->not_before = now_ns() + FAIL_SECONDS * SECOND_NS;
    } else {
        s->next = a->sessions;
        a->sessions = s;
        a->n_sessions++;
        a->past.started++;
        agent_say(a, "profiles %s at %llu Hz", session_words(arena, s), (unsigned long long)s->hz);
        if (!write_labels(a, arena, s)) {
            g->not_before = now_ns() + NO_LABELS_SECONDS * SECOND_NS;
            session_stop(s);
        }
    }
    arena_free(arena);
}

/* The memory that another session is likely to take: as much as the largest. */
static uint64_t likely_memory(const struct agent *a)
{
    uint64_t most = 0;

    for (const struct session *s = a->sessions; s; s = s->next)
        most = s->memory > most ? s->memory : most;
    return most;
}

static void start_all(struct agent *a)
{
    uint64_t now = now_ns(), left = 0;
    struct budget then = a->budget; /* when what starts now is paid */

    for (struct group *g = a->groups.all; g; g = g->hh.next) {
        if (!g->n_waiting || now < g->not_before || g->sessions >= GROUP_SESSIONS)
            continue;
        if (a->n_sessions >= a->conf->sessions || a->memory + likely_memory(a) > a->conf->memory ||
            !budget_may_start(&then)) {
            left++;
            continue;
        }
        then.credit -= START_SECONDS;
        a->memory += likely_memory(a);
        start(a, g);
    }
    if (left && !a->waits)
        agent_say(a, "%llu groups wait for %s", (unsigned long long)left,
                  a->n_sessions >= a->conf->sessions ? "another session's end: sessions = says how "
                                                       "many there may be"
                  : !budget_may_start(&then)
                      ? "processor time: starts are paid from what cpu = leaves over"
                      : "memory: memory = says how much there may be");
    a->waits = left > 0;
}

void fleet_scan(struct agent *a)
{
    uint64_t begun = now_ns();
    double spent;

    if (scan_look(&a->scan, a->cx))
        groups_update(&a->groups, &a->scan, a->conf, is_covered, a, &a->n_targets);
    a->past.scans++;
    spent = spent_by_all(a);
    if (a->spent_at)
        budget_spend(&a->budget, (double)(begun - a->spent_at) / SECOND_NS, spent - a->spent);
    a->spent = spent;
    a->spent_at = begun;
    if (!a->reload.arena)
        start_all(a);
    a->scan_seconds = (double)(now_ns() - begun) / SECOND_NS;
}

/* ---- the end of a window ---- */

static struct session *dearest_by(struct agent *a, bool memory)
{
    struct session *best = NULL;

    for (struct session *s = a->sessions; s; s = s->next)
        if (!s->stopping && (!best || (memory ? s->memory > best->memory : s->cost > best->cost)))
            best = s;
    return best;
}

static void rest(struct agent *a, struct session *s, const char *why)
{
    struct arena *arena = arena_new();

    agent_say(a, "%s: stops the dearest session, %s, for %d windows", why, session_words(arena, s),
              REST_WINDOWS);
    s->group->not_before = now_ns() + (uint64_t)(REST_WINDOWS * a->conf->window * SECOND_NS);
    session_stop(s);
    arena_free(arena);
}

/* A session changes at the end of its own window: what is taken until then says nothing of the new
 * rate. */
static void keep_rate(struct agent *a, double seconds, double cpu)
{
    if (a->changing) {
        a->changing = false;
        return;
    }

    uint64_t before = budget_hz(&a->budget);
    enum budget_change change = budget_window(&a->budget, seconds, cpu);
    unsigned long long hz = budget_hz(&a->budget);
    struct session *s;

    a->changing = change == BUDGET_LOWER || change == BUDGET_HIGHER;
    for (s = a->sessions; s && a->changing; s = s->next)
        session_rate(s, budget_hz(&a->budget));
    switch (change) {
    case BUDGET_STAYS:
        return;
    case BUDGET_LOWER:
        a->past.lowered++;
        agent_say(a, "took %.2f %% of a CPU, and %.2f %% are allowed: %llu Hz, not %llu",
                  100 * a->used, 100 * a->budget.share, hz, (unsigned long long)before);
        return;
    case BUDGET_HIGHER:
        a->past.raised++;
        agent_say(a, "took %.2f %% of a CPU, and %.2f %% are allowed: %llu Hz again, not %llu",
                  100 * a->used, 100 * a->budget.share, hz, (unsigned long long)before);
        return;
    case BUDGET_TOO_MUCH:
        s = dearest_by(a, false);
        if (s) {
            a->past.cpu_stops++;
            rest(a, s, "takes too much of the CPU at the lowest rate, too");
        }
        return;
    }
}

void fleet_window(struct agent *a)
{
    uint64_t now = now_ns();
    double seconds = (double)(now - a->window_begun) / SECOND_NS;
    double own = cpu_of(RUSAGE_SELF), cpu = own - a->own;

    a->own = own;
    a->memory = own_memory();
    for (struct session *s = a->sessions; s; s = s->next) {
        double before = s->counted;

        session_measure(s, a->kernel_counts, true);
        s->cost = s->cpu + s->bpf - before;
        s->counted = s->cpu + s->bpf;
        if (s->whole)
            cpu += s->cost;
        s->whole = true;
        a->memory += s->memory;
    }
    a->used = seconds > 0 ? cpu / seconds : 0;
    a->window_begun = now;
    keep_rate(a, seconds, cpu);
    if (a->memory > a->conf->memory) {
        struct session *s = dearest_by(a, true);

        if (s) {
            a->past.memory_stops++;
            rest(a, s, "takes more memory than memory = allows");
        }
    }
}

/* ---- ends ---- */

static void judge(struct agent *a, struct session *s, int status)
{
    struct group *g = s->group;
    struct arena *arena;
    uint64_t wait = SECOND_NS;

    if (s->stopping || !status) {
        g->fails = 0;
    } else {
        a->past.failed++;
        wait = (FAIL_SECONDS * SECOND_NS)
               << (g->fails < FAIL_DOUBLINGS ? g->fails : FAIL_DOUBLINGS);
        g->fails++;
        arena = arena_new();
        agent_say(a, "the session of %s ended %s %d; the next one begins in %.0f s or later",
                  session_words(arena, s), WIFSIGNALED(status) ? "by signal" : "with status",
                  WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status),
                  (double)wait / SECOND_NS);
        arena_free(arena);
    }
    if (g->not_before < now_ns() + wait)
        g->not_before = now_ns() + wait;
}

bool fleet_ended(struct agent *a, pid_t pid, int status, double cpu)
{
    struct session **at = &a->sessions, *s;
    bool news;

    while (*at && (*at)->child != pid)
        at = &(*at)->next;
    s = *at;
    if (!s)
        return false;
    session_hear(s, a->cx->err, &news);
    judge(a, s, status);
    a->past.cpu += cpu;
    a->past.bpf += s->bpf;
    a->past.windows += s->windows;
    a->past.samples += s->samples;
    a->past.stacks += s->stacks;
    a->past.lost += s->lost;
    a->past.empty += s->empty;
    *at = s->next;
    a->n_sessions--;
    session_free(s);
    spool_look(&a->spool, a->cx, fleet_runs, a);
    return true;
}

void fleet_stop(struct agent *a)
{
    for (struct session *s = a->sessions; s; s = s->next)
        session_stop(s);
}

uint64_t fleet_stop_behind(struct agent *a, uint64_t n_rules)
{
    uint64_t kept = 0;

    for (struct session *s = a->sessions; s; s = s->next) {
        if (s->group->key.rule >= n_rules)
            session_stop(s);
        kept += !s->stopping;
    }
    return kept;
}
