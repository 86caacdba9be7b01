/*
 * output: what the script prints goes out here. Enters: text; leaves: bytes on the streams that the
 * caller gave. Standard output is written whole records at a time, and before anything on the error
 * stream, so that a terminal shows both in order. A reader who has gone (EPIPE) ends the session
 * quietly, any other failure with an error. A reader who does not read must not keep ^C from being
 * heard: the streams are those of base/interrupt.h.
 */
#include "run/state.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio_ext.h>
#include <stdlib.h>
#include <string.h>

/* ERROR is the errno of the failed write; a pipe's reader may go when he has seen enough. */
static void reader_gone(struct run *r, int error)
{
    if (error != EPIPE && !r->out.broken) {
        fprintf(r->opts->err, "ERROR: cannot write the output: %s\n", strerror(error));
        r->failed = true;
    }
    r->out.broken = true;
    __fpurge(r->out.f); /* who closes the stream must not find the fault again */
    clearerr(r->out.f);
    run_stop(r);
}

void output_flush(struct run *r)
{
    struct output *o = &r->out;

    if (o->buf.len && !o->broken && o->f) {
        if (r->opts->events)
            out_events_print(r->opts->events, o->buf.p, o->buf.len);
        else
            fwrite(o->buf.p, 1, o->buf.len, o->f);
        if (fflush(o->f) || ferror(o->f))
            reader_gone(r, errno);
        run_signals(r);
    }
    o->buf.len = 0;
    o->buf.cut = false;
}

void run_err_line(struct run *r, const char *prefix, const char *p, size_t len)
{
    output_flush(r);
    if (len && p[len - 1] == '\n')
        len--;
    if (r->opts->events)
        out_events_message(r->opts->events,
                           *prefix == 'E' ? "error"
                           : *prefix      ? "warning"
                                          : "note",
                           p, len);
    struct text line = TEXT_NEW;

    text_str(&line, prefix);
    line.clean = r->opts->err_terminal;
    text_bytes(&line, p, len);
    text_char(&line, '\n');
    fwrite(text_c(&line), 1, line.len, r->opts->err);
    fflush(r->opts->err);
    text_free(&line);
}

void run_warn(struct run *r, const char *fmt, ...)
{
    char *p = NULL;
    va_list ap;
    int n;

    if (r->opts->no_warnings)
        return;
    va_start(ap, fmt);
    n = vasprintf(&p, fmt, ap);
    va_end(ap);
    if (n >= 0)
        run_err_line(r, "WARNING: ", p, (size_t)n);
    free(p);
}
