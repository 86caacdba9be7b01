/*
 * policy: what a jail may have opened. Enters: the kernel's name for a file that was opened as a
 * mere place (O_PATH), and its status; leaves: yes or no. Whatever links led there does not matter:
 * asked is about the file itself.
 *
 * A reader that a hostile file has taken over can ask for anything. So it gets what the kernel
 * tells of itself, the /proc of the processes that are looked at, ngstap's own files, and of all
 * others what anybody may read, or what those processes may: no keys, no password hashes, no other
 * process's memory, no devices.
 */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "jail/broker.h"

/* The first row that fits decides. NAME ends in '/': all below it; "/proc/PID/": of the processes
 * that are looked at. */
enum answer { NO, YES, BY_MODE };

static const struct rule {
    const char *name;
    enum answer answer;
} rules[] = {
    {"/proc/PID/", YES},
    {"/proc/kallsyms", YES},
    {"/proc/modules", YES},
    {"/proc/version", YES},
    {"/proc/config.gz", YES},
    {"/proc/stat", YES},
    {"/proc/uptime", YES},
    {"/proc/cpuinfo", YES},
    {"/proc/meminfo", YES},
    {"/proc/sys/kernel/", YES},
    {"/proc", YES}, /* the list of processes */
    {"/proc/", NO},
    {"/sys/kernel/btf/", YES},
    {"/sys/kernel/notes", YES},
    {"/sys/kernel/tracing/", YES},
    {"/sys/kernel/debug/tracing/", YES},
    {"/sys/module/", YES},
    {"/sys/devices/", BY_MODE},
    {"/sys/bus/event_source/", BY_MODE},
    {"/sys/", NO},
    {"/dev/", NO},
    {"/", BY_MODE},
};

static bool is_below(const char *path, const char *folder)
{
    size_t n = strlen(folder);

    while (n > 1 && folder[n - 1] == '/')
        n--;
    return !strncmp(path, folder, n) && (path[n] == '/' || !path[n] || n == 1);
}

/* Of "/proc/123/maps" and "/proc/123": 123, or -1. */
static long pid_of(const char *path)
{
    int pid, used = 0;

    return sscanf(path, "/proc/%9d%n", &pid, &used) == 1 && (!path[used] || path[used] == '/') ? pid
                                                                                               : -1;
}

static bool fits(const struct policy *p, const struct rule *r, const char *path)
{
    size_t n = strlen(r->name);

    if (strcmp(r->name, "/proc/PID/") != 0)
        return r->name[n - 1] == '/' ? !strncmp(path, r->name, n) : !strcmp(path, r->name);
    bool found = pid_of(path) == p->own;

    for (uint32_t i = 0; i < p->asked.n_pids && !found; i++)
        found = pid_of(path) == p->asked.pids[i];
    return found;
}

static bool by_mode(const struct policy *p, const struct stat *st)
{
    uid_t ours = geteuid();

    if (st->st_mode & S_IROTH || (ours && st->st_uid == ours))
        return true;
    for (uint32_t i = 0; i < p->n_ids; i++)
        if ((st->st_mode & S_IRUSR && st->st_uid == p->ids[i].uid) ||
            (st->st_mode & S_IRGRP && st->st_gid == p->ids[i].gid))
            return true;
    return false;
}

bool policy_reads(const struct policy *p, const char *path, const struct stat *st)
{
    if (!S_ISREG(st->st_mode) && !S_ISDIR(st->st_mode))
        return false;
    for (uint32_t i = 0; i < p->asked.n_read; i++)
        if (is_below(path, p->asked.read[i]))
            return true;
    if (policy_writes(p, path))
        return true;
    if (p->asked.closed)
        return pid_of(path) == p->own;
    for (size_t i = 0; i < sizeof(rules) / sizeof(*rules); i++)
        if (fits(p, &rules[i], path))
            return rules[i].answer == YES || (rules[i].answer == BY_MODE && by_mode(p, st));
    return false;
}

bool policy_looks(const struct policy *p, const char *path)
{
    const struct stat anybodys = {.st_mode = S_IFREG | 0444};

    return strncmp(path, "/proc/", 6) != 0 || policy_reads(p, path, &anybodys);
}

bool policy_writes(const struct policy *p, const char *folder)
{
    for (uint32_t i = 0; i < p->asked.n_write; i++)
        if (is_below(folder, p->asked.write[i]))
            return true;
    return false;
}

/* By its status, not by the owner of its folder in /proc: that is root's for who has changed its
 * user. */
static void add_ids(struct policy *p, pid_t pid)
{
    char line[256], path[64];
    struct policy_ids *ids = &p->ids[p->n_ids];
    unsigned uid = 0, gid = 0;
    int found = 0;

    snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
    FILE *f = fopen(path, "re");

    while (f && fgets(line, sizeof(line), f)) {
        found |= sscanf(line, "Uid: %*u %u", &uid) == 1 ? 1 : 0;
        found |= sscanf(line, "Gid: %*u %u", &gid) == 1 ? 2 : 0;
    }
    if (f)
        fclose(f);
    if (found == 3) {
        *ids = (struct policy_ids){uid, gid};
        p->n_ids++;
    }
}

void policy_make(struct policy *p, const struct jail_policy *asked, pid_t own)
{
    *p = (struct policy){.asked = *asked, .own = own};
    for (uint32_t i = 0; i < asked->n_whose && p->n_ids < sizeof(p->ids) / sizeof(*p->ids); i++)
        add_ids(p, asked->pids[i]);
}
