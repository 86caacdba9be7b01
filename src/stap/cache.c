/*
 * cache: directories that outlive a run, in the folder stap/ of the cache (base/cachedir.h):
 *
 *     KIND-HASH/     an entry: "key", which says in full what it was made of, its files, and "sum",
 *                    the SHA-256 of all that: what has another is dropped and made again
 *     tmp-XXXXXX/    work in progress, or left behind by one that was killed
 *     systemtap/     stap's own cache
 *
 * Entries are made in tmp- and renamed, so others see a whole one or none. A lock on a directory,
 * which ends with its holder, tells what is in use from what may go. Where there is no folder to be
 * trusted, a private temporary directory serves for one run.
 */
#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <limits.h>
#include <nettle/sha2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/cachedir.h"
#include "base/diag.h"
#include "base/bytes.h"
#include "base/file.h"
#include "stap/build.h"

enum { CACHE_BYTES = 256 << 20, KEY_MAX = 64 << 20, FILE_MAX = 1 << 30, MINUTE = 60 };

static const struct span nowhere;

/* ---- trees ---- */

static long long tree_size(const char *path)
{
    char *const paths[] = {(char *)path, NULL};
    FTS *fts = fts_open(paths, FTS_PHYSICAL | FTS_NOCHDIR, NULL);
    long long size = 0;

    for (FTSENT *e; fts && (e = fts_read(fts));)
        if (e->fts_info == FTS_F)
            size += e->fts_statp->st_blocks * 512LL;
    if (fts)
        fts_close(fts);
    return size;
}

bool stap_copy_tree(struct compile *cx, const char *from, const char *to)
{
    char *const paths[] = {(char *)from, NULL};
    FTS *fts = fts_open(paths, FTS_LOGICAL | FTS_NOCHDIR, NULL);
    size_t skip = strlen(from), len;
    bool ok = fts != NULL;

    for (FTSENT *e; ok && (e = fts_read(fts));) {
        const char *target = arena_printf(cx->arena, "%s%s", to, e->fts_path + skip);

        if (e->fts_info == FTS_D) {
            ok = !mkdir(target, 0700) || errno == EEXIST;
        } else if (e->fts_info == FTS_F) {
            char *text = stap_read_file(cx, e->fts_accpath, KEY_MAX, &len);

            ok = text && stap_write_file(target, text, len);
        } else {
            ok = e->fts_info == FTS_DP;
        }
    }
    if (fts)
        fts_close(fts);
    return ok;
}

/* ---- entries ---- */

/* Two lanes of FNV; the key beside the entry has the last word. */
static const char *entry_dir(struct compile *cx, const struct stap_cache *c, const char *kind,
                             const char *key, size_t len)
{
    uint64_t a = bytes_hash(BYTES_HASH, key, len), b = 0x9e3779b97f4a7c15ull;

    for (size_t i = 0; i < len; i++) {
        b = (b + (unsigned char)key[i]) * 0xff51afd7ed558ccdull;
        b ^= b >> 29;
    }
    return arena_printf(cx->arena, "%s/%s-%016llx%016llx", c->dir, kind, (unsigned long long)a,
                        (unsigned long long)b);
}

/* ---- sums ---- */

enum { SUM_SIZE = 2 * SHA256_DIGEST_SIZE + 1 };

static int by_name(const FTSENT **a, const FTSENT **b)
{
    return strcmp((*a)->fts_name, (*b)->fts_name);
}

/* One file, link or folder: its name below the entry, what it is, what it holds. */
static bool add_entry(struct sha256_ctx *ctx, const FTSENT *e, size_t skip)
{
    char *text = NULL, link[PATH_MAX];
    const char *content = "";
    size_t len = 0;
    ssize_t n;

    if (e->fts_info == FTS_F) {
        content = text = file_read(e->fts_accpath, FILE_MAX, &len);
    } else if (e->fts_info == FTS_SL || e->fts_info == FTS_SLNONE) {
        n = readlink(e->fts_accpath, link, sizeof(link));
        content = n >= 0 ? link : NULL;
        len = n >= 0 ? (size_t)n : 0;
    } else if (e->fts_info != FTS_D) {
        content = NULL;
    }
    const uint64_t head[] = {e->fts_info == FTS_SLNONE ? FTS_SL : e->fts_info, len};

    if (content) {
        sha256_update(ctx, strlen(e->fts_path + skip) + 1, (const uint8_t *)e->fts_path + skip);
        sha256_update(ctx, sizeof(head), (const uint8_t *)head);
        sha256_update(ctx, len, (const uint8_t *)content);
    }
    free(text);
    return content != NULL;
}

