/*
 * lua: a source in Lua, and a frame's name. Functions nest, in order, with lines and names inside
 * of the text.
 */
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "lua/lua.h"

static void check_functions(const struct lua_functions *f)
{
    char label[64];

    for (uint32_t i = 0; i < f->n; i++) {
        const struct lua_function *one = &f->v[i], *parent = &f->v[one->parent];

        fuzz_check(!one->name_len ||
                       (one->name <= f->text_len && one->name_len <= f->text_len - one->name),
                   "a name outside of the text");
        fuzz_check(!i || one->parent < i, "a function before its parent");
        fuzz_check(one->last_line >= one->line && one->last_line <= f->v[0].last_line,
                   "an end before the beginning, or behind the text's");
        fuzz_check(!i || (one->line >= f->v[i - 1].line && one->last_line <= parent->last_line),
                   "functions that do not nest");
        fuzz_check(!i || lua_functions_at(f, one->line)->line == one->line,
                   "a first line that is not found");
        fuzz_check(lua_function_label(f, one, label, sizeof(label)) < sizeof(label) && *label,
                   "no label");
    }
}

bool fuzz_lua(const uint8_t *data, size_t n)
{
    struct lua_functions f;
    char *copy = malloc(n ? n : 1); /* its exact size, so that a sanitizer sees a byte too far */

    fuzz_check(copy, "out of memory");
    if (n)
        memcpy(copy, data, n);
    fuzz_check(lua_functions_read(copy, n, 1, &f), "out of memory");
    check_functions(&f);
    bool ok = f.sound && f.n > 1;

    lua_functions_free(&f);
    free(copy);
    return ok;
}
