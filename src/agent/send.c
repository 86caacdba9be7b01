/*
 * send: profiles leave the spool. Enters: the oldest profile; leaves: a child that sends it, one at
 * a time; what was taken is removed. While nobody takes any, the time between two tries doubles, up
 * to five minutes, with chance so that agents do not come all at once; each try takes the next
 * profile, so that one that is never taken keeps no other from being sent. What the receiver
 * refuses for good is dropped, and counted.
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/internal.h"
#include "base/arena.h"
#include "base/clock.h"

enum { WAIT_MOST = 300, DOUBLINGS = 9 };

/* After a failure the one behind it, else the oldest. */
static const struct spool_file *choose(const struct agent *a)
{
    const struct spool *s = &a->spool;

    for (uint32_t i = 0; a->sender.fails && i + 1 < s->n; i++)
        if (!strcmp(s->v[i].name, a->sender.name))
            return &s->v[i + 1];
    return s->n ? &s->v[0] : NULL;
}

static void in_child(struct agent *a, const struct spool_file *f)
{
    struct compile *cx = a->cx; /* a copy of all: it ends with this process */
    struct push p = a->push;
    struct push_answer answer = {.outcome = PUSH_LATER, .text = ""};
    uint32_t n;
    const char **labels = spool_labels_of(&a->spool, cx->arena, f->name, &n);

    for (uint32_t i = 0; i < n; i++) {
        const char *equals = strchr(labels[i], '=');

        if (equals)
            push_default_label(cx, &p,
                               arena_strndup(cx->arena, labels[i], (size_t)(equals - labels[i])),
                               equals + 1);
    }
    push_default_labels(cx, &p, NULL);
    push_file(cx, &p, spool_path(&a->spool, cx->arena, f->name), &answer);
    if (*answer.text)
        agent_say(a, "%s: %s", p.url, answer.text);
    *a->sender.shared = (struct send_outcome){answer.outcome, answer.wait};
    fflush(cx->err);
    _exit(0);
}

bool send_prepare(struct compile *cx, const struct agent_conf *c, struct push *p)
{
    const char *url = c->otlp ? c->otlp : c->pyroscope;
    bool ok = !url || push_to(cx, p, c->otlp ? "otlp" : "pyroscope", url);

    for (uint32_t i = 0; i < c->n_labels; i++)
        ok = ok && push_label(cx, p, c->labels[i]);
    for (uint32_t i = 0; i < c->n_headers; i++)
        ok = ok && push_header(cx, p, c->headers[i]);
    return ok;
}

bool send_open(struct agent *a)
{
    struct compile cx = *a->cx;

    cx.arena = a->conf_arena;
    bool ok = send_prepare(&cx, a->conf, &a->push);
    void *shared = mmap(NULL, sizeof(*a->sender.shared), PROT_READ | PROT_WRITE,
                        MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    if (shared == MAP_FAILED)
        return diag_error(a->cx->diag, (struct span){0}, "agent", "mmap: %s", strerror(errno));
    a->sender.shared = shared;
    return ok;
}

void send_close(struct agent *a)
{
    if (a->sender.shared)
        munmap(a->sender.shared, sizeof(*a->sender.shared));
}

void send_next(struct agent *a, uint64_t now)
{
    struct sender *s = &a->sender;
    const struct spool_file *f;
    pid_t parent = getpid();

    if (!a->push.receiver || s->child || now < s->not_before || !(f = choose(a)))
        return;
    *s->shared = (struct send_outcome){.outcome = PUSH_LATER};
    fflush(a->cx->err);
    s->child = fork();
    if (!s->child) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() != parent)
            _exit(1);
        sigprocmask(SIG_SETMASK, &a->cx->interrupt->before, NULL);
        in_child(a, f);
    }
    if (s->child < 0) {
        agent_say(a, "cannot send: %s", strerror(errno));
        s->child = 0;
        s->not_before = now + WAIT_MOST * SECOND_NS;
        return;
    }
    memcpy(s->name, f->name, sizeof(s->name));
    s->bytes = f->bytes;
}

static void is_gone(struct agent *a, const char *name)
{
    struct arena *arena = arena_new();

    spool_sent(&a->spool, arena, name);
    arena_free(arena);
}

/* Seconds until the next try, when one has failed. */
static double patience(const struct sender *s)
{
    double wait = s->fails < DOUBLINGS ? 1 << s->fails : WAIT_MOST;

    wait = (wait < WAIT_MOST ? wait : WAIT_MOST) * (0.75 + (double)rand() / RAND_MAX / 2);
    return wait > s->shared->wait ? wait : s->shared->wait;
}

bool send_ended(struct agent *a, pid_t pid, int status, uint64_t now)
{
    struct sender *s = &a->sender;
    enum push_outcome outcome = status ? PUSH_LATER : s->shared->outcome;

    if (pid != s->child)
        return false;
    s->child = 0;
    if (outcome == PUSH_LATER) {
        double wait = patience(s);

        s->fails++;
        s->failed++;
        s->not_before = now + (uint64_t)(wait * SECOND_NS);
        agent_say(a, "%u profiles wait in %s; the next try is in %.0f s", a->spool.n,
                  a->spool.folder, wait);
    } else {
        if (s->fails)
            agent_say(a, "%s answers again", a->push.url);
        s->fails = 0;
        is_gone(a, s->name);
        s->sent += outcome == PUSH_TAKEN;
        s->sent_bytes += outcome == PUSH_TAKEN ? s->bytes : 0;
        s->refused += outcome == PUSH_REFUSED;
    }
    spool_look(&a->spool, a->cx, fleet_runs, a);
    return true;
}
