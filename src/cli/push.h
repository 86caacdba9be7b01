/*
 * push: a profile for an engine that keeps profiles.
 */
#ifndef CLI_PUSH_H
#define CLI_PUSH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compile.h"

struct push {
    const char *url;     /* the engine's: "http://pyroscope:4040" */
    const char *service; /* whose profile it is */
    const char **labels; /* "NAME=VALUE", in order */
    uint32_t n_labels;
};

/* Adds the label TEXT, "NAME=VALUE". False after reporting: it is none. */
bool push_label(struct compile *cx, struct push *p, const char *text);

/*
 * Sends N bytes at PPROF (profile.proto, gzipped), taken from FROM to UNTIL (seconds since 1970),
 * to POST URL/ingest as Pyroscope's HTTP API has it. False after reporting: no curl(1), no answer,
 * or one that says no.
 */
bool push_pprof(struct compile *cx, const struct push *p, int64_t from, int64_t until,
                const void *pprof, size_t n);

#endif
