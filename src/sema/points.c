/*
 * points: probe points. Enters: a probe as written; leaves: its instances at the end of the
 * program's list, after aliases (the script's, then the library's) are expanded with their
 * prologues and epilogues, and each point is given to its probe type. a? may fail in silence, when
 * what it names is not there; what this version cannot do is warned of. a! also ends the list when
 * it does not fail. A point's condition becomes the first test of its handlers. Refused: aliases
 * that lead to themselves, conditions that call or change anything.
 */
#include "sema/internal.h"

#include <fnmatch.h>

#include "base/bytes.h"

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

/* The library's file that ALIAS stands in, if what it sets may be left out where nothing reads it;
 * else NULL. */
static const struct sema_file *offers(const struct sema *s, const struct probe *alias)
{
    const struct source *src = source_get(s->cx->sources, sema_file(s, alias->at));
    const struct sema_file *f = s->files;

    while (f && f->src != src)
        f = f->next;
    return f && f->offers && !alias->epilogue && !alias->epilogue_body ? f : NULL;
}

/* The alias's body around the probe's. */
static struct probe *with_alias(struct sema *s, struct probe *probe, const struct probe *alias)
{
    struct probe *both = ARENA_NEW(s->arena, struct probe);
    struct stmt *own = stmt_clone(s->arena, probe->body),
                *theirs = stmt_clone(s->arena, alias->body),
                *behind = stmt_clone(s->arena, alias->epilogue_body);

    const struct sema_file *f = offers(s, alias);

    sema_probewrite(theirs, own);
    sema_probewrite(behind, own);
    if (f && !s->opts->apart)
        theirs = sema_without_unread(s, theirs, own, !f->theirs);
    *both = *probe;
    both->next = NULL;
    both->body = alias->epilogue ? append(own, theirs) : append(theirs, own);
    if (behind)
        both->body = append(both->body, behind);
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

/* Either may be NULL. */
static struct expr *both_conditions(struct sema *s, struct expr *a, struct expr *b)
{
    return a && b ? expr_binary(s->arena, OP_LAND, a, b) : a ? a : b;
}

/* The alias's points with what follows its name in POINT, placed so that messages show both. */
static struct probe_point *expanded(struct sema *s, const struct probe *alias,
                                    const struct probe_point *point, struct point_part *rest)
{
    struct probe_point *first = NULL, **tail = &first;
    const char *name = probe_names(s->arena, alias->alias);
    uint32_t expn =
        expansion_add(s->cx->sources, arena_printf(s->arena, "in the alias '%s'", name), point->at);

    for (const struct probe_point *p = alias->points; p; p = p->next, tail = &(*tail)->next) {
        *tail = ARENA_NEW(s->arena, struct probe_point);
        **tail = *p;
        (*tail)->next = NULL;
        (*tail)->at.expn = expn;
        (*tail)->parts = copy_parts(s, p->parts, rest, expn);
        (*tail)->condition = both_conditions(s, p->condition, point->condition);
    }
    return first;
}

static bool is_wild(const struct probe_point *point)
{
    for (const struct point_part *p = point->parts; p; p = p->next)
        if (has_wildcard(p->name))
            return true;
    return false;
}

/* What -l calls the instances from FIRST on. */
static void note_alias(struct sema *s, struct probe_inst *first, const struct probe_point *name,
                       struct point_part *rest)
{
    struct probe_point whole = {.parts = copy_parts(s, name->parts, rest, 0)};
    const char *text = first ? probe_point_text(s->arena, &whole) : NULL;

    for (struct probe_inst *i = first; i; i = i->next)
        i->alias = text;
}

/* WHOLE: aliases named POINT, else those that it goes on from: a suffix is for their points. */
static bool try_aliases(struct sema *s, struct probe *aliases, struct probe *probe,
                        struct probe_point *point, const struct chain *chain, bool whole)
{
    bool found = false;

