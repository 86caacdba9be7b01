/*
 * stmt: statements -> blocks. Enters: a checked statement list; leaves: blocks at the cursor. Each
 * block subtracts the statements it runs from the handler's budget (MAXACTION): those that run
 * unless control leaves the list at once where the list begins, the others where control branches.
 */
#include "lower/internal.h"

static void statement_done(struct lower *lo)
{
    lo->str_used = 0;
    lo->long_used = 0;
}

/* Statements that both branches of an if have: they are subtracted once, before it. */
static int64_t shared_actions(const struct stmt *s)
{
    int64_t yes = lower_actions(s->body), no = lower_actions(s->other);

    return yes < no ? yes : no;
}

static int64_t own_actions(const struct stmt *s)
{
    int64_t n = s->kind != ST_BLOCK;

    if (s->kind == ST_BLOCK || s->kind == ST_TRY)
        n += lower_actions(s->body);
    else if (s->kind == ST_IF)
        n += shared_actions(s);
    return n;
}

int64_t lower_actions(const struct stmt *s)
{
    int64_t n = 0;

    for (; s; s = s->next)
        n += own_actions(s);
    return n;
}

static void put_charge(struct lower *lo, int64_t actions)
{
    if (actions)
        ir_put(&lo->at, IR_CHARGE)->imm = actions;
}

void lower_budget(struct lower *lo, int64_t actions)
{
    uint32_t onerr = lo->at.onerr;

    lo->at.onerr = lo->error_block; /* MAXACTION ends the handler, whatever try surrounds it */
    ir_put(&lo->at, IR_BUDGET)->imm = actions;
    lo->at.onerr = onerr;
}

static void lower_if(struct lower *lo, struct stmt *s)
{
    uint32_t yes = lower_block(lo), after = lower_block(lo);
    uint32_t no = s->other ? lower_block(lo) : after;

    lower_cond(lo, s->cond, yes, no);
    statement_done(lo);
    ir_at(&lo->at, yes);
    put_charge(lo, lower_actions(s->body) - shared_actions(s));
    lower_stmts(lo, s->body);
    ir_put_jump(&lo->at, after);
    if (s->other) {
        ir_at(&lo->at, no);
        put_charge(lo, lower_actions(s->other) - shared_actions(s));
        lower_stmts(lo, s->other);
        ir_put_jump(&lo->at, after);
    }
    ir_at(&lo->at, after);
}

/* A loop's body, which begins at the cursor: each pass subtracts its statements from the budget, at
 * least one. */
static void loop_body(struct lower *lo, struct loop *loop, struct stmt *body)
{
    int64_t actions = lower_actions(body);

    lower_budget(lo, actions ? actions : 1);
    loop->rest = lo->rest;
    lo->loop = loop;
    lower_stmts(lo, body);
    lo->loop = loop->outer;
}

/* for and while: head tests, body, step, back to head. */
static void lower_loop(struct lower *lo, struct stmt *s)
{
    uint32_t head = lower_block(lo), body = lower_block(lo), step = lower_block(lo),
             after = lower_block(lo);
    struct loop loop = {.outer = lo->loop, .break_to = after, .continue_to = step};

    if (s->init) {
        lower_effect(lo, s->init);
        statement_done(lo);
    }
    ir_put_jump(&lo->at, head);
    ir_at(&lo->at, head);
    if (s->cond)
        lower_cond(lo, s->cond, body, after);
    else
        ir_put_jump(&lo->at, body);
    statement_done(lo);
    ir_at(&lo->at, body);
    loop_body(lo, &loop, s->body);
    ir_put_jump(&lo->at, step);
    ir_at(&lo->at, step);
    if (s->step) {
        lower_effect(lo, s->step);
        statement_done(lo);
    }
    ir_put_jump(&lo->at, head);
    ir_at(&lo->at, after);
}

static void end_iterator(struct lower *lo, uint32_t slot)
{
    struct ir_val it = ir_put_load(&lo->at, slot);

    ir_put(&lo->at, IR_FEEND)->a = it;
}

