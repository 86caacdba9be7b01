/*
 * sxx_fuzz_test: scripts and modules of tests/sxx, cut up and put together again at random (fixed
 * seed), are expanded. Nothing may crash, and of every expansion it must hold that its origins
 * cover it without a gap, that what is called verbatim is, and that a text without macros stays as
 * it is.
 */
#include <glob.h>
#include <stdint.h>
#include <stdlib.h>

#include "base/arena.h"
#include "base/diag.h"
#include "sxx/sxx.h"
#include "tap.h"

enum { ROUNDS = 6000, PARTS_MAX = 40, SEEDS_MAX = 64, TEXT_MAX = 8192 };

static const char *const words[] = {"$^arg_",
                                    "$^arg_a",
                                    ":default(",
                                    ")",
                                    "@pfunc(",
                                    "$^",
                                    "$^exec_path",
                                    "$^lib",
                                    "_path",
                                    "$*",
                                    "$*v",
                                    " := ",
                                    "@cast(",
                                    "@var(\"x\")",
                                    "[1]",
                                    "@use ",
                                    "m",
                                    ", ",
                                    "a.b",
                                    "\n",
                                    "$^libfoo-1_path",
                                    "$^pid_ok",
                                    "\t",
                                    "#!",
                                    "\xff",
                                    "@use m\n",
                                    "(",
                                    "$*v := @cast(x, \"y\")\n",
                                    "$^libx_path",
                                    "@pfunc(f)"};

struct seeds {
    struct source *v[SEEDS_MAX];
    uint32_t n;
};

static uint64_t state = 88172645463325252u;

static uint32_t draw(uint32_t below)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (uint32_t)(state >> 11) % below;
}

static void read_seeds(struct sources *s, const char *top, struct seeds *seeds)
{
    char pattern[4096];
    glob_t g;

    snprintf(pattern, sizeof(pattern), "%s/tests/sxx/*/input.sxx", top);
    if (glob(pattern, 0, NULL, &g))
        return;
    for (size_t i = 0; i < g.gl_pathc && seeds->n < SEEDS_MAX; i++) {
        struct source *src = source_read(s, g.gl_pathv[i]);

        if (src && src->len)
            seeds->v[seeds->n++] = src;
    }
    globfree(&g);
}

static void put(char *text, uint32_t *n, const char *s, uint32_t len)
{
    if (len > TEXT_MAX - *n)
        len = TEXT_MAX - *n;
    memcpy(text + *n, s, len);
    *n += len;
}

static uint32_t make(const struct seeds *seeds, char *text)
{
    uint32_t n = 0;

    for (uint32_t parts = draw(PARTS_MAX); parts; parts--) {
        const struct source *s = seeds->v[draw(seeds->n)];
        const char *word = words[draw(sizeof(words) / sizeof(*words))];
        uint32_t from = draw(s->len);

        if (draw(3))
            put(text, &n, word, (uint32_t)strlen(word));
        else
            put(text, &n, s->text + from, draw(s->len - from + 1));
        if (n && !draw(8))
            text[draw(n)] = (char)draw(256);
    }
    return n;
}

/* NULL, or what is wrong with the way back. */
static const char *check(const struct sources *s, const struct source *src)
{
    uint32_t at = 0;

    for (uint32_t i = 0; i < src->n_origins; i++) {
        const struct origin *o = &src->origins[i];
        const struct source *from = source_get(s, o->at.file);

        if (o->off != at || !o->len)
            return "a gap or an overlap";
        if (!from || o->at.off > from->len || o->at.len > from->len - o->at.off)
            return "a place outside its file";
        if (o->verbatim &&
            (o->at.len != o->len || memcmp(from->text + o->at.off, src->text + o->off, o->len)))
            return "not verbatim";
        at += o->len;
    }
    return at == src->len ? NULL : "an end without origin";
}

static bool plain(const struct source *src)
{
    return !memchr(src->text, '$', src->len) && !memchr(src->text, '@', src->len) &&
           !(src->len > 1 && src->text[0] == '#' && src->text[1] == '!');
}

struct totals {
    unsigned good, plain;
    const char *fault;
};

static void round_of(const struct seeds *seeds, const char *tapset, FILE *sink, struct totals *t)
{
    struct compile cx = {.arena = arena_new()};
    char text[TEXT_MAX];
    struct module lib = {.path = "/lib/libfoo-1.so.2", .start = 1};
    struct target target = {.kind = TARGET_PID, .pid = 1, .exec_path = "/x", .modules = &lib};
    struct sxx_arg arg = {
        .name = "a", .value = "$*v @use m\n$^arg_b:default(@pfunc(x", .given = true};
    struct sxx_opts o = {
        .args = &arg, .n_args = draw(2), .include = &tapset, .n_include = 1, .list_args = !draw(4)};
    struct sxx_result r;

    cx.sources = sources_new(cx.arena);
    cx.diag = diag_new(cx.arena, cx.sources, sink);
    struct source *src = source_add(cx.sources, "fuzz", text, make(seeds, text));

    if (sxx_expand(&cx, &o, draw(4) ? &target : NULL, src, &r)) {
        t->good++;
        const char *fault = check(cx.sources, r.main);

        for (uint32_t i = 0; i < r.n_libs && !fault; i++)
            fault = check(cx.sources, r.libs[i]);
        if (plain(src)) {
            t->plain++;
            if (r.main->len != src->len || memcmp(r.main->text, src->text, src->len))
                fault = "a text without macros is changed";
        }
        if (fault)
            t->fault = fault;
    }
    arena_free(cx.arena);
}

int main(void)
{
    const char *top = getenv("top_srcdir");
    struct arena *a = arena_new();
    struct seeds seeds = {.n = 0};
    struct totals t = {0};
    FILE *sink = fopen("/dev/null", "we");

    top = top ? top : ".";
    read_seeds(sources_new(a), top, &seeds);
    if (tap_ok(seeds.n > 0 && sink, "there are %u scripts to begin with", seeds.n)) {
        const char *tapset = arena_printf(a, "%s/tests/sxx/places/tapset", top);

        for (unsigned i = 0; i < ROUNDS; i++)
            round_of(&seeds, tapset, sink, &t);
        tap_ok(true, "%u scripts, none crashed; %u were good, %u of these without macros",
               (unsigned)ROUNDS, t.good, t.plain);
        tap_ok(t.good > ROUNDS / 20, "enough of them were good");
        tap_ok(!t.fault, "every byte has its place%s%s", t.fault ? ": " : "",
               t.fault ? t.fault : "");
    }
    if (sink)
        fclose(sink);
    arena_free(a);
    return tap_done();
}
