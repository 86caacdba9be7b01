/*
 * proc: finds the target in /proc. Enters: what the user named (-x, --master, --exec, ...); leaves:
 * a struct target with its processes, executable, root and modules. Refused, with a message:
 * processes that are not there, that have no executable (kernel threads, zombies), or whose
 * links we may not read. Formats: proc(5); fs/proc/array.c, fs/proc/task_mmu.c.
 */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/bounds.h"
#include "base/file.h"
#include "target/proc_priv.h"
#include "target/target.h"

enum { STAT_MAX = 4096, STATUS_MAX = 65536, MAPS_MAX = 64 * 1024 * 1024, CHILDREN_MAX = 65536 };

static const struct span nowhere;

char *proc_link(struct arena *a, const char *proc, pid_t pid, const char *name)
{
    char buf[PATH_MAX + 1];
    ssize_t len = readlink(arena_printf(a, "%s/%d/%s", proc, (int)pid, name), buf, sizeof(buf) - 1);

    if (len < 0)
        return NULL;
    return arena_strndup(a, buf, (size_t)len);
}

/*
 * /proc/PID/stat: "pid (comm) state ppid ... starttime ...". comm is whatever the process calls
 * itself, with spaces and parentheses: the last ')' ends it. starttime is field 22.
 */
bool proc_stat_parse(const char *text, struct proc_stat *out)
{
    const char *p = strrchr(text, ')');
    int ppid;
    unsigned long long start;

    if (!p ||
        sscanf(p + 1,
               " %c %d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d %*d %llu",
               &out->state, &ppid, &start) != 3)
        return false;
    out->ppid = ppid;
    out->start = start;
    return true;
}

static bool read_stat(struct arena *a, const char *proc, pid_t pid, struct proc_stat *out)
{
    char *text = file_read(arena_printf(a, "%s/%d/stat", proc, (int)pid), STAT_MAX, NULL);
    bool ok = text && proc_stat_parse(text, out);

    free(text);
    return ok;
}

