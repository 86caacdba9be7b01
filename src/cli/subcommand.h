/*
 * subcommand: what ngstap does besides running a script: "ngstap NAME ...". One file and one row of
 * the table each.
 */
#ifndef CLI_SUBCOMMAND_H
#define CLI_SUBCOMMAND_H

#include <stdio.h>

#include "base/compile.h"

struct subcommand {
    const char *name, *summary;
    /* ARGV[0] is the name. Returns the exit status; reports on CX's diagnostics. */
    int (*run)(struct compile *cx, int argc, char **argv);
};

/*
 * The row that the program's own name or the first argument names, with the arguments moved to
 * begin at that name; NULL: a script is meant.
 */
const struct subcommand *subcommand_find(int *argc, char ***argv);

struct near;
void subcommand_near(struct near *near); /* tries all names */

/* --help: the options of a script, and the list of commands. */
void subcommand_list(FILE *out);

int subcommand_agent(struct compile *cx, int argc, char **argv);      /* agent.c */
int subcommand_convert(struct compile *cx, int argc, char **argv);    /* convert.c */
int subcommand_diff(struct compile *cx, int argc, char **argv);       /* convert.c */
int subcommand_fix_lua_bt(struct compile *cx, int argc, char **argv); /* fixluabt.c */
int subcommand_flame(struct compile *cx, int argc, char **argv);      /* flame.c */
int subcommand_pack(struct compile *cx, int argc, char **argv);       /* pack.c */
int subcommand_push(struct compile *cx, int argc, char **argv);       /* push.c */
int subcommand_types(struct compile *cx, int argc, char **argv);      /* types.c */

#endif
