/*
 * functions: the functions of a Lua source, their lines and their names. Enters: bytes that may be
 * anything; leaves: one record a function, in order of their beginnings. Refuses nothing: a closer
 * without its opener is passed over, a statement's keyword closes what expression is still open,
 * and what is nested deeper than LuaJIT would take is only counted.
 *
 * This is no parser of the whole grammar: brackets and blocks are kept on a stack of our own, and
 * of each statement and table field only what stands before "=" is remembered, so that a function
 * that follows has a name. Lines are those of lj_parse.c: of the keyword for a function statement,
 * of "(" for an expression and for a local function.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clean.h"
#include "lua/lex.h"
#include "lua/lua.h"

enum { TARGETS_MAX = 16, DEPTH_MAX = 4096, FUNCTIONS_MAX = 1 << 22 };
enum { SLICE_MAX = 4096, NAME_MAX_ = 160 };
/* How far a closer that does not fit looks for its opener: an input that is all errors must not
 * take the square of its length. */
enum { LOOK_BACK = 64 };

/* FUNCTION, DO and IF are closed by "end". */
enum frame_kind { FUNCTION, DO, IF, REPEAT, PAREN, INDEX, TABLE };

struct slice {
    const char *at;
    size_t len;
};

struct frame {
    enum frame_kind kind;
    bool statement; /* FUNCTION: no expression; nothing follows its end */
    bool params;    /* PAREN: of a function's parameters */
    bool rhs;       /* behind "=" */
    bool operand;   /* the last token ended an operand: a name begins a new statement */
    bool direct;    /* behind "=" or ",": a function here is the value of a target */
    uint32_t func;  /* the function it is in */
    uint32_t targets, value;
    struct slice target[TARGETS_MAX];
    const char *start, *last; /* of the target in hand; end of the last token here */
};

struct reader {
    struct lua_lex x;
    struct lua_functions *out;
    struct frame *frames;
    uint32_t depth, room;
    uint64_t over; /* openers beyond DEPTH_MAX */
    uint32_t function_room, text_room;
    bool failed; /* out of memory */
};

static struct frame *top(struct reader *r)
{
    return &r->frames[r->depth - 1];
}

static bool is_block(const struct frame *f)
{
    return f->kind <= REPEAT;
}

/* A new statement or field begins. */
static void reset(struct frame *f)
{
    f->rhs = f->operand = f->direct = false;
    f->targets = f->value = 0;
    f->start = NULL;
}

static bool grow(struct reader *r, void **v, uint32_t *room, uint64_t need, size_t size)
{
    if (need <= *room)
        return true;
    uint64_t more = *room ? (uint64_t)*room * 2 : 64;

    while (more < need)
        more *= 2;
    void *fresh = more < UINT32_MAX ? realloc(*v, more * size) : NULL;

    if (!fresh) {
        r->failed = true;
        return false;
    }
    *v = fresh;
    *room = (uint32_t)more;
    return true;
}

static struct frame *push(struct reader *r, enum frame_kind kind, uint32_t func)
{
    void *frames = r->frames;

    if (r->depth == DEPTH_MAX || r->over) {
        r->over++;
        r->out->sound = false;
        return NULL;
    }
    if (!grow(r, &frames, &r->room, r->depth + 1, sizeof(*r->frames)))
        return NULL;
    r->frames = frames;
    struct frame *f = &r->frames[r->depth++];

    memset(f, 0, offsetof(struct frame, target));
    f->kind = kind;
    f->func = func;
    f->start = f->last = NULL;
    return f;
}

/* ---- names ---- */

static void put(struct reader *r, const char *s, size_t len)
{
    struct lua_functions *o = r->out;
    void *text = o->text;

    if (!grow(r, &text, &r->text_room, (uint64_t)o->text_len + len, 1))
        return;
    o->text = text;
    memcpy(o->text + o->text_len, s, len);
    o->text_len += (uint32_t)len;
}

static bool is_word(enum lua_token t)
{
    return t == LUA_T_NAME || t == LUA_T_NUMBER || t >= LUA_T_AND;
}

