/*
 * moved: what programs and the kernel have renamed, moved or dropped, by the facts in moved.txt of
 * the library's folders (tapset/moved.txt says how they are written). Asked for a name that is not
 * there.
 */
#ifndef PROBE_MOVED_H
#define PROBE_MOVED_H

#include "base/compile.h"

enum moved_what {
    MOVED_FUNCTION,
    MOVED_VARIABLE,
    MOVED_TYPE,
    MOVED_ENUMERATOR,
    MOVED_MEMBER,
    MOVED_TRACEPOINT,
};

/* What functions, variables, types, enumerators and tracepoints are of. */
#define MOVED_OF_USER   "user"
#define MOVED_OF_KERNEL "kernel"

struct moved_fact {
    enum moved_what what;
    const char *name, *of; /* of a member: its type */
    const char *since;     /* "nginx 1.13.4" */
    const char *library;   /* a function's, "libpcre2-8": where it is now; NULL: where it was */
    const char *now;       /* the name, of a member a path of names ("a.b"); NULL: gone; "": of a
                            * member, what had it is itself the value */
    char op;               /* of a member: '*', '/' or '%' by FACTOR; 0: as it is */
    int64_t factor;        /* above 0 */
};

struct moved;

/* Reads the facts of each of DIRS that has any. A line that is none is reported. */
struct moved *moved_read(struct compile *cx, const char *const *dirs, uint32_t n);

/*
 * The fact of a thing after AFTER (NULL: the first one), or NULL. What a member is of may be given
 * as C writes it ("struct x", "const x"). M may be NULL.
 */
const struct moved_fact *moved_find(const struct moved *m, enum moved_what what, const char *of,
                                    const char *name, const struct moved_fact *after);

#endif
