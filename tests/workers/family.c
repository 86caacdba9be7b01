/* A master of four workers. At each SIGUSR1 a worker does a number of things that depends on who it
 * is, counts them where it does them, and tells lines "PID WHAT COUNT".
 *
 * family MASTER FILE PROGRAM: MASTER, 1 or 2, makes its numbers others than those of the other
 * one; what is told is added to FILE; PROGRAM is run by some of the children. With LIBRARY this is
 * the program's library, with OTHER the PROGRAM. */
#define _GNU_SOURCE
#if !defined(LIBRARY) && !defined(OTHER)
#define _SDT_HAS_SEMAPHORES 1
#endif
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/sdt.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#ifdef LIBRARY
long in_library(long n)
{
    DTRACE_PROBE1(library, called, n);
    return n + 1;
}
#elif defined(OTHER)
int main(void)
{
    return 0;
}
#else
extern long in_library(long n);
unsigned short family_guarded_semaphore __attribute__((section(".probes")));
unsigned short family_passed_semaphore __attribute__((section(".probes")));

enum what {
    SMALL,
    SMALL_SUM,
    LEAF,
    LEAF_OF_TWICE,
    LEAF_OF_JUMPS,
    LINE,
    PASSED,
    PASSED_SUM,
    GUARDED,
    LIBRARY_CALLS,
    LIBRARY_SUM,
    GETSID,
    GETSID_SUM,
    READ_BYTES,
    FAILED,
    FORKS,
    RUNS,
    THREADS,
    SWITCHES,
    OFF_US,
    OFF_MOST, /* with what it has not run while it began and ended to count */
    DEPTH,    /* calls of hit() from so many calls of deeper() */
    WHATS = DEPTH + 7
};
static const char *const names[] = {
    "small",      "small_sum",  "leaf",     "leaf_of_twice", "leaf_of_jumps", "line",
    "passed",     "passed_sum", "guarded",  "library",       "library_sum",   "getsid",
    "getsid_sum", "read_bytes", "failed",   "forks",         "runs",          "threads",
    "switches",   "off_us",     "off_most",
};
static volatile long did[WHATS];
static volatile long sink;
static const char *told, *program;

