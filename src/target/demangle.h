/*
 * demangle: names of C++ and Rust functions as their sources have them.
 */
#ifndef TARGET_DEMANGLE_H
#define TARGET_DEMANGLE_H

#include <stdbool.h>
#include <stddef.h>

/* Was ngstap built with what does it? */
bool demangle_is_there(void);

/*
 * Writes the LEN bytes at NAME to TO as the source has that name, with a NUL, without parameters.
 * Returns its length; 0: it is no mangled name, or does not fit in SIZE bytes.
 */
size_t demangle(const char *name, size_t len, char *to, size_t size);

#endif
