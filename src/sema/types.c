/*
 * types: the second walk. Enters: bodies with names bound; leaves: every expression, variable,
 * array key and function with a type. Types spread in both directions, from values to variables and
 * from what is wanted to what is not known yet, over all probes and functions until nothing
 * changes; what nothing decides is long. A last pass reports conflicts, each with the place that
 * decided otherwise.
 */
#include "sema/internal.h"

#include <string.h>

static enum value_type infer(struct sema *s, struct expr *e, enum value_type want);

static bool is_known(enum value_type t)
{
    return t == TYPE_LONG || t == TYPE_STRING || t == TYPE_STATS;
}

static const char *a_type(enum value_type t)
{
    switch (t) {
    case TYPE_LONG:
        return "a number";
    case TYPE_STRING:
        return "a string";
    case TYPE_STATS:
        return "an aggregate";
    case TYPE_VOID:
        return "no value";
    default:
        return "unknown";
    }
}

/* Reports in the last pass only; E is silent from then on. */
static enum value_type conflict(struct sema *s, struct expr *e, enum value_type is,
                                enum value_type want)
{
    if (!s->report)
        return is;
    if (is == TYPE_VOID && e->kind == EX_CALL)
        diag_error(s->diag, e->at, "type", "%s() returns no value", e->text);
    else if (is == TYPE_STATS && want != TYPE_STRING)
        diag_error(s->diag, e->at, "type",
                   "an aggregate is read through @count, @sum, @min, @max, @avg or a histogram");
    else
        diag_error(s->diag, e->at, "type", "this is %s, but %s is wanted here", a_type(is),
                   a_type(want));
    if (e->kind == EX_CALL && e->func && e->func->type_at.file)
        diag_note(s->diag, e->func->type_at, "its type comes from here");
    return e->type = TYPE_ERROR;
}

void sema_expect(struct sema *s, struct expr *e, enum value_type want)
{
    enum value_type t = infer(s, e, want);

    if (t == TYPE_VOID || (is_known(t) && is_known(want) && t != want))
        conflict(s, e, t, want);
    else if (t == TYPE_STATS && want == TYPE_UNKNOWN)
        conflict(s, e, t, TYPE_LONG);
}

/* What has the type, for the message: a variable, a function's result, or a key of an array. */
struct subject {
    const char *name, *after;
    uint32_t key;
};

static struct subject var_subject(const struct variable *v)
{
    return (struct subject){.name = v->name, .after = ""};
}

static struct subject func_subject(const struct function *fn)
{
    return (struct subject){.name = fn->name, .after = "()"};
}

/* A declaration's type meets a use: decides it, agrees, or conflicts. */
static enum value_type meet(struct sema *s, enum value_type *type, struct span *decided,
                            enum value_type t, struct expr *use, struct subject what)
{
    if (!is_known(t) || *type == t || *type == TYPE_ERROR)
        return *type;
    if (*type == TYPE_UNKNOWN) {
        *type = t;
        *decided = use->at;
        s->changed = true;
        return t;
    }
    if (!s->report)
        return *type;
    if (what.key)
        diag_error(s->diag, use->at, "type", "key %u of '%s' is %s here", what.key, what.name,
                   a_type(t));
    else
        diag_error(s->diag, use->at, "type", "'%s%s' is %s here", what.name, what.after, a_type(t));
    if (decided->file)
        diag_note(s->diag, *decided, "but %s here", a_type(*type));
    *type = TYPE_ERROR;
    return use->type = TYPE_ERROR;
}

static enum value_type variable(struct sema *s, struct expr *e, struct variable *v,
                                enum value_type want)
{
    if (!v)
        return TYPE_ERROR;
    if (want == TYPE_STATS && v->scope != VAR_GLOBAL) {
        if (s->report) {
            diag_error(s->diag, e->at, "type",
                       "'%s' is a local variable here; an aggregate must be a global", v->name);
            return TYPE_ERROR;
        }
        return v->type;
    }
    return meet(s, &v->type, &v->type_at, want, e, var_subject(v));
}

static void keys(struct sema *s, struct variable *v, struct expr **args, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        if (args[i]->kind == EX_ANY)
            continue;
        if (!v || !v->key_types || i >= v->n_keys) {
            sema_expect(s, args[i], TYPE_UNKNOWN);
            continue;
        }
        enum value_type t = infer(s, args[i], v->key_types[i]);

        if (t == TYPE_STATS || t == TYPE_VOID) {
            conflict(s, args[i], t, TYPE_LONG);
            continue;
        }
        struct span at = v->arity_at;

        meet(s, &v->key_types[i], &at, t, args[i], (struct subject){.name = v->name, .key = i + 1});
    }
}

