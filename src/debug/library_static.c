/*
 * library: the same in a static executable ("make bundle"), which can load no library: glibc's
 * dlopen() would ask for the shared glibc that it was built with. Leaves: what it is linked with.
 */
#include "debug/library.h"

#include <stddef.h>
#include <string.h>

#if __has_include(<zstd.h>)
#include <zstd.h>
#endif

static const struct {
    const char *name;
    library_function *function;
} functions[] = {
#if __has_include(<zstd.h>)
    {"ZSTD_decompress", (library_function *)ZSTD_decompress},
#endif
    {NULL, NULL},
};

library_function *library_find(struct arena *a, const char *library, const char *name,
                               const char **why)
{
    for (size_t i = 0; functions[i].name; i++)
        if (!strcmp(functions[i].name, name))
            return functions[i].function;
    *why = arena_printf(a, "this ngstap is a static executable, which cannot load %s", library);
    return NULL;
}
