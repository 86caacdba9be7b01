/*
 * builtin: names of the built-in functions of a target's LuaJIT, for the numbers that it gives them
 * (GCfuncC.ffid). Enters: a target; leaves: what the file with its LuaJIT says (libinit.c). Without
 * LuaJIT a number stays one.
 */
#include "base/arena.h"
#include "lua/libinit.h"
#include "lua/lua.h"
#include "target/luajit.h"

struct lua_builtins {
    const char *names[LIBINIT_IDS];
};

struct lua_builtins *lua_builtins_read(struct compile *cx, struct target *t)
{
    struct lua_builtins *b = ARENA_NEW(cx->arena, struct lua_builtins);
    const struct module *m = target_lua(cx, t, LUA_JIT);

    if (m)
        libinit_names(cx->arena, m->fd, b->names);
    return b;
}

const char *lua_builtin_name(const struct lua_builtins *b, uint32_t id)
{
    return id < LIBINIT_IDS ? b->names[id] : NULL;
}
