/*
 * callee: functions as one caller calls them. Enters: process("path").function("f").callee("g");
 * leaves: the places within f where g is inlined; the entry of g with the return addresses of f's
 * calls, which the handler tests; and f's jumps to g (tail calls), where a breakpoint lies at the
 * jump itself, since nothing at g's entry tells who jumped, and registers are the same. Refused:
 * callees in other modules, calls by pointer, callers of callers.
 */
#include "probe/process.h"

#include <string.h>

#include "base/bytes.h"

enum { RETURNS_MAX = 64 }; /* that a handler compares; beyond them all of the caller counts */

struct search {
    struct probe_env *env;
    const struct process_module *m;
    const struct spec *spec;     /* of the callee */
    const struct dbg_func *only; /* those that SPEC names a file or a line of */
    uint32_t n_only;
    bool real_only;
    struct process_places all;
    uint32_t unlisted;     /* callers whose calls are not listed */
    const char *elsewhere; /* a callee that is in another module */
    const char *untold;    /* ... that is jumped to, from where is not known */
    bool inlined;          /* what is called is inlined, and REAL_ONLY */
};

static bool is_meant(const struct search *s, const struct dbg_func *f)
{
    for (uint32_t i = 0; i < s->n_only; i++)
        if (s->only[i].entry == f->entry && !strcmp(s->only[i].name, f->name))
            return true;
    return !s->spec->file;
}

/* The place at the callee's entry that other calls of the same caller have made. */
static struct process_place *place_of(struct search *s, const struct process_place *p)
{
    for (uint32_t i = 0; i < s->all.n; i++) {
        struct process_place *q = &s->all.v[i];

        if (q->vaddr == p->vaddr && (q->n_returns || q->high) && !strcmp(q->spec, p->spec) &&
            !strcmp(q->caller, p->caller))
            return q;
    }
    process_place_add(s->env, &s->all, p);
    return &s->all.v[s->all.n - 1];
}

static void add_return(struct search *s, const struct dbg_func *caller, struct process_place *p,
                       uint64_t at)
{
    uint64_t *v = (uint64_t *)p->returns;

    if (p->high)
        return;
    if (p->n_returns == RETURNS_MAX) {
        p->n_returns = 0;
        p->low = caller->entry;
        p->high = caller->end;
        return;
    }
    v = arena_grow(s->env->cx->arena, v, p->n_returns, sizeof(*v));
    v[p->n_returns++] = at;
    p->returns = v;
}

static void add_call(struct search *s, const struct dbg_func *caller, const struct dbg_call *call)
{
    struct arena *a = s->env->cx->arena;
    struct process_place p = {.f = call->callee,
                              .vaddr = call->callee.entry,
                              .pc = call->callee.entry,
                              .spec = process_spec(a, &call->callee),
                              .caller = process_spec(a, caller)};

    if (!call->callee.entry) {
        s->elsewhere = call->callee.name;
    } else if (!is_meant(s, &call->callee)) {
        return;
    } else if (call->callee.inlined && s->real_only) {
        s->inlined = true;
    } else if (call->callee.inlined) {
        process_place_add(s->env, &s->all, &p);
    } else if (!call->at) {
        s->untold = call->callee.name;
    } else if (call->tail) {
        p.vaddr = call->at;
        process_place_add(s->env, &s->all, &p);
    } else {
        add_return(s, caller, place_of(s, &p), call->at);
    }
}

/* No calls are listed: what is entered from the caller's code is called by it. */
static void add_entries(struct search *s, const struct dbg_func *caller)
{
    struct arena *a = s->env->cx->arena;
    struct dbg_func *v;
    uint32_t n = has_wildcard(s->spec->name) || caller->inlined || caller->end <= caller->entry
                     ? 0
                     : process_functions(s->env, s->m, s->spec, PROCESS_REAL, &v);

    s->unlisted++;
    for (uint32_t i = 0; i < n; i++) {
        struct process_place p = {.f = v[i],
                                  .vaddr = v[i].entry,
                                  .pc = v[i].entry,
                                  .spec = process_spec(a, &v[i]),
                                  .caller = process_spec(a, caller),
                                  .low = caller->entry,
                                  .high = caller->end};

        place_of(s, &p);
    }
}

