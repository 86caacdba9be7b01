/*
 * scan: what /proc lists, kept from one look to the next. Enters: /proc, the rules; leaves: a table
 * of processes, each with the rule that it fits. A process is read when it is new, and again until
 * it has settled, since a child runs its parent's program until it runs its own; all are read again
 * now and then, as a shell may become a server late. Names of containers are asked for once each.
 * Refused: kernel threads, which run no program, and our own.
 */
#include "agent/scan.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "agent/match.h"
#include "base/arena.h"
#include "base/clock.h"
#include "target/proc.h"

enum { AGAIN_EVERY = 12, CGROUP_MAX = 64 << 10, PROCESSES_MAX = 65536 };

static const struct span nowhere;

void scan_open(struct scan *s, const struct agent_conf *conf, const char *proc)
{
    struct stat st;

    *s = (struct scan){.proc = proc, .conf = conf};
    if (!stat("/proc/self/exe", &st)) {
        s->own_dev = st.st_dev;
        s->own_ino = st.st_ino;
    }
}

/* ---- containers ---- */

static struct scan_container *container_of(struct scan *s, const char *path)
{
    struct scan_container *c;
    char id[CONTAINER_ID_LEN + 1];

    if (!cgroup_container(path, id))
        return NULL;
    HASH_FIND(hh, s->containers, id, CONTAINER_ID_LEN, c);
    if (c)
        return c;
    c = calloc(1, sizeof(*c));
    if (!c)
        return NULL;
    memcpy(c->id, id, CONTAINER_ID_LEN);
    HASH_ADD(hh, s->containers, id, CONTAINER_ID_LEN, c);
    return c;
}

static void forget_containers(struct scan *s)
{
    struct scan_container *c, *next;

    HASH_ITER (hh, s->containers, c, next) {
        bool used = false;

        for (struct scan_process *p = s->processes; p && !used; p = p->hh.next)
            used = p->container == c;
        if (used)
            continue;
        HASH_DEL(s->containers, c);
        free(c->name);
        free(c->pod);
        free(c->namespace);
        free(c->labels);
        free(c);
    }
}

/* ---- processes ---- */

/* The path of the unified hierarchy, else of the first one. */
static char *cgroup_of(const char *proc, pid_t pid)
{
    char *text = proc_read(proc, pid, "cgroup", CGROUP_MAX), *path = NULL;
    const char *at = text ? strstr(text, "0::/") : NULL;

    if (at && at != text && at[-1] != '\n')
        at = NULL;
    at = at ? at : text;
    at = at ? strchr(at, '/') : NULL;
    if (at)
        path = strndup(at, strcspn(at, "\n"));
    free(text);
    return path;
}

static void forget(struct scan *s, struct scan_process *p)
{
    HASH_DEL(s->processes, p);
    free(p->exe);
    free(p->cgroup);
    free(p);
}

/* False: it has ended, or it is a kernel thread, or ours, or nobody may look. */
static bool read_program(struct scan *s, struct arena *a, struct scan_process *p)
{
    char *exe = proc_link(a, s->proc, p->pid, "exe");
    char *comm = exe ? proc_read(s->proc, p->pid, "comm", sizeof(p->comm)) : NULL;
    struct stat st;
    bool ok = comm && !stat(arena_printf(a, "%s/%d/exe", s->proc, (int)p->pid), &st) &&
              !(st.st_dev == s->own_dev && st.st_ino == s->own_ino);

    if (ok) {
        proc_strip_deleted(exe);
        comm[strcspn(comm, "\n")] = '\0';
        snprintf(p->comm, sizeof(p->comm), "%s", comm);
        free(p->exe);
        free(p->cgroup);
        p->exe = strdup(exe);
        p->cgroup = cgroup_of(s->proc, p->pid);
        p->dev = st.st_dev;
        p->ino = st.st_ino;
        p->container = p->cgroup ? container_of(s, p->cgroup) : NULL;
        ok = p->exe && p->cgroup;
    }
    free(comm);
    return ok;
}

/* Seconds since P began. */
static double age_of(const struct scan_process *p)
{
    return (double)clock_ns(CLOCK_BOOTTIME) / SECOND_NS -
           (double)p->start / (double)sysconf(_SC_CLK_TCK);
}

static void look_at(struct scan *s, struct compile *cx, pid_t pid)
{
    struct scan_process *p;
    struct proc_stat st;
    bool again = s->turn % AGAIN_EVERY == 0;

    HASH_FIND(hh, s->processes, &pid, sizeof(pid), p);
    if (p && p->settled && !again) {
        p->seen = s->turn;
        return;
    }
    if (!proc_stat(s->proc, pid, &st) || proc_ended(&st))
        return;
    if (p && p->start != st.start) {
        forget(s, p);
        p = NULL;
    }
    if (!p) {
        p = HASH_COUNT(s->processes) < PROCESSES_MAX ? calloc(1, sizeof(*p)) : NULL;
        if (!p)
            return;
        p->pid = pid;
        p->start = st.start;
        HASH_ADD(hh, s->processes, pid, sizeof(p->pid), p);
    }
    p->seen = s->turn;
    p->parent = st.ppid;
    p->settled = age_of(p) >= s->conf->settle;
    p->rule = read_program(s, cx->arena, p) ? match_rule(s->conf, cx, s->proc, p) : NULL;
}

/* The process of that number that settled and fits a rule; NULL: there is none. */
static struct scan_process *find(const struct scan *s, pid_t pid)
{
    struct scan_process *p;

    HASH_FIND(hh, s->processes, &pid, sizeof(pid), p);
    return p && p->settled && p->rule ? p : NULL;
}

struct scan_process *scan_master(const struct scan *s, const struct scan_process *p)
{
    struct scan_process *m = find(s, p->parent);

    return m && m->dev == p->dev && m->ino == p->ino && m->container == p->container ? m : NULL;
}

bool scan_look(struct scan *s, struct compile *cx)
{
    struct compile own = *cx;
    DIR *d = opendir(s->proc);
    struct scan_process *p, *next;
    struct dirent *e;

    if (!d)
        return diag_error(cx->diag, nowhere, "agent", "cannot list %s: %s", s->proc,
                          strerror(errno));
    own.arena = arena_new();
    while ((e = readdir(d))) {
        char *end;
        long pid = strtol(e->d_name, &end, 10);

        if (!*end && pid > 0 && pid <= INT32_MAX)
            look_at(s, &own, (pid_t)pid);
    }
    closedir(d);
    arena_free(own.arena);
    HASH_ITER (hh, s->processes, p, next) {
        if (p->seen != s->turn)
            forget(s, p);
        else
            p->master = false;
    }
    for (p = s->processes; p; p = p->hh.next) {
        struct scan_process *m = p->settled && p->rule ? scan_master(s, p) : NULL;

        if (m)
            m->master = true;
    }
    if (s->turn++ % AGAIN_EVERY == 0)
        forget_containers(s);
    return true;
}

void scan_close(struct scan *s)
{
    struct scan_process *p, *next;

    HASH_ITER (hh, s->processes, p, next)
        forget(s, p);
    forget_containers(s);
}