/* The source text without blanks and comments; of one that is very long, the last name only. */
static void set_name(struct reader *r, struct lua_function *f, struct slice s)
{
    struct lua_lex x;
    enum lua_token before = LUA_T_OP;
    struct slice last = {NULL, 0};
    uint32_t from = r->out->text_len;

    if (!s.at || !s.len || s.len > SLICE_MAX)
        return;
    lua_lex_init(&x, s.at, s.len, 1);
    for (enum lua_token t; (t = lua_lex_next(&x)) != LUA_T_EOF && !r->failed; before = t) {
        if (is_word(before) && is_word(t))
            put(r, " ", 1);
        put(r, x.start, (size_t)(x.at - x.start));
        last = (struct slice){t == LUA_T_NAME ? x.start : NULL, (size_t)(x.at - x.start)};
    }
    if (!r->failed && r->out->text_len - from > NAME_MAX_) {
        r->out->text_len = from;
        if (last.at && last.len <= NAME_MAX_)
            put(r, last.at, last.len);
    }
    if (r->failed)
        return;
    f->name = from;
    f->name_len = r->out->text_len - from;
}

/* What the value that begins here is assigned to. */
static struct slice target_of(const struct frame *f)
{
    if ((is_block(f) || f->kind == TABLE) && f->rhs && f->direct && f->value < f->targets)
        return f->target[f->value];
    return (struct slice){NULL, 0};
}

static void end_target(struct frame *f)
{
    if (f->targets < TARGETS_MAX && f->start && f->last > f->start)
        f->target[f->targets++] = (struct slice){f->start, (size_t)(f->last - f->start)};
    f->start = NULL;
}

/* ---- functions ---- */

static struct lua_function *add_function(struct reader *r, uint32_t line, uint32_t parent)
{
    struct lua_functions *o = r->out;
    void *v = o->v;

    if (o->n == FUNCTIONS_MAX) {
        o->sound = false;
        return NULL;
    }
    if (!grow(r, &v, &r->function_room, o->n + 1, sizeof(*o->v)))
        return NULL;
    o->v = v;
    o->v[o->n] = (struct lua_function){.line = line, .last_line = line, .parent = parent};
    return &o->v[o->n++];
}

/* An expression that is still open where a statement begins was never closed. */
static struct frame *to_block(struct reader *r)
{
    while (!is_block(top(r))) {
        r->depth--;
        r->out->sound = false;
    }
    return top(r);
}

/* At "function"; AFTER_LOCAL: "local" stands before it. Reads up to "(". True: the token in hand
 * is still to be looked at. */
static bool function(struct reader *r, bool after_local)
{
    struct lua_lex *x = &r->x;
    uint32_t line = x->line;
    struct slice name = target_of(top(r));
    bool statement = lua_lex_next(x) == LUA_T_NAME;

    if (statement) {
        reset(to_block(r));
        name.at = x->start;
        while (x->type == LUA_T_NAME || (x->type == LUA_T_OP && (x->c == '.' || x->c == ':'))) {
            name.len = (size_t)(x->at - name.at);
            lua_lex_next(x);
        }
    }
    bool open = x->type == LUA_T_OP && x->c == '(';

    if (open && (!statement || after_local))
        line = x->line;
    if (!open)
        r->out->sound = false;
    struct frame *f = top(r);
    struct lua_function *made = add_function(r, line, f->func);

    f->direct = false;
    if (made)
        set_name(r, made, name);
    f = made ? push(r, FUNCTION, r->out->n - 1) : push(r, DO, f->func);
    if (f)
        f->statement = statement;
    if (open && (f = push(r, PAREN, top(r)->func)) != NULL)
        f->params = true;
    return !open;
}

/* ---- closers ---- */

/* The frame below the one that was closed goes on behind an operand. */
static void after_operand(struct reader *r)
{
    struct frame *f = top(r);

    f->operand = true;
    f->direct = false;
    f->last = r->x.at;
}

static void close_function(struct reader *r, const struct frame *f)
{
    if (f->kind == FUNCTION)
        r->out->v[f->func].last_line = r->x.line;
}

