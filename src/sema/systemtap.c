/*
 * systemtap: SystemTap's own tapset, where it is installed, searched after ours. Enters: names that
 * neither the script nor our library has; leaves: the files that define them among the library's,
 * for eBPF to be taken like ours; for SystemTap as the back end its functions are called by name.
 * Read when a name is missing, not before: 2.7 MB of text are looked through in some milliseconds.
 * What is written there in embedded C is refused by whoever reaches it.
 */
#include "sema/internal.h"

#include <ctype.h>
#include <dirent.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/file.h"

enum { FILE_MOST = 4 << 20, FOLDERS = 4 };

/* A script of SystemTap's as text. */
struct sema_theirs {
    struct sema_theirs *next;
    const char *path;
    char *text;
    size_t len;
};

static void folders(struct arena *a, const struct sema_opts *o, const char *out[FOLDERS])
{
    const char *dir = o->systemtap_dir, *arch = o->env->arch;

    out[0] = dir;
    out[1] = arena_printf(a, "%s/linux", dir);
    out[2] = arena_printf(a, "%s/%s", dir, arch);
    out[3] = arena_printf(a, "%s/linux/%s", dir, arch);
}

static int is_script(const struct dirent *d)
{
    return ends_with(d->d_name, ".stp");
}

static int is_macros(const struct dirent *d)
{
    return ends_with(d->d_name, ".stpm");
}

/* Calls FN with the path of each file of the folders that FILTER takes. */
static void each(struct arena *a, const struct sema_opts *o, int (*filter)(const struct dirent *),
                 void (*fn)(void *arg, const char *path), void *arg)
{
    const char *dirs[FOLDERS];

    folders(a, o, dirs);
    for (int i = 0; i < FOLDERS; i++) {
        struct dirent **names;
        int n = scandir(dirs[i], &names, filter, alphasort);

        for (int k = 0; k < n; k++) {
            fn(arg, arena_printf(a, "%s/%s", dirs[i], names[k]->d_name));
            free(names[k]);
        }
        if (n >= 0)
            free(names);
    }
}

static void read_text(void *arg, const char *path)
{
    struct sema *s = arg;
    struct sema_theirs *t = ARENA_NEW(s->arena, struct sema_theirs), **tail = &s->theirs;

    t->path = path;
    t->text = file_read(path, FILE_MOST, &t->len);
    if (!t->text)
        return;
    while (*tail)
        tail = &(*tail)->next;
    *tail = t;
}

void sema_systemtap_free(struct sema *s)
{
    for (struct sema_theirs *t = s->theirs; t; t = t->next)
        free(t->text);
    s->theirs = NULL;
}

/* ---- names ---- */

static bool is_of_name(char c)
{
    return isalnum((unsigned char)c) || c == '_';
}

/* Is what ends before END the word WORD, or a ',' where MORE (global a, b)? */
static bool follows(const char *text, const char *end, const char *word, bool more)
{
    size_t n = strlen(word);

    while (end > text && isspace((unsigned char)end[-1]))
        end--;
    if (more && end > text && end[-1] == ',')
        return true;
    return (size_t)(end - text) >= n && !memcmp(end - n, word, n) &&
           ((size_t)(end - text) == n || !is_of_name(end[-n - 1]));
}

/* May T define NAME as a WORD: function, global or probe? */
static bool defines(const struct sema_theirs *t, const char *word, const char *name)
{
    size_t n = strlen(name);
    const char *p = t->text, *end = t->text + t->len;

    for (; (p = memmem(p, (size_t)(end - p), name, n)); p += n)
        if (p > t->text && !is_of_name(p[-1]) && !is_of_name(p[n]) &&
            follows(t->text, p, word, *word != 'f'))
            return true;
    return false;
}

bool sema_systemtap_has(struct sema *s, const char *word, const char *name)
{
    bool found = false;

    if (!s->opts->systemtap_dir || !*name)
        return false;
    if (!s->theirs)
        each(s->arena, s->opts, is_script, read_text, s);
    for (const struct sema_theirs *t = s->theirs; t; t = t->next)
        if (defines(t, word, name)) {
            sema_tapset_add(s, t->path);
            found = true;
        }
    return found;
}

bool sema_systemtap_call(struct sema *s, struct expr *e)
{
    struct sema_name *entry;
    struct intrinsic *row;
    uint8_t n = 0;

    HASH_FIND_STR(s->lib_funcs, e->text, entry);
    while (entry &&
           (!entry->file->theirs || entry->func->is_private || entry->func->n_params != e->n_args))
        entry = entry->other;
    if (!entry)
        return false;
    row = ARENA_NEW(s->arena, struct intrinsic);
    row->name = e->text;
    row->result = entry->func->type;
    if (row->result == TYPE_UNKNOWN && !entry->func->is_embedded)
        row->result = TYPE_LONG; /* the tapset's strings are said to be */
    for (const struct variable *v = entry->func->params; v && n < INTRIN_MAX_ARGS; v = v->next)
        row->args[n++] = v->type;
    row->n_args = row->min_args = n;
    e->intrinsic = row;
    return true;
}

/* ---- macros ---- */

struct reader {
    struct compile *cx;
    const struct sema_opts *o;
};

/* Those that we have stay ours, so that their file is not whole: no error. */
static void read_macros(void *arg, const char *path)
{
    const struct reader *r = arg;
    struct program none = {0};
    struct source *src = source_read(r->cx->sources, path);

    if (!src)
        return;
    src->tapset = true;
    diag_try_begin(r->cx->diag);
    syntax_parse(r->cx, r->o->env, src, r->o->macros, &none);
    diag_try_end(r->cx->diag);
}

static void read_all_macros(void *arg)
{
    struct reader *r = arg;

    each(r->cx->arena, r->o, is_macros, read_macros, r);
}

void sema_systemtap_macros(struct compile *cx, const struct sema_opts *o)
{
    struct reader *r = ARENA_NEW(cx->arena, struct reader);

    *r = (struct reader){cx, o};
    if (o->systemtap_dir)
        macros_when_missing(o->macros, read_all_macros, r);
}
