/*
 * token: what the lexer, the preprocessor, the feed and the parser hand each other, one token
 * at a time. Internal to syntax/. Token kinds are the parser's (parse.h).
 */
#ifndef SYNTAX_TOKEN_H
#define SYNTAX_TOKEN_H

#include <stdbool.h>
#include <stdint.h>

#include "base/compile.h"
#include "syntax/syntax.h"

enum {
    SYNTAX_MAX_TOKENS = 1000000, /* of one source, after expansion */
    SYNTAX_MAX_NESTING = 1000,   /* open brackets, macros in macros, conditions in conditions */
};

struct token {
    int kind;
    bool spaced;  /* white space or a comment stands before it */
    uint32_t len; /* bytes of text */
    struct span at;
    const char
        *text; /* as written; of a STRING and of EMBEDDED code: its content. No NUL at the end */
    const char *format; /* STRING: its content as a format, where that is another; else NULL */
    uint32_t format_len;
    int64_t number; /* NUMBER; ARG's index; op, stat_op or print_flags of a word that has one */
    const char *problem; /* BAD: what to say; NULL: said already */
};

/* ---- lex.l ---- */

struct lex;

struct lex *lex_open(struct compile *cx, const struct source *src);
void lex_close(struct lex *l);

/* The next token; END again and again at the end. Never reports: what is wrong comes as BAD. */
void lex_next(struct lex *l, struct token *out);

bool token_is_keyword(int kind);
char *token_text(struct arena *a, const struct token *t); /* with a NUL */
bool token_equal(const struct token *t, const char *text);

/* ---- pp.c ---- */

struct pp;

struct pp *pp_open(struct compile *cx, const struct pp_env *env, const struct source *src,
                   struct macros *library);
void pp_close(struct pp *pp);

/* The next token after macros, conditions and arguments. What is wrong is reported, and comes as
 * BAD. */
void pp_next(struct pp *pp, struct token *out);

/* Makes the file's macros library macros; false after reporting a duplicate. */
bool pp_export(struct pp *pp);

/* The macro whose name is nearest, tried into N, for hints. */
void pp_near(const struct pp *pp, struct near *n);

/* ---- cond.c ---- */

/* "L OP R" in a condition; false after reporting that it makes no sense. */
bool cond_eval(struct compile *cx, const struct pp_env *env, const struct token *l,
               const struct token *op, const struct token *r, bool *value);

/* ---- feed.c ---- */

struct feed {
    struct compile *cx;
    struct pp *pp;
    struct token ahead; /* read but not handed out yet */
    bool has_ahead;
    struct token last; /* the last one handed out */
    struct span before; /* of the one before it */
    bool recovering;   /* drop everything up to the next declaration */
    uint32_t n_tokens;
    int mode;            /* enum feed_mode: within a probe's head */
    uint32_t cond_depth; /* open parentheses of "if (...)" in a probe's head */
    uint32_t n_open;
    struct token open[SYNTAX_MAX_NESTING];
};

void feed_next(struct feed *f, struct token *out);
void feed_recover(struct feed *f);

#endif