    for (struct probe *alias = aliases; alias; alias = alias->next)
        for (struct probe_point *name = alias->alias; name; name = name->next) {
            struct point_part *rest;

            if (!is_alias_of(name, point, &rest) || whole != !rest)
                continue;
            struct probe_inst **before = s->tail;

            found = true;
            if (is_within(chain, alias)) {
                diag_error(s->diag, point->at, "probe", "this alias leads to itself");
                return true;
            }
            sema_choose(s, sema_file(s, alias->at)); /* first: its globals count */
            struct probe *both = with_alias(s, probe, alias);
            struct probe_point *points = expanded(s, alias, point, rest);

            for (struct probe_point *p = is_wild(point) ? points : NULL; p; p = p->next)
                p->optional = true; /* of many */
            resolve_list(s, both, points, &(struct chain){chain, alias});
            if (!chain)
                note_alias(s, *before, name, rest);
        }
    return found;
}

/* SystemTap's own aliases, where it is the back end: what they set is known to it alone. */
static bool is_theirs(const struct sema *s, const struct probe_point *point)
{
    return s->opts->stap && probe_is_family(point->parts->name);
}

/* Those of the first library file that has the name; for a wildcard all. THEIRS: SystemTap's. */
static bool try_library(struct sema *s, struct probe *probe, struct probe_point *point,
                        const struct chain *chain, bool whole, bool theirs)
{
    bool found = false;

    for (struct sema_file *f = s->files; f && (!found || is_wild(point)); f = f->next)
        if (f->theirs == theirs)
            found |= try_aliases(s, f->prog.aliases, probe, point, chain, whole);
    return found;
}

/* SystemTap's own aliases, as far as its files have been read. */
static bool resolve_in_systemtap(struct sema *s, struct probe *probe, struct probe_point *point,
                                 const struct chain *chain)
{
    return try_library(s, probe, point, chain, true, true) ||
           try_library(s, probe, point, chain, false, true);
}

/* The script's aliases, else our library's. */
static bool resolve_alias(struct sema *s, struct probe *probe, struct probe_point *point,
                          const struct chain *chain, bool whole)
{
    bool found = try_aliases(s, s->prog->aliases, probe, point, chain, whole);

    if (is_theirs(s, point))
        return found;
    sema_tapset_probes(s, point->parts->name);
    if (!found || is_wild(point))
        found |= try_library(s, probe, point, chain, whole, false);
    return found;
}

/* ---- conditions ---- */

struct condition {
    struct sema *s;
    bool bad;
};

static void check_condition(struct expr *e, void *arg)
{
    struct condition *c = arg;
    const char *what = NULL;

    switch (e->kind) {
    case EX_NUMBER:
    case EX_STRING:
    case EX_UNARY:
    case EX_BINARY:
    case EX_TERNARY:
    case EX_INDEX:
    case EX_ANY:
    case EX_IN:
    case EX_MATCH:
    case EX_STAT:
    case EX_ERROR:
        return;
    case EX_NAME:
        if (sema_is_global(c->s, e))
            return;
        what = "names something that is no global variable";
        break;
    case EX_ASSIGN:
    case EX_INCDEC:
        what = "changes a variable";
        break;
    case EX_CALL:
        what = "calls a function";
        break;
    default:
        what = "uses more than global variables";
        break;
    }
    c->bad = true;
    diag_error(c->s->diag, e->at, "probe", "a probe's condition %s", what);
    diag_hint(c->s->diag, "test it in the handler: if (!(...)) next");
}

/*
 * SystemTap disarms a probe while its condition is false, and tests it in the handler all the same
 * (semantic_pass_conditions in its elaborate.cxx); here there is the test alone: if (!(CONDITION))
 * next.
 */
static struct probe *with_condition(struct sema *s, struct probe *probe, struct expr *condition)
{
    struct condition c = {.s = s};
    struct probe *tested = ARENA_NEW(s->arena, struct probe);
    struct expr *not = expr_new(s->arena, EX_UNARY, condition->at);
    struct stmt *test = stmt_new(s->arena, ST_IF, condition->at);

    expr_visit(condition, check_condition, &c);
    if (c.bad)
        return NULL;
    not ->op = OP_NOT;
    not ->a = expr_clone(s->arena, condition);
    not ->a->parens = true;
    test->cond = not ;
    test->body = stmt_new(s->arena, ST_NEXT, condition->at);
    *tested = *probe;
    tested->body = append(test, stmt_clone(s->arena, probe->body));
    return tested;
}

/* nd_syscall.NAME is SystemTap's word for syscall.NAME without debug information: here the same. */
static struct probe_point *canonical(struct sema *s, struct probe_point *point)
{
    if (is_theirs(s, point) || strcmp(point->parts->name, "nd_syscall") != 0)
        return point;
    struct probe_point *copy = ARENA_NEW(s->arena, struct probe_point);

