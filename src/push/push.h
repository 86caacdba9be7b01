/*
 * push: sends profiles to engines that keep them. What is sent is a profile in the format of the
 * receiver, a row of the table in receivers.c, with labels that say whose it is.
 *
 * Whoever sends fills a struct push once (push_to, push_label, push_header), and then calls, for
 * each profile, push_live (what a run has just made, in the receiver's format) or push_file (what
 * was saved). Both try once and leave the outcome in a struct push_answer: they report nothing on
 * the diagnostics, so that an agent counts and waits by itself. push_patiently tries again as the
 * receiver asks, and reports. All text is the arena's of CX, which a process that sends for days
 * makes anew for each profile.
 */
#ifndef PUSH_PUSH_H
#define PUSH_PUSH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compile.h"
#include "out/out.h"

struct push_receiver; /* receivers.c */
struct target;

enum {
    PUSH_LABELS_MAX = 64,
    PUSH_LABEL_LEN = 256,   /* bytes of a label's value, of what the target says of itself */
    PUSH_FILE_MAX = 64 << 20, /* bytes of a saved profile, as it is on the disk */
};

struct push {
    const struct push_receiver *receiver; /* NULL: nothing is sent */
    const char *url;                      /* the receiver's, as its user has it */
    const char **headers;                 /* "NAME: VALUE", one line each */
    uint32_t n_headers;
    struct out_label *labels; /* each name once; "service" is whose profile it is */
    uint32_t n_labels;
};

/* The format that P's receiver takes, a row of out/'s table. */
const struct out_format *push_format(const struct push *p);

/*
 * Sends to the receiver RECEIVER ("pyroscope", "otlp") at URL, http or https; for otlp "env" means
 * what OTEL_EXPORTER_OTLP_PROFILES_ENDPOINT or OTEL_EXPORTER_OTLP_ENDPOINT says. False after
 * reporting: no such receiver, no such URL, no such variable.
 */
bool push_to(struct compile *cx, struct push *p, const char *receiver, const char *url);

/* Adds the label TEXT, "NAME=VALUE"; one of that name that is there is replaced. False after
 * reporting: it is none. */
bool push_label(struct compile *cx, struct push *p, const char *text);

/* Adds a label that nobody has given: VALUE may be anything, and is made clean and short. Nothing
 * is done where there is one of that name, VALUE is NULL or empty, or there are too many. */
void push_default_label(struct compile *cx, struct push *p, const char *name, const char *value);

/*
 * Labels of what T is, by its cgroup and its program, where none was given: namespace, pod,
 * container, container_id, node (NODE_NAME of our environment, else this machine's name), pid,
 * executable, worker (of one process that alone is looked at: nginx's number of it among its
 * master's workers, else its pid), and service: the container's name, else the program's. A
 * container's name is the kubelet's, else that of the engine, which is asked. T may be NULL: node
 * alone.
 */
void push_default_labels(struct compile *cx, struct push *p, const struct target *t);

/* The value of the label NAME; NULL: there is none. */
const char *push_find_label(const struct push *p, const char *name);

/* Adds the header TEXT, "NAME: VALUE". False after reporting: it is none. */
bool push_header(struct compile *cx, struct push *p, const char *text);

enum push_outcome {
    PUSH_TAKEN,
    PUSH_LATER,   /* the receiver has no room now, or is not there: the same may be sent again */
    PUSH_REFUSED, /* it is not to be sent again */
};

struct push_answer {
    enum push_outcome outcome;
    unsigned status;   /* HTTP's; 0: no answer came */
    double wait;       /* seconds that the receiver asks to wait for, at most PUSH_WAIT_MAX; 0: it
                        * does not say */
    const char *text;  /* why not, or a warning with PUSH_TAKEN: clean, one line; "": none */
};

enum { PUSH_WAIT_MAX = 3600 };

/*
 * One try to send N bytes at BODY, which push_format's row has written with I. Takes a minute at
 * most (twenty seconds in which nothing goes either way).
 */
void push_live(struct compile *cx, const struct push *p, const struct out_info *i, const void *body,
               size_t n, struct push_answer *out);

/*
 * One try to send the saved profile at PATH: a pprof (.pb.gz, with its time) or folded stacks or
 * stacks as scripts print them (their time is the file's). PUSH_REFUSED with a text: it cannot be
 * read, or is no profile.
 */
void push_file(struct compile *cx, const struct push *p, const char *path, struct push_answer *out);

/*
 * Calls TRY with ARG until the profile is taken or refused, but five times and for half a minute at
 * most; waits between as the receiver asks, else longer each time. False after reporting, with NAME
 * of what is sent.
 */
bool push_patiently(struct compile *cx, const struct push *p, const char *name,
                    void (*try)(void *arg, struct push_answer *out), void *arg);

#endif
