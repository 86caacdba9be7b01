/*
 * feed: what the parser reads from. Makes the grammar's few irregular places regular.
 *
 * Enters: the preprocessor's tokens. Leaves: the same, with adjacent string literals joined; with
 * the names in a probe's head (wildcards, keywords: "syscall.*.return") made one POINT_NAME each
 * and "{" of a brace group told from the "{" of the body; after an error nothing up to the next
 * declaration. Refuses: brackets nested over SYNTAX_MAX_NESTING deep, over SYNTAX_MAX_TOKENS
 * tokens.
 */
#include <string.h>

#include "syntax/token.h"
#include "syntax/parse.h"

#define TAG "syntax"

enum feed_mode {
    PLAIN,
    HEAD_NAME,  /* in a probe's head, where a name is due */
    HEAD_AFTER, /* after a name */
    HEAD_ARG,   /* in its parentheses */
    HEAD_COND,  /* in "if (...)" */
};

static const struct token *peek(struct feed *f)
{
    if (!f->has_ahead) {
        f->ahead = (struct token){0};
        pp_next(f->pp, &f->ahead);
        f->has_ahead = true;
    }
    return &f->ahead;
}

static void take(struct feed *f, struct token *t)
{
    *t = *peek(f);
    f->has_ahead = false;
}

/* T, longer by what follows in the same text. */
static void stretch(struct token *t, const struct token *by)
{
    t->at = span_join(t->at, by->at);
}

static void join(struct feed *f, struct token *t, const struct token *by)
{
    char *text = arena_alloc(f->cx->arena, (size_t)t->len + by->len + 1);

    memcpy(text, t->text, t->len);
    memcpy(text + t->len, by->text, by->len);
    t->text = text;
    t->len += by->len;
    stretch(t, by);
}

/* The N pieces V as one text of LEN bytes, as formats or as they are. */
static char *joined(struct feed *f, const struct token *v, uint32_t n, size_t len, bool format)
{
    char *text = arena_alloc(f->cx->arena, len + 1), *to = text;

    for (uint32_t i = 0; i < n; i++) {
        bool other = format && v[i].format;
        uint32_t size = other ? v[i].format_len : v[i].len;

        memcpy(to, other ? v[i].format : v[i].text, size);
        to += size;
    }
    return text;
}

/* "a" "b" is one literal. The pieces are counted first: joining them two by two is quadratic. */
static void join_strings(struct feed *f, struct token *t)
{
    struct token *v = NULL, next = *t;
    uint32_t n = 0;
    size_t len = 0, format_len = 0;
    bool format = false;

    for (;;) {
        v = arena_grow(f->cx->arena, v, n, sizeof(*v));
        v[n++] = next;
        len += next.len;
        format_len += next.format ? next.format_len : next.len;
        format |= next.format != NULL;
        if (peek(f)->kind != STRING)
            break;
        take(f, &next);
        stretch(t, &next);
    }
    if (n == 1 || format_len > UINT32_MAX)
        return;
    t->text = joined(f, v, n, len, false);
    t->len = (uint32_t)len;
    t->format = format ? joined(f, v, n, format_len, true) : NULL;
    t->format_len = (uint32_t)format_len;
}

static bool is_point_piece(const struct token *t)
{
    return t->kind == IDENT || t->kind == PRINTER || t->kind == '*' || token_is_keyword(t->kind);
}

static void head_name(struct feed *f, struct token *t)
{
    struct token next;

    if (t->kind == '{') {
        t->kind = GROUP;
        return;
    }
    f->mode = HEAD_AFTER;
    if (!is_point_piece(t))
        return;
    t->kind = POINT_NAME;
    while (!peek(f)->spaced && (is_point_piece(peek(f)) || peek(f)->kind == NUMBER)) {
        take(f, &next);
        join(f, t, &next);
    }
}

