/*
 * parse: an extended regular expression as an automaton. Enters: the pattern; leaves: nodes, with
 * repetitions written out. Refuses what is not in POSIX's grammar, what POSIX leaves undefined but
 * empty alternatives ("a|", "()"), back references and GNU's operators.
 *
 * A part of the pattern that is repeated is parsed once for each time that it stands there, so that
 * no tree is needed: a piece is made, where its bound allows it, by parsing its atom again.
 */
#include "regex/internal.h"

#include <ctype.h>
#include <string.h>

struct parser {
    struct arena *a;
    const char *text;
    uint32_t len, at;
    uint32_t depth;
    struct nodes *out;
    struct regex *re;
    bool failed;
};

/* A part of the automaton: whatever comes behind it is put into the next of LAST. */
struct part {
    uint32_t first, last;
};

static bool refuse(struct parser *p, uint32_t at, const char *what, const char *hint)
{
    if (!p->failed)
        *p->re = (struct regex){.error = what, .hint = hint, .error_at = at};
    p->failed = true;
    p->at = p->len;
    return false;
}

static uint32_t new_node(struct parser *p, enum node_kind kind, uint32_t next, uint32_t other)
{
    if (p->out->n == REGEX_MAX_NODES) {
        refuse(p, 0, "it is too large when its repetitions are written out",
               "smaller bounds, or several expressions, are within the limit of 4000 parts");
        return 0;
    }
    p->out->v[p->out->n] = (struct node){.kind = kind, .next = next, .other = other};
    return p->out->n++;
}

static struct part one(struct parser *p, enum node_kind kind)
{
    uint32_t node = new_node(p, kind, NO_NODE, NO_NODE);

    return (struct part){node, node};
}

static struct part join(struct parser *p, struct part a, struct part b)
{
    p->out->v[a.last].next = b.first;
    return (struct part){a.first, b.last};
}

static bool more(const struct parser *p)
{
    return p->at < p->len;
}

static char peek(const struct parser *p)
{
    return more(p) ? p->text[p->at] : '\0';
}

static bool take(struct parser *p, char c)
{
    if (!more(p) || peek(p) != c)
        return false;
    p->at++;
    return true;
}

/* ---- sets of bytes ---- */

static void set_add(struct byte_set *s, unsigned byte)
{
    s->has[byte / 64] |= 1ull << byte % 64;
}

static struct part part_of_set(struct parser *p, const struct byte_set *s)
{
    struct part part = one(p, NODE_SET);

    p->out->v[part.first].set = *s;
    return part;
}

static struct part part_of_byte(struct parser *p, char c)
{
    struct byte_set s = {{0}};

    set_add(&s, (unsigned char)c);
    return part_of_set(p, &s);
}

static const struct {
    const char *name;
    int (*has)(int);
} classes[] = {
    {"alnum", isalnum}, {"alpha", isalpha}, {"blank", isblank}, {"cntrl", iscntrl},
    {"digit", isdigit}, {"graph", isgraph}, {"lower", islower}, {"print", isprint},
    {"punct", ispunct}, {"space", isspace}, {"upper", isupper}, {"xdigit", isxdigit},
};

/* Of ASCII, whatever the locale. */
static bool add_class(struct byte_set *s, const char *name, uint32_t len)
{
    for (size_t i = 0; i < sizeof(classes) / sizeof(*classes); i++) {
        if (strlen(classes[i].name) != len || memcmp(classes[i].name, name, len))
            continue;
        for (int c = 0; c < 128; c++)
            if (classes[i].has(c))
                set_add(s, (unsigned)c);
        return true;
    }
    return false;
}

/* The name in "[:name:]", whose KIND is ':', '.' or '='; p->at is behind it then. */
static bool bracket_name(struct parser *p, char kind, const char **name, uint32_t *len)
{
    uint32_t start = p->at + 2;

    for (uint32_t i = start; i + 1 < p->len; i++)
        if (p->text[i] == kind && p->text[i + 1] == ']') {
            *name = p->text + start;
            *len = i - start;
            p->at = i + 2;
            return true;
        }
    return refuse(p, p->at, "'[:', '[.' or '[=' is not closed", NULL);
}

static char next_is(const struct parser *p, uint32_t ahead)
{
    return p->at + ahead < p->len ? p->text[p->at + ahead] : '\0';
}

/* A character that may begin or end a range. */
static bool range_end(struct parser *p, unsigned char *c)
{
    uint32_t at = p->at, len;
    char kind = next_is(p, 1);
    const char *name;

    if (peek(p) == '[' && (kind == '.' || kind == '=')) {
        if (!bracket_name(p, kind, &name, &len))
            return false;
        if (len != 1)
            return refuse(p, at, "only single characters stand in '[. .]' and '[= =]'", NULL);
        *c = (unsigned char)*name;
        return true;
    }
    if (!more(p))
        return refuse(p, at, "'[' is not closed", "\\[ is the character");
    *c = (unsigned char)p->text[p->at++];
    return true;
}

