/*
 * renamed: members of LuaJIT's structs that builds or versions have under different names. Enters:
 * a struct and a member that this build lacks; leaves: the name that the member has here. So
 * scripts for GC32 run on GC64 and the other way round, and scripts for LuaJIT 2.0 run on
 * OpenResty's. @defined() does not ask here: it tells builds apart.
 *
 * The ends of a buffer (SBuf) were MRefs in older versions and are plain pointers now.
 */
#include <string.h>

#include "lua/lua.h"

/* lj_obj.h: GCRef and MRef, which LJ_GC64 makes wide; global_State.str, a StrInternState since
 * 2020. */
static const struct {
    const char *type, *was, *is; /* IS: names with dots between */
} renamed[] = {
    {"GCRef", "gcptr32", "gcptr64"},
    {"GCRef", "gcptr64", "gcptr32"},
    {"MRef", "ptr32", "ptr64"},
    {"MRef", "ptr64", "ptr32"},
    {"global_State", "strhash", "str.tab"},
    {"global_State", "strmask", "str.mask"},
    {"global_State", "strnum", "str.num"},
};

const char *lua_renamed_member(const char *type, const char *name)
{
    static const char tag[] = "struct ";

    if (!strncmp(type, tag, sizeof(tag) - 1))
        type += sizeof(tag) - 1;
    for (size_t i = 0; i < sizeof(renamed) / sizeof(*renamed); i++)
        if (!strcmp(renamed[i].type, type) && !strcmp(renamed[i].was, name))
            return renamed[i].is;
    return NULL;
}

bool lua_renamed_pointer(const char *type, const char *name)
{
    bool text = !strcmp(type, "char") || !strcmp(type, "const char");

    return text && (!strcmp(name, "ptr32") || !strcmp(name, "ptr64"));
}
