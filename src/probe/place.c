/*
 * place: places in user-space programs. Enters: what a point of process(..) was found to mean;
 * leaves: instances, one for all places or one each, with the test of .callee before the handler;
 * and what such points have in common: the module, their names in full, what is said when there is
 * no such function. Refused: more places than may be.
 */
#include "probe/process.h"

#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"

bool process_open_in(struct probe_env *env, const struct probe_point *point,
                     const struct probe_modules *modules, uint32_t i, struct process_module *out)
{
    *out = (struct process_module){
        .exe = modules->exe, .module = modules->v[i], .functions = modules->rest};
    out->dbg = dbg_open_any(env->debuginfo, out->module->path, &out->why);
    if (out->dbg)
        return true;
    diag_error(env->cx->diag, point->parts->at, "no-debuginfo", "no functions are known of %s",
               out->module->path);
    if (out->why)
        diag_hint(env->cx->diag, "%s", out->why);
    return false;
}

bool process_open(struct probe_env *env, const struct probe_point *point,
                  struct process_module *out)
{
    struct probe_modules modules;

    return probe_find_modules(env, point, &modules) &&
           process_open_in(env, point, &modules, 0, out);
}

/* ---- what is not there ---- */

static void try_near(const char *name, void *arg)
{
    near_try(arg, name);
}

bool process_no_function(struct probe_env *env, const struct process_module *m,
                         const struct point_part *part, const struct spec *spec)
{
    struct diag *d = env->cx->diag;
    struct dbg_func *other;
    struct near near;

    if (probe_ifunc(env, m->dbg, part, spec->name))
        return false;
    diag_error(d, part->arg->at, "no-function", "no function %s '%s' in %s",
               has_wildcard(spec->name) ? "matches" : "is named", part->arg->text,
               dbg_path(m->dbg));
    if (spec->file && dbg_functions(m->dbg, spec->name, NULL, &other)) {
        diag_hint(d, "%s is defined in %s:%u", other->name, other->file ? other->file : "?",
                  other->line);
        return false;
    }
    near_init(&near, spec->name);
    dbg_names(m->dbg, DBG_FUNCTIONS, try_near, &near);
    if (near_best(&near))
        diag_hint(d, "did you mean '%s'?", near_best(&near));
    else if (m->why)
        diag_hint(d, "%s", m->why);
    return false;
}

/* ---- names ---- */

static struct expr *named(struct arena *a, enum expr_kind kind, struct span at, const char *text)
{
    struct expr *e = expr_new(a, kind, at);

    e->text = text;
    e->op_at = at;
    return e;
}

const char *process_spec(struct arena *a, const struct dbg_func *f)
{
    return f->file && f->line ? arena_printf(a, "%s@%s:%u", f->name, f->file, f->line) : f->name;
}

static struct point_part *new_part(struct arena *a, const struct point_part *like, const char *text)
{
    struct point_part *p = ARENA_NEW(a, struct point_part);

    *p = *like;
    p->next = NULL;
    if (text)
        p->arg = expr_string(a, like->at, text, (uint32_t)strlen(text));
    else if (p->arg && p->arg->kind == EX_NUMBER)
        p->arg = named(a, EX_NAME, like->at,
                       arena_printf(a, "0x%llx", (unsigned long long)p->arg->number));
    return p;
}

/* Is P of the parts that say which functions: function, statement, callee? */
static bool names_functions(const struct point_part *p)
{
    return strcmp(p->name, "library") != 0 &&
           ((p->arg && p->arg->kind == EX_STRING) || !strcmp(p->name, "callees"));
}

/* The point as pp() shows it: the modules' paths and the functions' places in full. .callees is
 * .callee("NAME") then, as with SystemTap. */
static struct probe_point *resolved_point(struct arena *a, const struct probe_point *point,
                                          const struct process_module *m,
                                          const struct process_place *p)
{
    struct probe_point *copy = ARENA_NEW(a, struct probe_point);
    const struct point_part *from = point->parts;
    const char *names[] = {p->caller ? p->caller : p->spec, p->spec};
    struct point_part **tail;
    unsigned n = 0;

    *copy = *point;
    copy->next = NULL;
    copy->parts = new_part(a, from, m->exe->path);
    tail = &copy->parts->next;
    for (from = from->next; from; from = from->next, tail = &(*tail)->next) {
        if (!strcmp(from->name, "library"))
            *tail = new_part(a, from, m->module->path);
        else
            *tail = new_part(a, from, names_functions(from) && n < 2 ? names[n++] : NULL);
        if (!strcmp(from->name, "callees"))
            (*tail)->name = "callee";
    }
    return copy;
}

/* ---- one handler for all places ---- */

