/*
 * build: a resolved script becomes NAME.ko. Enters: the script's text, the kernel it is for,
 * limits; leaves: the module's path, out of the cache when the same was built before. Refuses what
 * toolchain.c misses; a failure of stap is shown by what it wrote.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/abi.h"
#include "base/diag.h"
#include "base/bytes.h"
#include "base/file.h"
#include "stap/build.h"

enum { SECONDS_TO_BUILD = 1800, LOG_MAX = 16 << 20, LOG_LINES = 12, MODULE_NAME_MAX = 54 };

static const struct span nowhere;

/* stap compiles with -Werror; what these warn of, a script may say: if (a << b), if (a == b ==
 * c). */
static const char no_warnings[] =
    "KCFLAGS=-Wno-bool-operation -Wno-bool-compare -Wno-int-in-bool-context -Wno-overflow "
    "-Wno-tautological-compare -Wno-shift-overflow -Wno-shift-count-overflow "
    "-Wno-shift-count-negative -Wno-logical-not-parentheses";

struct build {
    struct compile *cx;
    const struct stap_build *b;
    struct stap_tools tools;
    struct stap_cache cache;
    const char *runtime, *runtime_key;
    const char **defines; /* "-DNAME=VALUE", and options that change what is made */
    uint32_t n_defines;
    const char *name;
};

/* ---- what stap is told ---- */

static void add_option(struct build *s, const char *option)
{
    s->defines = arena_grow(s->cx->arena, s->defines, s->n_defines, sizeof(*s->defines));
    s->defines[s->n_defines++] = option;
}

static void define(struct build *s, const char *name, uint32_t value)
{
    add_option(s, arena_printf(s->cx->arena, "-D%s=%u", name, value));
}

static void make_defines(struct build *s)
{
    const struct limits *l = &s->cx->limits;

    define(s, "MAXACTION", l->maxaction);
    define(s, "MAXMAPENTRIES", l->maxmapentries);
    define(s, "MAXSTRINGLEN", l->maxstringlen + 1); /* stap's counts the NUL */
    if (l->maxerrors == NGS_ERRORS_SUPPRESSED)
        add_option(s, "--suppress-handler-errors");
    else
        define(s, "MAXERRORS", l->maxerrors);
    define(s, "MAXSKIPPED", l->maxskipped ? l->maxskipped : INT32_MAX);
    define(s, "MAXNESTING", l->maxnesting);
    for (uint32_t i = 0; i < s->b->n_defines; i++)
        add_option(s, arena_printf(s->cx->arena, "-D%s", s->b->defines[i]));
}

/* All that the module depends on. */
static const char *make_key(struct build *s, size_t *len)
{
    struct compile *cx = s->cx;
    const char *head =
        arena_printf(cx->arena, "stap %s\nkernel %s\nheaders %s\nname %s\nbadvars %d\n%s",
                     s->tools.version, s->tools.release, s->tools.stamp,
                     s->b->name ? s->b->name : "", cx->skip_badvars, s->runtime_key);
    size_t n;

    for (uint32_t i = 0; i < s->n_defines; i++)
        head = arena_printf(cx->arena, "%s%s\n", head, s->defines[i]);
    n = strlen(head);
    *len = n + s->b->len;
    char *key = arena_alloc(cx->arena, *len + 1);

    memcpy(key, head, n);
    memcpy(key + n, s->b->script, s->b->len);
    return key;
}

/* Two modules that run at once must differ in name, and staprun -R makes room for a pid in it. */
static const char *name_of(struct build *s, const char *key, size_t len)
{
    if (s->b->name)
        return s->b->name;
    return arena_printf(s->cx->arena, "ngstap_%016llx_module",
                        (unsigned long long)bytes_hash(BYTES_HASH, key, len));
}

static bool check_name(struct compile *cx, const char *name)
{
    if (!name)
        return true;
    size_t n = strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_");

    return (n && !name[n] && n <= MODULE_NAME_MAX) ||
           diag_error(cx->diag, nowhere, "options",
                      "-m %s: a module's name has only a-z, 0-9 and _, and at most %d of them",
                      name, MODULE_NAME_MAX);
}

/* ---- running stap ---- */

/* What stap wrote: its errors, else the end of it. */
static void show_log(struct compile *cx, const char *log)
{
    char *text = stap_read_file(cx, log, LOG_MAX, NULL);
    const char *from = text, *error = NULL;
    uint32_t lines = 0;

    if (!text)
        return;
    for (const char *p = text; *p; p++)
        if (!error && (p == text || p[-1] == '\n') &&
            strstr(arena_strndup(cx->arena, p, strcspn(p, "\n")), "error"))
            error = p;
    if (error) {
        from = error;
    } else {
        for (const char *p = text + strlen(text); p > text && lines <= LOG_LINES; p--)
            if (p[-1] == '\n' && lines++ < LOG_LINES)
                from = p;
    }
    lines = 0;
    for (const char *p = from; *p && lines < LOG_LINES; lines++) {
        size_t n = strcspn(p, "\n");

        diag_note(cx->diag, nowhere, "stap: %.*s", (int)n, p);
        p += n + (p[n] == '\n');
    }
}