/* Where the iteration delivers a key or the value: a local's slot, or a fresh one for a global. */
static struct ir_val destination(struct lower *lo, const struct expr *name)
{
    if (!name || !name->var)
        return IR_NONE;
    if (name->var->scope != VAR_GLOBAL)
        return IR_SLOT(name->var->id);
    return IR_SLOT(
        ir_slot_new(lo->u, lo->at.f, name->var->type == TYPE_STRING ? IR_STRING : IR_LONG, NULL));
}

static void store_global(struct lower *lo, const struct expr *name, struct ir_val from)
{
    if (!name || !name->var || name->var->scope != VAR_GLOBAL)
        return;
    if (name->var->type == TYPE_STRING) {
        lower_set_global(lo, name->var->id, from);
        return;
    }
    struct ir_val value = ir_put_load(&lo->at, from.id);
    struct ir_ins *i = ir_put(&lo->at, IR_GSTORE);

    i->global = name->var->id;
    i->a = value;
}

static void refuse_stmt(struct lower *lo, const struct stmt *s, const char *what)
{
    lo->failed = true;
    diag_error(lo->cx->diag, s->head.file ? s->head : s->at, "not-yet", "%s cannot run as eBPF yet",
               what);
}

/* What E is worth now, under a name that nothing changes. */
static struct expr *kept_value(struct lower *lo, struct expr *e)
{
    bool is_string = e->type == TYPE_STRING;
    struct variable *v = ARENA_NEW(lo->cx->arena, struct variable);
    struct expr *name = expr_new(lo->cx->arena, EX_NAME, e->at);

    *v = (struct variable){.scope = VAR_LOCAL, .type = e->type, .name = "slice"};
    v->id = ir_slot_new(lo->u, lo->at.f, is_string ? IR_STRING : IR_LONG, NULL);
    if (is_string)
        ir_put_str(&lo->at, IR_SSET, IR_SLOT(v->id), lower_text(lo, e));
    else
        ir_put_store(&lo->at, v->id, lower_long(lo, e));
    name->var = v;
    name->type = e->type;
    return name;
}

/* Of a slice, one comparison for each key that it names; *N of them. */
static struct expr **slice_tests(struct lower *lo, struct stmt *s, uint32_t *n)
{
    struct expr **tests = ARENA_ARRAY(lo->cx->arena, struct expr *, s->n_slice + 1);

    *n = 0;
    for (uint32_t k = 0; k < s->n_slice; k++)
        if (s->slice[k]->kind != EX_ANY) {
            tests[*n] = expr_binary(lo->cx->arena, OP_EQ, s->keys[k], kept_value(lo, s->slice[k]));
            tests[(*n)++]->type = TYPE_LONG;
        }
    return tests;
}

/* Passes over elements outside of the slice, and counts those within, which the limit is for. */
static void lower_slice(struct lower *lo, struct expr **tests, uint32_t n, uint32_t next,
                        uint32_t left, uint32_t after)
{
    for (uint32_t k = 0; k < n; k++) {
        uint32_t same = lower_block(lo);

        lower_cond(lo, tests[k], same, next);
        ir_at(&lo->at, same);
    }
    uint32_t within = lower_block(lo);
    struct ir_val count = ir_put_load(&lo->at, left);

    ir_put_store(&lo->at, left, ir_put_int(&lo->at, IR_SUB, count, IR_IMM(1)));
    ir_put_branch(&lo->at, IR_EQ, count, IR_IMM(0), after, within);
    ir_at(&lo->at, within);
}

/* A negative limit is none to the iterator, and 0 to the script: v & ~(v >> 63). */
static struct ir_val foreach_limit(struct lower *lo, struct expr *e)
{
    struct ir_val v = lower_long(lo, e);
    struct ir_val sign = ir_put_int(&lo->at, IR_SHR, v, IR_IMM(63));

    return ir_put_int(&lo->at, IR_AND, v, ir_put_int(&lo->at, IR_XOR, sign, IR_IMM(-1)));
}

