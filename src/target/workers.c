/*
 * workers: which processes of a tree do the Lua work. Enters: the process at the top (a container's
 * first, a service's main process); leaves: a process, or the master whose children are to be
 * looked at. The first process from the top down counts that holds LuaJIT, as a library or in its
 * executable; when children of it run the same file, it is their master (nginx), and they work.
 * Refused: a tree in which nothing holds LuaJIT. Depth, processes and symbols are bounded.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/bounds.h"
#include "base/bytes.h"
#include "target/luajit.h"
#include "target/proc.h"

enum { TREE_MAX = 4096 };

struct tree {
    struct process *all;
    uint32_t n_all;
    pid_t *pids; /* those below the top, nearest first */
    uint32_t n;
};

static bool holds(const struct tree *t, pid_t pid)
{
    for (uint32_t i = 0; i < t->n; i++)
        if (t->pids[i] == pid)
            return true;
    return false;
}

/* Breadth first: what a shell or an init started comes before what that started. */
static void below(struct arena *a, struct tree *t, const pid_t *tops, uint32_t n)
{
    t->pids = arena_alloc(a, TREE_MAX * sizeof(*t->pids));
    for (uint32_t i = 0; i < n && t->n < TREE_MAX; i++)
        t->pids[t->n++] = tops[i];
    for (uint32_t at = 0; at < t->n; at++)
        for (uint32_t i = 0; i < t->n_all && t->n < TREE_MAX; i++)
            if (t->all[i].parent == t->pids[at] && !holds(t, t->all[i].pid))
                t->pids[t->n++] = t->all[i].pid;
}

uint32_t target_below(struct compile *cx, const char *proc, const pid_t *tops, uint32_t n,
                      pid_t **out)
{
    struct tree t = {0};

    diag_try_begin(cx->diag);
    bool ok = proc_list(cx, proc, 0, &t.all, &t.n_all);

    diag_try_end(cx->diag);
    if (!ok || n >= TREE_MAX)
        return 0;
    below(cx->arena, &t, tops, n);
    *out = t.pids + n;
    return t.n - n;
}

/* Is the file at PATH, by its name, LuaJIT's library or program? */
static bool is_luajit(const char *path)
{
    const char *name = base_name(path);

    return !strncmp(name, "libluajit", 9) || !strncmp(name, "luajit", 6);
}

static bool maps_luajit(struct arena *a, const char *proc, pid_t pid)
{
    FILE *f = fopen(arena_printf(a, "%s/%d/maps", proc, (int)pid), "re");
    char *line = NULL;
    size_t size = 0;
    bool found = false;

    while (f && !found && getline(&line, &size, f) > 0) {
        const char *path = strchr(line, '/');

        found = path && is_luajit(path);
    }
    free(line);
    if (f)
        fclose(f);
    return found;
}

/* Linked into the executable. PUC-Rio's Lua counts, too: then that can be said. */
static bool contains_lua(struct arena *a, const char *proc, pid_t pid)
{
    int fd = open(arena_printf(a, "%s/%d/exe", proc, (int)pid), O_RDONLY | O_CLOEXEC);

    if (fd < 0)
        return false;
    bounds_file(arena_printf(a, "the executable of process %d", (int)pid));
    bool lua = lua_kind_of(a, fd) != LUA_NONE;

    close(fd);
    return lua;
}

static bool same_file(struct arena *a, const char *proc, pid_t x, pid_t y)
{
    const char *of_x = proc_link(a, proc, x, "exe"), *of_y = proc_link(a, proc, y, "exe");

    return of_x && of_y && !strcmp(of_x, of_y);
}

bool target_workers(struct compile *cx, const char *proc, pid_t top, pid_t *pid, pid_t *master)
{
    struct tree t = {0};
    uint32_t workers = 0;
    pid_t first = 0, one = 0;

    *pid = *master = 0;
    if (!proc_list(cx, proc, 0, &t.all, &t.n_all))
        return false;
    below(cx->arena, &t, &top, 1);
    for (uint32_t i = 0; i < t.n && !first; i++)
        if (maps_luajit(cx->arena, proc, t.pids[i]) || contains_lua(cx->arena, proc, t.pids[i]))
            first = t.pids[i];
    if (!first) {
        diag_error(cx->diag, (struct span){0}, "target",
                   "neither process %d nor what it started (%u processes) holds LuaJIT", (int)top,
                   t.n - 1);
        diag_hint(cx->diag, "name the process that runs Lua by -x PID");
        return false;
    }
    for (uint32_t i = 0; i < t.n_all; i++)
        if (t.all[i].parent == first && same_file(cx->arena, proc, first, t.all[i].pid)) {
            one = t.all[i].pid;
            workers++;
        }
    if (workers > 1)
        *master = first;
    else
        *pid = workers ? one : first;
    return true;
}
