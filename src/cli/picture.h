/*
 * picture: from what a script prints to a file in one of the formats of out/.
 */
#ifndef CLI_PICTURE_H
#define CLI_PICTURE_H

#include "out/out.h"

struct picture {
    struct compile *cx;
    const struct out_format *format;
    struct out_info info; /* may be filled in until picture_close */
    struct out_file file;
    struct out_reader *reader;
    FILE *stream; /* what picture_stream gave */
    bool spooled; /* ... is a file, to be read at the end */
    bool cut;     /* the reader's CUT takes all there is: no file is written at the end */
};

/* The row for NAME, or NULL after reporting (with the near name); "" and NULL: by the ending of
 * PATH, else a flame graph. */
const struct out_format *picture_format(struct compile *cx, const char *name, const char *path);

/* "folded, flamegraph, ... or speedscope": the formats that are made of stacks. Of CX's arena. */
const char *picture_names(struct compile *cx);

/* Opens PATH (NULL: standard output) for FORMAT, or takes INTO, unless that is NULL, which
 * picture_close closes; reads from INPUT (for messages). False after reporting. */
bool picture_open(struct compile *cx, const struct out_format *format, const char *path, FILE *into,
                  const struct out_reader_opts *o, struct picture *out);

/* A stream that feeds P as it is written to; with DESCRIPTOR one for other processes, too, that
 * feeds it at the end. P closes it. NULL after reporting. */
FILE *picture_stream(struct picture *p, bool descriptor);

/* Writes PROFILE as FORMAT to F, with memory that is given back. False after reporting. */
bool picture_write(struct compile *cx, const struct out_format *format, struct out_profile *profile,
                   const struct out_info *info, FILE *f);

/* Writes the picture when OK, and closes all. False after reporting: nothing to show, not
 * writable. */
bool picture_close(struct picture *p, bool ok);

/* May FORMAT go to PATH (NULL: standard output)? False after reporting: it is nothing for a
 * terminal. */
bool picture_fits(struct compile *cx, const struct out_format *format, const char *path);

/* The stacks in the saved text at FD, from where it stands. NULL after reporting: it cannot be
 * read, or holds what is no stack. */
struct out_profile *picture_saved(struct compile *cx, const struct out_reader_opts *o, int fd);

#endif
