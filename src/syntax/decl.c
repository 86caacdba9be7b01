/*
 * decl: makes statements, probe points and declarations for the grammar's actions; see build.h.
 *
 * Enters: finished parts. Leaves: nodes, and declarations added to the program. Refuses: statements
 * nested over AST_MAX_HEIGHT deep, "return" outside functions, two sort directions, brace
 * groups that multiply out to over POINTS_MAX points, anything but macros in a *.stpm file.
 */
#include <string.h>

#include "syntax/build.h"
#include "syntax/parse.h"

enum { POINTS_MAX = 4096, PARTS_MAX = 32, PARAMS_MAX = 255 };

/* ---- statements ---- */

struct stmt *build_stmt(struct parser *p, enum stmt_kind kind, struct span at, struct span head)
{
    struct stmt *s = stmt_new(p->cx->arena, kind, at);

    s->head = head;
    return s;
}

static uint32_t tallest(uint32_t height, const struct stmt *s)
{
    for (; s; s = s->next)
        if (s->height > height)
            height = s->height;
    return height;
}

struct stmt *build_done(struct parser *p, struct stmt *s)
{
    uint32_t height = tallest(tallest(0, s->body), s->other);

    if (height >= AST_MAX_HEIGHT) {
        if (!p->too_deep)
            build_error(p, s->head, "statements are nested too deeply (over %d levels)",
                        AST_MAX_HEIGHT);
        p->too_deep = true;
        s = build_stmt(p, ST_ERROR, s->at, s->head);
        height = 0;
    }
    s->height = (uint16_t)(height + 1);
    return s;
}

struct stmt *build_simple(struct parser *p, enum stmt_kind kind, struct span at, struct expr *e)
{
    struct stmt *s = build_stmt(p, kind, at, at);

    if (kind == ST_RETURN && !p->in_function)
        build_error(p, at,
                    "'return' stands outside a function (a probe's handler ends with 'next')");
    s->cond = e;
    return build_done(p, s);
}

struct stmt *build_if(struct parser *p, struct span at, struct span head, struct expr *cond,
                      struct stmt *then, struct stmt *other)
{
    struct stmt *s = build_stmt(p, ST_IF, at, head);

    s->cond = cond;
    s->body = then;
    s->other = other;
    return build_done(p, s);
}

struct stmt *build_loop(struct parser *p, enum stmt_kind kind, struct span at, struct span head,
                        struct expr *init, struct expr *cond, struct expr *step, struct stmt *body)
{
    struct stmt *s = build_stmt(p, kind, at, head);

    s->init = init;
    s->cond = cond;
    s->step = step;
    s->body = body;
    return build_done(p, s);
}

struct stmt *build_foreach(struct parser *p, struct span at, struct span head, struct fe_keys keys,
                           struct expr *array, struct exprs slice, struct fe_order order,
                           struct expr *limit, struct stmt *body)
{
    struct stmt *s = build_stmt(p, ST_FOREACH, at, head);

    if (order.dir && keys.sort_dir)
        build_error(p, order.at, "foreach sorts by one thing only");
    if (slice.n && slice.n != keys.keys.n)
        build_error(p, array->at, "the slice has %u keys, the loop %u", slice.n, keys.keys.n);
    s->keys = keys.keys.v;
    s->n_keys = keys.keys.n;
    s->value = keys.value;
    s->array = array;
    s->slice = slice.v;
    s->n_slice = slice.n;
    s->sort_dir = keys.sort_dir ? keys.sort_dir : order.dir;
    s->sort_key = keys.sort_key;
    s->sort_stat = order.stat;
    s->limit = limit;
    s->body = body;
    return build_done(p, s);
}

struct stmt *build_try(struct parser *p, struct span at, struct span head, struct stmt *body,
                       struct expr *caught, struct stmt *other)
{
    struct stmt *s = build_stmt(p, ST_TRY, at, head);

    s->body = body;
    s->caught = caught;
    s->other = other;
    return build_done(p, s);
}

struct stmts build_stmts_add(struct stmts list, struct stmt *s)
{
    if (list.last)
        list.last->next = s;
    else
        list.first = s;
    list.last = s;
    return list;
}

struct fe_keys build_fe_add(struct parser *p, struct fe_keys list, struct fe_key key)
{
    list.keys = build_append(p, list.keys, key.name);
    if (key.dir && list.sort_dir)
        build_error(p, key.name->at, "foreach sorts by one thing only");
    if (key.dir) {
        list.sort_dir = key.dir;
        list.sort_key = (int)list.keys.n;
    }
    return list;
}

