/*
 * symbols: addresses -> names, for what usymname() and its kin left in strings (symbols.c).
 */
#ifndef RUN_SYMBOLS_H
#define RUN_SYMBOLS_H

#include <stdint.h>

#include "run/text.h"
#include "target/target.h"

struct symbols;
struct session;

/*
 * T: whose addresses are named, or NULL: the kernel's alone. SESSION knows files and stacks by
 * number; NULL: there are none. SOURCE (copied) is asked for a module's symbols before its file is;
 * NULL: the file alone. NULL: out of memory.
 */
struct symbols *symbols_new(struct compile *cx, struct target *t, const struct session *session,
                            const struct symbol_source *source);
/* Names of C++ and Rust are shown as their sources have them from now on. */
void symbols_demangle(struct symbols *s);
/* The target runs another program: what is mapped is read again. */
void symbols_again(struct symbols *s);
void symbols_free(struct symbols *s);

/* Appends P's bytes with every address mark replaced by what KIND asks for (abi.h, NGS_MARK). */
void symbols_expand(struct symbols *s, const char *p, size_t len, struct text *out);

#endif
