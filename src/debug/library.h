/*
 * library: functions of libraries that ngstap is not linked with, as they are not needed by most
 * runs, and are a dependency of none.
 */
#ifndef NGSTAP_DEBUG_LIBRARY_H
#define NGSTAP_DEBUG_LIBRARY_H

#include "base/arena.h"

/* Of any type; who calls it converts it back. */
typedef void library_function(void);

/* The function NAME of LIBRARY ("libzstd.so.1"), which stays loaded. NULL: WHY, in A, says why. */
library_function *library_find(struct arena *a, const char *library, const char *name,
                               const char **why);

/* For a process that will look up names of hosts by a library, before it does. */
void library_use_network(void);

#endif
