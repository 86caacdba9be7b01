/*
 * interrupt: see interrupt.h. Enters: signals, bytes for a descriptor; leaves: what was asked for,
 * the bytes written. Refuses to wait for a reader who does not read, once an end at once is asked
 * for.
 */
#include "base/interrupt.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/clock.h"

enum {
    CHUNK = 4096,  /* PIPE_BUF: what a pipe that polls writable takes without blocking */
    LOOK_MS = 200, /* how often a write that waits looks at the clock */
};

bool interrupt_hold(struct interrupt *i)
{
    struct sigaction ignore = {.sa_handler = SIG_IGN}, usual = {.sa_handler = SIG_DFL};
    sigset_t set;

    if (i->fd >= 0)
        return true;
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGHUP);
    sigaddset(&set, SIGCHLD);
    if (i->numbered)
        sigaddset(&set, SIGUSR1);
    i->fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    if (i->fd < 0)
        return false;
    sigaction(SIGPIPE, &ignore, &i->pipe_before);
    sigaction(SIGCHLD, &usual, &i->child_before); /* a caller may ignore it: no end is told then */
    sigprocmask(SIG_BLOCK, &set, &i->before);
    return true;
}

/* It must not wait itself: only when the terminal takes it now. */
static void tell(struct interrupt *i)
{
    static const char line[] =
        "ngstap is still ending; press ^C again to end at once, without what is left to write\n";
    struct pollfd p = {.fd = STDERR_FILENO, .events = POLLOUT};

    if (poll(&p, 1, 0) == 1 && (p.revents & POLLOUT))
        i->told = write(STDERR_FILENO, line, sizeof(line) - 1) > 0;
}

static void ending_signal(struct interrupt *i, int signo)
{
    uint64_t now = clock_ns(CLOCK_MONOTONIC);

    i->heard++;
    if (i->asked && (signo != SIGINT || now - i->last_ns < SECOND_NS))
        return;
    i->at_once = i->asked++ > 0;
    i->last_ns = now;
}

void interrupt_take(struct interrupt *i)
{
    struct signalfd_siginfo info;

    while (i->fd >= 0 && read(i->fd, &info, sizeof(info)) == sizeof(info)) {
        if (info.ssi_signo == SIGCHLD)
            i->child = true;
        else if (info.ssi_signo == SIGUSR1)
            i->number = info.ssi_code == SI_QUEUE ? info.ssi_int : i->number;
        else if (info.ssi_signo == SIGHUP && i->reloads)
            i->reload = true;
        else
            ending_signal(i, (int)info.ssi_signo);
    }
    if (i->asked == 1 && !i->told && clock_ns(CLOCK_MONOTONIC) - i->last_ns >= SECOND_NS)
        tell(i);
}

/* ---- streams ---- */

struct stream {
    struct interrupt *i;
    int fd;
};

/* Waits until the descriptor takes bytes; false: an end at once is asked for. */
static bool writable(const struct stream *s)
{
    while (s->i->fd >= 0) {
        struct pollfd p[2] = {{.fd = s->fd, .events = POLLOUT}, {.fd = s->i->fd, .events = POLLIN}};

        if (poll(p, 2, LOOK_MS) < 0 && errno != EINTR)
            return true;
        interrupt_take(s->i);
        if (s->i->at_once)
            return false;
        if (p[0].revents)
            return true;
    }
    return true;
}

static ssize_t on_write(void *cookie, const char *p, size_t n)
{
    const struct stream *s = cookie;
    size_t left = n;

    while (left && writable(s)) {
        ssize_t did = write(s->fd, p, left < CHUNK ? left : CHUNK);

        if (did >= 0) {
            p += did;
            left -= (size_t)did;
        } else if (errno != EINTR && errno != EAGAIN) {
            return 0; /* fopencookie(3): an error */
        }
    }
    return (ssize_t)n; /* what is dropped counts as written */
}

static int on_close(void *cookie)
{
    struct stream *s = cookie;
    int status = s->fd > STDERR_FILENO ? close(s->fd) : 0;

    free(s);
    return status;
}

FILE *interrupt_stream(struct interrupt *i, int fd)
{
    cookie_io_functions_t io = {.write = on_write, .close = on_close};
    struct stream *s = malloc(sizeof(*s));
    FILE *f = s ? fopencookie(s, "w", io) : NULL;

    if (!f) {
        free(s);
        return NULL;
    }
    *s = (struct stream){i, fd};
    setvbuf(f, NULL, _IOLBF, BUFSIZ);
    return f;
}
