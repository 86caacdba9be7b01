/*
 * scope: from a name to its variable or function. Enters: a name and the number of keys or
 * arguments it is used with; leaves: the declaration, found in SystemTap's order (locals,
 * parameters, globals, the library's globals; the script's functions, built-in ones, the
 * library's). Refused: arrays that are not declared, one name used with different numbers of keys,
 * functions that nobody defines.
 */
#include "sema/internal.h"

#include <string.h>

static struct variable *in_list(struct variable *v, const char *name)
{
    while (v && strcmp(v->name, name))
        v = v->next;
    return v;
}

static bool is_library(struct sema *s, uint32_t file)
{
    const struct source *src = source_get(s->cx->sources, file);

    return src && src->tapset;
}

/* ... of SystemTap's own? */
static bool is_theirs(const struct sema *s, uint32_t file)
{
    for (const struct sema_file *f = s->files; f; f = f->next)
        if (f->src->id == file)
            return f->theirs;
    return false;
}

/*
 * A file's own private name hides the others'. FILE: where the name is written, which is another's
 * than the body's own in an alias. What a function of the library calls N is not the script's N
 * (SystemTap takes it for that).
 */
static struct variable *find_global(struct sema *s, const char *name, uint32_t file)
{
    struct variable *found = NULL;

    for (struct variable *v = s->prog->globals; v; v = v->next) {
        uint32_t own = sema_file(s, v->at);

        if (strcmp(v->name, name) || (v->is_private && own != s->file && own != file) ||
            (s->fn && is_library(s, file) && !is_library(s, own)))
            continue;
        if (!found || (v->is_private && !found->is_private))
            found = v;
    }
    if (!found) {
        found = sema_tapset_global(s, name);
        if (!found && is_theirs(s, s->file) && sema_systemtap_has(s, "global", name))
            found = sema_tapset_global(s, name);
        return found;
    }
    sema_choose(s, sema_file(s, found->at));
    return found;
}

bool sema_is_global(struct sema *s, const struct expr *name)
{
    return find_global(s, name->text, sema_file(s, name->at)) != NULL;
}

bool sema_is_of_library(struct sema *s, const struct expr *name)
{
    const struct variable *v = find_global(s, name->text, sema_file(s, name->at));

    return v && is_library(s, sema_file(s, v->at));
}

static struct variable **locals(struct sema *s)
{
    return s->fn ? &s->fn->locals : &s->inst->locals;
}

struct variable *sema_lookup(struct sema *s, const struct expr *name)
{
    struct variable *v = in_list(*locals(s), name->text);

    if (!v && s->fn)
        v = in_list(s->fn->params, name->text);
    return v ? v : find_global(s, name->text, sema_file(s, name->at));
}

static void near_names(struct sema *s, struct near *near)
{
    for (struct variable *v = *locals(s); v; v = v->next)
        near_try(near, v->name);
    if (s->fn)
        for (struct variable *v = s->fn->params; v; v = v->next)
            near_try(near, v->name);
    for (struct variable *v = s->prog->globals; v; v = v->next)
        if (!v->is_private || sema_file(s, v->at) == s->file)
            near_try(near, v->name);
}

static struct variable *add_local(struct sema *s, const struct expr *name)
{
    struct variable *v = ARENA_NEW(s->arena, struct variable), **tail = locals(s);

    v->name = name->text;
    v->at = name->at;
    v->scope = VAR_LOCAL;
    v->arity_known = true;
    v->arity_at = name->at;
    while (*tail)
        tail = &(*tail)->next;
    *tail = v;
    return v;
}

static const char *arity_text(struct arena *a, int n)
{
    if (n == 0)
        return "a plain variable";
    return arena_printf(a, "an array of %d key%s", n, n == 1 ? "" : "s");
}

