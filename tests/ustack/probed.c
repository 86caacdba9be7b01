/*
 * probed: a program whose functions return while others wait for theirs: through libc, by a jump at
 * a function's end, below a signal, after a longjmp, deeper than the kernel keeps notes of; then
 * SECONDS of many calls. It calls hit() at the innermost place.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>

#define PLAIN __attribute__((noinline, noclone))
static volatile int after;
static jmp_buf back;

PLAIN void hit(void)
{
    __asm__ volatile("");
}
PLAIN void inner(void)
{
    hit();
    after++;
}
PLAIN static int compare(const void *a, const void *b)
{
    inner();
    return *(const char *)a - *(const char *)b;
}
PLAIN void sorts(void)
{
    char text[] = "ba";

    qsort(text, 2, 1, compare);
    after += text[0];
}
PLAIN void jumped_to(void)
{
    sorts();
    after++;
}
PLAIN void ends_in_jump(void)
{
    after++;
    jumped_to();
}
PLAIN void deep(int n)
{
    volatile char room[n + 1];

    room[n] = 1;
    if (n)
        deep(n - 1);
    else
        ends_in_jump();
    after += room[n];
}
static void on_signal(int number)
{
    (void)number;
    deep(3);
    after++;
}
PLAIN void signals(void)
{
    raise(SIGUSR1);
    after++;
}
PLAIN void leaves(int n)
{
    if (n)
        leaves(n - 1);
    else
        longjmp(back, 1);
    after++;
}

PLAIN void leaf(int n)
{
    volatile char room[64];

    for (int i = 0; i < n; i++)
        room[i & 63] = (char)i;
    after += room[3];
}
PLAIN void middle(int n)
{
    leaf(n);
    after++;
}
PLAIN void outer(int n)
{
    for (int i = 0; i < 10; i++)
        middle(n);
    after++;
}

int main(int argc, char **argv)
{
    clock_t end = clock() + (argc > 1 ? atoi(argv[1]) : 0) * CLOCKS_PER_SEC;

    signal(SIGUSR1, on_signal);
    if (!setjmp(back))
        leaves(20);
    deep(10);
    signals();
    deep(80);
    while (clock() < end)
        outer(100);
    return 0;
}
