/*
 * machines: the rows of arch.c, one a file.
 */
#ifndef ARCH_MACHINES_H
#define ARCH_MACHINES_H

#include "arch/arch.h"

extern const struct arch arch_x86_64, arch_aarch64;
extern const struct arch_syscall_table arch_x86_64_syscalls, arch_i386_syscalls,
    arch_aarch64_syscalls;

bool arch_x86_64_operand(const char *text, size_t len, struct arch_operand *out);
bool arch_aarch64_operand(const char *text, size_t len, struct arch_operand *out);

uint8_t arch_x86_64_length(const uint8_t *p, size_t n);
void arch_x86_64_lua_frames(const uint8_t *code, size_t size, arch_lua_tell *tell, void *arg);

#endif
