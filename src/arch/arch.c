/*
 * arch: the machines that are known, and how to find one and its registers. Enters: an e_machine, a
 * name; leaves: a row. A machine that has no row is nobody's: the caller says so.
 */
#include "arch/arch.h"

#include <string.h>

#include "arch/machines.h"

static const struct arch *const machines[] = {&arch_x86_64, &arch_aarch64};

enum { N_MACHINES = sizeof(machines) / sizeof(*machines) };

const struct arch *arch_of_machine(uint16_t machine)
{
    for (size_t i = 0; i < N_MACHINES; i++)
        if (machines[i]->machine == machine)
            return machines[i];
    return NULL;
}

const struct arch *arch_native(void)
{
#if defined __x86_64__
    return &arch_x86_64;
#elif defined __aarch64__
    return &arch_aarch64;
#else
    return NULL;
#endif
}

const char *arch_names(void)
{
    return "x86_64, aarch64";
}

int arch_register(const struct arch *a, const char *name, size_t len, uint8_t *size)
{
    for (uint8_t i = 0; i < a->n_regs; i++) {
        if (strlen(a->regs[i].name) == len && !memcmp(a->regs[i].name, name, len)) {
            *size = 8;
            return i;
        }
    }
    for (const struct arch_part *p = a->parts; p->name; p++) {
        if (strlen(p->name) == len && !memcmp(p->name, name, len)) {
            *size = p->size;
            return p->reg;
        }
    }
    return -1;
}

bool arch_is_trap(const struct arch_trap *trap, const unsigned char *p, size_t n)
{
    return n >= trap->size && !memcmp(p, trap->bytes, trap->size);
}
