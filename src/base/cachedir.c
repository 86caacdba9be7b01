/*
 * cachedir: where ngstap keeps what outlives a run, and whether it is to be believed. Enters: the
 * environment; leaves: a folder. Refused: one that is not ours or that others can write to, and one
 * below a folder that anybody but root and us could exchange (root may run with a user's HOME). A
 * relative XDG_CACHE_HOME is ignored, as its specification says.
 */
#include "base/cachedir.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Can nobody but root and us put something else in the place of PATH or of a folder above it? */
static bool is_safe(const char *path)
{
    char part[PATH_MAX];
    struct stat st;

    for (size_t n = 1; n <= strlen(path) && n < sizeof(part); n++) {
        if (n > 1 && path[n] != '/' && path[n])
            continue;
        memcpy(part, path, n);
        part[n] = 0;
        if (lstat(part, &st) || !S_ISDIR(st.st_mode) ||
            (st.st_uid != 0 && st.st_uid != geteuid()) ||
            ((st.st_mode & 022) && !(st.st_mode & S_ISVTX)))
            return false;
    }
    return true;
}

static bool is_private(const struct stat *st)
{
    return S_ISDIR(st->st_mode) && st->st_uid == geteuid() && !(st->st_mode & 022);
}

static bool is_ours(const char *path, bool make)
{
    struct stat st;

    return (!make || !mkdir(path, 0700) || errno == EEXIST) && !lstat(path, &st) && is_private(&st);
}

static bool base_path(char out[PATH_MAX])
{
    const char *xdg = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
    bool ours = xdg && xdg[0] == '/';

    if (!ours && (!home || home[0] != '/'))
        return false;
    return snprintf(out, PATH_MAX, "%s%s", ours ? xdg : home, ours ? "" : "/.cache") < PATH_MAX;
}

/* A folder in PATH that is not ours alone: into OUT. */
static bool has_foreign(const char *path, char out[PATH_MAX])
{
    DIR *d = opendir(path);
    bool found = false;

    for (const struct dirent *e; d && !found && (e = readdir(d));)
        found = strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0 &&
                snprintf(out, PATH_MAX, "%s/%s", path, e->d_name) < PATH_MAX &&
                !is_ours(out, false);
    if (d)
        closedir(d);
    return found;
}

bool cachedir_distrusted(char out[PATH_MAX])
{
    char base[PATH_MAX], path[PATH_MAX];

    if (!base_path(base) || !realpath(base, out))
        return false;
    if (!is_safe(out))
        return true;
    if (snprintf(path, sizeof(path), "%s/ngstap", out) >= (int)sizeof(path))
        return false;
    strcpy(out, path);
    return !access(path, F_OK) && (!is_ours(path, false) || has_foreign(path, out));
}

bool cachedir_find(const char *name, bool make, char out[PATH_MAX])
{
    char base[PATH_MAX], real[PATH_MAX];

    if (!base_path(base))
        return false;
    if (make)
        mkdir(base, 0700);
    return realpath(base, real) && is_safe(real) &&
           snprintf(out, PATH_MAX, "%s/ngstap", real) < PATH_MAX && is_ours(out, make) &&
           snprintf(out, PATH_MAX, "%s/ngstap/%s", real, name) < PATH_MAX && is_ours(out, make);
}

/* Folders that were found safe, by which environment and user. To look takes ten calls, and each is
 * one that a jail asks its parent for; nobody but root and us can put another folder there. */
enum { KNOWN_MAX = 8 };
static struct known {
    char *name, *base, *path;
    uid_t uid;
} known[KNOWN_MAX];
static int n_known;

static const struct known *find_known(const char *name, const char *base)
{
    for (int i = 0; i < n_known; i++)
        if (!strcmp(known[i].name, name) && !strcmp(known[i].base, base) &&
            known[i].uid == geteuid())
            return &known[i];
    return NULL;
}

static void keep_known(const char *name, const char *base, const char *path)
{
    if (n_known == KNOWN_MAX || find_known(name, base))
        return;
    struct known k = {strdup(name), strdup(base), strdup(path), geteuid()};

    if (k.name && k.base && k.path) {
        known[n_known++] = k;
        return;
    }
    free(k.name);
    free(k.base);
    free(k.path);
}

static int open_private(const char *path)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    struct stat st;

    if (fd < 0 || (!fstat(fd, &st) && is_private(&st)))
        return fd;
    close(fd);
    return -1;
}

int cachedir_open(const char *name, bool make)
{
    char base[PATH_MAX], path[PATH_MAX];

    if (!base_path(base))
        return -1;
    const struct known *k = find_known(name, base);
    int fd = k ? open_private(k->path) : -1;

    if (fd >= 0 || !cachedir_find(name, make, path))
        return fd;
    fd = open_private(path);
    if (fd >= 0)
        keep_known(name, base, path);
    return fd;
}
