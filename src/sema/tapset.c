/*
 * tapset: the library of scripts. Enters: directories; leaves: every *.stp in them read, and what
 * of probe/ may hold the aliases that are meant; its functions found by name, and the files that
 * something uses made part of the program. A file is parsed when it may declare a name that is
 * looked for (declared.c), or at once when it has probes, whose aliases are looked through. *.stpm
 * files are read apart, before the script, since their macros serve everything. A file with syntax
 * errors is left out, and named when a name is missing; a directory that cannot be read holds
 * nothing.
 */
#include "sema/internal.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/bytes.h"

static int is_script(const struct dirent *d)
{
    return ends_with(d->d_name, ".stp");
}

static int is_macros(const struct dirent *d)
{
    return ends_with(d->d_name, ".stpm");
}

/* NULL: it cannot be read. */
/* What sema_read_scripts has read. */
static struct source *known_file(const struct compile *cx, const char *path)
{
    struct source *src;

    for (uint32_t id = 1; (src = source_get(cx->sources, id)); id++)
        if (src->tapset && !strcmp(src->name, path))
            return src;
    return NULL;
}

static struct source *read_file(struct compile *cx, const char *path)
{
    struct source *src = known_file(cx, path);

    if (!src)
        src = source_read(cx->sources, path);
    if (!src)
        diag_warning(cx->diag, (struct span){0}, "%s: %s", path, strerror(errno));
    else
        src->tapset = true;
    return src;
}

/* Parses a file into PROG; false: it has errors. */
static bool parse(struct compile *cx, const struct sema_opts *o, struct source *src,
                  struct program *prog)
{
    diag_try_begin(cx->diag);
    bool sound = syntax_parse(cx, o->env, src, o->macros, prog);

    return !diag_try_end(cx->diag) && sound;
}

typedef void file_fn(void *arg, const char *path);

static void each_file(struct arena *a, const char *dir, int (*filter)(const struct dirent *),
                      file_fn *fn, void *arg)
{
    struct dirent **names;
    int n = scandir(dir, &names, filter, alphasort);

    for (int i = 0; i < n; i++) {
        fn(arg, arena_printf(a, "%s/%s", dir, names[i]->d_name));
        free(names[i]);
    }
    if (n >= 0)
        free(names);
}

struct macro_reader {
    struct compile *cx;
    const struct sema_opts *o;
    uint32_t dir;       /* index of the directory that is read */
    const char *folder; /* below it: "" or "/ARCH" */
};

/*
 * Has a directory before DIR a file of that name in FOLDER? Then that one counts: it has the same
 * macros or aliases.
 */
static bool is_hidden(struct arena *a, const struct sema_opts *o, uint32_t dir, const char *folder,
                      const char *path)
{
    const char *name = base_name(path);

    for (uint32_t i = 0; i < dir; i++)
        if (!access(arena_printf(a, "%s%s/%s", o->tapset_dirs[i], folder, name), F_OK))
            return true;
    return false;
}

static void read_macros(void *arg, const char *path)
{
    const struct macro_reader *r = arg;
    struct program none = {0};
    struct source *src;

    if (is_hidden(r->cx->arena, r->o, r->dir, r->folder, path))
        return;
    src = read_file(r->cx, path);
    if (src && !parse(r->cx, r->o, src, &none))
        diag_warning(r->cx->diag, (struct span){0},
                     "the library file %s has syntax errors and was left out", path);
}

void sema_read_macros(struct compile *cx, const struct sema_opts *o)
{
    const char *folders[] = {"", arena_printf(cx->arena, "/%s", o->env->arch)};

    for (uint32_t i = 0; i < o->n_tapset_dirs; i++)
        for (size_t k = 0; k < sizeof(folders) / sizeof(*folders); k++) {
            struct macro_reader r = {cx, o, i, folders[k]};

            each_file(cx->arena, arena_printf(cx->arena, "%s%s", o->tapset_dirs[i], folders[k]),
                      is_macros, read_macros, &r);
        }
}

/* The first directory's comes first, whenever it is parsed. */
static void add_name(struct sema *s, struct sema_file *f, struct function *fn)
{
    struct sema_name *entry = ARENA_NEW(s->arena, struct sema_name), *known;

    *entry = (struct sema_name){.name = fn->name, .func = fn, .file = f};
    HASH_FIND_STR(s->lib_funcs, fn->name, known);
    if (!known) {
        HASH_ADD_KEYPTR(hh, s->lib_funcs, entry->name, strlen(entry->name), entry);
        return;
    }
    if (f->order < known->file->order) { /* the head stays, and what it says moves on */
        entry->func = known->func;
        entry->file = known->file;
        known->func = fn;
        known->file = f;
    }
    while (known->other && known->other->file->order <= entry->file->order)
        known = known->other;
    entry->other = known->other;
    known->other = entry;
}

