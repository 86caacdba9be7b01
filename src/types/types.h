/*
 * types: layouts as a C header that a compiler lays out as the target's compiler did. Enters: types
 * out of debug information; leaves: C (GNU11), with every offset and size in comments.
 */
#ifndef TYPES_TYPES_H
#define TYPES_TYPES_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "base/compile.h"
#include "debug/debug.h"

struct types_rename {
    const char *from, *to;
    bool used; /* set: something was called so */
};

struct types_opts {
    const struct ctype *const *wanted; /* in this order */
    uint32_t n_wanted;
    struct types_rename *renames; /* of tags, typedefs and enumerators */
    uint32_t n_renames;
    bool deep; /* what is only pointed to is defined, too */
};

/*
 * Writes the definitions of what is wanted and of all that it holds by value, before it; what is
 * only pointed to is declared. Types of one name but unlike layouts get names of their own. False
 * after reporting on CX: it is more than a header can be (hostile or broken debug information).
 */
bool types_print(struct compile *cx, const struct types_opts *o, FILE *out);

#endif
