/*
 * types: "ngstap types": the layouts of a target's types as a C header. Enters: names, a target;
 * leaves: a file that compiles, whole or not there. Types are looked for in the executable first,
 * then in the other modules; one that is only declared in one is completed from the others. Refuses
 * names that are not there, and types that nothing defines.
 */
#include <ctype.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/bounds.h"
#include "base/bytes.h"
#include "base/clean.h"
#include "base/diag.h"
#include "cli/apart.h"
#include "cli/options.h"
#include "cli/search.h"
#include "cli/subcommand.h"
#include "out/out.h"
#include "debug/debug.h"
#include "types/types.h"

static const struct span nowhere;

struct types {
    struct compile *cx;
    struct options o;
    struct strings names, modules; /* -C, --module */
    struct types_rename *renames;
    uint32_t n_renames;
    bool deep;
    struct target *t;
    struct debuginfo *di;
    struct strings tried; /* modules without debug information, and why */
    const struct ctype **wanted;
    uint32_t n_wanted;
};

static void append(struct types *s, struct strings *l, const char *word)
{
    l->v = arena_grow(s->cx->arena, l->v, l->n, sizeof(*l->v));
    l->v[l->n++] = word;
}

/* ---- options ---- */

static bool fail(struct types *s, const char *message, const char *word, const char *hint)
{
    diag_error(s->cx->diag, nowhere, "options", message, word);
    diag_hint(s->cx->diag, "%s", hint);
    return false;
}

/* "a,struct b": blanks around are dropped. */
static bool add_names(void *command, const char *option, const char *text)
{
    struct types *s = command;

    while (*text) {
        size_t n = strcspn(text, ","), len = n;
        const char *from = text;

        while (len && isspace((unsigned char)*from)) {
            from++;
            len--;
        }
        while (len && isspace((unsigned char)from[len - 1]))
            len--;
        if (len)
            append(s, &s->names, arena_strndup(s->cx->arena, from, len));
        text += n + (text[n] == ',');
    }
    return true;
}

static bool is_identifier(const char *s)
{
    if (!isalpha((unsigned char)*s) && *s != '_')
        return false;
    for (; *s; s++)
        if (!is_word(*s))
            return false;
    return true;
}

static bool add_rename(void *command, const char *option, const char *text)
{
    struct types *s = command;
    const char *eq = strchr(text, '=');

    if (!eq || eq == text || !is_identifier(eq + 1))
        return fail(s, "--rename takes OLD=NEW, NEW being a name in C, not \"%s\"", text,
                    "e.g. --rename Node=LJNode");
    s->renames = arena_grow(s->cx->arena, s->renames, s->n_renames, sizeof(*s->renames));
    s->renames[s->n_renames++] = (struct types_rename){
        .from = arena_strndup(s->cx->arena, text, (size_t)(eq - text)), .to = eq + 1};
    return true;
}

static bool add_module(void *command, const char *option, const char *path)
{
    struct types *s = command;

    append(s, &s->modules, path);
    return true;
}

static bool set_deep(void *command, const char *option, const char *value)
{
    ((struct types *)command)->deep = true;
    return true;
}

static const struct command_option taken[] = {
    {"-C", "TYPE", "a type, or several: GCobj, \"struct lua_State\"", add_names},
    {"-x", NULL, "the process to look at", NULL},
    {"--master", NULL, "a worker of this process", NULL},
    {"--container", NULL, "the processes that run Lua in this container", NULL},
    {"--pod", NULL, "... in this pod of Kubernetes, on its node", NULL},
    {"--exec", NULL, "an executable", NULL},
    {"--sysroot", NULL, "look for the target's files below DIR (see docker-root)", NULL},
    {"-d", NULL, "a pack of debug information, NAME.pack (repeatable)", NULL},
    {"--no-debuginfo", NULL, "without dwarf, debuginfod, pack or layout", NULL},
    {"--module", "PATH", "look for the types here only; kernel: in the running kernel", add_module},
    {"--rename", "OLD=NEW", "call a type NEW, or an enumerator", add_rename},
    {"--deep", NULL, "define what is only pointed to, too", set_deep},
    {"-o", NULL, "write to FILE, which is whole or not there", NULL},
};

static const struct command_options options = {
    "ngstap types",
    "Usage: ngstap types -C TYPE[,TYPE]... [OPTION]...\n"
    "Prints types of a target as a C header that is laid out as they are, with offsets and\n"
    "sizes in comments: what they hold by value in full, what they point to declared.\n\n",
    taken, sizeof(taken) / sizeof(*taken)};

