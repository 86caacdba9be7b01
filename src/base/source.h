/*
 * source: the texts of a compile and the way back from a place in a derived text (a stap++
 * expansion, a macro body) to the place a person wrote.
 *
 * A span names bytes of one source. A source that a pass derived from another (sxx's
 * expansion) carries origins, sorted by offset, that map its bytes back. A token that came
 * out of a preprocessor macro, an alias or a script argument carries an expansion: what was
 * expanded, and where it was asked for; expansions nest.
 */
#ifndef BASE_SOURCE_H
#define BASE_SOURCE_H

#include <stdbool.h>
#include <stdint.h>

struct arena;

struct span {
    uint32_t file; /* source id; 0: no place */
    uint32_t off;  /* bytes from the start of the text */
    uint32_t len;  /* bytes */
    uint32_t expn; /* expansion id; 0: written where it stands */
};

/* Who said it: a word of the target's (a path of its files) is never code; see docs/security.md. */
enum told {
    TOLD_BY_USER,
    TOLD_BY_ARGUMENT, /* of the user's, too: by --arg, while macros are expanded */
    TOLD_BY_TARGET,
    TOLD_BY_TARGET_IN_FORMAT, /* each '%' is written "%%" */
};

struct origin {
    uint32_t off, len; /* bytes of the derived text */
    struct span at;    /* where they come from */
    bool verbatim;     /* byte for byte; else the whole range stands for the whole of AT */
    enum told told;
    const char *why; /* for the note, e.g. "in the expansion of $^arg_time"; may be NULL */
};

struct expansion {
    const char *why;  /* e.g. "in the expansion of macro '@foo'" */
    struct span call; /* where it was asked for */
};

struct source {
    uint32_t id;
    const char *name; /* as shown in messages */
    const char *text; /* NUL-terminated; may hold NULs */
    uint32_t len;
    uint32_t *lines; /* offset of each line's first byte */
    uint32_t n_lines;
    struct origin *origins; /* sorted by off; NULL when a person wrote the text */
    uint32_t n_origins;
    bool holds_told; /* the target said some of it */
    bool tapset;     /* library code: unused functions in it are not looked at */
};

struct sources;

struct place { /* a span made readable; lines and columns count from 1, columns in bytes */
    const struct source *source;
    uint32_t line, col, len;
};

struct sources *sources_new(struct arena *a);

/* Adds a text; NAME and TEXT are copied. */
struct source *source_add(struct sources *s, const char *name, const char *text, uint32_t len);

/* Reads a file ("-": standard input), at most 64 MiB; NULL and errno on failure. */
struct source *source_read(struct sources *s, const char *path);

/* Gives SRC its way back. The array is copied and must be sorted by off, without overlap. */
void source_set_origins(struct sources *s, struct source *src, const struct origin *o, uint32_t n);

struct source *source_get(const struct sources *s, uint32_t id); /* NULL: no such id */

uint32_t expansion_add(struct sources *s, const char *why, struct span call);
const struct expansion *expansion_get(const struct sources *s, uint32_t id);

/* The span a person wrote: follows origins, not expansions. *WHY: the origin's note or NULL. */
struct span span_written(const struct sources *s, struct span at, const char **why);

/* The source that was being read when AT's text was met: where the outermost macro stands that it
 * came out of. */
uint32_t span_file(const struct sources *s, struct span at);

/* Who said byte OFF of SRC; *END: up to where that holds. */
enum told source_told(const struct source *src, uint32_t off, uint32_t *end);

/* Did a person write WORD somewhere in SRC? What the target said there (a path) does not count. */
bool source_says(const struct source *src, const char *word);

/* Line and column of the written span; false when it has no place. */
bool span_place(const struct sources *s, struct span at, struct place *out);

/* From the start of A to the end of B (same file), else A. */
struct span span_join(struct span a, struct span b);

#endif
