/*
 * paths: programs and libraries that a wildcard names. Enters: process("/usr/lib*\/libx.so.*") with
 * what follows it; leaves: the same point for each program or library below the target's root that
 * matches, in the order of names, a file with several names once. The target may be a container
 * whose owner has filled its folders: how much is looked through is bounded.
 */
#include "probe/probe.h"

#include <dirent.h>
#include <elf.h>
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/file.h"

enum { NAMES_MAX = 100000, FILES_MAX = 1000 };

struct paths {
    struct arena *a;
    const struct sysroot *root;
    uint32_t names; /* that were looked at */
    const char **v;
    struct stat *files;
    uint32_t n;
};

/* Is it of a kind that runs, not an archive, a script or an object? */
static bool is_program(int fd)
{
    unsigned char head[EI_NIDENT + 2];

    if (pread(fd, head, sizeof(head), 0) != sizeof(head) || memcmp(head, ELFMAG, SELFMAG) != 0)
        return false;
    int type = head[EI_NIDENT] | head[EI_NIDENT + 1]; /* in either order of bytes */

    return type == ET_EXEC || type == ET_DYN;
}

static void add_file(struct paths *p, const char *path)
{
    struct stat st;
    int fd = p->n < FILES_MAX ? sysroot_open(p->root, path) : -1;

    if (fd < 0)
        return;
    bool wanted = !fstat(fd, &st) && is_program(fd);

    close(fd);
    for (uint32_t i = 0; i < p->n && wanted; i++)
        wanted = !file_same(&p->files[i], &st);
    if (!wanted)
        return;
    p->v = arena_grow(p->a, p->v, p->n, sizeof(*p->v));
    p->files = arena_grow(p->a, p->files, p->n, sizeof(*p->files));
    p->v[p->n] = path;
    p->files[p->n++] = st;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* The names in folder DIR that match PATTERN, sorted. */
static const char **list(struct paths *p, const char *dir, const char *pattern, uint32_t *n)
{
    int fd = sysroot_open_dir(p->root, *dir ? dir : "/");
    DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
    const char **v = NULL;
    struct dirent *e;

    *n = 0;
    if (!d && fd >= 0)
        close(fd);
    while (d && p->names < NAMES_MAX && (e = readdir(d))) {
        p->names++;
        if (fnmatch(pattern, e->d_name, FNM_PERIOD) || !strcmp(e->d_name, ".") ||
            !strcmp(e->d_name, ".."))
            continue;
        v = arena_grow(p->a, v, *n, sizeof(*v));
        v[(*n)++] = arena_strdup(p->a, e->d_name);
    }
    if (d)
        closedir(d);
    if (v)
        qsort(v, *n, sizeof(*v), by_name);
    return v;
}

/* What matches REST, which begins with '/', below DIR. */
static void walk(struct paths *p, const char *dir, const char *rest)
{
    while (*rest) {
        size_t len = 1 + strcspn(rest + 1, "/");
        const char *part = arena_strndup(p->a, rest + 1, len - 1);

        rest += len;
        if (has_wildcard(part)) {
            uint32_t n;
            const char **names = list(p, dir, part, &n);

            for (uint32_t i = 0; i < n; i++)
                walk(p, arena_printf(p->a, "%s/%s", dir, names[i]), rest);
            return;
        }
        dir = arena_printf(p->a, "%s/%s", dir, part);
    }
    add_file(p, dir);
}

struct probe_point *probe_paths(struct probe_env *env, const struct probe_point *point)
{
    const struct expr *arg = point->parts->arg;
    struct paths p = {.a = env->cx->arena, .root = env->target->root};
    struct probe_point *first = NULL, **tail = &first;

    if (strcmp(point->parts->name, "process") != 0 || !arg || arg->kind != EX_STRING ||
        arg->text[0] != '/' || !has_wildcard(arg->text))
        return NULL;
    int fd = sysroot_open(p.root, arg->text); /* a file may be called so */

    if (fd >= 0) {
        close(fd);
        return NULL;
    }
    walk(&p, "", arg->text);
    for (uint32_t i = 0; i < p.n; i++, tail = &(*tail)->next)
        *tail = probe_process_point(p.a, point, p.v[i]);
    return first;
}