static bool parse(struct types *s, int argc, char **argv)
{
    const struct target_opts *t = &s->o.target;

    if (!options_command(s->cx, argc, argv, &options, s, &s->o))
        return false;
    if (s->o.help)
        return true;
    s->o.target.proc = "/proc";
    if (optind != argc)
        return fail(s, "types takes no argument such as %s", argv[optind],
                    "types are named by -C, a process by -x");
    if (!s->names.n)
        return fail(s, "%s types? Name them", "which", "e.g. -C GCobj,lua_State");
    if (!t->pid && !t->master && !t->container && !t->pod && !t->exec && !s->modules.n)
        return fail(s, "%s types? Name a target", "whose",
                    "-x PID, --master PID, --container NAME, --pod NAMESPACE/POD, --exec PATH or "
                    "--module PATH");
    return true;
}

/* ---- finding them ---- */

static struct dbg *open_module(struct types *s, const char *path)
{
    const char *why;
    struct dbg *m = dbg_open(s->di, path, &why);

    if (!m && why)
        append(s, &s->tried, why);
    return m;
}

/* A module named by the end of its path, too. */
static const char *module_path(struct types *s, const char *name)
{
    size_t n = strlen(name);

    for (struct module *m = s->t->modules; *name != '/' && m; m = m->next) {
        size_t len = strlen(m->path);

        if (len > n && m->path[len - n - 1] == '/' && !strcmp(m->path + len - n, name))
            return m->path;
    }
    return name;
}

/* Completes declarations, too: every module that is open has a say. */
static void open_all(struct types *s)
{
    for (struct module *m = s->t->modules; m; m = m->next)
        open_module(s, m->path);
}

static bool is_incomplete(const struct ctype *t)
{
    struct cdecl d;

    for (int i = 0; i < 64; i++) { /* a chain of typedefs */
        ctype_decl(t, &d);
        if (d.kind != CD_TYPEDEF || !d.of)
            break;
        t = d.of;
    }
    return d.incomplete;
}

static void near_name(const char *name, void *arg)
{
    near_try(arg, name);
}

static const struct ctype *find(struct types *s, const struct strings *paths, const char *name)
{
    const struct ctype *declared = NULL;

    for (uint32_t i = 0; i < paths->n; i++) {
        struct dbg *m = open_module(s, paths->v[i]);
        const struct ctype *t = m ? dbg_type(m, name) : NULL;

        if (t && !is_incomplete(t))
            return t;
        if (!declared)
            declared = t;
    }
    return declared;
}

static bool say_unknown(struct types *s, const struct strings *paths, const char *name)
{
    struct diag *d = s->cx->diag;
    struct near near;
    const char *bare = strrchr(name, ' ') ? strrchr(name, ' ') + 1 : name;
    const char *first = NULL; /* why the executable, or what --module names, tells nothing */
    uint32_t searched = 0;

    near_init(&near, bare);
    for (uint32_t i = 0; i < paths->n; i++) {
        const char *why;
        struct dbg *m = dbg_open(s->di, paths->v[i], &why);

        if (m)
            dbg_names(m, DBG_TYPES, near_name, &near);
        else if (i == 0)
            first = why;
        searched += m != NULL;
    }
    diag_error(
        d, nowhere, "types", "no type %s in %s", name,
        paths->n == 1
            ? paths->v[0]
            : arena_printf(s->cx->arena, "the %u modules that have debug information", searched));
    if (near_best(&near))
        diag_hint(d, "did you mean %s?", near_best(&near));
    else if (first)
        diag_hint(d, "%s", first);
    else if (searched < paths->n)
        diag_hint(d, "%u more have none: --module PATH looks in one, and says what it lacks",
                  paths->n - searched);
    return false;
}

static bool add_type(struct types *s, const struct strings *paths, const char *name)
{
    const struct ctype *t = find(s, paths, name);

    if (!t)
        return say_unknown(s, paths, name);
    if (is_incomplete(t))
        open_all(s);
    if (is_incomplete(t)) {
        diag_error(s->cx->diag, nowhere, "types", "%s is declared only: nothing here defines it",
                   name);
        diag_hint(s->cx->diag, "--module PATH names the file that does");
        return false;
    }
    s->wanted = arena_grow(s->cx->arena, s->wanted, s->n_wanted, sizeof(*s->wanted));
    s->wanted[s->n_wanted++] = t;
    return true;
}

