/*
 * target: whom the options mean. Enters: what the user named (-x, --master, --exec, --container,
 * --pod);
 * leaves: a struct target with its processes, executable, root and modules. Refused, with a
 * message: processes that are not there, that have no executable (kernel threads, zombies), or
 * whose links we may not read.
 */
#include "target/target.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "target/module.h"
#include "target/proc.h"

static const struct span nowhere;

bool target_same(const struct target *t, uint32_t i)
{
    struct proc_stat st;

    return proc_stat(t->proc, t->pids[i], &st) && !proc_ended(&st) &&
           (!t->start_times || st.start == t->start_times[i]);
}

static void add_pid(struct compile *cx, struct target *t, pid_t pid, uint64_t start)
{
    t->start_times = arena_grow(cx->arena, t->start_times, t->n_pids, sizeof(*t->start_times));
    t->pids = arena_grow(cx->arena, t->pids, t->n_pids, sizeof(*t->pids));
    uint32_t at = t->n_pids++;

    for (; at > 0 && t->pids[at - 1] > pid; at--) { /* sorted */
        t->pids[at] = t->pids[at - 1];
        t->start_times[at] = t->start_times[at - 1];
    }
    t->pids[at] = pid;
    t->start_times[at] = start;
}

static bool holds_pid(const struct target *t, pid_t pid)
{
    for (uint32_t i = 0; i < t->n_pids; i++)
        if (t->pids[i] == pid)
            return true;
    return false;
}

static bool one_process(struct compile *cx, struct target *t, pid_t pid)
{
    struct proc_stat st;

    if (!proc_stat(t->proc, pid, &st)) {
        if (errno == EACCES || errno == EPERM) {
            diag_error(cx->diag, nowhere, "target", "cannot read %s/%d/stat: %s", t->proc, (int)pid,
                       strerror(errno));
            diag_hint(cx->diag, "run as root");
            return false;
        }
        diag_error(cx->diag, nowhere, "target", "no process with pid %d", (int)pid);
        diag_hint(cx->diag,
                  "-x takes a pid of the host (not one seen inside a container); find it with "
                  "pgrep or ps");
        return false;
    }
    if (proc_ended(&st))
        return diag_error(cx->diag, nowhere, "target", "process %d has ended (it is a zombie)",
                          (int)pid);
    pid_t process = proc_thread_group(t->proc, pid);

    if (process != pid)
        return diag_error(cx->diag, nowhere, "target",
                          "%d is a thread of process %d: it is processes that are traced, -x %d",
                          (int)pid, (int)process, (int)process);
    add_pid(cx, t, pid, st.start);
    return true;
}

/* Direct children, as stap++ has it; sorted. */
static bool children_of(struct compile *cx, struct target *t, pid_t master)
{
    struct process *v;
    uint32_t n;

    if (!proc_list(cx, t->proc, master, &v, &n))
        return false;
    for (uint32_t i = 0; i < n; i++)
        add_pid(cx, t, v[i].pid, v[i].start);
    if (!t->n_pids) {
        diag_error(cx->diag, nowhere, "target", "No child processes found for %d.", (int)master);
        if (access(arena_printf(cx->arena, "%s/%d", t->proc, (int)master), F_OK))
            diag_note(cx->diag, nowhere, "there is no process with pid %d", (int)master);
        else
            diag_hint(cx->diag,
                      "--master takes the pid whose children do the work; for one process use -x");
        return false;
    }
    return true;
}

/* Where the process's root lies in our namespace ("/srv/chroot"), "" for ours or one we do not
 * see. */
static const char *chroot_of(struct arena *a, const char *proc, pid_t pid)
{
    const char *root = proc_link(a, proc, pid, "root");

    return root && root[0] == '/' && root[1] ? root : "";
}

static bool choose_root(struct compile *cx, struct target *t, const char *wanted)
{
    const char *dir = wanted;

    t->chroot = "";
    if (t->n_pids) {
        pid_t pid = target_first(t);
        const char *chroot = chroot_of(cx->arena, t->proc, pid);

        if (!dir && (pid_in_container(t->proc, pid) || *chroot))
            dir = arena_printf(cx->arena, "%s/%d/root", t->proc, (int)pid);
        if (dir && strcmp(dir, "/"))
            t->chroot = chroot;
    }
    t->root = sysroot_new(cx, dir ? dir : "/");
    return t->root != NULL;
}

static bool exe_of(struct compile *cx, struct target *t, pid_t pid)
{
    char *exe = proc_link(cx->arena, t->proc, pid, "exe");

    if (!exe) {
        int error = errno;

        diag_error(cx->diag, nowhere, "target", "cannot read the link %s/%d/exe: %s", t->proc,
                   (int)pid, strerror(error));
        if (error == EACCES || error == EPERM)
            proc_hint_ptrace(cx);
        else if (error == ENOENT)
            diag_hint(cx->diag, "process %d is a kernel thread or has just ended", (int)pid);
        return false;
    }
    t->exe_deleted = proc_strip_deleted(exe);
    t->exec_path = proc_in_root(exe, t->chroot);
    return true;
}

