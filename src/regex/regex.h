/*
 * regex: POSIX extended regular expressions as tables that a few instructions walk, in the kernel
 * as in user space (base/abi.h, "regular expressions"). The dialect is the C locale's: bytes, "."
 * is any of them; back references, which no table can tell, are refused, as GNU's \w and \< are.
 */
#ifndef REGEX_REGEX_H
#define REGEX_REGEX_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"

enum {
    REGEX_MAX_STATES = 1000, /* of the automaton */
    REGEX_MAX_CELLS = 32000, /* numbers in its table, which is below 64 KiB then */
    REGEX_MAX_NODES = 4000,  /* of the expression, its repetitions written out */
    REGEX_MAX_DEPTH = 100,   /* of parentheses */
    REGEX_MAX_REPEAT = 255,  /* RE_DUP_MAX of POSIX */
};

struct regex {
    const char *table; /* SIZE bytes in the arena */
    uint32_t size;
    const char *error, *hint; /* why there is none, and what to do; HINT may be NULL */
    uint32_t error_at;        /* byte of the pattern */
};

/* Compiles the LEN bytes of PATTERN; false: *RE says why not. */
bool regex_compile(struct arena *a, const char *pattern, uint32_t len, struct regex *re);

#endif