static bool bracket_item(struct parser *p, struct byte_set *s)
{
    uint32_t at = p->at, len;
    unsigned char from, to;
    const char *name;

    if (peek(p) == '[' && next_is(p, 1) == ':') {
        if (!bracket_name(p, ':', &name, &len))
            return false;
        if (!add_class(s, name, len))
            return refuse(p, at, "there is no such class of characters",
                          "[:alnum:] [:alpha:] [:blank:] [:cntrl:] [:digit:] [:graph:] [:lower:] "
                          "[:print:] [:punct:] [:space:] [:upper:] [:xdigit:]");
        return true;
    }
    if (!range_end(p, &from))
        return false;
    to = from;
    if (peek(p) == '-' && next_is(p, 1) && next_is(p, 1) != ']') {
        p->at++;
        if (!range_end(p, &to))
            return false;
    }
    if (to < from)
        return refuse(p, at, "this range ends before it begins", NULL);
    for (unsigned c = from; c <= to; c++)
        set_add(s, c);
    return true;
}

/* Behind "[". A "]" that comes first is one of the characters. */
static struct part bracket(struct parser *p, uint32_t at)
{
    struct byte_set s = {{0}};
    bool others = take(p, '^'), first = true;

    while (!p->failed && (first || peek(p) != ']')) {
        first = false;
        if (!more(p))
            refuse(p, at, "'[' is not closed", "\\[ is the character");
        else
            bracket_item(p, &s);
    }
    p->at++;
    for (int i = 0; i < 4 && others; i++)
        s.has[i] = ~s.has[i];
    return part_of_set(p, &s);
}

/* ---- atoms ---- */

static struct part alternatives(struct parser *p);

static struct part escaped(struct parser *p, uint32_t at)
{
    char c = peek(p);

    if (!more(p)) {
        refuse(p, at, "a backslash at the end stands for nothing", "\\\\ is the character");
    } else if (isdigit((unsigned char)c)) {
        refuse(p, at, "back references cannot be matched by a table", NULL);
    } else if (isalpha((unsigned char)c) || strchr("<>'`", c)) {
        refuse(p, at, "this escape is not one of POSIX's",
               "write classes: [[:alnum:]_], [[:space:]], [[:digit:]]");
    }
    p->at += !p->failed;
    return part_of_byte(p, c);
}

static struct part any_byte(struct parser *p)
{
    struct byte_set s = {{~0ull, ~0ull, ~0ull, ~0ull}};

    return part_of_set(p, &s);
}

static struct part group(struct parser *p, uint32_t at)
{
    struct part part;

    if (++p->depth > REGEX_MAX_DEPTH) {
        refuse(p, at, "parentheses are nested too deep", NULL);
        return one(p, NODE_EMPTY);
    }
    part = alternatives(p);
    p->depth--;
    if (!take(p, ')'))
        refuse(p, at, "'(' is not closed", "\\( is the character");
    return part;
}

static struct part atom(struct parser *p)
{
    uint32_t at = p->at;
    char c = p->text[p->at++];

    switch (c) {
    case '(':
        return group(p, at);
    case '[':
        return bracket(p, at);
    case '.':
        return any_byte(p);
    case '^':
        return one(p, NODE_START);
    case '$':
        return one(p, NODE_END);
    case '\\':
        return escaped(p, at);
    case '*':
    case '+':
    case '?':
    case '{':
        refuse(p, at, "there is nothing to repeat here", "a backslash before it is the character");
        return one(p, NODE_EMPTY);
    case ')':
        refuse(p, at, "')' closes nothing", "\\) is the character");
        return one(p, NODE_EMPTY);
    default:
        return part_of_byte(p, c);
    }
}

/* ---- repetition ---- */

enum { NO_END = UINT32_MAX };

static uint32_t bound(struct parser *p, uint32_t at)
{
    uint32_t v = 0;

    while (isdigit((unsigned char)peek(p)) && v <= REGEX_MAX_REPEAT)
        v = v * 10 + (uint32_t)(p->text[p->at++] - '0');
    if (v > REGEX_MAX_REPEAT)
        refuse(p, at, "a bound is at most 255", NULL);
    return v;
}

