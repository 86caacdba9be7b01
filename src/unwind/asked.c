/*
 * asked: rows of files for who has privileges. Enters: open files, untrusted; leaves: the rows and
 * the bias that their readers found, as a jail ran them (jail/jail.h) where there is one. Refused:
 * an answer whose rows are not in order, or whose blocks are not of rows that are there.
 */
#include "unwind/unwind.h"

#include <stdlib.h>

#include "jail/jail.h"
#include "target/target.h"

static bool rows_work(struct jail_question *q, FILE *answer)
{
    struct unwind_rows r;

    if (!unwind_kept_here(q->fds[0], q->fds[1], &r))
        return false;
    const struct unwind_head h = {r.n, r.n_blocks, r.first_block, 0};

    fwrite(&h, sizeof(h), 1, answer);
    fwrite(r.v, sizeof(*r.v), (size_t)r.n + r.n_blocks, answer);
    free(r.v);
    return true;
}

bool unwind_kept_file(int fd, int debug_fd, struct unwind_rows *out)
{
    struct jail_answer a;

    if (!jail_reads())
        return unwind_kept_here(fd, debug_fd, out);
    *out = (struct unwind_rows){0};
    if (jail_read(rows_work, NULL, fd, debug_fd, NULL, 0, &a))
        return unwind_take(a.data, a.n, out);
    free(a.data);
    return false;
}

static bool bias_work(struct jail_question *q, FILE *answer)
{
    const uint64_t *place = q->data;
    struct map m = {.start = 0};
    uint64_t bias;

    if (q->n != 2 * sizeof(*place))
        return false;
    m.start = place[0];
    m.offset = place[1];
    return unwind_bias_here(q->fds[0], &m, &bias) && fwrite(&bias, sizeof(bias), 1, answer) == 1;
}

bool unwind_bias(int fd, const struct map *m, uint64_t *bias)
{
    const uint64_t place[2] = {m->start, m->offset};

    if (!jail_reads())
        return unwind_bias_here(fd, m, bias);
    return jail_read_fact(bias_work, fd, place, sizeof(place), bias, sizeof(*bias));
}
