/*
 * kernel_types: members of the kernel's structures, numbers of its types.
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

/* A type or function (KIND: BTF_KIND_STRUCT, BTF_KIND_FUNC) whose number in BTF is asked for. */
struct kernel_id {
    uint32_t kind;
    const char *name;
    uint32_t *value;
};

/* Sets *value of each; false: the running kernel does not tell them all. */
bool kernel_members(struct kernel_member *v, unsigned n);
bool kernel_ids(struct kernel_id *v, unsigned n);

#endif
