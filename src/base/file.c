/*
 * file: whole files, folders, and programs of $PATH. Enters: a descriptor or a path, and how many
 * bytes there may be; leaves: the bytes, or errno. Refuses more bytes, and by path all but regular
 * files: what a path leads to may be a pipe that nobody writes to.
 */
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

char *file_read_fd(int fd, size_t max, size_t *len)
{
    size_t used = 0, size = 0;
    char *text = NULL;
    int error = 0;

    while (!error) {
        if (used == size) {
            size_t bigger = size ? size * 2 : 8192;

            if (bigger > max)
                bigger = max + 1; /* the byte more that tells "too big" from "just fits" */
            char *fresh = used < bigger ? realloc(text, bigger + 1) : NULL;

            if (!fresh) {
                error = used < bigger ? ENOMEM : EFBIG;
                break;
            }
            text = fresh;
            size = bigger;
        }
        ssize_t got = read(fd, text + used, size - used);

        if (got < 0 && errno != EINTR)
            error = errno;
        if (got == 0)
            break;
        if (got > 0)
            used += (size_t)got;
    }
    if (!error && used > max)
        error = EFBIG;
    if (error) {
        free(text);
        errno = error;
        return NULL;
    }
    text[used] = '\0';
    if (len)
        *len = used;
    return text;
}

char *file_read(const char *path, size_t max, size_t *len)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* does not wait for a pipe's writer */
    struct stat st;
    char *text = NULL;
    int error;

    if (fd < 0)
        return NULL;
    errno = EINVAL;
    if (!fstat(fd, &st) && S_ISREG(st.st_mode))
        text = file_read_fd(fd, max, len);
    error = errno;
    close(fd);
    errno = error;
    return text;
}

void file_identity(const struct stat *st, struct file_identity *out)
{
    enum { NS = 1000000000 };

    *out = (struct file_identity){
        .dev = st->st_dev,
        .ino = st->st_ino,
        .size = (uint64_t)st->st_size,
        .modified_ns = (int64_t)st->st_mtim.tv_sec * NS + st->st_mtim.tv_nsec,
        .changed_ns = (int64_t)st->st_ctim.tv_sec * NS + st->st_ctim.tv_nsec};
}

bool file_read_at(int fd, void *to, size_t size, uint64_t at)
{
    for (size_t done = 0; done < size;) {
        ssize_t got = pread(fd, (char *)to + done, size - done, (off_t)(at + done));

        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return false;
        done += (size_t)got;
    }
    return true;
}

bool file_number(const char *path, const char *format, unsigned *value)
{
    FILE *f = fopen(path, "re");
    bool ok = f && fscanf(f, format, value) == 1;

    if (f) {
        fclose(f);
        errno = ENODEV;
    }
    return ok;
}

char *file_search(const char *name, const char *otherwise,
                  bool (*accept)(const char *path, void *arg), void *arg)
{
    const char *path = getenv("PATH");

    for (const char *dir = path ? path : otherwise; *dir;) {
        size_t n = strcspn(dir, ":");
        char *full;

        if (asprintf(&full, "%.*s/%s", n ? (int)n : 1, n ? dir : ".", name) < 0)
            return NULL;
        if (accept(full, arg))
            return full;
        free(full);
        dir += n + (dir[n] == ':');
    }
    return NULL;
}

void file_remove_tree(const char *path)
{
    char *const paths[] = {(char *)path, NULL};
    FTS *fts = fts_open(paths, FTS_PHYSICAL | FTS_NOCHDIR, NULL);

    for (FTSENT *e; fts && (e = fts_read(fts));) {
        if (e->fts_info == FTS_D)
            continue;
        if (e->fts_info == FTS_DP)
            unlinkat(AT_FDCWD, e->fts_accpath, AT_REMOVEDIR); /* a jail has no rmdir(2) */
        else
            unlink(e->fts_accpath);
    }
    if (fts)
        fts_close(fts);
}
