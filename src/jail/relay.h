/*
 * relay: what a jail prints, on its way to our streams.
 */
#ifndef JAIL_RELAY_H
#define JAIL_RELAY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

struct relay {
    int fd;     /* the pipe's end to read from; -1: closed */
    FILE *to;   /* NULL: it is dropped */
    bool clean; /* for a reader of text: control characters are made visible */
    char *line; /* what has come of a line that has not ended */
    size_t n;
};

/* Passes on what has come: lines, when clean. */
void relay_take(struct relay *r);

/* The rest, and the end. */
void relay_close(struct relay *r);

#endif
