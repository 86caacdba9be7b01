/*
 * jail: work on bytes that others wrote, in a child without privileges. The child has no
 * capabilities, no network, no path of its own to any file and few system calls (filter.c); what it
 * opens by a path is opened for it by the parent, if the table of policy.c lets it (broker.c). What
 * it says comes by pipes and is made clean; what it answers is flat bytes, which the caller must
 * check: a child that a hostile file has taken over answers what it likes.
 *
 * The child is a fork: it has what the parent had in memory when it began, open files included, and
 * runs functions of this program at the parent's word.
 */
#ifndef JAIL_JAIL_H
#define JAIL_JAIL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

#include "base/compile.h"

enum {
    JAIL_SECONDS = 120,               /* processor time of one question; bounds.h asks less */
    JAIL_SILENT_SECONDS = 60,         /* in which a child that is asked does next to nothing */
    JAIL_CLOCK = 20,                  /* by the clock a question may take so many times its time of
                                       * a processor, as the machine may be busy */
    JAIL_ANSWER_MAX = 512 << 20,      /* bytes of an answer */
    JAIL_MESSAGE_MAX = 4 << 20,       /* of what a child tells meanwhile */
    JAIL_FDS_MAX = 2,                 /* descriptors with a message */
};

/* What the child may have opened by path. What is not told is NULL, 0 or -1. */
struct jail_policy {
    const char *const *read; /* files, and folders with all below them: resolved paths */
    uint32_t n_read;
    bool closed;       /* nothing but these, and the cache */
    const char *const *write; /* folders of the cache that may be written below: resolved paths */
    uint32_t n_write;
    const pid_t *pids; /* processes whose /proc may be read */
    uint32_t n_pids;
    uint32_t n_whose;  /* the first of them: what these may read of the host's files may be, too */
    int root;          /* a folder of the target: all below it may be read. -1: it is the host's */
};

/* What the child tells while it works: KIND and N bytes at DATA are its own choice. What REPLY is
 * given goes back, with *FD if it is set (then closed here). */
typedef void jail_told(void *arg, uint32_t kind, const void *data, size_t n, FILE *reply, int *fd);

struct jail_opts {
    struct jail_policy policy;
    FILE *out; /* what the child prints; may be NULL */
    jail_told *told;
    void *arg;
};

struct jail;

/*
 * Starts a child. O is copied, what it points to must live as long as the jail. What the child
 * says on its standard error, and its messages, go to where CX's messages go. NULL: this kernel, or
 * what this process may, will not do; *WHY says what lacks (static).
 */
struct jail *jail_start(struct compile *cx, const struct jail_opts *o, const char **why);

/* A question, as work in the child sees it. FDS are the child's copies, closed after the work. */
struct jail_question {
    void *arg; /* as the caller gave it: an address from before jail_start */
    const void *data;
    size_t n;
    int fds[JAIL_FDS_MAX]; /* -1: none */
    int answer_fd;         /* out: to be handed to the parent, then closed; -1: none */
};
typedef bool jail_work(struct jail_question *q, FILE *answer);

/* An answer: free DATA, close FD. */
struct jail_answer {
    void *data; /* malloc'ed, N bytes and a NUL */
    size_t n;
    int fd; /* -1: none */
};

/*
 * Has the child run WORK. False: WORK said so, nothing was answered; or the child died, or took too
 * much, which is reported with the file that it had in hand (from then on every question is refused
 * without a message). J NULL: false.
 */
bool jail_ask(struct jail *j, jail_work *work, const struct jail_question *q,
              struct jail_answer *out);

/*
 * The jail that readers of open files ask from now on (target/asked.c, unwind/asked.c): it needs no
 * policy. Until the target is known (bounds_begin to bounds_end) all questions together have the
 * time that base/bounds.h allows. NULL: nobody is asked.
 */
void jail_readers(struct jail *j);

/* Is it to be asked? Not in a jail itself. It may be broken: then every question is refused. */
bool jail_reads(void);

/* Asks it: jail_ask. OUT->fd is never set. */
bool jail_read(jail_work *work, void *arg, int fd, int more, const void *data, size_t n,
               struct jail_answer *out);

/* The same, where the answer has SIZE bytes. False also when it has not. */
bool jail_read_fact(jail_work *work, int fd, const void *data, size_t n, void *out, size_t size);

/* Has J's child died, or been ended, which was reported? NULL: no. */
bool jail_broke(const struct jail *j);

/* What it prints from now on goes nowhere, as the stream for it may be closed; NULL is allowed. */
void jail_mute(struct jail *j);

/* Ends the child; NULL is allowed. */
void jail_end(struct jail *j);

/* ---- in the child ---- */

/* Does this process run in a jail? */
bool jail_inside(void);

/* Tells the parent, and takes its reply into TO, of SIZE bytes: how many there were. *FD (may be
 * NULL): the descriptor that came with it, or -1. */
size_t jail_tell(uint32_t kind, const void *data, size_t n, void *to, size_t size, int *fd);

#endif
