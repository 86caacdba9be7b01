/*
 * ifunc: functions that the dynamic linker chooses among when a program starts (STT_GNU_IFUNC, as
 * libc's memcmp). Enters: a name that no function of a module has; leaves: the error, with the
 * implementations that the module's symbols name (of memcmp __memcmp_sse2 and so on, as glibc's
 * sysdeps/x86_64/multiarch/ifunc-*.h has it). Which one is chosen only the running program knows.
 */
#include "probe/tables.h"

#include <string.h>

enum { TRIED_MAX = 1000 }; /* names: a hostile file has many */

/* "__memcmp" and glibc's own "__GI_memcmp" are memcmp. */
static const char *bare(const char *name)
{
    if (!strncmp(name, "__GI_", 5))
        name += 5;
    return name + strspn(name, "_");
}

/* Does NAME continue PREFIX by "_..."? */
static bool continues(const char *name, const char *prefix)
{
    size_t n = strlen(prefix);

    return n && !strncmp(name, prefix, n) && name[n] == '_' && name[n + 1];
}

static bool is_listed(const char *list, const char *name)
{
    size_t n = strlen(name);

    for (const char *p = list; p && (p = strstr(p, name)); p += n)
        if ((p == list || p[-1] == ' ') && (!p[n] || p[n] == ','))
            return true;
    return false;
}

/* The address of what NAME implements, the ifunc of the longest name that it continues; 0: none. */
static uint64_t implements(const struct elf_symbols *s, const char *name)
{
    uint64_t address = 0;
    size_t longest = 0;

    for (uint32_t i = 0; i < s->n; i++) {
        const char *of = s->v[i].is_ifunc ? bare(s->v[i].name) : "";

        if (strlen(of) <= longest || !continues(bare(name), of))
            continue;
        address = s->v[i].vaddr;
        longest = strlen(of);
    }
    return address;
}

/* The implementations of the ifunc at ADDRESS, in one line; NULL: none is known. */
static const char *implementations(struct arena *a, struct dbg *m, uint64_t address)
{
    const struct elf_symbols *s = dbg_symbols(m);
    const char *list = NULL;
    uint32_t tried = 0;

    for (uint32_t i = 0; i < s->n; i++) {
        struct dbg_func *found;

        if (!s->v[i].is_ifunc || s->v[i].vaddr != address)
            continue;
        const char *pattern = arena_printf(a, "*%s_*", bare(s->v[i].name));
        uint32_t n = dbg_functions(m, pattern, NULL, &found);

        for (uint32_t k = 0; k < n && tried < TRIED_MAX; k++) {
            const char *name = found[k].name;

            tried++;
            if (continues(bare(name), bare(s->v[i].name)) && found[k].entry &&
                found[k].entry != address && implements(s, name) == address &&
                !is_listed(list, name))
                list = list ? arena_printf(a, "%s, %s", list, name) : name;
        }
    }
    return list;
}

bool probe_ifunc(struct probe_env *env, struct dbg *m, const struct point_part *part,
                 const char *name)
{
    const struct elf_symbols *s = dbg_symbols(m);
    uint64_t address = 0;

    for (uint32_t i = 0; i < s->n && !address; i++)
        if (s->v[i].is_ifunc && !strcmp(s->v[i].name, name))
            address = s->v[i].vaddr;
    if (!address)
        return false;
    const char *list = implementations(env->cx->arena, m, address);

    diag_error(env->cx->diag, part->arg->at, "no-function",
               "'%s' is no single function of %s: the dynamic linker chooses one when the program "
               "starts (ifunc)",
               name, dbg_path(m));
    if (list)
        diag_hint(env->cx->diag, "probe those that may be chosen: %s", list);
    else
        diag_hint(env->cx->diag,
                  "%s has no symbols of those that may be chosen: install its -dbg or -dbgsym "
                  "package",
                  dbg_path(m));
    return true;
}
