/*
 * metrics: a server for GET /metrics. Enters: requests of HTTP/1.0 and 1.1, one a connection;
 * leaves: the text that PRINT writes, in Prometheus's text format 0.0.4. It runs in the agent's one
 * loop and never waits: a client has 5 s for all, a request 2 KiB, and there are 8 clients; a ninth
 * waits in the kernel's queue until one is done. Refused: other methods and paths.
 */
#include "agent/metrics.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/diag.h"

enum { CLIENT_MS = 5000, QUEUE = 16 };

static const struct span nowhere;

bool metrics_open(struct metrics *m, struct compile *cx, const char *address, uint16_t port,
                  void (*print)(void *arg, FILE *f), void *arg)
{
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(port)};
    socklen_t len = sizeof(in);
    int one = 1;

    *m = (struct metrics){.fd = -1, .print = print, .arg = arg};
    for (int i = 0; i < METRICS_CLIENTS; i++)
        m->clients[i].fd = -1;
    inet_pton(AF_INET, address, &in.sin_addr);
    m->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (m->fd >= 0)
        setsockopt(m->fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    if (m->fd < 0 || bind(m->fd, (struct sockaddr *)&in, sizeof(in)) || listen(m->fd, QUEUE) ||
        getsockname(m->fd, (struct sockaddr *)&in, &len)) {
        diag_error(cx->diag, nowhere, "metrics", "cannot listen on %s:%u: %s", address, port,
                   strerror(errno));
        diag_hint(cx->diag, "listen = in [agent] names another address, or none");
        return false;
    }
    m->port = ntohs(in.sin_port);
    return true;
}

static void drop(struct metrics_client *c)
{
    close(c->fd);
    free(c->answer);
    *c = (struct metrics_client){.fd = -1};
}

void metrics_poll(const struct metrics *m, struct pollfd *v)
{
    bool room = false;

    for (int i = 0; i < METRICS_CLIENTS; i++) {
        const struct metrics_client *c = &m->clients[i];

        room |= c->fd < 0;
        v[i + 1] = (struct pollfd){.fd = c->fd, .events = c->answer ? POLLOUT : POLLIN};
    }
    v[0] = (struct pollfd){.fd = room ? m->fd : -1, .events = POLLIN};
}

/* ---- one client ---- */

static bool asks_for(const struct metrics_client *c, const char *what)
{
    return !strncmp(c->request, what, strlen(what));
}

static void answer(const struct metrics *m, struct metrics_client *c)
{
    bool get = asks_for(c, "GET /metrics ") || asks_for(c, "GET /metrics?"),
         root = asks_for(c, "GET / ");
    const char *status = get || root           ? "200 OK"
                         : asks_for(c, "GET ") ? "404 Not Found"
                                               : "405 Method Not Allowed";
    char *body = NULL;
    size_t size = 0;
    FILE *f = open_memstream(&body, &size);

    if (get && f)
        m->print(m->arg, f);
    else if (f)
        fputs("ngstap agent: GET /metrics\n", f);
    if (f)
        fclose(f);
    f = open_memstream(&c->answer, &c->size);
    if (f) {
        fprintf(f,
                "HTTP/1.1 %s\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8\r\n"
                "Content-Length: %zu\r\nConnection: close\r\n\r\n",
                status, size);
        fwrite(body ? body : "", 1, size, f);
        fclose(f);
    }
    free(body);
    if (!c->answer)
        drop(c);
}

/* The request's head is whole with an empty line; what else a client says is not read. */
static void hear(const struct metrics *m, struct metrics_client *c)
{
    ssize_t got = recv(c->fd, c->request + c->used, sizeof(c->request) - 1 - c->used, 0);

    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (got > 0)
        c->used += (size_t)got;
    c->request[c->used] = '\0';
    if (got > 0 && strstr(c->request, "\r\n\r\n"))
        answer(m, c);
    else if (got <= 0 || c->used == sizeof(c->request) - 1)
        drop(c);
}

static void say(struct metrics_client *c)
{
    ssize_t sent = send(c->fd, c->answer + c->sent, c->size - c->sent, MSG_NOSIGNAL);

    if (sent < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (sent > 0)
        c->sent += (size_t)sent;
    if (sent > 0 && c->sent < c->size)
        return;
    shutdown(c->fd, SHUT_WR);
    drop(c);
}

static void welcome(struct metrics *m)
{
    for (int i = 0; i < METRICS_CLIENTS; i++) {
        struct metrics_client *c = &m->clients[i];

        if (c->fd >= 0)
            continue;
        c->fd = accept4(m->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        c->until = clock_ms(CLOCK_MONOTONIC) + CLIENT_MS;
        if (c->fd < 0)
            return;
    }
}

void metrics_serve(struct metrics *m, const struct pollfd *v)
{
    uint64_t now = clock_ms(CLOCK_MONOTONIC);

    for (int i = 0; i < METRICS_CLIENTS; i++) {
        struct metrics_client *c = &m->clients[i];

        if (c->fd < 0 || v[i + 1].fd != c->fd)
            continue;
        if (v[i + 1].revents && c->answer)
            say(c);
        else if (v[i + 1].revents)
            hear(m, c);
        if (c->fd >= 0 && now > c->until)
            drop(c);
    }
    if (v[0].revents)
        welcome(m);
}

void metrics_close(struct metrics *m)
{
    for (int i = 0; i < METRICS_CLIENTS; i++)
        if (m->clients[i].fd >= 0)
            drop(&m->clients[i]);
    if (m->fd >= 0)
        close(m->fd);
    m->fd = -1;
}

/* ---- the text ---- */

void metrics_head(FILE *f, const char *name, const char *type, const char *help)
{
    fprintf(f, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

void metrics_value(FILE *f, const char *name, const char *type, const char *help, double value)
{
    metrics_head(f, name, type, help);
    fprintf(f, "%s %.17g\n", name, value);
}
