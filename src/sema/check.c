/*
 * check: what can be judged only when everything is known. Enters: the typed program; leaves:
 * functions marked that may call themselves, and warnings about variables that are read but never
 * assigned. Refused: a foreach loop that changes the array it walks.
 */
#include "sema/internal.h"

#include <string.h>

/* ---- recursion ---- */

static bool reaches(struct sema *s, const struct function *from, const struct function *to,
                    bool *seen)
{
    const struct sema_func *f = &s->funcs[from->id];

    for (uint32_t i = 0; i < f->n_calls; i++) {
        const struct function *next = f->calls[i];

        if (next == to)
            return true;
        if (seen[next->id])
            continue;
        seen[next->id] = true;
        if (reaches(s, next, to, seen))
            return true;
    }
    return false;
}

static void find_recursion(struct sema *s)
{
    bool *seen = ARENA_ARRAY(s->arena, bool, s->n_funcs + 1);

    for (uint32_t i = 0; i < s->n_funcs; i++) {
        memset(seen, 0, s->n_funcs);
        s->funcs[i].fn->recursive = reaches(s, s->funcs[i].fn, s->funcs[i].fn, seen);
    }
}

/* ---- foreach ---- */

struct changes {
    struct sema *s;
    const struct variable *array;
};

static void changed_expr(struct expr *e, void *arg)
{
    struct changes *c = arg;
    const struct expr *lv = e->kind == EX_ASSIGN || e->kind == EX_INCDEC ? e->a : NULL;

    if (lv && lv->kind == EX_INDEX && lv->a->var == c->array)
        diag_error(c->s->diag, lv->at, "type", "'%s' is changed while foreach walks it",
                   c->array->name);
}

static void changed_stmt(struct changes *c, const struct stmt *st)
{
    for (; st; st = st->next) {
        const struct expr *e = st->kind == ST_DELETE ? st->cond : NULL;
        const struct variable *v = !e ? NULL : e->kind == EX_INDEX ? e->a->var : e->var;

        if (v == c->array && e)
            diag_error(c->s->diag, e->at, "type", "'%s' is changed while foreach walks it",
                       c->array->name);
        changed_stmt(c, st->body);
        changed_stmt(c, st->other);
    }
}

static void find_changes(struct sema *s, struct stmt *st)
{
    for (; st; st = st->next) {
        if (st->kind == ST_FOREACH && st->array->kind == EX_NAME && st->array->var &&
            !st->deletes) {
            struct changes c = {s, st->array->var};

            stmt_visit_exprs(st->body, changed_expr, &c);
            changed_stmt(&c, st->body);
        }
        find_changes(s, st->body);
        find_changes(s, st->other);
    }
}

/* ---- variables ---- */

static void near_intrinsic(const struct intrinsic *f, void *arg)
{
    struct near *near = arg;

    if (!strcmp(f->name, near->word) && f->min_args == 0)
        near->best = f->name;
}

static void near_list(struct near *near, const struct variable *v)
{
    for (; v; v = v->next)
        if (v->written)
            near_try(near, v->name);
}

/* A name without parentheses is a variable, also where a function has that name: say so. */
static void never_assigned(struct sema *s, const struct variable *v, const char *kind,
                           const struct variable *a, const struct variable *b)
{
    const struct source *src = source_get(s->cx->sources, span_file(s->cx->sources, v->at));
    struct near near, call = {.word = v->name};

    /* A library's counters may be read by what the script reaches, written by what it does not. */
    if (!v->read || v->written || (src && src->tapset))
        return;
    diag_warning(s->diag, v->at, "never-assigned %s variable '%s'", kind, v->name);
    func_each(near_intrinsic, &call);
    near_init(&near, v->name);
    near_list(&near, a);
    near_list(&near, b);
    near_list(&near, s->prog->globals);
    if (call.best)
        diag_hint(s->diag, "the function is written %s()", v->name);
    else if (near_best(&near))
        diag_hint(s->diag, "did you mean '%s'?", near_best(&near));
}

static void find_unassigned(struct sema *s)
{
    const struct probe *last = NULL;

    for (struct probe_inst *i = s->prog->insts; i; i = i->next) {
        bool again = last == i->probe; /* one warning for a handler with several places */

        last = i->probe;
        for (struct variable *v = i->locals; v && !again && !i->theirs; v = v->next)
            never_assigned(s, v, "local", i->locals, NULL);
    }
    for (uint32_t i = 0; i < s->n_funcs; i++)
        for (struct variable *v = s->funcs[i].fn->locals; v; v = v->next)
            never_assigned(s, v, "local", s->funcs[i].fn->locals, s->funcs[i].fn->params);
    for (struct variable *v = s->prog->globals; v; v = v->next)
        if (!v->init)
            never_assigned(s, v, "global", NULL, NULL);
}

void sema_check(struct sema *s)
{
    find_recursion(s);
    for (struct probe_inst *i = s->prog->insts; i; i = i->next)
        find_changes(s, i->body);
    for (uint32_t i = 0; i < s->n_funcs; i++)
        find_changes(s, s->funcs[i].fn->body);
    if (s->failed)
        return;
    sema_leave_out_readers(s);
    find_unassigned(s);
}
