/*
 * ast: makes, copies and visits the nodes of ast.h.
 *
 * Enters: an arena and parts. Leaves: nodes in that arena. Copies hold the written form only.
 * Recursion is bounded by AST_MAX_HEIGHT; lists are walked.
 */
#include "syntax/ast.h"

#include <string.h>

#include "base/arena.h"

struct expr *expr_new(struct arena *a, enum expr_kind kind, struct span at)
{
    struct expr *e = ARENA_NEW(a, struct expr);

    e->kind = kind;
    e->at = at;
    e->op_at = at;
    e->height = 1;
    return e;
}

struct expr *expr_string(struct arena *a, struct span at, const char *text, uint32_t len)
{
    struct expr *e = expr_new(a, EX_STRING, at);

    e->text = arena_strndup(a, text, len);
    e->len = len;
    e->type = TYPE_STRING;
    return e;
}

struct expr *expr_binary(struct arena *a, enum op op, struct expr *l, struct expr *r)
{
    struct expr *e = expr_new(a, EX_BINARY, span_join(l->at, r->at));
    uint16_t height = l->height > r->height ? l->height : r->height;

    e->op = op;
    e->a = l;
    e->b = r;
    e->height = height < UINT16_MAX ? height + 1 : height;
    return e;
}

struct stmt *stmt_new(struct arena *a, enum stmt_kind kind, struct span at)
{
    struct stmt *s = ARENA_NEW(a, struct stmt);

    s->kind = kind;
    s->at = at;
    s->head = at;
    s->height = 1;
    return s;
}

/* ---- copies ---- */

static struct expr **clone_list(struct arena *a, struct expr *const *list, uint32_t n)
{
    struct expr **copy = n ? ARENA_ARRAY(a, struct expr *, n) : NULL;

    for (uint32_t i = 0; i < n; i++)
        copy[i] = expr_clone(a, list[i]);
    return copy;
}

static struct component *clone_comps(struct arena *a, const struct component *c)
{
    struct component *first = NULL, **tail = &first;

    for (; c; c = c->next) {
        struct component *copy = ARENA_NEW(a, struct component);

        *copy = *c;
        copy->next = NULL;
        copy->index = expr_clone(a, c->index);
        *tail = copy;
        tail = &copy->next;
    }
    return first;
}

struct expr *expr_clone(struct arena *a, const struct expr *e)
{
    if (!e)
        return NULL;
    struct expr *copy = expr_new(a, e->kind, e->at);

    copy->op_at = e->op_at;
    copy->op = e->op;
    copy->post = e->post;
    copy->address_of = e->address_of;
    copy->parens = e->parens;
    copy->height = e->height;
    copy->number = e->number;
    copy->text = e->text;
    copy->len = e->len;
    copy->module = e->module;
    copy->a = expr_clone(a, e->a);
    copy->b = expr_clone(a, e->b);
    copy->c = expr_clone(a, e->c);
    copy->args = clone_list(a, e->args, e->n_args);
    copy->n_args = e->n_args;
    copy->comps = clone_comps(a, e->comps);
    copy->print = e->print;
    copy->fmt = e->fmt;
    copy->fmt_len = e->fmt_len;
    copy->stat = e->stat;
    copy->hist = e->hist;
    if (e->kind == EX_NUMBER)
        copy->type = TYPE_LONG;
    if (e->kind == EX_STRING)
        copy->type = TYPE_STRING;
    return copy;
}

static struct stmt *clone_one(struct arena *a, const struct stmt *s)
{
    struct stmt *copy = stmt_new(a, s->kind, s->at);

    copy->head = s->head;
    copy->height = s->height;
    copy->body = stmt_clone(a, s->body);
    copy->other = stmt_clone(a, s->other);
    copy->init = expr_clone(a, s->init);
    copy->cond = expr_clone(a, s->cond);
    copy->step = expr_clone(a, s->step);
    copy->caught = expr_clone(a, s->caught);
    copy->text = s->text;
    copy->keys = clone_list(a, s->keys, s->n_keys);
    copy->n_keys = s->n_keys;
    copy->value = expr_clone(a, s->value);
    copy->array = expr_clone(a, s->array);
    copy->slice = clone_list(a, s->slice, s->n_slice);
    copy->n_slice = s->n_slice;
    copy->sort_dir = s->sort_dir;
    copy->sort_key = s->sort_key;
    copy->sort_stat = s->sort_stat;
    copy->limit = expr_clone(a, s->limit);
    return copy;
}

struct stmt *stmt_clone(struct arena *a, const struct stmt *s)
{
    struct stmt *first = NULL, **tail = &first;

    for (; s; s = s->next) {
        *tail = clone_one(a, s);
        tail = &(*tail)->next;
    }
    return first;
}

/* ---- visits ---- */

void expr_visit(struct expr *e, expr_visit_fn *fn, void *arg)
{
    if (!e)
        return;
    expr_visit(e->a, fn, arg);
    expr_visit(e->b, fn, arg);
    expr_visit(e->c, fn, arg);
    for (uint32_t i = 0; i < e->n_args; i++)
        expr_visit(e->args[i], fn, arg);
    for (struct component *c = e->comps; c; c = c->next)
        expr_visit(c->index, fn, arg);
    fn(e, arg);
}

void stmt_visit_exprs(struct stmt *s, expr_visit_fn *fn, void *arg)
{
    for (; s; s = s->next) {
        for (uint32_t i = 0; i < s->n_keys; i++)
            expr_visit(s->keys[i], fn, arg);
        expr_visit(s->value, fn, arg);
        expr_visit(s->array, fn, arg);
        for (uint32_t i = 0; i < s->n_slice; i++)
            expr_visit(s->slice[i], fn, arg);
        expr_visit(s->limit, fn, arg);
        expr_visit(s->init, fn, arg);
        expr_visit(s->cond, fn, arg);
        expr_visit(s->step, fn, arg);
        stmt_visit_exprs(s->body, fn, arg);
        expr_visit(s->caught, fn, arg);
        stmt_visit_exprs(s->other, fn, arg);
    }
}

/* ---- names ---- */

const char *op_text(enum op op)
{
    static const char *const names[] = {
        [OP_NONE] = "=",   [OP_NEG] = "-",        [OP_NOT] = "!",   [OP_BITNOT] = "~",
        [OP_PLUS] = "+",   [OP_ADD] = "+",        [OP_SUB] = "-",   [OP_MUL] = "*",
        [OP_DIV] = "/",    [OP_MOD] = "%",        [OP_AND] = "&",   [OP_OR] = "|",
        [OP_XOR] = "^",    [OP_SHL] = "<<",       [OP_SHR] = ">>",  [OP_USHR] = ">>>",
        [OP_EQ] = "==",    [OP_NE] = "!=",        [OP_LT] = "<",    [OP_LE] = "<=",
        [OP_GT] = ">",     [OP_GE] = ">=",        [OP_LAND] = "&&", [OP_LOR] = "||",
        [OP_CONCAT] = ".", [OP_STAT_ADD] = "<<<",
    };

    return (size_t)op < sizeof(names) / sizeof(*names) ? names[op] : "?";
}

const char *value_type_text(enum value_type t)
{
    static const char *const names[] = {
        [TYPE_UNKNOWN] = "unknown", [TYPE_LONG] = "long", [TYPE_STRING] = "string",
        [TYPE_STATS] = "stats",     [TYPE_VOID] = "void", [TYPE_ERROR] = "error",
    };

    return (size_t)t < sizeof(names) / sizeof(*names) ? names[t] : "?";
}
