/*
 * dynamic: what the dynamic linker reads of a file.
 */
#ifndef TARGET_DYNAMIC_H
#define TARGET_DYNAMIC_H

#include "target/target.h"

enum { DYNAMIC_NEEDED_MAX = 512, DYNAMIC_TEXT_MAX = 4096 /* bytes of a text, with its NUL */ };

/* Texts are any bytes but NUL; NULL: there is none. */
struct dynamic {
    uint16_t machine; /* e_machine */
    uint8_t class;    /* EI_CLASS */
    const char *rpath, *runpath, *interp;
    const char *needed[DYNAMIC_NEEDED_MAX];
    uint32_t n;
};

/* Of the file at FD, *OUT in A. False: no sound ELF file. */
bool dynamic_read(struct arena *a, int fd, struct dynamic *out);

/* The paths that the ld.so.cache open at FD has for the library NAME, in its order: *PATHS in A;
 * returns how many, 0 also when it is none. */
uint32_t dynamic_cached(struct arena *a, int fd, const char *name, const char ***paths);

/* An address where an instruction surely starts and that does not run any more. */
struct dynamic_start {
    uint64_t vaddr, offset; /* by the program headers; in the file */
    uint64_t bias;          /* of the mapping: run-time address less VADDR */
};
/* Of the file at FD, which is mapped at M: DT_INIT, else the entry point. False: it has none. */
bool dynamic_start(int fd, const struct map *m, struct dynamic_start *out);

#endif
