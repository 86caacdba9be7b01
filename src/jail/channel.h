/*
 * channel: messages between a jail and its parent.
 */
#ifndef JAIL_CHANNEL_H
#define JAIL_CHANNEL_H

#include "jail/jail.h"

enum message_kind {
    MESSAGE_LISTENER,
    MESSAGE_QUESTION,
    MESSAGE_ANSWER,
    MESSAGE_TOLD,
    MESSAGE_REPLY
};

enum { CHANNEL_SECONDS = 60 }; /* for one message of a child, once it has begun */

struct message {
    uint32_t kind; /* enum message_kind */
    uint32_t what; /* ANSWER: 1, it worked; TOLD: the child's kind */
    uint64_t work; /* QUESTION: addresses of the function and its argument, the parent's and so */
    uint64_t arg;  /* the child's */
    uint64_t n;    /* bytes that follow */
};

/* FDS: JAIL_FDS_MAX, or NULL; those that are -1 are left out, the others come in their order. False
 * and errno: nobody listens. */
bool channel_send(int sock, const struct message *m, const void *data, const int *fds);

/* The message's head and its descriptors, the caller's. False: the end, or no message. */
bool channel_receive(int sock, struct message *m, int fds[JAIL_FDS_MAX]);

/* The N bytes that follow a head, malloc'ed with a NUL behind them; NULL: they do not come, or not
 * within SECONDS (0: whenever). */
void *channel_read(int sock, uint64_t n, unsigned seconds);

#endif
