/*
 * layout_damage: a copy of a process's memory, of which bytes are changed and mended again, for
 * tools that try layouts on it (layout_fit.c, layout_fit_nginx.c).
 */
#ifndef UNIT_LAYOUT_DAMAGE_H
#define UNIT_LAYOUT_DAMAGE_H

#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "debug/source.h"

enum { BYTES_MAX = 512, PART = 1 << 16 };

struct damage_change {
    uint64_t at;
    unsigned char before;
};

static uint64_t damage_state = 88172645463325252u;

static inline uint64_t damage_random(void) /* xorshift64 (Marsaglia, 2003) */
{
    damage_state ^= damage_state << 13;
    damage_state ^= damage_state >> 7;
    damage_state ^= damage_state << 17;
    return damage_state;
}

/* What the process PID can write to, of which MEM is /proc/PID/mem, at the same offsets of a file;
 * it stands still meanwhile. */
static inline int damage_copy(pid_t pid, int mem, const struct map *maps)
{
    static char part[PART];
    int copy = memfd_create("state", MFD_CLOEXEC);

    kill(pid, SIGSTOP);
    for (const struct map *m = maps; copy >= 0 && m; m = m->next)
        for (uint64_t at = m->start; (m->write || m->ino) && at < m->end; at += PART) {
            uint64_t left = m->end - at;
            ssize_t n = pread(mem, part, left < PART ? left : PART, (off_t)at);

            if (n <= 0 || pwrite(copy, part, (size_t)n, (off_t)at) != n)
                break;
        }
    kill(pid, SIGCONT);
    return copy;
}

/* Changes some bytes of COPY, each where SOMEWHERE tells; V, room for BYTES_MAX: what they were.
 * How many. */
static inline uint32_t damage_some(int copy, uint64_t (*somewhere)(const void *arg),
                                   const void *arg, struct damage_change *v)
{
    static const uint32_t amounts[] = {1, 1, 2, 8, 64, BYTES_MAX};
    uint32_t n = amounts[damage_random() % 6], done = 0;

    for (uint32_t i = 0; i < n; i++) {
        struct damage_change *c = &v[done];
        unsigned char byte = (unsigned char)damage_random();

        c->at = somewhere(arg);
        if (pread(copy, &c->before, 1, (off_t)c->at) == 1 &&
            pwrite(copy, &byte, 1, (off_t)c->at) == 1)
            done++;
    }
    return done;
}

static inline void damage_mend(int copy, const struct damage_change *v, uint32_t n)
{
    while (n--)
        if (pwrite(copy, &v[n].before, 1, (off_t)v[n].at) != 1)
            abort();
}

#endif
