/*
 * cg: IR -> BPF instructions -> one ELF object (base/abi.h says what it holds).
 *
 * Kernel handlers become programs for the verifier; their back edges are encoded by what the kernel
 * has (may_goto, bpf_loop, bpf_for_each_map_elem). User-space handlers become BPF whose harder
 * operations are calls of NGS_H_ helpers.
 */
#ifndef CG_CG_H
#define CG_CG_H

#include <stdio.h>

#include "ir/ir.h"
#include "target/target.h"

struct cg_object {
    void *elf;       /* the ELF file's bytes, arena-owned */
    size_t elf_size;
};

/*
 * The object of a verified and laid-out unit, for kernel K. DUMP (--dump-bpf), unless NULL, gets
 * the disassembly beside script lines. False after reporting.
 */
bool cg_generate(const struct ir_unit *u, const struct kernel *k, FILE *dump,
                 struct cg_object *out);

#endif
