/*
 * value: what strings and aggregates do. Same results as the code that cg makes for the kernel: the
 * hash of a key made here finds what a handler there stored.
 */
#include "run/value.h"

#include <string.h>

bool str_set(struct ngs_str *dst, uint32_t max, const char *p, size_t n)
{
    dst->len = 0;
    return str_append(dst, max, p, n);
}

bool str_append(struct ngs_str *dst, uint32_t max, const char *p, size_t n)
{
    bool fits;

    if (dst->len > max)
        dst->len = max;
    fits = n <= max - dst->len;
    if (!fits)
        n = max - dst->len;
    memmove(dst->bytes + dst->len, p, n);
    dst->len += (uint32_t)n;
    dst->bytes[dst->len] = '\0';
    return fits;
}

int str_compare(struct str a, struct str b)
{
    int c = memcmp(a.p, b.p, a.len < b.len ? a.len : b.len);

    return c ? (c < 0 ? -1 : 1) : a.len < b.len ? -1 : a.len > b.len;
}

void str_hash(uint64_t out[2], const uint64_t *key, const char *p, uint32_t len)
{
    ngs_hash(out, key, p, len);
}

size_t stats_size(uint32_t hist, const int64_t args[3])
{
    return sizeof(struct ngs_stats) + ngs_hist_buckets(hist, args) * sizeof(uint64_t);
}

void stats_init(struct ngs_stats *s, size_t size)
{
    memset(s, 0, size);
    s->min = INT64_MAX;
    s->max = INT64_MIN;
}

static uint32_t bucket(uint32_t hist, const int64_t args[3], int64_t v)
{
    uint64_t i;

    if (hist == NGS_HIST_LOG) {
        if (v == 0)
            return NGS_HIST_LOG_ZERO;
        if (v > 0)
            return NGS_HIST_LOG_ZERO + 64 - (uint32_t)__builtin_clzll((uint64_t)v);
        return NGS_HIST_LOG_ZERO - 64 + (uint32_t)__builtin_clzll(-(uint64_t)v);
    }
    if (v < args[0])
        return 0;
    i = ((uint64_t)v - (uint64_t)args[0]) / (uint64_t)args[2] + 1;
    return i >= ngs_hist_buckets(hist, args) ? ngs_hist_buckets(hist, args) - 1 : (uint32_t)i;
}

void stats_add(struct ngs_stats *s, uint32_t hist, const int64_t args[3], int64_t v)
{
    int64_t old = __atomic_load_n(&s->min, __ATOMIC_RELAXED);

    while (v < old && !__atomic_compare_exchange_n(&s->min, &old, v, false, __ATOMIC_SEQ_CST,
                                                   __ATOMIC_RELAXED))
        ;
    old = __atomic_load_n(&s->max, __ATOMIC_RELAXED);
    while (v > old && !__atomic_compare_exchange_n(&s->max, &old, v, false, __ATOMIC_SEQ_CST,
                                                   __ATOMIC_RELAXED))
        ;
    __atomic_fetch_add(&s->count, 1, __ATOMIC_SEQ_CST);
    __atomic_fetch_add(&s->sum, v, __ATOMIC_SEQ_CST);
    __atomic_fetch_add(&s->sumsq, (uint64_t)v * (uint64_t)v, __ATOMIC_SEQ_CST);
    if (ngs_hist_buckets(hist, args))
        __atomic_fetch_add(&s->buckets[bucket(hist, args, v)], 1, __ATOMIC_SEQ_CST);
}

void stats_merge(struct ngs_stats *to, const struct ngs_stats *from, uint32_t buckets)
{
    to->count = (int64_t)((uint64_t)to->count + (uint64_t)from->count);
    to->sum = (int64_t)((uint64_t)to->sum + (uint64_t)from->sum);
    to->sumsq += from->sumsq;
    to->min = from->min < to->min ? from->min : to->min;
    to->max = from->max > to->max ? from->max : to->max;
    for (uint32_t i = 0; i < buckets; i++)
        to->buckets[i] += from->buckets[i];
}

/* Of a sample: divided by count - 1, as SystemTap's; 0 for one value. */
static int64_t variance(const struct ngs_stats *s)
{
    __int128 n = s->count, v = (__int128)s->sumsq - (__int128)s->sum * s->sum / n;

    if (n < 2 || v < 0)
        return 0;
    v /= n - 1;
    return v > INT64_MAX ? INT64_MAX : (int64_t)v;
}

bool stats_get(const struct ngs_stats *s, uint32_t op, int64_t *out)
{
    *out = 0;
    if (s->count == 0)
        return op == NGS_STAT_COUNT || op == NGS_STAT_SUM;
    switch (op) {
    case NGS_STAT_COUNT:
        *out = s->count;
        break;
    case NGS_STAT_SUM:
        *out = s->sum;
        break;
    case NGS_STAT_MIN:
        *out = s->min;
        break;
    case NGS_STAT_MAX:
        *out = s->max;
        break;
    case NGS_STAT_AVG:
        /* -1 apart, since INT64_MIN / -1 traps; counts are not negative unless memory was tampered
         * with */
        *out = s->count == -1 ? (int64_t) - (uint64_t)s->sum : s->sum / s->count;
        break;
    case NGS_STAT_VARIANCE:
        *out = variance(s);
        break;
    }
    return true;
}
