/*
 * budget: what an agent and its sessions may take of the processors, and what follows from what
 * they took.
 */
#ifndef AGENT_BUDGET_H
#define AGENT_BUDGET_H

#include <stdbool.h>
#include <stdint.h>

enum { BUDGET_RATES_MAX = 7 };

struct budget {
    double share;  /* of one CPU: 0.01 is 1 % */
    double credit; /* seconds of a CPU that are left over; below 0: too many are spent */
    uint64_t rates[BUDGET_RATES_MAX]; /* Hz, falling; the first is the highest asked for */
    uint32_t n_rates, rate;           /* the one in use */
    uint32_t calm;                    /* windows in a row that would bear the next higher rate */
};

/* HZ: the highest rate. The first sessions start at once, from a credit of a minute. */
void budget_open(struct budget *b, double share, uint64_t hz);

static inline uint64_t budget_hz(const struct budget *b)
{
    return b->rates[b->rate];
}

/* In SECONDS all together took CPU seconds, starts of sessions included. */
void budget_spend(struct budget *b, double seconds, double cpu);

/* May another session start? To start one costs more than it takes in minutes. */
bool budget_may_start(const struct budget *b);

enum budget_change { BUDGET_STAYS, BUDGET_LOWER, BUDGET_HIGHER, BUDGET_TOO_MUCH };

/* A window of SECONDS has ended, in which all that ran from its beginning took CPU seconds: whether
 * the rate is another one now; BUDGET_TOO_MUCH: it is the lowest already, and something has to
 * go. */
enum budget_change budget_window(struct budget *b, double seconds, double cpu);

#endif
