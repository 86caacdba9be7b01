/*
 * dt_needed: shared libraries without running the dynamic linker (ldd runs the program's
 * interpreter, which in a container is somebody else's). Enters: an executable below a root;
 * leaves: the libraries that ld.so(8) would find: DT_RPATH or DT_RUNPATH, LD_LIBRARY_PATH (host
 * only), ld.so.cache, the usual directories. Left out: dlopen, LD_PRELOAD, hardware-specific
 * directories that are not in the cache. What a file says is asked by dynamic.c, of a jail where
 * there is one; which files those are is looked up here.
 */
#include "target/dt_needed.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/bounds.h"
#include "target/dynamic.h"

enum { LIBRARIES_MAX = 512 };

struct object {
    const char *path;
    const char *rpath, *runpath;
};

struct linking {
    struct arena *a;
    const struct sysroot *root;
    uint16_t machine;
    uint8_t class;
    int cache; /* ld.so.cache; -1: none */
    struct object *found;
    uint32_t n;
    const char *exe_rpath;
};

/* What the file at PATH says, if it is of the executable's kind; *OUT is filled in. */
static bool read_library(struct linking *l, const char *path, struct dynamic *out)
{
    bounds_file(path);
    int fd = bounds_ok() ? sysroot_open(l->root, path) : -1;
    bool ok = fd >= 0 && dynamic_read(l->a, fd, out) &&
              (!l->class || (out->machine == l->machine && out->class == l->class));

    if (ok) {
        l->machine = out->machine;
        l->class = out->class;
    }
    if (fd >= 0)
        close(fd);
    return ok;
}

/* ---- searching ---- */

static bool exists(struct linking *l, const char *path)
{
    struct dynamic *d = malloc(sizeof(*d));
    bool ok = d && read_library(l, path, d);

    free(d);
    return ok;
}

/* The directories of LIST (colons; $ORIGIN is the directory of the file that has the list). */
static const char *in_list(struct linking *l, const char *list, const char *origin,
                           const char *name)
{
    while (list && *list && bounds_ok()) {
        size_t len = strcspn(list, ":");
        const char *dir = arena_strndup(l->a, list, len);
        const char *slash = strrchr(origin, '/');

        for (int i = 0; i < 2; i++) {
            const char *word = i ? "${ORIGIN}" : "$ORIGIN", *at = strstr(dir, word);

            if (at)
                dir = arena_printf(l->a, "%.*s%.*s%s", (int)(at - dir), dir,
                                   slash ? (int)(slash - origin) : 0, origin, at + strlen(word));
        }
        if (dir[0] == '/') {
            const char *path = arena_printf(l->a, "%s/%s", dir, name);

            if (exists(l, path))
                return path;
        }
        list += len + (list[len] == ':');
    }
    return NULL;
}

static const char *in_cache(struct linking *l, const char *name)
{
    const char **paths;
    uint32_t n = 0;

    if (l->cache >= 0) {
        bounds_file("/etc/ld.so.cache");
        n = dynamic_cached(l->a, l->cache, name, &paths);
    }
    for (uint32_t i = 0; i < n && bounds_ok(); i++)
        if (exists(l, paths[i]))
            return paths[i];
    return NULL;
}

static const char *find(struct linking *l, const struct object *from, const char *name)
{
    static const char usual[] =
        "/lib/x86_64-linux-gnu:/usr/lib/x86_64-linux-gnu:/lib/aarch64-linux-gnu:"
        "/usr/lib/aarch64-linux-gnu:/lib64:/usr/lib64:/lib:/usr/lib:/usr/local/lib";
    const char *path = NULL;

    if (strchr(name, '/'))
        return name[0] == '/' && exists(l, name) ? arena_strdup(l->a, name) : NULL;
    if (!from->runpath) {
        path = in_list(l, from->rpath, from->path, name);
        if (!path && l->n)
            path = in_list(l, l->exe_rpath, l->found[0].path, name);
    }
    if (!path && sysroot_is_host(l->root))
        path = in_list(l, getenv("LD_LIBRARY_PATH"), "", name);
    if (!path)
        path = in_list(l, from->runpath, from->path, name);
    if (!path)
        path = in_cache(l, name);
    return path ? path : in_list(l, usual, "", name);
}

static bool add(struct linking *l, const char *path)
{
    const char *base = strrchr(path, '/');

    for (uint32_t i = 0; i < l->n; i++) {
        const char *known = strrchr(l->found[i].path, '/');

        if (!strcmp(l->found[i].path, path) || (i && base && known && !strcmp(base, known)))
            return false;
    }
    if (l->n >= LIBRARIES_MAX)
        return false;
    l->found = arena_grow(l->a, l->found, l->n, sizeof(*l->found));
    l->found[l->n++] = (struct object){.path = path};
    return true;
}

void dt_needed_libraries(struct arena *a, const struct sysroot *root, const char *exe,
                         void (*fn)(const char *path, void *arg), void *arg)
{
    struct linking l = {.a = a, .root = root, .cache = sysroot_open(root, "/etc/ld.so.cache")};
    struct dynamic *d = ARENA_NEW(a, struct dynamic);

    add(&l, exe);
    for (uint32_t i = 0; i < l.n; i++) { /* breadth first, as ld.so does */
        if (!read_library(&l, l.found[i].path, d))
            continue;
        l.found[i].rpath = d->runpath ? NULL : d->rpath;
        l.found[i].runpath = d->runpath;
        if (i == 0)
            l.exe_rpath = l.found[0].rpath;
        struct object from = l.found[i]; /* found moves as it grows */

        for (uint32_t k = 0; k < d->n; k++) {
            const char *path = find(&l, &from, d->needed[k]);

            if (path && add(&l, path))
                fn(path, arg);
        }
        if (i == 0 && d->interp && d->interp[0] == '/' && exists(&l, d->interp) &&
            add(&l, d->interp))
            fn(d->interp, arg);
    }
    if (l.cache >= 0)
        close(l.cache);
}
