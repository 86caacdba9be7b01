/*
 * nesting: returns that the kernel leaves out. It notes 64 of them in a thread at a time; what is
 * called deeper has none (kernel/events/uprobes.c, prepare_uretprobe), and neither programs nor
 * counters hear of it: only the kernel's log does, ten times in five seconds. Enters: that log,
 * where it may be read; leaves: a warning with a process. Lines of processes out of the scope are
 * left alone.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "load/session.h"

enum { RECORDS_MAX = 100000, RECORD_SIZE = 8192 }; /* CONSOLE_EXT_LOG_MAX */

void nesting_init(struct nesting *n)
{
    *n = (struct nesting){.log = -1};
}

void nesting_start(struct session *s)
{
    if (!replaced_are_returns(s))
        return;
    s->nesting.log = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    if (s->nesting.log >= 0)
        lseek(s->nesting.log, 0, SEEK_END);
}

void nesting_stop(struct session *s)
{
    if (s->nesting.log >= 0)
        close(s->nesting.log);
    s->nesting.log = -1;
}

static bool is_ours(const struct session *s, pid_t pid)
{
    uint32_t n;
    const pid_t *members = scope_members(s, &n);

    for (uint32_t i = 0; i < n; i++)
        if (members[i] == pid)
            return true;
    return s->scope.map < 0; /* everybody is looked at */
}

static void note(struct session *s, pid_t pid)
{
    struct nesting *n = &s->nesting;

    for (uint32_t i = 0; i < n->n; i++)
        if (n->pids[i] == pid)
            return;
    if (n->n < NESTING_PIDS && is_ours(s, pid))
        n->pids[n->n++] = pid;
}

void nesting_look(struct session *s)
{
    char record[RECORD_SIZE + 1];

    for (uint32_t i = 0; s->nesting.log >= 0 && i < RECORDS_MAX; i++) {
        ssize_t n = read(s->nesting.log, record, RECORD_SIZE);
        int thread, process;

        if (n < 0 && errno == EPIPE) /* some were overwritten: what is left comes next */
            continue;
        if (n <= 0)
            return;
        record[n] = '\0';
        const char *text = strchr(record, ';');

        if (text && sscanf(text, ";uprobe: omit uretprobe due to nestedness limit pid/tgid=%d/%d",
                           &thread, &process) == 2)
            note(s, process);
    }
}

bool nesting_text(struct session *s, char *text, size_t size)
{
    const struct nesting *n = &s->nesting;
    char others[32] = "";

    nesting_look(s);
    if (!n->n)
        return false;
    if (n->n > 1)
        snprintf(others, sizeof(others), " and %u others", n->n - 1);
    snprintf(
        text, size,
        "returns of process %d%s were not seen: the kernel notes 64 of a thread at a time, and "
        "not what is called deeper",
        (int)n->pids[0], others);
    return true;
}
