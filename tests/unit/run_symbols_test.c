/*
 * run_symbols_test: address marks -> names, for this very process and for the kernel.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/diag.h"
#include "run/symbols.h"
#include "tap.h"

int run_symbols_test_function(int x);
int run_symbols_test_function(int x)
{
    return x + 1;
}

static void shows(struct symbols *s, char kind, uint64_t addr, const char *start, const char *name)
{
    char mark[64];
    struct text t = TEXT_NEW;

    snprintf(mark, sizeof(mark), "[\001%c%016" PRIx64 "]", kind, addr);
    symbols_expand(s, mark, strlen(mark), &t);
    if (!tap_ok(!strncmp(text_c(&t), start, strlen(start)), "%s", name))
        printf("# got '%s', wanted '%s'\n", text_c(&t), start);
    text_free(&t);
}

static void plain(struct symbols *s, const char *p, size_t len, const char *want, const char *name)
{
    struct text t = TEXT_NEW;

    symbols_expand(s, p, len, &t);
    tap_text(text_c(&t), want, name);
    text_free(&t);
}

/* An address of text in /proc/kallsyms, or 0 when they are hidden from us. */
static uint64_t kernel_symbol(char *name)
{
    FILE *f = fopen("/proc/kallsyms", "re");
    char line[512], type;
    uint64_t addr = 0;

    name[0] = '\0';
    while (f && fgets(line, sizeof(line), f))
        if (sscanf(line, "%" SCNx64 " %c %127s", &addr, &type, name) == 3 &&
            !strcmp(name, "schedule"))
            break;
    if (f)
        fclose(f);
    return strcmp(name, "schedule") ? 0 : addr;
}

/* A struct symbol_source: knows one symbol, of the executable. */
static const struct elf_symbols *one_symbol(void *arg, const struct module *m)
{
    return m->is_exe ? arg : NULL;
}

int main(void)
{
    struct compile cx = {.arena = arena_new()};
    struct target_opts opts = {.pid = getpid(), .proc = "/proc"};
    uint64_t self = (uint64_t)(uintptr_t)run_symbols_test_function, kernel;
    struct target *t;
    struct symbols *s;
    char name[128];

    cx.sources = sources_new(cx.arena);
    cx.diag = diag_new(cx.arena, cx.sources, stderr);
    t = target_open(&cx, &opts);
    if (!tap_ok(t != NULL, "this process as the target"))
        return tap_done();
    s = symbols_new(&cx, t, NULL, NULL);
    shows(s, 'u', self, "[run_symbols_test_function]", "usymname of a function of ours");
    shows(s, 'u', self + 1, "[run_symbols_test_function]", "and inside it");
    shows(s, 'U', self + 1, "[run_symbols_test_function+0x1/0x", "usymdata has the offset");
    shows(s, 'u', (uint64_t)(uintptr_t)getpid, "[", "a function of the C library");
    shows(s, 'u', 0x10, "[0x10]", "no symbol: the address");
    shows(s, 'U', 0x10, "[0x10]", "and with usymdata");
    shows(s, 'u', UINT64_MAX, "[0xffffffffffffffff]", "the last address");

    kernel = kernel_symbol(name);
    if (kernel) {
        shows(s, 'k', kernel, "[schedule]", "symname");
        shows(s, 'K', kernel + 4, "[schedule+0x4/0x", "symdata");
    } else {
        tap_skip("symname", "kernel addresses are hidden");
    }
    shows(s, 'k', 0x10, "[0x10]", "no kernel symbol: the address");

    plain(s, "nothing", 7, "nothing", "a string without marks");
    plain(s, "a\001", 2, "a\001", "a lone mark byte");
    plain(s, "a\001x0000000000000010", 19, "a\001x0000000000000010", "a mark of no known kind");
    plain(s, "a\001u00000000000000gg", 19, "a\001u00000000000000gg", "digits that are none");
    plain(s, "a\001u0000", 7, "a", "a mark cut by MAXSTRINGLEN");
    plain(s, "\001u0000000000000010\001u0000000000000020", 36, "0x100x20", "marks side by side");
    plain(s, "", 0, "", "the empty string");
    symbols_free(s);

    struct elf_symbol known = {
        .vaddr = self - t->modules->bias, .size = 1, .name = "from_a_source"};
    struct elf_symbols all = {.v = &known, .n = 1};
    struct symbol_source source = {.of = one_symbol, .arg = &all};

    s = symbols_new(&cx, t, NULL, &source);
    shows(s, 'u', self, "[from_a_source]",
          "who knows more of a module than its file is asked first");
    shows(s, 'u', (uint64_t)(uintptr_t)getpid, "[", "and of other modules the file");
    symbols_free(s);

    s = symbols_new(&cx, NULL, NULL, NULL);
    shows(s, 'u', self, "[0x", "without a target: the address");
    symbols_free(s);
    target_close(t);
    arena_free(cx.arena);
    return tap_done();
}
