/*
 * module: the ELF files a target has mapped. Enters: its maps; leaves: one struct module a file
 * with build-id, load bias and the file itself, held open: names are the target's to change. Files
 * are untrusted. Left out: what is mapped without an executable part, or is no ELF file.
 */
#include "target/module.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/capability.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/descriptors.h"
#include "base/file.h"
#include "target/dt_needed.h"
#include "target/elf.h"
#include "target/overlay.h"
#include "target/proc.h"

enum { MODULES_MAX = 4096, FILES_SPARE = 32 /* debug files, /proc */ };

static const struct span nowhere;

/* A regular file by its name on the host, followed wherever it leads (our own /proc links). */
static int open_host(const char *path)
{
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

    if (fd >= 0 && (fstat(fd, &st) || !S_ISREG(st.st_mode))) {
        close(fd);
        fd = -1;
    }
    return fd;
}

/* The kernel's name for the file open at FD; NULL: none. */
static char *name_of(struct arena *a, int fd)
{
    char link[64], name[PATH_MAX + 1];
    ssize_t len;

    snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
    len = readlink(link, name, sizeof(name) - 1);
    return len > 0 && name[0] == '/' ? arena_strndup(a, name, (size_t)len) : NULL;
}

/*
 * The name under which the host reaches the file open at FD, for programs that take names only: the
 * kernel's own name for it, so no link is left in it that would lead out of the root.
 */
static const char *host_name(struct arena *a, const struct target *t, int fd)
{
    const char *dir = sysroot_dir(t->root), *name = name_of(a, fd);
    struct stat ours, theirs;

    if (!name || fstat(fd, &ours))
        return NULL;
    /* In our mount namespace (a MergedDir) it is right as it is; in another it is as they see
     * it. */
    if (!strncmp(name, dir, strlen(dir)) && !stat(name, &theirs) && file_same(&ours, &theirs))
        return name;
    name = arena_printf(a, "%s%s", dir, name);
    return strncmp(name, "/proc/", 6) && !stat(name, &theirs) && file_same(&ours, &theirs) ? name
                                                                                           : NULL;
}

static void set_file(struct arena *a, const struct target *t, struct module *m, int fd)
{
    m->fd = fd;
    m->probe_path = arena_printf(a, "/proc/self/fd/%d", fd);
    m->host_path = m->deleted ? NULL : host_name(a, t, fd);
}

/* Does the file that a name led to have the device and inode that the map tells? */
static bool is_mapped_file(const struct target *t, int fd, const struct map *m)
{
    struct stat st;

    if (fstat(fd, &st) || st.st_ino != m->ino)
        return false;
    /* btrfs gives stat another device number than the map has. Root alone mounts what the host
     * sees. */
    return sysroot_is_host(t->root) ||
           ((uint64_t)major(st.st_dev) << 32 | minor(st.st_dev)) == m->dev;
}

/*
 * Opens the file that is mapped at M; -1 and errno. /proc's magic links lead to the inode itself:
 * nobody can put another file in its place. map_files takes CAP_SYS_ADMIN or
 * CAP_CHECKPOINT_RESTORE; without them the name is followed, and must lead to that inode.
 */
static int open_mapped(struct compile *cx, const struct target *t, pid_t pid, const struct map *m,
                       bool is_exe, struct module *out)
{
    struct stat st;
    const char *link = is_exe
                           ? arena_printf(cx->arena, "%s/%d/exe", t->proc, (int)pid)
                           : arena_printf(cx->arena, "%s/%d/map_files/%llx-%llx", t->proc, (int)pid,
                                          (unsigned long long)m->start, (unsigned long long)m->end);
    int fd = open_host(link);

    if (fd < 0 && !m->deleted) {
        fd = sysroot_open(t->root, m->path);
        if (fd >= 0 && !is_mapped_file(t, fd, m)) {
            close(fd);
            fd = -1;
            errno = ESTALE;
        }
    }
    if (fd >= 0 && !fstat(fd, &st)) {
        out->dev = st.st_dev;
        out->ino = st.st_ino;
    }
    if (fd >= 0 && !m->deleted && !sysroot_is_host(t->root))
        fd = overlay_mapped_file(cx, t, pid, m, fd);
    return fd;
}

static struct module *append(struct compile *cx, struct target *t, const struct module *m)
{
    struct module **last = &t->modules;
    struct module *added = ARENA_NEW(cx->arena, struct module);

    while (*last)
        last = &(*last)->next;
    *added = *m;
    added->next = NULL;
    *last = added;
    return added;
}

