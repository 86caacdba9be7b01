/*
 * lex: see lex.h. Enters: bytes that may be anything; leaves: tokens and their lines, counted as
 * LuaJIT's lj_lex.c does it (\n, \r, \r\n and \n\r are one line end each; bytes from 0x80 on are
 * letters). Refuses nothing: what is no Lua is an operator of one byte or a string up to its line's
 * end, and sets broken.
 */
#include "lua/lex.h"

#include <string.h>

enum { NAME_FIRST = 1, NAME_NEXT = 2, DIGIT = 4, BLANK = 8, LINE_END = 16 };

#define LETTER (NAME_FIRST | NAME_NEXT)

static const uint8_t kinds[256] = {
    ['\t'] = BLANK,
    ['\v'] = BLANK,
    ['\f'] = BLANK,
    [' '] = BLANK,
    ['\n'] = LINE_END,
    ['\r'] = LINE_END,
    ['0' ... '9'] = NAME_NEXT | DIGIT,
    ['A' ... 'Z'] = LETTER,
    ['_'] = LETTER,
    ['a' ... 'z'] = LETTER,
    [0x80 ... 0xff] = LETTER,
};

static unsigned kind(const struct lua_lex *x, const char *p)
{
    return p < x->end ? kinds[(uint8_t)*p] : 0;
}

static char peek(const struct lua_lex *x, size_t ahead)
{
    return (size_t)(x->end - x->at) > ahead ? x->at[ahead] : '\0';
}

/* AT is at a line end. */
static void newline(struct lua_lex *x)
{
    char first = *x->at++;

    if ((kind(x, x->at) & LINE_END) && *x->at != first)
        x->at++;
    x->line++;
}

void lua_lex_init(struct lua_lex *x, const char *text, size_t len, uint32_t line)
{
    *x = (struct lua_lex){.text = text, .at = text, .end = text + len, .line = line, .start = text};
}

static void skip_line(struct lua_lex *x)
{
    while (x->at < x->end && !(kind(x, x->at) & LINE_END))
        x->at++;
}

void lua_lex_header(struct lua_lex *x)
{
    if (x->end - x->at >= 3 && !memcmp(x->at, "\xef\xbb\xbf", 3))
        x->at += 3;
    if (peek(x, 0) == '#')
        skip_line(x);
}

/* ---- long brackets ---- */

/* The level of the long bracket that opens at P ("[==["), or -1. */
static long level_at(const struct lua_lex *x, const char *p)
{
    const char *q = p + 1;

    while (q < x->end && *q == '=')
        q++;
    return q < x->end && *q == '[' ? (long)(q - p - 1) : -1;
}

static void count_lines(struct lua_lex *x, const char *to)
{
    while (x->at < to) {
        const char *lf = memchr(x->at, '\n', (size_t)(to - x->at));
        size_t n = (size_t)((lf ? lf : to) - x->at);
        const char *cr = memchr(x->at, '\r', n);

        if (!cr && !lf) {
            x->at = to;
            return;
        }
        x->at = cr ? cr : lf;
        newline(x);
    }
}

/* AT is at "[==[" of that level: goes behind its end. */
static void long_bracket(struct lua_lex *x, long level)
{
    const char *p = x->at + level + 2;

    for (;;) {
        const char *close = p < x->end ? memchr(p, ']', (size_t)(x->end - p)) : NULL;

        if (!close) {
            x->broken = true;
            count_lines(x, x->end);
            return;
        }
        p = close + 1;
        while (p < x->end && *p == '=')
            p++;
        if (p - close - 1 == level && p < x->end && *p == ']') {
            count_lines(x, close);
            x->at = p + 1;
            return;
        }
    }
}

/* AT is behind "--". */
static void comment(struct lua_lex *x)
{
    long level = peek(x, 0) == '[' ? level_at(x, x->at) : -1;

    if (level >= 0)
        long_bracket(x, level);
    else
        skip_line(x);
}

/* ---- strings and numbers ---- */

/* AT is behind a backslash. */
static void escape(struct lua_lex *x)
{
    if (x->at >= x->end)
        return;
    if (kind(x, x->at) & LINE_END) {
        newline(x);
        return;
    }
    if (*x->at++ != 'z')
        return;
    for (unsigned k; (k = kind(x, x->at) & (BLANK | LINE_END)) != 0;)
        if (k & LINE_END)
            newline(x);
        else
            x->at++;
}

