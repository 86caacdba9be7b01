/*
 * metrics: an agent's numbers, for Prometheus, over HTTP.
 */
#ifndef AGENT_METRICS_H
#define AGENT_METRICS_H

#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "base/compile.h"

enum { METRICS_CLIENTS = 8, METRICS_POLLS = METRICS_CLIENTS + 1 };

struct metrics_client {
    int fd;         /* -1: free */
    uint64_t until; /* CLOCK_MONOTONIC ms: then it is dropped */
    char request[2048];
    size_t used;
    char *answer; /* malloc'ed; NULL: the request is not whole yet */
    size_t sent, size;
};

struct metrics {
    int fd; /* that listens; -1: none */
    uint16_t port;
    struct metrics_client clients[METRICS_CLIENTS];
    void (*print)(void *arg, FILE *f); /* text format 0.0.4 */
    void *arg;
};

/* Listens on ADDRESS (IPv4, digits) and PORT, 0: any that is free; M->port says which. False after
 * reporting. */
bool metrics_open(struct metrics *m, struct compile *cx, const char *address, uint16_t port,
                  void (*print)(void *arg, FILE *f), void *arg);

/* Sets METRICS_POLLS elements of V; metrics_serve takes them back after poll(2), and is to be
 * called once a second at least while clients are there. */
void metrics_poll(const struct metrics *m, struct pollfd *v);
void metrics_serve(struct metrics *m, const struct pollfd *v);

void metrics_close(struct metrics *m);

/* A metric's head: "# HELP ..", "# TYPE ..". */
void metrics_head(FILE *f, const char *name, const char *type, const char *help);
/* The same, and its only value. */
void metrics_value(FILE *f, const char *name, const char *type, const char *help, double value);

#endif
