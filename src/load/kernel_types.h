/*
 * kernel_types: members of the kernel's structures.
 */
#ifndef LOAD_KERNEL_TYPES_H
#define LOAD_KERNEL_TYPES_H

#include <stdbool.h>
#include <stdint.h>

/* What of a structure is asked for: a member's offset, or its size (MEMBER NULL). */
struct kernel_member {
    const char *record, *member;
    uint32_t *value;
    bool found; /* false at first */
};

/* Sets *value of each; false: the running kernel does not tell them all. */
bool kernel_members(struct kernel_member *v, unsigned n);

#endif
