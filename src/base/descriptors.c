/*
 * descriptors: see descriptors.h. Each file of the target that is held open, each map, program,
 * event and link is one, and the usual 1,024 are soon used. Enters: how many will be opened;
 * leaves: whether they can be. Libraries take a lack of descriptors for a lack of something else
 * (libelf for a bad file, libbpf for a feature that the kernel has not): so they are counted
 * before.
 */
#include "base/descriptors.h"

#include <errno.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/compile.h"
#include "base/diag.h"

static void raise_limit(void)
{
    struct rlimit files;

    if (getrlimit(RLIMIT_NOFILE, &files) || files.rlim_cur == files.rlim_max)
        return;
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
}

void descriptors_advise(struct compile *cx, int err)
{
    struct rlimit files;

    if (err == EMFILE && !getrlimit(RLIMIT_NOFILE, &files))
        diag_hint(cx->diag,
                  "ngstap may open %llu files at a time (RLIMIT_NOFILE, ulimit -Hn), and needs one "
                  "for each program, array, breakpoint and library of the target: ulimit -n 4096 "
                  "allows more",
                  (unsigned long long)files.rlim_max);
    else if (err == ENFILE)
        diag_hint(cx->diag, "the whole system has too many files open (sysctl fs.file-max)");
}

bool descriptors_spare(struct compile *cx, unsigned n, const char *doing)
{
    int *fds = ARENA_ARRAY(cx->arena, int, n ? n : 1);
    unsigned got = 0;

    raise_limit();
    while (got < n && (fds[got] = dup(STDERR_FILENO)) >= 0)
        got++;
    int err = errno;
    bool ok = got == n;

    while (got)
        close(fds[--got]);
    if (!ok) {
        diag_error(cx->diag, (struct span){0}, "files", "%s takes %u files: %s", doing, n,
                   strerror(err));
        descriptors_advise(cx, err);
    }
    return ok;
}
