/*
 * calls: calls functions at given rates, and tells how often and at what cost.
 *
 *   calls PHASE...      PHASE: FUNCTION:SECONDS[:RATE]   FUNCTION: pushed, plain
 *
 * Each phase calls its function RATE times a second, or without one as fast as it can. Prints for
 * each second of it: the function, calls, ns of a processor that a call took; and at the end the
 * calls of each function in all.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static uint64_t clock_of(clockid_t clock)
{
    struct timespec t;

    clock_gettime(clock, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* The kernel emulates the first instruction of the one under a breakpoint, and steps over that of
 * the other. */
__attribute__((noinline)) static long work(volatile long n)
{
    return n + 1;
}
__attribute__((noinline)) long pushed(long n)
{
    long a = work(n), b = work(a);

    return work(a ^ b) + a;
}
__attribute__((noinline)) long plain(long n)
{
    __asm__ volatile("" : : "r"(n));
    return n + 1;
}

static long total[2];

static void second(int which, double rate)
{
    uint64_t start = clock_of(CLOCK_MONOTONIC), cpu = clock_of(CLOCK_PROCESS_CPUTIME_ID);
    long calls = 0;

    for (uint64_t ns = 0; ns < 1000000000u; ns = clock_of(CLOCK_MONOTONIC) - start) {
        long due = rate > 0 ? (long)((double)ns * rate / 1e9) + 1 - calls : 64;

        for (long i = 0; i < due; i++)
            which ? plain(i) : pushed(i);
        calls += due > 0 ? due : 0;
        if (rate > 0)
            usleep(500);
    }
    total[which] += calls;
    printf("%s %ld %.2f\n", which ? "plain" : "pushed", calls,
           (double)(clock_of(CLOCK_PROCESS_CPUTIME_ID) - cpu) / (double)(calls ? calls : 1));
    fflush(stdout);
}

int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        char name[16];
        double seconds = 1, rate = 0;

        if (sscanf(argv[i], "%15[a-z]:%lf:%lf", name, &seconds, &rate) < 2)
            return 2;
        for (int k = 0; k < (int)seconds; k++)
            second(!strcmp(name, "plain"), rate);
    }
    printf("total %ld %ld\n", total[0], total[1]);
    return 0;
}
