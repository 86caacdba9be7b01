/*
 * receiver: for this folder: what kinds of receivers there are.
 */
#ifndef PUSH_RECEIVER_H
#define PUSH_RECEIVER_H

#include "push/http.h"
#include "push/push.h"

struct push_receiver {
    const char *name;   /* "otlp" */
    const char *format; /* of out/'s table */
    const char *hint;   /* where it listens, for messages */
    /* What the environment says of an address that is "env", and of headers; false after reporting.
     * NULL: nothing. */
    bool (*from_environment)(struct compile *cx, struct push *p);
    /* Fills *OUT in, all zeroes before; what it refers to is A's. */
    void (*make_request)(struct arena *a, const struct push *p, const struct out_info *i,
                         const void *body, size_t n, struct http_request *out);
    /* The receiver's words in the N bytes at TEXT, what it answered; *REFUSED: with success, but it
     * has not taken what it got. In A, not clean. NULL: the bytes themselves are its words. */
    const char *(*words)(struct arena *a, const char *text, size_t n, bool *refused);
};

const struct push_receiver *push_receiver(const char *name);

#endif
