/*
 * stap_checked_test: what a reader that a hostile file has taken over can make of the script that
 * it prints for SystemTap: nothing that the user's script and the tapset do not say. Rows: text of
 * the script that would be run, with what is said by whom.
 */
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/diag.h"
#include "stap/internal.h"
#include "tap.h"

static const char user[] =
    "global n\n"
    "function twice(x:long) %{ STAP_RETVALUE = 2 * STAP_ARG_x; %}\n"
    "probe process.function(\"f\") { n[execname()] = strlen(\"raise(9)\") }\n"
    "probe kernel.trace(\"x\") { println($task, @const(\"PAGE_SIZE\")) }\n"
    "# panic() is a word of this comment\n"
    "probe procfs(\"a\").read { $value = \"%{ evil(); %}\" }\n";
static const char tapset[] = "function stop() { system(\"x\") raise(9) log(\"x\") }\n";

static const struct {
    const char *text;
    bool allowed;
    const char *name;
} rows[] = {
    {"probe begin { println(\"x\") }", true, "a script"},
    {"global n\nfunction ngs_1_f:long(a:long)\n{ return a; }\nprobe end { ngs_1_f(1) }", true,
     "a function of its own"},
    {"probe process(\"/x\").statement(0x10)!, process(\"/x\").function(\"f\").return { n[1]++ }",
     true, "what the printer says"},
    {"probe begin { println(execname(), user_uint32(1)) }", true, "words of the script's, of ours"},
    {"# %{ evil() %}\nprobe begin { println(\"%{ evil() %}\") }", true, "text and comments"},
    {"%{ STAP_RETVALUE = 2 * STAP_ARG_x; %}", true, "C that the script has"},
    {"probe procfs(\"a\").read { $value = \"x\" }", true, "a procfs probe's answer"},
    {"probe kernel.trace(\"x\") { println($task->pid == 1, $task[1]) }", true, "what it reads"},
    {"probe kernel.trace(\"x\") { println(@const(\"PAGE_SIZE\")) }", true, "a constant of its own"},
    {"probe begin { x = 5 %  3; y <<< 1; println(@count(y)) }", true, "operators, statistics"},

    {"%{ evil(); %}", false, "C that it has not"},
    {"function f() %{ evil(); %}", false, "... as a function"},
    {"probe begin { println(\"a\\\\\") %{ evil(); %} /* \" */ }", false, "... behind a text's end"},
    {"probe begin { println(\"a\n%{ evil(); %}\") }", false, "... in a text of two lines"},
    {"%{ STAP_RETVALUE = 2 * STAP_ARG_x; evil(); %}", false, "... with something added"},
    {"probe begin { println(@const(\"evil()\")) }", false, "C as a constant"},
    {"%( 1 == 1 %? probe begin { } %)", false, "the preprocessor"},
    {"@define f %( println() %)", false, "a macro"},
    {"probe begin { @1 }", false, "an argument"},
    {"probe begin { system(\"sh\") }", false, "a command, which the tapset alone has"},
    {"probe begin { system /* */ (\"sh\") }", false, "... with a comment in it"},
    {"probe begin { raise(9) }", false, "a signal, which a text alone has"},
    {"probe begin { panic(\"x\") }", false, "a panic, which a comment alone has"},
    {"probe begin { set_kernel_long(1, 2) }", false, "writing to the kernel"},
    {"probe begin { unheard_of(1) }", false, "a word that nobody says"},
    {"probe begin { __ngs_write(1, 2, 0, 0, 3) }", false, "writing to a program"},
    {"probe kernel.trace(\"x\") { $task = 1 }", false, "a variable that is read is set"},
    {"probe kernel.trace(\"x\") { $task->a[$task]->b += 1 }", false, "... a member"},
    {"probe kernel.trace(\"x\") { ++$task }", false, "... counted up"},
    {"probe kernel.trace(\"x\") { $task->pid-- }", false, "... down"},
    {"probe kernel.trace(\"x\") { println($other) }", false, "a variable that it does not read"},
    {"probe begin { println(@cast(1, \"task_struct\")->pid) }", false, "a cast"},
    {"probe begin { \xff }", false, "a byte that is no text"},
    {"probe begin { println(\"x }", false, "a text without an end"},
    {"/* probe begin { }", false, "a comment without an end"},
};

int main(void)
{
    static struct compile cx;
    FILE *nowhere = fopen("/dev/null", "we");
    struct stap_script s, back;
    char *flat = NULL;
    size_t n = 0;

    cx.arena = arena_new();
    cx.sources = sources_new(cx.arena);
    cx.err = nowhere;
    source_add(cx.sources, "user", user, (uint32_t)strlen(user));
    source_add(cx.sources, "tapset", tapset, (uint32_t)strlen(tapset))->tapset = true;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        cx.diag = diag_new(cx.arena, cx.sources, nowhere);
        s = (struct stap_script){.text = rows[i].text, .len = strlen(rows[i].text)};
        tap_ok(stap_checked(&cx, &s, false) == rows[i].allowed, "%s: %s",
               rows[i].allowed ? "allowed" : "refused", rows[i].name);
    }
    s = (struct stap_script){.text = "probe begin { system(\"sh\") }", .len = 28};
    tap_ok(stap_checked(&cx, &s, true), "allowed: a command, where -I names a folder");
    s = (struct stap_script){.text = "", .needs = 1u << NEED_WRITE};
    tap_ok(!stap_checked(&cx, &s, false), "refused: C that writes, without -g");
    cx.guru = true;
    tap_ok(stap_checked(&cx, &s, false), "allowed: C that writes, with -g");

    struct stap_module m = {.name = "nginx", .id = {.len = 20}};
    struct stap_point p = {"/usr/sbin/nginx", 0x1234};

    s = (struct stap_script){
        .text = "probe", .len = 5, .needs = 3, .modules = &m, .n_modules = 1, .points = {&p, 1}};
    FILE *f = open_memstream(&flat, &n);

    stap_flat_put(f, &s);
    fclose(f);
    tap_ok(stap_flat_get(cx.arena, flat, n, &back) && back.len == 5 && back.needs == 3 &&
               !memcmp(back.text, "probe", 5) && !strcmp(back.modules[0].name, "nginx") &&
               back.modules[0].id.len == 20 && back.points.v[0].vaddr == 0x1234 &&
               !strcmp(back.points.v[0].path, "/usr/sbin/nginx"),
           "it comes as it was sent");
    unsigned taken = 0;

    for (size_t len = 0; len < n; len++)
        taken += stap_flat_get(cx.arena, flat, len, &back);
    tap_ok(!taken, "what is cut does not come");
    free(flat);
    m.id.len = BUILD_ID_MAX + 1;
    f = open_memstream(&flat, &n);
    stap_flat_put(f, &s);
    fclose(f);
    tap_ok(!stap_flat_get(cx.arena, flat, n, &back), "a build-id that is too long neither");
    free(flat);
    fclose(nowhere);
    arena_free(cx.arena);
    return tap_done();
}
