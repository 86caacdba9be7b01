/*
 * follow: what forks, ends and runs exec in the scope, as the kernel sees it.
 */
#ifndef LOAD_FOLLOW_H
#define LOAD_FOLLOW_H

#include <stdbool.h>
#include <stdint.h>

#include "base/abi.h"

enum follow_what { FOLLOW_BORN, FOLLOW_EXEC, FOLLOW_GONE };
enum { FOLLOW_PROGRAMS = 4 };

/* What the ring tells. */
struct follow_news {
    uint32_t what; /* enum follow_what */
    uint32_t pid;  /* the process, by the number that ngstap knows */
    uint64_t reserved;
};

struct follow_maps {
    int scope, control;            /* descriptors of NGS_MAP_SCOPE, NGS_MAP_CONTROL */
    int ring;                      /* made by follow_start */
    uint64_t pidns_dev, pidns_ino; /* as in ngs_control */
};

struct follow {
    struct follow_maps maps;
    int links[FOLLOW_PROGRAMS];
    int last_exit; /* a program: a tracepoint takes one only once (before Linux 6.10) */
};

void follow_init(struct follow *f); /* as not started */

/*
 * From now on the map MAPS->scope is kept exact, and struct follow_news come through the ring.
 * False and errno, with nothing started: ENOENT: this kernel has no BTF, or not with the structures
 * that are needed.
 */
bool follow_start(struct follow *f, const struct follow_maps *maps);
/*
 * Programs of a tracepoint run in the order they were attached in. From here on a process that ends
 * leaves the map behind all programs that are attached to its end by now: to them it is in it.
 */
void follow_exit_last(struct follow *f);
void follow_stop(struct follow *f);

#endif
