/*
 * overlay: finds the file a process of a container really runs. Enters: a mapping, the file that
 * its merged name opens; leaves: that file, or a lower layer's. A file that has been copied up (a
 * touch is enough) has the same device and inode number in the merged tree, but uprobes there go to
 * the copy, while the process goes on with the lower layer's file.
 *
 * What mountinfo says of layers is text, written by who made the mount: in a user namespace of his
 * own that is anybody, and "/usr/bin" there is no folder of ours. So names of layers are taken for
 * ours only when we see the mount ourselves, or its namespace is of our own user namespace; else
 * they are looked up below the target's root. And no layer is believed: a breakpoint is tried in
 * its file, in that process alone, and must be seen to come and go in the process's memory.
 * Refused: layers named by relative paths, files without an instruction that is safe to try.
 */
#include "target/overlay.h"

#include <ctype.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/nsfs.h>
#include <linux/perf_event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/bounds.h"
#include "base/file.h"
#include "target/dynamic.h"

#ifndef OVERLAYFS_SUPER_MAGIC
#define OVERLAYFS_SUPER_MAGIC 0x794c7630
#endif

enum {
    MOUNTINFO_MAX = 16 * 1024 * 1024,
    FDINFO_MAX = 4096,
    LAYERS_MAX = 512,
};

/* ---- the mount ---- */

struct mount {
    char *device;                       /* "0:57": the file system's, which mounts of it share */
    const char *point, *root, *options; /* of an overlay; point NULL: none */
};

/* Octal escapes, as mangle() in fs/proc_namespace.c makes them. */
static char *unescape(struct arena *a, const char *s, size_t len)
{
    char *out = arena_alloc(a, len + 1), *to = out;

    for (size_t i = 0; i < len; i++) {
        if (s[i] == '\\' && len - i > 3 && isdigit((unsigned char)s[i + 1]) &&
            isdigit((unsigned char)s[i + 2]) && isdigit((unsigned char)s[i + 3])) {
            *to++ = (char)((s[i + 1] - '0') << 6 | (s[i + 2] - '0') << 3 | (s[i + 3] - '0'));
            i += 3;
        } else {
            *to++ = s[i];
        }
    }
    return out;
}

/* Splits a line of mountinfo (proc(5)): "id parent dev root point flags [optional]... - type source
 * options". False: no overlay's. */
static bool parse_line(struct arena *a, const char *line, size_t len, struct mount *out)
{
    const char *word[64];
    size_t size[64];
    int n = 0, dash = 0;

    for (size_t i = 0; i < len && n < 64;) {
        size_t end = i;

        while (end < len && line[end] != ' ')
            end++;
        word[n] = line + i;
        size[n] = end - i;
        if (n >= 6 && !dash && size[n] == 1 && line[i] == '-')
            dash = n;
        n++;
        i = end + 1;
    }
    if (!dash || n < dash + 4 || size[dash + 1] != 7 || memcmp(word[dash + 1], "overlay", 7) != 0)
        return false;
    *out = (struct mount){.device = arena_strndup(a, word[2], size[2]),
                          .root = unescape(a, word[3], size[3]),
                          .point = unescape(a, word[4], size[4]),
                          .options = unescape(a, word[dash + 3], size[dash + 3])};
    return true;
}

/* Is PATH below the directory POINT? *REL: what follows, with its slash. */
static bool below(const char *path, const char *point, const char **rel)
{
    size_t len = strlen(point);

    while (len && point[len - 1] == '/')
        len--;
    if (strncmp(path, point, len) || path[len] != '/')
        return false;
    *rel = path + len;
    return true;
}

/* The overlay in the mountinfo at NAME whose line begins with ID, or, with ID 0, that is on
 * DEVICE. */
static bool find_mount(struct arena *a, const char *name, unsigned long long id, const char *device,
                       struct mount *out)
{
    FILE *f = fopen(name, "re");
    char *line = NULL, want[64], *p;
    size_t room = 0, total = 0;
    ssize_t got;
    bool found = false;

