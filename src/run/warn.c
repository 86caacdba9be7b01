/*
 * warn: what warn("...") says. Enters: text; leaves: a line on the error stream, or nothing: with
 * -w, or when the same was said before and nobody asked for more (-v). That is what stapio does for
 * SystemTap (staprun/mainloop.c), whose bounds these are: beyond them nothing is left out.
 */
#include <stdlib.h>
#include <string.h>

#include <uthash.h>

#include "run/state.h"

enum { WARNINGS_MAX = 1024, WARNING_LEN_MAX = 512 };

struct run_warning {
    UT_hash_handle hh;
    char text[];
};

static bool said_before(struct run *r, const char *p, size_t len)
{
    struct run_warning *w;

    if (len > WARNING_LEN_MAX)
        return false;
    HASH_FIND(hh, r->warnings, p, len, w);
    if (w || HASH_COUNT(r->warnings) >= WARNINGS_MAX)
        return w;
    w = malloc(sizeof(*w) + len + 1);
    if (w) {
        memcpy(w->text, p, len);
        HASH_ADD_KEYPTR(hh, r->warnings, w->text, len, w);
    }
    return false;
}

void run_script_warning(struct run *r, const char *p, size_t len)
{
    if (!r->opts->no_warnings && (r->opts->timing || !said_before(r, p, len)))
        run_err_line(r, "WARNING: ", p, len);
}

void run_warnings_free(struct run *r)
{
    struct run_warning *w, *next;

    HASH_ITER (hh, r->warnings, w, next) {
        HASH_DEL(r->warnings, w);
        free(w);
    }
}
