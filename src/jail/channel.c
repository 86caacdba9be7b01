/*
 * channel: messages between a jail and its parent, over a socket of the two. Enters: a head, bytes,
 * descriptors; leaves: the same on the other side. Refused: heads that are cut, and more
 * descriptors than a message has, which the kernel closes.
 */
#include "jail/channel.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"

static bool send_bytes(int sock, const void *data, size_t n)
{
    for (size_t done = 0; done < n;) {
        ssize_t put = sendto(sock, (const char *)data + done, n - done, MSG_NOSIGNAL, NULL, 0);

        if (put < 0 && errno == EINTR)
            continue;
        if (put <= 0)
            return false;
        done += (size_t)put;
    }
    return true;
}

bool channel_send(int sock, const struct message *m, const void *data, const int *fds)
{
    struct message head = *m;
    struct iovec io = {&head, sizeof(head)};
    union {
        char room[CMSG_SPACE(sizeof(int) * JAIL_FDS_MAX)];
        struct cmsghdr align;
    } control = {.room = {0}};
    struct msghdr h = {.msg_iov = &io, .msg_iovlen = 1};
    int v[JAIL_FDS_MAX], n = 0;
    ssize_t put;

    for (int i = 0; fds && i < JAIL_FDS_MAX; i++)
        if (fds[i] >= 0)
            v[n++] = fds[i];
    if (n) {
        h.msg_control = control.room;
        h.msg_controllen = CMSG_SPACE(sizeof(int) * (size_t)n);
        struct cmsghdr *c = CMSG_FIRSTHDR(&h);

        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(sizeof(int) * (size_t)n);
        memcpy(CMSG_DATA(c), v, sizeof(int) * (size_t)n);
    }
    do
        put = sendmsg(sock, &h, MSG_NOSIGNAL);
    while (put < 0 && errno == EINTR);
    return put == (ssize_t)sizeof(head) && send_bytes(sock, data, m->n);
}

bool channel_receive(int sock, struct message *m, int fds[JAIL_FDS_MAX])
{
    struct iovec io = {m, sizeof(*m)};
    union {
        char room[CMSG_SPACE(sizeof(int) * JAIL_FDS_MAX)];
        struct cmsghdr align;
    } control;
    struct msghdr h = {.msg_iov = &io,
                       .msg_iovlen = 1,
                       .msg_control = control.room,
                       .msg_controllen = sizeof(control.room)};
    int n = 0, fd;
    ssize_t got;

    for (int i = 0; i < JAIL_FDS_MAX; i++)
        fds[i] = -1;
    do
        got = recvmsg(sock, &h, MSG_WAITALL | MSG_CMSG_CLOEXEC);
    while (got < 0 && errno == EINTR);
    for (struct cmsghdr *c = got > 0 ? CMSG_FIRSTHDR(&h) : NULL; c; c = CMSG_NXTHDR(&h, c)) {
        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
            continue;
        int here = (int)((c->cmsg_len - CMSG_LEN(0)) / sizeof(int));

        for (int i = 0; i < here; i++) {
            memcpy(&fd, CMSG_DATA(c) + sizeof(int) * (size_t)i, sizeof(int));
            if (n < JAIL_FDS_MAX)
                fds[n++] = fd;
            else
                close(fd);
        }
    }
    return got == (ssize_t)sizeof(*m);
}

void *channel_read(int sock, uint64_t n, unsigned seconds)
{
    char *data = malloc(n + 1);
    size_t done = 0;
    uint64_t until = clock_ns(CLOCK_MONOTONIC) + seconds * SECOND_NS;

    while (data && done < n && (!seconds || clock_ns(CLOCK_MONOTONIC) < until)) {
        ssize_t got = recv(sock, data + done, n - done, MSG_WAITALL);

        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            break;
        done += (size_t)got;
    }
    if (!data || done < n) {
        free(data);
        return NULL;
    }
    data[n] = 0;
    return data;
}
