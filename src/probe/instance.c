/*
 * instance: what a resolved probe point leaves. Enters: a point and its row; leaves: an instance at
 * the end of the program's list, named as pp() shows it, with a handler's body of its own.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "probe/tables.h"
#include "syntax/syntax.h"

const char *probe_point_text(struct arena *a, const struct probe_point *point)
{
    struct probe_point plain = *point;
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);

    if (!out)
        return "";
    plain.next = NULL;
    plain.optional = plain.sufficient = false;
    plain.condition = NULL; /* the handler's body tests it */
    syntax_print_point(out, &plain);
    fclose(out);
    const char *copy = arena_strdup(a, text);

    free(text);
    return copy;
}

const char *probe_names(struct arena *a, const struct probe_point *point)
{
    const char *s = "";

    for (const struct point_part *p = point->parts; p; p = p->next)
        s = arena_printf(a, "%s%s%s", s, *s ? "." : "", p->name);
    return s;
}

struct probe_point *probe_point_with(struct arena *a, const struct probe_point *point,
                                     const char *const *values)
{
    struct probe_point *copy = ARENA_NEW(a, struct probe_point);
    struct point_part **tail = &copy->parts;

    *copy = *point;
    copy->next = NULL;
    for (const struct point_part *from = point->parts; from; from = from->next, values++) {
        *tail = ARENA_NEW(a, struct point_part);
        **tail = *from;
        if (*values && (from->arg || from == point->parts))
            (*tail)->arg = expr_string(a, from->at, *values, (uint32_t)strlen(*values));
        (*tail)->next = NULL;
        tail = &(*tail)->next;
    }
    *tail = NULL;
    return copy;
}

struct probe_inst *probe_add(struct probe_env *env, struct probe_point *point,
                             const struct probe_type *type)
{
    struct arena *a = env->cx->arena;
    struct probe_inst *inst = ARENA_NEW(a, struct probe_inst);

    inst->probe = env->probe;
    inst->point = point;
    inst->type = type;
    inst->name = probe_point_text(a, point);
    inst->body = env->probe->body ? stmt_clone(a, env->probe->body) : NULL;
    *env->tail = inst;
    env->tail = &inst->next;
    return inst;
}

static void find_place(struct expr *e, void *arg)
{
    bool *depends = arg;

    switch (e->kind) {
    case EX_TARGET:
    case EX_DEFINED:
    case EX_ENTRY:
    case EX_AUTOCAST:
    case EX_EMBEDDED:
        *depends = true;
        break;
    case EX_ATVAR: /* a local of the function, where it has one of that name */
        *depends |= !strchr(e->text, '@');
        break;
    default:
        break;
    }
}

bool probe_depends_on_place(const struct probe *probe)
{
    bool depends = false;

    stmt_visit_exprs(probe->body, find_place, &depends);
    return depends;
}
