/*
 * verifier: reads a verifier's log from its end. Enters: the log of the load that failed; leaves:
 * an error with the verifier's last words, the script's line (our line info, which the log quotes
 * as
 * "; TEXT @ FILE:LINE", before Linux 6.9 as "; TEXT"), and a file that keeps the log.
 */
#include "load/verifier.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/diag.h"
#include "load/load.h"

enum { LOG_MAX = 64 << 20 };

bool verifier_log_open(struct compile *cx, struct verifier_log *log)
{
    void *p = mmap(NULL, LOG_MAX, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    *log = (struct verifier_log){NULL, 0};
    if (p == MAP_FAILED)
        return diag_error(cx->diag, (struct span){0}, "load", "no memory for the verifier's log");
    *log = (struct verifier_log){p, LOG_MAX};
    return true;
}

void verifier_log_close(struct verifier_log *log)
{
    if (log->text)
        munmap(log->text, log->size);
    log->text = NULL;
}

/* Finds the start of the line that ends at END (exclusive). */
static const char *line_start(const char *text, const char *end)
{
    while (end > text && end[-1] != '\n')
        end--;
    return end;
}

static bool begins(const char *line, const char *end, const char *word)
{
    size_t n = strlen(word);

    return (size_t)(end - line) >= n && !memcmp(line, word, n);
}

/* The run-time library's instructions have no line: the log shows "; " or ";  @ :0" for them. */
static bool has_text(const char *text, const char *end)
{
    while (text < end && *text == ' ')
        text++;
    return text < end && *text != '@';
}

/* "; TEXT @ FILE:LINE" */
static void read_place(struct verifier_verdict *v, const char *line, const char *end)
{
    const char *at = NULL;

    v->line = line + 2;
    for (const char *p = v->line; p + 3 <= end; p++)
        if (!memcmp(p, " @ ", 3))
            at = p;
    v->line_len = (int)((at ? at : end) - v->line);
    if (at) {
        v->place = at + 3;
        v->place_len = (int)(end - v->place);
    }
}

struct verifier_verdict verifier_read(const char *log)
{
    struct verifier_verdict v = {.reason = log, .line = log, .place = log, .func = log};
    const char *end = log + strlen(log);
    bool reason = false;

    while (end > log) {
        if (end[-1] == '\n')
            end--;
        const char *line = line_start(log, end);

        if (begins(line, end, "Validating ")) { /* what stands before is of other functions */
            v.func = line + strlen("Validating ");
            v.func_len = (int)strcspn(v.func, " \n");
            break;
        }
        if (!v.line_len && begins(line, end, "; ") && has_text(line + 2, end))
            read_place(&v, line, end);
        if (!reason && end > line && !begins(line, end, "processed ") &&
            !begins(line, end, "verification time ") && !begins(line, end, "stack depth ")) {
            v.reason = line;
            v.reason_len = (int)(end - line);
            reason = true;
        }
        end = line;
    }
    return v;
}

/* Writes the log to a file of its own; NULL when that fails. */
static const char *keep(struct compile *cx, const struct verifier_log *log)
{
    const char *dir = getenv("TMPDIR");
    char *name =
        arena_printf(cx->arena, "%s/ngstap-verifier-XXXXXX.log", dir && *dir ? dir : "/tmp");
    int fd = mkstemps(name, 4);
    FILE *f = fd >= 0 ? fdopen(fd, "w") : NULL;

    if (!f) {
        if (fd >= 0)
            close(fd);
        return NULL;
    }
    fputs(log->text, f);
    return fclose(f) ? NULL : name;
}

void verifier_report(struct compile *cx, const struct verifier_log *log, int err)
{
    struct span none = {0};

    /* The log may be of a program before. */
    if (!log->text[0] || (err != EINVAL && err != EACCES && err != E2BIG && err != ENOTSUP)) {
        diag_error(cx->diag, none, "load", "the kernel does not take the object: %s",
                   strerror(err));
        load_advise(cx, err);
        return;
    }
    struct verifier_verdict v = verifier_read(log->text);
    const char *file = keep(cx, log);

    diag_error(cx->diag, none, "verifier", "the kernel's verifier refuses a program: %.*s",
               v.reason_len, v.reason);
    if (v.place_len)
        diag_note(cx->diag, none, "at %.*s: %.*s", v.place_len, v.place, v.line_len, v.line);
    else if (v.line_len)
        diag_note(cx->diag, none, "at: %.*s", v.line_len, v.line);
    if (v.func_len)
        diag_note(cx->diag, none, "in function %.*s", v.func_len, v.func);
    diag_hint(cx->diag, "this is a fault of ngstap, not of the script; its log is kept in %s",
              file ? file : "(no file could be written)");
}
