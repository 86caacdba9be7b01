/*
 * record: a record of the ring buffer, or of a handler in user space (base/abi.h), that is read.
 */
#ifndef RUN_RECORD_H
#define RUN_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/abi.h"
#include "run/value.h"

/* What is left of it. BAD: something did not fit its own sizes; what was read then is empty. */
struct record {
    const uint8_t *p;
    size_t left;
    bool bad;
};

/* A record in SIZE bytes that may hold anything; *HEAD: zeroes where it is bad. */
struct record record_open(const void *data, size_t size, struct ngs_rec *head);
int64_t record_long(struct record *in);
struct str record_str(struct record *in);

#endif