/* The sum of all in DIR, but "sum" itself, as text; false: something in it cannot be read. */
static bool make_sum(const char *dir, char out[SUM_SIZE])
{
    char *const paths[] = {(char *)dir, NULL};
    FTS *fts = fts_open(paths, FTS_PHYSICAL | FTS_NOCHDIR, by_name);
    uint8_t sum[SHA256_DIGEST_SIZE];
    struct sha256_ctx ctx;
    bool ok = fts != NULL;

    sha256_init(&ctx);
    for (FTSENT *e; ok && (e = fts_read(fts));)
        ok = e->fts_info == FTS_DP || e->fts_level == 0 ||
             (e->fts_level == 1 && !strcmp(e->fts_name, "sum")) || add_entry(&ctx, e, strlen(dir));
    if (fts)
        fts_close(fts);
    sha256_digest(&ctx, sizeof(sum), sum);
    for (size_t i = 0; i < sizeof(sum); i++)
        sprintf(out + 2 * i, "%02x", sum[i]);
    return ok;
}

static bool is_sound(struct compile *cx, const char *dir)
{
    char sum[SUM_SIZE];
    size_t len;
    const char *kept = stap_read_file(cx, arena_printf(cx->arena, "%s/sum", dir), SUM_SIZE, &len);

    return kept && make_sum(dir, sum) && len == strlen(sum) && !memcmp(kept, sum, len);
}

/* ---- use ---- */

static int lock_dir(const char *dir, int how)
{
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

    if (fd >= 0 && flock(fd, how | LOCK_NB)) {
        close(fd);
        fd = -1;
    }
    return fd;
}

/* ---- the directory ---- */

static const char *kept_dir(struct compile *cx)
{
    char path[PATH_MAX];

    return cachedir_find("stap", true, path) && !access(path, W_OK) ? arena_strdup(cx->arena, path)
                                                                    : NULL;
}

/* Private folders in TMP of ngstaps that were killed: nobody holds their locks. */
static void remove_left(const char *tmp)
{
    char *const paths[] = {(char *)tmp, NULL};
    FTS *fts = fts_open(paths, FTS_PHYSICAL | FTS_NOCHDIR, NULL);

    for (FTSENT *e; fts && (e = fts_read(fts));) {
        if (e->fts_level != 1 || e->fts_info != FTS_D)
            continue;
        fts_set(fts, e, FTS_SKIP);
        if (strncmp(e->fts_name, "ngstap-", 7) != 0 || strlen(e->fts_name) != 13 ||
            e->fts_statp->st_uid != geteuid() || (e->fts_statp->st_mode & 077) ||
            time(NULL) - e->fts_statp->st_mtime <= MINUTE) /* it may just be getting its lock */
            continue;
        int fd = lock_dir(e->fts_accpath, LOCK_EX);

        if (fd < 0)
            continue;
        file_remove_tree(e->fts_accpath);
        close(fd);
    }
    if (fts)
        fts_close(fts);
}

bool stap_cache_open(struct compile *cx, struct stap_cache *c)
{
    const char *tmp = getenv("TMPDIR");
    char *dir;

    *c = (struct stap_cache){.dir = kept_dir(cx), .kept = true};
    if (c->dir)
        return true;
    if (cx->verbose)
        diag_note(cx->diag, nowhere,
                  "no cache for modules: $XDG_CACHE_HOME or ~/.cache is not to be "
                  "written, or others can write to it");
    if (!tmp || tmp[0] != '/')
        tmp = "/tmp";
    remove_left(tmp);
    dir = arena_printf(cx->arena, "%s/ngstap-XXXXXX", tmp);
    *c = (struct stap_cache){.dir = mkdtemp(dir)};
    if (c->dir)
        lock_dir(c->dir, LOCK_SH); /* as long as this process lives */
    return c->dir || diag_error(cx->diag, nowhere, "stap",
                                "cannot make a temporary directory %s: %s", dir, strerror(errno));
}

/* ---- finding, making ---- */

/* Unless somebody uses it. It loses its name first, so nobody finds half of it. */
static void drop(struct compile *cx, const struct stap_cache *c, const char *path)
{
    int fd = lock_dir(path, LOCK_EX);
    char *away = arena_printf(cx->arena, "%s/tmp-XXXXXX", c->dir);

    if (fd < 0)
        return;
    if (mkdtemp(away)) {
        rename(path, away);
        file_remove_tree(away);
    }
    close(fd);
}