static bool run_stap(struct build *s, const char *dir, const char *tree)
{
    struct arena *a = s->cx->arena;
    const char *log = arena_printf(a, "%s/log", dir);
    const char *script = arena_printf(a, "%s/script.stp", dir);
    const char *env[] = {
        arena_printf(a, "TMPDIR=%s", dir),
        arena_printf(a, "SYSTEMTAP_DIR=%s/systemtap", s->cache.dir),
        arena_printf(a, "SYSTEMTAP_DEBUGINFO_PATH=%s/debug:+:.debug:%s", dir, "/usr/lib/debug"),
        NULL};
    const char **argv = ARENA_ARRAY(a, const char *, s->n_defines + 24);
    uint32_t n = 0;

    if (!stap_write_file(script, s->b->script, s->b->len))
        return diag_error(s->cx->diag, nowhere, "stap", "cannot write %s: %s", script,
                          strerror(errno));
    stap_write_stubs(s->cx, &s->b->points, arena_printf(a, "%s/debug", dir));
    argv[n++] = s->tools.stap;
    argv[n++] = "-p4";
    argv[n++] = "-g";
    argv[n++] = "-w";
    argv[n++] = "-v";
    argv[n++] = "-m";
    argv[n++] = s->name;
    argv[n++] = "-r";
    argv[n++] = tree;
    argv[n++] = "-B";
    argv[n++] = no_warnings;
    if (s->runtime != s->tools.runtime) {
        argv[n++] = "-R";
        argv[n++] = s->runtime;
    }
    if (s->cx->skip_badvars)
        argv[n++] = "--skip-badvars";
    for (uint32_t i = 0; i < s->n_defines; i++)
        argv[n++] = s->defines[i];
    argv[n++] = script;
    struct stap_child c = {
        .argv = argv, .dir = dir, .env = env, .log = log, .seconds = SECONDS_TO_BUILD};
    int status = stap_child_run(s->cx, &c);

    if (status < 0)
        return false;
    if (!status && !access(arena_printf(a, "%s/%s.ko", dir, s->name), R_OK)) {
        if (s->cx->verbose > 1)
            show_log(s->cx, log);
        return true;
    }
    diag_error(s->cx->diag, nowhere, "stap",
               "%s could not make a module for kernel %s (it ended with %d)", s->tools.stap,
               s->tools.release, status);
    show_log(s->cx, log);
    diag_hint(s->cx->diag, "--dump-stap shows the script that it was given");
    return false;
}

/* Only the module and its key stay. */
static void tidy(struct build *s, const char *dir)
{
    static const char *const away[] = {"log", "script.stp"};

    for (size_t i = 0; i < sizeof(away) / sizeof(*away); i++)
        unlink(arena_printf(s->cx->arena, "%s/%s", dir, away[i]));
    file_remove_tree(arena_printf(s->cx->arena, "%s/debug", dir));
}

static const char *module_in(struct build *s, const char *dir)
{
    return arena_printf(s->cx->arena, "%s/%s.ko", dir, s->name);
}

static bool make_module(struct build *s, const char *key, size_t len, struct stap_object *out)
{
    const char *dir = stap_cache_find(s->cx, &s->cache, "module", key, len, &out->lock);

    if (dir) {
        out->path = module_in(s, dir);
        out->cached = true;
        return true;
    }
    const char *tmp = stap_cache_begin(s->cx, &s->cache, &out->lock);

    if (!tmp)
        return false;
    int tree_lock;
    const char *tree =
        stap_build_tree(s->cx, &s->tools, &s->cache,
                        arena_strndup(s->cx->arena, s->b->script, s->b->len), &tree_lock);
    bool ok = tree && run_stap(s, tmp, tree);

    if (tree_lock >= 0)
        close(tree_lock);
    if (!ok) {
        file_remove_tree(tmp);
        return false;
    }
    tidy(s, tmp);
    dir = stap_cache_commit(s->cx, &s->cache, tmp, "module", key, len, &out->lock);
    if (!dir)
        file_remove_tree(tmp);
    out->path = dir ? module_in(s, dir) : NULL;
    return dir != NULL;
}

static bool with_tools(struct build *s, struct stap_object *out)
{
    struct compile *cx = s->cx;
    size_t len;
    int lock;
    const char *scratch = stap_cache_begin(cx, &s->cache, &lock);
    const char *why = scratch ? stap_find_tools(cx, s->b->release, scratch, &s->tools) : NULL;

    if (!scratch)
        return false;
    close(lock);
    file_remove_tree(scratch);
    if (why)
        return diag_error(cx->diag, nowhere, "stap", "%s", why);
    s->runtime =
        stap_runtime(cx, &s->tools, &s->cache, s->b->patches, s->b->n_patches, &s->runtime_key);
    if (!s->runtime)
        return false;
    make_defines(s);
    const char *key = make_key(s, &len);

    s->name = name_of(s, key, len);
    return make_module(s, key, len, out);
}

bool stap_build(struct compile *cx, const struct stap_build *b, struct stap_object *out)
{
    struct build s = {.cx = cx, .b = b};

    *out = (struct stap_object){.lock = -1};
    if (!check_name(cx, b->name) || !stap_cache_open(cx, &s.cache))
        return false;
    if (!s.cache.kept)
        out->scratch = s.cache.dir;
    bool ok = with_tools(&s, out);

    stap_cache_trim(cx, &s.cache);
    return ok;
}

void stap_release(struct stap_object *m)
{
    if (m->lock >= 0)
        close(m->lock);
    if (m->scratch)
        file_remove_tree(m->scratch);
    *m = (struct stap_object){.lock = -1};
}

const char *stap_lacks(struct compile *cx, const char *release)
{
    struct stap_cache c;
    struct stap_tools t;
    int lock;
    const char *scratch = stap_cache_open(cx, &c) ? stap_cache_begin(cx, &c, &lock) : NULL;
    const char *why =
        scratch ? stap_find_tools(cx, release, scratch, &t) : "no temporary directory can be made";

    if (scratch) {
        close(lock);
        file_remove_tree(c.kept ? scratch : c.dir);
    }
    return why;
}
