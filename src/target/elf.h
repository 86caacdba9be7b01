/*
 * elf: libelf handles, for this folder, debug/, unwind/ and stap/ only.
 */
#ifndef TARGET_ELF_H
#define TARGET_ELF_H

#include <gelf.h>

#include "base/bounds.h"
#include "target/target.h"

#define ELF_FILE_MAX                                                                               \
    ((off_t)4 << 30) /* larger files are refused: nobody's debug information is so large */

/* Opens an ELF file for reading without mapping it; the caller ends it by elf_end(3), and FD must
 * stay open as long. NULL: not a sound ELF file, or more of it than base/bounds.h allows
 * (reported). */
Elf *elf_open(int fd);

bool elf_build_id_of(Elf *elf, int fd, struct build_id *id);
/* The build-id among notes that lie in memory, of this machine's byte order. */
bool elf_notes_build_id(const char *data, size_t size, struct build_id *id);
bool build_id_equal(const struct build_id *a, const struct build_id *b);

/* What is to be added to the addresses of ELF, which is mapped at M; 0 also when no segment is. */
uint64_t elf_bias(Elf *elf, const struct map *m);

/* begins.c: the function nearest to VADDR, at it or before, in the table that unwinders search:
 * *START. False: there is none, or the table is of another form than linkers write. */
bool elf_table_before(Elf *elf, uint64_t vaddr, uint64_t *start);

/* What start-up asks of a file. */
struct elf_facts {
    struct build_id id; /* len 0: none */
    uint64_t bias;      /* of its mapping, elf_bias */
};
/* M: a mapping of it, or NULL. False: it is no sound ELF file. */
bool elf_facts(int fd, const struct map *m, struct elf_facts *out);

/* The readers themselves, for asked.c, which stands before them. */
uint16_t elf_machine_here(int fd);
bool elf_facts_here(int fd, const struct map *m, struct elf_facts *out);
bool elf_code_here(int fd, struct elf_code *out);
bool elf_vaddr_to_offset_here(int fd, uint64_t vaddr, uint64_t *offset);
struct elf_symbols elf_symbols_here(struct arena *a, int fd);
struct elf_symbols elf_variables_here(struct arena *a, int fd);
struct elf_symbols elf_mini_here(struct arena *a, int fd);

/* Symbols of an open file. *FULL: from .symtab, not only .dynsym. */
struct elf_symbols elf_symbols_of(struct arena *a, Elf *elf, bool *full);

#endif
