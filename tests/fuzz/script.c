/*
 * script: scripts, and the target's words in them. A script is its user's, and trusted; it may
 * still be anything. A word of the target's (a path) is the text of a literal, whatever it holds.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "fuzz.h"
#include "sxx/sxx.h"
#include "syntax/syntax.h"

static const struct pp_env env = {.kernel_v = "6.1.0",
                                  .kernel_vr = "6.1.0-18-amd64",
                                  .arch = "x86_64",
                                  .runtime = "bpf",
                                  .systemtap_v = "4.8"};

/* Every byte of an expansion has its place in what was written. */
static void check_origins(const struct sources *s, const struct source *src)
{
    uint32_t at = 0;

    for (uint32_t i = 0; i < src->n_origins; i++) {
        const struct origin *o = &src->origins[i];
        const struct source *from = source_get(s, o->at.file);

        fuzz_check(o->off == at && o->len, "a gap or an overlap");
        fuzz_check(from && o->at.off <= from->len && o->at.len <= from->len - o->at.off,
                   "a place outside of its file");
        fuzz_check(!o->verbatim || (o->at.len == o->len &&
                                    !memcmp(from->text + o->at.off, src->text + o->off, o->len)),
                   "not verbatim");
        at += o->len;
    }
    fuzz_check(at == src->len, "an end without origin");
}

static bool is_plain(const struct source *s)
{
    return !memchr(s->text, '$', s->len) && !memchr(s->text, '@', s->len) &&
           !(s->len > 1 && s->text[0] == '#' && s->text[1] == '!');
}

static char *printed(const struct program *prog, size_t *len)
{
    char *text = NULL;
    FILE *f = open_memstream(&text, len);

    fuzz_check(f, "out of memory");
    syntax_print(f, prog, 0);
    fclose(f);
    return text;
}

bool fuzz_script(const uint8_t *data, size_t n)
{
    struct compile cx;
    struct module lib = {.path = "/lib/libfoo-1.so.2", .start = 1};
    struct target target = {.kind = TARGET_PID, .pid = 1, .exec_path = "/x", .modules = &lib};
    struct sxx_arg arg = {
        .name = "a", .value = "$*v @use m\n$^arg_b:default(@pfunc(x", .given = true};
    struct sxx_opts o = {.args = &arg, .n_args = 1};
    struct sxx_result r;
    struct program prog = {0};

    fuzz_compile_begin(&cx);
    struct source *src = source_add(cx.sources, "fuzz", (const char *)data, (uint32_t)n);
    bool ok = sxx_expand(&cx, &o, &target, src, &r);

    if (ok) {
        check_origins(cx.sources, r.main);
        fuzz_check(!is_plain(src) ||
                       (r.main->len == src->len && !memcmp(r.main->text, src->text, src->len)),
                   "a text without macros is changed");
        ok = syntax_parse(&cx, &env, r.main, macros_new(cx.arena), &prog);
    }
    if (ok) { /* printed and read again it is the same */
        size_t len = 0, again_len = 0;
        char *text = printed(&prog, &len);
        struct program again = {0};

        if (syntax_parse(&cx, &env, source_add(cx.sources, "again", text, (uint32_t)len),
                         macros_new(cx.arena), &again)) {
            char *twice = printed(&again, &again_len);

            fuzz_check(len == again_len && !memcmp(text, twice, len), "printed differently");
            free(twice);
        }
        free(text);
    }
    fuzz_compile_end(&cx);
    return ok;
}

/* The tree of a script in which PATH stands, printed, up to where PATH's own bytes come. */
static uint32_t count_probes(struct compile *cx, const char *path, bool *parsed)
{
    static const char script[] = "probe process(\"$^exec_path\").function(\"f\") {\n"
                                 "    printf(\"%d $^exec_path\\n\", 1) // $^exec_path\n"
                                 "    x = \"$^libfoo-1_path\" /* $^exec_path */\n"
                                 "    y = x\n"
                                 "}\n";
    struct module lib = {.path = path, .start = 1};
    struct target target = {.kind = TARGET_PID, .pid = 1, .exec_path = path, .modules = &lib};
    struct sxx_opts o = {0};
    struct sxx_result r;
    struct program prog = {0};
    struct source *src = source_add(cx->sources, "fuzz", script, sizeof(script) - 1);
    uint32_t lines = 0;

    *parsed = sxx_expand(cx, &o, &target, src, &r) &&
              syntax_parse(cx, &env, r.main, macros_new(cx->arena), &prog);
    if (!*parsed)
        return 0;
    size_t len = 0;
    char *text = printed(&prog, &len);

    for (size_t i = 0; i < len; i++)
        lines += text[i] == '\n';
    free(text);
    return lines;
}

bool fuzz_words(const uint8_t *data, size_t n)
{
    struct compile cx;
    bool parsed, plain_parsed;
    char path[256];

    n = n > sizeof(path) - 2 ? sizeof(path) - 2 : n;
    path[0] = '/';
    if (n)
        memcpy(path + 1, data, n);
    path[1 + n] = '\0';
    fuzz_compile_begin(&cx);
    uint32_t lines = count_probes(&cx, path, &parsed);
    uint32_t plain = count_probes(&cx, "/usr/sbin/nginx", &plain_parsed);

    fuzz_check(plain_parsed, "the script itself is wrong");
    fuzz_check(!parsed || lines == plain, "a path became more than text");
    fuzz_compile_end(&cx);
    return parsed;
}
