/*
 * symbols: addresses -> names, for what usymname() and its kin left in strings (symbols.c).
 */
#ifndef RUN_SYMBOLS_H
#define RUN_SYMBOLS_H

#include <stdint.h>

#include "run/text.h"
#include "target/target.h"

struct symbols;

struct symbols *symbols_new(struct compile *cx, struct target *t);
/* The target runs another program: what is mapped is read again. */
void symbols_again(struct symbols *s);
void symbols_free(struct symbols *s);

/* Appends P's bytes with every address mark replaced by what KIND asks for (abi.h, NGS_MARK). */
void symbols_expand(struct symbols *s, const char *p, size_t len, struct text *out);

#endif
