/*
 * line: text that remembers where each byte was written: a line under substitution, or all that
 * came out of a file. Internal to sxx/.
 */
#ifndef SXX_LINE_H
#define SXX_LINE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/compile.h"

struct line {
    char *s;
    uint32_t n, room;
    struct origin *pieces; /* cover S without a gap */
    uint32_t n_pieces, pieces_room;
    bool too_long; /* something was left out */
};

void line_clear(struct line *l);
void line_free(struct line *l);
/* N bytes of TEXT that stand for AT. */
void line_put(struct line *l, const char *text, uint32_t n, struct span at, const char *why);
/* N bytes of a source, written at AT. */
void line_put_source(struct line *l, const char *text, uint32_t n, struct span at);
/* Bytes I to J of FROM with their places. */
void line_copy(struct line *l, const struct line *from, uint32_t i, uint32_t j);
/* All of FROM; NOTE (or NULL) goes to what is written there and no expansion. */
void line_append(struct line *l, const struct line *from, const char *note);

/* Where bytes I to J were written; *WHY when they came out of an expansion already, else NULL. */
struct span line_span(const struct line *l, uint32_t i, uint32_t j, const char **why);

/* Makes a source of it, with its way back, and frees it. */
struct source *line_source(struct line *l, struct sources *s, const char *name);

#endif
