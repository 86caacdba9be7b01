/*
 * stmts: the first walk over statements, in the order of execution (see names.c, which walks
 * expressions). Enters: parsed statements; leaves: their expressions walked, and branches that a
 * constant condition rules out removed. Refused: break and continue outside loops, what cannot be
 * deleted, and what no back end of this version runs.
 */
#include "sema/internal.h"

static void value(struct sema *s, struct expr *e)
{
    if (e)
        sema_walk_expr(s, e, USE_VALUE);
}

static void branch(struct sema *s, struct stmt *st)
{
    int64_t v;

    value(s, st->cond);
    if (sema_constant(st->cond, &v)) {
        st->body = v ? st->body : st->other;
        st->other = NULL;
        st->cond = NULL;
        st->kind = st->body ? ST_BLOCK : ST_EMPTY;
        sema_walk_stmts(s, st->body);
        return;
    }
    sema_walk_stmts(s, st->body);
    sema_walk_stmts(s, st->other);
}

static void loop(struct sema *s, struct stmt *st)
{
    if (st->init)
        sema_walk_expr(s, st->init, USE_NONE);
    value(s, st->cond);
    s->loops++;
    sema_walk_stmts(s, st->body);
    s->loops--;
    if (st->step)
        sema_walk_expr(s, st->step, USE_NONE);
}

static void foreach(struct sema *s, struct stmt *st)
{
    struct variable *v;

    value(s, st->limit);
    sema_slice_keys(s, st->slice, st->n_slice);
    if (st->array->kind != EX_NAME) {
        diag_error(s->diag, st->array->op_at, "not-yet",
                   "foreach over the buckets of a histogram does not run yet");
        st->array->type = TYPE_ERROR;
        return;
    }
    v = sema_variable(s, st->array, (int)st->n_keys);
    if (v)
        sema_note_use(s, v, USE_VALUE);
    if (st->sort_key > (int)st->n_keys)
        diag_error(s->diag, st->head, "type", "there is no key %d to sort by", st->sort_key);
    for (uint32_t i = 0; i < st->n_keys; i++)
        sema_walk_expr(s, st->keys[i], USE_WRITE);
    if (st->value)
        sema_walk_expr(s, st->value, USE_WRITE);
    s->loops++;
    sema_walk_stmts(s, st->body);
    s->loops--;
}

static void deletion(struct sema *s, struct stmt *st)
{
    struct expr *e = st->cond;
    struct variable *v = NULL;

    if (e->kind == EX_NAME) {
        v = sema_lookup(s, e);
        v = sema_variable(s, e, v && v->scope != VAR_GLOBAL ? 0 : SEMA_ANY_ARITY);
    } else if (e->kind == EX_INDEX && e->a->kind == EX_NAME) {
        sema_slice_keys(s, e->args, e->n_args);
        v = sema_variable(s, e->a, (int)e->n_args);
        if (!v)
            e->type = TYPE_ERROR;
    } else {
        diag_error(s->diag, e->at, "type",
                   "only variables, arrays and their elements can be deleted");
    }
    if (v)
        sema_note_use(s, v, USE_UPDATE);
}

static void tried(struct sema *s, struct stmt *st)
{
    sema_walk_stmts(s, st->body);
    if (st->caught)
        sema_walk_expr(s, st->caught, USE_WRITE);
    sema_walk_stmts(s, st->other);
}

static void walk_stmt(struct sema *s, struct stmt *st)
{
    switch (st->kind) {
    case ST_BLOCK:
        sema_walk_stmts(s, st->body);
        break;
    case ST_EXPR:
        sema_walk_expr(s, st->cond, USE_NONE);
        break;
    case ST_IF:
        branch(s, st);
        break;
    case ST_FOR:
    case ST_WHILE:
        loop(s, st);
        break;
    case ST_FOREACH:
        foreach(s, st);
        break;
    case ST_BREAK:
    case ST_CONTINUE:
        if (!s->loops)
            diag_error(s->diag, st->at, "syntax", "'%s' stands outside a loop",
                       st->kind == ST_BREAK ? "break" : "continue");
        break;
    case ST_NEXT:
        if (s->fn)
            diag_error(s->diag, st->at, "not-yet",
                       "'next' in a function is for overloads, which do not run yet");
        break;
    case ST_RETURN:
        value(s, st->cond);
        break;
    case ST_DELETE:
        deletion(s, st);
        break;
    case ST_TRY:
        tried(s, st);
        break;
    case ST_EMBEDDED:
        if (s->opts->stap)
            break;
        diag_error(s->diag, st->at, "unsupported", "embedded C cannot run as eBPF");
        diag_hint(s->diag, "--backend=stap will run it, where SystemTap is installed");
        break;
    case ST_EMPTY:
    case ST_ERROR:
        break;
    }
}

void sema_walk_stmts(struct sema *s, struct stmt *st)
{
    for (; st && !diag_stopped(s->diag); st = st->next)
        walk_stmt(s, st);
}