/* Two expressions that must agree. */
static enum value_type agree(struct sema *s, struct expr *a, struct expr *b, enum value_type want)
{
    enum value_type t = infer(s, a, want), u = infer(s, b, is_known(t) ? t : want);

    if (t == TYPE_ERROR || u == TYPE_ERROR)
        return TYPE_ERROR;
    if (!is_known(t) && is_known(u))
        t = infer(s, a, u);
    if (is_known(t) && is_known(u) && t != u)
        return conflict(s, b, u, t);
    if ((t == TYPE_VOID) != (u == TYPE_VOID))
        return conflict(s, t == TYPE_VOID ? a : b, TYPE_VOID, t == TYPE_VOID ? u : t);
    return is_known(t) ? t : u;
}

static bool is_comparison(enum op op)
{
    return op == OP_EQ || op == OP_NE || op == OP_LT || op == OP_LE || op == OP_GT || op == OP_GE;
}

/* "$r.uri", as other languages have it: here it joins two strings. */
static bool is_member_by_dot(const struct expr *e)
{
    return e->op == OP_CONCAT && e->b->kind == EX_NAME && expr_is_target(e->a);
}

static enum value_type binary(struct sema *s, struct expr *e)
{
    enum value_type t, u;

    if (is_comparison(e->op)) {
        t = agree(s, e->a, e->b, TYPE_UNKNOWN);
        if (t == TYPE_STATS || t == TYPE_VOID)
            return conflict(s, e->a, t, TYPE_LONG);
        return t == TYPE_ERROR ? TYPE_ERROR : TYPE_LONG;
    }
    t = e->op == OP_CONCAT ? TYPE_STRING : TYPE_LONG;
    u = e->a->type;
    sema_expect(s, e->a, t);
    if (u != TYPE_ERROR && e->a->type == TYPE_ERROR && is_member_by_dot(e))
        diag_hint(s->diag, "a member is written with an arrow: ->%s", e->b->text);
    sema_expect(s, e->b, t);
    return t;
}

static enum value_type assignment(struct sema *s, struct expr *e, enum value_type want)
{
    struct variable *v = e->a->kind == EX_NAME    ? e->a->var
                         : e->a->kind == EX_INDEX ? e->a->a->var
                                                  : NULL;
    enum value_type t;

    switch (e->op) {
    case OP_STAT_ADD:
        sema_expect(s, e->a, TYPE_STATS);
        sema_expect(s, e->b, TYPE_LONG);
        return TYPE_LONG;
    case OP_NONE:
        t = agree(s, e->a, e->b, want == TYPE_STATS ? TYPE_UNKNOWN : want);
        if (t == TYPE_STATS || t == TYPE_VOID)
            return conflict(s, e->b->type == t ? e->b : e->a, t, TYPE_LONG);
        if (v)
            sema_ctype_assign(s, v, sema_ctype(e->b));
        return t;
    default:
        t = e->op == OP_CONCAT ? TYPE_STRING : TYPE_LONG;
        sema_expect(s, e->a, t);
        sema_expect(s, e->b, t);
        return t;
    }
}

/* Where a number is wanted, what has no value is 0: (++n == 3) && exit(). */
static enum value_type valued(enum value_type t, enum value_type want)
{
    return t == TYPE_VOID && want == TYPE_LONG ? TYPE_LONG : t;
}

static enum value_type call(struct sema *s, struct expr *e, enum value_type want)
{
    struct function *fn = e->func;
    struct variable *p = fn ? fn->params : NULL;

    for (uint32_t i = 0; i < e->n_args; i++, p = p ? p->next : NULL) {
        if (!fn) {
            sema_expect(s, e->args[i],
                        e->intrinsic && i < INTRIN_MAX_ARGS ? e->intrinsic->args[i] : TYPE_UNKNOWN);
            continue;
        }
        enum value_type t = infer(s, e->args[i], p ? p->type : TYPE_UNKNOWN);

        if (t == TYPE_STATS || t == TYPE_VOID)
            conflict(s, e->args[i], t, TYPE_LONG);
        else if (p)
            meet(s, &p->type, &p->type_at, t, e->args[i], var_subject(p));
        if (p)
            sema_ctype_assign(s, p, sema_ctype(e->args[i]));
    }
    if (!fn)
        return e->intrinsic ? valued(e->intrinsic->result, want) : TYPE_ERROR;
    if (fn->type == TYPE_UNKNOWN && is_known(want) && want != TYPE_STATS)
        meet(s, &fn->type, &fn->type_at, want, e, func_subject(fn));
    return fn->type;
}