/* "end", "until": closes the innermost block that it fits. */
static void close_block(struct reader *r, bool until)
{
    uint32_t at = r->depth;

    while (--at && (!is_block(&r->frames[at]) || (r->frames[at].kind == REPEAT) != until) &&
           r->depth - at < LOOK_BACK)
        ;
    if (!at || !is_block(&r->frames[at]) || (r->frames[at].kind == REPEAT) != until) {
        reset(to_block(r)); /* the main chunk, too, has no end */
        r->out->sound = false;
        return;
    }
    if (at != r->depth - 1)
        r->out->sound = false;
    for (uint32_t i = r->depth; --i >= at;)
        close_function(r, &r->frames[i]);
    bool value = r->frames[at].kind == FUNCTION && !r->frames[at].statement;

    r->depth = at;
    if (value)
        after_operand(r);
    else
        reset(top(r));
}

/* ")", "]", "}": closes its bracket, when that is the innermost, or those above it were left
 * open. */
static void close_bracket(struct reader *r, enum frame_kind kind)
{
    uint32_t at = r->depth;

    while (--at && !is_block(&r->frames[at]) && r->frames[at].kind != kind &&
           r->depth - at < LOOK_BACK)
        ;
    if (r->frames[at].kind != kind) {
        r->out->sound = false;
        return;
    }
    if (at != r->depth - 1)
        r->out->sound = false;
    bool params = r->frames[at].params;

    r->depth = at;
    if (params)
        reset(top(r));
    else
        after_operand(r);
}

/* ---- the tokens ---- */

static bool counts_up(const struct lua_lex *x)
{
    switch (x->type) {
    case LUA_T_FUNCTION:
    case LUA_T_DO:
    case LUA_T_IF:
    case LUA_T_REPEAT:
        return true;
    default:
        return x->type == LUA_T_OP && (x->c == '(' || x->c == '[' || x->c == '{');
    }
}

static bool counts_down(const struct lua_lex *x)
{
    return x->type == LUA_T_END || x->type == LUA_T_UNTIL ||
           (x->type == LUA_T_OP && (x->c == ')' || x->c == ']' || x->c == '}'));
}

/* A token that is a value, or begins one. */
static void operand(struct reader *r)
{
    struct frame *f = top(r);

    if (r->x.type == LUA_T_NAME && f->operand && is_block(f))
        reset(f);
    if (!f->start && !f->rhs && !f->operand && r->x.type == LUA_T_NAME)
        f->start = r->x.start;
    after_operand(r);
}

static void bracket(struct reader *r, enum frame_kind kind)
{
    struct frame *f = top(r);

    /* A statement may begin with "(", a field with "[". */
    if (!f->start && !f->rhs && !f->operand &&
        ((kind == PAREN && is_block(f)) || (kind == INDEX && f->kind == TABLE)))
        f->start = r->x.start;
    f->direct = false;
    push(r, kind, f->func);
}

static void assign(struct frame *f)
{
    f->direct = !f->rhs;
    f->rhs = true;
    f->operand = false;
    end_target(f);
}

static void comma(struct frame *f)
{
    if (f->kind == TABLE) {
        reset(f);
        return;
    }
    f->operand = false;
    if (f->rhs) {
        f->value++;
        f->direct = true;
    } else if (f->start) {
        end_target(f);
    }
}

static void operator_(struct reader *r)
{
    struct frame *f = top(r);

    switch (r->x.c) {
    case '(':
        bracket(r, PAREN);
        break;
    case '[':
        bracket(r, INDEX);
        break;
    case '{':
        bracket(r, TABLE);
        break;
    case ')':
        close_bracket(r, PAREN);
        break;
    case ']':
        close_bracket(r, INDEX);
        break;
    case '}':
        close_bracket(r, TABLE);
        break;
    case '=':
        assign(f);
        break;
    case ',':
        comma(f);
        break;
    case ';':
        reset(f->kind == TABLE ? f : to_block(r));
        break;
    default:
        f->operand = f->direct = false;
        break;
    }
}

