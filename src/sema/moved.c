/*
 * moved: members of LuaJIT's structs that other builds or versions have under another name. Enters:
 * a struct and a member that it lacks; leaves: where the same thing is now. So scripts that were
 * written for GC32 run on GC64, and the other way round, and those for LuaJIT 2.0 on OpenResty's.
 * @defined() is not asked here: it tells builds apart.
 *
 * And the ends of a buffer (SBuf), MRefs in older versions, are pointers now.
 */
#include <string.h>

#include "sema/internal.h"

/* lj_obj.h: GCRef and MRef, which LJ_GC64 makes wide; global_State.str, a StrInternState since 2020. */
static const struct moved {
    const char *type, *was, *is; /* IS: members from there, dots between */
} moved[] = {
    {"GCRef", "gcptr32", "gcptr64"},
    {"GCRef", "gcptr64", "gcptr32"},
    {"MRef", "ptr32", "ptr64"},
    {"MRef", "ptr64", "ptr32"},
    {"global_State", "strhash", "str.tab"},
    {"global_State", "strmask", "str.mask"},
    {"global_State", "strnum", "str.num"},
};

const char *sema_moved_member(const char *type, const char *name)
{
    static const char tag[] = "struct ";

    if (!strncmp(type, tag, sizeof(tag) - 1))
        type += sizeof(tag) - 1;
    for (size_t i = 0; i < sizeof(moved) / sizeof(*moved); i++)
        if (!strcmp(moved[i].type, type) && !strcmp(moved[i].was, name))
            return moved[i].is;
    return NULL;
}

bool sema_moved_pointer(const char *type, const char *name)
{
    bool text = !strcmp(type, "char") || !strcmp(type, "const char");

    return text && (!strcmp(name, "ptr32") || !strcmp(name, "ptr64"));
}
