/*
 * plt: the procedure linkage table of a file: the places that it calls other files' functions by.
 */
#ifndef TARGET_PLT_H
#define TARGET_PLT_H

#include "target/target.h"

struct plt_entry {
    const char *name; /* of the function: the file owner's bytes, not clean */
    uint64_t vaddr;   /* by the program headers */
    bool is_plain;    /* in .plt itself, not in a table beside it */
};
struct plt {
    struct plt_entry *v; /* in order of address, a section after the other */
    uint32_t n;
};

/* The entries of the file at FD; n = 0 when it has none, or is no sound ELF file of a machine that
 * is known. */
struct plt plt_read(struct arena *a, int fd);
/* The reader itself, for asked.c. */
struct plt plt_here(struct arena *a, int fd);

#endif
