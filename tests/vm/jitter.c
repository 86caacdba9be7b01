/*
 * jitter: keeps a VM whose clock counts instructions from ticking in step with a loop: there every
 * tick comes after the same number of instructions, and a loop with a fixed number of them would be
 * seen at the same places of its body again and again. Wakes up every millisecond or so and runs
 * for up to 40 microseconds, by chance, until it is killed.
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

int main(void)
{
    unsigned seed = 1;
    FILE *source = fopen("/dev/urandom", "r");

    if (!source || fread(&seed, sizeof(seed), 1, source) != 1)
        return 1;
    fclose(source);
    srandom(seed);
    for (;;) {
        struct timespec pause = {.tv_nsec = 200000 + random() % 1000000};

        nanosleep(&pause, NULL);
        for (volatile long n = random() % 2000; n > 0; n--)
            ;
    }
}
