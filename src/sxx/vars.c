/*
 * vars: the values of $^ variables: arguments and their defaults, what the target says, and the
 * search for a library among the target's.
 *
 * Enters: a name as mentioned, its trait. Leaves: its value. Refuses, with stap++'s words:
 * arguments not given, names that do not exist, what needs a target when there is none.
 */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"

/* Hash tables live in the arena; HASH_ARENA is a variable where a table grows. */
#define uthash_malloc(size)    arena_alloc(hash_arena, size)
#define uthash_free(ptr, size) ((void)0)
#include "base/bytes.h"
#include "sxx/vars.h"
#include "target/luajit.h"

#define TAG "sxx"

struct sxx_var *var_find(struct sxx_var *table, const char *name)
{
    struct sxx_var *found;

    HASH_FIND_STR(table, name, found);
    return found;
}

struct sxx_var *var_set(struct arena *a, struct sxx_var **table, const char *name,
                        const char *value, uint32_t len)
{
    struct sxx_var *var = var_find(*table, name);
    struct arena *hash_arena = a;

    if (!var) {
        var = ARENA_NEW(a, struct sxx_var);
        var->name = arena_strdup(a, name);
        HASH_ADD_KEYPTR(hh, *table, var->name, strlen(var->name), var);
    }
    var->value = value ? arena_strndup(a, value, len) : NULL;
    var->len = value ? len : 0;
    var->library = false;
    var->told = NULL;
    var->source = 0;
    return var;
}

static struct sxx_var *find(const struct vars *v, const char *name)
{
    return var_find(v->set, name);
}

static struct sxx_var *set(struct vars *v, const char *name, const char *value)
{
    return var_set(v->cx->arena, &v->set, name, value, value ? (uint32_t)strlen(value) : 0);
}

/* What the target says: a path of one of its files. */
static struct sxx_var *set_told(struct vars *v, const char *name, const char *path)
{
    struct sxx_var *var = set(v, name, path);

    var->told = var->value;
    return var;
}

/* ".so", ".so.1", ".so.1.2" and nothing else? */
static bool is_so_suffix(const char *s)
{
    if (strncmp(s, ".so", 3))
        return false;
    for (s += 3; *s == '.';) {
        s++;
        if (!isdigit((unsigned char)*s))
            return false;
        while (isdigit((unsigned char)*s))
            s++;
    }
    return *s == '\0';
}

static bool ends_in_so(const char *path)
{
    for (const char *s = path; (s = strstr(s, ".so")); s++)
        if (s > path && is_so_suffix(s))
            return true;
    return false;
}

/* Sorts, drops what is there twice; how many are left. */
static uint32_t sort_once(const char **paths, uint32_t n)
{
    uint32_t kept = 0;

    qsort(paths, n, sizeof(*paths), order_by_text);
    for (uint32_t i = 0; i < n; i++)
        if (!kept || strcmp(paths[kept - 1], paths[i]))
            paths[kept++] = paths[i];
    return kept;
}

/*
 * Those in use, as stap++ has them; and those that it does not see: whose file was replaced under
 * the process, or that only -d names. They serve when the others have none.
 */
static void list_dsos(struct vars *v)
{
    bool mapped = false;

    for (const struct module *m = v->t->modules; m; m = m->next)
        mapped |= m->start != 0;
    for (const struct module *m = v->t->modules; m; m = m->next) {
        int other = m->deleted || (mapped && !m->start);

        if (m->is_exe || !ends_in_so(m->path))
            continue;
        v->dsos[other].v =
            arena_grow(v->cx->arena, v->dsos[other].v, v->dsos[other].n, sizeof(*v->dsos[other].v));
        v->dsos[other].v[v->dsos[other].n++] = m->path;
    }
    for (int i = 0; i < 2; i++)
        if (v->dsos[i].n)
            v->dsos[i].n = sort_once(v->dsos[i].v, v->dsos[i].n);
}

static void set_target(struct vars *v)
{
    const struct target *t = v->t;
    struct arena *a = v->cx->arena;
    const char *ok = NULL, *target = NULL;

    if (t->exec_path)
        set_told(v, "exec_path", t->exec_path);
    switch (t->kind) {
    case TARGET_PID:
    case TARGET_CMD:
    case TARGET_MASTER:
        /* With -c stap++ gives no $^target. Where nothing will run there is no pid yet. */
        target = t->n_pids ? "" : "target()";
        for (uint32_t i = 0; i < t->n_pids; i++) {
            ok = arena_printf(a, "%s%spid() == %d", i ? ok : "", i ? " || " : "", (int)t->pids[i]);
            target = arena_printf(a, "%s%s%d", target, i ? " " : "", (int)t->pids[i]);
        }
        /* stap++ lists the pids of workers; target() is each of several, also of those to come. */
        ok = !v->o->by_target && (t->n_pids > 1 || t->kind == TARGET_MASTER)
                 ? arena_printf(a, "(%s)", ok)
                 : "pid() == target()";
        break;
    default:
        if (t->exec_path) {
            ok = "1";
            target = "ANY";
        }
    }
    if (ok)
        set(v, "pid_ok", ok);
    if (target)
        set(v, "target", target);
}

