/*
 * await: a target that has not made yet what is looked for runs on for a moment. Enters: the
 * target, how long it may take in all; leaves: time has passed in its first process. A command that
 * stands still since its start (-c) runs that long and stands still again, so nothing of what it
 * does afterwards is missed; other processes run anyway. A moment is a part of what was waited
 * before: a process is looked at forty times in ten seconds, and a command runs unseen for a fourth
 * longer than it had to. A jail, which may not, asks its parent. Refused: what goes beyond the
 * limit, processes that have ended.
 */
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>

#include "base/clock.h"
#include "jail/jail.h"
#include "target/target.h"

enum {
    AWAIT_MAX_MS = 10000, /* whatever a jail asks for */
    MOMENT_MIN_MS = 1,
    MOMENT_MAX_MS = 500,
    PART = 4, /* of what was waited before */
};

struct answer {
    uint64_t awaited_ns;
    uint64_t goes_on; /* boolean */
};

static void pass(uint64_t ns)
{
    struct timespec left = {.tv_sec = (time_t)(ns / SECOND_NS), .tv_nsec = (long)(ns % SECOND_NS)};

    nanosleep(&left, NULL); /* a signal may shorten it: it is looked at once more then */
}

/* The command runs for NS, and stands still again. */
static void run_held(pid_t pid, uint64_t ns)
{
    siginfo_t info;

    kill(pid, SIGCONT);
    pass(ns);
    kill(pid, SIGSTOP);
    waitid(P_PID, (id_t)pid, &info, WSTOPPED | WEXITED | WNOWAIT);
}

static bool await_here(struct target *t, uint32_t limit_ms)
{
    uint64_t limit = (limit_ms < AWAIT_MAX_MS ? limit_ms : AWAIT_MAX_MS) * (uint64_t)MILLISECOND_NS;
    uint64_t ns = t->awaited_ns / PART, from = clock_ns(CLOCK_MONOTONIC);

    if (!target_first(t) || t->awaited_ns >= limit || !target_same(t, 0))
        return false;
    ns = ns < MOMENT_MIN_MS * (uint64_t)MILLISECOND_NS   ? MOMENT_MIN_MS * (uint64_t)MILLISECOND_NS
         : ns > MOMENT_MAX_MS * (uint64_t)MILLISECOND_NS ? MOMENT_MAX_MS * (uint64_t)MILLISECOND_NS
                                                         : ns;
    if (t->held)
        run_held(t->held, ns);
    else
        pass(ns);
    t->awaited_ns += clock_ns(CLOCK_MONOTONIC) - from;
    return true;
}

void target_await_answer(struct target *t, const void *limit_ms, size_t n, FILE *reply)
{
    struct answer a = {0};
    uint32_t ms;

    if (n == sizeof(ms)) {
        memcpy(&ms, limit_ms, sizeof(ms));
        a.goes_on = await_here(t, ms);
    }
    a.awaited_ns = t->awaited_ns;
    fwrite(&a, sizeof(a), 1, reply);
}

bool target_await(struct target *t, uint32_t limit_ms)
{
    struct answer a = {0};

    if (!jail_inside())
        return await_here(t, limit_ms);
    if (jail_tell(TARGET_AWAITED, &limit_ms, sizeof(limit_ms), &a, sizeof(a), NULL) != sizeof(a))
        return false;
    t->awaited_ns = a.awaited_ns;
    return a.goes_on;
}