static bool exec_named(struct compile *cx, struct target *t, const char *exec)
{
    char cwd[PATH_MAX];
    const char *path = exec;

    if (*path != '/' && sysroot_is_host(t->root) && getcwd(cwd, sizeof(cwd)))
        path = arena_printf(cx->arena, "%s/%s", strcmp(cwd, "/") ? cwd : "", path);
    int fd = sysroot_open(t->root, path);

    if (fd < 0) {
        const char *lacks = target_lacks(t, path);

        if (lacks)
            return diag_error(cx->diag, nowhere, "target", "%s: %s", exec, lacks);
        diag_error(cx->diag, nowhere, "target", "%s not found.", exec);
        if (!sysroot_is_host(t->root))
            diag_note(cx->diag, nowhere, "it is looked for below %s", sysroot_dir(t->root));
        return false;
    }
    close(fd);
    t->exec_path = arena_strdup(cx->arena, path);
    t->exe_deleted = false;
    return true;
}

/* Its files are read by way of /proc, whatever was given; files beside them (debug files, sources)
 * are looked for below DIR. */
static void warn_if_elsewhere(struct compile *cx, const struct target *t, const char *dir)
{
    int fd = sysroot_open(t->root, t->exec_path);

    if (fd >= 0) {
        close(fd);
        return;
    }
    diag_warning(cx->diag, nowhere, "%s of process %d is not below %s", t->exec_path,
                 (int)target_first(t), dir);
    diag_hint(cx->diag, "\"docker-root %d\" prints the root of that process", (int)target_first(t));
}

static bool find_processes(struct compile *cx, struct target *t, const struct target_opts *o,
                           pid_t pid, pid_t master)
{
    if (pid && master)
        return diag_error(cx->diag, nowhere, "target",
                          "-x <pid> and --master <pid> are exclusive.");
    if (master) {
        t->kind = TARGET_MASTER;
        t->master = master;
        return children_of(cx, t, master);
    }
    t->kind = pid ? TARGET_PID : o->exec ? TARGET_EXEC : TARGET_NONE;
    t->pid = pid;
    if (pid && !one_process(cx, t, pid))
        return false;
    for (uint32_t i = 0; i < o->n_more; i++)
        if (!holds_pid(t, o->more[i]) && !one_process(cx, t, o->more[i]))
            return false;
    return true;
}

/* Of a container that is named alone: the processes that do its Lua work, else its first. */
static void in_container(struct compile *cx, const char *proc, pid_t init, pid_t *pid,
                         pid_t *master)
{
    diag_try_begin(cx->diag);
    if (!target_workers(cx, proc, init, pid, master))
        *pid = init;
    diag_try_end(cx->diag);
}

struct target *target_open(struct compile *cx, const struct target_opts *o)
{
    struct target *t = ARENA_NEW(cx->arena, struct target);
    const char *root = o->sysroot;
    pid_t pid = o->pid, master = o->master;

    t->proc = o->proc ? o->proc : "/proc";
    if (o->pid && o->master) { /* before anything is asked of a container engine */
        find_processes(cx, t, o, pid, master);
        return NULL;
    }
    if (o->container || o->pod) {
        const char *merged;
        pid_t init;

        if (!(o->pod ? pod_find(cx, t->proc, o->pod, &merged, &init)
                     : container_find(cx, o->container, &merged, &init)))
            return NULL;
        /* Its files would be looked for, and its functions be named, below a root that is not its
         * own. */
        if (pid && pid_in_container(t->proc, init) && !pid_in_container(t->proc, pid)) {
            diag_error(cx->diag, nowhere, "container",
                       "process %d runs on the host, not in the container %s", (int)pid,
                       o->pod ? o->pod : o->container);
            diag_hint(cx->diag,
                      "leave out -x, and the container's processes that run Lua are found");
            return NULL;
        }
        if (!root)
            root = merged;
        if (!pid && !master && !o->exec)
            in_container(cx, t->proc, init, &pid, &master);
    }
    if (!find_processes(cx, t, o, pid, master) || !choose_root(cx, t, root))
        return NULL;
    if (o->exec ? !exec_named(cx, t, o->exec) : t->n_pids && !exe_of(cx, t, target_first(t))) {
        target_close(t);
        return NULL;
    }
    if (o->sysroot && t->n_pids && !o->exec && !t->exe_deleted)
        warn_if_elsewhere(cx, t, o->sysroot);
    if (!modules_find(cx, t, o)) {
        target_close(t);
        return NULL;
    }
    return t;
}

void target_close(struct target *t)
{
    if (!t)
        return;
    modules_close(t);
    sysroot_free(t->root);
    t->root = NULL;
}
