/*
 * convert: saved profiles become pictures: "ngstap convert" and "ngstap diff". Enters: text as the
 * samples print it, or folded; leaves: a file in one of the formats of out/. Who saved the text,
 * and whose the sources are that name its functions, is not known: a jail reads both.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/bounds.h"
#include "base/diag.h"
#include "cli/apart.h"
#include "cli/options.h"
#include "cli/picture.h"
#include "cli/subcommand.h"
#include "lua/lua.h"

static const struct span nowhere;

struct convert {
    struct compile *cx;
    struct options o; /* sysroot: of the sources; NULL: frames stay as they are */
    const char *title;
    const struct out_format *format; /* convert's */
    const char *paths[2];            /* of the profiles: diff has two */
    struct target *target;
    struct lua_names *names;
};

static bool set_title(void *command, const char *option, const char *value)
{
    ((struct convert *)command)->title = value;
    return true;
}

/* diff has all but the first. */
static const struct command_option taken[] = {
    {"--format", NULL, "one of those below; else by the ending of -o, else flamegraph", NULL},
    {"-o", NULL, "write to FILE, which is whole or not there", NULL},
    {"--title", "TEXT", "the title of the picture", set_title},
    {"--sysroot", NULL, "name functions by the Lua sources below DIR", NULL},
};

enum { N_TAKEN = sizeof(taken) / sizeof(*taken) };

/* ---- in the jail ---- */

static bool name_frame(void *arg, const char *frame, size_t len, char *to, size_t size)
{
    const struct convert *c = arg;

    return c->names && lua_names_frame(c->names, frame, len, to, size);
}

static struct out_profile *read_profile(struct convert *c, int n, int fd)
{
    const char *path = c->paths[n];
    const struct out_reader_opts o = {.input = path, .rename = name_frame, .arg = c};

    bounds_file(strcmp(path, "-") ? path : "standard input");
    struct out_profile *p = picture_saved(c->cx, &o, fd);

    if (!p || p->total)
        return p;
    diag_error(c->cx->diag, nowhere, "stacks", "there is no stack to show in %s",
               strcmp(path, "-") ? path : "standard input");
    diag_hint(c->cx->diag, "the saved text is empty: did its script see any Lua? What it said "
                           "about it went to standard error");
    return NULL;
}

/* When the samples were taken: about when they were saved. */
static int64_t time_of(const char *path, int fd)
{
    struct stat st;

    return strcmp(path, "-") && !fstat(fd, &st) ? (int64_t)st.st_mtime : 0;
}

static bool draw(struct convert *c, const int *fds, FILE *out)
{
    struct out_profile *p = read_profile(c, 0, fds[0]);
    const struct out_info info = {.title = c->title ? c->title : c->paths[0],
                                  .time = time_of(c->paths[0], fds[0])};

    return p && picture_write(c->cx, c->format, p, &info, out);
}

static bool draw_change(struct convert *c, const int *fds, FILE *out)
{
    struct out_profile *a = read_profile(c, 0, fds[0]), *b = a ? read_profile(c, 1, fds[1]) : NULL;
    const struct out_info info = {
        .title = c->title
                     ? c->title
                     : arena_printf(c->cx->arena, "%s \342\206\222 %s", c->paths[0], c->paths[1])};

    return b && out_write_diff(c->cx, a, b, &info, out);
}

static bool work(struct jail_question *q, FILE *answer)
{
    struct convert *c = q->arg;

    c->names = c->target ? lua_names_new(c->cx, c->target) : NULL;
    bool ok = c->paths[1] ? draw_change(c, q->fds, answer) : draw(c, q->fds, answer);

    lua_names_free(c->names);
    return ok;
}

/* ---- the commands ---- */

static const struct command_options convert_options = {
    "ngstap convert",
    "Usage: ngstap convert [OPTION]... FILE\n"
    "Writes the stacks in FILE (- for standard input), as a script printed them or folded, in\n"
    "another format.\n\n",
    taken, N_TAKEN};

static const struct command_options diff_options = {
    "ngstap diff",
    "Usage: ngstap diff [OPTION]... BEFORE AFTER\n"
    "Draws what changed between two saved profiles, text or folded, as a flame graph: red is\n"
    "what has a larger share of the samples in AFTER, blue what has a smaller one.\n\n",
    taken + 1, N_TAKEN - 1};

static void print_formats(void)
{
    const struct out_format *f;

    fputs("\nFormats:\n", stdout);
    for (uint32_t i = 0; (f = out_format_at(i)); i++)
        if (!f->live)
            printf("  %-22s  %s (%s)\n", f->name, f->summary, f->ending);
}

/* -1 after reporting. */
static int open_saved(struct compile *cx, const char *path)
{
    int fd = strcmp(path, "-") ? open(path, O_RDONLY | O_CLOEXEC)
                               : fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 0);

    if (fd < 0)
        diag_error(cx->diag, nowhere, "options", "cannot read %s: %s", path, strerror(errno));
    return fd;
}

static bool open_sources(struct convert *c)
{
    const struct target_opts o = {.sysroot = c->o.target.sysroot};

    if (o.sysroot)
        c->target = apart_target(c->cx, &c->o, &o);
    return c->target || !o.sysroot;
}

/* What both do. */
static bool write_file(struct convert *c)
{
    struct apart_work w = {.work = work, .arg = c, .fds = {-1, -1}};
    struct out_file file;
    bool ok = true;

    for (int i = 0; i < 2 && ok && c->paths[i]; i++)
        ok = (w.fds[i] = open_saved(c->cx, c->paths[i])) >= 0;
    ok = ok && open_sources(c) && out_file_open(c->cx, c->o.output, &file);
    if (ok) {
        ok = out_file_begin(c->cx, &file) && apart_do(c->cx, &c->o, c->target, &w, file.f);
        ok = out_file_close(c->cx, &file, ok) && ok;
    }
    for (int i = 0; i < 2; i++)
        if (w.fds[i] >= 0)
            close(w.fds[i]);
    if (c->target)
        target_close(c->target);
    return ok;
}

int subcommand_convert(struct compile *cx, int argc, char **argv)
{
    struct convert c = {.cx = cx};

    if (!options_command(cx, argc, argv, &convert_options, &c, &c.o))
        return 1;
    if (c.o.help) {
        print_formats();
        return 0;
    }
    if (optind + 1 != argc) {
        diag_error(cx->diag, nowhere, "options", "convert takes one FILE");
        diag_hint(cx->diag, "ngstap convert FILE -o FILE.svg; - is standard input");
        return 1;
    }
    c.paths[0] = argv[optind];
    c.format = picture_format(cx, c.o.format, c.o.output);
    if (c.format && c.format->live) {
        diag_error(cx->diag, nowhere, "options",
                   "%s is made while a script runs, not from saved text", c.format->name);
        diag_hint(cx->diag, "ngstap --format %s SCRIPT ...", c.format->name);
        return 1;
    }
    return c.format && picture_fits(cx, c.format, c.o.output) && write_file(&c) ? 0 : 1;
}

int subcommand_diff(struct compile *cx, int argc, char **argv)
{
    struct convert c = {.cx = cx};

    if (!options_command(cx, argc, argv, &diff_options, &c, &c.o))
        return 1;
    if (c.o.help)
        return 0;
    if (optind + 2 != argc) {
        diag_error(cx->diag, nowhere, "options", "diff takes two files");
        diag_hint(cx->diag, "ngstap diff BEFORE AFTER -o FILE.svg");
        return 1;
    }
    c.paths[0] = argv[optind];
    c.paths[1] = argv[optind + 1];
    return write_file(&c) ? 0 : 1;
}
