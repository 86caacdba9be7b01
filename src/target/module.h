/*
 * module: the modules of a target, for target.c.
 */
#ifndef TARGET_MODULE_H
#define TARGET_MODULE_H

#include "target/target.h"

/* Fills t->modules from the maps (or --exec's needed libraries) and -d; false after reporting: what
 * was opened until then stays open. */
bool modules_find(struct compile *cx, struct target *t, const struct target_opts *o);

/* Closes their files; may be called again. */
void modules_close(struct target *t);

#endif
