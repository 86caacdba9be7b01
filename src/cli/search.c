/*
 * search: which directories hold library code. Enters: options and where this program lies; leaves:
 * lists in order of precedence. Our own tapset is found beside the program (a build tree), in
 * ../share/ngstap (an installation that was moved), else where it was configured to be.
 */
#include "cli/search.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/arena.h"

static bool is_directory(const char *path)
{
    struct stat st;

    return !stat(path, &st) && S_ISDIR(st.st_mode);
}

static void add(struct compile *cx, struct strings *s, const char *dir)
{
    s->v = arena_grow(cx->arena, s->v, s->n, sizeof(*s->v));
    s->v[s->n++] = dir;
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

static struct strings search(struct compile *cx, const struct options *o, bool here)
{
    struct strings s = {NULL, 0};
    const char *slash = o->script ? strrchr(o->script, '/') : NULL;

    for (uint32_t i = 0; i < o->include.n; i++)
        add(cx, &s, o->include.v[i]);
    if (here)
        add(cx, &s, ".");
    add(cx, &s, own_dir(cx, "tapset"));
    /* What we lack: beside the script, or beside the folder it lies in. After ours, as stap++ takes the
     * tapset beside itself: stap++'s luajit, in a clone whose samples are run by us, is for GC32 only. */
    for (int up = 0; o->script && up < 2; up++) {
        const char *dir =
            slash ? arena_printf(cx->arena, "%.*s/", (int)(slash - o->script), o->script) : "";

        dir = arena_printf(cx->arena, "%s%stapset", dir, up ? "../" : "");
        if (is_directory(dir))
            add(cx, &s, dir);
    }
    return s;
}

struct strings search_modules(struct compile *cx, const struct options *o)
{
    return search(cx, o, true);
}

struct strings search_tapsets(struct compile *cx, const struct options *o)
{
    return search(cx, o, false);
}

struct strings search_patches(struct compile *cx)
{
    struct strings s = {NULL, 0};

    add(cx, &s, own_dir(cx, "patches/runtime"));
    return s;
}

const char *search_sample(struct compile *cx, const char *name)
{
    return arena_printf(cx->arena, "%s/%s", own_dir(cx, "samples"), name);
}