static void lower_foreach(struct lower *lo, struct stmt *s)
{
    uint32_t head = lower_block(lo), body = lower_block(lo), after = lower_block(lo),
             done = lower_block(lo), failed = lower_block(lo), outer = lo->at.onerr;
    uint32_t iterator = ir_slot_new(lo->u, lo->at.f, IR_LONG, NULL);
    struct loop loop = {.outer = lo->loop,
                        .break_to = after,
                        .continue_to = head,
                        .iterator = iterator,
                        .has_iterator = true};

    if (s->array->kind != EX_NAME) {
        refuse_stmt(lo, s, "foreach over histogram buckets");
        return;
    }
    uint32_t n_tests, left = 0;
    struct expr **tests = slice_tests(lo, s, &n_tests);
    struct ir_val limit = s->limit ? foreach_limit(lo, s->limit) : IR_IMM(-1);

    if (n_tests) { /* counted here, not by the iterator; -1 is never used up */
        left = ir_slot_new(lo->u, lo->at.f, IR_LONG, NULL);
        ir_put_store(&lo->at, left, limit);
        limit = IR_IMM(-1);
    }

    lower_loc(lo, s->array);
    struct ir_ins *i = ir_put(&lo->at, IR_FEBEGIN);

    i->map = (int32_t)s->array->var->id;
    i->a = limit;
    i->imm = (int64_t)NGS_SORT(s->sort_dir > 0   ? 1
                               : s->sort_dir < 0 ? 2
                                                 : 0,
                               s->sort_key, s->sort_stat);
    i->dst = ir_temp(lo->at.f);
    ir_put_store(&lo->at, iterator, IR_TEMP(i->dst));
    statement_done(lo);
    ir_put_jump(&lo->at, head);

    lo->at.onerr = failed;
    ir_at(&lo->at, head);
    struct ir_val *to = ARENA_ARRAY(lo->cx->arena, struct ir_val, s->n_keys + 1);

    for (uint32_t k = 0; k < s->n_keys; k++)
        to[k] = destination(lo, s->keys[k]);
    to[s->n_keys] = destination(lo, s->value);
    struct ir_val it = ir_put_load(&lo->at, iterator);

    i = ir_put(&lo->at, IR_FENEXT);
    i->a = it;
    i->map = (int32_t)s->array->var->id;
    i->args = to;
    i->n_args = s->n_keys + 1;
    i->dst = ir_temp(lo->at.f);
    ir_put_branch(&lo->at, IR_NE, IR_TEMP(i->dst), IR_IMM(0), body, after);

    ir_at(&lo->at, body);
    for (uint32_t k = 0; k < s->n_keys; k++)
        store_global(lo, s->keys[k], to[k]);
    store_global(lo, s->value, to[s->n_keys]);
    if (n_tests)
        lower_slice(lo, tests, n_tests, head, left, after);
    loop_body(lo, &loop, s->body);
    ir_put_jump(&lo->at, head);
    lo->at.onerr = outer;

    ir_at(&lo->at, failed); /* a try around the loop, here or in a caller, may go on */
    end_iterator(lo, iterator);
    ir_put_jump(&lo->at, outer);
    ir_at(&lo->at, after);
    end_iterator(lo, iterator);
    ir_put_jump(&lo->at, done);
    ir_at(&lo->at, done);
}

/* A local of the function at hand, of the type of KEY of the array V. */
static struct expr *new_key(struct lower *lo, const struct variable *v, uint32_t key,
                            struct span at)
{
    struct expr *name = expr_new(lo->cx->arena, EX_NAME, at);
    enum value_type type = v->key_types[key];

    name->var = ARENA_NEW(lo->cx->arena, struct variable);
    *name->var = (struct variable){.scope = VAR_LOCAL, .type = type, .name = "key"};
    name->var->id = ir_slot_new(lo->u, lo->at.f, type == TYPE_STRING ? IR_STRING : IR_LONG, NULL);
    name->type = type;
    return name;
}

/* "foreach ([k, l] in a[1, *] limit 1) found = 1". The expression around it has values in the pools
 * of slots, which a statement would take. */
struct ir_val lower_any_element(struct lower *lo, struct expr *e)
{
    struct lower outer = *lo;
    struct span at = e->at;
    struct stmt *loop = stmt_new(lo->cx->arena, ST_FOREACH, at);
    struct stmt *body = stmt_new(lo->cx->arena, ST_BLOCK, at);
    struct stmt *end = stmt_new(lo->cx->arena, ST_BREAK, at);
    struct expr *set = expr_new(lo->cx->arena, EX_ASSIGN, at);
    struct variable *found = ARENA_NEW(lo->cx->arena, struct variable);

