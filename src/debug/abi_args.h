/*
 * abi_args: where the calling convention puts a function's arguments. abi_args.c goes through the
 * parameters; a file for each convention (struct abi) says where one lies, with abi_place.c.
 */
#ifndef DEBUG_ABI_ARGS_H
#define DEBUG_ABI_ARGS_H

#include "arch/arch.h"
#include "debug/debug.h"

enum { ABI_OPS_MAX = 4 };

/* What the parameters so far have taken. */
struct abi_state {
    const struct arch *arch;
    int ints, floats; /* registers */
    uint64_t stack;   /* bytes */
};

struct abi_place {
    struct dbg_op ops[ABI_OPS_MAX];
    uint32_t n;      /* 0: no single location: */
    const char *why; /* ... for that reason */
};

struct abi {
    /* Takes what a result that is a struct or union of type T takes. False: not known. */
    bool (*result)(struct abi_state *s, const struct ctype *t);
    /* Takes a parameter of type T. False: where it and those behind it lie is not known. */
    bool (*param)(struct abi_state *s, const struct ctype *t, struct abi_place *out);
};

extern const struct abi abi_sysv_x86_64, abi_aapcs64;

enum { ABI_VISITS = 256 /* of members of one parameter: structs can claim to hold themselves */ };

/* ---- abi_place.c ---- */

extern const char abi_in_several[]; /* a reason */

void abi_in_register(struct abi_place *p, unsigned reg); /* the value is in it */
void abi_at_register(struct abi_place *p, unsigned reg); /* its address is in it */
void abi_on_stack(struct abi_place *p, uint64_t offset); /* from where stack arguments begin */
void abi_at_stack(struct abi_place *p, uint64_t offset); /* its address is there */
/* Takes SIZE bytes of the stack, aligned; *OFFSET: where. False: too many. */
bool abi_take_stack(struct abi_state *s, uint64_t size, uint64_t align, uint64_t *offset);

/* ---- abi_args.c ---- */

/*
 * Where the parameter NAME is at the first instruction of a function that runs on ARCH (NULL: not
 * known) and has that RESULT and those PARAMS. Writes OPS and returns their number; 0: there is no
 * single location, or none is known, and *WHY (static text) is set where a reason is.
 */
uint32_t abi_argument(const struct arch *arch, const struct ctype *result,
                      const struct dbg_params *params, const char *name,
                      struct dbg_op ops[ABI_OPS_MAX], const char **why);

#endif