/* What a file declares stays apart from the program until it is needed. */
static void parse_file(struct sema *s, struct sema_file *f)
{
    if (f->parsed)
        return;
    f->parsed = true;
    f->broken = !parse(s->cx, s->opts, f->src, &f->prog);
    if (f->broken) /* half a function is none */
        f->prog = (struct program){0};
    for (struct function *fn = f->prog.funcs; fn; fn = fn->next)
        add_name(s, f, fn);
}

static bool is_of_name(char c)
{
    return isalnum((unsigned char)c) || c == '_';
}

static bool mentions(const struct source *src, const char *name)
{
    size_t len = strlen(name);
    const char *p = src->text, *end = src->text + src->len;

    for (; (p = memmem(p, (size_t)(end - p), name, len)); p += len)
        if ((p == src->text || !is_of_name(p[-1])) && (p + len == end || !is_of_name(p[len])))
            return true;
    return false;
}

/* Parses the files that may declare NAME. */
static void parse_declarers(struct sema *s, const char *name)
{
    struct sema_word *w;

    HASH_FIND_STR(s->words, name, w);
    for (struct sema_declarer *d = w ? w->first : NULL; d; d = d->next)
        parse_file(s, d->file);
    for (struct sema_file *f = s->files; f; f = f->next)
        if (f->unjudged && !f->parsed && mentions(f->src, name))
            parse_file(s, f);
}

void sema_tapset_parse_all(struct sema *s)
{
    for (struct sema_file *f = s->files; f; f = f->next)
        parse_file(s, f);
}

struct word_reader {
    struct sema *s;
    struct sema_file *file;
    bool probes; /* "probe" was among the words */
};

static void add_word(void *arg, const char *word, size_t len)
{
    struct word_reader *r = arg;
    struct sema_word *w;
    struct sema_declarer *d;

    r->probes |= len == strlen("probe") && !memcmp(word, "probe", len);
    HASH_FIND(hh, r->s->words, word, len, w);
    if (!w) {
        w = ARENA_NEW(r->s->arena, struct sema_word);
        w->word = arena_strndup(r->s->arena, word, len);
        HASH_ADD_KEYPTR(hh, r->s->words, w->word, len, w);
    }
    if (w->last && w->last->file == r->file)
        return;
    d = ARENA_NEW(r->s->arena, struct sema_declarer);
    d->file = r->file;
    if (w->last)
        w->last->next = d;
    else
        w->first = d;
    w->last = d;
}

static struct sema_file *find_file(const struct sema *s, const char *path)
{
    struct sema_file *f = s->files;

    while (f && strcmp(f->src->name, path) != 0)
        f = f->next;
    return f;
}

static struct sema_file *add_script(struct sema *s, const char *path, bool offers)
{
    struct sema_file *f = ARENA_NEW(s->arena, struct sema_file), **tail = &s->files;

    f->offers = offers;
    f->src = read_file(s->cx, path);
    if (!f->src)
        return NULL;
    for (; *tail; tail = &(*tail)->next)
        f->order++;
    *tail = f;

    struct word_reader r = {.s = s, .file = f};

    f->unjudged = !sema_declared(f->src->text, f->src->len, add_word, &r);
    if (f->unjudged ? mentions(f->src, "probe") : r.probes)
        parse_file(s, f);
    return f;
}

void sema_tapset_add(struct sema *s, const char *path)
{
    struct sema_file *f = find_file(s, path);

    if (!f)
        f = add_script(s, path, true); /* SystemTap itself leaves out what nothing reads */
    if (!f)
        return;
    f->theirs = true;
    parse_file(s, f);
}

static void read_script(void *arg, const char *path)
{
    add_script(arg, path, false);
}

struct probe_reader {
    struct sema *s;
    const char *name;
    uint32_t dir; /* index of the directory that is read */
};

static void read_probes(void *arg, const char *path)
{
    const struct probe_reader *r = arg;
    struct sema *s = r->s;
    const char *name = base_name(path);

    if (fnmatch(r->name, arena_strndup(s->arena, name, strlen(name) - strlen(".stp")), 0) ||
        is_hidden(s->arena, s->opts, r->dir, "/probe", path))
        return;
    if (!find_file(s, path))
        add_script(s, path, true);
}

void sema_tapset_probes(struct sema *s, const char *name)
{
    struct probe_reader r = {.s = s, .name = name};

    for (uint32_t i = 0; i < s->n_probed; i++)
        if (!strcmp(s->probed[i], name))
            return;
    s->probed = arena_grow(s->arena, s->probed, s->n_probed, sizeof(*s->probed));
    s->probed[s->n_probed++] = name;
    for (r.dir = 0; r.dir < s->opts->n_tapset_dirs; r.dir++)
        each_file(s->arena, arena_printf(s->arena, "%s/probe", s->opts->tapset_dirs[r.dir]),
                  is_script, read_probes, &r);
}