/* One token; true: the lexer already stands at the next. */
static bool token(struct reader *r, enum lua_token before)
{
    struct frame *f = top(r);

    switch (r->x.type) {
    case LUA_T_NAME:
    case LUA_T_NUMBER:
    case LUA_T_STRING:
    case LUA_T_DOTS:
    case LUA_T_TRUE:
    case LUA_T_FALSE:
    case LUA_T_NIL:
        operand(r);
        break;
    case LUA_T_FUNCTION:
        return function(r, before == LUA_T_LOCAL);
    case LUA_T_OP:
        operator_(r);
        break;
    case LUA_T_COMPARE:
        if (r->x.c == ':') /* a label */
            reset(f);
        f->operand = f->direct = false;
        break;
    case LUA_T_AND:
    case LUA_T_OR:
    case LUA_T_NOT:
        f->operand = f->direct = false;
        break;
    case LUA_T_END:
    case LUA_T_UNTIL:
        close_block(r, r->x.type == LUA_T_UNTIL);
        break;
    default: /* a statement's keyword */
        f = to_block(r);
        reset(f);
        if (r->x.type == LUA_T_DO)
            push(r, DO, f->func);
        else if (r->x.type == LUA_T_IF)
            push(r, IF, f->func);
        else if (r->x.type == LUA_T_REPEAT)
            push(r, REPEAT, f->func);
        break;
    }
    return false;
}

static void read_all(struct reader *r)
{
    enum lua_token before = LUA_T_EOF;
    bool have = false;

    while (!r->failed && (have || lua_lex_next(&r->x) != LUA_T_EOF)) {
        enum lua_token now = r->x.type;

        if (have && now == LUA_T_EOF)
            break;
        have = false;
        if (!r->over)
            have = token(r, before);
        else if (counts_up(&r->x))
            r->over++;
        else if (counts_down(&r->x))
            r->over--;
        before = now;
    }
    r->out->v[0].last_line = r->x.line;
    if (r->depth > 1 || r->over || r->x.broken)
        r->out->sound = false;
    while (r->depth > 1)
        close_function(r, &r->frames[--r->depth]);
}

bool lua_functions_read(const char *text, size_t len, uint32_t first, struct lua_functions *out)
{
    struct reader r = {.out = out};

    *out = (struct lua_functions){.sound = true};
    lua_lex_init(&r.x, text, len, first);
    if (first == 1)
        lua_lex_header(&r.x);
    if (add_function(&r, 0, 0) && push(&r, FUNCTION, 0))
        read_all(&r);
    free(r.frames);
    if (r.failed)
        lua_functions_free(out);
    return !r.failed;
}

void lua_functions_free(struct lua_functions *f)
{
    free(f->v);
    free(f->text);
    *f = (struct lua_functions){.v = NULL};
}

const struct lua_function *lua_functions_at(const struct lua_functions *f, uint32_t line)
{
    uint32_t low = 1, high = f->n;

    if (!f->n || !line)
        return f->n ? f->v : NULL;
    while (low < high) { /* the first that does not begin before LINE */
        uint32_t mid = low + (high - low) / 2;

        if (f->v[mid].line < line)
            low = mid + 1;
        else
            high = mid;
    }
    if (low < f->n && f->v[low].line == line)
        return &f->v[low];
    for (uint32_t at = low - 1; at; at = f->v[at].parent)
        if (f->v[at].last_line >= line)
            return &f->v[at];
    return NULL;
}

size_t lua_function_label(const struct lua_functions *f, const struct lua_function *of, char *out,
                          size_t size)
{
    const struct lua_function *named = of;
    size_t n = 0;
    char line[16];

    if (of == f->v)
        return clean_text("(main chunk)", 12, out, size);
    while (!named->name_len && named != f->v)
        named = &f->v[named->parent];
    if (named->name_len)
        n = clean_text(f->text + named->name, named->name_len, out, size);
    if (named == of)
        return n;
    int len = snprintf(line, sizeof(line), "%s%u", n ? ":" : "", of->line);

    return n + clean_text(line, (size_t)len, out + n, size - n);
}