static void add_together(struct probe_env *env, struct probe_point *point,
                         const struct probe_type *type, const struct process_module *m,
                         const struct process_places *all)
{
    struct arena *a = env->cx->arena;
    const struct point_part *last = point->parts;

    while (last->next && !names_functions(last->next))
        last = last->next;
    last = last->next;

    const struct process_place as_written = {.spec = last->arg->text};
    struct probe_inst *inst = probe_add(env, resolved_point(a, point, m, &as_written), type);

    inst->module_id = probe_module(env, m->module->path, m->dbg);
    inst->places = ARENA_ARRAY(a, struct probe_place, all->n);
    inst->n_places = all->n;
    for (uint32_t i = 0; i < all->n; i++)
        inst->places[i] =
            (struct probe_place){probe_point_text(a, resolved_point(a, point, m, &all->v[i])),
                                 all->v[i].f.name, all->v[i].vaddr, 0};
}

/* ---- the test of .callee ---- */

static struct expr *number(struct arena *a, struct span at, uint64_t n)
{
    struct expr *e = expr_new(a, EX_NUMBER, at);

    e->number = (int64_t)n;
    return e;
}

static struct expr *from(struct arena *a, struct span at)
{
    return named(a, EX_NAME, at, "__from");
}

/* Is what was called by others? */
static struct expr *is_foreign(struct arena *a, struct span at, const struct process_place *p)
{
    struct expr *e = NULL;

    if (!p->n_returns)
        return expr_binary(a, OP_LOR, expr_binary(a, OP_LT, from(a, at), number(a, at, p->low)),
                           expr_binary(a, OP_GE, from(a, at), number(a, at, p->high)));
    for (uint32_t i = 0; i < p->n_returns; i++) {
        struct expr *other = expr_binary(a, OP_NE, from(a, at), number(a, at, p->returns[i]));

        e = e ? expr_binary(a, OP_LAND, e, other) : other;
    }
    return e;
}

/* __from = (where the call returns to); if (...) next */
static struct stmt *tested(struct arena *a, struct span at, const struct process_place *p,
                           struct stmt *body)
{
    struct stmt *set = stmt_new(a, ST_EXPR, at), *test = stmt_new(a, ST_IF, at);
    struct expr *assign = expr_new(a, EX_ASSIGN, at);

    assign->op_at = at;
    assign->a = from(a, at);
    assign->b = named(a, EX_TARGET, at, PROCESS_RETURN_ADDRESS);
    set->cond = assign;
    test->cond = is_foreign(a, at, p);
    test->body = stmt_new(a, ST_NEXT, at);
    set->next = test;
    test->next = body;
    return set;
}

static bool has_test(const struct process_place *p)
{
    return p->n_returns || p->high;
}

static void add_one(struct probe_env *env, struct probe_point *point, const struct probe_type *type,
                    const struct process_module *m, const struct process_place *p)
{
    struct probe_inst *inst = probe_add(env, resolved_point(env->cx->arena, point, m, p), type);

    inst->data = (void *)p;
    inst->module_id = probe_module(env, m->module->path, m->dbg);
    inst->vaddr = p->vaddr;
    inst->func_name = p->f.name;
    if (has_test(p) && inst->body)
        inst->body = tested(env->cx->arena, point->at, p, inst->body);
}

/* ---- all of them ---- */

void process_place_add(struct probe_env *env, struct process_places *all,
                       const struct process_place *p)
{
    all->v = arena_grow(env->cx->arena, all->v, all->n, sizeof(*all->v));
    all->v[all->n++] = *p;
}

/* A hostile file must not decide how much is made of it. */
static bool too_many(struct probe_env *env, const struct process_module *m, uint32_t n,
                     uint32_t max, const char *why)
{
    const struct point_part *part = m->functions;

    if (n <= max)
        return false;
    diag_error(env->cx->diag, part->arg->at, "limit",
               "'%s' matches %u functions of %s; at most %u can be probed%s", part->arg->text, n,
               m->module->path, max, why);
    diag_hint(env->cx->diag, "name fewer: \"name*\", \"name*@file.c\", \"name*@file.c:LINE\"");
    return true;
}

bool process_add(struct probe_env *env, struct probe_point *point, const struct probe_type *type,
                 const struct process_module *m, const struct process_places *all)
{
    bool together = all->n > 1 && !env->apart && !probe_depends_on_place(env->probe);

    for (uint32_t i = 0; i < all->n; i++)
        together &= !has_test(&all->v[i]);
    env->prog->n_places += all->n;
    if (too_many(env, m, env->prog->n_places, PROBE_MAX_PLACES, "") ||
        (!together && !env->apart &&
         too_many(env, m, all->n, PROBE_MAX_HANDLERS,
                  " when the handler looks at their variables")))
        return false;
    if (together)
        add_together(env, point, type, m, all);
    for (uint32_t i = 0; !together && i < all->n; i++)
        add_one(env, point, type, m, &all->v[i]);
    return true;
}
