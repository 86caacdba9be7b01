/*
 * whole: a file is written without a name (O_TMPFILE) and linked when it is whole, so that neither
 * half a file nor one beside it is left by who is killed. Enters: a folder and a name; leaves: the
 * file, or nothing.
 *
 * Two things need a name beside, ".NAME.N.ngs": to take the place of a file that is there, for a
 * moment (linkat(2) does not replace); and to write at all, where the file system cannot do without
 * names (overlayfs before Linux 6.3, NFS, FUSE). Whoever has such a name holds a lock on the file,
 * which ends with its holder: a name without a lock was left behind, and is removed by the next who
 * wants it.
 */
#include "base/whole.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"

enum { WRITERS_MAX = 16 /* of one name at the same time */, TRIES = 64 };

static void make_name(struct whole *w, const char *name, unsigned n)
{
    snprintf(w->beside, sizeof(w->beside), ".%.240s.%u.ngs", name, n);
}

/* Does W->beside still lead to FD? */
static bool is_there(const struct whole *w, int fd)
{
    struct stat named, open;

    return !fstatat(w->dir, w->beside, &named, AT_SYMLINK_NOFOLLOW) && !fstat(fd, &open) &&
           file_same(&named, &open);
}

/* W->beside is taken: is it free now? */
static bool free_name(const struct whole *w)
{
    int fd = openat(w->dir, w->beside, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    struct stat st;

    if (fd < 0)
        return errno == ENOENT;
    bool left = !fstat(fd, &st) && S_ISREG(st.st_mode) && st.st_uid == geteuid() &&
                !flock(fd, LOCK_EX | LOCK_NB);
    bool ok = left && (!is_there(w, fd) || !unlinkat(w->dir, w->beside, 0));

    close(fd);
    return ok;
}

static bool give_name(const struct whole *w)
{
    char link[64];

    snprintf(link, sizeof(link), "/proc/self/fd/%d", w->fd);
    return !linkat(AT_FDCWD, link, w->dir, w->beside, AT_SYMLINK_FOLLOW);
}

/* A name beside NAME for W->fd. */
static bool link_beside(struct whole *w, const char *name)
{
    unsigned n = 0;

    for (int tries = 0; tries < TRIES && n < WRITERS_MAX; tries++) {
        make_name(w, name, n);
        if (give_name(w))
            return true;
        if (errno != EEXIST)
            break;
        n += !free_name(w);
    }
    w->beside[0] = 0;
    return false;
}

/* A new file beside NAME. */
static bool make_beside(struct whole *w, const char *name, mode_t mode)
{
    unsigned n = 0;

    for (int tries = 0; tries < TRIES && n < WRITERS_MAX; tries++) {
        make_name(w, name, n);
        w->fd = openat(w->dir, w->beside, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode);
        if (w->fd < 0 && errno != EEXIST)
            break;
        if (w->fd < 0) {
            n += !free_name(w);
            continue;
        }
        flock(w->fd, LOCK_EX);
        if (is_there(w, w->fd)) /* else another took it for one that was left, before the lock */
            return true;
        close(w->fd);
    }
    *w = (struct whole){.fd = -1, .dir = w->dir};
    return false;
}

bool whole_begin(struct whole *w, int dir, const char *name, mode_t mode)
{
    *w = (struct whole){.fd = -1, .dir = dir};
    for (unsigned n = 0; n < WRITERS_MAX; n++) {
        make_name(w, name, n);
        free_name(w);
    }
    *w = (struct whole){.fd = openat(dir, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, mode), .dir = dir};
    if (w->fd >= 0) {
        flock(w->fd, LOCK_EX);
        return true;
    }
    /* EISDIR: a kernel, ENOENT and EOPNOTSUPP: a file system that does not know it */
    return (errno == EOPNOTSUPP || errno == EISDIR || errno == ENOENT || errno == EINVAL) &&
           make_beside(w, name, mode);
}

bool whole_keep(struct whole *w, const char *name)
{
    int again = fcntl(w->fd, F_DUPFD_CLOEXEC, 0);
    int error;

    if (again < 0 || close(again)) /* NFS says only then that it has no room */
        goto failed;
    if (!w->beside[0]) {
        snprintf(w->beside, sizeof(w->beside), "%s", name);
        if (give_name(w)) {
            w->beside[0] = 0;
            return true;
        }
        w->beside[0] = 0;
        if (errno != EEXIST || !link_beside(w, name))
            goto failed;
    }
    if (renameat(w->dir, w->beside, w->dir, name))
        goto failed;
    w->beside[0] = 0;
    return true;
failed:
    error = errno;
    whole_drop(w);
    errno = error;
    return false;
}

void whole_drop(struct whole *w)
{
    if (w->beside[0])
        unlinkat(w->dir, w->beside, 0);
    w->beside[0] = 0;
}
