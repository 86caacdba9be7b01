/*
 * track: the scope while the session runs. Enters: what the kernel's programs tell of processes
 * that begin, run exec and end (follow.c); leaves: members of the scope, breakpoints and layouts in
 * step with them, and clocks where they tick. Refuses nothing: what comes too late is counted.
 */
#include "load/kinds.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <bpf/bpf.h>

#include "base/diag.h"

static void on_news(struct session *s, const struct follow_news *news)
{
    struct scope *c = &s->scope;
    pid_t pid = (pid_t)news->pid;
    uint32_t key = news->pid;
    struct ngs_member m;

    switch ((enum follow_what)news->what) {
    case FOLLOW_BORN:
        scope_remember(c, pid);
        spaces_add(s, pid);
        if (c->uprobes && !c->everywhere && kinds_born(s, pid))
            c->late++;
        if (!bpf_map_lookup_elem(c->map, &key, &m) && m.layout >= NGS_LAYOUTS)
            layout_wanted(s, pid);
        break;
    case FOLLOW_EXEC:
        layout_wanted(s, pid);
        spaces_add(s, pid);
        c->execs++;
        break;
    case FOLLOW_GONE:
        scope_forget(c, pid);
        spaces_drop(s, pid);
        layout_unwanted(s, pid);
        kinds_gone(s, pid);
        break;
    }
}

static int on_record(void *ctx, void *data, size_t size)
{
    if (size >= sizeof(struct follow_news))
        on_news(ctx, data);
    return 0;
}

/* Readable when session_follow has something to do. */
static bool open_news(struct session *s)
{
    struct scope *c = &s->scope;
    struct epoll_event e = {.events = EPOLLIN};

    c->ring = ring_buffer__new(s->scope.follow.maps.ring, on_record, s, NULL);
    c->epoll = c->ring ? epoll_create1(EPOLL_CLOEXEC) : -1;
    return c->epoll >= 0 &&
           !epoll_ctl(c->epoll, EPOLL_CTL_ADD, ring_buffer__epoll_fd(c->ring), &e) &&
           layout_open(s);
}

bool track_start(struct session *s)
{
    struct scope *c = &s->scope;
    const struct bpf_map *control;

    if (!load_scoped(s))
        return true;
    control = bpf_object__find_map_by_name(s->obj, NGS_MAP_CONTROL);
    if (!control)
        return object_damaged(s->cx, "kernel probes without a control map");
    if (!scope_open(s))
        return false;
    struct follow_maps maps = {.scope = c->map,
                               .control = bpf_map__fd(control),
                               .pidns_dev = s->control->pidns_dev,
                               .pidns_ino = s->control->pidns_ino};

    c->follows = follow_start(&c->follow, &maps) && open_news(s);
    if (!c->follows)
        diag_warning(s->cx->diag, (struct span){0},
                     "processes that the target starts from now on are seen by their ticks alone, "
                     "as the kernel's BTF or tracepoints cannot be used: %s",
                     strerror(errno));
    scope_add_descendants(s);
    layout_start(s);
    c->everywhere = c->uprobes && c->follows && !scope_is_shared(s);
    c->several = s->t->kind == TARGET_MASTER || s->t->n_pids > 1;
    /* Until all is armed nobody is let in unseen. */
    __atomic_fetch_or(&s->control->gate, NGS_SCOPE_TEST | (c->several ? NGS_SCOPE_SEVERAL : 0),
                      __ATOMIC_SEQ_CST);
    return true;
}

/*
 * Sets the flags that tell handlers whether to look up whose hit it is: only when hits of others
 * can come in.
 */
void track_armed(struct session *s)
{
    const struct scope *c = &s->scope;

    if (!load_scoped(s))
        return;
    bool watched = s->t->kind == TARGET_MASTER && c->follows;

    if (c->everybody)
        follow_exit_last(&s->scope.follow);

    if (scope_drop_replaced(s) && !c->everywhere && !c->everybody && !s->clocks_on_cpus && !watched)
        __atomic_fetch_and(&s->control->gate, ~(uint64_t)NGS_SCOPE_TEST, __ATOMIC_SEQ_CST);
}

void track_stop(struct session *s)
{
    struct scope *c = &s->scope;

    follow_stop(&c->follow);
    layout_close(s);
    ring_buffer__free(c->ring);
    c->ring = NULL;
    if (c->epoll >= 0)
        close(c->epoll);
    c->epoll = -1;
    free(c->members);
    c->members = NULL;
    c->n = c->cap = 0;
}

int session_scope_fd(const struct session *s)
{
    return s->scope.epoll;
}

void session_losses(struct session *s, say_fn *say, void *arg)
{
    const struct ngs_control *c = s->control;
    char text[256];

    if (c->unplaced) {
        snprintf(text, sizeof(text),
                 "%llu hits dropped: they were in programs run since that have not all modules the "
                 "script reads",
                 (unsigned long long)c->unplaced);
        say(arg, text);
    }
    if (c->unfollowed) {
        snprintf(text, sizeof(text),
                 "%llu processes of the target's were left out: more than %d at a time",
                 (unsigned long long)c->unfollowed, NGS_MAX_MEMBERS);
        say(arg, text);
    }
    if (s->scope.late) {
        snprintf(text, sizeof(text),
                 "%llu processes began while it ran, and others run the same file: what they did "
                 "in their first milliseconds was not seen",
                 (unsigned long long)s->scope.late);
        say(arg, text);
    }
    if (nesting_text(s, text, sizeof(text)))
        say(arg, text);
    overload_losses(s, say, arg);
    /* Explains losses to those who ask (-v). */
    if (s->births_before && (s->cx->verbose || s->births_before * 100 > c->hits)) {
        snprintf(text, sizeof(text), "%llu threads began%s: up to a tick of each was lost",
                 (unsigned long long)s->births_before,
                 s->clocks_on_cpus ? " before the clocks were moved to the processors" : "");
        say(arg, text);
    }
}

bool session_follow(struct session *s)
{
    struct scope *c = &s->scope;
    uint64_t execs = c->execs;

    stacks_watch(s);
    if (!c->follows)
        return spaces_watch(s);
    nesting_look(s);
    ring_buffer__consume(c->ring);
    layout_try(s);
    kinds_watch(s);
    return spaces_watch(s) || c->execs != execs;
}
