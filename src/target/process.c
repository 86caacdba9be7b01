/*
 * process: what names and paths of a running process say about it. Enters: a pid of the host;
 * leaves: its working directory as the target sees it, its arguments, its parent, when it started.
 * All of it but the parent is under the process's own control: callers only look files up with it,
 * below its root. Refuses nothing: what cannot be read is NULL or 0.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "target/proc.h"

enum { CMDLINE_MAX = 64 << 10, BOOT_MAX = 1 << 20 };

/* Up to SIZE - 1 bytes of a file of /proc. */
static size_t read_some(const char *path, char *out, size_t size)
{
    FILE *f = fopen(path, "re");
    size_t n = f ? fread(out, 1, size - 1, f) : 0;

    if (f)
        fclose(f);
    out[n] = '\0';
    return n;
}

const char *process_cwd(struct compile *cx, const struct target *t, pid_t pid)
{
    char *cwd = proc_link(cx->arena, t->proc, pid, "cwd");

    if (!cwd || *cwd != '/' || proc_strip_deleted(cwd))
        return NULL;
    if (t->chroot && *t->chroot && !strcmp(cwd, t->chroot))
        return "/";
    return proc_in_root(cwd, t->chroot);
}

const char *process_cmdline(struct compile *cx, const struct target *t, pid_t pid, size_t *len)
{
    char *text = arena_alloc(cx->arena, CMDLINE_MAX);

    *len =
        read_some(arena_printf(cx->arena, "%s/%d/cmdline", t->proc, (int)pid), text, CMDLINE_MAX);
    return *len ? text : NULL;
}

pid_t process_parent(const struct target *t, pid_t pid)
{
    struct proc_stat st;

    return proc_stat(t->proc, pid, &st) ? st.ppid : 0;
}

bool process_ids(const char *proc, pid_t pid, struct process_ids *out)
{
    char *text = proc_read(proc, pid, "status", PROC_STATUS_MAX);
    int ppid = 0;

    if (!text)
        return false;
    /* The kernel escapes line ends in the name (proc_task_name), so that lines begin as they seem
     * to. */
    const char *parent = strstr(text, "\nPPid:"), *uid = strstr(text, "\nUid:");
    const char *gid = strstr(text, "\nGid:");
    bool ok = sscanf(text, "Name: %63[^\n]", out->name) == 1 && parent &&
              sscanf(parent, " PPid: %d", &ppid) == 1 && uid &&
              sscanf(uid, " Uid: %" SCNu32 " %" SCNu32, &out->uid, &out->euid) == 2 && gid &&
              sscanf(gid, " Gid: %" SCNu32 " %" SCNu32, &out->gid, &out->egid) == 2;

    free(text);
    out->ppid = ppid;
    return ok;
}

bool process_alive(const struct target *t, pid_t pid)
{
    struct proc_stat st;

    return proc_stat(t->proc, pid, &st) && !proc_ended(&st);
}

uint64_t process_start_ticks(const char *proc, pid_t pid)
{
    struct proc_stat st;

    return proc_stat(proc, pid, &st) ? st.start : 0;
}

time_t process_started(struct compile *cx, const struct target *t, pid_t pid)
{
    long long boot = 0;
    uint64_t start = process_start_ticks(t->proc, pid);
    char *text = malloc(BOOT_MAX);

    if (text && read_some(arena_printf(cx->arena, "%s/stat", t->proc), text, BOOT_MAX)) {
        const char *line = strstr(text, "\nbtime ");

        if (line)
            boot = strtoll(line + 7, NULL, 10);
    }
    free(text);
    if (boot <= 0 || !start)
        return 0;
    return (time_t)(boot + (long long)(start / (uint64_t)sysconf(_SC_CLK_TCK)));
}