const char *stap_cache_find(struct compile *cx, const struct stap_cache *c, const char *kind,
                            const char *key, size_t len, int *lock)
{
    const char *dir = entry_dir(cx, c, kind, key, len);
    size_t n = 0;

    *lock = lock_dir(dir, LOCK_SH);
    if (*lock < 0)
        return NULL;
    const char *have = stap_read_file(cx, arena_printf(cx->arena, "%s/key", dir), KEY_MAX, &n);

    if (have && n == len && !memcmp(have, key, len) && is_sound(cx, dir)) {
        futimens(*lock, NULL); /* trimmed last */
        return dir;
    }
    close(*lock);
    *lock = -1;
    drop(cx, c, dir);
    return NULL;
}

const char *stap_cache_begin(struct compile *cx, const struct stap_cache *c, int *lock)
{
    char *dir = arena_printf(cx->arena, "%s/tmp-XXXXXX", c->dir);

    *lock = -1;
    if (!mkdtemp(dir)) {
        diag_error(cx->diag, nowhere, "stap", "cannot make a directory in %s: %s", c->dir,
                   strerror(errno));
        return NULL;
    }
    *lock = lock_dir(dir, LOCK_SH);
    return dir;
}

const char *stap_cache_commit(struct compile *cx, const struct stap_cache *c, const char *dir,
                              const char *kind, const char *key, size_t len, int *lock)
{
    const char *final = entry_dir(cx, c, kind, key, len), *other;
    char sum[SUM_SIZE];
    int theirs = -1;

    if (!stap_write_file(arena_printf(cx->arena, "%s/key", dir), key, len) || !make_sum(dir, sum) ||
        !stap_write_file(arena_printf(cx->arena, "%s/sum", dir), sum, strlen(sum)))
        goto failed;
    if (!rename(dir, final))
        return final;
    if (errno == ENOTDIR && !unlink(final) && !rename(dir, final)) /* not ours: a file, a link */
        return final;
    if (errno != EEXIST && errno != ENOTEMPTY)
        goto failed;
    other = stap_cache_find(cx, c, kind, key, len, &theirs);
    if (!other)
        return dir; /* its name is taken by something else: it serves this once */
    close(*lock);
    *lock = theirs;
    file_remove_tree(dir);
    return other;
failed:
    diag_error(cx->diag, nowhere, "stap", "cannot write in %s: %s", c->dir, strerror(errno));
    return NULL;
}

/* ---- what may go ---- */

struct entry {
    const char *path;
    struct timespec used;
    long long size;
};

static int by_age(const void *a, const void *b)
{
    const struct entry *x = a, *y = b;

    if (x->used.tv_sec != y->used.tv_sec)
        return x->used.tv_sec < y->used.tv_sec ? -1 : 1;
    return x->used.tv_nsec < y->used.tv_nsec ? -1 : x->used.tv_nsec > y->used.tv_nsec;
}

void stap_cache_trim(struct compile *cx, const struct stap_cache *c)
{
    char *const paths[] = {(char *)c->dir, NULL};
    struct entry *v = NULL;
    size_t n = 0;
    long long sum = 0;
    FTS *fts = c->kept ? fts_open(paths, FTS_PHYSICAL | FTS_NOCHDIR, NULL) : NULL;

    for (FTSENT *e; fts && (e = fts_read(fts));) {
        if (e->fts_level != 1 || e->fts_info != FTS_D)
            continue;
        fts_set(fts, e, FTS_SKIP);
        const char *path = arena_strdup(cx->arena, e->fts_path);

        if (!strncmp(e->fts_name, "tmp-", 4)) {
            if (time(NULL) - e->fts_statp->st_mtime > MINUTE) /* it may just be getting its lock */
                drop(cx, c, path);
        } else if (strcmp(e->fts_name, "systemtap") != 0) {
            v = arena_grow(cx->arena, v, n, sizeof(*v));
            v[n] = (struct entry){path, e->fts_statp->st_mtim, tree_size(path)};
            sum += v[n++].size;
        }
    }
    if (fts)
        fts_close(fts);
    if (n)
        qsort(v, n, sizeof(*v), by_age);
    for (size_t i = 0; i < n && sum > CACHE_BYTES; i++) {
        drop(cx, c, v[i].path);
        sum -= v[i].size;
    }
}
