/*
 * convert: saved profiles become pictures: "ngstap convert" and "ngstap diff". Enters: text as the
 * samples print it, or folded; leaves: a file in one of the formats of out/.
 */
#include <getopt.h>
#include <string.h>
#include <sys/stat.h>

#include "base/arena.h"
#include "base/diag.h"
#include "cli/options.h"
#include "cli/picture.h"
#include "cli/subcommand.h"
#include "lua/lua.h"

static const struct span nowhere;

struct convert {
    struct options o; /* sysroot: of the sources; NULL: frames stay as they are */
    const char *title;
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

/* ---- names of functions ---- */

static bool open_names(struct compile *cx, struct convert *c)
{
    struct target_opts o = {.sysroot = c->o.target.sysroot};

    if (!o.sysroot)
        return true;
    c->target = target_open(cx, &o);
    if (c->target)
        c->names = lua_names_new(cx, c->target);
    return c->target != NULL;
}

static void close_names(struct convert *c)
{
    lua_names_free(c->names);
    if (c->target)
        target_close(c->target);
}

static bool name_frame(void *arg, const char *frame, size_t len, char *to, size_t size)
{
    const struct convert *c = arg;

    return c->names && lua_names_frame(c->names, frame, len, to, size);
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

/* When the samples were taken: about when they were saved. */
static int64_t time_of(const char *path)
{
    struct stat st;

    return strcmp(path, "-") && !stat(path, &st) ? (int64_t)st.st_mtime : 0;
}

int subcommand_convert(struct compile *cx, int argc, char **argv)
{
    struct convert c = {0};
    struct picture p;

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
    const char *path = argv[optind];
    const struct out_format *format = picture_format(cx, c.o.format, c.o.output);
    struct out_reader_opts o = {.input = path, .rename = name_frame, .arg = &c};

    if (format && format->live) {
        diag_error(cx->diag, nowhere, "options",
                   "%s is made while a script runs, not from saved text", format->name);
        diag_hint(cx->diag, "ngstap --format %s SCRIPT ...", format->name);
        return 1;
    }
    if (!format || !open_names(cx, &c))
        return 1;
    if (!picture_open(cx, format, c.o.output, NULL, &o, &p)) {
        close_names(&c);
        return 1;
    }
    p.info.title = c.title ? c.title : path;
    p.info.time = time_of(path);
    bool ok = picture_read(cx, p.reader, path);

    ok = picture_close(&p, ok);
    close_names(&c);
    return ok ? 0 : 1;
}

static struct out_profile *read_profile(struct compile *cx, struct convert *c, const char *path)
{
    struct out_reader_opts o = {.input = path, .rename = name_frame, .arg = c};
    struct out_reader *r = out_reader_new(cx, &o);
    bool ok = picture_read(cx, r, path);
    struct out_profile *p = out_reader_end(r);

    if (ok && p && !p->total)
        ok = diag_error(cx->diag, nowhere, "stacks",
                        "%s holds no stack: there is nothing to compare",
                        strcmp(path, "-") ? path : "standard input");
    return ok ? p : NULL;
}

int subcommand_diff(struct compile *cx, int argc, char **argv)
{
    struct convert c = {0};
    struct out_file file;

    if (!options_command(cx, argc, argv, &diff_options, &c, &c.o))
        return 1;
    if (c.o.help)
        return 0;
    if (optind + 2 != argc) {
        diag_error(cx->diag, nowhere, "options", "diff takes two files");
        diag_hint(cx->diag, "ngstap diff BEFORE AFTER -o FILE.svg");
        return 1;
    }
    const char *before = argv[optind], *after = argv[optind + 1];
    struct out_info info = {
        .title = c.title ? c.title : arena_printf(cx->arena, "%s \342\206\222 %s", before, after)};
    if (!open_names(cx, &c))
        return 1;
    struct out_profile *a = read_profile(cx, &c, before);
    struct out_profile *b = a ? read_profile(cx, &c, after) : NULL;

    close_names(&c);
    if (!b || !out_file_open(cx, c.o.output, &file) || !out_file_begin(cx, &file))
        return 1;
    bool ok = out_write_diff(cx, a, b, &info, file.f);

    return out_file_close(cx, &file, ok) && ok ? 0 : 1;
}
