/*
 * syntax_print: parses files and prints the program back, for tests/syntax/run.sh.
 *
 *     syntax_print [-g] [-t] [-k KERNEL] FILE... [-- ARG...]
 *
 * Leaves the program on stdout, the diagnostics on stderr; exit status 1 after an error. Several
 * files make one program and share library macros; those after -t are tapset files. What was
 * printed is parsed and printed again, and must not change.
 */
#include <stdlib.h>
#include <string.h>

#include "base/compile.h"
#include "syntax/syntax.h"

static const char *config(void *arg, const char *name)
{
    return strcmp(name, "CONFIG_HZ") ? (strcmp(name, "CONFIG_SMP") ? NULL : "y") : "250";
}

static char *printed(const struct program *prog, size_t *len)
{
    char *text = NULL;
    FILE *f = open_memstream(&text, len);

    if (!f)
        abort();
    syntax_print(f, prog, 0);
    fclose(f);
    return text;
}

/* Is TEXT, parsed and printed, the same? */
static bool stable(struct compile *cx, const struct pp_env *env, const char *text, size_t len)
{
    struct source *src = source_add(cx->sources, "<printed>", text, (uint32_t)len);
    struct program prog = {0};
    struct pp_env guru = *env;
    size_t again_len = 0;

    guru.guru = true;
    if (!syntax_parse(cx, &guru, src, macros_new(cx->arena), &prog))
        return false;
    char *again = printed(&prog, &again_len);
    bool same = again_len == len && !memcmp(again, text, len);

    if (!same)
        fprintf(stderr, "printed back differently:\n%s", again);
    free(again);
    return same;
}

int main(int argc, char **argv)
{
    struct compile cx = {.arena = arena_new()};
    struct pp_env env = {.kernel_v = "6.1.0",
                         .kernel_vr = "6.1.0-18-amd64",
                         .arch = "x86_64",
                         .runtime = "kernel",
                         .systemtap_v = "4.8",
                         .config = config};
    struct program prog = {0};
    struct macros *macros = macros_new(cx.arena);
    bool tapset = false, ok = true;
    int n_files = argc;

    cx.sources = sources_new(cx.arena);
    cx.diag = diag_new(cx.arena, cx.sources, stderr);
    for (int i = 1; i < argc; i++)
        if (!strcmp(argv[i], "--")) {
            n_files = i;
            env.args = (const char *const *)argv + i + 1;
            env.n_args = (uint32_t)(argc - i - 1);
            break;
        }
    for (int i = 1; i < n_files; i++) {
        if (!strcmp(argv[i], "-g")) {
            env.guru = true;
            continue;
        }
        if (!strcmp(argv[i], "-t")) {
            tapset = true;
            continue;
        }
        if (!strcmp(argv[i], "-k") && i + 1 < n_files) {
            env.kernel_v = argv[++i];
            continue;
        }
        struct source *src = source_read(cx.sources, argv[i]);

        if (!src) {
            perror(argv[i]);
            return 2;
        }
        src->tapset = tapset;
        ok = syntax_parse(&cx, &env, src, macros, &prog) && ok;
    }
    size_t len = 0;
    char *text = printed(&prog, &len);

    if (ok) {
        fputs(text, stdout);
        ok = stable(&cx, &env, text, len);
    }
    free(text);
    arena_free(cx.arena);
    return ok ? 0 : 1;
}