bool target_same(const struct target *t, uint32_t i)
{
    char path[PATH_MAX];
    struct proc_stat st;

    if (snprintf(path, sizeof(path), "%s/%d/stat", t->proc, (int)t->pids[i]) >= (int)sizeof(path))
        return false;
    char *text = file_read(path, STAT_MAX, NULL);
    bool same = text && proc_stat_parse(text, &st) &&
                (!t->start_times || st.start == t->start_times[i]) && st.state != 'Z' &&
                st.state != 'X';

    free(text);
    return same;
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

/* The process that PID is a thread of; PID itself when it is a process, or it cannot be told. */
static pid_t process_of(struct compile *cx, const struct target *t, pid_t pid)
{
    char *text =
        file_read(arena_printf(cx->arena, "%s/%d/status", t->proc, (int)pid), STATUS_MAX, NULL);
    const char *line = text ? strstr(text, "\nTgid:") : NULL;
    int tgid = 0;

    if (line)
        sscanf(line, " Tgid: %d", &tgid);
    free(text);
    return tgid > 0 ? (pid_t)tgid : pid;
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

    if (!read_stat(cx->arena, t->proc, pid, &st)) {
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
    if (st.state == 'Z' || st.state == 'X')
        return diag_error(cx->diag, nowhere, "target", "process %d has ended (it is a zombie)",
                          (int)pid);
    pid_t process = process_of(cx, t, pid);

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
    DIR *dir = opendir(t->proc);
    struct dirent *e;

    if (!dir)
        return diag_error(cx->diag, nowhere, "target", "cannot read %s: %s", t->proc,
                          strerror(errno));
    while ((e = readdir(dir)) && t->n_pids < CHILDREN_MAX) {
        char path[PATH_MAX], *end;
        struct proc_stat st;
        long pid = strtol(e->d_name, &end, 10);

        if (!isdigit((unsigned char)e->d_name[0]) || *end || pid <= 0 || pid > INT_MAX ||
            snprintf(path, sizeof(path), "%s/%ld/stat", t->proc, pid) >= (int)sizeof(path))
            continue;
        char *text = file_read(path, STAT_MAX, NULL);

        if (text && proc_stat_parse(text, &st) && st.ppid == master && st.state != 'Z' &&
            st.state != 'X')
            add_pid(cx, t, (pid_t)pid, st.start);
        free(text);
    }
    closedir(dir);
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

bool pid_in_container(const char *proc, pid_t pid)
{
    char path[PATH_MAX], theirs[64], ours[64];

    if (snprintf(path, sizeof(path), "%s/%d/ns/mnt", proc, (int)pid) >= (int)sizeof(path))
        return false;
    ssize_t n = readlink(path, theirs, sizeof(theirs));

    if (n <= 0 || snprintf(path, sizeof(path), "%s/self/ns/mnt", proc) >= (int)sizeof(path))
        return false;
    ssize_t m = readlink(path, ours, sizeof(ours));

    return m > 0 && (m != n || memcmp(ours, theirs, (size_t)n) != 0);
}

/* Where the process's root lies in our namespace ("/srv/chroot"), "" for ours or one we do not
 * see. */
static const char *chroot_of(struct arena *a, const char *proc, pid_t pid)
{
    const char *root = proc_link(a, proc, pid, "root");

    return root && root[0] == '/' && root[1] ? root : "";
}

const char *proc_in_root(const char *path, const char *chroot)
{
    size_t len = chroot ? strlen(chroot) : 0;

    return len && !strncmp(path, chroot, len) && path[len] == '/' ? path + len : path;
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

/* " (deleted)" is what d_path() adds to the name of an unlinked file. */
bool proc_strip_deleted(char *path)
{
    static const char mark[] = " (deleted)";
    size_t len = strlen(path), n = sizeof(mark) - 1;

    if (len <= n || strcmp(path + len - n, mark))
        return false;
    path[len - n] = '\0';
    return true;
}

/* proc_pid_get_link() and proc_maps_open() of fs/proc ask ptrace_may_access(). */
static void hint_ptrace(struct compile *cx)
{
    const char *caps = kernel_missing_caps(cx->arena); /* all of them, not one at a time */
    const char *hint = arena_printf(
        cx->arena,
        "run as root: another user's process takes CAP_SYS_PTRACE, probes take CAP_BPF "
        "and CAP_PERFMON; %s lacks here",
        caps ? caps : "none");

    if (kernel_may_ptrace())
        hint = "CAP_SYS_PTRACE is not enough for this process: it lives in an outer user namespace "
               "(run ngstap there), or a security module protects it";
    else if (!geteuid())
        hint = "root without CAP_SYS_PTRACE, as in a container, may not look into other "
               "processes: give it that (docker run --cap-add SYS_PTRACE, or --privileged), or "
               "run ngstap on the host";
    diag_hint(cx->diag, "%s", hint);
    if (caps && !geteuid() && strcmp(caps, "CAP_SYS_PTRACE") != 0)
        diag_hint(cx->diag, "a run takes more that lacks here: %s", caps);
}

static bool exe_of(struct compile *cx, struct target *t, pid_t pid)
{
    char *exe = proc_link(cx->arena, t->proc, pid, "exe");

    if (!exe) {
        int error = errno;

        diag_error(cx->diag, nowhere, "target", "cannot read the link %s/%d/exe: %s", t->proc,
                   (int)pid, strerror(error));
        if (error == EACCES || error == EPERM)
            hint_ptrace(cx);
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
        int error = errno;

        diag_error(cx->diag, nowhere, "target", "%s not found.", exec);
        if (error != ENOENT && error != ENOTDIR)
            diag_note(cx->diag, nowhere, "%s",
                      error == EISDIR || error == EINVAL ? "it is not a regular file"
                                                         : strerror(error));
        else if (!sysroot_is_host(t->root))
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

/* The kernel escapes newlines only ("\012", seq_file_path in show_map_vma). */
static void unescape_newlines(char *path)
{
    char *to = path;

    for (const char *from = path; *from; from++) {
        if (!strncmp(from, "\\012", 4)) {
            *to++ = '\n';
            from += 3;
        } else {
            *to++ = *from;
        }
    }
    *to = '\0';
}

/* One line of maps: "START-END rwxp OFFSET MAJ:MIN INODE   PATH". False: not such a line. */
static bool parse_map(struct arena *a, char *line, const char *chroot, struct map *m)
{
    unsigned long long start, end, offset, ino;
    unsigned major, minor;
    char perms[5];
    int at = 0;

    if (sscanf(line, "%llx-%llx %4s %llx %x:%x %llu %n", &start, &end, perms, &offset, &major,
               &minor, &ino, &at) < 7 ||
        !at || start >= end || strlen(perms) < 3)
        return false;
    *m = (struct map){
        .start = start,
        .end = end,
        .offset = offset,
        .exec = perms[2] == 'x',
        .dev = (uint64_t)major << 32 | minor,
        .ino = ino,
    };
    char *path = arena_strdup(a, line + at);

    unescape_newlines(path);
    m->deleted = ino && proc_strip_deleted(path);
    m->path = ino ? proc_in_root(path, chroot) : path;
    return true;
}

struct map *target_maps(struct compile *cx, const struct target *t, pid_t pid)
{
    const char *path = arena_printf(cx->arena, "%s/%d/maps", t->proc, (int)pid);
    char *text = file_read(path, MAPS_MAX, NULL);

    if (!text) {
        int error = errno;

        if (error == ENOENT || error == ESRCH) {
            diag_error(cx->diag, nowhere, "target", "process %d has ended", (int)pid);
        } else {
            diag_error(cx->diag, nowhere, "target", "cannot read %s: %s", path, strerror(error));
            if (error == EACCES || error == EPERM)
                hint_ptrace(cx);
        }
        return NULL;
    }
    struct map *first = NULL, **last = &first;

    bounds_file(path);
    for (char *line = text, *next; *line && bounds_ok(); line = next) {
        size_t len = strcspn(line, "\n");
        struct map *m = ARENA_NEW(cx->arena, struct map);

        next = line + len + (line[len] == '\n');
        line[len] = '\0';
        if (!parse_map(cx->arena, line, t->chroot, m))
            continue;
        *last = m;
        last = &m->next;
    }
    free(text);
    if (!first)
        diag_error(cx->diag, nowhere, "target",
                   "process %d has no memory: it has ended, or is a kernel thread", (int)pid);
    return first;
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
    if (o->container) {
        const char *merged;
        pid_t init;

        if (!container_find(cx, o->container, &merged, &init))
            return NULL;
        /* Its files would be looked for, and its functions be named, below a root that is not its
         * own. */
        if (pid && pid_in_container(t->proc, init) && !pid_in_container(t->proc, pid)) {
            diag_error(cx->diag, nowhere, "container",
                       "process %d runs on the host, not in the container %s", (int)pid,
                       o->container);
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
