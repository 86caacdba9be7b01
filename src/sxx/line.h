/*
 * line: one line of text that remembers where each byte was written. Internal to sxx/.
 */
#ifndef SXX_LINE_H
#define SXX_LINE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/compile.h"

struct line_origin {
    struct span at;  /* of the byte itself, or of what the byte stands for */
    const char *why; /* NULL: the byte is written there */
};

struct line {
    char *s;
    struct line_origin *o; /* one a byte */
    uint32_t n, room;
};

void line_clear(struct line *l);
void line_free(struct line *l);
/* N bytes of TEXT that stand for AT. */
void line_put(struct line *l, const char *text, uint32_t n, struct span at, const char *why);
/* N bytes of a source, written at AT. */
void line_put_source(struct line *l, const char *text, uint32_t n, struct span at);
/* Bytes I to J of FROM with their origins. */
void line_copy(struct line *l, const struct line *from, uint32_t i, uint32_t j);

/* Where bytes I to J were written; *WHY when they came out of an expansion already, else NULL. */
struct span line_span(const struct line *l, uint32_t i, uint32_t j, const char **why);

/* A growing text with its way back, for source_add and source_set_origins. */
struct text {
    char *s;
    uint32_t n, room;
    struct origin *origins;
    uint32_t n_origins, origins_room;
    bool too_long;
};

void text_add(struct text *t, const struct line *l);
struct source *text_source(struct text *t, struct sources *s,
                           const char *name); /* and frees T's memory */

#endif