/* A file that the process runs and that we could not look into: what is asked of it is not found,
 * so say so now. EPERM is said of map_files alone, where nobody's mode counts. */
static void say_unread(struct compile *cx, struct target *t, const struct map *m, int error)
{
    struct unread *u = ARENA_NEW(cx->arena, struct unread);

    *u = (struct unread){.next = t->unread, .path = m->path, .error = error};
    t->unread = u;
    if (error == ESTALE)
        diag_warning(cx->diag, nowhere,
                     "%s is not the file that process %d has mapped by that name", m->path,
                     (int)t->pids[0]);
    else if (error == EMFILE || error == ENFILE)
        diag_error(cx->diag, nowhere, "files", "cannot read %s, which process %d has mapped: %s",
                   m->path, (int)t->pids[0], strerror(error));
    else
        diag_warning(cx->diag, nowhere, "cannot read %s, which process %d has mapped: %s", m->path,
                     (int)t->pids[0], strerror(error));
    if (error == ESTALE || error == EPERM)
        kernel_hint_cap(cx, CAP_CHECKPOINT_RESTORE);
    else if (error == EACCES)
        kernel_hint_cap(cx, CAP_DAC_READ_SEARCH);
}

/* Adds the file of M, the executable mapping with the lowest address. */
static void add_mapped(struct compile *cx, struct target *t, pid_t pid, const struct map *all,
                       const struct map *m, bool is_exe)
{
    struct module mod = {.path = m->path, .is_exe = is_exe, .deleted = m->deleted};
    bounds_file(m->path);
    int fd = open_mapped(cx, t, pid, m, is_exe, &mod);
    struct elf_facts facts;
    bool is_elf = fd >= 0 && elf_facts(fd, m, &facts);

    if (fd < 0 && errno != ENOENT && errno != ENOTDIR)
        say_unread(cx, t, m, errno);
    if (is_elf) {
        mod.id = facts.id;
        mod.bias = facts.bias;
        mod.start = m->start;
        for (const struct map *o = all; o; o = o->next) {
            if (o->ino != m->ino || o->dev != m->dev || strcmp(o->path, m->path))
                continue;
            if (o->start < mod.start)
                mod.start = o->start;
            if (o->end > mod.end)
                mod.end = o->end;
        }
        set_file(cx->arena, t, &mod, fd);
        append(cx, t, &mod);
    } else if (fd >= 0) {
        close(fd);
    }
}

static bool is_known(const struct target *t, const struct map *m)
{
    for (const struct module *k = t->modules; k; k = k->next)
        if (k->start <= m->start && m->end <= k->end && !strcmp(k->path, m->path))
            return true;
    return false;
}

/* Which mapping is the executable's: by the name that /proc/PID/exe has. */
static bool is_exe_map(const struct target *t, const struct map *m, const char *exe)
{
    return exe && !strcmp(m->path, exe);
}

static bool from_maps(struct compile *cx, struct target *t, pid_t pid)
{
    struct map *maps = target_maps(cx, t, pid);
    char *exe = proc_link(cx->arena, t->proc, pid, "exe");
    const char *exe_path = NULL;
    uint32_t n = 0;

    if (!maps)
        return false;
    if (exe) {
        proc_strip_deleted(exe);
        exe_path = proc_in_root(exe, t->chroot);
    }
    for (int exe_first = 1; exe_first >= 0; exe_first--) {
        for (const struct map *m = maps; m && n < MODULES_MAX && bounds_ok(); m = m->next) {
            /* memfd and System V shared memory have inodes, and no ELF file in them that we could
             * name. */
            if (!m->exec || !m->ino || m->path[0] != '/' ||
                is_exe_map(t, m, exe_path) != (exe_first == 1) || is_known(t, m))
                continue;
            add_mapped(cx, t, pid, maps, m, exe_first == 1);
            n++;
        }
    }
    return true;
}

/* A file that is not mapped: its build-id, no bias. */
static struct module *add_file(struct compile *cx, struct target *t, const char *path, bool is_exe)
{
    struct module mod = {.path = path, .is_exe = is_exe};
    int fd = sysroot_open(t->root, path);
    struct stat st;

    bounds_file(path);
    struct elf_facts facts;
    struct module *added = NULL;

    if (fd >= 0 && elf_facts(fd, NULL, &facts) && !fstat(fd, &st)) {
        mod.dev = st.st_dev;
        mod.ino = st.st_ino;
        mod.id = facts.id;
        mod.path = arena_strdup(cx->arena, path);
        set_file(cx->arena, t, &mod, fd);
        added = append(cx, t, &mod);
    } else if (fd >= 0) {
        close(fd);
    }
    return added;
}

