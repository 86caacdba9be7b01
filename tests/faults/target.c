/* Calls one() and two() as often as each other, some 10,000 times a second. */
#include <unistd.h>

__attribute__((noinline)) int one(int n)
{
    __asm__ volatile("");
    return n + 1;
}

__attribute__((noinline)) int two(int n)
{
    __asm__ volatile("");
    return n + 2;
}

int main(void)
{
    int n = 0;

    alarm(600);
    for (;; usleep(1000))
        for (int i = 0; i < 20; i++)
            n = one(two(n));
}
