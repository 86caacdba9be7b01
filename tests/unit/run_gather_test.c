/*
 * run/gather.c: records of handlers on several CPUs, which come mixed up, leave handler by handler;
 * lost ends, other records between and damaged ones.
 */
#include "run/gather.h"

#include <stdlib.h>
#include <string.h>

#include "base/abi.h"
#include "tap.h"

enum { FRAMES = 8 };

/* A record that is a print of one number. */
struct told {
    struct ngs_rec head;
    int64_t n;
};

static int64_t taken[4096];
static unsigned n_taken;

static void take(void *arg, const void *data, size_t size)
{
    const struct told *t = data;

    (void)arg;
    if (n_taken < 4096)
        taken[n_taken++] = size == sizeof(*t) && t->head.size == size ? t->n : -1;
}

static void tell(struct gather *g, uint32_t frame, uint32_t flags, int64_t n)
{
    struct told t = {{.kind = NGS_REC_PRINT, .size = sizeof(t), .frame = frame, .flags = flags}, n};

    gather_record(g, &t, sizeof(t));
}

static void end(struct gather *g, uint32_t frame)
{
    struct ngs_rec r = {.kind = NGS_REC_END, .size = sizeof(r), .frame = frame};

    gather_record(g, &r, sizeof(r));
}

static bool took(const int64_t *want, unsigned n)
{
    bool ok = n_taken == n && !memcmp(taken, want, n * sizeof(*want));

    for (unsigned k = 0; !ok && k < n_taken; k++)
        printf("# %lld\n", (long long)taken[k]);
    n_taken = 0;
    return ok;
}
#define TOOK(...)                                                                                  \
    took((const int64_t[]){__VA_ARGS__}, sizeof((const int64_t[]){__VA_ARGS__}) / sizeof(int64_t))

static void test_order(struct gather *g)
{
    const uint32_t first = NGS_REC_MORE | NGS_REC_FIRST;

    tell(g, 0, first, 1);
    tell(g, 1, first, 10);
    tell(g, 0, NGS_REC_MORE, 2);
    tell(g, 2, 0, 20);
    tell(g, 1, 0, 11);
    end(g, 0);
    tap_ok(TOOK(20, 10, 11, 1, 2), "in the order in which handlers end");
    end(g, 0);
    tap_ok(n_taken == 0, "an end of nothing");
    tell(g, 3, first, 1);
    tell(g, 3, first, 2);
    tell(g, 3, 0, 3);
    tap_ok(TOOK(1, 2, 3), "the end before was lost");
    tell(g, 4, first, 1);
    tell(g, 5, first, 2);
    gather_flush(g);
    gather_flush(g);
    tap_ok(TOOK(1, 2), "what is left at last");
    tell(g, FRAMES, first, 1);
    tap_ok(TOOK(1), "a frame that is not there");
    gather_record(g, "short", 5);
    tap_ok(TOOK(-1), "a record that is none");
}

/* Handlers of a random number of prints, whose records come in a random order of frames. */
static void test_random(struct gather *g)
{
    int64_t told[FRAMES] = {0}, handler[FRAMES] = {0}, handlers = 0;
    bool ok = true;

    srand(1);
    for (unsigned k = 0; k < 3000; k++) {
        uint32_t f = (uint32_t)rand() % FRAMES;
        bool last = rand() % 4 == 0;

        if (!told[f])
            handler[f] = ++handlers;
        tell(g, f, last ? 0 : told[f] ? NGS_REC_MORE : NGS_REC_MORE | NGS_REC_FIRST,
             handler[f] * 1000 + told[f]);
        told[f] = last ? 0 : told[f] + 1;
    }
    gather_flush(g);
    ok = n_taken == 3000;
    for (unsigned k = 1; k < n_taken; k++)
        ok &= taken[k] % 1000 == 0 || taken[k] == taken[k - 1] + 1;
    n_taken = 0;
    tap_ok(ok, "3,000 records, each handler's one after the other");
}

/* A handler without an end takes no memory without an end. */
static void test_long(struct gather *g)
{
    unsigned most = (2u << 20) / sizeof(struct told);

    for (unsigned k = 0; k < most; k++)
        tell(g, 0, k ? NGS_REC_MORE : NGS_REC_MORE | NGS_REC_FIRST, k);
    tap_ok(n_taken > 0, "what is too much is not kept");
    gather_flush(g);
    n_taken = 0;
}

int main(void)
{
    struct gather g;

    if (!tap_ok(gather_open(&g, FRAMES, take, NULL), "opened"))
        return tap_done();
    test_order(&g);
    test_random(&g);
    test_long(&g);
    gather_close(&g);
    return tap_done();
}
