/*
 * print: what the printer of expressions (print_expr.c) shares with that of statements (print.c).
 */
#ifndef SYNTAX_PRINT_H
#define SYNTAX_PRINT_H

#include "syntax/syntax.h"

/* How strongly an expression holds together; the grammar's precedences. */
enum level {
    L_ASSIGN = 1,
    L_TERNARY,
    L_LOR,
    L_LAND,
    L_OR,
    L_XOR,
    L_AND,
    L_IN,
    L_COMPARE,
    L_SHIFT,
    L_CONCAT,
    L_ADD,
    L_MUL,
    L_UNARY,
    L_VALUE,
    L_BASE
};

struct printer {
    FILE *out;
    unsigned flags;
    struct print_hook *hook; /* or NULL */
};

/* E; in parentheses if it holds together less strongly than LEAST, an enum level. */
void syntax_put(const struct printer *p, const struct expr *e, int least);

/* V[0..N-1], with commas between them. */
void syntax_put_list(const struct printer *p, struct expr *const *v, uint32_t n, int least);

/* "@count", "@sum", ... */
const char *syntax_stat_text(enum stat_op stat);

#endif
