/*
 * calls: calls of functions and built-in functions, in the first walk. Enters: a call whose
 * arguments are walked; leaves: the function that is meant, its body walked at the first call that
 * reaches it, and who calls whom. Refused: embedded C as eBPF, what wants guru mode, registers
 * where a program has none.
 */
#include "sema/internal.h"

static bool fail(struct expr *e)
{
    e->type = TYPE_ERROR;
    return false;
}

static struct sema_func *func_record(struct sema *s, struct function *fn)
{
    if (fn->id < s->n_funcs && s->funcs[fn->id].fn == fn)
        return &s->funcs[fn->id];
    s->funcs = arena_grow(s->arena, s->funcs, s->n_funcs, sizeof(*s->funcs));
    s->funcs[s->n_funcs] = (struct sema_func){.fn = fn};
    fn->id = s->n_funcs;
    return &s->funcs[s->n_funcs++];
}

static void note_call(struct sema *s, struct function *callee)
{
    struct sema_func *from;

    func_record(s, callee);
    if (!s->fn)
        return;
    from = func_record(s, s->fn);
    for (uint32_t i = 0; i < from->n_calls; i++)
        if (from->calls[i] == callee)
            return;
    from->calls = arena_grow(s->arena, from->calls, from->n_calls, sizeof(*from->calls));
    from->calls[from->n_calls++] = callee;
}

enum {
    DEPTH_MAX = 64
}; /* functions entered one in the other: a chain can be as long as a script */

static void walk_function(struct sema *s, struct function *fn)
{
    struct function *outer_fn = s->fn;
    uint32_t outer_file = s->file;
    unsigned outer_loops = s->loops;
    struct sema_matched outer_matched = s->matched;

    s->fn = fn;
    s->matched = (struct sema_matched){0};
    s->file = sema_file(s, fn->at);
    s->loops = 0;
    s->depth++;
    sema_choose(s, s->file);
    sema_walk_stmts(s, fn->body);
    sema_match_end(s);
    s->depth--;
    s->matched = outer_matched;
    s->fn = outer_fn;
    s->file = outer_file;
    s->loops = outer_loops;
}

void sema_enter_waiting(struct sema *s)
{
    while (s->n_waiting && !diag_stopped(s->diag))
        walk_function(s, s->waiting[--s->n_waiting]);
}

/* At the first call that reaches FN. */
static void enter_function(struct sema *s, struct function *fn)
{
    if (fn->reached)
        return;
    fn->reached = true;
    if (fn->typed)
        fn->type_at = fn->name_at;
    for (struct variable *p = fn->params; p; p = p->next) {
        p->arity_known = true;
        p->arity_at = p->at;
        p->written = true; /* by the calls */
        if (p->typed)
            p->type_at = p->at;
    }
    if (s->depth < DEPTH_MAX) {
        walk_function(s, fn);
        return;
    }
    s->waiting = arena_grow(s->arena, s->waiting, s->n_waiting, sizeof(*s->waiting));
    s->waiting[s->n_waiting++] = fn;
}

static void embedded_function(struct sema *s, struct expr *e)
{
    if (s->opts->stap) {
        note_call(s, e->func);
        enter_function(s, e->func);
        return;
    }
    diag_error(s->diag, e->op_at, "unsupported",
               "%s() is written in embedded C, which eBPF cannot run", e->text);
    diag_note(s->diag, e->func->name_at, "defined here");
    diag_hint(s->diag, "--backend=stap will run it, where SystemTap is installed");
    fail(e);
}

static bool need_guru(struct sema *s, struct expr *e)
{
    const struct source *src = source_get(s->cx->sources, span_file(s->cx->sources, e->at));

    if (s->cx->guru || (src && src->tapset))
        return true;
    diag_error(s->diag, e->op_at, "guru", "%s() is allowed in guru mode only", e->text);
    diag_hint(s->diag, "-g turns guru mode on");
    return fail(e);
}

/* Only a handler's own body is judged: a function may be called from several kinds of probe. */
bool sema_need_registers(struct sema *s, struct expr *e)
{
    if (!s->inst || s->fn || !attach_in_user_space(s->inst->type->kind))
        return true;
    diag_error(s->diag, e->op_at, "no-regs", "a probe at %s has no registers of a program",
               s->inst->name);
    return fail(e);
}

static void call_function(struct sema *s, struct expr *e)
{
    struct variable *p = e->func->params;

    if (e->func->is_embedded) {
        embedded_function(s, e);
        return;
    }
    note_call(s, e->func);
    for (uint32_t i = 0; i < e->n_args && p; i++, p = p->next)
        sema_ctype_assign(s, p, sema_ctype(e->args[i]));
    enter_function(s, e->func);
}

void sema_use_overload(struct sema *s, struct function *fn)
{
    note_call(s, fn);
    enter_function(s, fn);
}

void sema_call(struct sema *s, struct expr *e)
{
    if (e->func) { /* an overload that "next" goes on with */
        call_function(s, e);
        return;
    }
    if (!sema_find_call(s, e) || s->in_defined)
        return;
    if (!e->func) {
        if (e->intrinsic->flags & INTRIN_USER_REGS)
            sema_need_registers(s, e);
        if (e->intrinsic->flags & INTRIN_GURU)
            need_guru(s, e);
        if (e->intrinsic->flags & INTRIN_MATCHED && !s->opts->stap)
            sema_matched(s, e);
        return;
    }
    call_function(s, e);
}
