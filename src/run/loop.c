/*
 * loop: a session from its first handler to its last. Enters: a checked object, the target,
 * options; leaves: the script's output and an exit status.
 *
 * Order: load; begin handlers by sequence number; attach; timers, records, signals; stop; what is
 * left in the ring buffer; end handlers (error handlers after an error); counts; detach. A begin
 * handler that calls exit() keeps anything from being attached, and other begin handlers from
 * running; ^C waits for those. End handlers run then, as in SystemTap.
 */
#include "run/files.h"
#include "run/gather.h"
#include "run/running.h"
#include "run/state.h"
#include "run/timers.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <linux/membarrier.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

enum {
    WAKE_MS = 200,        /* poll interval: a stop is seen within it even if its record was lost */
    SIGNALS_EVERY = 1024, /* records */
    PATIENCE_MS = 1000,   /* waiting for processes without a word */
    MAX_EVENTS = 32,
};

/* What epoll's data says: one of these, or TIMER + index in timers. */
enum event_source {
    SOURCE_SIGNAL,
    SOURCE_RING,
    SOURCE_DEADLINE,
    SOURCE_PID,
    SOURCE_SCOPE,
    SOURCE_OVERLOAD,
    SOURCE_FILES,
    SOURCE_TIMER
};

struct loop {
    struct run r;
    int epoll;
    struct ring_buffer *ring;
    uint32_t ring_size;
    struct gather gather;
    uint64_t records, rests;
    uint64_t left;  /* of a drain: bytes to read */
    uint64_t until; /* and when its last rest begins, in ns */
    struct timers timers;
    struct files *files; /* of procfs probes; NULL: none */
    int *pidfds;         /* of the processes looked at; -1: gone */
    uint32_t n_pidfds, pids_left;
    int stats_fd; /* holds run-time statistics of BPF programs on */
    bool child_started, child_reaped;
    struct report_age armed;
    uint64_t rate; /* of ticks, that was asked for; 0: none */
};

static bool fail(struct loop *l, const char *what)
{
    return diag_error(l->r.cx->diag, (struct span){0}, "run", "%s: %s", what, strerror(errno));
}

static bool watch(struct loop *l, int fd, uint64_t source)
{
    struct epoll_event e = {.events = EPOLLIN, .data.u64 = source};

    return epoll_ctl(l->epoll, EPOLL_CTL_ADD, fd, &e) == 0 || fail(l, "epoll");
}

/* ---- the ring buffer ---- */

static uint64_t clock_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* A record, or a rest, whose turn it is. */
static void take(void *ctx, const void *data, size_t size)
{
    struct loop *l = ctx;
    bool rest = run_rest(&l->r, data, size);

    if (!rest)
        run_record(&l->r, data, size);
    if (rest || ++l->records % SIGNALS_EVERY == 0)
        run_signals(&l->r);
    l->rests += rest;
}

static int on_record(void *ctx, void *data, size_t size)
{
    struct loop *l = ctx;
    uint64_t taken = ((size + 7) & ~(size_t)7) + BPF_RINGBUF_HDR_SZ, rests = l->rests;

    gather_record(&l->gather, data, size);
    l->left -= taken < l->left ? taken : l->left;
    return l->r.aborted || !l->left || (l->rests != rests && clock_ns() > l->until) ? -1 : 0;
}

/*
 * Takes what is in the ring, and not all that comes meanwhile: rests may take longer than hits. Not
 * even that much, but for NS and the next rest's end, where something else is to be done.
 */
static void drain(struct loop *l, uint64_t ns)
{
    l->left = l->ring_size;
    l->until = ns == UINT64_MAX ? ns : clock_ns() + ns;
    if (l->ring && !l->r.aborted)
        ring_buffer__consume(l->ring);
    output_flush(&l->r);
}

/* Prints the kernel's records before a handler here prints its own. */
static void handle(struct loop *l, const struct obj_probe *p)
{
    drain(l, UINT64_MAX);
    if (!l->r.aborted)
        run_handler(&l->r, p);
}

/* ---- begin, end, error ---- */

static const struct obj_probe *next_by_sequence(const struct loop *l, enum probe_kind kind,
                                                const bool *done)
{
    const struct object *o = l->r.o;
    const struct obj_probe *best = NULL;

    for (uint32_t i = 0; i < o->h->table[OBJ_PROBES].n; i++)
        if (o->probes[i].kind == kind && !done[i] &&
            (!best || o->probes[i].sequence < best->sequence))
            best = &o->probes[i];
    return best;
}

