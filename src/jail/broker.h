/*
 * broker: the parent's side of calls that name files.
 */
#ifndef JAIL_BROKER_H
#define JAIL_BROKER_H

#include <limits.h>

#include "jail/jail.h"

struct broker;

/* Answers what comes by LISTENER (the broker's from now on) from the child PID. NULL: out of
 * memory, or its memory may not be read. */
struct broker *broker_new(int listener, pid_t pid, const struct jail_policy *policy);
void broker_free(struct broker *b);

int broker_listener(const struct broker *b);

/* Takes one call that waits, and answers it. False: the child is gone. */
bool broker_serve(struct broker *b);

/* The path of the file that the child opened last, as it named it; "" for none. */
const char *broker_last(const struct broker *b);

/* ---- policy.c: what may be opened ---- */

struct stat;

struct policy {
    struct jail_policy asked;
    pid_t own; /* the child itself */
    uint32_t n_ids;
    struct policy_ids { /* of the target's processes */
        uid_t uid;
        gid_t gid;
    } ids[16];
};

void policy_make(struct policy *p, const struct jail_policy *asked, pid_t own);

/* May the file or folder of that name (the kernel's for it: absolute, without links) and status be
 * read? */
bool policy_reads(const struct policy *p, const char *path, const struct stat *st);

/* May it be asked about (its status, where a link leads)? PATH as the child gave it. */
bool policy_looks(const struct policy *p, const char *path);

/* May what lies in that folder be made, replaced, removed? */
bool policy_writes(const struct policy *p, const char *folder);

#endif
