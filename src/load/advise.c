/*
 * advise: what to do when the kernel refuses. Enters: an errno, or what the kernel was found to
 * lack; leaves: a hint that names the privilege or limit.
 */
#include "load/load.h"

#include <errno.h>
#include <linux/capability.h>
#include <string.h>

#include "base/descriptors.h"
#include "base/diag.h"

/* The capabilities that every kernel asks for are there. */
static void advise_allowed(struct compile *cx)
{
    if (!kernel_hint_cap(cx, CAP_SYS_ADMIN))
        diag_hint(cx->diag, "no capability lacks");
    diag_hint(cx->diag,
              "a security module, kernel lockdown or a container's seccomp filter may forbid it, "
              "too");
}

void load_advise(struct compile *cx, int err)
{
    const char *caps = kernel_missing_caps(cx->arena);

    if ((err == EPERM || err == EACCES) && caps)
        diag_hint(cx->diag, "run ngstap as root, or give it %s", caps);
    else if (err == EPERM || err == EACCES)
        advise_allowed(cx);
    else if (err == ENOMEM)
        diag_hint(cx->diag, "what arrays may hold is taken at the start: -D MAXMAPENTRIES=N takes "
                            "less, a cgroup's memory.max or RLIMIT_MEMLOCK may be too low");
    else
        descriptors_advise(cx, err);
}

bool load_permitted(struct compile *cx, const struct kernel *k)
{
    if (!k->missing_caps)
        return true;
    if (!kernel_missing_caps(cx->arena)) {
        diag_error(cx->diag, (struct span){0}, "privileges", "%s is refused here: %s",
                   k->missing_caps, strerror(EPERM));
        diag_hint(cx->diag,
                  "no capability lacks: a container's seccomp filter (docker's and podman's option "
                  "--security-opt seccomp=unconfined takes it away) or a security module forbids "
                  "it");
        return false;
    }
    diag_error(cx->diag, (struct span){0}, "privileges",
               "loading probes needs %s: run ngstap as root, or give it what is named",
               k->missing_caps);
    kernel_hint_caps(cx);
    return false;
}
