/*
 * apart: the jails that readers work in. Enters: the options and the target; leaves: a jail
 * with its policy: the target's processes and root, the folders that scripts take modules, layouts
 * and packs from, the folders of the cache that readers keep things in.
 */
#include "cli/apart.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/bounds.h"
#include "base/cachedir.h"
#include "base/diag.h"
#include "cli/search.h"
#include "debug/debug.h"
#include "target/target.h"

struct names {
    struct arena *a;
    const char **v;
    uint32_t n;
};

/* By its name without links, as the policy wants it. What is not there needs no leave. */
static void add(struct names *l, const char *path)
{
    char real[PATH_MAX];

    if (!path || !realpath(path, real))
        return;
    l->v = arena_grow(l->a, l->v, l->n, sizeof(*l->v));
    l->v[l->n++] = arena_strdup(l->a, real);
}

static void add_all(struct names *l, const struct strings *s)
{
    for (uint32_t i = 0; i < s->n; i++)
        add(l, s->v[i]);
}

static void add_folders(struct names *l, struct compile *cx, const struct options *o)
{
    const struct strings tapsets = search_tapsets(cx, o);
    const char *home = getenv("HOME"), *data = getenv("XDG_DATA_HOME");

    add_all(l, &tapsets);
    add(l, search_layouts(cx));
    add(l, search_systemtap(cx, o));
    for (uint32_t i = 0; i < cx->debug.n_packs; i++)
        add(l, cx->debug.packs[i]);
    if (data)
        add(l, arena_printf(l->a, "%s/ngstap", data));
    if (home)
        add(l, arena_printf(l->a, "%s/.local/share/ngstap", home));
}

/* The target's processes, then a master that it has none of and their parents: a worker of nginx
 * says by its master's arguments where its configuration is. A master is root, and in a container
 * everybody may be: what these may read of the host is not asked. */
static void let_see(struct arena *a, const struct target *t, struct jail_policy *p)
{
    pid_t *v = ARENA_ARRAY(a, pid_t, 2 * t->n_pids + 2);
    uint32_t n = 0;

    for (uint32_t i = 0; i < t->n_pids; i++)
        v[n++] = t->pids[i];
    if (t->pid && !n)
        v[n++] = t->pid;
    p->n_whose = sysroot_is_host(t->root) ? n : 0;
    if (t->master)
        v[n++] = t->master;
    for (uint32_t i = 0; i < t->n_pids; i++)
        v[n++] = process_parent(t, t->pids[i]);
    p->pids = v;
    p->n_pids = n;
}

/* What readers keep. Objects and modules are code: who runs them writes them. */
static void let_write(struct arena *a, struct jail_policy *p)
{
    static const char *const folders[] = {"index", "unwind"};
    char path[PATH_MAX];
    const char **v = ARENA_ARRAY(a, const char *, sizeof(folders) / sizeof(*folders));

    for (size_t i = 0; i < sizeof(folders) / sizeof(*folders); i++)
        if (cachedir_find(folders[i], true, path))
            v[p->n_write++] = arena_strdup(a, path);
    p->write = v;
}

struct jail *apart_readers(struct compile *cx, const struct options *o)
{
    struct jail_opts jo = {.policy = {.closed = true, .root = -1}};
    const char *why;
    struct jail *j = NULL;

    if (!o->no_jail) {
        let_write(cx->arena, &jo.policy);
        j = jail_start(cx, &jo, &why);
    }
    jail_readers(j);
    return j;
}

struct target *apart_target(struct compile *cx, const struct options *o,
                            const struct target_opts *topts)
{
    struct jail *j = apart_readers(cx, o);
    struct target *t = target_open(cx, topts);
    bool whole = !jail_broke(j);

    jail_end(j);
    if (t && !whole) {
        target_close(t);
        return NULL;
    }
    return t;
}

/* FILES: what the user has named besides. T NULL: there is no target, and nothing else is read. */
static struct jail *start(struct compile *cx, const struct options *o, const struct target *t,
                          const struct apart_work *files, struct jail_opts *jo)
{
    struct names names = {.a = cx->arena};
    const char *why = "--no-jail";
    struct jail *j = NULL;

    if (!o->no_jail) {
        if (t)
            add_folders(&names, cx, o);
        for (uint32_t i = 0; files && i < files->n_files; i++)
            add(&names, files->files[i]);
        jo->policy =
            (struct jail_policy){.read = names.v, .n_read = names.n, .closed = !t, .root = -1};
        if (t)
            let_see(cx->arena, t, &jo->policy);
        let_write(cx->arena, &jo->policy);
        if (t && t->root && !sysroot_is_host(t->root))
            jo->policy.root = sysroot_fd(t->root);
        j = jail_start(cx, jo, &why);
    }
    if (!j && cx->verbose)
        fprintf(cx->err, "Files are read in this process, with its privileges: %s.\n", why);
    return j;
}

struct jail *apart_start(struct compile *cx, const struct options *o, const struct target *t,
                         FILE *out, jail_told *told, void *arg)
{
    struct jail_opts jo = {.out = out, .told = told, .arg = arg};

    return start(cx, o, t, NULL, &jo);
}

/* ---- the work of a command ---- */

static void on_told(void *arg, uint32_t kind, const void *data, size_t n, FILE *reply, int *fd)
{
    if (kind == DEBUGINFOD_ASKED)
        *fd = debuginfod_answer(arg, data, n, reply);
}

bool apart_do(struct compile *cx, const struct options *o, const struct target *t,
              const struct apart_work *w, FILE *out)
{
    struct jail_question q = {.arg = w->arg, .answer_fd = -1};
    struct jail_opts jo = {.out = out, .told = on_told, .arg = cx};
    struct jail *j = start(cx, o, t, w, &jo);
    struct jail_answer a;

    memcpy(q.fds, w->fds, sizeof(q.fds));
    if (!j)
        return w->work(&q, out);
    bool ok = jail_ask(j, w->work, &q, &a);

    if (ok && a.n)
        fwrite(a.data, 1, a.n, out);
    free(a.data);
    jail_end(j);
    return ok;
}
