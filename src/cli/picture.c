/*
 * picture: puts a reader of stacks before a format. Enters: text, from a file or from a running
 * session; leaves: a whole file, or none. Refuses what holds no stack.
 */
#include "cli/picture.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/bytes.h"
#include "base/diag.h"

static const struct span nowhere;

/* A name without an ending says nothing; one with an ending that no format has says something
 * else. */
static const struct out_format *format_of_ending(struct compile *cx, const char *path)
{
    const struct out_format *f;
    const char *base = base_name(path), *dot = strrchr(base, '.'), *all = "";

    for (uint32_t i = 0; (f = out_format_at(i)); i++) {
        if (ends_with(path, f->ending))
            return f;
        if (!f->live)
            all = arena_printf(cx->arena, "%s%s%s (%s)", all, *all ? ", " : "", f->ending, f->name);
    }
    struct stat st;
    bool device = !stat(path, &st) && !S_ISREG(st.st_mode);

    if (!dot || !dot[1] || dot == base || device)
        return out_format("flamegraph");
    diag_error(cx->diag, nowhere, "options", "-o %s: no format has the ending %s", path, dot);
    diag_hint(cx->diag, "there are %s; --format names one whatever the file is called", all);
    return NULL;
}

const struct out_format *picture_format(struct compile *cx, const char *name, const char *path)
{
    const struct out_format *f;
    struct near near;

    if (!name || !*name)
        return path ? format_of_ending(cx, path) : out_format("flamegraph");
    f = out_format(name);
    if (f)
        return f;
    const char *all = "";

    near_init(&near, name);
    for (uint32_t i = 0; (f = out_format_at(i)); i++) {
        near_try(&near, f->name);
        all = arena_printf(cx->arena, "%s%s%s", all, *all ? ", " : "", f->name);
    }
    diag_error(cx->diag, nowhere, "options", "unknown format %s", name);
    if (near_best(&near))
        diag_hint(cx->diag, "did you mean %s? There are %s", near_best(&near), all);
    else
        diag_hint(cx->diag, "there are %s", all);
    return NULL;
}

const char *picture_names(struct compile *cx)
{
    const char *names = "", *last = NULL;
    const struct out_format *f;

    for (uint32_t i = 0; (f = out_format_at(i)); i++) {
        if (f->live)
            continue;
        if (last)
            names = arena_printf(cx->arena, "%s%s%s", names, *names ? ", " : "", last);
        last = f->name;
    }
    return arena_printf(cx->arena, "%s or %s", names, last);
}

bool picture_fits(struct compile *cx, const struct out_format *format, const char *path)
{
    return path || !format->binary || !isatty(STDOUT_FILENO) ||
           diag_error(cx->diag, nowhere, "options",
                      "%s is nothing for a terminal: name a file by -o", format->name);
}

bool picture_open(struct compile *cx, const struct out_format *format, const char *path, FILE *into,
                  const struct out_reader_opts *o, struct picture *out)
{
    *out = (struct picture){.cx = cx, .format = format, .file.f = into, .cut = o->cut};
    if (!into && (!picture_fits(cx, format, path) || !out_file_open(cx, path, &out->file)))
        return false;
    out->reader = out_reader_new(cx, o);
    return true;
}

static ssize_t on_write(void *cookie, const char *text, size_t n)
{
    struct picture *p = cookie;

    out_reader_feed(p->reader, text, n); /* what fails is reported once, and again at the end */
    return (ssize_t)n;
}

FILE *picture_stream(struct picture *p, bool descriptor)
{
    cookie_io_functions_t io = {.write = on_write};

    p->stream = descriptor ? tmpfile() : fopencookie(p, "w", io);
    p->spooled = descriptor;
    if (!p->stream)
        diag_error(p->cx->diag, nowhere, "output", "%s", strerror(errno));
    else if (!descriptor)
        setvbuf(p->stream, NULL, _IONBF, 0);
    return p->stream;
}

static bool feed_all(struct out_reader *reader, FILE *f)
{
    char text[65536];
    size_t n;
    bool ok = true;

    while (ok && (n = fread(text, 1, sizeof(text), f)) > 0)
        ok = out_reader_feed(reader, text, n);
    return ok;
}

bool picture_write(struct compile *cx, const struct out_format *format, struct out_profile *profile,
                   const struct out_info *info, FILE *f)
{
    struct compile own = *cx;

    own.arena = arena_new();
    if (info->unit)
        profile->unit = info->unit;
    out_tell_apart(own.arena, &profile, 1);
    bool ok = format->write(&own, profile, info, f);

    arena_free(own.arena);
    return ok;
}

/* Of what went wrong before nothing is shown. */
static bool write_all(struct picture *p, bool ok)
{
    struct out_profile *profile = out_reader_end(p->reader);

    if (!profile || !ok || p->cut)
        return profile && ok;
    if (!profile->total) {
        diag_error(p->cx->diag, nowhere, "stacks", "there is no stack to show");
        if (!p->info.command) /* ngstap flame says more */
            diag_hint(p->cx->diag,
                      "the script printed none: was the target busy, and in the code that is "
                      "sampled? -v counts the hits");
        return false;
    }
    return out_file_begin(p->cx, &p->file) &&
           picture_write(p->cx, p->format, profile, &p->info, p->file.f);
}

bool picture_close(struct picture *p, bool ok)
{
    if (p->spooled && p->stream) {
        rewind(p->stream);
        feed_all(p->reader, p->stream);
    }
    if (p->stream)
        fclose(p->stream);
    ok = write_all(p, ok);
    return out_file_close(p->cx, &p->file, ok && !p->cut) && ok;
}

struct out_profile *picture_saved(struct compile *cx, const struct out_reader_opts *o, int fd)
{
    int own = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    FILE *f = own >= 0 ? fdopen(own, "r") : NULL;
    struct out_reader *reader = out_reader_new(cx, o);
    bool ok = f && feed_all(reader, f);

    if (!f || ferror(f))
        ok = diag_error(cx->diag, nowhere, "options", "cannot read %s: %s", o->input,
                        strerror(errno));
    if (f)
        fclose(f);
    struct out_profile *profile = out_reader_end(reader);

    return ok ? profile : NULL;
}
