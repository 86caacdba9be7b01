/*
 * pointer_keys: arrays keyed by a program's pointer alone. Enters: an element that is written;
 * leaves: a warning, once an array, where several processes are looked at: workers of one program
 * have their things at the same addresses, so that their elements are one. Not judged: the
 * library's own arrays, keys with more parts, and what is not known to be a pointer.
 */
#include "sema/internal.h"

static bool has_several(const struct target *t)
{
    return t->n_pids > 1 || (t->kind != TARGET_PID && t->kind != TARGET_CMD);
}

static bool is_of_library(const struct sema *s, const struct expr *e)
{
    const struct source *src = source_get(s->cx->sources, span_file(s->cx->sources, e->at));

    return src && src->tapset;
}

void sema_warn_pointer_key(struct sema *s, const struct expr *e, const struct variable *v)
{
    const struct ctype *t = e->n_args == 1 ? sema_ctype(e->args[0]) : NULL;

    if (!t || ctype_kind(t) != CT_POINTER || ctype_is_kernel(t) || s->in_defined ||
        v->scope != VAR_GLOBAL || !has_several(s->target) || is_of_library(s, e))
        return;
    for (uint32_t i = 0; i < s->n_pointer_keyed; i++)
        if (s->pointer_keyed[i] == v)
            return;
    s->pointer_keyed =
        arena_grow(s->arena, s->pointer_keyed, s->n_pointer_keyed, sizeof(*s->pointer_keyed));
    s->pointer_keyed[s->n_pointer_keyed++] = v;
    diag_warning(s->diag, e->args[0]->at,
                 "'%s' is keyed by an address of the program: in several processes the same "
                 "address is something else in each, but one element here",
                 v->name);
    diag_hint(s->diag, "key it by the process, too: %s[pid(), ...]", v->name);
}
