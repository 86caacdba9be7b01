/*
 * clock: the kernel's clocks as one number.
 */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <stdint.h>
#include <time.h>

#define SECOND_NS      UINT64_C(1000000000)
#define MILLISECOND_NS UINT64_C(1000000)

/* What CLOCK (clock_gettime(2)) shows, in nanoseconds. */
static inline uint64_t clock_ns(clockid_t clock)
{
    struct timespec t;

    clock_gettime(clock, &t);
    return (uint64_t)t.tv_sec * SECOND_NS + (uint64_t)t.tv_nsec;
}

static inline uint64_t clock_ms(clockid_t clock)
{
    return clock_ns(clock) / MILLISECOND_NS;
}

#endif