void sema_tapset_read(struct sema *s)
{
    const struct sema_opts *o = s->opts;

    for (uint32_t i = 0; i < o->n_tapset_dirs; i++) {
        each_file(s->arena, o->tapset_dirs[i], is_script, read_script, s);
        each_file(s->arena, arena_printf(s->arena, "%s/%s", o->tapset_dirs[i], o->env->arch),
                  is_script, read_script, s);
    }
}

static void read_ahead(void *arg, const char *path)
{
    read_file(arg, path);
}

void sema_read_scripts(struct compile *cx, const struct sema_opts *o)
{
    for (uint32_t i = 0; i < o->n_tapset_dirs; i++) {
        each_file(cx->arena, o->tapset_dirs[i], is_script, read_ahead, cx);
        each_file(cx->arena, arena_printf(cx->arena, "%s/%s", o->tapset_dirs[i], o->env->arch),
                  is_script, read_ahead, cx);
    }
}

void sema_tapset_free(struct sema *s)
{
    HASH_CLEAR(hh, s->words);
    HASH_CLEAR(hh, s->lib_funcs); /* the entries themselves are the arena's */
}

static void choose_file(struct sema *s, struct sema_file *f)
{
    struct variable **globals = &s->prog->globals;
    struct probe **probes = &s->prog->probes;

    if (f->chosen)
        return;
    f->chosen = true;
    while (*globals)
        globals = &(*globals)->next;
    *globals = f->prog.globals;
    while (*probes)
        probes = &(*probes)->next;
    *probes = f->prog.probes;
    f->prog.globals = NULL;
    f->prog.probes = NULL;
    for (uint32_t i = 0; i < f->prog.n_embedded; i++) {
        s->prog->embedded = arena_grow(s->arena, s->prog->embedded, s->prog->n_embedded,
                                       sizeof(*s->prog->embedded));
        s->prog->embedded[s->prog->n_embedded++] = f->prog.embedded[i];
    }
}

bool sema_is_chosen(const struct sema *s, uint32_t id)
{
    const struct source *src = source_get(s->cx->sources, id);

    if (!src || !src->tapset)
        return true;
    for (const struct sema_file *f = s->files; f; f = f->next)
        if (f->src->id == id)
            return f->chosen;
    for (uint32_t i = 0; i < s->n_chosen; i++)
        if (s->chosen[i] == id)
            return true;
    return false;
}

void sema_choose(struct sema *s, uint32_t id)
{
    if (sema_is_chosen(s, id))
        return;
    for (struct sema_file *f = s->files; f; f = f->next)
        if (f->src->id == id) {
            choose_file(s, f);
            return;
        }
    s->chosen = arena_grow(s->arena, s->chosen, s->n_chosen, sizeof(*s->chosen));
    s->chosen[s->n_chosen++] = id;
}

/* SystemTap's own tapset is left to it where it is the back end. */
static bool is_left(const struct sema *s, const struct sema_file *f)
{
    return f->theirs && s->opts->stap;
}

struct function *sema_tapset_func(struct sema *s, const struct expr *call, bool own)
{
    uint32_t from = sema_file(s, call->at); /* an alias's body may stand in any probe */
    struct sema_name *entry;

    parse_declarers(s, call->text);
    HASH_FIND_STR(s->lib_funcs, call->text, entry);
    for (; entry; entry = entry->other) {
        struct function **tail = &s->prog->funcs, *fn = entry->func;

        uint32_t file = sema_file(s, fn->at);

        if (fn->n_params != call->n_args || (own && !fn->is_private) || is_left(s, entry->file) ||
            (fn->is_private && file != s->file && file != from))
            continue;
        choose_file(s, entry->file);
        while (*tail && *tail != fn)
            tail = &(*tail)->next;
        if (!*tail) { /* taken over alone: its neighbours may never be needed */
            struct function *taken = fn;

            taken->next = NULL;
            *tail = taken;
        }
        return fn;
    }
    return NULL;
}

struct variable *sema_tapset_global(struct sema *s, const char *name)
{
    parse_declarers(s, name);
    for (struct sema_file *f = s->files; f; f = f->next) {
        if (f->chosen || is_left(s, f))
            continue;
        for (struct variable *v = f->prog.globals; v; v = v->next) {
            if (v->is_private || strcmp(v->name, name))
                continue;
            choose_file(s, f);
            return v;
        }
    }
    return NULL;
}

void sema_tapset_note_broken(struct sema *s)
{
    for (struct sema_file *f = s->files; f; f = f->next)
        if (f->broken)
            diag_note(s->diag, (struct span){0},
                      "the library file %s has syntax errors and was left out (ngstap -p1 %s shows "
                      "them)",
                      f->src->name, f->src->name);
}
