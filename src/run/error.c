/*
 * error: a handler ended by an error. Enters: an error of enum ngs_error, its argument and place,
 * from a record or from a frame, of any value; leaves: a message in SystemTap's words, and past
 * MAXERRORS the session's end.
 */
#include "run/state.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

static void add_place(struct run *r, uint64_t loc, struct text *out)
{
    const struct obj_loc *l;
    const char *token;

    if (loc == 0 || loc >= r->o->h->table[OBJ_LOCS].n)
        return;
    l = &r->o->locs[loc];
    token = object_str(r->o, l->token);
    if (*token)
        text_printf(out, " near %s", token);
    text_printf(out, " at %s:%u:%u", object_str(r->o, l->file), l->line, l->col);
}

#define ERROR_TEXT(id, text) [NGS_ERR_##id] = text,
static const char *const texts[NGS_ERR_KINDS] = {[NGS_OK] = "unknown error",
                                                 NGS_ERRORS(ERROR_TEXT)};
#undef ERROR_TEXT

void run_error_message(struct run *r, uint64_t error, uint64_t arg, struct str text,
                       struct text *out)
{
    if (error == NGS_ERR_SCRIPT) {
        run_expand(r, text.p, text.len, out);
        return;
    }
    text_str(out, texts[error < NGS_ERR_KINDS ? error : NGS_OK]);
    if (error == NGS_ERR_FAULT)
        text_printf(out, "%" PRIx64, arg);
    else if (error == NGS_ERR_SIZE_FULL || error == NGS_ERR_MAP_REFUSED ||
             error == NGS_ERR_VALUE_FULL)
        text_printf(out, "%" PRIu64 ")", arg);
    else if (error == NGS_ERR_LOOPS)
        text_printf(out, "more than %" PRIu64 " foreach loops within one another", arg);
}

void run_script_error(struct run *r, uint64_t error, uint64_t arg, uint64_t loc, struct str text)
{
    struct text t = TEXT_NEW;

    /* the kernel's handlers go on for a moment after the one that was too many: counted, not shown
     */
    if (r->failed && !r->ending) {
        r->errors++;
        return;
    }
    if (r->o->h->maxerrors == NGS_ERRORS_SUPPRESSED) {
        r->errors++;
        return;
    }
    run_error_message(r, error, arg, text, &t);
    if (error != NGS_ERR_SCRIPT) /* error("...") says what it says */
        add_place(r, loc, &t);
    if (error == NGS_ERR_FAULT && run_is_mapped(r->record_tid, arg))
        text_str(
            &t,
            "; it is mapped, but was not in memory (not touched yet by this process, or swapped "
            "out), and a handler in the kernel cannot wait for it");
    if (error == NGS_ERR_MAP_REFUSED)
        text_printf(&t, ": %s",
                    arg == EBUSY || arg == EDEADLK || arg == ETIMEDOUT
                        ? "this handler interrupted another that was storing one"
                        : strerror((int)arg));
    if (error == NGS_ERR_MAXACTION)
        text_str(&t, "; -D MAXACTION=N lets a handler run N statements");
    run_err_line(r, "ERROR: ", text_c(&t), t.len);
    text_free(&t);
    if (++r->errors > r->o->h->maxerrors) {
        r->failed = true;
        run_stop(r);
    }
}
