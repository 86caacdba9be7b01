/*
 * clean: bytes of a target as text that is safe to print.
 */
#ifndef BASE_CLEAN_H
#define BASE_CLEAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/*
 * Copies the LEN bytes at TEXT to OUT, with everything that is no printable UTF-8 (RFC 3629;
 * control, invisible and direction-changing characters are not) as \xNN. OUT, of SIZE bytes, is
 * always NUL-terminated, cut at a character when it is too small; 4 * LEN + 1 bytes hold all. Bytes
 * written.
 */
size_t clean_text(const char *text, size_t len, char *out, size_t size);

/* The length of the UTF-8 character at P, its code point in *CODE; 0: none (overlong, surrogate,
 * cut). */
size_t clean_character(const unsigned char *p, size_t len, uint32_t *code);
/* Is it one that clean_text leaves as it is? */
bool clean_printable(uint32_t code);

/* Columns that a character takes in a fixed font: 0 (it stands on the one before), 1 or 2 (Unicode
 * Standard Annex 11). */
unsigned clean_width(uint32_t code);

/* All LEN bytes at TEXT to F, made clean. */
void clean_print(FILE *f, const char *text, size_t len);

/* A line of messages beside diag's, in which names of a target may stand: clean, and one line. */
void clean_line(FILE *f, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
