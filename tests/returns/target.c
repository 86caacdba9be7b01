/*
 * A target for probes at the return of functions: fact() is called in recursion, by five threads,
 * jumps() is left by longjmp every third time; both are static, so that a stripped file does not
 * know them.
 */
#include <pthread.h>
#include <setjmp.h>
#include <unistd.h>

#define KEPT __attribute__((noinline, noclone))

struct box {
    int val;
    char name[8];
};

static KEPT long fact(long n, struct box *b)
{
    b->val++;
    long r = n <= 1 ? 1 : n * fact(n - 1, b);

    __asm__ volatile("" ::: "memory");
    return r;
}

static jmp_buf out;

static KEPT long jumps(long n)
{
    __asm__ volatile("" ::: "memory");
    if (n % 3 == 1)
        longjmp(out, 1);
    return n;
}

static void *run(void *p)
{
    struct box own = {0, "thread"};

    for (;;) {
        fact((long)p, &own);
        own.val = 0;
        usleep(5000);
    }
    return NULL;
}

int main(void)
{
    struct box box = {0, "main"};
    pthread_t t;

    for (long n = 3; n < 7; n++)
        pthread_create(&t, NULL, run, (void *)n);
    for (volatile long i = 0;; i++) {
        fact(8, &box);
        box.val = 0;
        if (!setjmp(out))
            jumps(i);
        usleep(5000);
    }
}
