/*
 * http: one POST, by libcurl, in a process of its own.
 */
#ifndef PUSH_HTTP_H
#define PUSH_HTTP_H

#include <stddef.h>
#include <stdint.h>

enum { HTTP_TEXT_MAX = 1024 };

struct http_request {
    const char *url;
    const char *const *headers; /* "NAME: VALUE" */
    uint32_t n_headers;
    const void *body;
    size_t n;
    const char *ca_file; /* certificates that are believed, in place of the system's; or NULL */
    const char *cert_file, *key_file; /* of ours, for a receiver that asks; or NULL */
    long seconds;                     /* the whole may take at most */
};

/* Flat: it comes through a pipe. */
struct http_answer {
    unsigned status;          /* HTTP's; 0: none came, and TEXT says why */
    int64_t wait;             /* Retry-After in seconds; 0: none */
    uint32_t n;               /* bytes of TEXT */
    char text[HTTP_TEXT_MAX]; /* the beginning of the answer's body: any bytes */
};

/* Posts R; *OUT is always filled in. */
void http_post(const struct http_request *r, struct http_answer *out);

#endif
