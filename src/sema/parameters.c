/*
 * parameters: $$parms and $$return at functions and tracepoints of the kernel. Enters: such an
 * expression in the first walk; leaves: sprintf("a=%#x b=%#x", $a, $b) in its place, as SystemTap
 * words it, with a ? for what has no value. Left alone: other probes, whose locals are not told
 * from parameters here.
 */
#include "sema/internal.h"

#include <string.h>

struct parameters {
    struct sema *s;
    bool result; /* $$return is wanted */
    const char *format, *args;
};

static bool is_number(const struct ctype *t)
{
    switch (ctype_kind(t)) {
    case CT_INT:
    case CT_BOOL:
    case CT_CHAR:
    case CT_POINTER:
    case CT_ENUM:
        return true;
    default:
        return false;
    }
}

/* Can $NAME be read here? */
static bool is_readable(struct parameters *p, const char *text)
{
    struct probe_env env = sema_env(p->s);
    struct expr e = {.kind = EX_TARGET, .text = text};
    struct probe_var var;

    diag_try_begin(p->s->diag);
    bool ok = p->s->inst->type->target_var(&env, p->s->inst, &e, &var);

    diag_try_end(p->s->diag);
    return ok;
}

static void add(const char *name, const struct ctype *type, void *arg)
{
    struct parameters *p = arg;
    struct arena *a = p->s->arena;
    const char *text = arena_printf(a, "$%s", name);

    if (!strcmp(name, "return") != p->result)
        return;
    bool known = is_number(type) && is_readable(p, text);

    p->format =
        arena_printf(a, "%s%s%s=%s", p->format, *p->format ? " " : "", name, known ? "%#x" : "?");
    if (known)
        p->args = arena_printf(a, "%s, %s", p->args, text);
}

static void place(struct expr *e, void *arg)
{
    const struct expr *like = arg;

    e->at = like->at;
    e->op_at = like->op_at;
}

bool sema_parameters(struct sema *s, struct expr *e)
{
    struct parameters p = {
        .s = s, .format = "", .args = "", .result = !strcmp(e->text, "$$return")};
    struct program ours = {0};

    if ((!p.result && strcmp(e->text, "$$parms") != 0) || !s->inst || s->fn || s->in_defined ||
        sema_is_theirs(s) || !s->inst->type->variables)
        return false;
    switch (attach_kind(s->inst->type->kind)->context) {
    case CONTEXT_EVENT:
    case CONTEXT_KERNEL:
        break;
    default:
        return false;
    }
    s->inst->type->variables(s->inst, add, &p);
    if (!sema_parse(
            s, "<$$parms>",
            arena_printf(s->arena, "probe never { print(sprintf(\"%s\"%s)) }\n", p.format, p.args),
            &ours))
        return false;
    struct stmt *st = ours.probes->body;

    while (st->kind == ST_BLOCK)
        st = st->body;
    struct expr *text = expr_clone(s->arena, st->cond->args[0]);

    expr_visit(text, place, e);
    *e = *text;
    return true;
}
