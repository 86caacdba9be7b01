/*
 * cachedir: ngstap's folders of the user's cache.
 */
#ifndef BASE_CACHEDIR_H
#define BASE_CACHEDIR_H

#include <limits.h>
#include <stdbool.h>

/*
 * Writes the path of the folder NAME to OUT: ${XDG_CACHE_HOME:-~/.cache}/ngstap/NAME, links
 * resolved. MAKE: makes what lacks, for us alone. False: there is none, or somebody else could put
 * something into it; nothing is reported, since a run goes without a cache.
 */
bool cachedir_find(const char *name, bool make, char out[PATH_MAX]);

/* Opens it to be read: a descriptor, the caller's. -1: as FALSE above. Once it was found, what lies
 * above it is not looked at again while this process, or a fork, has that environment and user. */
int cachedir_open(const char *name, bool make);

/* Is there a folder of the cache, OUT, that is not used since others could put something into it?
 */
bool cachedir_distrusted(char out[PATH_MAX]);

#endif