/* Follows a probe's head from "probe" to the "{" of its body. */
static void head(struct feed *f, struct token *t)
{
    switch (f->mode) {
    case HEAD_NAME:
        head_name(f, t);
        break;
    case HEAD_AFTER:
        if (t->kind == '.' || t->kind == ',' || t->kind == '=' || t->kind == ADD_ASSIGN)
            f->mode = HEAD_NAME;
        else if (t->kind == '(')
            f->mode = HEAD_ARG;
        else if (t->kind == IF)
            f->mode = HEAD_COND;
        else if (t->kind == '{')
            f->mode = PLAIN;
        break;
    case HEAD_ARG:
        if (t->kind == ')')
            f->mode = HEAD_AFTER;
        break;
    case HEAD_COND:
        if (t->kind == '(')
            f->cond_depth++;
        else if (t->kind == ')' && f->cond_depth && --f->cond_depth == 0)
            f->mode = HEAD_AFTER;
        break;
    default:
        break;
    }
}

static bool is_declaration(int kind)
{
    return kind == PROBE || kind == GLOBAL || kind == PRIVATE || kind == FUNCTION;
}

/* Brackets are kept to tell what is still open when the text ends. */
static void nest(struct feed *f, struct token *t)
{
    if (t->kind == '(' || t->kind == '[' || t->kind == '{' || t->kind == GROUP) {
        if (f->n_open == SYNTAX_MAX_NESTING) {
            diag_error(f->cx->diag, t->at, TAG, "brackets are nested too deeply (over %d)",
                       SYNTAX_MAX_NESTING);
            t->kind = BAD;
            return;
        }
        f->open[f->n_open++] = *t;
    } else if ((t->kind == ')' || t->kind == ']' || t->kind == '}') && f->n_open) {
        f->n_open--;
    }
}

void feed_recover(struct feed *f)
{
    f->mode = PLAIN;
    f->n_open = 0;
    f->cond_depth = 0;
    if (!is_declaration(f->last.kind) && f->last.kind != END)
        f->recovering = true;
    else if (f->last.kind == PROBE)
        f->mode = HEAD_NAME;
}

/* Drops tokens; quietly, since what is wrong with them may follow from the error before. */
static void drop(struct feed *f, struct token *t)
{
    int before = 0;

    for (;;) {
        diag_try_begin(f->cx->diag);
        take(f, t);
        diag_try_end(f->cx->diag);
        if (t->kind == END || (is_declaration(t->kind) && before != '.' && before != ARROW))
            break;
        before = t->kind;
    }
    f->recovering = false;
}

/* The arguments of a macro that is not known may be any text: they are dropped. */
static void drop_arguments(struct feed *f)
{
    struct token t;
    int depth = 0;

    while (peek(f)->kind != END && !is_declaration(peek(f)->kind)) {
        if (peek(f)->kind == '(')
            depth++;
        else if (!depth || (peek(f)->kind == ')' && --depth == 0))
            break;
        take(f, &t);
    }
    if (depth == 0 && peek(f)->kind == ')')
        take(f, &t);
}

void feed_next(struct feed *f, struct token *t)
{
    if (diag_stopped(f->cx->diag))
        *t = (struct token){.kind = END, .at = f->last.at};
    else if (f->recovering)
        drop(f, t);
    else
        take(f, t);
    if (++f->n_tokens > SYNTAX_MAX_TOKENS) {
        if (f->n_tokens == SYNTAX_MAX_TOKENS + 1)
            diag_error(f->cx->diag, t->at, TAG, "the script is too large: over %d tokens",
                       SYNTAX_MAX_TOKENS);
        t->kind = f->n_tokens == SYNTAX_MAX_TOKENS + 1 ? BAD : END;
    }
    if (t->kind == STRING)
        join_strings(f, t);
    else if (t->kind == AT_OTHER && peek(f)->kind == '(')
        drop_arguments(f);
    if (t->kind == PROBE && f->mode == PLAIN && f->last.kind != ARROW)
        f->mode = HEAD_NAME;
    else if (f->mode != PLAIN)
        head(f, t);
    nest(f, t);
    f->before = f->last.at;
    f->last = *t;
}
