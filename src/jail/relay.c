/*
 * relay: what a jail prints. Enters: the bytes that a child without privileges wrote into a pipe;
 * leaves: on a stream of ours, made clean but for line ends, tabs and colours, as messages have
 * them. Refused: nothing, whole lines of it: what a hostile file makes a reader say is text.
 */
#include "jail/relay.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clean.h"

enum { LINE_MAX_BYTES = 64 << 10, BLOCK = 16 << 10 };

/* "\033[...m": the length of a change of colour at P, or 0. */
static size_t colour(const char *p, const char *end)
{
    const char *q = p + 2;

    if (end - p < 3 || p[0] != '\033' || p[1] != '[')
        return 0;
    while (q < end && ((*q >= '0' && *q <= '9') || *q == ';'))
        q++;
    return q < end && *q == 'm' ? (size_t)(q + 1 - p) : 0;
}

static void put_clean(FILE *to, const char *p, const char *end)
{
    while (p < end) {
        size_t n = colour(p, end);
        const char *q = p;

        if (!n && (*p == '\n' || *p == '\t' || *p == '\r'))
            n = 1;
        if (n) {
            fwrite(p, 1, n, to);
            p += n;
            continue;
        }
        while (q < end && *q != '\n' && *q != '\t' && *q != '\r' && !colour(q, end))
            q++;
        clean_print(to, p, (size_t)(q - p));
        p = q;
    }
}

static void pass(struct relay *r, const char *p, size_t n)
{
    if (r->to && r->clean)
        put_clean(r->to, p, p + n);
    else if (r->to)
        fwrite(p, 1, n, r->to);
}

static void add(struct relay *r, const char *p, size_t n)
{
    char *more = realloc(r->line, r->n + n + 1);

    if (!more)
        return;
    r->line = more;
    memcpy(r->line + r->n, p, n);
    r->n += n;
    char *last = memrchr(r->line, '\n', r->n);
    size_t whole = last ? (size_t)(last + 1 - r->line) : r->n > LINE_MAX_BYTES ? r->n : 0;

    pass(r, r->line, whole);
    memmove(r->line, r->line + whole, r->n - whole);
    r->n -= whole;
}

void relay_take(struct relay *r)
{
    char block[BLOCK];

    while (r->fd >= 0) {
        ssize_t n = read(r->fd, block, sizeof(block));

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return;
        if (!n) {
            close(r->fd);
            r->fd = -1;
            return;
        }
        if (r->clean)
            add(r, block, (size_t)n);
        else
            pass(r, block, (size_t)n);
    }
}

void relay_close(struct relay *r)
{
    relay_take(r);
    if (r->n)
        pass(r, r->line, r->n);
    free(r->line);
    r->line = NULL;
    r->n = 0;
    if (r->fd >= 0)
        close(r->fd);
    r->fd = -1;
}
