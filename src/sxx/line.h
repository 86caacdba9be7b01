/*
 * line: text that remembers where each byte was written, and which bytes the target said: a line
 * under substitution, or all that came out of a file. Internal to sxx/.
 */
#ifndef SXX_LINE_H
#define SXX_LINE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/compile.h"

struct line {
    char *s;    /* no macro is seen in what the target said: there it has NULs */
    char *told; /* what the target said at each place; else NULs */
    uint32_t n, room;
    struct origin *pieces; /* cover S without a gap */
    uint32_t n_pieces, pieces_room;
    bool too_long; /* something was left out */
};

void line_clear(struct line *l);
void line_free(struct line *l);
/* N bytes of TEXT that stand for AT. */
void line_put(struct line *l, const char *text, uint32_t n, struct span at, const char *why);
/* The same of a value of BY's that may hold what the target said: TOLD has N bytes, or is NULL. */
void line_put_value(struct line *l, const char *text, const char *told, uint32_t n, struct span at,
                    const char *why, enum told by);
/* N bytes of an argument, the whole of source SOURCE. */
void line_put_argument(struct line *l, const char *text, uint32_t n, uint32_t source);
/* How O's piece spells it: N bytes, what the target said as script text by now. */
void line_put_spelt(struct line *l, const char *text, uint32_t n, const struct origin *o);
/* N bytes of a source, written at AT. */
void line_put_source(struct line *l, const char *text, uint32_t n, struct span at);
/* Bytes I to J of FROM with their places. */
void line_copy(struct line *l, const struct line *from, uint32_t i, uint32_t j);
/* Where bytes I to J were written; *WHY when they came out of an expansion already, else NULL. */
struct span line_span(const struct line *l, uint32_t i, uint32_t j, const char **why);

/* Makes a source of it, with its way back, and frees it. */
struct source *line_source(struct line *l, struct sources *s, const char *name);

#endif
