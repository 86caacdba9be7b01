/*
 * stacks: may stacks of programs be numbers, which become texts where they are printed? Enters: the
 * typed program; leaves: cx->stack_texts. They may not as soon as the script looks into such a text
 * anywhere: has it cut, searched or compared with what is no stack. Where a text may go is found by
 * what is assigned to what, without regard to order: variables, keys, elements, parameters and
 * results. Keys, prints, concatenations and the functions that print stacks look into none.
 */
#include "sema/internal.h"

#include <ctype.h>
#include <string.h>

struct flow {
    const struct sema *s;
    struct function *fn; /* whose body is walked; NULL: a handler's */
    bool changed, looked;
};

static bool is_one_of(const char *name, const char *const *names)
{
    for (; *names; names++)
        if (!strcmp(name, *names))
            return true;
    return false;
}

/* Is F the library's, and one of NAMES? */
static bool is_ours(const struct flow *w, const struct function *f, const char *const *names)
{
    const struct source *src = source_get(w->s->cx->sources, sema_file(w->s, f->at));

    return src && src->tapset && is_one_of(f->name, names);
}

static const char *const makers[] = {"ubacktrace",    "ucallers",     "sprint_ubacktrace",
                                     "sprint_ustack", "sprint_usyms", NULL};
static const char *const takers[] = {"print_ustack", "print_usyms", "sprint_ustack", "sprint_usyms",
                                     NULL};

/* May E be a text of a stack, or hold one? */
static bool is_stack(const struct flow *w, const struct expr *e)
{
    if (!e || (e->type != TYPE_STRING && e->kind != EX_PRINT))
        return false;
    switch (e->kind) {
    case EX_NAME:
        return e->var ? e->var->holds_stack
                      : e->func && (e->func->gives_stack || is_ours(w, e->func, makers));
    case EX_INDEX:
        return e->a && e->a->var && e->a->var->holds_stack;
    case EX_CALL:
        return e->func && (e->func->gives_stack || is_ours(w, e->func, makers));
    case EX_TERNARY:
        return is_stack(w, e->b) || is_stack(w, e->c);
    case EX_BINARY:
    case EX_ASSIGN:
        return is_stack(w, e->a) || is_stack(w, e->b);
    case EX_PRINT:
        for (uint32_t i = 0; i < e->n_args; i++)
            if (is_stack(w, e->args[i]))
                return true;
        return false;
    default:
        return false;
    }
}

static void set(struct flow *w, bool *what)
{
    w->changed |= !*what;
    *what = true;
}

/* Its conversions have no widths, which count bytes. */
static bool is_plain(const struct expr *e)
{
    for (uint32_t i = 0; e->fmt && i + 1 < e->fmt_len; i++)
        if (e->fmt[i] == '%' && !isalpha((unsigned char)e->fmt[++i]) && e->fmt[i] != '%')
            return false;
    return true;
}

static bool is_empty(const struct expr *e)
{
    return e->kind == EX_STRING && !e->len;
}

/* Does E look into a stack's text? */
static bool looks(const struct flow *w, const struct expr *e)
{
    bool equality = e->op == OP_EQ || e->op == OP_NE;

    switch (e->kind) {
    case EX_MATCH:
        return is_stack(w, e->a);
    case EX_BINARY:
        if (!is_stack(w, e->a) && !is_stack(w, e->b))
            return false;
        return e->op != OP_CONCAT && (!equality || (!is_stack(w, e->a) && !is_empty(e->a)) ||
                                      (!is_stack(w, e->b) && !is_empty(e->b)));
    case EX_PRINT:
        return (e->print & PRINT_TO_STRING) && is_stack(w, e) && !is_plain(e);
    case EX_CALL:
        for (uint32_t i = 0; e->intrinsic && i < e->n_args; i++)
            if (is_stack(w, e->args[i]))
                return true;
        return false;
    default:
        return false;
    }
}

static void flow_call(struct flow *w, struct expr *e)
{
    struct variable *p = e->func->params;

    if (is_ours(w, e->func, takers))
        return;
    for (uint32_t i = 0; p && i < e->n_args; i++, p = p->next)
        if (is_stack(w, e->args[i]))
            set(w, &p->holds_stack);
}

static void flow_expr(struct expr *e, void *arg)
{
    struct flow *w = arg;

    w->looked |= looks(w, e);
    if (e->kind == EX_CALL && e->func)
        flow_call(w, e);
    if (e->kind == EX_ASSIGN && is_stack(w, e->b)) {
        struct expr *to = e->a->kind == EX_INDEX ? e->a->a : e->a;

        if (to && to->kind == EX_NAME && to->var)
            set(w, &to->var->holds_stack);
    }
    if ((e->kind == EX_INDEX || e->kind == EX_IN) && e->a && e->a->var)
        for (uint32_t i = 0; i < e->n_args; i++)
            if (is_stack(w, e->args[i]))
                set(w, &e->a->var->keyed_by_stack);
    if (e->resolved)
        expr_visit(e->resolved, flow_expr, w);
}

static void walk(struct flow *w, struct stmt *st)
{
    struct expr *const exprs[] = {st ? st->init : NULL, st ? st->cond : NULL, st ? st->step : NULL,
                                  st ? st->limit : NULL};

    if (!st)
        return;
    for (size_t i = 0; i < sizeof(exprs) / sizeof(*exprs); i++)
        if (exprs[i])
            expr_visit(exprs[i], flow_expr, w);
    for (uint32_t i = 0; i < st->n_slice; i++) {
        expr_visit(st->slice[i], flow_expr, w);
        w->looked |= is_stack(w, st->slice[i]); /* it is compared with keys in user space */
    }
    if (st->kind == ST_RETURN && w->fn && is_stack(w, st->cond))
        set(w, &w->fn->gives_stack);
    if (st->kind == ST_FOREACH && st->array->var) {
        for (uint32_t i = 0; st->array->var->keyed_by_stack && i < st->n_keys; i++)
            if (st->keys[i]->var)
                set(w, &st->keys[i]->var->holds_stack);
        if (st->value && st->value->var && st->array->var->holds_stack)
            set(w, &st->value->var->holds_stack);
    }
    for (struct stmt *b = st->body; b; b = b->next)
        walk(w, b);
    for (struct stmt *b = st->other; b; b = b->next)
        walk(w, b);
}

void sema_stacks(struct sema *s)
{
    struct flow w = {.s = s, .changed = true};

    while (w.changed && !w.looked) {
        w.changed = false;
        w.fn = NULL;
        for (struct probe_inst *i = s->prog->insts; i; i = i->next)
            for (struct stmt *st = i->body; st; st = st->next)
                walk(&w, st);
        for (struct function *f = s->prog->funcs; f; f = f->next) {
            w.fn = f;
            for (struct stmt *st = f->reached ? f->body : NULL; st; st = st->next)
                walk(&w, st);
        }
    }
    s->cx->stack_texts = w.looked;
}
