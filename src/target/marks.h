/*
 * marks: static probe points of a file (sys/sdt.h), and where their arguments are.
 */
#ifndef TARGET_MARKS_H
#define TARGET_MARKS_H

#include "arch/arch.h"
#include "target/target.h"

struct elf_mark {
    const char *provider, *name; /* the file owner's bytes: not clean */
    const char *args;            /* where its arguments are: mark_argument() */
    uint64_t vaddr;              /* by the program headers */
    uint64_t semaphore;          /* of a 16-bit count, not 0 while somebody looks; 0: none */
};
struct elf_marks {
    struct elf_mark *v; /* in the order of the file; one name may be at several places */
    uint32_t n;
};

/* The marks of the file at FD; n = 0 when it has none, is no sound ELF file of 64 bits, or has more
 * than the bounds allow (reported). */
struct elf_marks elf_marks_read(struct arena *a, int fd);

struct mark_argument {
    struct arch_operand at; /* its symbol is a part of the mark's text */
    uint8_t size;           /* bytes: 1 2 4 8 */
    bool is_signed;
};

/* How many arguments the mark has that are told by ARGS. */
uint32_t mark_arguments(const char *args);
/* The Nth argument, from 0. False: *WHY says why it cannot be read. */
bool mark_argument(const struct arch *a, const char *args, uint32_t n, struct mark_argument *out,
                   const char **why);

#endif
