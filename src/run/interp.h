/*
 * interp: a BPF interpreter for handlers that run in user space (see interp.c).
 */
#ifndef RUN_INTERP_H
#define RUN_INTERP_H

#include <stdbool.h>
#include <stdint.h>

/*
 * A handler's addresses are virtual: bits 32-35 name a region, bits 0-31 an offset in it. So a
 * check is one comparison, a stray pointer hits nothing, and a hostile object learns no address of
 * ours.
 */
enum vm_region { VM_NONE, VM_FRAME, VM_STACK, VM_GLOBALS, VM_RODATA, VM_CONTROL, VM_REGIONS };

enum { VM_STACK_SIZE = 512 };

struct vm_memory {
    uint8_t *base;
    uint32_t size;
    bool read_only;
};

enum vm_end {
    VM_DONE,    /* exit */
    VM_BAD,     /* an access or an instruction that is not allowed: fault says what */
    VM_LIMIT,   /* ran more instructions than the cap */
    VM_ABORTED, /* poll asked for it */
};

struct vm {
    struct vm_memory mem[VM_REGIONS];
    const uint64_t *code;
    uint32_t code_len;
    uint64_t cap; /* instructions; a guard only: the code keeps a budget of its own */

    /* Helper NUMBER (without NGS_H_BASE); sets vm->fault when the arguments are no good. */
    uint64_t (*helper)(struct vm *vm, uint32_t number, const uint64_t args[5]);
    bool (*poll)(void *ctx); /* called now and then; true ends the run. May be NULL. */
    void *ctx;

    const char *fault; /* why the handler cannot go on */
    uint64_t fault_addr;
    uint32_t fault_pc;
    uint64_t result; /* r0 */
};

static inline uint64_t vm_addr(enum vm_region region, uint32_t off)
{
    return (uint64_t)region << 32 | off;
}

/* SIZE bytes at a handler's address, or NULL with vm->fault set. */
void *vm_at(struct vm *vm, uint64_t addr, uint64_t size, bool write);

/* Runs the handler of N instructions that begins at instruction OFF. */
enum vm_end vm_run(struct vm *vm, uint32_t off, uint32_t n);

#endif
