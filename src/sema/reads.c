/*
 * reads: handlers of processes that are there at the start (process.begin) and read kernel memory.
 * Enters: the typed program; leaves it without them, with a warning: such a handler runs in user
 * space, has no task there, and what it reads begins at one, as a rule; others of its probe run in
 * the kernel. A library's function serves handlers of both kinds: of those, only what they read
 * whatever they find counts, not what stands behind a condition or in a try.
 */
#include "sema/internal.h"

#include "base/conversion.h"

struct reach {
    struct sema *s;
    const struct function *fn; /* that is walked; NULL: the handler itself */
    bool *seen;                /* functions, by id */
    bool reads;
};

static void walk_stmts(struct reach *r, struct stmt *st);

static bool in_library(const struct reach *r, const struct function *fn)
{
    const struct source *src = source_get(r->s->cx->sources, sema_file(r->s, fn->at));

    return src && src->tapset;
}

static bool asks_first(const struct reach *r)
{
    return r->fn && in_library(r, r->fn);
}

/* %m and %M without '#'. */
static bool is_dump(const struct conversion *c)
{
    return (c->letter == 'm' || c->letter == 'M') && !(c->flags & NGS_SPEC_ALT);
}

static bool reads(const struct expr *e)
{
    switch (e->kind) {
    case EX_CALL: /* with a value for the case that it cannot be read, a call is sound */
        return e->intrinsic && e->intrinsic->flags & INTRIN_KERNEL &&
               e->n_args == e->intrinsic->min_args;
    case EX_R_LOAD:
        return e->space == SPACE_KERNEL;
    case EX_PRINT:
        return (e->print & PRINT_FORMAT) && conversion_any(e->fmt, e->fmt_len, is_dump);
    default:
        return false;
    }
}

static void walk_call(struct reach *r, struct function *fn)
{
    const struct function *outer = r->fn;

    if (r->seen[fn->id])
        return;
    r->seen[fn->id] = true;
    r->fn = fn;
    walk_stmts(r, fn->body);
    r->fn = outer;
}

static void walk_expr(struct reach *r, const struct expr *e)
{
    if (!e || e->kind == EX_DEFINED)
        return;
    bool chooses =
        e->kind == EX_TERNARY || (e->kind == EX_BINARY && (e->op == OP_LAND || e->op == OP_LOR));

    r->reads |= reads(e);
    walk_expr(r, e->a);
    if (!chooses || !asks_first(r)) {
        walk_expr(r, e->b);
        walk_expr(r, e->c);
    }
    for (uint32_t i = 0; i < e->n_args; i++)
        walk_expr(r, e->args[i]);
    for (const struct component *c = e->comps; c; c = c->next)
        walk_expr(r, c->index);
    walk_expr(r, e->resolved);
    if (e->kind == EX_CALL && e->func)
        walk_call(r, e->func);
}

/* May the list leave the function or the loop it is in? */
static bool leaves(const struct stmt *st)
{
    for (; st; st = st->next)
        if (st->kind == ST_RETURN || st->kind == ST_NEXT || st->kind == ST_BREAK ||
            st->kind == ST_CONTINUE || leaves(st->body) || leaves(st->other))
            return true;
    return false;
}

static void walk_stmts(struct reach *r, struct stmt *st)
{
    for (; st; st = st->next) {
        bool maybe = st->kind != ST_BLOCK && asks_first(r);

        for (uint32_t i = 0; i < st->n_keys; i++)
            walk_expr(r, st->keys[i]);
        walk_expr(r, st->value);
        walk_expr(r, st->array);
        for (uint32_t i = 0; i < st->n_slice; i++)
            walk_expr(r, st->slice[i]);
        walk_expr(r, st->limit);
        walk_expr(r, st->init);
        walk_expr(r, st->cond);
        if (maybe && (leaves(st->body) || leaves(st->other)))
            return;
        if (maybe)
            continue;
        walk_stmts(r, st->body);
        walk_expr(r, st->step);
        walk_expr(r, st->caught);
        walk_stmts(r, st->other);
    }
}

static bool may_be_left_out(const struct probe_inst *i)
{
    return i->type->kind == PROBE_RUNNING || i->type->kind == PROBE_RUNNING_THREAD;
}

/* Does the handler of I read kernel memory? */
static bool is_reader(struct sema *s, const struct probe_inst *i)
{
    struct reach r = {.s = s, .seen = ARENA_ARRAY(s->arena, bool, s->n_funcs + 1)};

    walk_stmts(&r, i->body);
    return r.reads;
}

void sema_leave_out_readers(struct sema *s)
{
    if (s->opts->stap || s->cx->skip_badvars) /* there it can be read; it reads as 0 */
        return;
    for (struct probe_inst **at = &s->prog->insts; *at;) {
        struct probe_inst *i = *at;

        if (!may_be_left_out(i) || !is_reader(s, i)) {
            at = &i->next;
            continue;
        }
        diag_warning(s->diag, i->point->at,
                     "what is there at the start is left out: for that the handler of %s runs in "
                     "user space, and it reads kernel memory",
                     i->name);
        *at = i->next;
    }
}
