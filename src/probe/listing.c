/*
 * listing: a place where a handler would run, as -l and -L of stap show it. Enters: an instance;
 * leaves: its probe point, the variables of the alias that it came by, and the target variables
 * that are in scope there, with their types in SystemTap's words (dwarf_type_name of its
 * dwflpp.cxx): qualifiers follow what they qualify, arrays have no length.
 */
#include "probe/probe.h"

#include <string.h>

enum { TYPE_DEPTH_MAX = 64 }; /* debug information is untrusted: a type may be made of itself */

struct type_name {
    const char *text;
    const struct ctype *function; /* met on the way: its parameters follow */
};

static const char *type_text(struct arena *a, const struct ctype *t, int depth);

static struct type_name name_of(struct arena *a, const struct ctype *t, int depth);

/* What T is made of, with MODIFIER behind it. */
static struct type_name modified(struct arena *a, const struct cdecl *d, const char *modifier,
                                 int depth)
{
    struct type_name n = name_of(a, d->of, depth + 1);

    n.text = arena_printf(a, "%s%s", n.text, modifier);
    return n;
}

static struct type_name name_of(struct arena *a, const struct ctype *t, int depth)
{
    struct cdecl d, inner;
    const char *tag = "";

    if (depth > TYPE_DEPTH_MAX)
        return (struct type_name){"...", NULL};
    ctype_decl(t, &d);
    switch (d.kind) {
    case CD_POINTER:
        return modified(a, &d, "*", depth);
    case CD_CONST:
        return modified(a, &d, " const", depth);
    case CD_VOLATILE:
        return modified(a, &d, " volatile", depth);
    case CD_RESTRICT:
        return modified(a, &d, " restrict", depth);
    case CD_ATOMIC:
        return modified(a, &d, " _Atomic", depth);
    case CD_ARRAY: /* once for all of its dimensions */
        ctype_decl(d.of, &inner);
        return inner.kind == CD_ARRAY ? name_of(a, d.of, depth + 1) : modified(a, &d, "[]", depth);
    case CD_FUNC:
        return (struct type_name){"", t};
    case CD_VOID:
        return (struct type_name){"void", NULL};
    case CD_STRUCT:
        tag = "struct ";
        break;
    case CD_UNION:
        tag = "union ";
        break;
    case CD_ENUM:
        tag = "enum ";
        break;
    case CD_BASE:
    case CD_TYPEDEF:
    case CD_OTHER:
        break;
    }
    return (struct type_name){arena_printf(a, "%s%s", tag, d.name ? d.name : "{...}"), NULL};
}

struct parameters {
    struct arena *a;
    const char *text;
    int depth;
};

static void add_parameter(const struct ctype *t, void *arg)
{
    struct parameters *p = arg;

    p->text = arena_printf(p->a, "%s%s%s", p->text, *p->text ? ", " : "",
                           t ? type_text(p->a, t, p->depth) : "...");
}

static const char *type_text(struct arena *a, const struct ctype *t, int depth)
{
    struct type_name n = name_of(a, t, depth);
    struct parameters p = {a, "", depth + 1};
    struct cdecl d;

    if (!n.function || depth > TYPE_DEPTH_MAX)
        return n.text;
    ctype_decl(n.function, &d);
    ctype_params(n.function, add_parameter, &p);
    return arena_printf(a, "%s (%s) (%s)", type_text(a, d.of, depth + 1), n.text,
                        *p.text ? p.text : "void");
}

struct listing {
    struct arena *a;
    const char *text;
};

static void add_variable(const char *name, const struct ctype *type, void *arg)
{
    struct listing *l = arg;

    l->text =
        arena_printf(l->a, "%s $%s:%s", l->text, name, type ? type_text(l->a, type, 0) : "long");
}

const char *probe_listed(struct arena *a, const struct probe_inst *inst, bool variables)
{
    struct listing l = {a, inst->alias ? inst->alias : inst->name};

    if (!variables)
        return l.text;
    for (const struct variable *v = inst->locals; v; v = v->next)
        if (strncmp(v->name, "__", 2) != 0)
            l.text = arena_printf(a, "%s %s:%s", l.text, v->name,
                                  v->type == TYPE_STRING ? "string" : "long");
    if (inst->type->variables)
        inst->type->variables(inst, add_variable, &l);
    return l.text;
}