static enum value_type printed(struct sema *s, struct expr *e, enum value_type want)
{
    if (e->print & PRINT_FORMAT) {
        sema_check_format(s, e);
    } else {
        for (uint32_t i = 0; i < e->n_args; i++)
            if (e->args[i]->kind == EX_HIST)
                infer(s, e->args[i], TYPE_UNKNOWN);
            else
                sema_expect(s, e->args[i], e->print & PRINT_CHAR ? TYPE_LONG : TYPE_UNKNOWN);
    }
    return e->print & PRINT_TO_STRING ? TYPE_STRING : valued(TYPE_VOID, want);
}

static enum value_type target_expr(struct sema *s, struct expr *e)
{
    if (e->a)
        sema_expect(s, e->a, TYPE_LONG);
    for (struct component *c = e->comps; c; c = c->next)
        if (c->index)
            sema_expect(s, c->index, TYPE_LONG);
    return e->type == TYPE_STRING ? TYPE_STRING : TYPE_LONG; /* one that SystemTap resolves */
}

static enum value_type infer_kind(struct sema *s, struct expr *e, enum value_type want)
{
    enum value_type t;

    switch (e->kind) {
    case EX_STRING:
        return TYPE_STRING;
    case EX_NAME:
        return variable(s, e, e->var, want);
    case EX_UNARY:
    case EX_INCDEC:
        sema_expect(s, e->a, TYPE_LONG);
        return TYPE_LONG;
    case EX_BINARY:
        return binary(s, e);
    case EX_ASSIGN:
        return assignment(s, e, want);
    case EX_TERNARY:
        sema_expect(s, e->a, TYPE_LONG);
        t = agree(s, e->b, e->c, want);
        return t == TYPE_STATS ? conflict(s, e->b, t, TYPE_LONG) : t;
    case EX_INDEX:
        keys(s, e->a->var, e->args, e->n_args);
        return variable(s, e, e->a->var, want);
    case EX_IN:
        keys(s, e->a->var, e->args, e->n_args);
        return TYPE_LONG;
    case EX_CALL:
        return call(s, e, want);
    case EX_PRINT:
        return printed(s, e, want);
    case EX_STAT:
    case EX_HIST:
        sema_expect(s, e->a, TYPE_STATS);
        if (e->kind == EX_STAT && e->b)
            sema_expect(s, e->b, TYPE_LONG);
        return e->kind == EX_STAT ? TYPE_LONG : TYPE_STATS;
    case EX_TARGET:
    case EX_ATVAR:
    case EX_CAST:
    case EX_AUTOCAST:
        return target_expr(s, e);
    case EX_KDEREF:
    case EX_UDEREF:
        sema_expect(s, e->a, TYPE_LONG);
        sema_expect(s, e->b, TYPE_LONG);
        return TYPE_LONG;
    case EX_MATCH:
        sema_expect(s, e->a, TYPE_STRING);
        return TYPE_LONG;
    case EX_EMBEDDED: /* the C says so */
        return strstr(e->text, "/* string */") ? TYPE_STRING : TYPE_LONG;
    case EX_ANY:
        return TYPE_UNKNOWN;
    case EX_ERROR:
        return TYPE_ERROR;
    default: /* numbers, @defined, enumerators, registers, what is resolved */
        return TYPE_LONG;
    }
}

static enum value_type infer(struct sema *s, struct expr *e, enum value_type want)
{
    if (e->type == TYPE_ERROR)
        return TYPE_ERROR;
    enum value_type t = infer_kind(s, e, want);

    /* what infer_kind reported on E itself stays an error */
    return e->type == TYPE_ERROR ? TYPE_ERROR : (e->type = t);
}

/* ---- statements ---- */

static void statements(struct sema *s, struct function *fn, struct stmt *st);

static void foreach(struct sema *s, struct function *fn, struct stmt *st)
{
    struct variable *v = st->array->var;

    if (st->limit)
        sema_expect(s, st->limit, TYPE_LONG);
    keys(s, v, st->slice, st->n_slice);
    keys(s, v, st->keys, st->n_keys);
    if (v && st->value) {
        if (v->type == TYPE_STATS && s->report) {
            diag_error(s->diag, st->value->at, "type",
                       "the values of '%s' are aggregates, which no variable holds", v->name);
            diag_hint(s->diag, "use @count(%s[...]) and the like in the loop", v->name);
        } else if (v->type != TYPE_STATS) {
            meet(s, &v->type, &v->type_at, infer(s, st->value, v->type), st->value, var_subject(v));
        }
    }
    if (v && v->type == TYPE_STATS && st->sort_dir && st->sort_key == 0)
        v->stat_ops |= 1u << st->sort_stat;
    statements(s, fn, st->body);
}

