/*
 * conf: what an agent is to do.
 */
#ifndef AGENT_CONF_H
#define AGENT_CONF_H

#include <stdbool.h>
#include <stdint.h>

#include "base/compile.h"

enum { CONF_RULES_MAX = 256, CONF_PACKS_MAX = 16, CONF_HZ_MAX = 999 };

/* What a process is asked for, and the patterns (fnmatch(3)) of which one must fit. */
enum conf_fact { FACT_EXE, FACT_COMM, FACT_CGROUP, FACT_CONTAINER, FACT_LABEL, FACT_POD, N_FACTS };

struct conf_patterns {
    const char **v;
    uint32_t n; /* 0: not asked */
};

/* [match NAME]: a process fits that has all the facts it names. */
struct conf_rule {
    const char *name;
    struct conf_patterns facts[N_FACTS];
    const char *service;        /* the label; NULL: NAME */
    const char *frames;         /* of "ngstap flame --frames"; NULL: all there are */
    struct conf_patterns packs; /* of debug information: paths, CONF_PACKS_MAX at most */
    uint32_t line;
};

struct agent_conf {
    /* [agent] */
    const char *spool;    /* a folder, absolute */
    uint64_t spool_bytes; /* of profiles there */
    uint64_t spool_files;
    double window;       /* seconds of a profile */
    double settle;       /* age from which a process is looked at, in seconds */
    double scan;         /* seconds between two looks at /proc */
    uint64_t hz;         /* the highest rate */
    double cpu;          /* share of one CPU that all may take: 0.01 is 1 % */
    uint64_t memory;     /* bytes that all may take */
    uint64_t sessions;   /* at a time */
    const char *address; /* of metrics, of IPv4 in digits; NULL: there are none */
    uint16_t port;
    /* [push] */
    const char *pyroscope, *otlp; /* a receiver's URL, one at most; both NULL: profiles stay */
    const char **labels;          /* "NAME=VALUE" of every profile */
    uint32_t n_labels;
    const char **headers; /* "NAME: VALUE" of every request */
    uint32_t n_headers;

    struct conf_rule *rules; /* in order: the first that fits */
    uint32_t n_rules;
};

/*
 * Reads PATH. NULL after reporting, with its line: a section or key that there is not, a value out
 * of range, a key that is said twice, a rule that asks for nothing, no rule at all. CX's arena.
 */
struct agent_conf *conf_read(struct compile *cx, const char *path);

#endif
