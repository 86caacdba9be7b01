/*
 * ksyms: the kernel's symbols. Enters: /proc/kallsyms ("ffffffff81000000 T _stext", with
 * "\t[module]" behind those of modules); leaves: a table by address. Refused: a kernel that shows
 * its addresses to nobody, or not to us (kernel.kptr_restrict).
 */
#include "target/ksyms.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/file.h"

#define KALLSYMS "/proc/kallsyms"

struct ksym_names {
    const char **v; /* sorted */
    uint32_t n;
};

enum { KALLSYMS_MAX = 256 << 20 };

static int by_addr(const void *a, const void *b)
{
    const struct ksym *x = a, *y = b;

    if (x->addr != y->addr)
        return x->addr < y->addr ? -1 : 1;
    return x->name < y->name ? -1 : x->name > y->name; /* as they are in the file */
}

/* Cuts LINE into a symbol; false: it is none. */
static bool read_line(char *line, struct ksym *s)
{
    char *p, *tab;

    s->addr = strtoull(line, &p, 16);
    if (p[0] != ' ' || !p[1] || p[2] != ' ' || !p[3])
        return false;
    s->type = p[1];
    s->name = p + 3;
    s->module = NULL;
    tab = strchr(p + 3, '\t');
    if (tab && tab[1] == '[') {
        *tab = '\0';
        s->module = tab + 2;
        *strchrnul(tab + 2, ']') = '\0';
    }
    return true;
}

static void read_all(struct compile *cx, struct ksyms *k)
{
    size_t len = 0, lines = 0;
    char *text = file_read(KALLSYMS, KALLSYMS_MAX, &len);

    if (!text) {
        k->why = arena_printf(cx->arena, "the kernel's symbols are not known: " KALLSYMS ": %s",
                              strerror(errno));
        return;
    }
    char *copy = arena_strndup(cx->arena, text, len), *next;

    free(text);
    for (const char *p = copy; (p = strchr(p, '\n')); p++)
        lines++;
    struct ksym *v = ARENA_ARRAY(cx->arena, struct ksym, lines + 1);
    bool seen = false;

    for (char *line = copy; *line; line = next) {
        char *end = strchrnul(line, '\n');

        next = *end ? end + 1 : end;
        *end = '\0';
        if (k->n <= lines && read_line(line, &v[k->n])) {
            seen |= v[k->n].addr != 0;
            k->n++;
        }
    }
    qsort(v, k->n, sizeof(*v), by_addr);
    k->v = v;
    if (seen)
        return;
    k->n = 0;
    k->why = "the kernel hides its addresses: it takes root (CAP_SYSLOG), and "
             "/proc/sys/kernel/kptr_restrict below 2";
}

const struct ksyms *kernel_symbols(struct compile *cx, struct target *t)
{
    if (!t->ksyms) {
        struct ksyms *k = ARENA_NEW(cx->arena, struct ksyms);

        read_all(cx, k);
        t->ksyms = k;
    }
    return t->ksyms;
}

uint64_t ksyms_base(const struct ksyms *k, const char *module)
{
    for (uint32_t i = 0; i < k->n; i++)
        if (module ? k->v[i].module && ksym_is_function(&k->v[i]) && !strcmp(k->v[i].module, module)
                   : !k->v[i].module && !strcmp(k->v[i].name, "_stext"))
            return k->v[i].addr;
    return 0;
}

const struct ksym *ksyms_at(const struct ksyms *k, uint64_t addr)
{
    uint32_t lo = 0, hi = k->n;

    while (lo < hi) {
        uint32_t mid = lo + (hi - lo) / 2;

        if (k->v[mid].addr <= addr)
            lo = mid + 1;
        else
            hi = mid;
    }
    while (lo > 1 && k->v[lo - 2].addr == k->v[lo - 1].addr) /* aliases: the first */
        lo--;
    return lo ? &k->v[lo - 1] : NULL;
}

/* ---- what can be probed ---- */

/* The names that FILE lists, one a line, as they lie in memory. */
static char *read_list(struct compile *cx, const char *const *files, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        size_t len;
        char *text = file_read(files[i], KALLSYMS_MAX, &len);
        char *copy = text && len ? arena_strndup(cx->arena, text, len) : NULL;

        free(text);
        if (copy)
            return copy;
    }
    return NULL;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Lines "NAME" and "NAME [MODULE]". */
static void read_traced(struct compile *cx, struct ksym_names *names)
{
    static const char *const files[] = {"/sys/kernel/tracing/available_filter_functions",
                                        "/sys/kernel/debug/tracing/available_filter_functions"};
    char *text = read_list(cx, files, sizeof(files) / sizeof(*files)), *next;
    uint32_t lines = 0;

    for (const char *p = text; p && (p = strchr(p, '\n')); p++)
        lines++;
    names->v = ARENA_ARRAY(cx->arena, const char *, lines + 1);
    for (char *line = text; line && *line && names->n <= lines; line = next) {
        char *end = strchrnul(line, '\n');

        next = *end ? end + 1 : end;
        *end = '\0';
        line[strcspn(line, " ")] = '\0';
        names->v[names->n++] = line;
    }
    qsort(names->v, names->n, sizeof(*names->v), by_name);
}

enum ksym_answer kernel_can_trace(struct compile *cx, struct target *t, const char *name)
{
    if (!t->traced) {
        t->traced = ARENA_NEW(cx->arena, struct ksym_names);
        read_traced(cx, t->traced);
    }
    if (!t->traced->n)
        return KSYM_UNKNOWN;
    return bsearch(&name, t->traced->v, t->traced->n, sizeof(*t->traced->v), by_name) ? KSYM_YES
                                                                                      : KSYM_NO;
}

/* Lines "0xADDRESS-0xADDRESS\tNAME". */
enum ksym_answer kernel_forbids(struct compile *cx, const char *name)
{
    static const char *const files[] = {"/sys/kernel/debug/kprobes/blacklist"};
    const char *text = read_list(cx, files, 1);
    const char *line = arena_printf(cx->arena, "\t%s\n", name);

    return !text ? KSYM_UNKNOWN : strstr(text, line) ? KSYM_YES : KSYM_NO;
}
