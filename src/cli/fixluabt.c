/*
 * fixluabt: "ngstap fix-lua-bt", also under its old name alone: a filter that names the functions
 * of saved stacks. Enters: text, a frame a line; leaves: the same lines, "@path:line" replaced
 * where the source tells the function, "builtin#N" where the process of -x does. Refused: an input
 * or a --conf that cannot be read; a root or a --prefix that is no folder.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/diag.h"
#include "cli/apart.h"
#include "cli/options.h"
#include "cli/subcommand.h"
#include "base/clean.h"
#include "lua/lua.h"

static const struct span nowhere;

struct filter {
    struct options o;
    const char *prefix, *conf;
    struct lua_names *names;
    struct compile *cx;
    struct target *t;
    const char *path; /* "-": standard input */
    struct lua_place place;
    char *out; /* a line, in its longest form */
    size_t size;
};

static bool set_prefix(void *command, const char *option, const char *value)
{
    ((struct filter *)command)->prefix = value;
    return true;
}

static bool set_conf(void *command, const char *option, const char *value)
{
    ((struct filter *)command)->conf = value;
    return true;
}

static const struct command_option taken[] = {
    {"-x", NULL, "sources as this process sees them, and its built-in functions", NULL},
    {"--sysroot", NULL, "sources below DIR; else FIX_LUA_ROOT, when it is set", NULL},
    {"--prefix", "DIR", "nginx's prefix, for relative names", set_prefix},
    {"--conf", "FILE", "nginx's configuration, for Lua code in it", set_conf},
};

static const struct command_options options = {
    "fix-lua-bt",
    "Usage: fix-lua-bt [OPTION]... [FILE]\n"
    "       ngstap fix-lua-bt [OPTION]... [FILE]\n"
    "Copies FILE (standard input without one, or for -) and replaces each Lua frame in it,\n"
    "@path:line, by module:function, as its source tells. What has no name stays as it is.\n\n",
    taken, sizeof(taken) / sizeof(*taken)};

static bool parse(struct compile *cx, int argc, char **argv, struct filter *f)
{
    const char *root = getenv("FIX_LUA_ROOT");

    if (!options_command(cx, argc, argv, &options, f, &f->o))
        return false;
    if (!f->o.target.sysroot && root && *root)
        f->o.target.sysroot = root;
    if (!f->o.help && argc - optind > 1)
        return diag_error(cx->diag, nowhere, "options", "fix-lua-bt takes one FILE");
    return true;
}

/* ---- lines ---- */

static bool reserve(struct filter *f, size_t len)
{
    size_t need = len * 4 + LUA_FRAME_MAX;
    char *fresh = need > f->size ? realloc(f->out, need) : f->out;

    if (!fresh)
        return false;
    f->size = need > f->size ? need : f->size;
    f->out = fresh;
    return true;
}

static bool begins(const char *s, size_t len, const char *with)
{
    return len >= strlen(with) && !memcmp(s, with, strlen(with));
}

static bool is_chunk(const char *s, size_t len)
{
    if (begins(s, len, "T:")) {
        s += 2;
        len -= 2;
    }
    return len &&
           (*s == '@' || *s == '=' || begins(s, len, "[string ") || begins(s, len, "builtin#"));
}

/* The length without a count at the end: "\t12". */
static size_t without_count(const char *s, size_t len)
{
    size_t at = len;

    while (at && s[at - 1] >= '0' && s[at - 1] <= '9')
        at--;
    if (at == len)
        return len;
    while (at && (s[at - 1] == '\t' || s[at - 1] == ' '))
        at--;
    return s[at] == '\t' || s[at] == ' ' ? at : len;
}

/* Text that is no frame: what separates its columns stays. */
static void plain(struct filter *f, const char *s, size_t len)
{
    while (len) {
        const char *tab = memchr(s, '\t', len);
        size_t n = tab ? (size_t)(tab - s) : len;

        fwrite(f->out, 1, clean_text(s, n, f->out, f->size), stdout);
        if (tab)
            putchar('\t');
        n += tab != NULL;
        s += n;
        len -= n;
    }
}

static void line(struct filter *f, const char *s, size_t len)
{
    size_t end = len, n;

    if (end && s[end - 1] == '\n')
        end--;
    if (end && s[end - 1] == '\r')
        end--;
    for (n = 0; n < end && (s[n] == ' ' || s[n] == '\t'); n++)
        ;
    fwrite(s, 1, n, stdout);
    size_t frame = without_count(s + n, end - n);

    if (is_chunk(s + n, frame) || !memchr(s + n, '\t', end - n)) {
        lua_names_frame(f->names, s + n, frame, f->out, f->size);
        fputs(f->out, stdout);
        fwrite(s + n + frame, 1, end - n - frame, stdout);
    } else {
        plain(f, s + n, end - n);
    }
    fwrite(s + end, 1, len - end, stdout);
}