/*
 * May another handler of KIND run? An error keeps further begin and end handlers from it, exit()
 * further begin handlers: in SystemTap each kind wants another value of session_state
 * (tapset-been.cxx), which these change and ^C does not.
 */
static bool goes_on(const struct run *r, enum probe_kind kind)
{
    return !r->aborted && (kind == PROBE_ERROR || !r->failed) && !(kind == PROBE_BEGIN && r->quit);
}

/* Runs the handlers of KIND in order of their sequence numbers. */
static void run_kind(struct loop *l, enum probe_kind kind)
{
    uint32_t n = l->r.o->h->table[OBJ_PROBES].n;
    bool *done = calloc(n ? n : 1, sizeof(*done));
    const struct obj_probe *p;

    while (done && goes_on(&l->r, kind) && (p = next_by_sequence(l, kind, done))) {
        done[p - l->r.o->probes] = true;
        handle(l, p);
        run_signals(&l->r);
    }
    free(done);
}

/* ---- setting up ---- */

static bool open_ring(struct loop *l)
{
    int fd = l->r.s ? session_ring_fd(l->r.s) : -1;
    struct bpf_map_info info = {0};
    uint32_t size = sizeof(info);
    int cpus = libbpf_num_possible_cpus();

    if (fd < 0)
        return true;
    if (cpus <= 0 || bpf_obj_get_info_by_fd(fd, &info, &size))
        return fail(l, "ring buffer");
    l->ring_size = info.max_entries;
    l->ring = ring_buffer__new(fd, on_record, l, NULL);
    if (!l->ring || !gather_open(&l->gather, (uint32_t)cpus * NGS_FRAMES_PER_CPU, take, l))
        return fail(l, "ring buffer");
    return watch(l, ring_buffer__epoll_fd(l->ring), SOURCE_RING);
}

static bool start_timers(struct loop *l)
{
    struct timers *t = &l->timers;

    if (!timers_open(t, l->r.o, l->r.opts->seconds))
        return fail(l, "timer");
    for (uint32_t i = 0; i < t->n; i++)
        if (!watch(l, t->all[i].fd, SOURCE_TIMER + i))
            return false;
    return t->deadline < 0 || watch(l, t->deadline, SOURCE_DEADLINE);
}

/* Watches the processes whose end ends the session, once all are gone: those of -x, or a master and
 * its workers. */
static bool watch_target(struct loop *l)
{
    const struct target *t = l->r.t;
    const pid_t *pids;
    uint32_t n;

    if (!t || (t->kind != TARGET_PID && t->kind != TARGET_MASTER))
        return true;
    pids = t->pids;
    n = t->n_pids;
    l->pidfds = calloc((size_t)n + 1, sizeof(*l->pidfds));
    if (!l->pidfds)
        return fail(l, "memory");
    l->n_pidfds = n + (t->kind == TARGET_MASTER && t->master > 0);
    for (uint32_t i = 0; i < l->n_pidfds; i++) {
        l->pidfds[i] = (int)syscall(SYS_pidfd_open, i < n ? pids[i] : t->master, 0);
        if (l->pidfds[i] >= 0) {
            l->pids_left++;
            if (!watch(l, l->pidfds[i], SOURCE_PID))
                return false;
        } else if (errno != ESRCH) {
            return fail(l, "pidfd_open");
        }
    }
    return true;
}

static void target_gone(struct loop *l)
{
    const struct target *t = l->r.t;
    char buf[128];

    if (t->kind == TARGET_PID && t->n_pids == 1)
        snprintf(buf, sizeof(buf), "target process %d exited", (int)t->pid);
    else
        snprintf(buf, sizeof(buf), "all target processes exited");
    run_err_line(&l->r, "", buf, strlen(buf));
    run_stop(&l->r);
}

static void handle_for(const struct obj_probe *p, void *arg)
{
    handle(arg, p);
}

static bool start(struct loop *l)
{
    struct running running = running_list(&l->r);

    if (l->r.opts->timing && l->r.s)
        l->stats_fd = bpf_enable_stats(BPF_STATS_RUN_TIME);
    if ((l->r.s && !load_attach(l->r.s)) || !watch_target(l) || !start_timers(l)) {
        free(running.pids);
        return false;
    }
    l->armed = report_age();
    running_each(&l->r, &running, handle_for, l);
    free(running.pids);
    if (l->r.opts->child > 0) {
        l->child_started = true;
        kill(l->r.opts->child, SIGCONT);
        l->r.child_changed = true; /* it may have ended before its signal was looked for */
    }
    if (l->n_pidfds && !l->pids_left)
        target_gone(l);
    int scope = l->r.s ? session_scope_fd(l->r.s) : -1;
    int overload = l->r.s ? session_overload_fd(l->r.s) : -1;

    return (scope < 0 || watch(l, scope, SOURCE_SCOPE)) &&
           (overload < 0 || watch(l, overload, SOURCE_OVERLOAD));
}

