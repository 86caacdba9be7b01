/*
 * script: from the word on the command line to a text, an object or a module. Enters: the options;
 * leaves: a path and its kind, a source. Refuses, with what was meant, a word that is a mistyped
 * command or sample, and files that are another program's business: what a syntax error would say
 * of them helps nobody.
 */
#include "cli/script.h"

#include <dirent.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/bytes.h"
#include "base/diag.h"
#include "cli/search.h"
#include "cli/subcommand.h"
#include "out/out.h"

static const struct span nowhere;

/* ---- names ---- */

/* All of our samples: tried for NEAR (may be NULL), and as one text. */
static const char *list_samples(struct compile *cx, struct near *near)
{
    const char *all = "", *folder = search_sample(cx, "");
    DIR *dir = opendir(folder);
    struct dirent *e;

    while (dir && (e = readdir(dir))) {
        if (!ends_with(e->d_name, ".sxx"))
            continue;
        const char *name = arena_strdup(cx->arena, e->d_name);

        if (near)
            near_try(near, name);
        all = arena_printf(cx->arena, "%s%s%s", all, *all ? ", " : "", name);
    }
    if (dir)
        closedir(dir);
    return all;
}

static bool no_such_script(struct compile *cx, const char *name)
{
    struct near sample, command;
    const char *all;

    diag_error(cx->diag, nowhere, "options", "cannot read %s: %s", name, strerror(errno));
    if (strchr(name, '/'))
        return false;
    near_init(&sample, name);
    near_init(&command, name);
    all = list_samples(cx, &sample);
    subcommand_near(&command);
    if (near_best(&command) && (!near_best(&sample) || command.distance <= sample.distance))
        diag_hint(cx->diag, "did you mean the command %s?", near_best(&command));
    else if (near_best(&sample))
        diag_hint(cx->diag, "did you mean %s?", near_best(&sample));
    else
        diag_hint(cx->diag, "there is no such file, sample (%s) or command (--help lists them)",
                  all);
    return false;
}

/* A path that can be read, or NULL: no sample of that name. */
static const char *sample(struct compile *cx, const char *name)
{
    const char *path = search_sample(cx, name);

    if (!access(path, R_OK))
        return path;
    path = search_sample(cx, arena_printf(cx->arena, "%s.sxx", name));
    return access(path, R_OK) ? NULL : path;
}

/* "made" of "dir/made.bpf.o" */
static const char *object_base(struct compile *cx, const char *path)
{
    path = base_name(path);
    return arena_strndup(cx->arena, path, strcspn(path, "."));
}

/* An object or a module was made with what a script is given: given now it would do nothing. But
 * what an object may do is asked again. */
static bool is_fixed(struct compile *cx, const struct options *o, enum script_kind kind)
{
    const char *what = o->making;

    if (!what && kind == SCRIPT_MODULE && cx->guru)
        what = "-g";
    if (!what && o->args.n)
        what = arena_printf(cx->arena, "the argument %s", o->args.v[0]);
    if (!what)
        return true;
    diag_error(cx->diag, nowhere, "options", "%s was made before: %s does nothing to it", o->script,
               what);
    diag_hint(cx->diag,
              "what a script is given is fixed by then; ngstap -p4 -m %s ... makes it anew",
              object_base(cx, o->script));
    return false;
}

bool script_find(struct compile *cx, struct options *o, enum script_kind *kind)
{
    *kind = SCRIPT_TEXT;
    if (o->text || o->list || !strcmp(o->script, "-"))
        return true;
    if (ends_with(o->script, ".bpf.o"))
        *kind = SCRIPT_OBJECT;
    else if (ends_with(o->script, ".ko"))
        *kind = SCRIPT_MODULE;
    if (access(o->script, F_OK)) {
        const char *found = strchr(o->script, '/') ? NULL : sample(cx, o->script);

        if (!found)
            return no_such_script(cx, o->script);
        o->script = found;
    }
    return *kind == SCRIPT_TEXT || is_fixed(cx, o, *kind);
}

/* ---- contents ---- */

/* A line that only a script has. */
static bool begins_script(const char *line, size_t len)
{
    static const char *const words[] = {"probe", "global",  "function", "private",
                                        "@use",  "@define", "%{"};

    while (len && (*line == ' ' || *line == '\t')) {
        line++;
        len--;
    }
    for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++) {
        size_t n = strlen(words[i]);

        if (len > n && !memcmp(line, words[i], n) && (line[n] == ' ' || line[n] == '\t'))
            return true;
    }
    return false;
}

/* Stacks with counts, as the samples print them, or folded? */
static bool is_profile(struct compile *cx, const struct source *src)
{
    struct out_reader_opts ro = {.input = src->name};
    struct out_profile *profile;

    for (uint32_t i = 0; i < src->n_lines; i++) {
        uint32_t start = src->lines[i], end = i + 1 < src->n_lines ? src->lines[i + 1] : src->len;

        if (begins_script(src->text + start, end - start))
            return false;
    }
    diag_try_begin(cx->diag);
    struct out_reader *reader = out_reader_new(cx, &ro);
    bool ok = out_reader_feed(reader, src->text, src->len);

    profile = out_reader_end(reader);
    return !diag_try_end(cx->diag) && ok && profile && profile->total;
}

struct kind_row {
    const char *begins;
    size_t n;
    const char *what, *before, *after; /* the name, for the hint */
};

static const struct kind_row kinds[] = {
    {"\177ELF", 4, "a program or a library", "a script has it for its target by --exec ",
     ", or by -x"},
    {"\037\213", 2, "compressed", "what --format pprof wrote is shown by go tool pprof ", ""},
    {"<", 1, "a picture or a page", "a browser shows ", ""},
    {"{", 1, "JSON", "what --format speedscope wrote is shown by www.speedscope.app: ", ""},
};
static const struct kind_row saved = {"", 0, "saved stacks", "ngstap convert ", " draws them"};

static bool is_script(struct compile *cx, const struct source *src)
{
    const struct kind_row *k = NULL;

    for (size_t i = 0; !k && i < sizeof(kinds) / sizeof(*kinds); i++)
        if (src->len >= kinds[i].n && !memcmp(src->text, kinds[i].begins, kinds[i].n))
            k = &kinds[i];
    if (!k && is_profile(cx, src))
        k = &saved;
    if (!k)
        return true;
    diag_error(cx->diag, nowhere, "options", "%s is no script: it is %s", src->name, k->what);
    diag_hint(cx->diag, "%s%s%s", k->before, src->name, k->after);
    return false;
}

struct source *script_read(struct compile *cx, const struct options *o)
{
    if (o->list) {
        const char *probe = arena_printf(cx->arena, "probe %s {}", o->list);

        return source_add(cx->sources, "-l", probe, (uint32_t)strlen(probe));
    }
    if (o->text)
        return source_add(cx->sources, "-e", o->text, (uint32_t)strlen(o->text));
    struct source *src = source_read(cx->sources, o->script);

    if (!src) {
        diag_error(cx->diag, nowhere, "options", "cannot read %s: %s", o->script, strerror(errno));
        return NULL;
    }
    return is_script(cx, src) ? src : NULL;
}
