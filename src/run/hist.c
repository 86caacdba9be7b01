/*
 * hist: a histogram as text, in the layout that SystemTap's users (and the scripts that read its
 * output) know: value column, 50 columns of '@', count; up to two empty rows either side; runs of
 * empty rows away from others shown as one '~'. Enters: buckets as abi.h counts them.
 */
#include "run/text.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "out/out.h"

enum { BAR = 50, MARGIN = 2, VALUE_MIN = 5 /* "value" */ };

struct hist {
    const uint64_t *buckets;
    uint32_t n;
    bool log;
    int64_t start, interval;
};

/* What stands in the value column; PREFIX is '<' or '>' for what a linear one has under and over.
 */
static int64_t bucket_value(const struct hist *h, uint32_t i, const char **prefix)
{
    *prefix = "";
    if (h->log) {
        if (i == NGS_HIST_LOG_ZERO)
            return 0;
        return i > NGS_HIST_LOG_ZERO ? (int64_t)1 << (i - NGS_HIST_LOG_ZERO - 1) : INT64_MIN >> i;
    }
    if (i == 0) {
        *prefix = "<";
        return h->start;
    }
    if (i == h->n - 1) {
        *prefix = ">";
        i--;
    }
    return (int64_t)((uint64_t)h->start + (uint64_t)(i - 1) * (uint64_t)h->interval);
}

static int columns(int64_t v)
{
    char buf[24];

    return snprintf(buf, sizeof(buf), "%" PRId64, v);
}

/* Rows LOW..HIGH are the ones with counts and up to MARGIN either side. */
static void range(const struct hist *h, uint32_t *low, uint32_t *high)
{
    uint32_t lo = 0, hi = 0;
    bool any = false;

    for (uint32_t i = 0; i < h->n; i++)
        if (h->buckets[i]) {
            lo = any ? lo : i;
            hi = i;
            any = true;
        }
    for (int k = 0; k < MARGIN; k++) {
        /* a log histogram without negative values has no negative rows */
        if (lo > 0 && !(h->log && lo == NGS_HIST_LOG_ZERO))
            lo--;
        if (hi < h->n - 1)
            hi++;
    }
    if (!h->log) {
        if (lo == 0 && !h->buckets[0])
            lo++;
        if (hi == h->n - 1 && !h->buckets[hi])
            hi--;
    }
    *low = lo;
    *high = hi;
}

/* The value column's. For a linear histogram by its start and the end of its last row, as SystemTap
 * has it. */
static int value_width(const struct hist *h, uint32_t low, uint32_t high)
{
    const char *prefix;
    int a, b;

    if (h->log) {
        a = columns(bucket_value(h, low, &prefix));
        b = columns(bucket_value(h, high, &prefix));
    } else {
        a = columns(h->start) + (low == 0);
        b = columns((int64_t)((uint64_t)h->start + (uint64_t)h->interval * high)) +
            (high == h->n - 1);
    }
    a = a > b ? a : b;
    return a > VALUE_MIN ? a : VALUE_MIN;
}

static bool alone(const struct hist *h, uint32_t i, uint32_t low, uint32_t high)
{
    uint32_t from = i - low > MARGIN ? i - MARGIN : low, to = high - i > MARGIN ? i + MARGIN : high;

    for (uint32_t k = from; k <= to; k++)
        if (h->buckets[k])
            return false;
    return true;
}

void format_hist(struct text *t, const uint64_t *buckets, uint32_t hist, const int64_t args[3])
{
    struct hist h = {buckets, ngs_hist_buckets(hist, args), hist == NGS_HIST_LOG, args[0], args[2]};
    uint64_t most = 0, scale;
    uint32_t low, high;
    const char *prefix;
    int width, count_width;
    bool gap = false;

    if (h.n == 0)
        return;
    range(&h, &low, &high);
    for (uint32_t i = low; i <= high; i++)
        most = buckets[i] > most ? buckets[i] : most;
    width = value_width(&h, low, high);
    scale = most <= BAR ? 1 : (most + BAR - 1) / BAR;
    count_width = columns((int64_t)most);

    text_pad(t, ' ', width - VALUE_MIN);
    text_str(t, "value |");
    text_pad(t, '-', BAR);
    text_str(t, " count\n");
    for (uint32_t i = low; i <= high; i++) {
        int64_t v = bucket_value(&h, i, &prefix);
        int bar = (int)(buckets[i] / scale);

        if (alone(&h, i, low, high)) {
            gap = true;
            continue;
        }
        if (gap) {
            text_pad(t, ' ', width);
            text_str(t, " ~\n");
            gap = false;
        }
        text_pad(t, ' ', width - columns(v) - (int)strlen(prefix));
        text_str(t, prefix);
        text_printf(t, "%" PRId64 " |", v);
        text_pad(t, '@', bar);
        text_printf(t, "%*" PRId64 "\n", BAR - bar + 1 + count_width, (int64_t)buckets[i]);
    }
    text_char(t, '\n');
}

uint32_t hist_rows(const uint64_t *buckets, uint32_t hist, const int64_t args[3],
                   struct out_row *rows)
{
    struct hist h = {buckets, ngs_hist_buckets(hist, args), hist == NGS_HIST_LOG, args[0], args[2]};
    uint32_t low, high, n = 0;
    const char *prefix;

    if (h.n == 0)
        return 0;
    range(&h, &low, &high);
    for (uint32_t i = low; i <= high; i++) {
        int64_t v = bucket_value(&h, i, &prefix);

        rows[n] = (struct out_row){OUT_ROW_FROM, v, buckets[i]};
        if (*prefix == '<') {
            rows[n].kind = OUT_ROW_UNDER;
        } else if (*prefix == '>') { /* the text shows where the last row before it begins */
            rows[n].kind = OUT_ROW_OVER;
            rows[n].bound = (int64_t)((uint64_t)v + (uint64_t)h.interval);
        }
        n++;
    }
    return n;
}
