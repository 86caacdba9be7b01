/*
 * limits: what -D sets.
 */
#ifndef CLI_LIMITS_H
#define CLI_LIMITS_H

#include "base/compile.h"

/* stap++'s defaults; MAXSTRINGLEN large enough for deep stacks. */
void limits_default(struct limits *l);

/* "NAME=VALUE" or "NAME". A name that nobody knows is warned of; false after reporting a bad
 * value. */
bool limits_define(struct compile *cx, const char *text);

/* What those DEFINES that SystemTap has, too, make of the limits; false after reporting. */
bool limits_settle(struct compile *cx, const char *const *defines, uint32_t n);

/* Is it a name that only the C code of SystemTap's modules looks at? */
bool limits_for_stap(const char *text);

#endif