const char *target_lacks(const struct target *t, const char *path)
{
    int fd = sysroot_open(t->root, path);

    if (fd >= 0) {
        char magic[SELFMAG];
        bool elf = pread(fd, magic, SELFMAG, 0) == SELFMAG && !memcmp(magic, ELFMAG, SELFMAG);

        close(fd);
        return elf ? "its ELF headers are damaged, or of a kind that is not read"
                   : "it is not an ELF file";
    }
    if (errno == ENOENT || errno == ENOTDIR)
        return NULL;
    return errno == EISDIR || errno == EINVAL ? "it is not a regular file" : strerror(errno);
}

struct module *target_module(struct compile *cx, struct target *t, const char *path)
{
    struct stat st;

    /* Where ngstap stands is a place of the host: below another root a relative path means
     * nothing. */
    if (*path != '/' && strchr(path, '/') && sysroot_is_host(t->root)) {
        char real[PATH_MAX];

        if (realpath(path, real))
            path = arena_strdup(cx->arena, real);
    }
    for (struct module *m = t->modules; m; m = m->next)
        if (!strcmp(m->path, path))
            return m;
    int fd = sysroot_open(t->root, path);

    if (fd < 0)
        return NULL;
    bool ok = !fstat(fd, &st);

    close(fd);
    for (struct module *m = t->modules; ok && m; m = m->next)
        if (!m->deleted && m->dev == st.st_dev && m->ino == st.st_ino)
            return m;
    return add_file(cx, t, path, t->exec_path && !strcmp(path, t->exec_path));
}

struct module *target_module_with(struct compile *cx, struct target *t, const char *variable,
                                  uint64_t *vaddr)
{
    for (struct module *m = t->modules; m && bounds_ok(); m = m->next) {
        if (!m->symbols) {
            bounds_file(m->path);
            m->symbols = ARENA_NEW(cx->arena, struct elf_symbols);
            *m->symbols = elf_variables_read(cx->arena, m->fd);
        }
        for (uint32_t i = 0; i < m->symbols->n; i++)
            if (!strcmp(m->symbols->v[i].name, variable)) {
                *vaddr = m->symbols->v[i].vaddr;
                return m;
            }
    }
    return NULL;
}

static void add_needed(const char *path, void *arg)
{
    void **args = arg;

    target_module(args[0], args[1], path);
}

/* The file that the user named, where the process maps it by that name: it lies there. */
static void place_named(struct target *t)
{
    struct module *named = t->modules;

    for (struct module **at = &named->next; *at; at = &(*at)->next) {
        struct module *mapped = *at;

        if (strcmp(mapped->path, named->path) != 0)
            continue;
        *at = mapped->next;
        mapped->next = named->next;
        mapped->is_exe = true;
        close(named->fd);
        *named = *mapped;
        return;
    }
}

/* With fewer, what is missing of the target would look as if it were not there: files are left out
 * that cannot be opened, and what nobody can read has no names. */
static bool enough_files(struct compile *cx, const struct target *t)
{
    for (const struct unread *u = t->unread; u; u = u->next)
        if (u->error == EMFILE || u->error == ENFILE) {
            descriptors_advise(cx, u->error);
            return false;
        }
    return descriptors_spare(cx, FILES_SPARE, "reading the target");
}

bool modules_find(struct compile *cx, struct target *t, const struct target_opts *o)
{
    if (!enough_files(cx, t))
        return false;
    pid_t sample = o->sample_pid ? o->sample_pid : target_first(t);

    if (o->exec) {
        void *args[] = {cx, t};

        if (!add_file(cx, t, t->exec_path, true))
            return diag_error(cx->diag, nowhere, "target", "%s is not an ELF file", t->exec_path);
        if (!sample)
            dt_needed_libraries(cx->arena, t->root, t->exec_path, add_needed, args);
    }
    if (sample && !from_maps(cx, t, sample))
        return false;
    if (o->exec)
        place_named(t);
    for (uint32_t i = 0; i < o->n_modules; i++) {
        if (target_module(cx, t, o->modules[i]))
            continue;
        const char *lacks = target_lacks(t, o->modules[i]);

        return lacks ? diag_error(cx->diag, nowhere, "target", "%s: %s", o->modules[i], lacks)
                     : diag_error(cx->diag, nowhere, "target", "%s not found.", o->modules[i]);
    }
    return enough_files(cx, t);
}

void modules_close(struct target *t)
{
    for (struct module *m = t->modules; m; m = m->next) {
        if (m->fd >= 0)
            close(m->fd);
        m->fd = -1;
    }
}
