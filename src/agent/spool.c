/*
 * spool: a folder of profiles, bounded in bytes and in files. Enters: files that sessions have
 * renamed to their names; leaves: a list, the oldest first. The folder is ours (0700): what has no
 * name of ours is left alone, what is left of a file that was never whole is removed at the start.
 * Refused: a folder that others may write, or that another agent has.
 */
#include "agent/spool.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/bytes.h"
#include "base/diag.h"
#include "base/file.h"

enum { LABELS_MAX = 64 << 10, LABELS_COUNT_MAX = 64, LISTED_MAX = 1 << 20 };

static const struct span nowhere;
static const char ending[] = ".pb.gz", labels_ending[] = ".labels";

const char *spool_path(const struct spool *s, struct arena *a, const char *name)
{
    return arena_printf(a, "%s/%s", s->folder, name);
}

static bool is_ours(const char *name)
{
    return strspn(name, "0123456789abcdef") == SPOOL_ID;
}

/* ID-YYYYMMDDTHHMMSSZ.pb.gz */
static bool is_profile(const char *name, int64_t *from)
{
    struct tm tm = {0};

    if (!is_ours(name) || strlen(name) >= SPOOL_NAME || name[SPOOL_ID] != '-')
        return false;
    const char *end = strptime(name + SPOOL_ID + 1, "%Y%m%dT%H%M%SZ", &tm);

    if (!end || strcmp(end, ending) != 0)
        return false;
    *from = (int64_t)timegm(&tm);
    return true;
}

static bool is_labels(const char *name)
{
    return is_ours(name) && !strcmp(name + SPOOL_ID, labels_ending);
}

static bool fail(const struct spool *s, struct compile *cx, const char *what)
{
    return diag_error(cx->diag, nowhere, "spool", "%s %s: %s", what, s->folder, strerror(errno));
}

/* ---- the beginning ---- */

static bool make_folder(const struct spool *s, struct compile *cx)
{
    char *path = arena_strdup(cx->arena, s->folder);

    for (char *slash = path + 1; (slash = strchr(slash, '/')); *slash++ = '/') {
        *slash = '\0';
        if (mkdir(path, 0755) && errno != EEXIST)
            return fail(s, cx, "cannot make");
    }
    return !mkdir(path, 0700) || errno == EEXIST || fail(s, cx, "cannot make");
}

/* What a session was writing when it was killed: a name of ours and more. */
static void remove_halves(struct spool *s, struct compile *cx)
{
    DIR *d = opendir(s->folder);
    struct dirent *e;
    int64_t from;

    while (d && (e = readdir(d)))
        if (is_ours(e->d_name) && !is_profile(e->d_name, &from) && !is_labels(e->d_name))
            unlinkat(dirfd(d), e->d_name, 0);
    if (d)
        closedir(d);
}

