/*
 * unread: what an alias of probe/ sets before a handler and the handler does not read. Enters: the
 * alias's statements and the handler's; leaves: the former without assignments to locals that
 * nothing behind them names, and without conditions under which nothing is left. Such an alias may
 * offer much that costs only who asks, and sets nothing for its effects; of other files' aliases
 * all is kept. (SystemTap leaves out what has no effect: its dead_assignment_remover.)
 */
#include "sema/internal.h"

#include <string.h>

struct names {
    struct sema *s;
    const char **v;
    uint32_t n;
};

static bool has(const struct names *names, const char *name)
{
    for (uint32_t i = 0; i < names->n; i++)
        if (!strcmp(names->v[i], name))
            return true;
    return false;
}

static void note(struct expr *e, void *arg)
{
    struct names *names = arg;

    if (e->kind != EX_NAME || has(names, e->text))
        return;
    names->v = arena_grow(names->s->arena, names->v, names->n, sizeof(*names->v));
    names->v[names->n++] = e->text;
}

/* NAME = VALUE, of a local. */
static bool is_setting(const struct names *names, const struct stmt *st)
{
    const struct expr *e = st->cond;

    return st->kind == ST_EXPR && e->kind == EX_ASSIGN && e->op == OP_NONE &&
           e->a->kind == EX_NAME && !sema_is_global(names->s, e->a);
}

/* What is left of LIST, from its end on, when NAMES are read behind it. */
static struct stmt *left(struct names *names, struct stmt *list)
{
    if (!list)
        return NULL;
    struct stmt *next = left(names, list->next);

    list->next = NULL;
    if (list->kind == ST_BLOCK || list->kind == ST_IF) {
        list->body = left(names, list->body);
        list->other = left(names, list->other);
        if (!list->body && !list->other)
            return next;
        if (!list->body)
            list->body = stmt_new(names->s->arena, ST_BLOCK, list->at);
        if (list->cond)
            expr_visit(list->cond, note, names);
    } else if (is_setting(names, list)) {
        if (!has(names, list->cond->a->text))
            return next;
        expr_visit(list->cond->b, note, names);
    } else {
        stmt_visit_exprs(list, note, names);
    }
    list->next = next;
    return list;
}

/* ---- names that nobody knows ---- */

struct renaming {
    struct names *taken; /* not to be given */
    struct names set;    /* by the alias: what it reads alone, an alias around it may set */
    struct names from;   /* the names that were there, by their new names' numbers */
    uint32_t first;
};

static const char *new_name(const struct renaming *r, uint32_t i)
{
    return arena_printf(r->from.s->arena, "__alias_%u", r->first + i);
}

static void note_set(struct expr *e, void *arg)
{
    if (e->kind == EX_ASSIGN || e->kind == EX_INCDEC)
        note(e->a, arg);
}

/* A global of the script's that has the name by chance is another variable. */
static void rename_one(struct expr *e, void *arg)
{
    struct renaming *r = arg;
    uint32_t i = 0;

    if (e->kind != EX_NAME || sema_is_of_library(r->from.s, e) ||
        (!sema_is_global(r->from.s, e) && (has(r->taken, e->text) || !has(&r->set, e->text))))
        return;
    while (i < r->from.n && strcmp(r->from.v[i], e->text) != 0)
        i++;
    if (i == r->from.n)
        note(e, &r->from);
    e->text = new_name(r, i);
}

/* What is left of two aliases may say the same then, and be one handler. */
static void rename_unknown(struct stmt *list, struct names *behind)
{
    struct renaming r = {.taken = behind, .set.s = behind->s, .from.s = behind->s};

    while (has(behind, new_name(&r, 0))) /* of an alias around this one */
        r.first += 100;
    stmt_visit_exprs(list, note_set, &r.set);
    stmt_visit_exprs(list, rename_one, &r);
}

struct stmt *sema_without_unread(struct sema *s, struct stmt *list, struct stmt *behind,
                                 bool rename)
{
    struct names known = {.s = s}, read = {.s = s};

    stmt_visit_exprs(behind, note, &known);
    if (!rename)
        return left(&known, list);
    rename_unknown(list, &known);
    stmt_visit_exprs(behind, note, &read);
    list = left(&read, list);
    rename_unknown(list, &known); /* by the order of what is left */
    return list;
}
