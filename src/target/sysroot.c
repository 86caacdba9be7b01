/*
 * sysroot: files as the target sees them. Enters: a root directory and paths that a container's
 * owner may have chosen; leaves: file descriptors of regular files below that root. Refused:
 * whatever is no regular file (nothing is opened for reading before that is known: opening a
 * device or a FIFO can block or have effects), and any root but "/" on a kernel without openat2(2).
 *
 * "/" itself is opened without RESOLVE_IN_ROOT: there is nothing to get out of, and the magic links
 * of /proc (exe, map_files), which that flag refuses, are wanted there.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "target/target.h"

#include "base/file.h"

struct sysroot {
    char *dir; /* without trailing slashes; "" for the host's root */
    int fd;    /* O_PATH */
    bool host;
};

/* openat2 came with Linux 5.6; EAGAIN says that a rename raced with the resolution. */
static int open_in_root(int root, const char *path, uint64_t flags)
{
    struct open_how how = {.flags = flags, .resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS};
    int fd = -1;

    for (int tries = 0; tries < 16; tries++) {
        fd = (int)syscall(SYS_openat2, root, path, &how, sizeof(how));
        if (fd >= 0 || (errno != EAGAIN && errno != EINTR))
            break;
    }
    return fd;
}

/* Is FD the same directory as "/"? */
static bool is_host_root(int fd)
{
    struct stat a, b;

    return !fstat(fd, &a) && !stat("/", &b) && file_same(&a, &b);
}

struct sysroot *sysroot_new(struct compile *cx, const char *dir)
{
    struct span nowhere = {0};
    int fd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);

    if (fd < 0) {
        diag_error(cx->diag, nowhere, "sysroot", "cannot use %s as the target's root: %s", dir,
                   strerror(errno));
        if (errno == EACCES || errno == EPERM)
            diag_hint(cx->diag,
                      "run as root: another process's root takes CAP_SYS_PTRACE (and probes "
                      "take CAP_BPF and CAP_PERFMON)");
        else if (errno == ENOTDIR || !*dir)
            diag_hint(cx->diag,
                      "if docker-root was to name it, it printed nothing: see what it says alone");
        return NULL;
    }
    /* "/proc/1/root" of a process in a namespace of its own can show our device and inode numbers
     * (two mounts of one file system), so only the plain name makes a root the host's. */
    size_t len = strlen(dir);

    while (len && dir[len - 1] == '/')
        len--;
    bool host = len == 0 && is_host_root(fd);

    if (!host) {
        int probe = open_in_root(fd, "/", O_PATH | O_CLOEXEC);

        if (probe < 0 && errno == ENOSYS) {
            diag_error(cx->diag, nowhere, "sysroot",
                       "this kernel has no openat2(2) (Linux 5.6): files below %s cannot be opened "
                       "without the risk of following a link out of it",
                       dir);
            close(fd);
            return NULL;
        }
        if (probe >= 0)
            close(probe);
    }
    struct sysroot *r = calloc(1, sizeof(*r));

    if (r)
        r->dir = strndup(dir, len);
    if (!r || !r->dir) {
        diag_error(cx->diag, nowhere, "memory", "out of memory");
        free(r);
        close(fd);
        return NULL;
    }
    r->fd = fd;
    r->host = host;
    return r;
}

struct sysroot *sysroot_below(const struct sysroot *r, const char *dir)
{
    const int flags = O_PATH | O_DIRECTORY | O_CLOEXEC;
    int fd = r->host ? openat(r->fd, dir, flags) : open_in_root(r->fd, dir, (uint64_t)flags);
    struct sysroot *below = fd >= 0 ? calloc(1, sizeof(*below)) : NULL;

    if (below)
        below->dir = strdup(dir);
    if (!below || !below->dir) {
        free(below);
        if (fd >= 0)
            close(fd);
        return NULL;
    }
    below->fd = fd;
    return below;
}

void sysroot_free(struct sysroot *r)
{
    if (!r)
        return;
    close(r->fd);
    free(r->dir);
    free(r);
}

const char *sysroot_dir(const struct sysroot *r)
{
    return r->dir;
}

bool sysroot_is_host(const struct sysroot *r)
{
    return r->host;
}

int sysroot_fd(const struct sysroot *r)
{
    return r->fd;
}

/* The same file again, for reading; by its descriptor, so it cannot be another one by now. */
static int reopen(int path_fd)
{
    char name[64];

    snprintf(name, sizeof(name), "/proc/self/fd/%d", path_fd);
    return open(name, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
}

int sysroot_open(const struct sysroot *r, const char *path)
{
    int at;

    if (!path || !*path) {
        errno = ENOENT;
        return -1;
    }
    if (r->host)
        at = openat(r->fd, path, O_PATH | O_CLOEXEC);
    else
        at = open_in_root(r->fd, path, O_PATH | O_CLOEXEC);
    if (at < 0)
        return -1;
    struct stat st;
    int fd = -1, error = 0;

    if (fstat(at, &st))
        error = errno;
    else if (!S_ISREG(st.st_mode))
        error = S_ISDIR(st.st_mode) ? EISDIR : EINVAL;
    else if ((fd = reopen(at)) < 0)
        error = errno;
    close(at);
    errno = error;
    return fd;
}

int sysroot_open_dir(const struct sysroot *r, const char *path)
{
    const int flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC;

    return r->host ? openat(r->fd, path, flags) : open_in_root(r->fd, path, (uint64_t)flags);
}

char *sysroot_read(const struct sysroot *r, const char *path, size_t max, size_t *len)
{
    int fd = sysroot_open(r, path);

    if (fd < 0)
        return NULL;
    char *text = file_read_fd(fd, max, len);
    int error = errno;

    close(fd);
    errno = error;
    return text;
}
