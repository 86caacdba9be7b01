/*
 * flat: symbols on their way between processes.
 */
#ifndef TARGET_FLAT_H
#define TARGET_FLAT_H

#include <stdio.h>

#include "target/target.h"

void flat_put_symbols(FILE *f, const struct elf_symbols *s);

/* Copies into A. SORTED: they are to be in order of address, as elf_symbol_at() wants them. False,
 * *OUT empty: the bytes are not sound. */
bool flat_get_symbols(struct arena *a, const void *data, size_t n, bool sorted,
                      struct elf_symbols *out);

#endif
