/*
 * signal: ^C and its like. SIGINT, SIGTERM, SIGHUP and SIGCHLD are held back and taken from a
 * signalfd when the session is ready for them. The first of the ending ones ends the session
 * properly; the next one ends it where it stands.
 */
#include "run/state.h"

#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

void run_signals(struct run *r)
{
    struct signalfd_siginfo info;

    while (r->sigfd >= 0 && read(r->sigfd, &info, sizeof(info)) == sizeof(info)) {
        if (info.ssi_signo == SIGCHLD) {
            run_reap(r);
            r->child_changed = true;
            continue;
        }
        if (++r->signals > 1)
            r->aborted = true;
        run_stop(r);
    }
}
