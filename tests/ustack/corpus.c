/*
 * corpus: a program that knows its own stack. Each function is instrumented
 * (-finstrument-functions) to keep its address in its thread's element of SHADOWS, innermost last;
 * what the functions do makes a compiler use the ways to lay out frames: none, a fixed one, one of
 * a size that only the run knows, one on an aligned stack, callbacks out of libc, recursion, signal
 * handlers, on another stack too, threads, a call at the end of a function that does not return.
 * "corpus SECONDS".
 */
#define _GNU_SOURCE
#include <alloca.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define PLAIN __attribute__((no_instrument_function))

enum { SHADOW = 256 };
struct shadow {
    long thread; /* as gettid(2) has it */
    long depth;
    void *functions[SHADOW];
} shadows[2];
static struct shadow nobody; /* before a thread has its own */
static __thread struct shadow *mine = &nobody;

PLAIN void __cyg_profile_func_enter(void *function, void *site)
{
    (void)site;
    if (mine->depth < SHADOW)
        mine->functions[mine->depth] = function;
    __asm__ volatile("" ::: "memory");
    mine->depth++;
}

PLAIN void __cyg_profile_func_exit(void *function, void *site)
{
    (void)function;
    (void)site;
    mine->depth--;
}

static volatile unsigned long sink;
static __thread jmp_buf env;

__attribute__((noinline)) static void spin(long n)
{
    for (long i = 0; i < n; i++)
        sink += (unsigned long)i ^ sink << 1;
}

__attribute__((noinline)) static long fixed(unsigned long n)
{
    volatile char room[400];

    room[n % 400] = 1;
    spin(3000);
    return room[0] + (long)n;
}

__attribute__((noinline)) static long growing(unsigned long n)
{
    char *room = alloca(n % 700 + 1);

    memset(room, (int)(n & 63), n % 700 + 1);
    spin(2000);
    return fixed((unsigned char)room[0]) + room[n % 700];
}

__attribute__((noinline)) static long aligned(unsigned long n)
{
    _Alignas(64) volatile char room[128];

    room[n % 128] = 2;
    spin(2000);
    return growing(n) + room[n % 128];
}

__attribute__((noinline)) static long aligned_growing(unsigned long n)
{
    _Alignas(128) volatile char room[256];
    volatile char *more = alloca(n % 300 + 1);

    room[n % 256] = more[n % 300] = 3;
    spin(2000);
    return fixed(n) + room[n % 256] + more[0];
}

__attribute__((noinline)) static long variable(unsigned long n)
{
    volatile char room[n % 500 + 1];

    room[n % 500] = 4;
    spin(2000);
    return fixed(n) + room[n % 500];
}

__attribute__((noinline)) static long recursive(long n)
{
    if (n > 0)
        return recursive(n - 1) + 1;
    spin(4000);
    return aligned(sink & 1023);
}

static int compare(const void *a, const void *b)
{
    spin(300);
    return *(const unsigned char *)a - *(const unsigned char *)b;
}

__attribute__((noinline)) static long sorting(void)
{
    unsigned char v[24];

    for (size_t i = 0; i < sizeof(v); i++)
        v[i] = (unsigned char)(sink >> i);
    qsort(v, sizeof(v), 1, compare);
    return v[3];
}

static void on_signal(int signal)
{
    spin(3000);
    fixed((unsigned long)signal);
}

__attribute__((noinline)) static long signalled(long n)
{
    raise(n & 1 ? SIGUSR1 : SIGUSR2);
    return n;
}

__attribute__((noinline)) static void jumps(long n)
{
    spin(1000);
    if (n)
        longjmp(env, 1);
}

__attribute__((noinline, noreturn)) static void leaves(void)
{
    spin(1000);
    longjmp(env, 1);
}

__attribute__((noinline)) static void ends(void) /* with the call */
{
    spin(500);
    leaves();
}

PLAIN __attribute__((noinline)) static long caught(long n)
{
    long before = mine->depth;

    if (!setjmp(env))
        n & 2 ? ends() : jumps(n);
    mine->depth = before;
    return n;
}

static long turn(long n)
{
    return recursive(n % 20) + sorting() + signalled(n) + caught(n) +
           aligned_growing((unsigned long)n) + variable((unsigned long)n);
}

static time_t until;

PLAIN static void *work(void *shadow)
{
    mine = shadow;
    mine->thread = gettid();
    for (long n = 0; time(NULL) < until; n++)
        turn(n);
    return NULL;
}

PLAIN int main(int argc, char **argv)
{
    stack_t other = {.ss_sp = malloc(65536), .ss_size = 65536};
    struct sigaction a = {.sa_handler = on_signal};
    pthread_t thread;

    until = time(NULL) + (argc > 1 ? atol(argv[1]) : 1);
    sigaltstack(&other, NULL);
    sigaction(SIGUSR1, &a, NULL);
    a.sa_flags = SA_ONSTACK;
    sigaction(SIGUSR2, &a, NULL);
    pthread_create(&thread, NULL, work, &shadows[1]);
    work(&shadows[0]);
    pthread_join(thread, NULL);
    return 0;
}
