/*
 * sxx_expand: expands one case of tests/sxx, for tests/sxx.sh.
 *
 *     sxx_expand CASE OUT
 *
 * CASE/input.sxx is expanded with the words of CASE/options (one a line: "--arg", "NAME=VALUE",
 * "-I", "DIR", "--args") for the target of CASE/target (lines "kind pid|master|exec", "pid N", "exe
 * PATH", "module PATH", "deleted PATH": in use, the file replaced since, "file PATH": from -d, not
 * in use; no file: no target). DIRs are relative to CASE. Leaves in OUT: main.stp, LIB.stp of each
 * library, args ("--args" only), messages, status. CASE/places (pieces of the expansion, one a
 * line) leaves places: "PIECE<tab>FILE:LINE:COL+LEN<tab>NOTE", where each was written.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/compile.h"
#include "sxx/sxx.h"
#include "syntax/syntax.h"

enum { WORDS_MAX = 64 };

static FILE *out_file(const char *dir, const char *name)
{
    char path[4096];

    snprintf(path, sizeof(path), "%s/%s", dir, name);
    FILE *f = fopen(path, "w");

    if (!f) {
        perror(path);
        exit(2);
    }
    return f;
}

static char *line_of(FILE *f, struct arena *a)
{
    char buf[4096];

    if (!f || !fgets(buf, sizeof(buf), f))
        return NULL;
    buf[strcspn(buf, "\n")] = '\0';
    return arena_strdup(a, buf);
}

static void read_target(struct arena *a, struct target *t)
{
    FILE *f = fopen("target", "r");
    struct module **tail = &t->modules;
    char *s;

    t->pids = ARENA_ARRAY(a, pid_t, WORDS_MAX);
    while ((s = line_of(f, a))) {
        char *value = strchr(s, ' ');

        if (!value)
            continue;
        *value++ = '\0';
        if (!strcmp(s, "kind")) {
            t->kind = !strcmp(value, "pid")      ? TARGET_PID
                      : !strcmp(value, "master") ? TARGET_MASTER
                      : !strcmp(value, "exec")   ? TARGET_EXEC
                                                 : TARGET_NONE;
        } else if (!strcmp(s, "pid") && t->n_pids < WORDS_MAX) {
            t->pids[t->n_pids++] = atoi(value);
            t->pid = t->kind == TARGET_PID ? atoi(value) : 0;
        } else {
            struct module *m = ARENA_NEW(a, struct module);

            m->path = value;
            m->is_exe = !strcmp(s, "exe");
            m->deleted = !strcmp(s, "deleted");
            m->start = strcmp(s, "file") ? 0x1000 : 0;
            if (m->is_exe)
                t->exec_path = value;
            *tail = m;
            tail = &m->next;
        }
    }
    if (f)
        fclose(f);
}

static void read_options(struct arena *a, struct sxx_opts *o, bool *parse)
{
    FILE *f = fopen("options", "r");
    const char **include = ARENA_ARRAY(a, const char *, WORDS_MAX);
    char *s, *value;

    o->args = ARENA_ARRAY(a, struct sxx_arg, WORDS_MAX);
    o->include = include;
    while ((s = line_of(f, a))) {
        if (!strcmp(s, "--args")) {
            o->list_args = true;
        } else if (!strcmp(s, "parse")) {
            *parse = true;
        } else if (!strcmp(s, "-I") && (value = line_of(f, a)) && o->n_include < WORDS_MAX) {
            include[o->n_include++] = value;
        } else if (!strcmp(s, "--arg") && (value = line_of(f, a)) && o->n_args < WORDS_MAX) {
            char *equal = strchr(value, '=');

            if (equal)
                *equal++ = '\0';
            o->args[o->n_args++] = (struct sxx_arg){.name = value, .value = equal ? equal : ""};
        }
    }
    include[o->n_include++] = ".";
    if (f)
        fclose(f);
}

static void write_source(const char *dir, const char *name, const struct source *src)
{
    FILE *f = out_file(dir, name);

    fwrite(src->text, 1, src->len, f);
    fclose(f);
}

static const struct source *find_piece(const struct sxx_result *r, const char *piece, uint32_t *at)
{
    for (uint32_t i = 0; i <= r->n_libs; i++) {
        const struct source *src = i ? r->libs[i - 1] : r->main;
        const char *found = memmem(src->text, src->len, piece, strlen(piece));

        if (found) {
            *at = (uint32_t)(found - src->text);
            return src;
        }
    }
    return NULL;
}

static void write_places(struct compile *cx, FILE *pieces, FILE *out, const struct sxx_result *r)
{
    char *piece;

    while ((piece = line_of(pieces, cx->arena))) {
        struct span at = {.len = (uint32_t)strlen(piece)};
        const struct source *src = find_piece(r, piece, &at.off);
        struct place p;
        const char *why;

        at.file = src ? src->id : 0;
        span_written(cx->sources, at, &why);
        if (!span_place(cx->sources, at, &p))
            fprintf(out, "%s\tnot there\n", piece);
        else
            fprintf(out, "%s\t%s:%u:%u+%u\t%s\n", piece, p.source->name, p.line, p.col, p.len,
                    why ? why : "");
    }
}

int main(int argc, char **argv)
{
    struct compile cx = {.arena = arena_new(), .verbose = 1};
    struct sxx_opts o = {0};
    struct target t = {0};
    struct sxx_result r;
    bool parse = false;

    if (argc != 3 || chdir(argv[1])) {
        fprintf(stderr, "usage: sxx_expand CASE OUT\n");
        return 2;
    }
    FILE *messages = out_file(argv[2], "messages");

    cx.sources = sources_new(cx.arena);
    cx.diag = diag_new(cx.arena, cx.sources, messages);
    read_target(cx.arena, &t);
    read_options(cx.arena, &o, &parse);
    struct source *src = source_read(cx.sources, "input.sxx");

    if (!src) {
        perror("input.sxx");
        return 2;
    }
    bool ok = sxx_expand(&cx, &o, &t, src, &r);

    if (ok)
        write_source(argv[2], "main.stp", r.main);
    for (uint32_t i = 0; ok && i < r.n_libs; i++)
        write_source(argv[2], r.libs[i]->name, r.libs[i]);
    if (ok && parse) {
        struct pp_env env = {.kernel_v = "6.1.0", .arch = "x86_64", .runtime = "bpf"};
        struct macros *macros = macros_new(cx.arena);
        struct program prog = {0};

        ok = syntax_parse(&cx, &env, r.main, macros, &prog);
        for (uint32_t i = 0; i < r.n_libs; i++)
            ok = syntax_parse(&cx, &env, r.libs[i], macros, &prog) && ok;
    }
    if (o.list_args) {
        FILE *f = out_file(argv[2], "args");

        for (uint32_t i = 0; i < r.n_args; i++)
            if (r.args[i].default_value)
                fprintf(f, "\t--arg %s=VALUE (default: %s)\n", r.args[i].name,
                        r.args[i].default_value);
            else
                fprintf(f, "\t--arg %s=VALUE\n", r.args[i].name);
        fclose(f);
    }
    FILE *pieces = fopen("places", "r");

    if (ok && pieces) {
        FILE *f = out_file(argv[2], "places");

        write_places(&cx, pieces, f, &r);
        fclose(f);
    }
    if (pieces)
        fclose(pieces);
    FILE *status = out_file(argv[2], "status");

    fprintf(status, "%d\n", ok ? 0 : 1);
    fclose(status);
    /* Every byte of what came out has a place. */
    for (uint32_t i = 0; i < r.main->len; i++) {
        struct place p;

        if (!span_place(cx.sources, (struct span){.file = r.main->id, .off = i, .len = 1}, &p) ||
            p.source != src)
            fprintf(messages, "byte %u has no place\n", i);
    }
    fclose(messages);
    arena_free(cx.arena);
    return 0;
}