/* How often, where an operator says so. */
static bool repeated(struct parser *p, uint32_t *from, uint32_t *to)
{
    uint32_t at = p->at;
    bool first;

    if (take(p, '*'))
        return *from = 0, *to = NO_END, true;
    if (take(p, '+'))
        return *from = 1, *to = NO_END, true;
    if (take(p, '?'))
        return *from = 0, *to = 1, true;
    if (!take(p, '{'))
        return false;
    first = isdigit((unsigned char)peek(p));
    *from = *to = bound(p, at);
    if (take(p, ',')) {
        *to = NO_END;
        if (isdigit((unsigned char)peek(p)))
            *to = bound(p, at);
    } else if (!first) {
        refuse(p, at, "'{' stands before a bound: {2}, {2,} or {2,5}", "\\{ is the character");
    }
    if (!p->failed && !take(p, '}'))
        refuse(p, at, "'{' stands before a bound: {2}, {2,} or {2,5}", "\\{ is the character");
    if (!p->failed && *to < *from)
        refuse(p, at, "this bound ends before it begins", NULL);
    return !p->failed;
}

/* What stands from START to END of the pattern once more: an atom with OPS operators behind it. */
static struct part again(struct parser *p, uint32_t start, uint32_t ops);

/* PART and, by way of a node, past it or back to it. */
static struct part option(struct parser *p, struct part part)
{
    uint32_t end = new_node(p, NODE_EMPTY, NO_NODE, NO_NODE);
    uint32_t fork = new_node(p, NODE_SPLIT, part.first, end);

    p->out->v[part.last].next = end;
    return (struct part){fork, end};
}

static struct part loop(struct parser *p, struct part part)
{
    uint32_t end = new_node(p, NODE_EMPTY, NO_NODE, NO_NODE);
    uint32_t fork = new_node(p, NODE_SPLIT, part.first, end);

    p->out->v[part.last].next = fork;
    return (struct part){fork, end};
}

/* PART, which again(START, OPS) makes, from FROM to TO times. */
static struct part repeat(struct parser *p, struct part part, uint32_t start, uint32_t ops,
                          uint32_t from, uint32_t to)
{
    struct part whole = one(p, NODE_EMPTY);
    uint32_t times = to == NO_END ? from + 1 : to;

    for (uint32_t k = 0; k < times && !p->failed; k++) {
        struct part next = k == 0 ? part : again(p, start, ops);

        if (to == NO_END && k == from)
            next = loop(p, next);
        else if (k >= from)
            next = option(p, next);
        whole = join(p, whole, next);
    }
    return whole;
}

static struct part again(struct parser *p, uint32_t start, uint32_t ops)
{
    uint32_t behind = p->at, from, to;

    p->at = start;
    struct part part = atom(p);

    for (uint32_t k = 0; k < ops && repeated(p, &from, &to); k++)
        part = repeat(p, part, start, k, from, to);
    if (!p->failed)
        p->at = behind;
    return part;
}

enum { MAX_OPERATORS = 4 }; /* behind one another, "a{2}{3}": each is parsed anew by the next */

static struct part piece(struct parser *p)
{
    uint32_t start = p->at, ops = 0, from, to;
    bool anchor = peek(p) == '^' || peek(p) == '$';
    struct part part = atom(p);

    while (!p->failed && repeated(p, &from, &to)) {
        if (anchor)
            refuse(p, start, "an anchor is not repeated", "a backslash before it is the character");
        else if (ops == MAX_OPERATORS)
            refuse(p, start, "too many repetitions behind one another", "parentheses help");
        else
            part = repeat(p, part, start, ops++, from, to);
    }
    return part;
}

/* ---- the whole ---- */

static struct part branch(struct parser *p)
{
    struct part part = one(p, NODE_EMPTY);

    while (more(p) && peek(p) != '|' && !(peek(p) == ')' && p->depth))
        part = join(p, part, piece(p));
    return part;
}

static struct part alternatives(struct parser *p)
{
    struct part part = branch(p);

    while (take(p, '|')) {
        struct part other = branch(p);
        uint32_t end = new_node(p, NODE_EMPTY, NO_NODE, NO_NODE);
        uint32_t fork = new_node(p, NODE_SPLIT, part.first, other.first);

        p->out->v[part.last].next = end;
        p->out->v[other.last].next = end;
        part = (struct part){fork, end};
    }
    return part;
}

bool regex_parse(struct arena *a, const char *pattern, uint32_t len, struct nodes *nodes,
                 struct regex *re)
{
    struct parser p = {.a = a, .text = pattern, .len = len, .out = nodes, .re = re};
    struct part whole = alternatives(&p);
    uint32_t match = new_node(&p, NODE_MATCH, NO_NODE, NO_NODE);

    nodes->v[whole.last].next = match;
    nodes->first = whole.first;
    return !p.failed;
}
