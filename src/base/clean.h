/*
 * clean: bytes of a target as text that is safe to print.
 */
#ifndef BASE_CLEAN_H
#define BASE_CLEAN_H

#include <stddef.h>
#include <stdio.h>

/*
 * Copies the LEN bytes at TEXT to OUT, with everything that is no printable UTF-8 (RFC 3629; control,
 * invisible and direction-changing characters are not) as \xNN. OUT, of SIZE bytes, is always
 * NUL-terminated, cut at a character when it is too small; 4 * LEN + 1 bytes hold all. Bytes written.
 */
size_t clean_text(const char *text, size_t len, char *out, size_t size);

/* All LEN bytes at TEXT to F, made clean. */
void clean_print(FILE *f, const char *text, size_t len);

#endif
