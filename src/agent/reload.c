/*
 * reload: another configuration while an agent runs. Enters: SIGHUP; leaves: an agent that goes by
 * the file as it is now. What it says is read and opened first: where that fails, all stays as it
 * was, which is said. Then sessions write the windows that they are in and end, and what the old
 * configuration is known by goes with them; the next look at /proc begins by the new one.
 */
#include <signal.h>
#include <string.h>

#include "agent/internal.h"
#include "base/arena.h"
#include "base/clock.h"
#include "base/diag.h"

static bool same(const char *a, const char *b)
{
    return a && b ? !strcmp(a, b) : a == b;
}

static bool same_patterns(const struct conf_patterns *a, const struct conf_patterns *b)
{
    bool ok = a->n == b->n;

    for (uint32_t i = 0; ok && i < a->n; i++)
        ok = same(a->v[i], b->v[i]);
    return ok;
}

static bool same_rule(const struct conf_rule *a, const struct conf_rule *b)
{
    bool ok = same(a->name, b->name) && same(a->service, b->service) &&
              same(a->frames, b->frames) && same_patterns(&a->packs, &b->packs);

    for (int i = 0; ok && i < N_FACTS; i++)
        ok = same_patterns(&a->facts[i], &b->facts[i]);
    return ok;
}

/* How many rules, from the first on, have sessions that go on. */
static uint64_t rules_kept(const struct agent_conf *old, const struct agent_conf *new)
{
    uint64_t n = 0;

    if (old->window != new->window || old->hz != new->hz || !same(old->spool, new->spool))
        return 0; /* each session's options */
    uint64_t both = old->n_rules < new->n_rules ? old->n_rules : new->n_rules;

    while (n < both && same_rule(&old->rules[n], &new->rules[n]))
        n++;
    return n;
}

/* What cannot be had for the new configuration is known before the old one goes. */
static bool open_new(struct agent *a, struct compile *cx, struct reload *r)
{
    const struct agent_conf *c = r->conf, *old = a->conf;

    r->moves_metrics = !same(c->address, old->address) || c->port != old->port;
    r->moves_spool = !same(c->spool, old->spool);
    r->metrics.fd = r->spool.lock = -1;
    if (!send_prepare(cx, c, &r->push))
        return false;
    if (r->moves_metrics && c->address &&
        !metrics_open(&r->metrics, cx, c->address, c->port, report_metrics, a))
        return false;
    if (!r->moves_spool || (spool_open(&r->spool, cx, c->spool, c->spool_bytes, c->spool_files) &&
                            spool_look(&r->spool, cx, fleet_runs, a)))
        return true;
    metrics_close(&r->metrics);
    spool_close(&r->spool);
    return false;
}

void reload_begin(struct agent *a)
{
    struct reload *r = &a->reload;
    struct compile cx = *a->cx;

    *r = (struct reload){.arena = arena_new()};
    for (int i = 0; i < METRICS_CLIENTS; i++)
        r->metrics.clients[i].fd = -1;
    cx.arena = r->arena;
    cx.sources = sources_new(r->arena);
    cx.diag = diag_new(r->arena, cx.sources, a->cx->err); /* what is wrong is counted anew */
    r->conf = conf_read(&cx, a->path);
    if (!r->conf || !open_new(a, &cx, r)) {
        arena_free(r->arena);
        r->arena = NULL;
        agent_say(a, "%s is not taken: all stays as it was", a->path);
        return;
    }
    uint64_t kept = fleet_stop_behind(a, rules_kept(a->conf, r->conf));

    agent_say(a, "reads %s again; %llu sessions go on, %llu end, and others begin by what it says",
              a->path, (unsigned long long)kept, (unsigned long long)(a->n_sessions - kept));
    r->until = clock_ms(CLOCK_MONOTONIC) + END_MS;
    if (a->sender.child)
        kill(a->sender.child, SIGTERM); /* what it was sending is sent again */
}

/* Are there some that have still to end? */
static bool wait_for_ends(struct agent *a)
{
    bool late = clock_ms(CLOCK_MONOTONIC) > a->reload.until, waits = a->sender.child != 0;

    for (struct session *s = a->sessions; s; s = s->next) {
        if (s->stopping && late)
            kill(s->child, SIGKILL);
        waits |= s->stopping;
    }
    return waits;
}

/* The rate that was found goes on, where what it answers to is the same. */
static void renew_budget(struct agent *a, const struct agent_conf *old)
{
    double credit = a->budget.credit;

    if (old->cpu == a->conf->cpu && old->hz == a->conf->hz)
        return;
    budget_open(&a->budget, a->conf->cpu, a->conf->hz);
    a->budget.credit = credit;
    for (struct session *s = a->sessions; s; s = s->next)
        session_rate(s, budget_hz(&a->budget));
}

void reload_go_on(struct agent *a)
{
    struct reload *r = &a->reload;
    struct arena *old = a->conf_arena;
    const struct agent_conf *before = a->conf;

    if (wait_for_ends(a))
        return;
    groups_keep(&a->groups, r->conf->rules);
    scan_close(&a->scan); /* it has the old rules */
    if (r->moves_metrics) {
        metrics_close(&a->metrics);
        a->metrics = r->metrics;
    }
    if (r->moves_spool) {
        spool_close(&a->spool);
        r->spool.dropped += a->spool.dropped;
        r->spool.dropped_bytes += a->spool.dropped_bytes;
        a->spool = r->spool;
    }
    a->conf_arena = r->arena;
    a->conf = r->conf;
    a->push = r->push;
    a->spool.folder = a->conf->spool;
    a->spool.max_bytes = a->conf->spool_bytes;
    a->spool.max_files = a->conf->spool_files;
    a->sender.fails = 0;
    a->sender.not_before = 0;
    scan_open(&a->scan, a->conf, "/proc");
    renew_budget(a, before);
    arena_free(old);
    a->changing = a->waits = false;
    r->arena = NULL;
    fleet_begin(a);
    if (r->moves_metrics && a->conf->address)
        agent_say(a, "metrics at http://%s:%u/metrics", a->conf->address, a->metrics.port);
}
