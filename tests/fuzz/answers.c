/*
 * answers: what a jail that was taken over answers its parent, who has privileges: symbols, and a
 * script for SystemTap. The first byte says which of them the rest is.
 */
#include <string.h>

#include "base/arena.h"
#include "fuzz.h"
#include "stap/internal.h"
#include "target/flat.h"

static bool read_symbols(struct compile *cx, bool sorted, const uint8_t *data, size_t n)
{
    struct elf_symbols s;
    bool ok = flat_get_symbols(cx->arena, data, n, sorted, &s);

    for (uint32_t i = 0; i < s.n; i++) {
        fuzz_check(strlen(s.v[i].name) < n, "a name without an end");
        fuzz_check(!sorted || !i || s.v[i - 1].vaddr <= s.v[i].vaddr, "symbols out of order");
    }
    fuzz_check(ok || !s.n, "symbols of an answer that is not sound");
    return ok;
}

#define OWN_C "%{ STAP_RETVALUE = 2 * STAP_ARG_x; %}"

/* Has it no C but what the script says itself? In texts and comments there may be any. */
static bool is_harmless(const struct stap_script *s)
{
    if (strchr(s->text, '"') || strchr(s->text, '#') || strchr(s->text, '/'))
        return true;
    for (const char *c = s->text; (c = strstr(c, "%{")); c += strlen(OWN_C))
        if (strncmp(c, OWN_C, strlen(OWN_C)) != 0)
            return false;
    return true;
}

static bool read_script(struct compile *cx, const uint8_t *data, size_t n)
{
    struct stap_script s;

    if (!stap_flat_get(cx->arena, data, n, &s))
        return false;
    for (uint32_t i = 0; i < s.n_modules; i++)
        fuzz_check(strlen(s.modules[i].name) < n && s.modules[i].id.len <= BUILD_ID_MAX,
                   "a module that is not sound");
    for (uint32_t i = 0; i < s.points.n; i++)
        fuzz_check(strlen(s.points.v[i].path) < n, "a path without an end");
    fuzz_check(!stap_checked(cx, &s, false) || is_harmless(&s), "C of a reader's own");
    return true;
}

static bool read_text(struct compile *cx, const uint8_t *data, size_t n)
{
    char *text = arena_strndup(cx->arena, (const char *)data, n);
    struct stap_script s = {.text = text, .len = strlen(text)};
    bool ok = stap_checked(cx, &s, false);

    fuzz_check(!ok || is_harmless(&s), "C of a reader's own");
    return ok;
}

bool fuzz_answers(const uint8_t *data, size_t n)
{
    static const char said[] = "probe process.function(\"f\") { n[execname()] = strlen($x) }\n"
                               "function twice(x:long) " OWN_C "\n";
    struct compile cx;
    bool ok = false;

    fuzz_compile_begin(&cx);
    source_add(cx.sources, "script", said, (uint32_t)strlen(said));
    switch (n ? data[0] : 0) {
    case 'u':
        ok = read_symbols(&cx, false, data + 1, n - 1);
        break;
    case 's':
        ok = read_symbols(&cx, true, data + 1, n - 1);
        break;
    case 'f':
        ok = read_script(&cx, data + 1, n - 1);
        break;
    case 't':
        ok = read_text(&cx, data + 1, n - 1);
        break;
    }
    fuzz_compile_end(&cx);
    return ok;
}