static bool no_callee(struct search *s, const struct point_part *part,
                      const struct dbg_func *caller, uint32_t n_callers)
{
    struct diag *d = s->env->cx->diag;
    struct span at = part->arg ? part->arg->at : part->at;
    struct dbg_func *v;
    struct near near;
    bool complete;

    if (!has_wildcard(s->spec->name) && !s->elsewhere &&
        !process_functions(s->env, s->m, s->spec, PROCESS_REAL | PROCESS_INLINED, &v))
        return process_no_function(s->env, s->m, part, s->spec);
    diag_error(d, at, "no-callee", "'%s' makes no call of '%s' that can be probed", caller->name,
               s->spec->name);
    if (s->inlined)
        diag_hint(d, "it is inlined there: .callee(\"%s\") takes the places where it begins",
                  s->spec->name);
    else if (s->unlisted)
        diag_hint(d, "its debug information does not list its calls: name the callee in full");
    else if (s->untold)
        diag_hint(d, "it jumps to %s from a place that is not known", s->untold);
    else if (s->elsewhere)
        diag_hint(d, "%s is in another module: probe it there, process(\"PATH\").function(\"%s\")",
                  s->elsewhere, s->elsewhere);
    else {
        near_init(&near, s->spec->name);
        for (uint32_t i = 0; i < n_callers; i++) {
            struct dbg_call *calls;
            uint32_t n = dbg_calls(&caller[i], "*", &calls, &complete);

            for (uint32_t k = 0; k < n; k++)
                near_try(&near, calls[k].callee.name);
        }
        if (near_best(&near))
            diag_hint(d, "did you mean '%s'?", near_best(&near));
        else
            diag_hint(d, "calls by pointer are not known; .callees takes all that are");
    }
    return false;
}

static bool resolve(struct probe_env *env, struct probe_point *point, const struct probe_type *type,
                    bool real_only)
{
    const struct point_part *function = point->parts->next, *callee = function->next;
    struct dbg_func *callers;
    struct process_module m;
    struct spec caller, spec = {.name = "*"};
    struct search s = {.env = env, .m = &m, .spec = &spec, .real_only = real_only};

    if (!process_open(env, point, &m) || !spec_parse(env->cx, function, &caller) ||
        (callee->arg && callee->arg->kind == EX_STRING && !spec_parse(env->cx, callee, &spec)))
        return false;
    uint32_t n = process_functions(env, &m, &caller, PROCESS_REAL | PROCESS_INLINED, &callers);

    if (!n)
        return process_no_function(env, &m, function, &caller);
    if (spec.file) {
        struct dbg_func *only;

        s.n_only = process_functions(env, &m, &spec, PROCESS_REAL | PROCESS_INLINED, &only);
        s.only = only;
    }
    for (uint32_t i = 0; i < n && s.all.n <= PROBE_MAX_PLACES; i++) {
        struct dbg_call *calls;
        bool complete;
        uint32_t n_calls = dbg_calls(&callers[i], spec.name, &calls, &complete);

        for (uint32_t k = 0; k < n_calls && s.all.n <= PROBE_MAX_PLACES; k++)
            add_call(&s, &callers[i], &calls[k]);
        if (!complete)
            add_entries(&s, &callers[i]);
    }
    return s.all.n ? process_add(env, point, type, &m, &s.all) : no_callee(&s, callee, callers, n);
}

static bool resolve_callee(struct probe_env *env, struct probe_point *point,
                           const struct probe_type *type)
{
    return resolve(env, point, type, false);
}

static bool resolve_call(struct probe_env *env, struct probe_point *point,
                         const struct probe_type *type)
{
    return resolve(env, point, type, true);
}

static bool resolve_callees(struct probe_env *env, struct probe_point *point,
                            const struct probe_type *type)
{
    const struct point_part *part = point->parts->next->next;

    if (part->arg->number < 1)
        return diag_error(env->cx->diag, part->arg->at, "probe",
                          ".callees(N) takes callees of N levels, 1 or more");
    if (part->arg->number > 1) {
        diag_error(env->cx->diag, part->arg->at, "not-yet",
                   "callees of callees are not probed yet");
        diag_hint(env->cx->diag, ".callees takes those of the function itself");
        return false;
    }
    return resolve(env, point, type, false);
}

const struct probe_type probe_types_callee[] = {
    PROCESS_ROWS(".function(string).callee(string)",
                 "where another function starts, when that one calls it", resolve_callee),
    PROCESS_ROWS(".function(string).callee(string).call", "likewise, inlined copies left out",
                 resolve_call),
    PROCESS_RETURN_ROWS(".function(string).callee(string).return",
                        "where it returns from such a call", resolve_call),
    PROCESS_ROWS(".function(string).callees", "... all that it calls in its module",
                 resolve_callee),
    PROCESS_ROWS(".function(string).callees(number)", "... N levels of them, of which there is one",
                 resolve_callees),
    {NULL, NULL, PROBE_NEVER, NULL, NULL, NULL},
};
