/*
 * unwind: tables by which the kernel's side walks a program's stack without debug information: for
 * each address of a file's code where the frame is and where the caller's registers were saved
 * (struct ngs_row, base/abi.h), out of .eh_frame and .debug_frame. The formats: LSB, "Exception
 * Frames"; DWARF 5, 6.4 "Call Frame Information".
 */
#ifndef UNWIND_UNWIND_H
#define UNWIND_UNWIND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/abi.h"

struct arch;
struct map;

/*
 * Rows in the order of their addresses; a row holds up to the next one's. V is malloc'ed; behind
 * its N rows are N_BLOCKS of struct ngs_block, of the same size: N + N_BLOCKS records of 8 bytes
 * without a pointer, which say the same wherever the file is mapped, so that they can be kept.
 */
struct unwind_rows {
    struct ngs_row *v;
    uint32_t n, cap;
    uint32_t n_blocks, first_block;
};

/* What a file's rows and blocks may be: more is taken for hostile. libcrypto has 60,000 rows and
 * 12,000 blocks. */
enum { UNWIND_ROWS_MAX = 1 << 19, UNWIND_BLOCKS_MAX = 1 << 18 };

/* A section's bytes, which stay the caller's; VADDR: where it is loaded (.eh_frame). */
struct unwind_section {
    const uint8_t *data;
    size_t size;
    uint64_t vaddr;
    bool debug; /* it is a .debug_frame */
};

/*
 * Reads N sections of an ARCH's file into rows by the file's own addresses, below 4 GiB. Entries
 * that do not hold together are left out: no row is then there, and a walk stops. False: out of
 * memory, more rows or blocks than above, or more instructions than any program has; *OUT is empty
 * then. The caller frees OUT->v.
 */
bool unwind_make(const struct arch *arch, const struct unwind_section *v, unsigned n,
                 struct unwind_rows *out);

/* One more row; the blocks are none then, and rows out of order. False: there are too many, or out
 * of memory. */
bool unwind_add_row(struct unwind_rows *r, uint32_t pc, uint32_t rule);
/* Puts rows in order, of those at one address the last, and makes the blocks. False: out of memory,
 * or too many blocks. */
bool unwind_finish(struct unwind_rows *r);

/* Says what lies at VADDR of the file: SIZE bytes, which stay the giver's; NULL: it has not so
 * many. */
struct unwind_code {
    const uint8_t *(*at)(void *arg, uint64_t vaddr, size_t size);
    void *arg;
};

/* Puts right the rows of LuaJIT's interpreter, where R, in order, has them; true: unwind_finish is
 * to be called. */
bool unwind_luajit(const struct arch *arch, const struct unwind_code *code, struct unwind_rows *r);

/* What is to be taken off an address in M, a mapping of the ELF file open at FD, for the file's
 * own: *BIAS; false: it is no sound ELF file. */
bool unwind_bias(int fd, const struct map *m, uint64_t *bias);

/* Counts up where the same file gives other rows than before, and neither struct ngs_row nor the
 * number of its kinds has changed. */
enum { UNWIND_VERSION = 3 };

/* The rows of the ELF file open at FD, by its own addresses, and those of its separate debug file
 * open at DEBUG_FD (-1: none); false, *OUT empty: it has none, or is no sound ELF file. The caller
 * frees OUT->v. */
bool unwind_file(int fd, int debug_fd, struct unwind_rows *out);

/* Puts right what unwind_file has made of the file open at FD, by its code. False, *R empty: out of
 * memory. */
bool unwind_mend(int fd, struct unwind_rows *r);

/* Both, the first out of the cache where the file is large and its rows were made before; else they
 * are made, and kept. */
bool unwind_kept_file(int fd, int debug_fd, struct unwind_rows *out);

/* The readers themselves, for asked.c, which stands before them. */
bool unwind_bias_here(int fd, const struct map *m, uint64_t *bias);
bool unwind_kept_here(int fd, int debug_fd, struct unwind_rows *out);

/* Rows as bytes: this, then V. */
struct unwind_head {
    uint32_t n, n_blocks, first_block, reserved;
};
/* Takes over such bytes, malloc'ed. False, *OUT empty: rows are out of order, or blocks are of rows
 * that are not there. */
bool unwind_take(void *data, size_t size, struct unwind_rows *out);

#endif
