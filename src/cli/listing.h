/*
 * listing: what -l, -L and --dump-probe-types print.
 */
#ifndef CLI_LISTING_H
#define CLI_LISTING_H

#include <stdbool.h>
#include <stdio.h>

#include "base/compile.h"
#include "syntax/ast.h"

/* The places of PROG's probes that SCRIPT has, a line each; with the VARIABLES in scope there.
 * False: there are none. */
bool listing_points(struct compile *cx, const struct program *prog, const struct source *script,
                    bool variables, FILE *out);

/* The patterns of all probe points. */
void listing_types(FILE *out);

#endif