/* ---- while it runs ---- */

static void check_child(struct loop *l)
{
    pid_t child = l->r.opts->child;
    int status;

    l->r.child_changed = false;
    if (child <= 0 || l->child_reaped || waitpid(child, &status, WNOHANG) != child)
        return;
    if (WIFSIGNALED(status))
        run_warn(&l->r, "Child process exited with signal %d (%s)", WTERMSIG(status),
                 strsignal(WTERMSIG(status)));
    else if (WEXITSTATUS(status))
        run_warn(&l->r, "Child process exited with status %d", WEXITSTATUS(status));
    l->child_reaped = true;
    run_stop(&l->r);
}

static void check_pids(struct loop *l)
{
    for (uint32_t i = 0; i < l->n_pidfds; i++) {
        struct pollfd p = {.fd = l->pidfds[i], .events = POLLIN};
        struct epoll_event e;

        if (p.fd < 0 || poll(&p, 1, 0) <= 0)
            continue;
        epoll_ctl(l->epoll, EPOLL_CTL_DEL, l->pidfds[i], &e);
        close(l->pidfds[i]);
        l->pidfds[i] = -1;
        if (--l->pids_left == 0)
            target_gone(l);
    }
}

/* Ends the session by the kernel's counters, too: the record that told of it can be lost. */
static void check_control(struct loop *l)
{
    struct run *r = &l->r;
    const struct obj_header *h = r->o->h;
    uint64_t skipped = __atomic_load_n(&r->ctl->skipped, __ATOMIC_RELAXED);

    if (__atomic_load_n(&r->ctl->errors, __ATOMIC_RELAXED) > h->maxerrors)
        r->failed = true;
    if (h->maxskipped && skipped > h->maxskipped && !r->failed) {
        static const char text[] = "Skipped too many probes, check MAXSKIPPED";

        run_err_line(r, "ERROR: ", text, sizeof(text) - 1);
        r->failed = true;
    }
    if (r->failed || __atomic_load_n(&r->ctl->gate, __ATOMIC_RELAXED) & NGS_ENDED)
        run_stop(r);
}

static void run_timers(struct loop *l)
{
    for (uint32_t i = 0; i < l->timers.n && !l->r.exiting; i++)
        if (timer_expired(&l->timers.all[i])) {
            handle(l, l->timers.all[i].probe);
            run_signals(&l->r);
        }
}

static void keep_rate(struct loop *l)
{
    uint64_t rate = l->r.opts->rate ? l->r.opts->rate(l->r.opts->watcher) : 0;

    if (!l->r.s || !rate || rate == l->rate)
        return;
    l->rate = rate;
    if (!load_ticks(l->r.s, rate))
        run_warn(&l->r, "Not all clocks could be set to %llu Hz", (unsigned long long)rate);
}

static void serve(struct loop *l)
{
    if (l->r.child_changed)
        check_child(l);
    while (!l->r.exiting) {
        struct epoll_event events[MAX_EVENTS];
        int n = epoll_wait(l->epoll, events, MAX_EVENTS, l->r.s || l->r.opts->watch ? WAKE_MS : -1);
        bool timers = false, deadline = false, pids = false, files = false;

        if (n < 0 && errno != EINTR)
            break;
        for (int i = 0; i < n; i++) {
            timers |= events[i].data.u64 >= SOURCE_TIMER;
            deadline |= events[i].data.u64 == SOURCE_DEADLINE;
            pids |= events[i].data.u64 == SOURCE_PID;
            files |= events[i].data.u64 == SOURCE_FILES;
        }
        run_signals(&l->r);
        if (l->r.s && session_follow(l->r.s))
            symbols_again(l->r.syms);
        drain(l, WAKE_MS * 1000000ull);
        check_control(l);
        if (l->r.s)
            session_overload(l->r.s, report_loss, &l->r);
        if (l->r.opts->watch)
            l->r.opts->watch(l->r.opts->watcher, l->r.ctl);
        if (timers)
            run_timers(l);
        keep_rate(l);
        if (files)
            files_serve(l->files, handle_for, l);
        if (l->r.child_changed)
            check_child(l);
        if (pids)
            check_pids(l);
        if (deadline)
            run_stop(&l->r);
    }
}