    *found = (struct variable){.scope = VAR_LOCAL, .type = TYPE_LONG, .name = "found"};
    found->id = ir_slot_new(lo->u, lo->at.f, IR_LONG, NULL);
    set->a = expr_new(lo->cx->arena, EX_NAME, at);
    set->a->var = found;
    set->b = expr_new(lo->cx->arena, EX_NUMBER, at);
    set->b->number = 1;
    set->type = set->a->type = set->b->type = TYPE_LONG;
    body->body = stmt_new(lo->cx->arena, ST_EXPR, at);
    body->body->cond = set;
    body->body->next = end;
    loop->body = body;
    loop->array = e->a;
    loop->slice = e->args;
    loop->n_slice = loop->n_keys = e->n_args;
    loop->keys = ARENA_ARRAY(lo->cx->arena, struct expr *, e->n_args);
    for (uint32_t k = 0; k < e->n_args; k++)
        loop->keys[k] = new_key(lo, e->a->var, k, at);

    lo->str_pool = lo->long_pool = NULL;
    lo->n_str_pool = lo->n_long_pool = lo->str_used = lo->long_used = 0;
    ir_put_store(&lo->at, found->id, IR_IMM(0));
    lower_foreach(lo, loop);
    lo->str_pool = outer.str_pool;
    lo->n_str_pool = outer.n_str_pool;
    lo->str_used = outer.str_used;
    lo->long_pool = outer.long_pool;
    lo->n_long_pool = outer.n_long_pool;
    lo->long_used = outer.long_used;
    return ir_put_load(&lo->at, found->id);
}

static void lower_try(struct lower *lo, struct stmt *s)
{
    uint32_t caught = lower_block(lo), after = lower_block(lo), outer = lo->at.onerr;

    lo->at.onerr = caught;
    lower_stmts(lo, s->body);
    lo->at.onerr = outer;
    ir_put_jump(&lo->at, after);
    ir_at(&lo->at, caught);
    if (s->caught && s->caught->var) {
        struct ir_val text = lower_str_slot(lo);

        ir_put(&lo->at, IR_SERROR)->str = text;
        if (s->caught->var->scope == VAR_GLOBAL)
            lower_set_global(lo, s->caught->var->id, text);
        else
            ir_put_str(&lo->at, IR_SSET, IR_SLOT(s->caught->var->id), text);
    } else {
        ir_put(&lo->at, IR_SERROR);
    }
    /* To catch is an action: where a called function used up the last one, there is none to start
     * the catch block with, as in SystemTap's translate.cxx (visit_try_block). */
    lo->at.loc = ir_loc(lo->u, s->at, "keyword 'try'");
    lower_budget(lo, 1 + lower_actions(s->other));
    statement_done(lo);
    lower_stmts(lo, s->other);
    ir_put_jump(&lo->at, after);
    ir_at(&lo->at, after);
}

static void lower_delete(struct lower *lo, struct stmt *s)
{
    struct expr *e = s->cond;

    if (e->kind == EX_INDEX) {
        struct ir_val *keys = lower_keys(lo, e->args, e->n_args);

        lower_loc(lo, e);
        lower_put_map(lo, IR_MDEL, e, keys);
    } else if (e->kind != EX_NAME || !e->var) {
        refuse_stmt(lo, s, "delete of this");
    } else if (e->var->is_array) {
        ir_put(&lo->at, IR_MCLEAR)->map = (int32_t)e->var->id;
    } else if (e->var->scope == VAR_GLOBAL && e->var->type == TYPE_STRING) {
        lower_set_global(lo, e->var->id, lower_literal(lo, "", 0));
    } else if (e->var->scope == VAR_GLOBAL) {
        ir_put(&lo->at, IR_GCLEAR)->global = e->var->id;
    } else if (e->var->type == TYPE_STRING) {
        ir_put_str(&lo->at, IR_SSET, IR_SLOT(e->var->id), lower_literal(lo, "", 0));
    } else {
        ir_put_store(&lo->at, e->var->id, IR_IMM(0));
    }
}

/* Control leaves every loop around it: their iterators end. */
static void leave_loops(struct lower *lo)
{
    for (struct loop *l = lo->loop; l; l = l->outer)
        if (l->has_iterator)
            end_iterator(lo, l->iterator);
}

