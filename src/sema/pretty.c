/*
 * pretty: values as text. Enters: $$vars, $$parms, $$locals, $$return, or a target expression that
 * ends in $ or $$; leaves: a sprintf of target expressions in its place, which is walked as if the
 * script had said so. The text is SystemTap's: of a pointer what it points to, members by name, of
 * an array the first element, deeper structures with $$ only; what cannot be read is "?". Refused:
 * nothing by itself; what the expression lacks is told when it is walked.
 */
#include "sema/internal.h"

#include <string.h>

enum { VALUES_MAX = 32, DEPTH_MAX = 16 }; /* as SystemTap has them; types may nest without end */

struct text {
    struct sema *s;
    const struct expr *e; /* as written */
    const char *fmt;
    struct expr **args;
    uint32_t n;
    bool full; /* $$ */
};

static void put(struct text *t, const char *more)
{
    t->fmt = arena_printf(t->s->arena, "%s%s", t->fmt, more);
}

static void put_value(struct text *t, const char *conversion, struct expr *value)
{
    put(t, conversion);
    t->args = arena_grow(t->s->arena, t->args, t->n, sizeof(*t->args));
    t->args[t->n++] = value;
}

/* E with one component more. */
static struct expr *with(struct text *t, const struct expr *e, enum component_kind kind,
                         const char *name)
{
    struct expr *copy = expr_clone(t->s->arena, e);
    struct component **tail = &copy->comps, *c = ARENA_NEW(t->s->arena, struct component);

    while (*tail)
        tail = &(*tail)->next;
    *c = (struct component){.kind = kind, .name = name, .at = e->at};
    *tail = c;
    return copy;
}

static bool resolves(struct sema *s, struct expr *e)
{
    diag_try_begin(s->diag);
    bool ok = sema_target_expr(s, e);

    diag_try_end(s->diag);
    return ok;
}

/* The C type of E, which may be a whole structure; *KNOWN: there is such a thing. */
static const struct ctype *type_of(struct sema *s, const struct expr *e, bool *known)
{
    struct expr *value = expr_clone(s->arena, e), *address = expr_clone(s->arena, e);

    *known = true;
    address->address_of = true;
    if (resolves(s, address) && address->ctype)
        return ctype_target(address->ctype);
    *known = resolves(s, value);
    return *known ? value->ctype : NULL;
}

static void put_any(struct text *t, const struct expr *e, const struct ctype *type, bool top,
                    int depth);

static bool put_chars(struct text *t, const struct expr *e, const struct ctype *of)
{
    struct expr *call;

    if (!of || ctype_kind(of) != CT_CHAR || ctype_size(of) != 1)
        return false;
    call = expr_new(t->s->arena, EX_CALL, e->at);
    call->op_at = e->op_at;
    call->text = ctype_is_kernel(of) ? "kernel_string_quoted" : "user_string_quoted";
    call->args = ARENA_ARRAY(t->s->arena, struct expr *, 1);
    call->args[0] = expr_clone(t->s->arena, e);
    call->n_args = 1;
    put_value(t, "%s", call);
    return true;
}

static void put_array(struct text *t, const struct expr *e, const struct ctype *type, bool top,
                      int depth)
{
    if (!top && !t->full) {
        put(t, "[...]");
        return;
    }
    if (put_chars(t, e, ctype_target(type)))
        return;
    put(t, "[");
    put_any(t, with(t, e, COMP_INDEX, NULL), ctype_target(type), false, depth + 1);
    put(t, ", ...]");
}

static void put_pointer(struct text *t, const struct expr *e, const struct ctype *type, bool top,
                        int depth)
{
    const struct ctype *to = ctype_target(type);
    enum ctype_kind kind = to ? ctype_kind(to) : CT_VOID;

    if (put_chars(t, e, to))
        return;
    if (!top || kind == CT_VOID)
        put_value(t, "%p", expr_clone(t->s->arena, e));
    else if (kind == CT_STRUCT || kind == CT_UNION) /* members go through it */
        put_any(t, e, to, top, depth + 1);
    else
        put_any(t, with(t, e, COMP_INDEX, NULL), to, top, depth + 1);
}

struct members {
    struct text *t;
    const struct expr *e;
    uint32_t n;
    int depth;
};

static void put_member(const struct cfield *f, void *arg)
{
    struct members *m = arg;
    struct text *t = m->t;
    const struct expr *e = m->e;

    if (t->n > VALUES_MAX)
        return;
    if (m->n++)
        put(t, ", ");
    if (t->n == VALUES_MAX) {
        put(t, "...");
        t->n++; /* no more */
        return;
    }
    if (f->name) {
        put(t, arena_printf(t->s->arena, ".%s=", f->name));
        e = with(t, e, COMP_MEMBER, f->name);
    } else {
        put(t, ctype_kind(f->type) == CT_UNION ? "<union>=" : "<class>=");
    }
    if (f->bit_size)
        put_value(t, ctype_signed(f->type) ? "%i" : "%u", expr_clone(t->s->arena, e));
    else
        put_any(t, e, f->type, false, m->depth + 1);
}

static void put_struct(struct text *t, const struct expr *e, const struct ctype *type, bool top,
                       int depth)
{
    struct members m = {t, e, 0, depth};
    struct cdecl d;

    ctype_decl(type, &d);
    for (int i = 0; i < DEPTH_MAX && d.of && d.kind != CD_STRUCT && d.kind != CD_UNION; i++) {
        type = d.of; /* a typedef, a qualifier */
        ctype_decl(type, &d);
    }
    if (d.incomplete || !(top || t->full)) {
        put(t, "{...}");
        return;
    }
    put(t, "{");
    ctype_fields(d.self ? d.self : type, put_member, &m);
    put(t, "}");
}

