/*
 * tree: the build directory that stap is given. Enters: the kernel's own and the script; leaves:
 * the same one, or, where stap would refuse a return probe because it knows no symbols of the
 * kernel, a private one: links to what is in the kernel's, and a System.map with the one name that
 * stap looks for. Does so only for a kernel that is configured with uprobes and whose map is not
 * there, or is a distribution's stub.
 */
#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/diag.h"
#include "base/file.h"
#include "stap/build.h"

enum { MAP_STUB_MAX = 4096, MAP_MAX = 64 << 20, LINKS_MAX = 1000 };

static const char hijack[] = "arch_uretprobe_hijack_return_addr"; /* what stap asks for */

/* The kernel's symbols as stap finds them; NULL: it finds none. */
static const char *read_map(struct compile *cx, const struct stap_tools *t)
{
    const char *in_tree = arena_printf(cx->arena, "%s/System.map", t->build);
    const char *in_boot = arena_printf(cx->arena, "/boot/System.map-%s", t->release);

    return stap_read_file(cx, access(in_tree, R_OK) ? in_boot : in_tree, MAP_MAX, NULL);
}

/* Return probes are part of uprobes; a whole map that lacks them tells the truth. */
static bool needs_map(struct compile *cx, const struct stap_tools *t, const char *script,
                      const char **map)
{
    *map = NULL;
    if (!strstr(script, ").return"))
        return false;
    const char *config = stap_header_text(cx, t, "include/generated/autoconf.h");

    if (!config || !strstr(config, "#define CONFIG_UPROBES 1\n"))
        return false;
    *map = read_map(cx, t);
    return !*map || (strlen(*map) <= MAP_STUB_MAX && !strstr(*map, hijack));
}

static bool make_links(struct compile *cx, const char *from, const char *to)
{
    DIR *d = opendir(from);
    unsigned n = 0;
    bool ok = d != NULL;

    for (struct dirent *e; ok && (e = readdir(d));) {
        if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, "..") || !strcmp(e->d_name, "System.map"))
            continue;
        ok = ++n <= LINKS_MAX && !symlink(arena_printf(cx->arena, "%s/%s", from, e->d_name),
                                          arena_printf(cx->arena, "%s/%s", to, e->d_name));
    }
    if (d)
        closedir(d);
    return ok;
}

/* stap reads names; the addresses are for kernel probes, which need debug information anyway. */
static bool fill(struct compile *cx, const struct stap_tools *t, const char *map, const char *dir)
{
    const char *text = arena_printf(cx->arena, "%sffffffff81000000 T %s\n", map ? map : "", hijack);

    return !mkdir(dir, 0755) && make_links(cx, t->build, dir) &&
           stap_write_file(arena_printf(cx->arena, "%s/System.map", dir), text, strlen(text));
}

const char *stap_build_tree(struct compile *cx, const struct stap_tools *t,
                            const struct stap_cache *c, const char *script, int *lock)
{
    const char *map;

    *lock = -1;
    if (!needs_map(cx, t, script, &map))
        return t->build;
    const char *key =
        arena_printf(cx->arena, "tree %s\nkernel %s\n%s", t->stamp, t->release, map ? map : "");
    const char *dir = stap_cache_find(cx, c, "tree", key, strlen(key), lock);

    if (!dir) {
        const char *tmp = stap_cache_begin(cx, c, lock);

        if (!tmp)
            return NULL;
        if (!fill(cx, t, map, arena_printf(cx->arena, "%s/build", tmp))) {
            diag_error(cx->diag, (struct span){0}, "stap",
                       "cannot make links to %s in %s, for return probes", t->build, tmp);
            file_remove_tree(tmp);
            return NULL;
        }
        dir = stap_cache_commit(cx, c, tmp, "tree", key, strlen(key), lock);
    }
    if (dir && cx->verbose)
        diag_note(cx->diag, (struct span){0},
                  "stap gets a build directory with a System.map, for return probes");
    return dir ? arena_printf(cx->arena, "%s/build", dir) : NULL;
}
