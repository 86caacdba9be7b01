/*
 * script: the script that the command line names.
 */
#ifndef CLI_SCRIPT_H
#define CLI_SCRIPT_H

#include "cli/options.h"

enum script_kind { SCRIPT_TEXT, SCRIPT_OBJECT, SCRIPT_MODULE };

/*
 * Finds out what O->script is: a name without a slash that is no file here is looked for among our
 * samples, with and without ".sxx", and O->script becomes the sample's path. False after reporting:
 * nothing of that name (with what may have been meant); for an object or a module, an option that
 * was fixed when it was made.
 */
bool script_find(struct compile *cx, struct options *o, enum script_kind *kind);

/* Reads it. NULL after reporting: not readable, or something else than a script: saved stacks, a
 * picture, a program. */
struct source *script_read(struct compile *cx, const struct options *o);

#endif
