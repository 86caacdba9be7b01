/*
 * value: strings and aggregates of the script language (value.c).
 */
#ifndef RUN_VALUE_H
#define RUN_VALUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/abi.h"

/* A string where it lies, its length checked against what holds it. */
struct str {
    const char *p;
    uint32_t len;
};

/* Sets or appends bytes; false when MAX cut them. DST has room for NGS_STR_SIZE(max). They may
 * overlap. */
bool str_set(struct ngs_str *dst, uint32_t max, const char *p, size_t n);
bool str_append(struct ngs_str *dst, uint32_t max, const char *p, size_t n);
int str_compare(struct str a, struct str b);                 /* -1 0 1 by unsigned bytes */
/* The hash of base/abi.h; KEY: NGS_HASH_KEY_SIZE(LEN) bytes at least. */
void str_hash(uint64_t out[2], const uint64_t *key, const char *p, uint32_t len);

/* ---- shared.c: global strings, base/abi.h struct ngs_shared; MAX: MAXSTRINGLEN ---- */

/* False: others set it too often for that. */
bool shared_get(struct ngs_shared *s, uint32_t max, struct ngs_str *dst);
void shared_set(struct ngs_shared *s, uint32_t max, struct str text);
/* By way of ROOM, which has room for a string. *CUT: not all of MORE fitted. */
bool shared_append(struct ngs_shared *s, uint32_t max, struct str more, struct ngs_str *room,
                   bool *cut);

/* Bytes of an aggregate with its buckets. */
size_t stats_size(uint32_t hist, const int64_t args[3]);
void stats_init(struct ngs_stats *s, size_t size);
/* Atomically (the kernel's programs may add to the same one): add VALUE. */
void stats_add(struct ngs_stats *s, uint32_t hist, const int64_t args[3], int64_t value);
void stats_merge(struct ngs_stats *to, const struct ngs_stats *from, uint32_t buckets);
/* False: empty, and OP is neither count nor sum (SystemTap allows these two). */
bool stats_get(const struct ngs_stats *s, uint32_t op, int64_t *out);

#endif
