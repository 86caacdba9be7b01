/*
 * object: what the code generator hands to the ELF writer (elf.c): finished instructions with their
 * relocations and line numbers. elf.c makes the sections of base/abi.h out of it, with BTF for the
 * maps, for every function (func_info) and for script lines (line_info).
 */
#ifndef CG_OBJECT_H
#define CG_OBJECT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <linux/bpf.h>

#include "base/abi.h"
#include "base/compile.h"

enum cg_reloc_kind {
    /* ld_imm64: address of map NAME (BPF_PSEUDO_MAP_FD) */
    CG_RELOC_MAP,
    /* ld_imm64: address in the value of NGS_MAP_GLOBALS, _RODATA or _CONTROL (data sections of
     * abi.h); the offset in the value is the first imm, the second is 0 (libbpf moves it) */
    CG_RELOC_MAP_VALUE,
    /* call of subprogram NAME; elf.c sets src_reg and imm */
    CG_RELOC_CALL,
    /* ld_imm64: address of static subprogram NAME (loop callback); elf.c sets src_reg and imm */
    CG_RELOC_CALLBACK,
};

struct cg_reloc {
    enum cg_reloc_kind kind;
    uint32_t insn;      /* index in the function's instructions */
    const char *name;   /* map, or subprogram (of .text) */
};

struct cg_line {
    uint32_t insn;
    struct span at;     /* of the script; elf.c turns it into file, line, text */
};

/* What a function looks like in BTF. */
enum cg_signature {
    /* int (void *ctx): a kernel program, in a section of its own */
    CG_SIG_PROG,
    /* int (struct ngs_frame_mem *frame, u64 a, u64 b, u64 c, u64 d), the first N_ARGS (1 to 5) of
     * them; global: verified on its own, with a frame of frame_size bytes or NULL */
    CG_SIG_GLOBAL,
    /* bpf_loop callback: static long (u64 index, void *ctx) */
    CG_SIG_LOOP,
    /* bpf_for_each_map_elem callback: static long (void *map, void *key, void *value, void *ctx) */
    CG_SIG_FOR_EACH,
};

struct cg_func {
    const char *name;
    const char *section; /* "perf_event" (several programs share it, NAME is "pN"); NULL: .text */
    enum cg_signature sig;
    uint32_t n_args;
    struct bpf_insn *insns;
    uint32_t n_insns;
    struct cg_reloc *relocs;
    uint32_t n_relocs;
    struct cg_line *lines; /* sorted by insn; may be empty */
    uint32_t n_lines;
};

/*
 * A map. One whose name starts with '.' (NGS_MAP_GLOBALS, _RODATA, _CONTROL) becomes a data section
 * of value_size bytes (rodata's are cg_unit's, else zeroes); size 0: it is left out. Its other
 * fields say nothing.
 */
struct cg_map {
    const char *name;
    uint32_t type; /* BPF_MAP_TYPE_* */
    uint32_t key_size, value_size;
    uint32_t max_entries; /* of the frames: those of one CPU, which the loader multiplies */
    uint32_t flags; /* BPF_F_* */
};

struct cg_unit {
    struct compile *cx;
    struct cg_func *funcs;
    uint32_t n_funcs;
    struct cg_map *maps;
    uint32_t n_maps;
    const void *rodata;  /* value of NGS_MAP_RODATA */
    uint32_t rodata_size;
    const struct bpf_insn *user_code; /* .ngstap.user; ld_imm64 names maps by load.h's user_map */
    uint32_t user_len;
    const void *meta;    /* .ngstap.meta, laid out as base/abi.h says */
    size_t meta_size;
    uint32_t frame_size;
};

/* Writes the object into memory of the compile's arena; false after reporting. */
bool cg_write_elf(const struct cg_unit *u, void **elf, size_t *size);

/* One function's disassembly beside script lines (disasm.c), as in bpftool's "xlated" dumps. */
void cg_disassemble(FILE *out, struct compile *cx, const struct cg_func *f);

#endif
