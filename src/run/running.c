/*
 * running: processes that are there at the start. Enters: a session's target, or everybody; leaves:
 * a handler's call for each process or thread, told by /proc. Left out: ngstap, what has no program
 * (threads of the kernel), and what ends meanwhile.
 */
#include "run/running.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"

static bool is_wanted(const struct obj_probe *p)
{
    return p->kind == PROBE_RUNNING || p->kind == PROBE_RUNNING_THREAD;
}

static const char *proc_of(const struct run *r)
{
    return r->t ? r->t->proc : "/proc";
}

static void add(struct running *v, pid_t pid)
{
    pid_t *more = pid > 0 && pid != getpid() ? realloc(v->pids, (v->n + 1) * sizeof(pid)) : NULL;

    if (!more)
        return;
    v->pids = more;
    v->pids[v->n++] = pid;
}

/* The numbers that a directory of /proc has. */
static void add_numbers(struct running *v, const char *path)
{
    DIR *dir = opendir(path);
    const struct dirent *e;

    while (dir && (e = readdir(dir)))
        add(v, atoi(e->d_name));
    if (dir)
        closedir(dir);
}

struct running running_list(struct run *r)
{
    struct running v = {NULL, 0};
    const struct target *t = r->t;
    bool wanted = false;
    pid_t *below;

    for (uint32_t i = 0; i < r->o->h->table[OBJ_PROBES].n; i++)
        wanted |= is_wanted(&r->o->probes[i]);
    if (!wanted)
        return v;
    if (r->opts->child > 0) {
        add(&v, r->opts->child);
    } else if (t && t->n_pids) {
        for (uint32_t i = 0; i < t->n_pids; i++)
            add(&v, t->pids[i]);
        uint32_t n = target_below(r->cx, proc_of(r), t->pids, t->n_pids, &below);

        for (uint32_t i = 0; i < n; i++)
            add(&v, below[i]);
    } else {
        add_numbers(&v, proc_of(r));
    }
    return v;
}

/* Does PID run the program at PATH ("": any)? */
static bool runs(struct run *r, pid_t pid, const char *path)
{
    char link[64];
    struct stat theirs, wanted;

    snprintf(link, sizeof(link), "%s/%d/exe", proc_of(r), (int)pid);
    if (stat(link, &theirs))
        return false;
    if (!*path)
        return true;
    const struct module *m = r->t ? target_module(r->cx, r->t, path) : NULL;

    return m && !fstat(m->fd, &wanted) && file_same(&theirs, &wanted);
}

static void one(struct run *r, pid_t pid, pid_t tid, const struct obj_probe *p,
                void (*fn)(const struct obj_probe *p, void *arg), void *arg)
{
    r->as = tid;
    r->as_process = pid;
    memset(&r->ids, 0, sizeof(r->ids));
    fn(p, arg);
    memset(&r->ids, 0, sizeof(r->ids));
    r->as = r->as_process = 0;
}

void running_each(struct run *r, const struct running *v,
                  void (*fn)(const struct obj_probe *p, void *arg), void *arg)
{
    for (uint32_t i = 0; i < v->n; i++)
        for (uint32_t k = 0; k < r->o->h->table[OBJ_PROBES].n; k++) {
            const struct obj_probe *p = &r->o->probes[k];
            struct running threads = {NULL, 0};
            char path[64];

            if (!is_wanted(p) || r->exiting || r->aborted ||
                !runs(r, v->pids[i], object_str(r->o, p->event)))
                continue;
            if (p->kind == PROBE_RUNNING) {
                one(r, v->pids[i], v->pids[i], p, fn, arg);
                continue;
            }
            snprintf(path, sizeof(path), "%s/%d/task", proc_of(r), (int)v->pids[i]);
            add_numbers(&threads, path);
            for (uint32_t t = 0; t < threads.n && !r->exiting; t++)
                if (threads.pids[t] != v->pids[i])
                    one(r, v->pids[i], threads.pids[t], p, fn, arg);
            free(threads.pids);
        }
}