    *copy = *point;
    copy->parts = ARENA_NEW(s->arena, struct point_part);
    *copy->parts = *point->parts;
    copy->parts->name = "syscall";
    return copy;
}

/* The library's alias whose name is the nearest to POINT's; those that begin with _ are its own. */
static const char *near_alias(struct sema *s, const struct probe_point *point)
{
    struct near near;

    near_init(&near, probe_names(s->arena, point));
    for (const struct sema_file *f = s->files; f; f = f->next)
        for (const struct probe *alias = f->prog.aliases; alias; alias = alias->next)
            for (const struct probe_point *name = alias->alias; name; name = name->next)
                if (name->parts->name[0] != '_')
                    near_try(&near, probe_names(s->arena, name));
    return near_best(&near);
}

static void try_one(struct sema *s, struct probe *probe, struct probe_point *point,
                    const struct chain *chain);

/* ---- process.begin and its like ---- */

static struct expr *call_of(struct sema *s, struct span at, const char *name, uint32_t n,
                            const uint64_t *args)
{
    struct expr *e = expr_new(s->arena, EX_CALL, at);

    e->op_at = at;
    e->text = name;
    e->args = ARENA_ARRAY(s->arena, struct expr *, n + 1);
    for (e->n_args = 0; e->n_args < n; e->n_args++)
        e->args[e->n_args] = sema_tree_number(s->arena, at, (int64_t)args[e->n_args]);
    return e;
}

/* PROBE for the process that is meant: if (not that) next. */
static struct probe *of_process(struct sema *s, struct probe *probe, struct span at,
                                const struct probe_process_event *event)
{
    struct probe *tested = ARENA_NEW(s->arena, struct probe);
    struct expr *wrong;
    struct stmt *test = stmt_new(s->arena, ST_IF, at);

    if (event->pid) {
        wrong = expr_binary(s->arena, OP_NE, call_of(s, at, "pid", 0, NULL),
                            sema_tree_number(s->arena, at, event->pid));
    } else if (event->path) {
        const uint64_t file[] = {event->dev, event->ino};

        wrong = expr_new(s->arena, EX_UNARY, at);
        wrong->op = OP_NOT;
        wrong->a = call_of(s, at, "__process_runs", 2, file);
    } else {
        return probe;
    }
    test->cond = wrong;
    test->body = stmt_new(s->arena, ST_NEXT, at);
    *tested = *probe;
    tested->body = append(test, stmt_clone(s->arena, probe->body));
    return tested;
}

static struct probe_point *event_point(struct sema *s, const struct probe_point *point,
                                       const char *name)
{
    struct probe_point *copy = ARENA_NEW(s->arena, struct probe_point);

    *copy = (struct probe_point){.at = point->at};
    copy->parts = ARENA_NEW(s->arena, struct point_part);
    *copy->parts = (struct point_part){.at = point->at, .name = "process_event"};
    copy->parts->next = ARENA_NEW(s->arena, struct point_part);
    *copy->parts->next = (struct point_part){.at = point->at, .name = name};
    return copy;
}

static void resolve_one(struct sema *s, struct probe *probe, struct probe_point *point,
                        const struct chain *chain);

/* The library's points, each of which is called by POINT's name. */
static void resolve_process_event(struct sema *s, struct probe *probe, struct probe_point *point,
                                  const struct probe_type *type, const struct chain *chain)
{
    struct probe_env env = sema_env(s);
    struct probe_inst **before = s->tail;
    struct probe_process_event event;

    env.probe = probe;
    if (!probe_find_process_event(&env, point, &event))
        return;
    struct probe *tested = of_process(s, probe, point->at, &event);

    for (int i = 0; i < 2 && event.names[i]; i++)
        resolve_one(s, tested, event_point(s, point, event.names[i]), &(struct chain){chain, NULL});
    if (event.begins) {
        env.probe = event.pid ? tested : probe;
        env.tail = s->tail;
        type->resolve(&env, point, type);
        s->tail = env.tail;
    }
    const char *name = probe_point_text(
        s->arena, event.path ? probe_process_point(s->arena, point, event.path) : point);

    for (struct probe_inst *i = *before; i; i = i->next) {
        i->name = name;
        i->func_name = NULL;
        for (uint32_t k = 0; k < i->n_places; k++) {
            i->places[k].name = name;
            i->places[k].func_name = "";
        }
    }
}

static void resolve_one(struct sema *s, struct probe *probe, struct probe_point *point,
                        const struct chain *chain);

/* Each kind of point that POINT's wildcards match is optional, but one must be there. */
static bool resolve_wild(struct sema *s, struct probe *probe, const struct probe_point *point,
                         const struct chain *chain)
{
    struct probe_point *all = probe_expand(s->arena, point);
    struct probe_inst **before = s->tail;

    for (struct probe_point *p = all; p; p = p->next)
        try_one(s, probe, p, chain);
    if (all && s->tail == before)
        resolve_one(s, probe, all, chain); /* to say why */
    return all;
}

/* The files that a path's wildcards match: likewise, when there are several. */
static bool resolve_paths(struct sema *s, struct probe *probe, const struct probe_point *point,
                          const struct chain *chain)
{
    struct probe_env env = sema_env(s);
    struct probe_point *all = probe_paths(&env, point);
    struct probe_inst **before = s->tail;

    for (struct probe_point *p = all && all->next ? all : NULL; p; p = p->next)
        try_one(s, probe, p, chain);
    if (all && s->tail == before)
        resolve_one(s, probe, all, chain); /* to say why */
    return all;
}

/* SystemTap's own tapset, where it is the back end: a point that only it knows. */
static void leave(struct sema *s, struct probe *probe, struct probe_point *point)
{
    const struct point_part *last = point->parts;
    struct probe_env env = sema_env(s);

    while (last->next)
        last = last->next;
    env.probe = point->condition ? with_condition(s, probe, point->condition) : probe;
    if (!env.probe)
        return;
    env.tail = s->tail;
    probe_add(&env, point, probe_theirs(!strcmp(last->name, "return")))->theirs = true;
    s->tail = env.tail;
}

/* An alias of SystemTap's own tapset that neither ours nor a probe type of ours has? */
static bool resolve_theirs(struct sema *s, struct probe *probe, struct probe_point *point,
                           const struct chain *chain)
{
    const char *name = point->parts->name;
    bool family = probe_is_family(name); /* a row that has aliases only */

    if (has_wildcard(name) || point->parts->arg ||
        (probe_known(s->arena, point) && (s->opts->stap || !family)) ||
        !sema_systemtap_has(s, "probe", name))
        return false;
    if (s->opts->stap) {
        leave(s, probe, point);
        return true;
    }
    return resolve_in_systemtap(s, probe, point, chain);
}

static void resolve_one(struct sema *s, struct probe *probe, struct probe_point *point,
                        const struct chain *chain)
{
    struct probe_env env = sema_env(s);
    bool found;

    point = canonical(s, point);
    /* As in SystemTap (match_node::find_and_build): suffixes when nothing has the name itself. */
    found =
        resolve_alias(s, probe, point, chain, true) || resolve_alias(s, probe, point, chain, false);
    if (!found && !s->opts->stap)
        found = resolve_in_systemtap(s, probe, point, chain);
    if (is_wild(point))
        found |= resolve_wild(s, probe, point, chain);
    if (found || resolve_theirs(s, probe, point, chain) || resolve_paths(s, probe, point, chain))
        return;
    const struct probe_type *type = probe_match(s->cx, point);

    if (type && point->condition)
        probe = with_condition(s, probe, point->condition);
    if (!type || !probe)
        return;
    if (probe_is_process_event(type) && !s->opts->stap && !s->opts->apart) {
        resolve_process_event(s, probe, point, type, chain);
        return;
    }
    struct probe_process_event program;

    if (probe_shares_library(&env, point, &program)) {
        sema_tapset_probes(s, "process_event");
        probe = of_process(s, probe, point->at, &program);
    }
    env.probe = probe;
    env.near = near_alias(s, point);
    env.tail = s->tail;
    type->resolve(&env, point, type);
    s->tail = env.tail;
}

/*
 * Resolves a point that may fail: what is not there is passed over, what cannot be done is told,
 * once no other point is being tried around this one.
 */
static void try_one(struct sema *s, struct probe *probe, struct probe_point *point,
                    const struct chain *chain)
{
    diag_try_begin(s->diag);
    resolve_one(s, probe, point, chain);
    const char *lacks = diag_try_lacks(s->diag);

    diag_try_end(s->diag);
    if (!lacks)
        return;
    s->left_out = arena_grow(s->arena, s->left_out, s->n_left_out, sizeof(*s->left_out));
    s->left_out[s->n_left_out++] = (struct sema_left_out){point->at, lacks};
}

static void resolve_list(struct sema *s, struct probe *probe, struct probe_point *list,
                         const struct chain *chain)
{
    for (struct probe_point *p = list; p && !diag_stopped(s->diag); p = p->next) {
        struct probe_inst **before = s->tail;

        if (p->optional || p->sufficient)
            try_one(s, probe, p, chain);
        else
            resolve_one(s, probe, p, chain);
        for (struct probe_inst *i = chain ? NULL : *before; i; i = i->next)
            i->written = probe_point_text(s->arena, p);
        if (p->sufficient && s->tail != before)
            break;
    }
}

void sema_points(struct sema *s, struct probe *probe)
{
    resolve_list(s, probe, probe->points, NULL);
    for (uint32_t i = 0; i < s->n_left_out; i++)
        diag_warning(s->diag, s->left_out[i].at, "this optional probe point is left out: %s",
                     s->left_out[i].why);
    s->n_left_out = 0;
}