    if (id)
        snprintf(want, sizeof(want), "%llu ", id);
    else
        snprintf(want, sizeof(want), " %.40s ", device);
    while (f && !found && bounds_ok() && (got = getline(&line, &room, f)) > 0 &&
           (total += (size_t)got) < MOUNTINFO_MAX) {
        p = strstr(line, want);
        if (!p || (id && p != line) || !memmem(line, (size_t)got, " - overlay ", 11))
            continue;
        found = parse_line(a, line, (size_t)got - (line[got - 1] == '\n'), out) &&
                (id || !strcmp(out->device, device));
    }
    free(line);
    if (f)
        fclose(f);
    return found;
}

/* The mount that FD was opened on, as fdinfo of proc(5) numbers it. */
static unsigned long long mount_id(int fd)
{
    char name[64];

    snprintf(name, sizeof(name), "/proc/self/fdinfo/%d", fd);
    char *text = file_read(name, FDINFO_MAX, NULL), *line = text ? strstr(text, "mnt_id:") : NULL;
    unsigned long long id = line ? strtoull(line + 7, NULL, 10) : 0;

    free(text);
    return id;
}

/* Does the mount namespace of PID belong to our user namespace? Only root made mounts there,
 * then. */
static bool is_our_users(const struct target *t, pid_t pid)
{
    char name[PATH_MAX];
    struct stat ours, theirs;
    bool same = false;

    if (snprintf(name, sizeof(name), "%s/%d/ns/mnt", t->proc, (int)pid) >= (int)sizeof(name))
        return false;
    int ns = open(name, O_RDONLY | O_CLOEXEC);
    int owner = ns >= 0 ? ioctl(ns, NS_GET_USERNS) : -1;

    if (owner >= 0) {
        same = !fstat(owner, &theirs) && !stat("/proc/self/ns/user", &ours) &&
               file_same(&ours, &theirs);
        close(owner);
    }
    if (ns >= 0)
        close(ns);
    return same;
}

/* ---- layers ---- */

struct layers {
    const struct sysroot *root; /* below which they are named */
    const char *rel;            /* of the file, below each */
};

/* Opens the file below the layer DIR; -1: no such regular file there. */
static int open_in_layer(const struct layers *l, const char *dir)
{
    struct sysroot *r = dir[0] == '/' ? sysroot_below(l->root, dir) : NULL;
    int fd = r ? sysroot_open(r, l->rel) : -1;

    sysroot_free(r);
    return fd;
}

/* The value of KEY= among OPTIONS, colons and all; a ',' of a path is escaped by a backslash. */
static char *option(struct arena *a, const char *options, const char *key)
{
    size_t len = strlen(key);

    for (const char *p = options; p; p = strchr(p, ',') ? strchr(p, ',') + 1 : NULL) {
        if (strncmp(p, key, len) || p[len] != '=')
            continue;
        p += len + 1;
        size_t end = 0;

        while (p[end] && p[end] != ',')
            end += p[end] == '\\' && p[end + 1] ? 2 : 1;
        return arena_strndup(a, p, end);
    }
    return NULL;
}

/* The topmost of LAYERS that has the file. */
static int open_lower(const struct layers *l, char *layers)
{
    int n = 0;

    for (char *p = layers; p && *p && n < LAYERS_MAX; n++) {
        char *end = p, *to = p;

        for (; *end && *end != ':'; end++) {
            if (*end == '\\' && end[1])
                end++;
            *to++ = *end;
        }
        bool more = *end == ':';

        *to = '\0';
        int fd = open_in_layer(l, p);

        if (fd >= 0)
            return fd;
        p = more ? end + 1 : NULL;
    }
    return -1;
}

/* ---- trying ---- */

static bool read_word(int mem, uint64_t addr, uint32_t *out)
{
    return pread(mem, out, sizeof(*out), (off_t)addr) == (ssize_t)sizeof(*out);
}

struct trial {
    pid_t pid;
    int mem;
    uint32_t uprobes; /* number of the kernel's PMU */
    const struct map *map;
};

