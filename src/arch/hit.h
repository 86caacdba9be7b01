/*
 * hit: what instructions cost under a breakpoint of the kernel. It emulates some of them; others
 * run alone elsewhere, which takes a second exception, and in a virtual machine much more than the
 * first (arch/x86/kernel/uprobes.c, arch/arm64/kernel/probes/decode-insn.c). Of this machine alone.
 */
#ifndef ARCH_HIT_H
#define ARCH_HIT_H

#include <stddef.h>

/* LANDING: what marks where indirect calls may lead to, which newer kernels emulate. */
enum arch_hit { ARCH_HIT_STEPPED, ARCH_HIT_EMULATED, ARCH_HIT_LANDING, ARCH_HITS };

/* What begins at P, N bytes. */
enum arch_hit arch_hit_of(const unsigned char *p, size_t n);

typedef void arch_hit_fn(void);
/* A function that begins so, and returns; NULL: none is known. */
arch_hit_fn *arch_hit_sample(enum arch_hit hit);

#endif
