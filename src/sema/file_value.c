/*
 * file_value: $value of a file that the session has (procfs). Enters: $value in such a handler, and
 * what is assigned to it; leaves: calls of hidden functions, but for SystemTap, which has the
 * variable. Refused, as SystemTap does: another variable, members of it, reading what is to be set,
 * setting what was written.
 */
#include "sema/internal.h"

#include <string.h>

static void become_call(struct sema *s, struct expr *e, const char *name, struct expr *arg)
{
    struct expr *call = expr_new(s->arena, EX_CALL, e->at);

    call->op_at = e->op_at;
    call->text = name;
    if (arg) {
        call->args = ARENA_ARRAY(s->arena, struct expr *, 1);
        call->args[0] = arg;
        call->n_args = 1;
    }
    *e = *call;
}

bool sema_is_file_value(const struct sema *s, const struct expr *e)
{
    return e->kind == EX_TARGET && s->inst && !s->fn &&
           attach_has(s->inst->type->kind, ATTACH_FILE);
}

/* Can E be used like that: SET, or read? */
static bool is_good(struct sema *s, const struct expr *e, bool set)
{
    bool read = s->inst->type->kind == PROBE_FILE_READ;

    if (strcmp(e->text, "$value") != 0)
        return diag_error(s->diag, e->op_at, "no-var", "a probe at %s has $value alone, and no %s",
                          s->inst->name, e->text);
    if (e->comps || e->address_of)
        return diag_error(s->diag, e->op_at, "type", "$value is a string");
    if (set == read)
        return true;
    diag_error(s->diag, e->op_at, "type",
               set ? "$value is what was written to the file, and cannot be set"
                   : "$value is what is to be read from the file, and has no value here");
    if (!set)
        diag_hint(s->diag, "$value = \"...\" sets it, $value .= \"...\" adds to it");
    return false;
}

bool sema_file_value(struct sema *s, struct expr *e, bool set)
{
    e->type = is_good(s, e, set) ? TYPE_STRING : TYPE_ERROR;
    if (e->type == TYPE_ERROR || s->opts->stap)
        return e->type != TYPE_ERROR;
    if (!set)
        become_call(s, e, "__file_value", NULL);
    return true;
}

bool sema_set_file_value(struct sema *s, struct expr *e)
{
    if (!sema_file_value(s, e->a, true))
        return false;
    if (e->op != OP_NONE && e->op != OP_CONCAT)
        return diag_error(s->diag, e->op_at, "type", "$value is a string: it takes = and .=");
    if (!s->opts->stap)
        become_call(s, e, e->op == OP_NONE ? "__file_value_set" : "__file_value_add", e->b);
    return true;
}