enum seen { NOT_TRIED, NOT_SEEN, SEEN };

/*
 * Does a uprobe on the file FD come and go in the process's code? With a pid the kernel puts it
 * into that process alone (uprobe_perf_filter of kernel/trace/trace_uprobe.c). Slow: unregistering
 * waits for the kernel's RCU, some 50 ms.
 */
static enum seen try_file(const struct trial *t, int fd)
{
    char path[64];
    struct dynamic_start at;
    uint32_t before, during, after;
    enum seen seen = NOT_TRIED;

    if (dynamic_start(fd, t->map, &at) && read_word(t->mem, at.bias + at.vaddr, &before)) {
        uint64_t addr = at.bias + at.vaddr;

        snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
        struct perf_event_attr attr = {.size = sizeof(attr),
                                       .type = t->uprobes,
                                       .config1 = (uint64_t)(uintptr_t)path,
                                       .config2 = at.offset,
                                       .disabled = 1};
        int event = (int)syscall(SYS_perf_event_open, &attr, t->pid, -1, -1, PERF_FLAG_FD_CLOEXEC);

        if (event >= 0 && read_word(t->mem, addr, &during))
            seen = during == before ? NOT_SEEN : SEEN;
        if (event >= 0)
            close(event);
        if (seen == SEEN && (!read_word(t->mem, addr, &after) || after != before))
            seen = NOT_SEEN; /* it changes by itself */
    }
    return seen;
}

static bool start_trial(struct arena *a, const struct target *t, pid_t pid, const struct map *m,
                        struct trial *out)
{
    *out = (struct trial){.pid = pid, .mem = -1, .map = m};
    if (file_number("/sys/bus/event_source/devices/uprobe/type", "%u", &out->uprobes))
        out->mem = open(arena_printf(a, "%s/%d/mem", t->proc, (int)pid), O_RDONLY | O_CLOEXEC);
    return out->mem >= 0;
}

/* Of FD, whose merged name has a copy above, and the lower file, the one that is seen in memory. */
static int choose(struct arena *a, const struct target *t, pid_t pid, const struct map *m, int fd,
                  int lower)
{
    struct trial trial;
    int chosen = fd;

    if (start_trial(a, t, pid, m, &trial)) {
        if (try_file(&trial, fd) == NOT_SEEN && try_file(&trial, lower) == SEEN)
            chosen = lower;
        close(trial.mem);
    }
    close(chosen == fd ? lower : fd);
    return chosen;
}

int overlay_mapped_file(struct compile *cx, const struct target *t, pid_t pid, const struct map *m,
                        int fd)
{
    struct arena *a = cx->arena;
    struct statfs fs;
    struct mount theirs, ours;
    struct layers l;

    if (fstatfs(fd, &fs) || (unsigned long)fs.f_type != OVERLAYFS_SUPER_MAGIC ||
        !find_mount(a, arena_printf(a, "%s/%d/mountinfo", t->proc, (int)pid), mount_id(fd), NULL,
                    &theirs) ||
        !below(m->path, theirs.point, &l.rel))
        return fd;
    if (theirs.root[1])
        l.rel = arena_printf(a, "%s%s", theirs.root, l.rel);
    bool seen = find_mount(a, "/proc/self/mountinfo", 0, theirs.device, &ours);
    struct sysroot *host = seen || is_our_users(t, pid) ? sysroot_new(cx, "/") : NULL;
    const char *options = seen ? ours.options : theirs.options;
    const char *upper_dir = option(a, options, "upperdir");

    l.root = host ? host : t->root;
    int upper = upper_dir ? open_in_layer(&l, upper_dir) : -1; /* -1: nothing was copied up */
    int lower = upper >= 0 ? open_lower(&l, option(a, options, "lowerdir")) : -1;

    sysroot_free(host);
    if (upper >= 0)
        close(upper);
    return lower >= 0 ? choose(a, t, pid, m, fd, lower) : fd;
}