/* For SystemTap alone: else it is a loop that counts. */
static void buckets(struct sema *s, struct function *fn, struct stmt *st)
{
    if (st->limit)
        sema_expect(s, st->limit, TYPE_LONG);
    infer(s, st->array, TYPE_STATS);
    sema_expect(s, st->keys[0], TYPE_LONG);
    if (st->value)
        sema_expect(s, st->value, TYPE_LONG);
    statements(s, fn, st->body);
}

static void returned(struct sema *s, struct function *fn, struct stmt *st)
{
    enum value_type t;

    if (!st->cond || !fn)
        return;
    t = infer(s, st->cond, fn->type);
    if (t == TYPE_STATS || t == TYPE_VOID)
        conflict(s, st->cond, t, TYPE_LONG);
    else
        meet(s, &fn->type, &fn->type_at, t, st->cond, func_subject(fn));
}

static void statement(struct sema *s, struct function *fn, struct stmt *st)
{
    switch (st->kind) {
    case ST_EXPR:
        infer(s, st->cond, TYPE_UNKNOWN);
        break;
    case ST_FOR:
    case ST_WHILE:
    case ST_IF:
        if (st->init)
            infer(s, st->init, TYPE_UNKNOWN);
        if (st->cond)
            sema_expect(s, st->cond, TYPE_LONG);
        if (st->step)
            infer(s, st->step, TYPE_UNKNOWN);
        statements(s, fn, st->body);
        statements(s, fn, st->other);
        break;
    case ST_FOREACH:
        if (st->array->kind == EX_NAME)
            foreach(s, fn, st);
        else if (st->array->kind == EX_HIST)
            buckets(s, fn, st);
        break;
    case ST_RETURN:
        returned(s, fn, st);
        break;
    case ST_DELETE:
        if (st->cond->kind == EX_INDEX)
            keys(s, st->cond->a->var, st->cond->args, st->cond->n_args);
        if (st->cond->kind == EX_INDEX || st->cond->kind == EX_NAME)
            infer(s, st->cond, TYPE_UNKNOWN);
        break;
    case ST_TRY:
        statements(s, fn, st->body);
        if (st->caught)
            sema_expect(s, st->caught, TYPE_STRING);
        statements(s, fn, st->other);
        break;
    default:
        statements(s, fn, st->body);
        break;
    }
}

static void statements(struct sema *s, struct function *fn, struct stmt *st)
{
    for (; st; st = st->next)
        statement(s, fn, st);
}

/* ---- the whole program ---- */

static void pass(struct sema *s)
{
    for (struct probe_inst *i = s->prog->insts; i; i = i->next)
        statements(s, NULL, i->body);
    for (uint32_t i = 0; i < s->n_funcs; i++)
        statements(s, s->funcs[i].fn, s->funcs[i].fn->body);
}

static void settle(struct sema *s)
{
    do {
        s->changed = false;
        pass(s);
        sema_retry_casts(s, false);
    } while (s->changed);
}

static void default_list(struct variable *v)
{
    for (; v; v = v->next) {
        if (v->type == TYPE_UNKNOWN)
            v->type = TYPE_LONG;
        for (uint32_t i = 0; v->key_types && i < v->n_keys; i++)
            if (v->key_types[i] == TYPE_UNKNOWN)
                v->key_types[i] = TYPE_LONG;
    }
}

bool sema_returns_value(const struct stmt *st)
{
    for (; st; st = st->next)
        if ((st->kind == ST_RETURN && st->cond) || sema_returns_value(st->body) ||
            sema_returns_value(st->other))
            return true;
    return false;
}

/* What nothing decides is long; a function that returns nothing, and whose value nobody wants, has
 * none. */
static void defaults(struct sema *s)
{
    default_list(s->prog->globals);
    for (struct probe_inst *i = s->prog->insts; i; i = i->next)
        default_list(i->locals);
    for (uint32_t i = 0; i < s->n_funcs; i++) {
        struct function *fn = s->funcs[i].fn;

        default_list(fn->params);
        default_list(fn->locals);
        if (fn->type == TYPE_UNKNOWN)
            fn->type = fn->is_embedded || sema_returns_value(fn->body) ? TYPE_LONG : TYPE_VOID;
    }
}

void sema_types(struct sema *s)
{
    for (struct variable *v = s->prog->globals; v; v = v->next)
        if (v->typed)
            v->type_at = v->at;
    settle(s);
    sema_retry_casts(s, true);
    sema_set_globals(s);
    defaults(s);
    settle(s);
    s->report = true;
    pass(s);
    s->report = false;
}