/* Notes how VAR is used, or finds that it was used otherwise before. */
static bool set_arity(struct sema *s, struct variable *v, const struct expr *name, int arity)
{
    if (arity == SEMA_ANY_ARITY)
        return true;
    if (v->scope != VAR_GLOBAL && arity > 0) {
        diag_error(s->diag, name->at, "arity",
                   "'%s' is a local variable here; only globals can be arrays", v->name);
        return false;
    }
    if (v->init && !v->arity_known) {
        v->arity_known = true;
        v->arity_at = v->at;
    }
    if (!v->arity_known && !(v->is_array && arity == 0)) {
        v->arity_known = true;
        v->arity_at = name->at;
        v->is_array = arity > 0;
        v->n_keys = (uint32_t)arity;
        v->key_types = ARENA_ARRAY(s->arena, enum value_type, (size_t)arity + 1);
        return true;
    }
    if (v->arity_known && v->n_keys == (uint32_t)arity)
        return true;
    diag_error(s->diag, name->at, "arity", "'%s' is used as %s here", v->name,
               arity_text(s->arena, arity));
    if (v->arity_known)
        diag_note(s->diag, v->arity_at, "and as %s here", arity_text(s->arena, (int)v->n_keys));
    else
        diag_note(s->diag, v->at, "and declared as an array here");
    return false;
}

struct variable *sema_variable(struct sema *s, struct expr *name, int arity)
{
    struct variable *v = sema_lookup(s, name);

    if (v) {
        if (!set_arity(s, v, name, arity))
            v = NULL;
    } else if (arity == 0) {
        v = add_local(s, name);
    } else {
        struct near near;

        near_init(&near, name->text);
        near_names(s, &near);
        if (arity == SEMA_ANY_ARITY)
            diag_error(s->diag, name->at, "undefined", "there is no global '%s'", name->text);
        else
            diag_error(s->diag, name->at, "undefined",
                       "the array '%s' is not declared (missing: global %s)", name->text,
                       name->text);
        if (near_best(&near))
            diag_hint(s->diag, "did you mean '%s'?", near_best(&near));
    }
    name->var = v;
    name->type = v ? name->type : TYPE_ERROR;
    return v;
}

/* ---- functions ---- */

static bool can_see(const struct sema *s, const struct function *fn, const struct expr *from)
{
    uint32_t own = sema_file(s, fn->at);

    return !fn->is_private || own == s->file || own == sema_file(s, from->at);
}

static int64_t rank(const struct function *fn)
{
    return fn->priority ? fn->priority : 1;
}

/*
 * Puts FN among the overloads that begin with FIRST, by priority, then as they are written; returns
 * which is the first then.
 */
static struct function *add_overload(struct function *first, struct function *fn)
{
    struct function **at = &first;

    while (*at && *at != fn && rank(*at) <= rank(fn))
        at = &(*at)->following;
    if (*at != fn) {
        fn->following = *at;
        *at = fn;
    }
    return first;
}

/*
 * Among the program's own functions, the first of several of one name. An embedded-C body gives way
 * to a built-in of ours (that is how SystemTap's own tapset says pid(); the script's own is
 * respected). A private function hides others.
 */
static struct function *own_function(struct sema *s, const struct expr *e)
{
    struct function *found = sema_tapset_func(s, e, true);

    if (found)
        return found;
    for (struct function *fn = s->prog->funcs; fn; fn = fn->next) {
        if (strcmp(fn->name, e->text) || fn->n_params != e->n_args || !can_see(s, fn, e))
            continue;
        if (fn->is_embedded && func_find(e->text, (int)e->n_args) &&
            source_get(s->cx->sources, sema_file(s, fn->at))->tapset)
            continue;
        if (found && found->is_private && !fn->is_private)
            continue;
        if (found && fn->is_private && !found->is_private)
            found = NULL;
        found = add_overload(found, fn);
    }
    return found;
}

static void near_intrinsic(const struct intrinsic *f, void *arg)
{
    near_try(arg, f->name);
}

