/*
 * agent: profiles all that fits a configuration. Enters: the configuration, /proc; leaves: profiles
 * in the spool and at their receiver, a log, metrics. One loop, which never waits but in poll(2):
 * looks at /proc every few seconds, at what all took every window, and hears of sessions, clients
 * and signals as they come. SIGTERM and SIGINT end it: sessions write the windows they are in, and
 * the spool is left for the next one. SIGHUP: reload.c.
 */
#include "agent/agent.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <bpf/bpf.h>

#include "agent/internal.h"
#include "base/arena.h"
#include "base/clock.h"
#include "base/file.h"

enum {
    POLLS_MAX = 1 + METRICS_POLLS + 256, /* as many sessions as conf.c allows */
    CLIENT_LOOK_MS = 1000,
    RELOAD_LOOK_MS = 200,
};

/* ---- the loop ---- */

static void reap(struct agent *a)
{
    struct rusage u;
    int status;
    pid_t pid;

    a->cx->interrupt->child = false;
    while ((pid = wait4(-1, &status, WNOHANG, &u)) > 0) {
        double cpu = (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
                     (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;

        if (!fleet_ended(a, pid, status, cpu))
            send_ended(a, pid, status, clock_ns(CLOCK_MONOTONIC));
    }
}

static void hear_sessions(struct agent *a, const struct pollfd *v)
{
    bool any = false, news;

    for (struct session *s = a->sessions; s; s = s->next) {
        if (s->fd < 0 || !(v++)->revents)
            continue;
        if (!session_hear(s, a->cx->err, &news)) {
            close(s->fd);
            s->fd = -1;
        }
        any |= news;
    }
    if (any)
        spool_look(&a->spool, a->cx, fleet_runs, a);
}

/* Milliseconds until the next of what is due. */
static int patience(const struct agent *a, uint64_t now)
{
    uint64_t next = a->next_scan < a->next_window ? a->next_scan : a->next_window;
    uint64_t most = UINT64_MAX;

    if (a->push.receiver && a->spool.n && !a->sender.child && a->sender.not_before < next)
        next = a->sender.not_before;
    for (int i = 0; a->conf->address && i < METRICS_CLIENTS; i++)
        if (a->metrics.clients[i].fd >= 0)
            most = CLIENT_LOOK_MS;
    if (a->reload.arena)
        most = RELOAD_LOOK_MS;
    uint64_t ms = next > now ? (next - now) / MILLISECOND_NS + 1 : 0;

    return (int)(ms < most ? ms : most);
}

/* Waits for what comes, and does it. */
static void turn(struct agent *a, int ms)
{
    struct pollfd v[POLLS_MAX] = {{.fd = a->cx->interrupt->fd, .events = POLLIN}};
    uint32_t n = 1;

    if (a->conf->address) {
        metrics_poll(&a->metrics, v + n);
        n += METRICS_POLLS;
    }
    uint32_t first = n;

    for (const struct session *s = a->sessions; s && n < POLLS_MAX; s = s->next)
        if (s->fd >= 0)
            v[n++] = (struct pollfd){.fd = s->fd, .events = POLLIN};
    if (poll(v, n, ms) < 0 && errno != EINTR)
        return;
    hear_sessions(a, v + first); /* before any of them is freed */
    if (a->conf->address)
        metrics_serve(&a->metrics, v + 1);
    interrupt_take(a->cx->interrupt);
    if (a->cx->interrupt->child)
        reap(a);
}

static uint64_t after(uint64_t now, double seconds)
{
    return now + (uint64_t)(seconds * SECOND_NS);
}

static void serve(struct agent *a)
{
    struct interrupt *i = a->cx->interrupt;

    while (!i->asked) {
        if (i->reload && !a->reload.arena) {
            i->reload = false;
            reload_begin(a);
        }
        if (a->reload.arena)
            reload_go_on(a);
        uint64_t now = clock_ns(CLOCK_MONOTONIC);

        if (now >= a->next_scan) {
            fleet_scan(a);
            a->next_scan = after(now, a->conf->scan);
        }
        if (now >= a->next_window) {
            fleet_window(a);
            a->next_window = after(now, a->conf->window);
        }
        if (!a->reload.arena)
            send_next(a, now);
        turn(a, patience(a, clock_ns(CLOCK_MONOTONIC)));
    }
}

/* ---- beginning and end ---- */

static void end_all(struct agent *a)
{
    uint64_t until = clock_ms(CLOCK_MONOTONIC) + END_MS;

    fleet_stop(a);
    while (a->sessions && clock_ms(CLOCK_MONOTONIC) < until && !a->cx->interrupt->at_once)
        turn(a, 200);
    for (struct session *s = a->sessions; s; s = s->next)
        kill(s->child, SIGKILL);
    if (a->sender.child)
        kill(a->sender.child, SIGTERM); /* what it was sending is sent again */
    agent_say(a, "ends; %u profiles are left in %s", a->spool.n, a->spool.folder);
}

static bool begin(struct agent *a)
{
    const struct agent_conf *c = a->conf;
    unsigned on = 0;

    a->cx->interrupt->reloads = true;
    a->cx->interrupt->numbered = true; /* what is sent to sessions must not hit one that begins */
    if (!interrupt_hold(a->cx->interrupt))
        return diag_error(a->cx->diag, (struct span){0}, "agent", "signalfd: %s", strerror(errno));
    if (!send_open(a))
        return false;
    if (!spool_open(&a->spool, a->cx, c->spool, c->spool_bytes, c->spool_files) ||
        !spool_look(&a->spool, a->cx, fleet_runs, a))
        return false;
    if (c->address && !metrics_open(&a->metrics, a->cx, c->address, c->port, report_metrics, a))
        return false;
    if (c->address)
        agent_say(a, "metrics at http://%s:%u/metrics", c->address, a->metrics.port);
    a->stats_fd = bpf_enable_stats(BPF_STATS_RUN_TIME);
    a->kernel_counts =
        a->stats_fd >= 0 || (file_number("/proc/sys/kernel/bpf_stats_enabled", "%u", &on) && on);
    if (!a->kernel_counts)
        agent_say(a, "the kernel does not tell what handlers take (CAP_SYS_ADMIN would make it): "
                     "40 microseconds a sample are counted");
    fleet_begin(a);
    return true;
}

int agent_run(struct compile *cx, const char *path, const char *program)
{
    struct agent a = {.cx = cx,
                      .path = path,
                      .conf_arena = arena_new(),
                      .program = program,
                      .stats_fd = -1,
                      .spool.lock = -1,
                      .metrics.fd = -1};

    for (int i = 0; i < METRICS_CLIENTS; i++)
        a.metrics.clients[i].fd = -1;
    struct compile own = *cx;

    own.arena = a.conf_arena;
    a.conf = conf_read(&own, path);
    if (!a.conf) {
        arena_free(a.conf_arena);
        return 1;
    }
    scan_open(&a.scan, a.conf, "/proc");
    budget_open(&a.budget, a.conf->cpu, a.conf->hz);
    srand((unsigned)clock_ns(CLOCK_REALTIME));
    bool ok = begin(&a);

    if (ok) {
        serve(&a);
        end_all(&a);
    }
    while (a.sessions) {
        struct session *next = a.sessions->next;

        session_free(a.sessions);
        a.sessions = next;
    }
    groups_close(&a.groups);
    scan_close(&a.scan);
    metrics_close(&a.metrics);
    spool_close(&a.spool);
    send_close(&a);
    if (a.stats_fd >= 0)
        close(a.stats_fd);
    arena_free(a.conf_arena);
    return ok ? 0 : 1;
}

/* ---- a look ---- */

static bool nobody(void *arg, const struct group *group, struct group_member m)
{
    return false;
}

bool agent_list(struct compile *cx, const struct agent_conf *conf, FILE *out)
{
    struct groups groups = {NULL};
    struct scan scan;
    uint64_t targets = 0;

    scan_open(&scan, conf, "/proc");
    bool ok = scan_look(&scan, cx);

    if (ok)
        groups_update(&groups, &scan, conf, nobody, NULL, &targets);
    for (const struct group *g = groups.all; g; g = g->hh.next) {
        fprintf(out, "[%s] %s", g->rule->name, g->exe);
        if (g->container)
            fprintf(out, " in %s", g->pod ? g->pod : g->container);
        if (g->key.master)
            fprintf(out, ": the workers of %" PRIu64 "\n", g->key.master);
        for (uint32_t i = 0; !g->key.master && i < g->n_waiting; i++)
            fprintf(out, "%s %d%s", i ? "" : ":", (int)g->waiting[i].pid,
                    i + 1 < g->n_waiting ? "" : "\n");
    }
    fprintf(out, "%" PRIu64 " processes fit\n", targets);
    groups_close(&groups);
    scan_close(&scan);
    return ok;
}
