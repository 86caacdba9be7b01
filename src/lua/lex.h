/*
 * lex: tokens of Lua 5.1 with LuaJIT's extensions, as LuaJIT's own lexer cuts them.
 */
#ifndef LUA_LEX_H
#define LUA_LEX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum lua_token {
    LUA_T_EOF,
    LUA_T_NAME,     /* goto included: it is a name where no label follows */
    LUA_T_NUMBER,
    LUA_T_STRING,   /* quoted or long */
    LUA_T_OP,       /* whatever is none of the others; c is its first byte */
    LUA_T_DOTS,     /* ... */
    LUA_T_COMPARE,  /* == ~= <= >= :: .. : operators that are not what their first byte is */
    LUA_T_AND, LUA_T_BREAK, LUA_T_DO, LUA_T_ELSE, LUA_T_ELSEIF, LUA_T_END, LUA_T_FALSE, LUA_T_FOR,
    LUA_T_FUNCTION, LUA_T_IF, LUA_T_IN, LUA_T_LOCAL, LUA_T_NIL, LUA_T_NOT, LUA_T_OR, LUA_T_REPEAT,
    LUA_T_RETURN, LUA_T_THEN, LUA_T_TRUE, LUA_T_UNTIL, LUA_T_WHILE,
};

struct lua_lex {
    const char *text, *at, *end;
    uint32_t line;         /* of the end of the token in hand */
    /* the token in hand */
    enum lua_token type;
    char c;                /* LUA_T_OP */
    const char *start;
    bool broken;           /* an unfinished string, or a byte that is no Lua, was seen */
};

/* At the first byte, which stands in LINE. */
void lua_lex_init(struct lua_lex *x, const char *text, size_t len, uint32_t line);

/* Skips what a file may begin with: a byte order mark and a line with '#'. */
void lua_lex_header(struct lua_lex *x);

/* The next token; its text is [start, at). At the end LUA_T_EOF, again and again. */
enum lua_token lua_lex_next(struct lua_lex *x);

#endif