struct fe_keys build_fe_value(struct parser *p, struct fe_key value, struct fe_keys list)
{
    list.value = value.name;
    if (value.dir && list.sort_dir)
        build_error(p, value.name->at, "foreach sorts by one thing only");
    if (value.dir) {
        list.sort_dir = value.dir;
        list.sort_key = 0;
    }
    return list;
}

/* ---- probe points ---- */

struct points build_part(struct parser *p, const struct token *name, struct expr *arg,
                         struct span at)
{
    struct arena *a = p->cx->arena;
    struct probe_point *point = ARENA_NEW(a, struct probe_point);
    struct point_part *part = ARENA_NEW(a, struct point_part);

    part->at = at;
    part->name = token_text(a, name);
    part->arg = arg;
    point->at = at;
    point->parts = part;
    return (struct points){point, point, 1};
}

static struct point_part *copy_parts(struct arena *a, const struct point_part *parts,
                                     struct point_part *then)
{
    struct point_part *first = NULL, **tail = &first;

    for (; parts; parts = parts->next) {
        *tail = ARENA_NEW(a, struct point_part);
        **tail = *parts;
        (*tail)->next = NULL;
        tail = &(*tail)->next;
    }
    *tail = then;
    return first;
}

static uint32_t count_parts(const struct point_part *part)
{
    uint32_t n = 0;

    for (; part; part = part->next)
        n++;
    return n;
}

struct points build_points_join(struct points a, struct points b)
{
    a.last->next = b.first;
    a.last = b.last;
    a.n += b.n;
    return a;
}

/* A.B where either may be a brace group: every one of A with every one of B. */
struct points build_cross(struct parser *p, struct span at, struct points a, struct points b)
{
    struct points out = {0};

    if ((uint64_t)a.n * b.n > POINTS_MAX) {
        build_error(p, at, "these braces stand for more than %d probe points", POINTS_MAX);
        return a;
    }
    for (struct probe_point *x = a.first; x; x = x->next) {
        if (x->optional || x->condition) {
            build_error(p, x->at, "'?', '!' and 'if' stand at the end of a probe point");
            return a;
        }
        for (struct probe_point *y = b.first; y; y = y->next) {
            struct probe_point *point = ARENA_NEW(p->cx->arena, struct probe_point);

            if (count_parts(x->parts) + count_parts(y->parts) > PARTS_MAX) {
                build_error(p, at, "a probe point has at most %d parts", PARTS_MAX);
                return a;
            }
            *point = *y;
            point->next = NULL;
            point->condition = expr_clone(p->cx->arena, y->condition);
            point->at = at;
            point->parts =
                copy_parts(p->cx->arena, x->parts, copy_parts(p->cx->arena, y->parts, NULL));
            struct points one = {point, point, 1};

            out = out.n ? build_points_join(out, one) : one;
        }
    }
    return out;
}

struct points build_suffix(struct parser *p, struct span at, struct points a, int suffix,
                           struct expr *condition)
{
    for (struct probe_point *x = a.first; x; x = x->next) {
        x->at = a.n == 1 ? at : x->at;
        if (suffix && x->optional)
            build_error(p, at, "'?' or '!' is given twice");
        if (condition && x->condition)
            build_error(p, at, "a condition is given twice");
        if (suffix)
            x->optional = true;
        if (suffix == '!')
            x->sufficient = true;
        if (condition)
            x->condition = a.n == 1 ? condition : expr_clone(p->cx->arena, condition);
        if (x == a.last)
            break;
    }
    return a;
}

struct alias build_alias(struct parser *p, struct alias list, struct points a, bool epilogue)
{
    if (a.n != 1)
        build_error(p, a.first->at, "an alias is one probe point");
    if (a.first->optional || a.first->condition)
        build_error(p, a.first->at, "the name of an alias takes no '?', '!' or 'if'");
    if (list.last)
        list.last->next = a.first;
    else
        list.first = a.first;
    list.last = a.last;
    list.epilogue |= epilogue;
    return list;
}

/* ---- declarations ---- */

/* A *.stpm file holds macros only. */
static bool allowed(struct parser *p, struct span at)
{
    if (!p->macros_only)
        return true;
    return build_error(p, at, "a macro library (*.stpm) holds macro definitions only");
}

void build_probe(struct parser *p, struct span at, struct alias alias, struct points points,
                 struct stmt *body, struct stmt *epilogue)
{
    struct probe *probe = ARENA_NEW(p->cx->arena, struct probe);

