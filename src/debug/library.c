/*
 * library: functions of shared libraries, loaded when they are asked for. Enters: names; leaves: a
 * function. Refused: what is not installed. A static executable has library_static.c in its place.
 */
#include "debug/library.h"

#include <dlfcn.h>
#include <string.h>

library_function *library_find(struct arena *a, const char *library, const char *name,
                               const char **why)
{
    /* Stays loaded: an HTTP client leaves exit handlers behind. */
    void *handle = dlopen(library, RTLD_NOW | RTLD_LOCAL);
    void *symbol = handle ? dlsym(handle, name) : NULL;
    library_function *function = NULL;

    /* memcpy is POSIX's way from an object pointer to a function's. */
    memcpy(&function, &symbol, sizeof(function));
    if (!function)
        *why = arena_printf(a, "%s %s", library, handle ? "is too old" : "is not installed");
    return function;
}

void library_use_network(void)
{
}