static void set_given(struct vars *v, const struct sxx_arg *arg)
{
    struct sxx_var *var =
        set(v, arena_printf(v->cx->arena, "arg_%s", arg->name), arg->value ? arg->value : "");

    if (arg->option)
        var->source = source_add(v->cx->sources, arg->option, var->value, var->len)->id;
}

void vars_init(struct vars *v, struct compile *cx, const struct sxx_opts *o, const struct target *t)
{
    *v = (struct vars){.cx = cx, .o = o, .t = t};
    if (t) {
        set_target(v);
        list_dsos(v);
    }
    for (uint32_t i = 0; i < o->n_args && !o->list_args; i++)
        set_given(v, &o->args[i]);
}

/* ---- arguments seen ---- */

/* Notes that $^arg_NAME is mentioned; the default that counts is the first. */
static void see_arg(struct vars *v, const char *name, const char *default_value)
{
    struct sxx_var *seen = var_find(v->seen, name);
    struct sxx_arg *arg;

    if (seen) {
        arg = &v->args[seen->arg];
    } else {
        seen = var_set(v->cx->arena, &v->seen, name, NULL, 0);
        seen->arg = v->n_args;
        v->args = arena_grow(v->cx->arena, v->args, v->n_args, sizeof(*v->args));
        arg = &v->args[v->n_args++];
        *arg = (struct sxx_arg){.name = seen->name, .used = true};
        for (uint32_t i = 0; i < v->o->n_args; i++)
            if (!strcmp(v->o->args[i].name, name)) {
                arg->given = true;
                arg->value = v->o->args[i].value;
                v->o->args[i].used = true;
            }
    }
    if (!arg->default_value && default_value)
        arg->default_value = arena_strdup(v->cx->arena, default_value);
}

void vars_sort_args(struct vars *v)
{
    if (v->n_args)
        qsort(v->args, v->n_args, sizeof(*v->args), order_by_text);
}

/* ---- libraries ---- */

/* lib[-.\w]+_path? */
static bool is_library(const char *name)
{
    size_t len = strlen(name);

    if (len <= 8 || strncmp(name, "lib", 3) || !ends_with(name, "_path"))
        return false;
    for (size_t i = 3; i < len; i++)
        if (!is_word(name[i]) && name[i] != '-' && name[i] != '.')
            return false;
    return true;
}

/* A word starts or ends between the bytes before and at I. */
static bool is_boundary(const char *s, size_t i)
{
    return (i && is_word(s[i - 1])) != is_word(s[i]);
}

/* libNAME, digits, dashes and dots, then .so... */
static bool is_exact(const char *path, const char *lib)
{
    size_t len = strlen(lib);

    for (const char *s = path; (s = strstr(s, lib)); s++) {
        if (!is_boundary(path, (size_t)(s - path)))
            continue;
        for (const char *rest = s + len;; rest++) {
            if (is_so_suffix(rest))
                return true;
            if (*rest != '-' && *rest != '.' && !isdigit((unsigned char)*rest))
                break;
        }
    }
    return false;
}

/* A file name that starts with NAME (or has it at a word's start), ends in .so... and has no
 * blank. */
static bool fuzzy_at(const char *path, const char *s, const char *name)
{
    if (!is_boundary(path, (size_t)(s - path)) || strncmp(s, name, strlen(name)))
        return false;
    for (const char *rest = s + strlen(name);; rest++) {
        if (is_so_suffix(rest))
            return true;
        if (*rest == '\0' || *rest == '/' || isspace((unsigned char)*rest))
            return false;
    }
}

static bool is_fuzzy(const char *path, const char *lib)
{
    for (const char *s = path; *s; s++)
        if (fuzzy_at(path, s, lib) || fuzzy_at(path, s, lib + 3))
            return true;
    return false;
}

/* LIB: "libfoo". The first exact match wins, else the first near one. */
static const char *find_library(struct vars *v, struct span at, const char *lib, int others)
{
    struct diag *d = v->cx->diag;
    const struct span nowhere = {0};
    const char *found = NULL;

    for (uint32_t i = 0; i < v->dsos[others].n; i++) {
        const char *path = v->dsos[others].v[i];

        if (is_exact(path, lib)) {
            if (v->cx->verbose)
                diag_note(d, nowhere, "Found exact match for %s: %s", lib, path);
            return path;
        }
        if (!is_fuzzy(path, lib))
            continue;
        if (found)
            diag_warning(d, at, "Ignored ambiguous library %s for \"%s\"", path, lib);
        else
            found = path;
    }
    return found;
}

/* All that lacks a value for want of a target is one error. What WORDS says in stap++'s words
 * happens, as a rule, in a library that the user has not seen. */