/* Is E a string that is built up? Then it can be built directly in the result slot (not in a
 * recursive function, whose inner call would overwrite it). */
static bool makes_text(const struct expr *e)
{
    return e->kind == EX_BINARY || e->kind == EX_PRINT || e->kind == EX_TERNARY ||
           (e->kind == EX_CALL && e->intrinsic);
}

static void lower_return(struct lower *lo, struct stmt *s)
{
    const struct ir_func *f = lo->at.f;

    if (s->cond && f->has_result) {
        if (lo->fn->type == TYPE_STRING && makes_text(s->cond) && !lo->fn->recursive) {
            ir_put_str(&lo->at, IR_SSET, IR_SLOT(f->result), lower_literal(lo, "", 0));
            lower_append(lo, IR_SLOT(f->result), s->cond);
        } else if (lo->fn->type == TYPE_STRING) {
            struct ir_val v = lower_text(lo, s->cond);

            ir_put_str(&lo->at, IR_SSET, IR_SLOT(f->result), v);
        } else {
            struct ir_val v = lower_long(lo, s->cond);

            ir_put_store(&lo->at, f->result, v);
        }
    } else if (s->cond) {
        lower_effect(lo, s->cond);
    }
    leave_loops(lo);
    put_charge(lo, -lo->rest);
    ir_put_jump(&lo->at, lo->exit_block);
}

static void lower_stmt(struct lower *lo, struct stmt *s)
{
    lo->at.loc = ir_loc(lo->u, s->head.file ? s->head : s->at, "");
    switch (s->kind) {
    case ST_BLOCK:
        lower_stmts(lo, s->body);
        break;
    case ST_EXPR:
        lower_effect(lo, s->cond);
        break;
    case ST_IF:
        lower_if(lo, s);
        break;
    case ST_FOR:
    case ST_WHILE:
        lower_loop(lo, s);
        break;
    case ST_FOREACH:
        lower_foreach(lo, s);
        break;
    case ST_NEXT:
        if (lo->fn) {
            refuse_stmt(lo, s, "'next' in a function");
            break;
        }
        leave_loops(lo);
        put_charge(lo, -lo->rest);
        ir_put_jump(&lo->at, lo->exit_block);
        break;
    case ST_BREAK:
        put_charge(lo, lo->loop ? lo->loop->rest - lo->rest : -lo->rest);
        ir_put_jump(&lo->at, lo->loop ? lo->loop->break_to : lo->exit_block);
        break;
    case ST_CONTINUE:
        put_charge(lo, lo->loop ? lo->loop->rest - lo->rest : -lo->rest);
        ir_put_jump(&lo->at, lo->loop ? lo->loop->continue_to : lo->exit_block);
        break;
    case ST_RETURN:
        lower_return(lo, s);
        break;
    case ST_DELETE:
        lower_delete(lo, s);
        break;
    case ST_TRY:
        lower_try(lo, s);
        break;
    case ST_EMPTY:
        break;
    case ST_EMBEDDED:
        refuse_stmt(lo, s, "embedded C");
        break;
    case ST_ERROR:
        lo->failed = true;
        break;
    }
    statement_done(lo);
    if (lo->at.f->blocks[lo->at.block]->last &&
        (ir_op_flags(lo->at.f->blocks[lo->at.block]->last->op) & IRF_TERM))
        ir_at(&lo->at, lower_block(lo)); /* what follows a jump is never reached */
}

/* Arrays that the list uses and then deletes are taken at its start: no hit may fall between. */
static void take_deleted(struct lower *lo, const struct stmt *list)
{
    for (const struct stmt *s = list; s; s = s->next) {
        if (s == list || s->kind != ST_DELETE || s->cond->kind != EX_NAME || !s->cond->var ||
            !s->cond->var->is_array)
            continue;
        ir_put(&lo->at, IR_MTAKE)->map = (int32_t)s->cond->var->id;
    }
}

void lower_stmts(struct lower *lo, struct stmt *s)
{
    int64_t behind = lo->rest, left = lower_actions(s);

    take_deleted(lo, s);
    for (; s; s = s->next) {
        left -= own_actions(s);
        lo->rest = behind + left;
        lower_stmt(lo, s);
    }
    lo->rest = behind;
}