static bool find_all(struct types *s)
{
    struct strings paths = {0};

    for (uint32_t i = 0; i < s->modules.n; i++) {
        const char *path = module_path(s, s->modules.v[i]), *why;

        if (!dbg_open(s->di, path, &why)) {
            diag_error(s->cx->diag, nowhere, "types", "%s", why ? why : path);
            if (*path != '/')
                diag_hint(s->cx->diag, "--module takes a path, or the whole file name of what the "
                                       "process has loaded (/proc/PID/maps)");
            return false;
        }
        append(s, &paths, path);
    }
    for (struct module *m = s->t->modules; !s->modules.n && m; m = m->next)
        append(s, &paths, m->path);
    if (s->deep)
        open_all(s);
    bool ok = true;

    for (uint32_t i = 0; i < s->names.n; i++)
        ok = add_type(s, &paths, s->names.v[i]) && ok;
    return ok;
}

/* ---- the whole ---- */

/* For a comment: what would end it, or the line, or show it as something else, does not get
 * through. */
static const char *tame(struct types *s, const char *text)
{
    char *c = arena_strdup(s->cx->arena, text), *end = c + strlen(c);
    uint32_t code;

    for (char *p = c; p < end;) {
        size_t n = clean_character((unsigned char *)p, (size_t)(end - p), &code);

        if (!n || !clean_printable(code) || (*p == '*' && p[1] == '/') || *p == '\\') {
            *p = '?';
            n = 1;
        }
        p += n;
    }
    return c;
}

static void print_head(struct types *s, FILE *out, const char *guard)
{
    fputs("/*\n * ", out);
    for (uint32_t i = 0; i < s->names.n; i++)
        fprintf(out, "%s%s", i ? ", " : "", tame(s, s->names.v[i]));
    fputs(", as laid out in the debug information of\n", out);
    for (uint32_t i = 0; i < s->n_wanted; i++) {
        struct dbg *m = ctype_module(s->wanted[i]);
        bool before = false;

        for (uint32_t j = 0; j < i; j++)
            before |= ctype_module(s->wanted[j]) == m;
        if (m && !before)
            fprintf(out, " *   %s, build-id %s\n", tame(s, dbg_path(m)),
                    dbg_build_id(m)->len ? build_id_text(s->cx->arena, dbg_build_id(m)) : "none");
    }
    fprintf(out,
            " * C as gcc and clang take it. Comments: offset and size in bytes; of bit fields\n"
            " * offset:bit. Offsets count from the outermost struct.\n"
            " */\n#ifndef %s\n#define %s\n",
            guard, guard);
}

static const char *guard_of(struct types *s)
{
    char *guard = arena_printf(s->cx->arena, "NGSTAP_TYPES_%s_H", s->names.v[0]);

    for (char *p = guard; *p; p++)
        if (!isalnum((unsigned char)*p))
            *p = '_';
    return guard;
}

static bool print(struct types *s, FILE *out)
{
    struct types_opts o = {.wanted = s->wanted,
                           .n_wanted = s->n_wanted,
                           .renames = s->renames,
                           .n_renames = s->n_renames,
                           .deep = s->deep};

    print_head(s, out, guard_of(s));
    bool ok = types_print(s->cx, &o, out) && bounds_ok();

    for (uint32_t i = 0; ok && i < s->n_renames; i++)
        if (!s->renames[i].used)
            diag_warning(s->cx->diag, nowhere, "--rename: nothing here is called %s",
                         s->renames[i].from);
    fputs("\n#endif\n", out);
    return ok;
}

/* In a jail. */
static bool make(struct jail_question *q, FILE *answer)
{
    struct types *s = q->arg;

    s->di = debuginfo_new(s->cx, s->t);
    debuginfo_layouts(s->di, search_layouts(s->cx));
    /* Members that several known layouts place differently are errors, too. */
    bool ok = find_all(s) && print(s, answer) && !diag_errors(s->cx->diag);

    debuginfo_free(s->di);
    return ok;
}

int subcommand_types(struct compile *cx, int argc, char **argv)
{
    struct types s = {.cx = cx};

    if (!parse(&s, argc, argv))
        return 1;
    if (s.o.help)
        return 0;
    bool kernel_only = s.modules.n == 1 && !strcmp(s.modules.v[0], "kernel");
    struct target_opts none = {.proc = "/proc"};

    bounds_begin(cx);
    s.t = apart_target(cx, &s.o, kernel_only ? &none : &s.o.target);
    if (!s.t)
        return 1;
    const struct apart_work w = {
        .work = make, .arg = &s, .fds = {-1, -1}, .files = s.modules.v, .n_files = s.modules.n};
    struct out_file file;
    bool ok = out_file_open(cx, s.o.output, &file) && out_file_begin(cx, &file);

    if (ok) {
        ok = apart_do(cx, &s.o, s.t, &w, file.f);
        ok = bounds_end() && ok;
        ok = out_file_close(cx, &file, ok) && ok;
    }
    target_close(s.t);
    return ok ? 0 : 1;
}
