/*
 * builtin: names of LuaJIT's built-in functions. Enters: a target; leaves: a name for each number
 * that LuaJIT gives them (GCfuncC.ffid), as the enumerators FF_* of its debug information have it;
 * numbers differ from build to build. Refused, so that a number stays one: a LuaJIT without debug
 * information, one that lies neither in a library of its own nor in the executable, and what is no
 * identifier.
 */
#include <string.h>

#include "base/arena.h"
#include "base/bytes.h"
#include "lua/lua.h"
#include "debug/debug.h"

static const char PREFIX[] = "FF_";

enum { IDS = 256 /* ffid is a byte */, NAME_LEN_MAX = 64 };

struct lua_builtins {
    struct arena *arena;
    const char *names[IDS];
};

static bool is_identifier(const char *s)
{
    size_t n = 0;

    while (is_word(s[n]))
        n++;
    return n && n <= NAME_LEN_MAX && !s[n];
}

/* A part of a library: "jit_util_funcinfo" is jit.util.funcinfo. */
static bool is_part(const char *s, size_t len)
{
    static const char *const parts[] = {"method", "util", "opt",     "profile",
                                        "meta",   "clib", "callback"};

    for (size_t i = 0; i < sizeof(parts) / sizeof(*parts); i++)
        if (strlen(parts[i]) == len && !memcmp(parts[i], s, len))
            return true;
    return false;
}

/* "string_gsub" becomes "string.gsub", as jit/vmdef.lua has it; "ipairs_aux" has no library. */
static void put_dots(char *name)
{
    char *at = strchr(name, '_'), *next;

    if (!at || at == name || !strcmp(at, "_aux"))
        return;
    *at++ = '.';
    next = strchr(at, '_');
    if (next && is_part(at, (size_t)(next - at)))
        *next = '.';
}

static void add(const char *name, int64_t value, void *arg)
{
    struct lua_builtins *b = arg;
    const char *bare = name + sizeof(PREFIX) - 1;

    /* FF_LUA_, FF_C_ and FF__MAX are no functions. */
    if (value < 2 || value >= IDS || b->names[value] || *bare == '_' || !is_identifier(bare))
        return;
    char *text = arena_strdup(b->arena, bare);

    put_dots(text);
    b->names[value] = text;
}

/* Those of two kinds of code come first, in every version of lj_obj.h: FF_LUA_, FF_C_. */
static bool read_module(struct debuginfo *di, const char *path, struct lua_builtins *b)
{
    const char *why;
    struct dbg *m = dbg_open(di, path, &why);
    int64_t lua, c;

    if (!m || !dbg_enumerator(m, "FF_LUA_", &lua) || !dbg_enumerator(m, "FF_C_", &c) || lua != 0 ||
        c != 1)
        return false;
    dbg_enumerators(m, PREFIX, add, b);
    return true;
}

struct lua_builtins *lua_builtins_read(struct compile *cx, struct target *t)
{
    struct lua_builtins *b = ARENA_NEW(cx->arena, struct lua_builtins);
    struct debuginfo *di = debuginfo_new(cx, t);
    bool found = false;

    b->arena = cx->arena;
    for (struct module *m = t->modules; !found && m; m = m->next)
        found = target_is_luajit(m->path) && read_module(di, m->path, b);
    if (!found && t->modules)
        read_module(di, t->modules->path, b);
    debuginfo_free(di);
    return b;
}

const char *lua_builtin_name(const struct lua_builtins *b, uint32_t id)
{
    return id < IDS ? b->names[id] : NULL;
}
