/*
 * budget: holds an agent's cost to a share of one CPU. Enters: seconds of a CPU that were taken;
 * leaves: the rate of samples, and whether a session may start. Two things cost: samples, by their
 * rate, and the start of a session (a script is compiled and verified), once. The rate answers to
 * the first, window by window; starts are paid from what the budget left over, and wait for it.
 */
#include "agent/budget.h"

/* What was not spent is kept for so many seconds' worth; what was overspent counts for as long. */
enum { CREDIT_SECONDS = 300, FIRST_SECONDS = 60 };
/* Windows that must bear a higher rate before it is tried, and how much of the budget it may
 * take. */
enum { CALM_WINDOWS = 3 };
#define CALM_SHARE 0.8

static const uint64_t steps[] = {499, 99, 49, 19, 9, 1};

void budget_open(struct budget *b, double share, uint64_t hz)
{
    *b = (struct budget){.share = share, .credit = share * FIRST_SECONDS};
    b->rates[b->n_rates++] = hz;
    for (unsigned i = 0; i < sizeof(steps) / sizeof(*steps); i++)
        if (steps[i] < hz && b->n_rates < BUDGET_RATES_MAX)
            b->rates[b->n_rates++] = steps[i];
}

void budget_spend(struct budget *b, double seconds, double cpu)
{
    double most = b->share * CREDIT_SECONDS;

    b->credit += b->share * seconds - cpu;
    if (b->credit > most)
        b->credit = most;
    if (b->credit < -most)
        b->credit = -most;
}

bool budget_may_start(const struct budget *b)
{
    return b->credit > 0;
}

enum budget_change budget_window(struct budget *b, double seconds, double cpu)
{
    double used = seconds > 0 ? cpu / seconds : 0;

    if (used > b->share) {
        b->calm = 0;
        if (b->rate + 1 == b->n_rates)
            return BUDGET_TOO_MUCH;
        b->rate++;
        return BUDGET_LOWER;
    }
    if (!b->rate)
        return BUDGET_STAYS;
    /* As if all of it were samples. */
    double then = used * (double)b->rates[b->rate - 1] / (double)b->rates[b->rate];

    b->calm = then <= CALM_SHARE * b->share ? b->calm + 1 : 0;
    if (b->calm < CALM_WINDOWS)
        return BUDGET_STAYS;
    b->calm = 0;
    b->rate--;
    return BUDGET_HIGHER;
}
