/*
 * luajit: which file holds a target's Lua.
 */
#ifndef TARGET_LUAJIT_H
#define TARGET_LUAJIT_H

#include "target/target.h"

enum lua_kind { LUA_NONE, LUA_JIT, LUA_PUC };

/* The Lua that the ELF file FD holds. FD stays the caller's. */
enum lua_kind lua_kind_of(struct arena *a, int fd);

/* "LuaJIT 2.1.0-beta3", as the file FD has it, in A; NULL: it holds no LuaJIT. */
const char *luajit_version(struct arena *a, int fd);

/* The first of T's modules that holds such a Lua; NULL: none, as far as can be told. */
const struct module *target_lua(struct compile *cx, const struct target *t, enum lua_kind kind);

#endif