/* AT is at the quote. */
static void quoted(struct lua_lex *x)
{
    char quote = *x->at++;

    while (x->at < x->end) {
        char c = *x->at;

        if (c == quote) {
            x->at++;
            return;
        }
        if (c == '\n' || c == '\r')
            break;
        x->at++;
        if (c == '\\')
            escape(x);
    }
    x->broken = true; /* it goes to the end of its line: the rest of the file is not a string */
}

/* As LuaJIT: letters, digits and points, and a sign after the exponent's letter. */
static void number(struct lua_lex *x)
{
    char exponent = 'e', c = *x->at++;

    if (c == '0' && (peek(x, 0) | 0x20) == 'x')
        exponent = 'p';
    while (x->at < x->end) {
        char next = *x->at;

        if (!(kind(x, x->at) & NAME_NEXT) && next != '.' &&
            !((next == '-' || next == '+') && (c | 0x20) == exponent))
            return;
        c = next;
        x->at++;
    }
}

/* ---- names ---- */

#define WORD(text, type)                                                                           \
    if (n == sizeof(text) - 1 && !memcmp(s, text, n))                                              \
    return type

static enum lua_token keyword(const char *s, size_t n)
{
    switch (*s) {
    case 'a':
        WORD("and", LUA_T_AND);
        break;
    case 'b':
        WORD("break", LUA_T_BREAK);
        break;
    case 'd':
        WORD("do", LUA_T_DO);
        break;
    case 'e':
        WORD("end", LUA_T_END);
        WORD("else", LUA_T_ELSE);
        WORD("elseif", LUA_T_ELSEIF);
        break;
    case 'f':
        WORD("for", LUA_T_FOR);
        WORD("false", LUA_T_FALSE);
        WORD("function", LUA_T_FUNCTION);
        break;
    case 'i':
        WORD("if", LUA_T_IF);
        WORD("in", LUA_T_IN);
        break;
    case 'l':
        WORD("local", LUA_T_LOCAL);
        break;
    case 'n':
        WORD("nil", LUA_T_NIL);
        WORD("not", LUA_T_NOT);
        break;
    case 'o':
        WORD("or", LUA_T_OR);
        break;
    case 'r':
        WORD("return", LUA_T_RETURN);
        WORD("repeat", LUA_T_REPEAT);
        break;
    case 't':
        WORD("then", LUA_T_THEN);
        WORD("true", LUA_T_TRUE);
        break;
    case 'u':
        WORD("until", LUA_T_UNTIL);
        break;
    case 'w':
        WORD("while", LUA_T_WHILE);
        break;
    default:
        break;
    }
    return LUA_T_NAME;
}

static enum lua_token name(struct lua_lex *x)
{
    const char *p = x->at;

    while (p < x->end && (kinds[(uint8_t)*p] & NAME_NEXT))
        p++;
    x->at = p;
    return keyword(x->start, (size_t)(p - x->start));
}

/* ---- operators ---- */

static enum lua_token operator_(struct lua_lex *x)
{
    char c = *x->at++, next = peek(x, 0);

    x->c = c;
    if (c == '.' && next == '.') {
        x->at++;
        if (peek(x, 0) != '.')
            return LUA_T_COMPARE;
        x->at++;
        return LUA_T_DOTS;
    }
    if (((c == '=' || c == '~' || c == '<' || c == '>') && next == '=') ||
        (c == ':' && next == ':')) {
        x->at++;
        return LUA_T_COMPARE;
    }
    if (!strchr("+-*/%^#(){}[];:,.=<>", c) || !c)
        x->broken = true;
    return LUA_T_OP;
}

enum lua_token lua_lex_next(struct lua_lex *x)
{
    for (;;) {
        unsigned k = kind(x, x->at);

        x->start = x->at;
        if (k & BLANK) {
            x->at++;
        } else if (k & LINE_END) {
            newline(x);
        } else if (k & NAME_FIRST) {
            return x->type = name(x);
        } else if (x->at >= x->end) {
            return x->type = LUA_T_EOF;
        } else if ((k & DIGIT) ||
                   (*x->at == '.' && x->at + 1 < x->end && (kind(x, x->at + 1) & DIGIT))) {
            number(x);
            return x->type = LUA_T_NUMBER;
        } else if (*x->at == '"' || *x->at == '\'') {
            quoted(x);
            return x->type = LUA_T_STRING;
        } else if (*x->at == '-' && peek(x, 1) == '-') {
            x->at += 2;
            comment(x);
        } else if (*x->at == '[' && level_at(x, x->at) >= 0) {
            long_bracket(x, level_at(x, x->at));
            return x->type = LUA_T_STRING;
        } else {
            return x->type = operator_(x);
        }
    }
}
