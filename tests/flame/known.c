/*
 * A program whose stacks have known shares: known MODE N. It writes "FUNCTION MICROSECONDS" for
 * what each function was off the CPU (by the monotonic clock and the thread's CPU clock, or the
 * scheduler's account of waiting), or "utime stime", to standard output.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define PLACE __attribute__((noinline)) void
#define KEEP() __asm__ volatile("" ::: "memory") /* no tail call */

static double microseconds(clockid_t clock)
{
    struct timespec t;

    clock_gettime(clock, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static double off_cpu(void)
{
    return microseconds(CLOCK_MONOTONIC) - microseconds(CLOCK_THREAD_CPUTIME_ID);
}

/* ---- allocations ---- */

PLACE take(unsigned long bytes, int kind)
{
    __asm__ volatile("" ::"r"(bytes), "r"(kind));
}
PLACE small(void)
{
    take(10, 1);
    KEEP();
}
PLACE large(void)
{
    take(1000, 2);
    KEEP();
}

/* ---- waits ---- */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_barrier_t both;
static int ends[2], disk;
static char block[1 << 16] __attribute__((aligned(4096)));

PLACE wait_sleep(void)
{
    usleep(40000);
    KEEP();
}
PLACE wait_lock(void)
{
    pthread_mutex_lock(&lock);
    pthread_mutex_unlock(&lock);
    KEEP();
}
PLACE wait_socket(void)
{
    char c;

    if (read(ends[0], &c, 1) != 1)
        exit(1);
    KEEP();
}
PLACE wait_disk(void)
{
    for (int i = 0; i < 4; i++)
        if (pwrite(disk, block, sizeof(block), 0) < 0 || fsync(disk))
            exit(1);
    KEEP();
}

static void *other(void *n)
{
    for (long i = (long)n; i > 0; i--) {
        pthread_mutex_lock(&lock);
        pthread_barrier_wait(&both);
        usleep(30000);
        pthread_mutex_unlock(&lock);
        pthread_barrier_wait(&both);
        usleep(25000);
        if (write(ends[1], "x", 1) != 1)
            exit(1);
    }
    return NULL;
}

static void waits(long n)
{
    static const struct {
        void (*call)(void);
        const char *name;
    } places[] = {{wait_lock, "wait_lock"},
                  {wait_socket, "wait_socket"},
                  {wait_sleep, "wait_sleep"},
                  {wait_disk, "wait_disk"}};
    double spent[4] = {0};
    char path[] = "known.XXXXXX";
    pthread_t thread;

    disk = mkstemp(path);
    unlink(path);
    pthread_barrier_init(&both, NULL, 2);
    if (disk < 0 || socketpair(AF_UNIX, SOCK_STREAM, 0, ends))
        exit(1);
    pthread_create(&thread, NULL, other, (void *)n);
    for (long i = n; i > 0; i--)
        for (int p = 0; p < 4; p++) {
            if (p < 2)
                pthread_barrier_wait(&both);
            double from = off_cpu();

            places[p].call();
            spent[p] += off_cpu() - from;
        }
    pthread_join(thread, NULL);
    for (int p = 0; p < 4; p++)
        printf("%s %.0f\n", places[p].name, spent[p]);
}

/* ---- the processor ---- */

PLACE work(void)
{
    for (volatile int i = 0; i < 300000; i++)
        ;
}
PLACE burn(double seconds)
{
    for (double to = microseconds(CLOCK_MONOTONIC) + seconds * 1e6;
         microseconds(CLOCK_MONOTONIC) < to;)
        work();
}
PLACE burn_beside(double seconds)
{
    burn(seconds);
    KEEP();
}

/* Time that this thread could have run and did not, as the scheduler counts it, in microseconds. */
static double run_delay(void)
{
    unsigned long long ran, waited = 0;
    FILE *f = fopen("/proc/thread-self/schedstat", "re");

    if (!f || fscanf(f, "%llu %llu", &ran, &waited) != 2)
        exit(1);
    fclose(f);
    return (double)waited / 1e3;
}

/* Two processes on one processor: each waits for the other to be preempted. */
static void share(long seconds)
{
    cpu_set_t one;
    int cpu = sched_getcpu();

    CPU_ZERO(&one);
    CPU_SET(cpu < 0 ? 0 : cpu, &one);
    sched_setaffinity(0, sizeof(one), &one);
    if (!fork()) {
        burn_beside((double)seconds + 0.5);
        _exit(0);
    }
    double from = run_delay();

    burn((double)seconds);
    printf("burn %.0f\n", run_delay() - from);
}

PLACE in_kernel(int zero)
{
    static char bytes[1 << 20];

    if (read(zero, bytes, sizeof(bytes)) < 0)
        exit(1);
    KEEP();
}
PLACE in_program(void)
{
    work();
    KEEP();
}

static void works(long seconds)
{
    double to = microseconds(CLOCK_MONOTONIC) + (double)seconds * 1e6;
    int zero = open("/dev/zero", O_RDONLY);
    struct rusage u;

    while (microseconds(CLOCK_MONOTONIC) < to) {
        in_program();
        for (int i = 0; i < 4; i++)
            in_kernel(zero);
    }
    getrusage(RUSAGE_SELF, &u);
    printf("utime %.0f\nstime %.0f\n", (double)u.ru_utime.tv_sec * 1e6 + (double)u.ru_utime.tv_usec,
           (double)u.ru_stime.tv_sec * 1e6 + (double)u.ru_stime.tv_usec);
}

/* Does not come back. */
PLACE hang(void)
{
    sleep(60);
    KEEP();
}

int main(int argc, char **argv)
{
    long n = argc > 2 ? atol(argv[2]) : 1;

    if (argc > 1 && !strcmp(argv[1], "waits")) {
        waits(n);
    } else if (argc > 1 && !strcmp(argv[1], "share")) {
        share(n);
    } else if (argc > 1 && !strcmp(argv[1], "works")) {
        works(n);
    } else if (argc > 1 && !strcmp(argv[1], "hangs")) {
        for (; n > 0; n--)
            wait_sleep();
        hang();
    } else {
        for (; n > 0; n--) {
            small();
            large();
            small();
        }
    }
    return 0;
}
