/*
 * file: a result is written beside its name and renamed when it is whole, so that nobody finds half
 * of one; the file beside is there only while it is written. Enters: a path; leaves: the file, or
 * nothing. What cannot be renamed over (a pipe, a
 * terminal, /dev/null) is written to as it is.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/diag.h"
#include "base/interrupt.h"
#include "out/out.h"

static const struct span nowhere;

/* Opens the file beside. No ending signal strikes while it is there, else it would stay. */
static bool make(struct compile *cx, struct out_file *out)
{
    char *name = arena_printf(cx->arena, "%s.XXXXXX", out->path);
    sigset_t ending;

    sigemptyset(&ending);
    sigaddset(&ending, SIGINT);
    sigaddset(&ending, SIGTERM);
    sigaddset(&ending, SIGHUP);
    sigprocmask(SIG_BLOCK, &ending, &out->mask);
    int fd = mkostemp(name, O_CLOEXEC);

    out->f = fd >= 0 ? fdopen(fd, "w") : NULL;
    if (!out->f) {
        diag_error(cx->diag, nowhere, "output", "cannot write %s: %s", out->path, strerror(errno));
        sigprocmask(SIG_SETMASK, &out->mask, NULL);
        return false;
    }
    mode_t mask = umask(0);

    umask(mask);
    fchmod(fd, 0666 & ~mask);
    out->temporary = name;
    return true;
}

static void unmake(struct out_file *out)
{
    fclose(out->f);
    unlink(out->temporary);
    out->f = NULL;
    out->temporary = NULL;
    sigprocmask(SIG_SETMASK, &out->mask, NULL);
}

/* What is not renamed is written as it is; ^C is heard though nobody reads. */
static bool as_it_is(struct compile *cx, struct out_file *out, const char *path)
{
    int fd = path ? open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666) : STDOUT_FILENO;

    out->f = fd >= 0 ? interrupt_stream(cx->interrupt, fd) : NULL;
    if (out->f)
        setvbuf(out->f, NULL, _IOFBF, BUFSIZ);
    return out->f || diag_error(cx->diag, nowhere, "output", "cannot write %s: %s",
                                path ? path : "standard output", strerror(errno));
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
    out->beside = true;
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
    const char *path = out->path ? out->path : "standard output";
    bool ok = out->f && !fflush(out->f) && !ferror(out->f);

    if (out->f)
        ok = !fclose(out->f) && ok;
    out->f = NULL;
    if (ok && keep && out->temporary)
        ok = !rename(out->temporary, out->path);
    if (!ok && keep)
        diag_error(cx->diag, nowhere, "output", "cannot write %s: %s", path, strerror(errno));
    if (out->temporary) {
        if (!(ok && keep))
            unlink(out->temporary);
        sigprocmask(SIG_SETMASK, &out->mask, NULL);
    }
    return ok || !keep;
}
