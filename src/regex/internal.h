/*
 * internal: what the parser leaves to the maker of the table: an automaton whose edges are sets of
 * bytes or empty.
 */
#ifndef REGEX_INTERNAL_H
#define REGEX_INTERNAL_H

#include "regex/regex.h"

enum node_kind {
    NODE_SET,   /* takes a byte of the set, goes to next */
    NODE_SPLIT, /* goes to next and to other */
    NODE_EMPTY, /* goes to next */
    NODE_START, /* likewise, at the start of the text only */
    NODE_END,   /* likewise, at its end only */
    NODE_MATCH,
};

enum { NO_NODE = UINT32_MAX };

struct byte_set {
    uint64_t has[4];
};

static inline bool set_has(const struct byte_set *s, unsigned byte)
{
    return s->has[byte / 64] >> byte % 64 & 1;
}

struct node {
    enum node_kind kind;
    uint32_t next, other;
    struct byte_set set;
};

struct nodes {
    struct node v[REGEX_MAX_NODES];
    uint32_t n, first;
};

/* Parses PATTERN into NODES; false: *RE says why not. */
bool regex_parse(struct arena *a, const char *pattern, uint32_t len, struct nodes *nodes,
                 struct regex *re);

#endif
