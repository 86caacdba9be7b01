/*
 * gather: what a handler in the kernel prints stays together (base/abi.h, enum ngs_rec_flag).
 */
#ifndef RUN_GATHER_H
#define RUN_GATHER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct text;

/* Takes a record, whose SIZE bytes may hold anything. */
typedef void gather_fn(void *arg, const void *data, size_t size);

struct gather {
    struct text *kept; /* by frame: records one after the other */
    uint32_t n;
    gather_fn *take;
    void *arg;
};

/* For FRAMES frames in the kernel; false: no memory. TAKE gets ARG and the records. */
bool gather_open(struct gather *g, uint32_t frames, gather_fn *take, void *arg);
/* Keeps a record, or passes on what was kept of its frame, and the record. */
void gather_record(struct gather *g, const void *data, size_t size);
/* Passes on all that is kept: no handler runs that could end it. */
void gather_flush(struct gather *g);
void gather_close(struct gather *g);

#endif