/* The name exists, but takes another number of arguments. */
static bool wrong_number(struct sema *s, const struct expr *e)
{
    const struct intrinsic *row = func_find(e->text, -1);
    struct sema_name *lib;

    for (const struct function *fn = s->prog->funcs; fn; fn = fn->next) {
        if (strcmp(fn->name, e->text) || !can_see(s, fn, e))
            continue;
        diag_error(s->diag, e->op_at, "arity", "%s() takes %u argument%s, not %u", e->text,
                   fn->n_params, fn->n_params == 1 ? "" : "s", e->n_args);
        diag_note(s->diag, fn->name_at, "defined here");
        return true;
    }
    if (row) {
        if (row->min_args == row->n_args)
            diag_error(s->diag, e->op_at, "arity", "%s() takes %u argument%s, not %u", e->text,
                       row->n_args, row->n_args == 1 ? "" : "s", e->n_args);
        else
            diag_error(s->diag, e->op_at, "arity", "%s() takes %u to %u arguments, not %u", e->text,
                       row->min_args, row->n_args, e->n_args);
        return true;
    }
    HASH_FIND_STR(s->lib_funcs, e->text, lib);
    if (!lib || !can_see(s, lib->func, e))
        return false;
    diag_error(s->diag, e->op_at, "arity", "%s() takes %u argument%s, not %u", e->text,
               lib->func->n_params, lib->func->n_params == 1 ? "" : "s", e->n_args);
    diag_note(s->diag, lib->func->name_at, "defined here");
    return true;
}

/* How other languages' words are written in this one; NULL: it is none. */
static const char *foreign_word(const char *name)
{
    static const char *const words[][2] = {
        {"elif", "'else if'"},
        {"elsif", "'else if'"},
        {"elseif", "'else if'"},
        {"switch", "'if' and 'else if'"},
        {"sizeof", "&@cast(0, \"TYPE\")[1]: where the second of an array at 0 begins"},
    };

    for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
        if (!strcmp(name, words[i][0]))
            return words[i][1];
    return NULL;
}

static void no_such_function(struct sema *s, const struct expr *e)
{
    const char *foreign = foreign_word(e->text);
    struct near near;

    diag_error(s->diag, e->op_at, "undefined", "there is no function %s()", e->text);
    if (foreign) {
        diag_hint(s->diag, "write %s", foreign);
        return;
    }
    sema_tapset_parse_all(s);
    near_init(&near, e->text);
    for (uint32_t i = 0; syntax_printer(i); i++)
        near_try(&near, syntax_printer(i));
    for (const struct function *fn = s->prog->funcs; fn; fn = fn->next)
        if (can_see(s, fn, e))
            near_try(&near, fn->name);
    for (const struct sema_name *lib = s->lib_funcs; lib; lib = lib->hh.next)
        if (can_see(s, lib->func, e))
            near_try(&near, lib->name);
    func_each(near_intrinsic, &near);
    if (near_best(&near))
        diag_hint(s->diag, "did you mean %s()?", near_best(&near));
    sema_tapset_note_broken(s);
}

/* A function of SystemTap's own tapset? */
static bool find_theirs(struct sema *s, struct expr *e)
{
    if (!sema_systemtap_has(s, "function", e->text))
        return false;
    if (s->opts->stap)
        return sema_systemtap_call(s, e);
    e->func = sema_tapset_func(s, e, false);
    return e->func != NULL;
}

bool sema_find_call(struct sema *s, struct expr *e)
{
    e->func = own_function(s, e);
    if (!e->func)
        e->intrinsic = func_find(e->text, (int)e->n_args);
    if (!e->func && !e->intrinsic)
        e->func = sema_tapset_func(s, e, false);
    if (e->func || e->intrinsic || find_theirs(s, e))
        return true;
    e->type = TYPE_ERROR;
    if (!wrong_number(s, e))
        no_such_function(s, e);
    return false;
}
