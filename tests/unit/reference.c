/*
 * Prints docs/reference.md: the probe points and functions that the tables in src/probe and
 * src/func have, and the functions of the tapset files named on the command line. tests/docs.sh
 * compares.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "func/func.h"
#include "probe/probe.h"
#include "syntax/syntax.h"

enum { LINES_MAX = 500, LINE_MAX_LEN = 256 };

static struct {
    char line[LINES_MAX][LINE_MAX_LEN];
    int n;
} list;

static void add(const char *text)
{
    if (list.n == LINES_MAX)
        exit(2);
    snprintf(list.line[list.n++], LINE_MAX_LEN, "%s", text);
}

static int by_text(const void *a, const void *b)
{
    return strcmp(a, b);
}

/* Prints the list, sorted, each line once, and empties it. */
static void flush(void)
{
    qsort(list.line, (size_t)list.n, LINE_MAX_LEN, by_text);
    for (int i = 0; i < list.n; i++)
        if (!i || strcmp(list.line[i - 1], list.line[i]))
            printf("    %s\n", list.line[i]);
    list.n = 0;
}

static const char *type_name(enum value_type t)
{
    return t == TYPE_STRING ? "string" : "long";
}

static void point(const struct probe_type *t, void *arg)
{
    if (t->summary)
        printf("    %-48s  %s\n", t->pattern, t->summary);
    else
        printf("    %s\n", t->pattern);
}

static void function(const struct intrinsic *f, void *arg)
{
    char line[LINE_MAX_LEN];
    size_t n = 0;

    if (!(f->flags & INTRIN_USER_ONLY) != !*(bool *)arg || !strncmp(f->name, "__", 2))
        return;
    n += (size_t)snprintf(line, sizeof(line), "%s%s%s(", f->name, f->result == TYPE_VOID ? "" : ":",
                          f->result == TYPE_VOID ? "" : type_name(f->result));
    for (int i = 0; i < f->n_args && n < sizeof(line); i++)
        n += (size_t)snprintf(line + n, sizeof(line) - n, "%s%s%s", i == f->min_args ? "[" : "",
                              i ? ", " : "", type_name(f->args[i]));
    snprintf(line + n, sizeof(line) - n, "%s)", f->min_args < f->n_args ? "]" : "");
    add(line);
}

/* "function NAME..." lines of a library, but those that begin with "__". */
static void library(const char *path)
{
    FILE *f = fopen(path, "r");
    char line[LINE_MAX_LEN];

    if (!f)
        exit(2);
    while (fgets(line, sizeof(line), f))
        if (!strncmp(line, "function ", 9) && strncmp(line + 9, "__", 2)) {
            line[strcspn(line, "\n{")] = 0;
            add(line + 9);
        }
    fclose(f);
}

static bool ends_in(const char *s, const char *end)
{
    return strlen(s) > strlen(end) && !strcmp(s + strlen(s) - strlen(end), end);
}

int main(int argc, char **argv)
{
    bool user = false;

    puts("# Probe points and functions\n\n"
         "What this version runs, made from its tables (tests/docs.sh).\n\n"
         "## Probe points\n");
    probe_each(point, NULL);
    puts("\nA wildcard in a function's name (`ngx_http_*`) takes all functions that match. A "
         "library is named by\n"
         "its path or by the name of its file (`process(\"libc.so.6\")`); `process` alone is the "
         "target's\nexecutable.\n\n"
         "## Functions for every handler\n");
    func_each(function, &user);
    for (int i = 1; i < argc; i++)
        if (ends_in(argv[i], ".stp"))
            library(argv[i]);
    flush();
    puts("\n## Functions that only user space has\n\n"
         "Handlers that run in the kernel (functions, timer.profile, kernel.trace) go on in user "
         "space before\nthey call them, as they do for `foreach`, histograms and `delete` of a "
         "whole array\n(docs/differences.md).\n");
    user = true;
    func_each(function, &user);
    flush();
    puts("\n## Words that print, or make strings\n");
    for (uint32_t i = 0; syntax_printer(i); i++)
        add(syntax_printer(i));
    flush();
    puts("\n## Functions of modules: `@use NAME`\n");
    for (int i = 1; i < argc; i++) {
        const char *name = strstr(argv[i], "tapset/");

        if (!name || !ends_in(argv[i], ".sxx"))
            continue;
        library(argv[i]);
        if (!list.n) /* a second name of another */
            continue;
        printf("`@use ");
        for (name += 7; strcmp(name, ".sxx") != 0; name++)
            putchar(*name == '/' ? '.' : *name);
        puts("`:\n");
        flush();
        puts("");
    }
    return 0;
}
