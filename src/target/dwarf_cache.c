/*
 * dwarf_cache: indexes kept from one run to the next, in ${XDG_CACHE_HOME:-~/.cache}/ngstap/index/,
 * a file a build-id. Enters and leaves: an index's block. Written beside and renamed, so that a
 * reader sees a whole file or none. Refused: a directory or file that is not ours (root may run
 * with a user's HOME), files that do not fit the debug information at hand. No failure here is an
 * error: there is just no cache.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "target/dwarf_priv.h"
#include "target/index_format.h"

enum { CACHE_FILE_MAX = 1 << 30 };

/* Opens (or makes) DIR below AT; only a directory of our own, which is no link. */
static int own_dir(int at, const char *dir, bool make)
{
    struct stat st;

    if (make && mkdirat(at, dir, 0700) && errno != EEXIST)
        return -1;
    int fd = openat(at, dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

    if (fd >= 0 && (fstat(fd, &st) || st.st_uid != geteuid() || (st.st_mode & 022))) {
        close(fd);
        fd = -1;
    }
    return fd;
}

static int cache_dir(bool make)
{
    const char *xdg = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
    char path[PATH_MAX];

    /* The specification: a relative XDG_CACHE_HOME is ignored. */
    if (xdg && xdg[0] == '/') {
        if (snprintf(path, sizeof(path), "%s", xdg) >= (int)sizeof(path))
            return -1;
    } else if (!home || home[0] != '/' ||
               snprintf(path, sizeof(path), "%s/.cache", home) >= (int)sizeof(path)) {
        return -1;
    }
    if (make)
        mkdir(path, 0700);
    int base = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (base < 0)
        return -1;
    int ours = own_dir(base, "ngstap", make);

    close(base);
    if (ours < 0)
        return -1;
    int index = own_dir(ours, "index", make);

    close(ours);
    return index;
}

static void file_name(const struct dbg *m, char name[2 * BUILD_ID_MAX + 1])
{
    for (uint32_t i = 0; i < m->id.len && i < BUILD_ID_MAX; i++)
        sprintf(name + 2 * i, "%02x", m->id.bytes[i]);
}

struct index *cache_load(const struct dbg *m)
{
    char name[2 * BUILD_ID_MAX + 1];
    struct stat st;
    char *blob = NULL;

    if (!m->id.len)
        return NULL;
    file_name(m, name);
    int dir = cache_dir(false);

    if (dir < 0)
        return NULL;
    int fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);

    close(dir);
    if (fd < 0)
        return NULL;
    size_t size = 0;

    if (!fstat(fd, &st) && S_ISREG(st.st_mode) && st.st_uid == geteuid() && st.st_size > 0 &&
        st.st_size <= CACHE_FILE_MAX && (blob = malloc((size_t)st.st_size))) {
        while (size < (size_t)st.st_size) {
            ssize_t got = read(fd, blob + size, (size_t)st.st_size - size);

            if (got < 0 && errno == EINTR)
                continue;
            if (got <= 0)
                break;
            size += (size_t)got;
        }
    }
    close(fd);
    return blob ? index_from_blob(m, blob, size) : NULL;
}

void cache_save(const struct dbg *m, const struct index *x)
{
    char name[2 * BUILD_ID_MAX + 1], beside[sizeof(name) + 32];

    if (!m->id.len || x->size > CACHE_FILE_MAX)
        return;
    file_name(m, name);
    int dir = cache_dir(true);

    if (dir < 0)
        return;
    snprintf(beside, sizeof(beside), "%s.%ld.tmp", name, (long)getpid());
    int fd = openat(dir, beside, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    const char *p = x->blob;
    size_t left = x->size;

    while (fd >= 0 && left) {
        ssize_t put = write(fd, p, left);

        if (put < 0 && errno == EINTR)
            continue;
        if (put <= 0)
            break;
        p += put;
        left -= (size_t)put;
    }
    if (fd >= 0) {
        bool whole = !close(fd) && !left;

        if (!whole || renameat(dir, beside, dir, name))
            unlinkat(dir, beside, 0);
    }
    close(dir);
}