/* ---- the end ---- */

/*
 * Waits until handlers that began before the stop are over. They run in RCU read-side sections, and
 * MEMBARRIER_CMD_GLOBAL is synchronize_rcu (membarrier(2)); it takes a few milliseconds. Where the
 * kernel refuses it (nohz_full), handlers have few instructions left and are most likely over.
 */
static void wait_for_handlers(const struct loop *l)
{
    if (l->r.s && l->armed.seconds > 0)
        syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0);
}

/*
 * No handler starts in the kernel after run_stop: each looks at the stop first. So everything is
 * printed before probes are taken out.
 */
static void finish(struct loop *l)
{
    run_stop(&l->r);
    wait_for_handlers(l);
    drain(l, UINT64_MAX);
    gather_flush(&l->gather);
    check_control(l);
    l->r.ending = true;
    run_kind(l, PROBE_END);
    if (l->r.failed)
        run_kind(l, PROBE_ERROR);
    drain(l, UINT64_MAX);
}

/* Kills a command that still waits to be started; the caller ends one that runs. */
static void end_child(struct loop *l)
{
    pid_t child = l->r.opts->child;

    if (child <= 0 || l->child_started || l->child_reaped)
        return;
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
}

/* Waits for what system() started, as stap does; ^C ends the waiting. */
static void wait_commands(struct run *r)
{
    const struct interrupt *i = r->cx->interrupt;
    unsigned asked = i->asked;

    for (unsigned waited = 0; r->n_commands; waited += WAKE_MS) {
        struct pollfd p = {.fd = i->fd, .events = POLLIN};

        run_commands_reap(r);
        if (!r->n_commands || r->aborted || i->asked > asked)
            break;
        if (waited == PATIENCE_MS)
            fputs("Waiting for processes to exit\n", r->opts->err);
        poll(&p, 1, WAKE_MS);
        run_signals(r);
    }
}

static void close_loop(struct loop *l)
{
    files_close(l->files);
    run_close(&l->r);
    ring_buffer__free(l->ring);
    gather_close(&l->gather);
    timers_close(&l->timers);
    for (uint32_t i = 0; i < l->n_pidfds; i++)
        if (l->pidfds[i] >= 0)
            close(l->pidfds[i]);
    if (l->stats_fd >= 0)
        close(l->stats_fd);
    if (l->epoll >= 0)
        close(l->epoll);
    free(l->pidfds);
    if (l->r.s)
        load_free(l->r.s);
}

static bool prepare(struct loop *l)
{
    struct run *r = &l->r;

    if (!interrupt_hold(r->cx->interrupt))
        return fail(l, "signalfd");
    l->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (l->epoll < 0)
        return fail(l, "epoll");
    if (!watch(l, r->cx->interrupt->fd, SOURCE_SIGNAL))
        return false;
    if (r->t) { /* also without kernel probes: the modules are checked and found there */
        r->s = load_object(r->cx, r->o, r->t, r->k);
        if (!r->s)
            return false;
        load_symbols(r->s, &r->opts->symbols);
    }
    return run_open(r) && open_ring(l) && files_open(r, &l->files) &&
           (!l->files || watch(l, files_fd(l->files), SOURCE_FILES));
}

int run_session(struct compile *cx, const struct object *o, struct target *t,
                const struct kernel *k, const struct run_opts *opts)
{
    struct loop l = {
        .r = {.cx = cx, .o = o, .t = t, .k = k, .opts = opts},
        .epoll = -1,
        .timers.deadline = -1,
        .stats_fd = -1,
    };
    bool ok = prepare(&l);

    if (ok) {
        run_signals(&l.r);
        if (!l.r.exiting) /* ^C ends none of them once they have begun, as in SystemTap */
            run_kind(&l, PROBE_BEGIN);
        if (!l.r.exiting && !l.r.aborted) {
            ok = start(&l);
            if (ok)
                serve(&l);
            else
                l.r.failed = true;
        }
        finish(&l);
        files_close(l.files); /* nobody waits for them any more */
        l.files = NULL;
        if (!l.r.aborted)
            report_losses(&l.r);
        if (opts->timing)
            report_timing(&l.r, l.armed);
    }
    ok = ok && !l.r.failed && !l.r.aborted;
    end_child(&l);
    wait_commands(&l.r);
    if (opts->printed)
        opts->printed(opts->printed_arg, ok);
    close_loop(&l);
    return ok ? 0 : 1;
}
