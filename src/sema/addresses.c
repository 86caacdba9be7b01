/*
 * addresses: texts that hold names of addresses or stacks of programs, which the kernel has as
 * marks (base/abi.h, NGS_MARK). Enters: the typed program; leaves: cx->stack_texts, and "by_name"
 * at the expressions whose bytes are looked at, which become names first: for that a handler of the
 * kernel goes on in user space. Where a mark may go is found by what is assigned to what, without
 * regard to order: variables, keys, elements, parameters and results. Prints, concatenations and
 * the functions that print stacks look at no bytes.
 *
 * - A stack is one number wherever it is made, so equality and keys need no text of it. A script
 *   that looks at one anywhere has texts everywhere, which it looks at in the kernel.
 * - A name has a mark for each address. Elements of an array that are only added to, and read by a
 *   foreach, are made one by their names there (run/foreach.c). An array that is asked in any other
 *   way is keyed by names.
 */
#include "sema/internal.h"

#include <ctype.h>
#include <string.h>

/* A foreach that the statement at hand stands in. */
struct walked {
    const struct walked *outer;
    const struct stmt *loop;
};

struct flow {
    const struct sema *s;
    struct function *fn; /* whose body is walked; NULL: a handler's */
    const struct walked *in;
    const struct expr *added; /* the element that the statement at hand adds to, and no more */
    unsigned raised;          /* what texts of errors hold */
    bool changed, looked;
    bool settled; /* nothing changes any more: "by_name" is set */
    bool knows;   /* the function at hand takes marks for what they are */
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

static const char *const makers[] = {
    "ubacktrace", "ucallers", "sprint_ubacktrace", "sprint_ustack", "sprint_usyms",
    "backtrace",  "callers",  "sprint_backtrace",  "sprint_stack",  "sprint_syms",
    NULL};
static const char *const takers[] = {"print_ustack", "print_usyms", "sprint_ustack",
                                     "sprint_usyms", "print_stack", "print_syms",
                                     "sprint_stack", "sprint_syms", NULL};
/* Count the room in such a text, and look for line ends alone. */
static const char *const knowing[] = {"luajit_add_runs", "luajit_add_text", "luajit_walk", NULL};

static unsigned of_function(const struct flow *w, const struct function *f)
{
    return f->gives | (is_ours(w, f, makers) ? HOLDS_STACK : 0);
}

/* What the text E may be, or hold: HOLDS_*. */
static unsigned holds(const struct flow *w, const struct expr *e)
{
    unsigned all = 0;

    if (!e || (e->type != TYPE_STRING && e->kind != EX_PRINT))
        return 0;
    if (e->resolved)
        return holds(w, e->resolved);
    switch (e->kind) {
    case EX_NAME:
        return e->var ? e->var->holds : e->func ? of_function(w, e->func) : 0;
    case EX_INDEX:
        return e->a && e->a->var ? e->a->var->holds : 0;
    case EX_CALL:
        if (e->func)
            return of_function(w, e->func);
        return e->intrinsic && e->intrinsic->flags & INTRIN_NAMES ? HOLDS_NAME : 0;
    case EX_TERNARY:
        return holds(w, e->b) | holds(w, e->c);
    case EX_BINARY:
    case EX_ASSIGN:
        return holds(w, e->a) | holds(w, e->b);
    case EX_PRINT:
        for (uint32_t i = 0; i < e->n_args; i++)
            all |= holds(w, e->args[i]);
        return all;
    default:
        return 0;
    }
}

static void add(struct flow *w, unsigned *to, unsigned what)
{
    w->changed |= (*to | what) != *to;
    *to |= what;
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

/* The bytes of E are looked at. */
static void look(struct flow *w, struct expr *e)
{
    unsigned what = holds(w, e);

    w->looked |= (what & HOLDS_STACK) != 0;
    if (w->settled && !w->knows && what & HOLDS_NAME)
        e->by_name = true;
}

static void look_each(struct flow *w, struct expr **e, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        look(w, e[i]);
}

static void flow_binary(struct flow *w, struct expr *e)
{
    unsigned a = holds(w, e->a), b = holds(w, e->b);
    bool equality = e->op == OP_EQ || e->op == OP_NE;

    if (e->op == OP_CONCAT || !(a | b))
        return;
    if (equality && (is_empty(e->a) || is_empty(e->b) || (a == HOLDS_STACK && b == HOLDS_STACK)))
        return;
    look(w, e->a);
    look(w, e->b);
}

static void flow_call(struct flow *w, struct expr *e)
{
    struct variable *p = e->func ? e->func->params : NULL;

    if (e->func && is_ours(w, e->func, takers))
        return;
    for (uint32_t i = 0; p && i < e->n_args; i++, p = p->next)
        add(w, &p->holds, holds(w, e->args[i]));
    if (e->intrinsic && !(e->intrinsic->flags & INTRIN_AS_IS))
        look_each(w, e->args, e->n_args);
    if (e->intrinsic && !strcmp(e->intrinsic->name, "error"))
        add(w, &w->raised, holds(w, e->args[0]));
}

struct assigned {
    const struct variable *var;
    bool found;
};

static void visit_assigned(struct expr *e, void *arg)
{
    struct assigned *a = arg;

    a->found |= e->kind == EX_ASSIGN && e->a->kind == EX_NAME && e->a->var == a->var;
}

/* Are the keys of E those of LOOP, which goes through its array? */
static bool is_at_hand(const struct stmt *loop, const struct expr *e)
{
    if (loop->array->var != e->a->var || loop->n_keys != e->n_args)
        return false;
    for (uint32_t i = 0; i < e->n_args; i++) {
        struct assigned a = {.var = e->args[i]->var};

        if (e->args[i]->kind != EX_NAME || !a.var || loop->keys[i]->var != a.var)
            return false;
        stmt_visit_exprs(loop->body, visit_assigned, &a);
        if (a.found)
            return false;
    }
    return true;
}

static void flow_element(struct flow *w, struct expr *e)
{
    struct variable *array = e->a->var;
    bool alone = e == w->added;

    for (const struct walked *in = w->in; in && !alone; in = in->outer)
        alone = is_at_hand(in->loop, e);
    for (uint32_t i = 0; i < e->n_args; i++)
        add(w, &array->keyed_by, holds(w, e->args[i]));
    if (!alone && array->keyed_by & HOLDS_NAME && !array->by_name)
        array->by_name = w->changed = true;
    for (uint32_t i = 0; w->settled && array->by_name && i < e->n_args; i++)
        if (holds(w, e->args[i]) & HOLDS_NAME)
            e->args[i]->by_name = true;
}

static void flow_expr(struct expr *e, void *arg)
{
    struct flow *w = arg;

    switch (e->kind) {
    case EX_MATCH:
        look(w, e->a);
        break;
    case EX_BINARY:
        flow_binary(w, e);
        break;
    case EX_PRINT:
        if ((e->print & PRINT_TO_STRING) && !is_plain(e))
            look_each(w, e->args, e->n_args);
        break;
    case EX_CALL:
        flow_call(w, e);
        break;
    case EX_ASSIGN: {
        struct expr *to = e->a->kind == EX_INDEX ? e->a->a : e->a;

        if (to && to->kind == EX_NAME && to->var)
            add(w, &to->var->holds, holds(w, e->b));
        break;
    }
    case EX_INDEX:
    case EX_IN:
        if (e->a && e->a->var)
            flow_element(w, e);
        break;
    default:
        break;
    }
    if (e->resolved)
        expr_visit(e->resolved, flow_expr, w);
}

/* The element that E, a statement of its own, adds to. */
static const struct expr *added_to(const struct expr *e)
{
    bool adds = e && (e->kind == EX_INCDEC ||
                      (e->kind == EX_ASSIGN &&
                       (e->op == OP_STAT_ADD ||
                        (e->a->type == TYPE_LONG && (e->op == OP_ADD || e->op == OP_SUB)))));

    return adds && e->a->kind == EX_INDEX ? e->a : NULL;
}

static void walk_list(struct flow *w, struct stmt *st);

static void walk_foreach(struct flow *w, struct stmt *st)
{
    struct walked in = {.outer = w->in, .loop = st};

    for (uint32_t i = 0; i < st->n_slice; i++) {
        expr_visit(st->slice[i], flow_expr, w);
        look(w, st->slice[i]); /* it is compared with keys in user space */
    }
    if (!st->array->var) {
        walk_list(w, st->body);
        return;
    }
    for (uint32_t i = 0; i < st->n_keys; i++)
        if (st->keys[i]->var)
            add(w, &st->keys[i]->var->holds, st->array->var->keyed_by);
    if (st->value && st->value->var)
        add(w, &st->value->var->holds, st->array->var->holds);
    w->in = &in;
    walk_list(w, st->body);
    w->in = in.outer;
}

static void walk(struct flow *w, struct stmt *st)
{
    struct expr *const exprs[] = {st->init, st->cond, st->step, st->limit};

    for (size_t i = 0; i < sizeof(exprs) / sizeof(*exprs); i++) {
        w->added = exprs[i] != st->cond || st->kind == ST_EXPR ? added_to(exprs[i]) : NULL;
        if (exprs[i])
            expr_visit(exprs[i], flow_expr, w);
    }
    w->added = NULL;
    if (st->kind == ST_RETURN && w->fn)
        add(w, &w->fn->gives, holds(w, st->cond));
    if (st->kind == ST_TRY && st->caught && st->caught->var)
        add(w, &st->caught->var->holds, w->raised);
    if (st->kind == ST_FOREACH)
        walk_foreach(w, st);
    else
        walk_list(w, st->body);
    walk_list(w, st->other);
}

static void walk_list(struct flow *w, struct stmt *st)
{
    for (; st; st = st->next)
        walk(w, st);
}

static void walk_program(struct flow *w)
{
    w->changed = w->knows = false;
    w->fn = NULL;
    for (struct probe_inst *i = w->s->prog->insts; i; i = i->next)
        walk_list(w, i->body);
    for (struct function *f = w->s->prog->funcs; f; f = f->next) {
        w->fn = f;
        w->knows = is_ours(w, f, knowing);
        walk_list(w, f->reached ? f->body : NULL);
    }
}

void sema_addresses(struct sema *s)
{
    struct flow w = {.s = s, .changed = true};

    while (w.changed)
        walk_program(&w);
    w.settled = true;
    walk_program(&w);
    s->cx->stack_texts = w.looked;
}