static void needs_target(struct vars *v, struct span at, const char *words)
{
    v->failed = true;
    if (v->told)
        return;
    v->told = true;
    diag_error(v->cx->diag, at.file == v->script ? at : (struct span){0}, TAG,
               "this script needs a process: %s", words);
    diag_hint(v->cx->diag, "-x PID, --master PID, --container NAME or -c COMMAND names one, "
                           "--exec PATH an executable");
}

/* A library that the process has loaded, and that we may not read, is not "not found". */
static bool say_unread(struct vars *v, struct span at, const char *lib)
{
    for (const struct unread *u = v->t ? v->t->unread : NULL; u; u = u->next)
        if (is_exact(u->path, lib) || is_fuzzy(u->path, lib)) {
            v->failed = true;
            diag_error(v->cx->diag, at, TAG, "%s is %s, which cannot be read: %s", lib, u->path,
                       strerror(u->error));
            return true;
        }
    return false;
}

/* The file that holds LIB under another name: the executable, or a library that has it inside. */
static const char *find_inside(struct vars *v, const char *lib)
{
    const struct module *m =
        v->t && !strcmp(lib, "libluajit") ? target_lua(v->cx, v->t, LUA_JIT) : NULL;

    if (m && v->cx->verbose)
        diag_note(v->cx->diag, (struct span){0}, "%s is linked into %s", lib, m->path);
    return m ? m->path : NULL;
}

static const struct sxx_var *library(struct vars *v, struct span at, const char *name)
{
    const char *lib = arena_strndup(v->cx->arena, name, strlen(name) - 5);
    const char *path = find_library(v, at, lib, 0);
    const struct sxx_var *exec = find(v, "exec_path");

    if (!path)
        path = find_library(v, at, lib, 1);
    if (!path)
        path = find_inside(v, lib);
    if (!path && !(exec && exec->value)) {
        needs_target(v, at, "No -x <pid> option is specified.");
    } else if (!path) {
        path = exec->value;
        if (!say_unread(v, at, lib))
            diag_warning(v->cx->diag, at, "%s is not found, assuming it is statically linked.",
                         lib);
        v->assumed = lib;
    }
    struct sxx_var *var = set_told(v, name, path); /* looked for once */

    var->library = true;
    return var;
}

/* ---- all ---- */

/* What may have been meant by $^NAME. */
static void hint(struct vars *v, const char *name, const char *arg)
{
    static const char *const known[] = {"exec_path", "exe_path", "pid_ok", "target"};
    struct diag *d = v->cx->diag;
    struct near near;

    near_init(&near, arg ? arg : name);
    for (uint32_t i = 0; arg && i < v->o->n_args; i++)
        near_try(&near, v->o->args[i].name);
    for (size_t i = 0; !arg && i < sizeof(known) / sizeof(*known); i++)
        near_try(&near, known[i]);
    if (near_best(&near))
        diag_hint(d, arg ? "--arg %s is given: is it meant?" : "did you mean '$^%s'?",
                  near_best(&near));
}

/* Reports a variable without a value, once. */
static const struct sxx_var *missing(struct vars *v, struct span at, const char *name,
                                     const char *arg)
{
    struct diag *d = v->cx->diag;

    v->failed = true;
    if (!strcmp(name, "exec_path")) {
        needs_target(v, at,
                     "$^exec_path is used but neither -x <pid> nor --exec <path> is specified.");
    } else if (!strcmp(name, "pid_ok") || !strcmp(name, "target")) {
        needs_target(v, at, arena_printf(v->cx->arena, "Undefined built-in variable $^%s.", name));
    } else {
        if (arg)
            diag_error(d, at, TAG, "$^%s is used but no --arg %s=VAL option is specified.", name,
                       arg);
        else
            diag_error(d, at, TAG, "Undefined built-in variable $^%s.", name);
        hint(v, name, arg);
    }
    return set(v, name, NULL);
}

const struct sxx_var *vars_get(struct vars *v, struct span at, const char *name, const char *trait,
                               const char *trait_value, uint32_t trait_len)
{
    const char *arg = !strncmp(name, "arg_", 4) && name[4] ? name + 4 : NULL;
    const struct sxx_var *var;

    if (!strcmp(name, "exe_path"))
        name = "exec_path";
    var = find(v, name);
    if (arg)
        see_arg(v, arg, var ? NULL : trait_value);
    if (var && !(var->library && trait))
        return var;
    if (trait) {
        if (strcmp(trait, "default")) {
            v->failed = true;
            diag_error(v->cx->diag, at, TAG, "unknown trait name: %s", trait);
            return NULL;
        }
        return var_set(v->cx->arena, &v->set, name, trait_value, trait_len);
    }
    if (v->o->list_args)
        return NULL;
    if (is_library(name))
        return library(v, at, name);
    return missing(v, at, name, arg);
}
