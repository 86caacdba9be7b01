/*
 * file: a result is written beside its name and renamed when it is whole, so that nobody finds half
 * of one. Enters: a path; leaves: the file, or nothing. What cannot be renamed over (a pipe, a
 * terminal, /dev/null) is written to as it is.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/diag.h"
#include "out/out.h"

static const struct span nowhere;

bool out_file_open(struct compile *cx, const char *path, struct out_file *out)
{
    struct stat st;
    mode_t mask;
    int fd;

    if (path && !strcmp(path, "-"))
        path = NULL;
    *out = (struct out_file){.f = stdout, .path = path};
    if (!path)
        return true;
    if (!stat(path, &st) && !S_ISREG(st.st_mode)) {
        out->f = fopen(path, "we");
        return out->f || diag_error(cx->diag, nowhere, "output", "cannot write %s: %s", path,
                                    strerror(errno));
    }
    char *real = realpath(path, NULL); /* what a symbolic link points to, else a new file */

    if (real)
        out->path = arena_strdup(cx->arena, real);
    free(real);
    char *name = arena_printf(cx->arena, "%s.XXXXXX", out->path);

    fd = mkostemp(name, O_CLOEXEC);
    out->f = fd >= 0 ? fdopen(fd, "w") : NULL;
    if (!out->f)
        return diag_error(cx->diag, nowhere, "output", "cannot write %s: %s", path,
                          strerror(errno));
    mask = umask(0);
    umask(mask);
    fchmod(fd, 0666 & ~mask);
    out->temporary = name;
    return true;
}

bool out_file_close(struct compile *cx, struct out_file *out, bool keep)
{
    const char *path = out->path ? out->path : "standard output";
    bool ok = !fflush(out->f) && !ferror(out->f);

    if (out->f != stdout)
        ok = !fclose(out->f) && ok;
    out->f = NULL;
    if (ok && keep && out->temporary)
        ok = !rename(out->temporary, out->path);
    if (!ok && keep)
        diag_error(cx->diag, nowhere, "output", "cannot write %s: %s", path, strerror(errno));
    if (out->temporary && !(ok && keep))
        unlink(out->temporary);
    return ok || !keep;
}
