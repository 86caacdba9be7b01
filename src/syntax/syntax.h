/*
 * syntax: SystemTap text -> tree. Lexer (lex.l), preprocessor (pp.c), parser (parse.y), tree
 * (ast.c), printer (print.c). The grammar is that of SystemTap 4.8's parse.cxx and
 * stap(1); docs/differences.md says what runs otherwise or not.
 */
#ifndef SYNTAX_SYNTAX_H
#define SYNTAX_SYNTAX_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "base/compile.h"
#include "syntax/ast.h"

/*
 * What the preprocessor's conditions compare with: "%( kernel_v >= "5.4" %? ... %)". Also the
 * script's arguments: $1 (number or token), @1 (string), $# and @#. Owned by the caller.
 */
struct pp_env {
    const char *kernel_v;    /* "6.18.0": numeric part, compared by version */
    const char *kernel_vr;   /* full release */
    const char *arch;        /* "x86_64" */
    const char *runtime;     /* "bpf" or "kernel" */
    const char *systemtap_v; /* "4.8" */
    bool guru;
    const char *const *args;
    uint32_t n_args;
    /* CONFIG_FOO comparisons: value or NULL; may be NULL (all unset) */
    const char *(*config)(void *arg, const char *name);
    void *config_arg;
};

/*
 * Parses SRC and adds what it declares to PROG (several sources: the script, @use'd libraries,
 * tapset files). Errors are reported, parsing resumes at the next probe, function or global. False
 * when anything was reported as an error. Embedded code and what else needs guru mode is accepted
 * from tapset sources (src->tapset). As in stap, macros live as long as their file, but those of a
 * source named *.stpm, which holds nothing else, go to LIBRARY and serve every source that is
 * parsed later with it. LIBRARY may be NULL.
 */
struct macros; /* @define'd macros that outlive a file: those of *.stpm library files */
struct macros *macros_new(struct arena *a);
/* FN is called once, when a macro that M lacks is used: it may parse more files into M. */
void macros_when_missing(struct macros *m, void (*fn)(void *arg), void *arg);

bool syntax_parse(struct compile *cx, const struct pp_env *env, struct source *src,
                  struct macros *library, struct program *prog);

/* The words that print and make strings (print, sprintf ...), one by one; NULL at the end. */
const char *syntax_printer(uint32_t i);

/*
 * Prints PROG so that parsing the output gives the same tree. PRINT_RESOLVED shows the
 * resolved form of target expressions in its place.
 */
enum { PRINT_RESOLVED = 1 };
void syntax_print(FILE *out, const struct program *prog, unsigned flags);
void syntax_print_expr(FILE *out, const struct expr *e, unsigned flags);
void syntax_print_point(FILE *out, const struct probe_point *p);
void syntax_print_string(FILE *out, const char *s, uint32_t len); /* quoted */

/*
 * Printing with a say for the caller: EXPR is given each expression (the resolved form, where there
 * is one) and either prints it and returns true, or returns false to have it printed as ever. It
 * prints what lies below by syntax_print_expr_by; what it prints holds together like a call.
 */
struct print_hook {
    bool (*expr)(struct print_hook *h, FILE *out, const struct expr *e);
};
void syntax_print_expr_by(FILE *out, const struct expr *e, struct print_hook *h);
/* S and the statements after it, with resolved forms; H NULL: as they are. */
void syntax_print_stmt(FILE *out, const struct stmt *s, int indent, struct print_hook *h);

#endif
