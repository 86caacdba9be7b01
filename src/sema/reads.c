/*
 * reads: kernel memory where handlers run in user space, which cannot read it. Enters: the typed
 * program; leaves it, but for handlers of processes that are there at the start (process.begin)
 * which read any: they are left out with a warning, since others of their probe run in the kernel.
 * Refused: each read that such a handler reaches, with the calls that lead
 * there. A library's function serves handlers of both kinds: of those, only what they read whatever
 * they find is refused, not what stands behind a condition or in a try.
 */
#include "sema/internal.h"

#include "base/conversion.h"

/* A call that leads to the place at hand, the innermost first. */
struct call {
    const struct call *outer;
    const struct function *fn;
    struct span at;
};

struct reach {
    struct sema *s;
    const struct probe_inst *inst;
    const struct call *calls;
    bool *seen; /* functions, by id: what is in one is told once */
};

static void walk_stmts(struct reach *r, struct stmt *st);

static bool in_library(const struct reach *r, const struct function *fn)
{
    const struct source *src = source_get(r->s->cx->sources, sema_file(r->s, fn->at));

    return src && src->tapset;
}

static bool asks_first(const struct reach *r)
{
    return r->calls && in_library(r, r->calls->fn);
}

/* Told at the last place that the script's author has written. */
static void refuse(const struct reach *r, const struct expr *e)
{
    struct diag *d = r->s->diag;
    const struct call *told = NULL;
    struct span at = e->at;

    for (const struct call *c = r->calls; c && in_library(r, c->fn); c = c->outer) {
        told = c;
        at = c->at;
    }
    diag_error(d, at, "unsupported",
               "kernel memory cannot be read in a handler of %s: it runs in user space",
               r->inst->name);
    if (told)
        diag_note(d, e->at, "%s() reads it here", r->calls->fn->name);
    for (const struct call *c = r->calls; c; c = c->outer)
        if (c != told)
            diag_note(d, c->at, "%s() is called here", c->fn->name);
    diag_hint(d, "handlers of timer.profile and of functions run in the kernel; a global takes "
                 "what they read");
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

static void walk_call(struct reach *r, const struct expr *e)
{
    struct call call = {r->calls, e->func, e->at};

    if (r->seen[e->func->id])
        return;
    r->seen[e->func->id] = true;
    r->calls = &call;
    walk_stmts(r, e->func->body);
    r->calls = call.outer;
}

static void walk_expr(struct reach *r, const struct expr *e)
{
    if (!e || e->kind == EX_DEFINED)
        return;
    bool chooses =
        e->kind == EX_TERNARY || (e->kind == EX_BINARY && (e->op == OP_LAND || e->op == OP_LOR));

    if (reads(e))
        refuse(r, e);
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
        walk_call(r, e);
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
    struct reach r = {.s = s, .inst = i, .seen = ARENA_ARRAY(s->arena, bool, s->n_funcs + 1)};

    diag_try_begin(s->diag);
    walk_stmts(&r, i->body);
    return diag_try_end(s->diag) > 0;
}

static void leave_out(struct sema *s)
{
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

void sema_check_kernel_reads(struct sema *s)
{
    struct reach r = {.s = s, .seen = ARENA_ARRAY(s->arena, bool, s->n_funcs + 1)};

    if (s->opts->stap || s->cx->skip_badvars) /* there it can be read; it reads as 0 */
        return;
    leave_out(s);
    for (struct probe_inst *i = s->prog->insts; i; i = i->next) {
        r.inst = i;
        if (attach_in_user_space(i->type->kind) && !attach_has(i->type->kind, ATTACH_NO_CODE))
            walk_stmts(&r, i->body);
    }
}
