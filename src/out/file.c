/*
 * file: a result gets its name when it is whole (base/whole.h), so that nobody finds half of one.
 * Enters: a path; leaves: the file, or nothing. What cannot be renamed over (a pipe, a terminal,
 * /dev/null) is written to as it is.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/bytes.h"
#include "base/diag.h"
#include "base/interrupt.h"
#include "out/out.h"

static const struct span nowhere;

static bool fail(struct compile *cx, const struct out_file *out)
{
    return diag_error(cx->diag, nowhere, "output", "cannot write %s: %s",
                      out->path ? out->path : "standard output", strerror(errno));
}

/* No ending signal strikes while there may be a file beside, else it would stay. */
static bool make(struct compile *cx, struct out_file *out)
{
    sigset_t ending;

    sigemptyset(&ending);
    sigaddset(&ending, SIGINT);
    sigaddset(&ending, SIGTERM);
    sigaddset(&ending, SIGHUP);
    sigprocmask(SIG_BLOCK, &ending, &out->mask);
    if (whole_begin(&out->whole, out->dir, base_name(out->path), 0666) &&
        (out->f = fdopen(out->whole.fd, "w")))
        return true;
    fail(cx, out);
    if (out->whole.fd >= 0)
        close(out->whole.fd);
    whole_drop(&out->whole);
    sigprocmask(SIG_SETMASK, &out->mask, NULL);
    return false;
}

static void unmake(struct out_file *out)
{
    whole_drop(&out->whole);
    fclose(out->f);
    out->f = NULL;
    sigprocmask(SIG_SETMASK, &out->mask, NULL);
}

/* The folder that PATH is in, to which names refer from then on. */
static int open_folder(struct compile *cx, const char *path)
{
    size_t n = (size_t)(base_name(path) - path);

    return open(n ? arena_strndup(cx->arena, path, n) : ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
}

/* What is not renamed is written as it is; ^C is heard though nobody reads. */
static bool as_it_is(struct compile *cx, struct out_file *out, const char *path)
{
    int fd = path ? open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666) : STDOUT_FILENO;

    out->f = fd >= 0 ? interrupt_stream(cx->interrupt, fd) : NULL;
    if (out->f)
        setvbuf(out->f, NULL, _IOFBF, BUFSIZ);
    return out->f || fail(cx, out);
}

bool out_file_open(struct compile *cx, const char *path, struct out_file *out)
{
    struct stat st;

    if (path && !strcmp(path, "-"))
        path = NULL;
    *out = (struct out_file){.path = path};
    if (!path || (!stat(path, &st) && !S_ISREG(st.st_mode)))
        return as_it_is(cx, out, path);
    char *real = realpath(path, NULL); /* what a symbolic link points to, else a new file */

    if (real)
        out->path = arena_strdup(cx->arena, real);
    free(real);
    out->dir = open_folder(cx, out->path);
    out->beside = out->dir >= 0;
    if (!out->beside)
        return fail(cx, out);
    if (!make(cx, out))
        return false;
    unmake(out);
    return true;
}

bool out_file_begin(struct compile *cx, struct out_file *out)
{
    return !out->beside || make(cx, out);
}

bool out_file_close(struct compile *cx, struct out_file *out, bool keep)
{
    bool begun = out->beside && out->f;
    bool ok = out->f && !fflush(out->f) && !ferror(out->f);

    if (begun && ok && keep)
        ok = whole_keep(&out->whole, base_name(out->path));
    if (!ok && keep)
        fail(cx, out);
    if (begun)
        whole_drop(&out->whole);
    if (out->f)
        fclose(out->f);
    if (begun)
        sigprocmask(SIG_SETMASK, &out->mask, NULL);
    if (out->beside)
        close(out->dir);
    out->f = NULL;
    out->beside = false;
    return ok || !keep;
}
