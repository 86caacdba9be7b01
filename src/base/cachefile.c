/*
 * cachefile: keeps what is made of a target's files from one run to the next. Enters: bytes and
 * their key; leaves: the same bytes. A file is named by its key and holds a sum of itself, which
 * shows damage. It gets its name when it is whole (base/whole.h), and what has that name otherwise,
 * a folder too, makes room. A file that is read is touched, and a folder that has grown too large
 * loses those that were not for longest. Refused: files that are not ours, or with another sum or
 * key. No failure here is an error: the run goes without a cache.
 */
#include "base/cachefile.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <nettle/sha2.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/cachedir.h"
#include "base/file.h"
#include "base/whole.h"

enum { FILE_BYTES = 1 << 30, NAME_SIZE = 2 * CACHEFILE_KEY_SIZE + 1 };
/* Of a folder; seconds after which a use is noted again, and after which what is beside was left
 * behind. */
enum { FOLDER_BYTES = 256 << 20, FILES_MAX = 4096, NOTE_S = 3600 };

#define MAGIC "ngscache"
struct head {
    char magic[8];
    uint8_t key[CACHEFILE_KEY_SIZE];
    uint8_t sum[CACHEFILE_KEY_SIZE]; /* SHA-256 of what follows */
};

static void file_name(const uint8_t key[CACHEFILE_KEY_SIZE], char name[NAME_SIZE])
{
    for (int i = 0; i < CACHEFILE_KEY_SIZE; i++)
        sprintf(name + 2 * i, "%02x", key[i]);
}

static void make_head(const uint8_t key[CACHEFILE_KEY_SIZE], const void *data, size_t size,
                      struct head *out)
{
    struct sha256_ctx ctx;

    memcpy(out->magic, MAGIC, sizeof(out->magic));
    memcpy(out->key, key, sizeof(out->key));
    sha256_init(&ctx);
    sha256_update(&ctx, size, data);
    sha256_digest(&ctx, sizeof(out->sum), out->sum);
}

/* ---- reading ---- */

void *cachefile_load(const char *folder, const uint8_t key[CACHEFILE_KEY_SIZE], size_t *size)
{
    struct head is, want;
    char name[NAME_SIZE], *data = NULL;
    struct stat st;
    int dir = cachedir_open(folder, false);

    if (dir < 0)
        return NULL;
    file_name(key, name);
    int fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);

    close(dir);
    if (fd < 0)
        return NULL;
    bool ok = !fstat(fd, &st) && S_ISREG(st.st_mode) && st.st_uid == geteuid() &&
              st.st_size > (off_t)sizeof(is) && st.st_size <= FILE_BYTES;

    if (ok) {
        *size = (size_t)st.st_size - sizeof(is);
        data = malloc(*size);
    }
    ok = data && file_read_at(fd, &is, sizeof(is), 0) && file_read_at(fd, data, *size, sizeof(is));
    if (ok) {
        make_head(key, data, *size, &want);
        ok = !memcmp(&is, &want, sizeof(is));
    }
    if (ok && st.st_mtime + NOTE_S < time(NULL))
        futimens(fd, NULL);
    close(fd);
    if (ok)
        return data;
    free(data);
    return NULL;
}

/* ---- room ---- */

struct kept {
    char name[NAME_SIZE];
    time_t used;
    off_t size;
};

static int by_use(const void *a, const void *b)
{
    const struct kept *x = a, *y = b;

    return (x->used > y->used) - (x->used < y->used);
}

/* The folder's files, V of FILES_MAX; those of names that are not ours, and left behind, go. */
static uint32_t list_files(int dir, struct kept *v, off_t *total)
{
    DIR *d = fdopendir(dup(dir));
    time_t now = time(NULL);
    uint32_t n = 0;

    *total = 0;
    for (struct dirent *e; d && (e = readdir(d));) {
        struct stat st;

        if (fstatat(dir, e->d_name, &st, AT_SYMLINK_NOFOLLOW) || !S_ISREG(st.st_mode))
            continue;
        if (strlen(e->d_name) >= NAME_SIZE || n == FILES_MAX) {
            if (st.st_mtime + NOTE_S < now)
                unlinkat(dir, e->d_name, 0);
            continue;
        }
        strcpy(v[n].name, e->d_name);
        v[n].used = st.st_mtime;
        v[n++].size = st.st_size;
        *total += st.st_size;
    }
    if (d)
        closedir(d);
    return n;
}

static void trim(int dir)
{
    struct kept *v = malloc(FILES_MAX * sizeof(*v));
    off_t total;

    if (!v)
        return;
    uint32_t n = list_files(dir, v, &total);

    if (total > FOLDER_BYTES) {
        qsort(v, n, sizeof(*v), by_use);
        for (uint32_t i = 0; i + 1 < n && total > FOLDER_BYTES / 2; i++)
            if (!unlinkat(dir, v[i].name, 0))
                total -= v[i].size;
    }
    free(v);
}

/* ---- writing ---- */

static bool write_all(int fd, const struct head *h, const void *data, size_t size)
{
    const struct {
        const char *p;
        size_t n;
    } parts[] = {{(const char *)h, sizeof(*h)}, {data, size}};

    for (int i = 0; i < 2; i++)
        for (size_t done = 0; done < parts[i].n;) {
            ssize_t put = write(fd, parts[i].p + done, parts[i].n - done);

            if (put < 0 && errno == EINTR)
                continue;
            if (put <= 0)
                return false;
            done += (size_t)put;
        }
    return true;
}

void cachefile_save(const char *folder, const uint8_t key[CACHEFILE_KEY_SIZE], const void *data,
                    size_t size)
{
    char name[NAME_SIZE], other[64 + NAME_SIZE];
    struct whole w;
    struct head h;
    struct stat st;
    int dir = size && size <= FILE_BYTES - sizeof(h) ? cachedir_open(folder, true) : -1;

    if (dir < 0)
        return;
    make_head(key, data, size, &h);
    file_name(key, name);
    if (!fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) && S_ISDIR(st.st_mode)) {
        snprintf(other, sizeof(other), "/proc/self/fd/%d/%s", dir, name);
        file_remove_tree(other);
    }
    if (whole_begin(&w, dir, name, 0600)) {
        if (!write_all(w.fd, &h, data, size) || !whole_keep(&w, name))
            whole_drop(&w);
        close(w.fd);
    }
    trim(dir);
    close(dir);
}