static inline __attribute__((always_inline)) long small(long value)
{
    did[SMALL]++;
    did[SMALL_SUM] += value;
    return value + sink;
}
__attribute__((noinline)) long leaf(long n)
{
    did[LEAF]++;
    return n ^ sink;
}
__attribute__((noinline)) long jumps(long n)
{
    did[LEAF_OF_JUMPS]++;
    return leaf(n) + 1;
}
__attribute__((noinline)) long twice(long a, long b)
{
    long one = small(a);
    sink++;
    did[LEAF_OF_TWICE]++;
    return one + small(b) + leaf(a);
}
__attribute__((noinline)) long once(long n)
{
    long three = small(n) * 2;
    if (n % 3 == 0)
        did[LINE]++; /* the statement */
    sink = three;
    return three;
}
__attribute__((noinline)) static void marks(long n)
{
    did[PASSED]++;
    did[PASSED_SUM] += n;
    DTRACE_PROBE1(family, passed, n);
    if (*(volatile unsigned short *)&family_guarded_semaphore) {
        did[GUARDED]++;
        DTRACE_PROBE1(family, guarded, n);
    }
    did[LIBRARY_CALLS]++;
    did[LIBRARY_SUM] += n;
    in_library(n);
}
static void calls(long n)
{
    char bytes[64];
    int zero = open("/dev/zero", O_RDONLY);
    did[GETSID]++;
    did[GETSID_SUM] += n;
    syscall(SYS_getsid, 0, n);
    did[READ_BYTES] += syscall(SYS_read, zero, bytes, n % sizeof(bytes));
    did[FAILED] += syscall(SYS_access, "/no/such/file", R_OK) != 0;
    close(zero);
}
__attribute__((noinline)) static void hit(void)
{
    __asm__ volatile("" ::: "memory");
}
__attribute__((noinline)) static long deeper(long depth)
{
    long below = depth;
    if (depth > 1)
        below = deeper(depth - 1);
    else
        hit();
    return below + sink;
}
__attribute__((noinline)) static void stacks(long n)
{
    did[DEPTH + n % 6 + 1]++;
    sink = deeper(n % 6 + 1);
}
static void *thread(void *arg)
{
    return arg;
}
static void children(long n)
{
    pthread_t t;
    pid_t child;
    for (long i = 0; i < n; i++) {
        if (!(child = fork())) {
            if (i % 2)
                execl(program, program, (char *)NULL);
            _exit(0);
        }
        did[FORKS]++;
        did[RUNS] += i % 2;
        waitpid(child, NULL, 0);
    }
    for (long i = 0; i < n / 2; i++) {
        pthread_create(&t, NULL, thread, NULL);
        pthread_join(t, NULL);
        did[THREADS]++;
    }
}
static long us(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return t.tv_sec * 1000000L + t.tv_nsec / 1000;
}
__attribute__((noinline)) static void rest_begins(void)
{
    __asm__ volatile("# begins" ::: "memory");
}
__attribute__((noinline)) static void rest_ends(void)
{
    __asm__ volatile("# ends" ::: "memory");
}
/* The time that a worker does not run is what has passed less what it has run. */
static void rests(long n)
{
    struct rusage before, after;
    long most = us(CLOCK_MONOTONIC) - us(CLOCK_THREAD_CPUTIME_ID);
    rest_begins();
    getrusage(RUSAGE_SELF, &before);
    long passed = us(CLOCK_MONOTONIC) - us(CLOCK_THREAD_CPUTIME_ID);
    for (long i = 0; i < n; i++)
        usleep(10000);
    did[OFF_US] = us(CLOCK_MONOTONIC) - us(CLOCK_THREAD_CPUTIME_ID) - passed;
    getrusage(RUSAGE_SELF, &after);
    rest_ends();
    did[OFF_MOST] = us(CLOCK_MONOTONIC) - us(CLOCK_THREAD_CPUTIME_ID) - most;
    did[SWITCHES] = after.ru_nvcsw - before.ru_nvcsw;
}
static void tell(void)
{
    char text[4096];
    int n = 0, fd = open(told, O_WRONLY | O_APPEND);
    for (int i = 0; i < DEPTH; i++)
        n += snprintf(text + n, sizeof(text) - n, "%d %s %ld\n", getpid(), names[i], did[i]);
    for (int i = DEPTH + 1; i < WHATS; i++)
        n += snprintf(text + n, sizeof(text) - n, "%d depth%d %ld\n", getpid(), i - DEPTH, did[i]);
    n += snprintf(text + n, sizeof(text) - n, "%d done 1\n", getpid());
    if (fd < 0 || write(fd, text, n) != n)
        _exit(3);
    close(fd);
}
__attribute__((noinline)) static void work(long n)
{
    for (int i = 0; i < WHATS; i++)
        did[i] = 0;
    for (long i = 0; i < n; i++) {
        sink += twice(i, 2 * i) + jumps(i) + once(i);
        marks(i);
        calls(i);
        stacks(i);
    }
    rests(20 + n / 10);
    children(n / 20);
    tell();
}
int main(int argc, char **argv)
{
    sigset_t set;
    int sig;
    if (argc < 4)
        return 1;
    told = argv[2];
    program = argv[3];
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    sigprocmask(SIG_BLOCK, &set, NULL);
    for (int i = 0; i < 4; i++)
        if (!fork()) {
            alarm(600);
            while (!sigwait(&set, &sig))
                work(100 * atoi(argv[1]) + 23 * i + 10);
        }
    alarm(600);
    for (;;)
        pause();
}
#endif
