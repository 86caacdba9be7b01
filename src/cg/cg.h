/*
 * cg: IR -> BPF instructions -> one ELF object (base/abi.h says what it holds).
 *
 * Kernel handlers become programs for the verifier: register 9 holds the frame, back edges are
 * encoded by what KERNEL has (may_goto, bpf_loop, bpf_for_each_map_elem). User-space handlers become BPF whose
 * harder operations are calls of NGS_H_ helpers.
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

/* Dumps (--dump-bpf): disassembly beside script lines goes to DUMP unless NULL. False after reporting. */
bool cg_generate(const struct ir_unit *u, const struct kernel *k, FILE *dump, struct cg_object *out);

#endif
