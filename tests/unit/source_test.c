/*
 * source_test: words that a person wrote, beside those that a target said: a right is had by the
 * former alone (making_rights, src/cli/making.c). Texts are made as stap++'s expansion makes them,
 * with origins for what was put in.
 */
#include <string.h>

#include "base/arena.h"
#include "base/source.h"
#include "tap.h"

static struct arena *a;
static struct sources *sources;

/* BEFORE, what TOLD says by WHO, AFTER. */
static struct source *text(const char *before, const char *told, enum told who, const char *after)
{
    uint32_t at = (uint32_t)strlen(before), n = (uint32_t)strlen(told);
    const char *all = arena_printf(a, "%s%s%s", before, told, after);
    struct source *src = source_add(sources, "script", all, (uint32_t)strlen(all));
    const struct origin o[] = {
        {.off = 0, .len = at, .at = {.file = 1}, .verbatim = true},
        {.off = at, .len = n, .at = {.file = 1, .off = at}, .told = who},
        {.off = at + n,
         .len = (uint32_t)strlen(after),
         .at = {.file = 1, .off = at},
         .verbatim = true},
    };

    source_set_origins(sources, src, o, 3);
    return src;
}

static bool says(const char *before, const char *told, enum told who, const char *after)
{
    return source_says(text(before, told, who, after), "system");
}

int main(void)
{
    a = arena_new();
    sources = sources_new(a);
    source_add(sources, "written", "probe begin { println(\"$^exec_path\") }", 38);

    tap_ok(!says("probe begin { println(\"", "/opt/system/bin/x", TOLD_BY_TARGET, "\") }"),
           "a path with the word is none of the script's");
    tap_ok(!says("probe begin { printf(\"", "system(%%s)", TOLD_BY_TARGET_IN_FORMAT, "\") }"),
           "... in a format, too");
    tap_ok(
        says("probe begin { println(\"", "/opt/system/x", TOLD_BY_TARGET, "\"); system(\"id\") }"),
        "the word behind it is");
    tap_ok(says("probe begin { system(\"", "/opt/x", TOLD_BY_TARGET, "\") }"), "... and before it");
    tap_ok(!says("println(\"sys", "tem", TOLD_BY_TARGET, "\")"), "its end is the target's");
    tap_ok(!says("println(\"", "sys", TOLD_BY_TARGET, "tem\")"), "its beginning is");
    tap_ok(!says("println(\"s", "yste", TOLD_BY_TARGET, "m\")"), "its middle is");
    tap_ok(says("probe begin { ", "system(\"id\")", TOLD_BY_USER, " }"),
           "what a macro of the script's puts in is the user's");
    tap_ok(says("probe begin { ", "system(\"id\")", TOLD_BY_ARGUMENT, " }"),
           "... and what --arg says");
    const char behind[] = "x\0system";

    tap_ok(source_says(source_add(sources, "written", behind, sizeof(behind) - 1), "system"),
           "behind a NUL");
    tap_ok(!source_says(source_add(sources, "none", "", 0), "system"), "an empty text");
    arena_free(a);
    return tap_done();
}
