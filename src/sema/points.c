/*
 * points: probe points. Enters: a probe as written; leaves: its instances at the end of the
 * program's list, after aliases (the script's, then the library's) are expanded with their
 * prologues and epilogues, and each point is given to its probe type. a? may fail in silence; a!
 * also ends the list when it does not. Refused: aliases that lead to themselves, conditions on
 * probe points.
 */
#include "sema/internal.h"

#include <fnmatch.h>
#include <string.h>

/* The aliases that are being expanded, the innermost first. */
struct chain {
    const struct chain *outer;
    const struct probe *alias;
};

static void resolve_list(struct sema *s, struct probe *probe, struct probe_point *list,
                         const struct chain *chain);

static bool is_within(const struct chain *chain, const struct probe *alias)
{
    while (chain && chain->alias != alias)
        chain = chain->outer;
    return chain;
}

/* Where in POINT the alias's name ends, when it starts with it; *REST: the parts that follow. */
static bool is_alias_of(const struct probe_point *alias, const struct probe_point *point,
                        struct point_part **rest)
{
    const struct point_part *a = alias->parts;
    struct point_part *p = point->parts;

    for (; a && p; a = a->next, p = p->next)
        if (p->arg || fnmatch(p->name, a->name, 0))
            return false;
    *rest = p;
    return !a;
}

static struct stmt *append(struct stmt *list, struct stmt *more)
{
    struct stmt *last = list;

    if (!list)
        return more;
    while (last->next)
        last = last->next;
    last->next = more;
    return list;
}

/* The alias's body around the probe's. */
static struct probe *with_alias(struct sema *s, struct probe *probe, const struct probe *alias)
{
    struct probe *both = ARENA_NEW(s->arena, struct probe);
    struct stmt *own = stmt_clone(s->arena, probe->body),
                *theirs = stmt_clone(s->arena, alias->body);

    *both = *probe;
    both->next = NULL;
    both->body = alias->epilogue ? append(own, theirs) : append(theirs, own);
    if (alias->epilogue_body)
        both->body = append(both->body, stmt_clone(s->arena, alias->epilogue_body));
    return both;
}

static struct point_part *copy_parts(struct sema *s, const struct point_part *from,
                                     struct point_part *rest, uint32_t expn)
{
    struct point_part *first = NULL, **tail = &first;

    for (; from; from = from->next, tail = &(*tail)->next) {
        *tail = ARENA_NEW(s->arena, struct point_part);
        **tail = *from;
        (*tail)->at.expn = expn;
        if (from->arg) {
            (*tail)->arg = expr_clone(s->arena, from->arg);
            (*tail)->arg->at.expn = expn;
        }
        (*tail)->next = NULL;
    }
    *tail = rest;
    return first;
}

/* The alias's points with what follows its name in POINT, placed so that messages show both. */
static struct probe_point *expanded(struct sema *s, const struct probe *alias,
                                    const struct probe_point *point, struct point_part *rest)
{
    struct probe_point *first = NULL, **tail = &first;
    const char *name = "";

    for (const struct point_part *p = alias->alias->parts; p; p = p->next)
        name = arena_printf(s->arena, "%s%s%s", name, *name ? "." : "", p->name);
    uint32_t expn =
        expansion_add(s->cx->sources, arena_printf(s->arena, "in the alias '%s'", name), point->at);

    for (const struct probe_point *p = alias->points; p; p = p->next, tail = &(*tail)->next) {
        *tail = ARENA_NEW(s->arena, struct probe_point);
        **tail = *p;
        (*tail)->next = NULL;
        (*tail)->at.expn = expn;
        (*tail)->parts = copy_parts(s, p->parts, rest, expn);
    }
    return first;
}

static bool try_aliases(struct sema *s, struct probe *aliases, struct probe *probe,
                        struct probe_point *point, const struct chain *chain)
{
    bool found = false;

    for (struct probe *alias = aliases; alias; alias = alias->next)
        for (struct probe_point *name = alias->alias; name; name = name->next) {
            struct point_part *rest;

            if (!is_alias_of(name, point, &rest))
                continue;
            found = true;
            if (is_within(chain, alias)) {
                diag_error(s->diag, point->at, "probe", "this alias leads to itself");
                return true;
            }
            sema_choose(s, alias->at.file);
            resolve_list(s, with_alias(s, probe, alias), expanded(s, alias, point, rest),
                         &(struct chain){chain, alias});
        }
    return found;
}

static bool is_wild(const struct probe_point *point)
{
    for (const struct point_part *p = point->parts; p; p = p->next)
        if (strpbrk(p->name, "*?["))
            return true;
    return false;
}

static void resolve_one(struct sema *s, struct probe *probe, struct probe_point *point,
                        const struct chain *chain)
{
    struct probe_env env = sema_env(s);
    bool found = try_aliases(s, s->prog->aliases, probe, point, chain);

    if (!found)
        for (struct sema_file *f = s->files; f && !found;
             f = is_wild(point) || !found ? f->next : NULL)
            found = try_aliases(s, f->prog.aliases, probe, point, chain);
    if (found)
        return;
    if (point->condition) {
        diag_error(s->diag, point->condition->at, "not-yet",
                   "conditions on probe points do not run yet");
        diag_hint(s->diag, "test it in the handler: if (!(...)) next");
        return;
    }
    const struct probe_type *type = probe_match(s->cx, point);

    if (!type)
        return;
    env.probe = probe;
    env.tail = s->tail;
    type->resolve(&env, point, type);
    s->tail = env.tail;
}

static void resolve_list(struct sema *s, struct probe *probe, struct probe_point *list,
                         const struct chain *chain)
{
    for (struct probe_point *p = list; p && !diag_stopped(s->diag); p = p->next) {
        struct probe_inst **before = s->tail;
        bool may_fail = p->optional || p->sufficient;

        if (may_fail)
            diag_try_begin(s->diag);
        resolve_one(s, probe, p, chain);
        if (may_fail)
            diag_try_end(s->diag);
        if (p->sufficient && s->tail != before)
            break;
    }
}

void sema_points(struct sema *s, struct probe *probe)
{
    resolve_list(s, probe, probe->points, NULL);
}
