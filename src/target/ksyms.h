/*
 * ksyms: names and addresses of the kernel that runs here and of its modules (ksyms.c).
 */
#ifndef TARGET_KSYMS_H
#define TARGET_KSYMS_H

#include <stdbool.h>
#include <stdint.h>

#include "target/target.h"

struct ksym {
    uint64_t addr;
    const char *name;
    const char *module; /* NULL: the kernel itself */
    char type;          /* as nm(1) has it: "tTwW" functions, "dDbBrRvV" variables, ... */
};

struct ksyms {
    const struct ksym *v; /* by address */
    uint32_t n;
    const char *why; /* n 0: why nothing is known, with what to do */
};

/*
 * All symbols of /proc/kallsyms, read when T asks first; never NULL. They and their names live as
 * long as CX's arena.
 */
const struct ksyms *kernel_symbols(struct compile *cx, struct target *t);

static inline bool ksym_is_function(const struct ksym *s)
{
    return s->type == 't' || s->type == 'T' || s->type == 'w' || s->type == 'W';
}

/*
 * Where addresses of MODULE (NULL: the kernel) count from, so that they are the same after the next
 * boot: the kernel's first instruction, a module's lowest function. 0: it is not there.
 */
uint64_t ksyms_base(const struct ksyms *k, const char *module);
/* The symbol that ADDR lies in; NULL: it lies below all. */
const struct ksym *ksyms_at(const struct ksyms *k, uint64_t addr);

enum ksym_answer { KSYM_NO, KSYM_YES, KSYM_UNKNOWN };

/* Has the function NAME a place for the kernel's tracers, as most have? Unknown: the list of those
 * that have (available_filter_functions) cannot be read. */
enum ksym_answer kernel_can_trace(struct compile *cx, struct target *t, const char *name);
/* Does the kernel keep probes away from the function NAME (/sys/kernel/debug/kprobes/blacklist)? */
enum ksym_answer kernel_forbids(struct compile *cx, const char *name);

#endif
