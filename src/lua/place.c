/*
 * place: where an nginx keeps its files. Enters: the arguments of a process and its executable,
 * both the target's; leaves: its prefix and its configuration file, as the target sees them.
 * Refused: what calls itself neither nginx nor openresty, and paths that are not absolute in the
 * end.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/bytes.h"
#include "lua/nginx.h"

enum { EXE_MAX = 128 << 20, OPTION_MAX = 1024, WORDS_MAX = 256 };

struct words {
    const char *v[WORDS_MAX];
    uint32_t n;
};

/* A master calls itself "nginx: master process nginx -p ...", in one piece; else the arguments are
 * apart. */
static void split(struct arena *a, const char *cmdline, size_t len, struct words *out)
{
    static const char title[] = "nginx: ";
    const char *end = cmdline + len;
    bool titled = len > sizeof(title) && !memcmp(cmdline, title, sizeof(title) - 1);

    for (const char *p = cmdline; p < end && out->n < WORDS_MAX;) {
        const char *stop = p;

        while (stop < end && *stop && !(titled && *stop == ' '))
            stop++;
        if (stop > p)
            out->v[out->n++] = arena_strndup(a, p, (size_t)(stop - p));
        p = stop + 1;
    }
}

/* What follows -LETTER, in the same word or the next. */
static const char *option(const struct words *w, char letter)
{
    for (uint32_t i = 1; i < w->n; i++)
        if (w->v[i][0] == '-' && w->v[i][1] == letter)
            return w->v[i][2] ? w->v[i] + 2 : i + 1 < w->n ? w->v[i + 1] : NULL;
    return NULL;
}

/* "--prefix=" and the like, among the arguments of configure that an nginx carries for -V. */
static const char *configured(struct arena *a, const char *exe, size_t len, const char *name)
{
    const char *p = exe ? memmem(exe, len, name, strlen(name)) : NULL;
    size_t n = 0;

    if (!p)
        return NULL;
    p += strlen(name);
    while (n < OPTION_MAX && p + n < exe + len && p[n] && !strchr(" '\"\n", p[n]))
        n++;
    return n && n < OPTION_MAX ? arena_strndup(a, p, n) : NULL;
}

const char *nginx_join(struct arena *a, const char *dir, const char *name)
{
    size_t len = strlen(dir);

    return arena_printf(a, "%s%s%s", dir, len && dir[len - 1] == '/' ? "" : "/", name);
}

const char *nginx_full(struct arena *a, const char *dir, const char *name)
{
    if (*name == '/')
        return name;
    return dir && *dir == '/' ? nginx_join(a, dir, name) : NULL;
}

static bool is_nginx(const char *name)
{
    name = name ? base_name(name) : NULL;
    return name && (!strncmp(name, "nginx", 5) || !strncmp(name, "openresty", 9));
}

bool nginx_place_guess(const struct sysroot *root, struct nginx_place *out)
{
    static const struct nginx_place usual[] = {
        {"/usr/local/openresty/nginx/", "/usr/local/openresty/nginx/conf/nginx.conf"},
        {"/usr/local/nginx/", "/usr/local/nginx/conf/nginx.conf"},
        {"/usr/share/nginx/", "/etc/nginx/nginx.conf"},
    };

    for (size_t i = 0; i < sizeof(usual) / sizeof(*usual); i++) {
        int fd = sysroot_open(root, usual[i].conf);

        if (fd < 0)
            continue;
        close(fd);
        *out = usual[i];
        return true;
    }
    return false;
}

bool nginx_place_find(struct compile *cx, const struct sysroot *root, const char *exe,
                      const char *cwd, const char *cmdline, size_t len, struct nginx_place *out)
{
    struct arena *a = cx->arena;
    struct words w = {.n = 0};

    *out = (struct nginx_place){NULL, NULL};
    if (cmdline)
        split(a, cmdline, len, &w);
    if (!is_nginx(exe) && (!w.n || !is_nginx(w.v[0])))
        return false;
    const char *prefix = option(&w, 'p'), *conf = option(&w, 'c');

    if (!prefix || !conf) {
        size_t size = 0;
        char *image = exe ? sysroot_read(root, exe, EXE_MAX, &size) : NULL;

        if (!prefix)
            prefix = configured(a, image, size, "--prefix=");
        if (!conf)
            conf = configured(a, image, size, "--conf-path=");
        free(image);
    }
    prefix = nginx_full(a, cwd, prefix ? prefix : "/usr/local/nginx");
    if (!prefix)
        return false;
    out->prefix = arena_printf(a, "%s%s", prefix, prefix[strlen(prefix) - 1] == '/' ? "" : "/");
    out->conf = nginx_full(a, out->prefix, conf ? conf : "conf/nginx.conf");
    return true;
}