static bool copy(struct compile *cx, struct filter *f, FILE *in, const char *name)
{
    char *text = NULL;
    size_t size = 0;
    ssize_t len;

    errno = 0;
    while ((len = getline(&text, &size, in)) > 0 && reserve(f, (size_t)len) && !ferror(stdout))
        line(f, text, (size_t)len);
    int error = errno;
    bool ok = feof(in) && !ferror(in);

    free(text);
    if (fflush(stdout) || ferror(stdout))
        return diag_error(cx->diag, nowhere, "output", "cannot write the output: %s",
                          strerror(errno));
    return ok || diag_error(cx->diag, nowhere, "input", "cannot read %s: %s", name,
                            strerror(error ? error : EIO));
}

/* Without any name the reason is most likely one and the same. */
static void report(struct compile *cx, const struct filter *f, const struct target *t)
{
    struct lua_names_counts c = lua_names_counts(f->names);
    const char *root = sysroot_dir(t->root);

    if (c.found || !c.missing)
        return;
    diag_warning(cx->diag, nowhere,
                 "none of %u sources tells a name below %s/: frames stay as they are", c.sources,
                 root);
    if (c.unreadable)
        diag_hint(cx->diag, "--sysroot DIR or -x PID says where the sources are");
}

static const char *absolute(struct compile *cx, const char *cwd, const char *path)
{
    return *path == '/' || !cwd ? path : arena_printf(cx->arena, "%s/%s", cwd, path);
}

/* As the sources are: through the target's root. */
static bool check_place(struct compile *cx, const struct target *t, const char *option,
                        const char *path)
{
    bool folder = !strcmp(option, "--prefix");
    int fd = folder ? sysroot_open_dir(t->root, path) : sysroot_open(t->root, path);

    if (fd >= 0)
        return !close(fd);
    diag_error(cx->diag, nowhere, "input", "cannot read %s %s%s: %s", option,
               sysroot_is_host(t->root) ? "" : sysroot_dir(t->root), path, strerror(errno));
    if (folder)
        diag_hint(cx->diag, "nginx -V shows --prefix; names relative to it are looked for there");
    return false;
}

/* In a jail: who saved the text, and whose the sources are, is not known. */
static bool work(struct jail_question *q, FILE *answer)
{
    struct filter *f = q->arg;
    int fd = fcntl(q->fds[0], F_DUPFD_CLOEXEC, 0);
    FILE *in = fd >= 0 ? fdopen(fd, "r") : NULL;

    if (!in)
        return diag_error(f->cx->diag, nowhere, "input", "cannot read %s: %s", f->path,
                          strerror(errno));
    f->names = lua_names_at(f->cx, &f->place);
    bool ok = copy(f->cx, f, in, f->path);

    report(f->cx, f, f->t);
    lua_names_free(f->names);
    free(f->out);
    fclose(in);
    return ok;
}

static bool find_place(struct compile *cx, struct filter *f)
{
    struct lua_place *place = &f->place;
    char cwd[PATH_MAX];

    lua_place_find(cx, f->t, place);
    if (!f->t->n_pids && !sysroot_is_host(f->t->root))
        place->cwd = "/";
    else if (!f->t->n_pids)
        place->cwd = getcwd(cwd, sizeof(cwd)) ? arena_strdup(cx->arena, cwd) : NULL;
    if (f->prefix)
        place->prefix = absolute(cx, place->cwd, f->prefix);
    if (f->conf)
        place->conf = absolute(cx, place->cwd, f->conf);
    else if (f->prefix)
        place->conf = arena_printf(cx->arena, "%s/conf/nginx.conf", place->prefix);
    return (!f->prefix || check_place(cx, f->t, "--prefix", place->prefix)) &&
           (!f->conf || check_place(cx, f->t, "--conf", place->conf));
}

static bool run(struct compile *cx, struct filter *f)
{
    int fd = strcmp(f->path, "-") ? open(f->path, O_RDONLY | O_CLOEXEC)
                                  : fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 0);

    if (fd < 0)
        return diag_error(cx->diag, nowhere, "input", "Cannot open %s for reading: %s", f->path,
                          strerror(errno));
    bool ok = find_place(cx, f);
    const char *named[] = {f->place.prefix, f->place.conf};
    const struct apart_work w = {
        .work = work, .arg = f, .fds = {fd, -1}, .files = named, .n_files = 2};

    ok = ok && apart_do(cx, &f->o, f->t, &w, stdout);
    close(fd);
    if (ok && (fflush(stdout) || ferror(stdout)))
        ok =
            diag_error(cx->diag, nowhere, "output", "cannot write the output: %s", strerror(errno));
    return ok;
}

int subcommand_fix_lua_bt(struct compile *cx, int argc, char **argv)
{
    struct filter f = {.size = 0};

    if (!parse(cx, argc, argv, &f))
        return 1;
    if (f.o.help)
        return 0;
    f.cx = cx;
    f.path = optind < argc ? argv[optind] : "-";
    f.t = apart_target(cx, &f.o, &f.o.target);
    bool ok = f.t && run(cx, &f);

    if (f.t)
        target_close(f.t);
    return ok ? 0 : 1;
}
