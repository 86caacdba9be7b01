/*
 * proc: readers of /proc. Enters: a pid of the host, and where /proc lies (tests have one of their
 * own); leaves: what links, stat and maps say. Refused, with a message: maps that may not be read,
 * or that hold no memory. Formats: proc(5); fs/proc/array.c, fs/proc/task_mmu.c.
 */
#include "target/proc.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/bounds.h"
#include "base/bytes.h"
#include "base/file.h"

enum { STAT_MAX = 4096, MAPS_MAX = 64 * 1024 * 1024, PROCESSES_MAX = 65536 };

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
static bool parse_stat(const char *text, struct proc_stat *out)
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

char *proc_read(const char *proc, pid_t pid, const char *name, size_t max)
{
    char path[PATH_MAX];

    if (snprintf(path, sizeof(path), "%s/%d/%s", proc, (int)pid, name) >= (int)sizeof(path)) {
        errno = ENAMETOOLONG;
        return NULL;
    }
    return file_read(path, max, NULL);
}

bool proc_stat(const char *proc, pid_t pid, struct proc_stat *out)
{
    char *text = proc_read(proc, pid, "stat", STAT_MAX);
    bool ok = text && parse_stat(text, out);

    free(text);
    return ok;
}

static int by_pid(const void *x, const void *y)
{
    const struct process *a = x, *b = y;

    return (a->pid > b->pid) - (a->pid < b->pid);
}

bool proc_list(struct compile *cx, const char *proc, pid_t parent, struct process **v, uint32_t *n)
{
    DIR *dir = opendir(proc);
    struct dirent *e;

    *v = NULL;
    *n = 0;
    if (!dir)
        return diag_error(cx->diag, nowhere, "target", "cannot read %s: %s", proc, strerror(errno));
    while ((e = readdir(dir)) && *n < PROCESSES_MAX) {
        char *end;
        struct proc_stat st;
        long pid = strtol(e->d_name, &end, 10);

        if (!isdigit((unsigned char)e->d_name[0]) || *end || pid <= 0 || pid > INT_MAX ||
            !proc_stat(proc, (pid_t)pid, &st) || proc_ended(&st) || (parent && st.ppid != parent))
            continue;
        *v = arena_grow(cx->arena, *v, *n, sizeof(**v));
        (*v)[(*n)++] = (struct process){(pid_t)pid, st.ppid, st.start};
    }
    closedir(dir);
    if (*n)
        qsort(*v, *n, sizeof(**v), by_pid);
    return true;
}

pid_t proc_thread_group(const char *proc, pid_t pid)
{
    char *text = proc_read(proc, pid, "status", PROC_STATUS_MAX);
    const char *line = text ? strstr(text, "\nTgid:") : NULL;
    int tgid = 0;

    if (line)
        sscanf(line, " Tgid: %d", &tgid);
    free(text);
    return tgid > 0 ? (pid_t)tgid : pid;
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

const char *proc_in_root(const char *path, const char *chroot)
{
    size_t len = chroot ? strlen(chroot) : 0;

    return len && !strncmp(path, chroot, len) && path[len] == '/' ? path + len : path;
}

/* " (deleted)" is what d_path() adds to the name of an unlinked file. */
bool proc_strip_deleted(char *path)
{
    static const char mark[] = " (deleted)";

    if (!ends_with(path, mark))
        return false;
    path[strlen(path) - strlen(mark)] = '\0';
    return true;
}

/* proc_pid_get_link() and proc_maps_open() of fs/proc ask ptrace_may_access(). */
void proc_hint_ptrace(struct compile *cx)
{
    const char *caps = kernel_missing_caps(cx->arena); /* all of them, not one at a time */
    const char *hint = arena_printf(
        cx->arena,
        "run as root: another user's process takes CAP_SYS_PTRACE, probes take CAP_BPF "
        "and CAP_PERFMON; missing: %s",
        caps ? caps : "none");

    if (kernel_may_ptrace())
        hint = "CAP_SYS_PTRACE is not enough for this process: it lives in an outer user namespace "
               "(run ngstap there), or a security module protects it";
    else if (!geteuid())
        hint = "root without CAP_SYS_PTRACE, as in a container, may not look into other "
               "processes: give it that (docker run --cap-add SYS_PTRACE), or "
               "run ngstap on the host";
    diag_hint(cx->diag, "%s", hint);
    kernel_hint_caps(cx);
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
        !at || start >= end || strlen(perms) < 4)
        return false;
    *m = (struct map){
        .start = start,
        .end = end,
        .offset = offset,
        .exec = perms[2] == 'x',
        .write = perms[1] == 'w',
        .shared = perms[3] == 's',
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
                proc_hint_ptrace(cx);
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
