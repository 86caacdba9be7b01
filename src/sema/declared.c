/*
 * declared: which names a file of the library may declare, found without parsing it. Enters: the
 * text; leaves: its words that stand outside of bodies, strings, comments and lists of parameters.
 * Too many do no harm (a file is parsed for nothing), a missing one would: the arguments of macros
 * count, and a text whose braces do not match is not judged at all.
 */
#include "sema/internal.h"

#include <ctype.h>
#include <string.h>

struct scan {
    const char *p, *end;
    int depth; /* of braces */
};

static bool starts(const struct scan *c, const char *what)
{
    size_t len = strlen(what);

    return (size_t)(c->end - c->p) >= len && !memcmp(c->p, what, len);
}

/* Goes behind the next WHAT; false: to the end. */
static bool skip_past(struct scan *c, const char *what)
{
    const char *found = memmem(c->p, (size_t)(c->end - c->p), what, strlen(what));

    c->p = found ? found + strlen(what) : c->end;
    return found != NULL;
}

static bool skip_string(struct scan *c)
{
    for (c->p++; c->p < c->end && *c->p != '"'; c->p++)
        if (*c->p == '\\' && c->p + 1 < c->end)
            c->p++;
    if (c->p == c->end)
        return false;
    c->p++;
    return true;
}

/* What is no word: a comment, a string, C code, a brace or another character. False: it has no end.
 */
static bool skip(struct scan *c)
{
    if (*c->p == '#' || starts(c, "//")) {
        skip_past(c, "\n");
    } else if (starts(c, "/*")) {
        c->p += 2;
        return skip_past(c, "*/");
    } else if (starts(c, "%{")) {
        return skip_past(c, "%}");
    } else if (*c->p == '"') {
        return skip_string(c);
    } else {
        c->depth += *c->p == '{' ? 1 : *c->p == '}' ? -1 : 0;
        c->p++;
    }
    return c->depth >= 0;
}

static bool is_first(char c)
{
    return isalpha((unsigned char)c) || c == '_';
}

static bool is_of_word(char c)
{
    return isalnum((unsigned char)c) || c == '_' || c == '$' || c == '@';
}

/* The word at hand, which is then behind; its length. */
static size_t take(struct scan *c)
{
    const char *word = c->p;

    while (c->p < c->end && is_of_word(*c->p))
        c->p++;
    return (size_t)(c->p - word);
}

static bool is(const char *word, size_t len, const char *what)
{
    return len == strlen(what) && !memcmp(word, what, len);
}

/* Behind the name of a function: to the end of its parameters, if they are next. */
static void skip_parameters(struct scan *c)
{
    while (c->p < c->end && isspace((unsigned char)*c->p))
        c->p++;
    if (c->p < c->end && *c->p == ':')
        for (c->p++; c->p < c->end && (isspace((unsigned char)*c->p) || is_first(*c->p));)
            c->p++;
    if (c->p < c->end && *c->p == '(')
        skip_past(c, ")");
}

bool sema_declared(const char *text, size_t len, sema_declared_fn *fn, void *arg)
{
    struct scan c = {text, text + len, 0};
    bool function = false;

    while (c.p < c.end) {
        const char *word = c.p;
        size_t n;

        if (!is_of_word(*word)) {
            if (!skip(&c))
                return false;
            continue;
        }
        n = take(&c);
        if (c.depth)
            continue;
        if (is_first(*word))
            fn(arg, word, n);
        if (function)
            skip_parameters(&c);
        function = is(word, n, "function");
    }
    return !c.depth;
}
