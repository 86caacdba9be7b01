/*
 * verifier: the verifier's log, and what it says of a program that it refused.
 */
#ifndef LOAD_VERIFIER_H
#define LOAD_VERIFIER_H

#include "load/load.h"

struct verifier_log {
    char *text; /* the kernel writes it; empty: the verifier said nothing */
    size_t size;
};

/* Reserves address space for a log; pages are taken when they are written. */
bool verifier_log_open(struct compile *cx, struct verifier_log *log);
void verifier_log_close(struct verifier_log *log);

/* Reports why loading failed: what the verifier said last, the script line, and where the log is
 * kept. */
void verifier_report(struct compile *cx, const struct verifier_log *log, int err);

/* What a log says: spans of it. Parts that it lacks are empty. */
struct verifier_verdict {
    const char *reason; /* last line before the statistics */
    int reason_len;
    const char *line; /* the script's line as quoted last ("; TEXT"), without the place */
    int line_len;
    const char *place; /* "FILE:LINE", since Linux 6.9 */
    int place_len;
    const char *func; /* subprogram that was looked at alone ("Validating NAME()"), with "()" */
    int func_len;
};
struct verifier_verdict verifier_read(const char *log);

#endif
