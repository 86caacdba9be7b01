/*
 * puc: is the Lua of a target PUC-Rio's? Enters: a target in which no LuaJIT was found; leaves: the
 * file that holds its Lua, by the symbols of its modules: both have lua_newstate, LuaJIT alone has
 * luaJIT_setmode. Stripped of its symbols a program that Lua is linked into says nothing.
 */
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "lua/lua.h"
#include "target/target.h"

enum { MODULES_MAX = 1000 };

static bool is_puc(struct compile *cx, const struct target *t, const struct module *m)
{
    int fd = m->probe_path ? open(m->probe_path, O_RDONLY | O_CLOEXEC) : -1;
    bool lua = false;

    if (fd < 0 && t->root)
        fd = sysroot_open(t->root, m->path);
    if (fd < 0)
        return false;

    struct elf_symbols all = elf_symbols_read(cx->arena, fd);

    close(fd);
    for (uint32_t i = 0; i < all.n; i++) {
        if (!strcmp(all.v[i].name, "luaJIT_setmode"))
            return false;
        lua |= !strcmp(all.v[i].name, "lua_newstate");
    }
    return lua;
}

const char *lua_puc_module(struct compile *cx, const struct target *t)
{
    const struct module *m = t->modules;

    for (unsigned i = 0; m && i < MODULES_MAX; i++, m = m->next)
        if (is_puc(cx, t, m))
            return m->path;
    return NULL;
}
