/*
 * option_table: the one table of options. options.c parses by it, and prints the help from it.
 */
#ifndef CLI_OPTION_TABLE_H
#define CLI_OPTION_TABLE_H

#include "cli/options.h"

struct parse {
    struct compile *cx;
    struct options *o;
    const char *name; /* of the option in hand, as the user may write it */
    const char *help; /* of its row */
};

struct option_row { /* without letter and name: a heading of the help */
    char letter;
    const char *name; /* long, or NULL */
    const char *arg;  /* what follows it, or NULL; "[=WHEN]": it may */
    const char *help; /* NULL: not in --help; of one that is refused why, not in --help either */
    bool (*set)(struct parse *p, const char *value);
};

enum { OPTION_ROWS_MAX = 160 };

/* In the order of the help. */
extern const struct option_row option_rows[];
extern const int n_option_rows; /* at most OPTION_ROWS_MAX */
/* Has stap this option, and ngstap refuses it? */
bool option_is_refused(const struct option_row *r);
/* Of the making of a program: running one that was made before pays no heed to it. */
bool option_is_making(const struct option_row *r);
/* Of a run alone: the same object is made with it and without, for the same files of a target. */
bool option_is_running(const struct option_row *r);

/* Adds VALUE, which stays the caller's, at the end of S. */
void strings_add(struct compile *cx, struct strings *s, const char *value);

#endif
