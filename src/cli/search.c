/*
 * search: which directories hold library code. Enters: options and where this program lies; leaves:
 * lists in order of precedence. Our own tapset is found beside the program (a build tree), in
 * ../share/ngstap (an installation that was moved), else where it was configured to be. Our own
 * scripts use our own modules only. Refused for root, unless -I names them: folders that others can
 * write to.
 */
#include "cli/search.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/diag.h"
#include "base/file.h"

static bool is_directory(const char *path)
{
    struct stat st;

    return !stat(path, &st) && S_ISDIR(st.st_mode);
}

static void add(struct compile *cx, struct module_dirs *d, const char *dir, const char *distrusted)
{
    d->v = arena_grow(cx->arena, d->v, d->n, sizeof(*d->v));
    d->distrusted = arena_grow(cx->arena, d->distrusted, d->n, sizeof(*d->distrusted));
    d->v[d->n] = dir;
    d->distrusted[d->n++] = distrusted;
}

static const char *own_dir(struct compile *cx, const char *name)
{
    static const char *const beside[] = {"", "../share/ngstap/"};
    char exe[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", exe, sizeof(exe) - 1);

    if (n > 0) {
        exe[n] = 0;
        *strrchr(exe, '/') = 0;
        for (size_t i = 0; i < sizeof(beside) / sizeof(*beside); i++) {
            const char *dir = arena_printf(cx->arena, "%s/%s%s", exe, beside[i], name);
            char *real = is_directory(dir) ? realpath(dir, NULL) : NULL; /* it is in messages */

            if (real) {
                dir = arena_strdup(cx->arena, real);
                free(real);
                return dir;
            }
        }
    }
    return arena_printf(cx->arena, PKGDATADIR "/%s", name);
}

/* ---- whose modules may be run ---- */

/* Who besides root could have written the file or folder of ST; NULL: nobody. */
static const char *others(struct compile *cx, const struct stat *st, const char *what)
{
    if (st->st_uid)
        return arena_printf(cx->arena, "the %s is user %u's", what, (unsigned)st->st_uid);
    if (st->st_mode & S_IWOTH)
        return arena_printf(cx->arena, "everyone can write to the %s", what);
    if (st->st_mode & S_IWGRP && st->st_gid)
        return arena_printf(cx->arena, "group %u can write to the %s", (unsigned)st->st_gid, what);
    return NULL;
}

const char *search_foreign(struct compile *cx, const char *path)
{
    struct stat st;

    return geteuid() || stat(path, &st) ? NULL : others(cx, &st, "file");
}

/*
 * Why what lies in DIR may not be run by root unasked: others can put it there. Who wrote the
 * script that is run may as well give it modules. NULL: no reason.
 */
static const char *distrust(struct compile *cx, const struct options *o, const char *dir)
{
    struct stat st, script;
    bool by_script = o->script && !stat(o->script, &script);

    if (geteuid() || stat(dir, &st))
        return NULL;
    if (by_script && st.st_uid == script.st_uid)
        st.st_uid = 0;
    return others(cx, &st, "folder");
}

/* Is the script one of our samples? */
static bool is_own(struct compile *cx, const char *script)
{
    const char *slash = script ? strrchr(script, '/') : NULL;
    struct stat theirs, ours;

    return slash && !stat(own_dir(cx, "samples"), &ours) &&
           !stat(arena_strndup(cx->arena, script, (size_t)(slash - script) + 1), &theirs) &&
           file_same(&theirs, &ours);
}

/* ---- lists ---- */

static struct module_dirs search(struct compile *cx, const struct options *o, bool here)
{
    struct module_dirs d = {0};
    const char *slash = o->script ? strrchr(o->script, '/') : NULL;

    for (uint32_t i = 0; i < o->include.n; i++)
        add(cx, &d, o->include.v[i], NULL);
    if (here && !is_own(cx, o->script))
        add(cx, &d, ".", distrust(cx, o, "."));
    add(cx, &d, own_dir(cx, "tapset"), NULL);
    /* What we lack: beside the script, or beside the folder it lies in. After ours, as stap++ takes
     * the tapset beside itself: stap++'s luajit, in a clone whose samples are run by us, is for
     * GC32 only. */
    for (int up = 0; o->script && up < 2; up++) {
        const char *dir =
            slash ? arena_printf(cx->arena, "%.*s/", (int)(slash - o->script), o->script) : "";

        dir = arena_printf(cx->arena, "%s%stapset", dir, up ? "../" : "");
        if (is_directory(dir) && !is_own(cx, o->script))
            add(cx, &d, dir, distrust(cx, o, dir));
    }
    return d;
}

struct module_dirs search_modules(struct compile *cx, const struct options *o)
{
    return search(cx, o, true);
}

/* Is it one directory by two names, which would be read twice? */
static bool is_listed(const struct strings *s, const char *dir)
{
    struct stat this, other;

    for (uint32_t i = 0; i < s->n; i++)
        if (!stat(dir, &this) && !stat(s->v[i], &other) && file_same(&this, &other))
            return true;
    return false;
}

struct strings search_tapsets(struct compile *cx, const struct options *o)
{
    struct module_dirs d = search(cx, o, false);
    struct strings s = {NULL, 0};

    for (uint32_t i = 0; i < d.n; i++) {
        if (is_listed(&s, d.v[i]))
            continue;
        if (!d.distrusted[i]) {
            s.v = arena_grow(cx->arena, s.v, s.n, sizeof(*s.v));
            s.v[s.n++] = d.v[i];
            continue;
        }
        diag_warning(cx->diag, (struct span){0}, "no functions are taken from %s: %s", d.v[i],
                     d.distrusted[i]);
        diag_hint(cx->diag, "-I %s takes them all the same", d.v[i]);
    }
    return s;
}

const char *search_systemtap(struct compile *cx, const struct options *o)
{
    const char *dir = getenv("SYSTEMTAP_TAPSET"); /* as stap has it */

    if (!dir || !*dir)
        dir = "/usr/share/systemtap/tapset";
    if (o->no_system_tapset || !is_directory(dir))
        return NULL;
    const char *why = distrust(cx, o, dir);

    if (why)
        diag_warning(cx->diag, (struct span){0}, "SystemTap's tapset is not looked into, %s: %s",
                     dir, why);
    return why ? NULL : dir;
}

struct strings search_patches(struct compile *cx)
{
    struct strings s = {ARENA_ARRAY(cx->arena, const char *, 1), 1};

    s.v[0] = own_dir(cx, "patches/runtime");
    return s;
}

const char *search_sample(struct compile *cx, const char *name)
{
    return arena_printf(cx->arena, "%s/%s", own_dir(cx, "samples"), name);
}

const char *search_layouts(struct compile *cx)
{
    return own_dir(cx, "layouts");
}
