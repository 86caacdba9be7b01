/*
 * spool: profiles that wait for their receiver, in a folder of ours.
 */
#ifndef AGENT_SPOOL_H
#define AGENT_SPOOL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/compile.h"

enum { SPOOL_ID = 16, SPOOL_NAME = 64 };

/* The folder holds, of a session, ID.labels, a line "NAME=VALUE" each, and files
 * ID-YYYYMMDDTHHMMSSZ.pb.gz, profiles named by when they began. */
struct spool_file {
    char name[SPOOL_NAME];
    uint64_t bytes;
    int64_t from, until; /* seconds since 1970; UNTIL: when it was written */
};

struct spool {
    const char *folder;
    uint64_t max_bytes, max_files;
    int lock;
    struct spool_file *v; /* the oldest first */
    uint32_t n;
    uint64_t bytes;
    uint64_t dropped, dropped_bytes; /* because there was no room, from the beginning */
};

/* Makes the folder if need be, and takes it for us alone. False after reporting: it cannot be
 * written, it is another user's, another agent has it. */
bool spool_open(struct spool *s, struct compile *cx, const char *folder, uint64_t max_bytes,
                uint64_t max_files);

/* Lists the folder anew, drops the oldest beyond the bounds, and labels that nobody needs: RUNS
 * says of a session's id whether it may still write. False after reporting: it cannot be listed. */
bool spool_look(struct spool *s, struct compile *cx, bool (*runs)(void *arg, const char *id),
                void *arg);

/* Says what the profiles of session ID are called; N lines "NAME=VALUE". False after reporting. */
bool spool_labels(struct spool *s, struct compile *cx, const char *id, const char *const *labels,
                  uint32_t n);

/* The labels of a profile, in A, *N of them; NULL and 0: it has none that can be read. */
const char **spool_labels_of(const struct spool *s, struct arena *a, const char *name, uint32_t *n);

/* Path of a file of the folder, in A. */
const char *spool_path(const struct spool *s, struct arena *a, const char *name);

/* The profile is sent: its file goes. */
void spool_sent(struct spool *s, struct arena *a, const char *name);

void spool_close(struct spool *s);

#endif
