/*
 * bounds: see bounds.h. Enters: what readers of a target's files ask for; leaves: yes, or no after
 * one error.
 *
 * Three things count. A timer of processor time: its first signal makes bounds_ok say no, its
 * second, for a loop that does not ask, ends the process with the same message. Memory that was
 * asked for. And memory that the process has, which libelf's and libdw's is part of: it is looked
 * at every LOOK_EVERY questions, and RLIMIT_DATA, somewhat above, stops what takes much at once
 * (libdw then says that there is none).
 */
#include "base/bounds.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "base/compile.h"

enum { LOOK_EVERY = 256 };

static struct {
    struct diag *diag;
    bool active, reached;
    volatile sig_atomic_t late;
    uint64_t taken;  /* asked for, and not given back */
    uint64_t before; /* anonymous memory of the process when counting began */
    unsigned asked;
    int statm; /* stays open */
    timer_t timer;
    struct sigaction action;
    struct rlimit data;
} b = {.statm = -1};

/* The first time it is told, whatever is only tried just now; nothing goes on after it. */
static bool reach(unsigned long long most, const char *what)
{
    const char *file = bounds_file_in_hand();
    bool first = !b.reached;

    b.reached = true;
    if (first && b.diag)
        diag_stop(b.diag, "bounds", "reading %s: it takes more than %llu %s",
                  *file ? file : "the target's files", most, what);
    return false;
}

/* ---- time ---- */

/* The second signal finds a loop that does not ask. Only what is safe in a signal handler. */
static void on_time(int sig)
{
    static const char head[] = "ngstap: error: reading ", tail[] = ": it takes too long [bounds]\n";
    const char *file = bounds_file_in_hand();

    if (!b.late) {
        b.late = 1;
        return;
    }
    const struct iovec message[] = {{(void *)head, sizeof(head) - 1},
                                    {(void *)file, strlen(file)},
                                    {(void *)tail, sizeof(tail) - 1}};

    if (writev(STDERR_FILENO, message, 3) < 0)
        _exit(1); /* nobody reads; GCC wants the result looked at */
    _exit(1);
}

static void start_timer(void)
{
    struct sigaction act = {.sa_handler = on_time, .sa_flags = SA_RESTART};
    struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGXCPU};
    struct itimerspec when = {.it_value = {.tv_sec = BOUND_SECONDS},
                              .it_interval = {.tv_sec = BOUND_GRACE}};

    sigaction(SIGXCPU, &act, &b.action);
    if (timer_create(CLOCK_PROCESS_CPUTIME_ID, &event, &b.timer))
        return;
    timer_settime(b.timer, 0, &when, NULL);
}

/* ---- memory ---- */

/* Pages of statm(proc(5)): size resident shared text lib data; anonymous memory is what is not
 * shared. */
static bool read_statm(uint64_t *anonymous, uint64_t *data)
{
    char text[256];
    unsigned long long resident, shared, d;
    ssize_t n = b.statm >= 0 ? pread(b.statm, text, sizeof(text) - 1, 0) : -1;
    uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);

    if (n <= 0)
        return false;
    text[n] = '\0';
    if (sscanf(text, "%*u %llu %llu %*u %*u %llu", &resident, &shared, &d) != 3)
        return false;
    *anonymous = resident > shared ? (resident - shared) * page : 0;
    *data = d * page;
    return true;
}

static void limit_data(uint64_t data)
{
    struct rlimit r;
    rlim_t most = data + BOUND_MEMORY + BOUND_MEMORY / 4;

    if (getrlimit(RLIMIT_DATA, &b.data))
        return;
    r = b.data;
    if (r.rlim_cur == RLIM_INFINITY || r.rlim_cur > most)
        r.rlim_cur = most;
    setrlimit(RLIMIT_DATA, &r);
}

static bool too_much(void)
{
    return reach(BOUND_MEMORY >> 20, "MiB of memory");
}

/* ---- interface ---- */

void bounds_begin(struct compile *cx)
{
    uint64_t data = 0;

    if (b.active)
        return;
    b.diag = cx->diag;
    b.active = true;
    b.reached = false;
    b.late = 0;
    bounds_file("");
    if (b.statm < 0)
        b.statm = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
    start_timer();
    if (read_statm(&b.before, &data))
        limit_data(data);
}

void bounds_forked(void)
{
    bounds_end(); /* a fork has no timer of its parent's */
    if (b.statm >= 0)
        close(b.statm);
    b.statm = -1;
}

bool bounds_end(void)
{
    if (b.active) {
        b.active = false;
        timer_delete(b.timer);
        sigaction(SIGXCPU, &b.action, NULL);
        setrlimit(RLIMIT_DATA, &b.data);
        bounds_file("");
    }
    return !b.reached;
}

bool bounds_counts(void)
{
    return b.active;
}

void bounds_reached(void)
{
    b.reached |= b.active;
}

bool bounds_ok(void)
{
    uint64_t now, data;

    if (b.reached || !b.active)
        return !b.reached;
    if (b.late)
        return reach(BOUND_SECONDS, "s of processor time");
    if (++b.asked % LOOK_EVERY == 0 && read_statm(&now, &data) && now > b.before &&
        now - b.before > BOUND_MEMORY)
        return too_much();
    return true;
}

bool bounds_take(uint64_t bytes)
{
    if (b.reached)
        return false;
    if (bytes > BOUND_MEMORY || b.taken > BOUND_MEMORY - bytes)
        return too_much();
    b.taken += bytes;
    return true;
}

void bounds_give(uint64_t bytes)
{
    b.taken -= bytes;
}

bool bounds_count(uint64_t n, uint64_t max, const char *what)
{
    return n <= max || reach(max, what);
}
