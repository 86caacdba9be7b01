/*
 * lua_functions: what src/lua finds in each file named on standard input: "F PATH", and a line
 * "FIRST-LAST NAME" a function; "E PATH" for a source that is not sound. For tests/lua.sh, which
 * has LuaJIT tell the same.
 */
#include <errno.h>
#include <stdlib.h>

#include "base/arena.h"
#include "lua/lua.h"
#include "tap.h"

static bool show(const struct sysroot *root, const char *path)
{
    struct lua_functions f;
    char label[1024];
    size_t len = 0;
    char *text = sysroot_read(root, path, LUA_SOURCE_MAX, &len);

    if (!text || !lua_functions_read(text, len, 1, &f)) {
        fprintf(stderr, "%s: %s\n", path, strerror(errno));
        free(text);
        return false;
    }
    printf("%c %s\n", f.sound ? 'F' : 'E', path);
    for (uint32_t i = 0; i < f.n; i++) {
        lua_function_label(&f, &f.v[i], label, sizeof(label));
        printf("%u-%u %s\n", f.v[i].line, f.v[i].last_line, label);
    }
    lua_functions_free(&f);
    free(text);
    return true;
}

int main(void)
{
    struct compile cx = {.arena = arena_new()};
    char path[4096];
    bool ok = true;

    cx.sources = sources_new(cx.arena);
    cx.diag = diag_new(cx.arena, cx.sources, stderr);
    struct sysroot *root = sysroot_new(&cx, "/");

    while (root && fgets(path, sizeof(path), stdin)) {
        path[strcspn(path, "\n")] = '\0';
        ok = show(root, path) && ok;
    }
    sysroot_free(root);
    arena_free(cx.arena);
    return root && ok ? 0 : 1;
}