bool spool_open(struct spool *s, struct compile *cx, const char *folder, uint64_t max_bytes,
                uint64_t max_files)
{
    struct stat st;

    *s = (struct spool){
        .folder = folder, .max_bytes = max_bytes, .max_files = max_files, .lock = -1};
    if (!make_folder(s, cx))
        return false;
    if (lstat(folder, &st) || !S_ISDIR(st.st_mode)) {
        errno = ENOTDIR;
        return fail(s, cx, "cannot use");
    }
    if (st.st_uid != geteuid() || (st.st_mode & 022)) {
        diag_error(cx->diag, nowhere, "spool", "%s is another user's, or others may write to it",
                   folder);
        diag_hint(cx->diag, "chown and chmod 700 it, or name another by spool = in [agent]");
        return false;
    }
    s->lock =
        open(spool_path(s, cx->arena, "lock"), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (s->lock < 0)
        return fail(s, cx, "cannot write to");
    if (flock(s->lock, LOCK_EX | LOCK_NB)) {
        diag_error(cx->diag, nowhere, "spool", "another agent uses %s", folder);
        diag_hint(cx->diag, "each needs a spool = of its own in [agent]");
        return false;
    }
    remove_halves(s, cx);
    return true;
}

/* ---- the list ---- */

static int by_time(const void *x, const void *y)
{
    const struct spool_file *a = x, *b = y;

    if (a->from != b->from)
        return a->from < b->from ? -1 : 1;
    return strcmp(a->name, b->name);
}

static bool add(struct spool *s, const char *name, const struct stat *st, int64_t from)
{
    if (!(s->n & (s->n - 1))) { /* a power of two, or 0: it is full */
        void *v = realloc(s->v, (s->n ? 2 * (size_t)s->n : 1) * sizeof(*s->v));

        if (!v)
            return false;
        s->v = v;
    }
    struct spool_file *f = &s->v[s->n++];

    *f = (struct spool_file){
        .bytes = (uint64_t)st->st_size, .from = from, .until = (int64_t)st->st_mtime};
    memcpy(f->name, name, strlen(name) + 1);
    s->bytes += f->bytes;
    return true;
}

static void drop_oldest(struct spool *s, int folder)
{
    uint32_t n = 0;

    while (n < s->n && (s->bytes > s->max_bytes || s->n - n > s->max_files)) {
        unlinkat(folder, s->v[n].name, 0);
        s->bytes -= s->v[n].bytes;
        s->dropped_bytes += s->v[n].bytes;
        s->dropped++;
        n++;
    }
    s->n -= n;
    if (n)
        memmove(s->v, s->v + n, s->n * sizeof(*s->v));
}

static bool has_profile(const struct spool *s, const char *id)
{
    for (uint32_t i = 0; i < s->n; i++)
        if (!strncmp(s->v[i].name, id, SPOOL_ID))
            return true;
    return false;
}

static void drop_labels(struct spool *s, DIR *d, bool (*runs)(void *arg, const char *id), void *arg)
{
    struct dirent *e;

    rewinddir(d);
    while ((e = readdir(d))) {
        char id[SPOOL_ID + 1];

        if (!is_labels(e->d_name))
            continue;
        snprintf(id, sizeof(id), "%.*s", (int)SPOOL_ID, e->d_name);
        if (!runs(arg, id) && !has_profile(s, id))
            unlinkat(dirfd(d), e->d_name, 0);
    }
}

bool spool_look(struct spool *s, struct compile *cx, bool (*runs)(void *arg, const char *id),
                void *arg)
{
    DIR *d = opendir(s->folder);
    struct dirent *e;
    struct stat st;
    int64_t from;

    if (!d)
        return fail(s, cx, "cannot list");
    s->n = 0;
    s->bytes = 0;
    while (s->n < LISTED_MAX && (e = readdir(d)))
        if (is_profile(e->d_name, &from) &&
            !fstatat(dirfd(d), e->d_name, &st, AT_SYMLINK_NOFOLLOW) && S_ISREG(st.st_mode) &&
            !add(s, e->d_name, &st, from))
            break;
    if (s->n)
        qsort(s->v, s->n, sizeof(*s->v), by_time);
    drop_oldest(s, dirfd(d));
    drop_labels(s, d, runs, arg);
    closedir(d);
    return true;
}

void spool_sent(struct spool *s, struct arena *a, const char *name)
{
    unlink(spool_path(s, a, name));
}

/* ---- labels ---- */

bool spool_labels(struct spool *s, struct compile *cx, const char *id, const char *const *labels,
                  uint32_t n)
{
    const char *path = spool_path(s, cx->arena, arena_printf(cx->arena, "%s%s", id, labels_ending));
    const char *beside = arena_printf(cx->arena, "%s.new", path);
    int fd = open(beside, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    FILE *f = fd >= 0 ? fdopen(fd, "w") : NULL;

    for (uint32_t i = 0; f && i < n; i++)
        fprintf(f, "%s\n", labels[i]);
    bool ok = f && !fflush(f) && !ferror(f);

    if (f)
        ok = !fclose(f) && ok;
    ok = ok && !rename(beside, path);
    if (ok)
        return true;
    fail(s, cx, "cannot write to");
    unlink(beside);
    return false;
}

const char **spool_labels_of(const struct spool *s, struct arena *a, const char *name, uint32_t *n)
{
    const char *path =
        spool_path(s, a, arena_printf(a, "%.*s%s", (int)SPOOL_ID, name, labels_ending));
    char *text = file_read(path, LABELS_MAX, NULL);
    const char **v = NULL;

    *n = 0;
    for (char *line = text ? strtok(text, "\n") : NULL; line && *n < LABELS_COUNT_MAX;
         line = strtok(NULL, "\n")) {
        v = arena_grow(a, v, *n, sizeof(*v));
        v[(*n)++] = arena_strdup(a, line);
    }
    free(text);
    return v;
}

void spool_close(struct spool *s)
{
    if (s->lock >= 0)
        close(s->lock);
    free(s->v);
    s->lock = -1;
    s->v = NULL;
    s->n = 0;
}