static void put_any(struct text *t, const struct expr *e, const struct ctype *type, bool top,
                    int depth)
{
    if (depth > DEPTH_MAX) {
        put(t, "...");
        return;
    }
    switch (type ? ctype_kind(type) : CT_VOID) {
    case CT_VOID:
        put_value(t, "%p", expr_clone(t->s->arena, e));
        break;
    case CT_INT:
    case CT_BOOL:
    case CT_ENUM:
        put_value(t, ctype_signed(type) ? "%i" : "%u", expr_clone(t->s->arena, e));
        break;
    case CT_CHAR:
        put_value(t, "'%#c'", expr_clone(t->s->arena, e));
        break;
    case CT_ARRAY:
        put_array(t, e, type, top, depth);
        break;
    case CT_POINTER:
        put_pointer(t, e, type, top, depth);
        break;
    case CT_FUNC:
        put_value(t, "<function>:%p", expr_clone(t->s->arena, e));
        break;
    case CT_STRUCT:
    case CT_UNION:
        put_struct(t, e, type, top, depth);
        break;
    default:
        put(t, "?");
        break;
    }
}

/* ---- $x$ ---- */

static bool is_pretty(const struct component *c)
{
    return c && (c->kind == COMP_PRETTY || c->kind == COMP_PRETTY2);
}

static const struct component *last(const struct expr *e)
{
    const struct component *c = e->comps;

    while (c && c->next)
        c = c->next;
    return c;
}

/* E without its last component. */
static struct expr *plain(struct sema *s, const struct expr *e)
{
    struct expr *copy = expr_clone(s->arena, e);
    struct component **tail = &copy->comps;

    while (*tail && (*tail)->next)
        tail = &(*tail)->next;
    *tail = NULL;
    return copy;
}

static bool put_expr(struct text *t, const struct expr *e)
{
    bool known;
    const struct ctype *type = type_of(t->s, e, &known);

    if (known)
        put_any(t, e, type, true, 0);
    return known;
}

/* ---- $$vars ---- */

struct group {
    struct text *t;
    bool params, locals, pretty;
    uint32_t n;
};

static struct expr *variable(struct text *t, const char *name)
{
    struct expr *e = expr_new(t->s->arena, EX_TARGET, t->e->at);

    e->op_at = t->e->op_at;
    e->text = arena_printf(t->s->arena, "$%s", name);
    return e;
}

static void put_variable(const char *name, bool is_param, void *arg)
{
    struct group *g = arg;
    struct text *t = g->t;
    struct expr *e = variable(t, name);
    bool known;

    if (!(is_param ? g->params : g->locals) || !strcmp(name, "return") || t->n > VALUES_MAX)
        return;
    put(t, arena_printf(t->s->arena, "%s%s=", g->n++ ? " " : "", name));
    if (t->n == VALUES_MAX) {
        put(t, "...");
        t->n++;
        return;
    }
    const struct ctype *type = type_of(t->s, e, &known);
    enum ctype_kind kind = type ? ctype_kind(type) : CT_VOID;

    if (!known)
        put(t, "?");
    else if (g->pretty)
        put_any(t, e, type, true, 0);
    else if (kind == CT_STRUCT || kind == CT_UNION)
        put(t, "{...}");
    else if (kind == CT_ARRAY)
        put(t, "[...]");
    else if (kind == CT_FLOAT || kind == CT_OTHER)
        put(t, "?");
    else
        put_value(t, "%#x", e);
}

static bool put_group(struct text *t, const char *name, bool pretty)
{
    bool vars = !strcmp(name, "$$vars");
    struct group g = {.t = t,
                      .params = vars || !strcmp(name, "$$parms"),
                      .locals = vars || !strcmp(name, "$$locals"),
                      .pretty = pretty};

    if (!strcmp(name, "$$return")) {
        g.params = true;
        struct expr *e = variable(t, "return");
        bool known;
        const struct ctype *type = type_of(t->s, e, &known);

        if (!known)
            return true;
        put(t, "return=");
        if (pretty)
            put_any(t, e, type, true, 0);
        else
            put_value(t, "%#x", e);
        return true;
    }
    if (!g.params && !g.locals)
        return false;
    probe_locals(t->s->inst, put_variable, &g);
    return true;
}

/* ---- in place ---- */

static void replace(struct text *t, struct expr *e)
{
    struct expr *text = expr_new(t->s->arena, EX_PRINT, e->at);

    text->op_at = e->op_at;
    text->print = PRINT_TO_STRING | PRINT_FORMAT;
    text->text = "sprintf";
    text->fmt = t->fmt;
    text->fmt_len = (uint32_t)strlen(t->fmt);
    text->args = t->args;
    text->n_args = t->n > VALUES_MAX ? VALUES_MAX : t->n;
    *e = *text;
}

bool sema_pretty(struct sema *s, struct expr *e)
{
    struct text t = {.s = s, .e = e, .fmt = ""};
    const struct component *end = last(e);
    bool group = e->kind == EX_TARGET && !strncmp(e->text, "$$", 2);

    t.full = end && end->kind == COMP_PRETTY2;
    if (e->address_of || sema_is_theirs(s) || (!group && !is_pretty(end)))
        return false;
    if (group && (s->fn || !s->inst || !s->inst->type->target_var))
        return false;
    if (!(group ? put_group(&t, e->text, is_pretty(end)) : put_expr(&t, plain(s, e))))
        return false;
    replace(&t, e);
    return true;
}
