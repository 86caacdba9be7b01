/*
 * diag: errors and warnings that point at the script.
 *
 *     a.sxx:5:11: error: unexpected '(' [syntax]
 *         probe end ( {
 *                   ^
 *     a.sxx:2:1: note: in the expansion of macro '@foo'
 *     hint: ...
 *
 * Messages go to a stream as they come. At most 20 errors are shown; then diag_stopped()
 * is true and passes end as soon as they can. Colour on a tty only.
 */
#ifndef BASE_DIAG_H
#define BASE_DIAG_H

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>

#include "base/source.h"

struct arena;
struct diag;

enum { DIAG_MAX_ERRORS = 20 };

struct diag *diag_new(struct arena *a, struct sources *s, FILE *out);
void diag_stream(struct diag *d, FILE *out); /* the same place by another stream */
FILE *diag_out(const struct diag *d);        /* where messages go now */
/* Messages of what may be tried again another way: as D shows them, to OUT, counted apart. */
struct diag *diag_apart(const struct diag *d, FILE *out);

/*
 * An error at a place (SPAN.file == 0: no place, only the message). TAG is the short class
 * in brackets: lower case, e.g. "syntax", "type", "no-member". Returns false, so that a
 * caller can report and fail in one line.
 */
bool diag_error(struct diag *d, struct span at, const char *tag, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

/* An error that ends all: it is shown even while something is only tried, and nothing is shown
 * after it. */
bool diag_stop(struct diag *d, const char *tag, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
void diag_warning(struct diag *d, struct span at, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* These belong to the message before them, and are left out with it. */
void diag_note(struct diag *d, struct span at, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
void diag_hint(struct diag *d, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

unsigned diag_errors(const struct diag *d);
/* Warnings and notes so far, with those that -w keeps back, but not what was only tried. */
unsigned diag_said(const struct diag *d);
bool diag_stopped(const struct diag *d);
void diag_colour(struct diag *d, bool on); /* on a terminal and elsewhere */
void diag_quiet(struct diag *d, bool on);  /* -w: no warnings */
void diag_strict(struct diag *d);          /* -W: warnings are errors */

/*
 * Collects instead of printing while trying something that may fail (@defined, optional
 * probe points): between try_begin and try_end errors are counted but not shown.
 * try_end returns how many there were; tries nest. A hint after try_end belongs to what was
 * shown before try_begin.
 */
void diag_try_begin(struct diag *d);
unsigned diag_try_end(struct diag *d);
bool diag_trying(const struct diag *d);
/* Before try_end: the first error tried that tells what this version cannot do (tags not-yet and
 * unsupported), as against what is not there; NULL: none. */
const char *diag_try_lacks(const struct diag *d);

/* The near name for a hint: the candidate with the least edit distance, or NULL when none is
 * near. */
struct near {
    const char *word;
    const char *best;
    unsigned distance;
};
void near_init(struct near *n, const char *word);
void near_try(struct near *n, const char *candidate);
const char *near_best(const struct near *n);

#endif
