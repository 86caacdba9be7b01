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

static struct expr *number(struct sema *s, struct span at, int64_t n)
{
    struct expr *e = expr_new(s->arena, EX_NUMBER, at);

    e->number = n;
    return e;
}

static struct expr *assigned(struct sema *s, struct expr *to, enum op op, struct expr *value)
{
    struct expr *e = expr_new(s->arena, EX_ASSIGN, to->at);

    e->op_at = to->at;
    e->op = op;
    e->a = expr_clone(s->arena, to);
    e->b = value;
    return e;
}

/* foreach (v = b in @hist_log(x)): as SystemTap has it, a loop that counts in b. */
static void count_buckets(struct sema *s, struct stmt *st, uint32_t n)
{
    struct expr *key = st->keys[0], *hist = st->array;
    struct span at = hist->at;

    st->kind = ST_FOR;
    st->init = assigned(s, key, OP_NONE, number(s, at, 0));
    st->cond = expr_binary(s->arena, OP_LT, expr_clone(s->arena, key), number(s, at, n));
    if (st->limit)
        st->cond = expr_binary(s->arena, OP_LAND, st->cond,
                               expr_binary(s->arena, OP_LT, expr_clone(s->arena, key), st->limit));
    st->step = assigned(s, key, OP_ADD, number(s, at, 1));
    if (st->value) {
        struct stmt *set = stmt_new(s->arena, ST_EXPR, st->at);
        struct expr *count = expr_new(s->arena, EX_INDEX, at);
        struct stmt *both = stmt_new(s->arena, ST_BLOCK, st->at);

        count->op_at = hist->op_at;
        count->a = expr_clone(s->arena, hist);
        count->args = ARENA_ARRAY(s->arena, struct expr *, 1);
        count->args[0] = expr_clone(s->arena, key);
        count->n_args = 1;
        set->cond = assigned(s, st->value, OP_NONE, count);
        set->next = st->body;
        both->body = set;
        st->body = both;
    }
    loop(s, st);
}

static void buckets(struct sema *s, struct stmt *st)
{
    struct variable *v;

    if (!sema_histogram(s, st->array))
        return;
    v = st->array->a->kind == EX_INDEX ? st->array->a->a->var : st->array->a->var;
    if (st->n_keys != 1 || st->n_slice || st->sort_dir || st->sort_key ||
        (st->limit && st->limit->kind != EX_NUMBER && st->limit->kind != EX_NAME)) {
        diag_error(s->diag, st->array->op_at, "type",
                   "foreach goes through a histogram's buckets in their order, by one key");
        st->array->type = TYPE_ERROR;
    } else if (s->opts->stap) {
        sema_walk_expr(s, st->keys[0], USE_WRITE);
        if (st->value)
            sema_walk_expr(s, st->value, USE_WRITE);
        s->loops++;
        sema_walk_stmts(s, st->body);
        s->loops--;
    } else {
        count_buckets(
            s, st,
            ngs_hist_buckets(v->hist == HIST_LOG ? NGS_HIST_LOG : NGS_HIST_LINEAR, v->hist_args));
    }
}

static void foreach(struct sema *s, struct stmt *st)
{
    struct variable *v;

    value(s, st->limit);
    sema_slice_keys(s, st->slice, st->n_slice);
    if (st->array->kind != EX_NAME) {
        buckets(s, st);
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

/* A local of the body at hand that no name of the script means. */
static struct expr *hidden_local(struct sema *s, struct span at, uint32_t number)
{
    struct expr *e = expr_new(s->arena, EX_NAME, at);

    e->text = arena_printf(s->arena, "* %u", number);
    sema_variable(s, e, 0);
    return e;
}

/* "delete a[1, *]" becomes "foreach ([k, l] in a[1, *]) delete a[k, l]". */
static void delete_slice(struct sema *s, struct stmt *st, struct variable *v)
{
    struct expr *e = st->cond, *element = expr_new(s->arena, EX_INDEX, e->at);
    struct stmt *body = stmt_new(s->arena, ST_DELETE, st->at);
    uint32_t n = e->n_args;

    element->op_at = e->op_at;
    element->a = e->a;
    element->args = ARENA_ARRAY(s->arena, struct expr *, n);
    element->n_args = n;
    body->cond = element;
    st->kind = ST_FOREACH;
    st->deletes = true;
    st->head = st->at;
    st->array = e->a;
    st->slice = e->args;
    st->n_slice = st->n_keys = n;
    st->keys = ARENA_ARRAY(s->arena, struct expr *, n);
    st->body = body;
    st->cond = NULL;
    for (uint32_t i = 0; i < n; i++) {
        /* keys of each type have names of their own */
        st->keys[i] = hidden_local(s, e->at, s->n_hidden);
        element->args[i] = hidden_local(s, e->at, s->n_hidden++);
        for (int k = 0; k < 2; k++)
            sema_note_use(s, st->keys[i]->var, k ? USE_VALUE : USE_WRITE);
    }
}

static void deletion(struct sema *s, struct stmt *st)
{
    struct expr *e = st->cond;
    struct variable *v = NULL;
    bool slice = false;

    if (e->kind == EX_NAME) {
        v = sema_lookup(s, e);
        v = sema_variable(s, e, v && v->scope != VAR_GLOBAL ? 0 : SEMA_ANY_ARITY);
    } else if (e->kind == EX_INDEX && e->a->kind == EX_NAME) {
        slice = sema_slice_keys(s, e->args, e->n_args);
        v = sema_variable(s, e->a, (int)e->n_args);
        if (!v)
            e->type = TYPE_ERROR;
    } else {
        diag_error(s->diag, e->at, "type",
                   "only variables, arrays and their elements can be deleted");
    }
    if (v)
        sema_note_use(s, v, USE_UPDATE);
    if (v && slice && !s->opts->stap)
        delete_slice(s, st, v);
}

static bool any_returns_value(const struct function *fn)
{
    for (; fn; fn = fn->following)
        if (fn->typed || sema_returns_value(fn->body))
            return true;
    return false;
}

static struct expr *new_call(struct sema *s, struct span at, const char *name, uint32_t n)
{
    struct expr *e = expr_new(s->arena, EX_CALL, at);

    e->op_at = at;
    e->text = name;
    e->args = ARENA_ARRAY(s->arena, struct expr *, n + 1);
    e->n_args = n;
    return e;
}

/* "next" in a function: the overload that follows is called with the same arguments, and this one
 * returns what that returns. The last one fails, as SystemTap's does. */
static void next_overload(struct sema *s, struct stmt *st)
{
    struct function *next = s->fn->following;
    struct expr *call = new_call(s, st->at, next ? next->name : "error", next ? next->n_params : 1);
    struct variable *p = s->fn->params;
    static const char exhausted[] = "all functions exhausted";

    if (next)
        sema_use_overload(s, next);
    if (s->opts->stap)
        return;
    call->func = next;
    if (!next)
        call->args[0] = expr_string(s->arena, st->at, exhausted, sizeof(exhausted) - 1);
    for (uint32_t i = 0; next && i < call->n_args; i++, p = p->next) {
        call->args[i] = expr_new(s->arena, EX_NAME, st->at);
        call->args[i]->text = p->name;
    }
    struct stmt *made =
        stmt_new(s->arena, next && any_returns_value(next) ? ST_RETURN : ST_EXPR, st->at);

    made->cond = call;
    if (made->kind == ST_EXPR)
        made->next = stmt_new(s->arena, ST_RETURN, st->at);
    st->kind = ST_BLOCK;
    st->body = made;
    sema_walk_stmts(s, made);
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
            next_overload(s, st);
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