    if (!allowed(p, at))
        return;
    if (epilogue && alias.epilogue)
        build_error(p, epilogue->at, "an alias with '+=' takes one body");
    probe->at = at;
    probe->points = points.first;
    probe->body = body;
    probe->alias = alias.first;
    probe->epilogue = alias.epilogue;
    probe->epilogue_body = epilogue;
    if (alias.first) {
        *p->aliases_tail = probe;
        p->aliases_tail = &probe->next;
    } else {
        *p->probes_tail = probe;
        p->probes_tail = &probe->next;
    }
}

/* In the same file; another one's globals are joined, or hidden when they are private. */
static bool is_declared(struct parser *p, const struct variable *v)
{
    const struct sources *sources = p->cx->sources;

    for (const struct variable *w = p->prog->globals; w; w = w->next) {
        if (strcmp(w->name, v->name) || span_file(sources, w->at) != span_file(sources, v->at))
            continue;
        if (w->is_private == v->is_private)
            build_error(p, v->at, "the global '%s' is declared already", v->name);
        else
            build_error(p, v->at, "'%s' is declared both as private and as a global of all files",
                        v->name);
        diag_note(p->cx->diag, w->at, "here");
        return true;
    }
    return false;
}

void build_global(struct parser *p, const struct token *name, bool is_private, bool wrap,
                  struct expr *size, struct expr *init)
{
    struct variable *v = ARENA_NEW(p->cx->arena, struct variable);

    if (!allowed(p, name->at))
        return;
    v->at = name->at;
    v->name = token_text(p->cx->arena, name);
    v->scope = VAR_GLOBAL;
    v->is_private = is_private;
    v->wrap = wrap;
    v->is_array = wrap || size;
    v->init = init;
    if (init) {
        v->type = init->kind == EX_STRING ? TYPE_STRING : TYPE_LONG;
        v->typed = true;
    }
    if (size) {
        if (size->number < 1 || size->number > INT32_MAX)
            build_error(p, size->at, "the size of an array is 1 to %d", INT32_MAX);
        else
            v->max_entries = (uint32_t)size->number;
    }
    if (init && v->is_array)
        build_error(p, init->at, "an array has no initial value");
    if (is_declared(p, v))
        return;
    *p->globals_tail = v;
    p->globals_tail = &v->next;
}

struct params build_param(struct parser *p, struct params list, const struct token *name,
                          struct func_type type)
{
    struct variable *v = ARENA_NEW(p->cx->arena, struct variable);

    v->at = name->at;
    v->name = token_text(p->cx->arena, name);
    v->scope = VAR_PARAM;
    v->type = type.type;
    v->typed = type.typed;
    if (list.n == PARAMS_MAX) {
        build_error(p, name->at, "a function takes at most %d parameters", PARAMS_MAX);
        return list;
    }
    for (const struct variable *w = list.first; w; w = w->next)
        if (!strcmp(w->name, v->name)) {
            build_error(p, v->at, "two parameters are named '%s'", v->name);
            break;
        }
    if (list.last)
        list.last->next = v;
    else
        list.first = v;
    list.last = v;
    list.n++;
    return list;
}

static bool guru(struct parser *p, struct span at)
{
    if (p->privileged)
        return true;
    build_error(p, at, "embedded code is allowed in guru mode only");
    diag_hint(p->cx->diag, "-g turns guru mode on");
    return false;
}

void build_function(struct parser *p, struct span at, bool is_private, const struct token *name,
                    struct func_type type, struct params params, struct expr *priority,
                    struct stmt *body, const struct token *code)
{
    struct function *f = ARENA_NEW(p->cx->arena, struct function);

    if (!allowed(p, at) || (code && !guru(p, code->at)))
        return;
    f->at = at;
    f->name_at = name->at;
    f->name = token_text(p->cx->arena, name);
    f->is_private = is_private;
    f->params = params.first;
    f->n_params = params.n;
    f->type = type.type;
    f->typed = type.typed;
    f->body = body;
    if (code) {
        f->is_embedded = true;
        f->text = token_text(p->cx->arena, code);
    }
    if (priority) {
        f->priority = priority->number;
        if (f->priority < 1)
            build_error(p, priority->at, "the priority of a function is 1 or more");
    }
    *p->funcs_tail = f;
    p->funcs_tail = &f->next;
}

void build_embedded_decl(struct parser *p, const struct token *t)
{
    struct program *prog = p->prog;

    if (!allowed(p, t->at) || !guru(p, t->at))
        return;
    prog->embedded =
        arena_grow(p->cx->arena, prog->embedded, prog->n_embedded, sizeof(*prog->embedded));
    prog->embedded[prog->n_embedded++] = token_text(p->cx->arena, t);
}
