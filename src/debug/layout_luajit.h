/*
 * layout_luajit: layouts of LuaJIT's types, tried on a process (layout_luajit.c).
 */
#ifndef DEBUG_LAYOUT_LUAJIT_H
#define DEBUG_LAYOUT_LUAJIT_H

#include "debug/source.h"

/* What is read of a layout: a row each, a "place" of layouts/luajit.list. */
#define LJ_PLACES(ROW)                                                                             \
    ROW(L_SIZE, "lua_State", "-")                                                                  \
    ROW(L_MARKED, "lua_State", "marked")                                                           \
    ROW(L_GCT, "lua_State", "gct")                                                                 \
    ROW(L_FFID, "lua_State", "dummy_ffid")                                                         \
    ROW(L_STATUS, "lua_State", "status")                                                           \
    ROW(L_GLREF, "lua_State", "glref")                                                             \
    ROW(L_BASE, "lua_State", "base")                                                               \
    ROW(L_TOP, "lua_State", "top")                                                                 \
    ROW(L_MAXSTACK, "lua_State", "maxstack")                                                       \
    ROW(L_STACK, "lua_State", "stack")                                                             \
    ROW(L_ENV, "lua_State", "env")                                                                 \
    ROW(L_STACKSIZE, "lua_State", "stacksize")                                                     \
    ROW(GG_SIZE, "GG_State", "-")                                                                  \
    ROW(GG_L, "GG_State", "L")                                                                     \
    ROW(GG_G, "GG_State", "g")                                                                     \
    ROW(GG_J, "GG_State", "J")                                                                     \
    ROW(GG_DISPATCH, "GG_State", "dispatch")                                                       \
    ROW(GG_BCFF, "GG_State", "bcff")                                                               \
    ROW(G_SIZE, "global_State", "-")                                                               \
    ROW(G_GC_TOTAL, "global_State", "gc.total")                                                    \
    ROW(G_GC_WHITE, "global_State", "gc.currentwhite")                                             \
    ROW(G_GC_STATE, "global_State", "gc.state")                                                    \
    ROW(G_GC_ROOT, "global_State", "gc.root")                                                      \
    ROW(G_STREMPTY, "global_State", "strempty")                                                    \
    ROW(G_STREMPTYZ, "global_State", "stremptyz")                                                  \
    ROW(G_VMSTATE, "global_State", "vmstate")                                                      \
    ROW(G_MAINTHREF, "global_State", "mainthref")                                                  \
    ROW(G_NILNODE, "global_State", "nilnode")                                                      \
    ROW(G_REGISTRY, "global_State", "registrytv")                                                  \
    ROW(G_UVHEAD, "global_State", "uvhead")                                                        \
    ROW(G_CUR_L, "global_State", "cur_L")                                                          \
    ROW(G_JIT_BASE, "global_State", "jit_base")                                                    \
    ROW(G_CTYPE_STATE, "global_State", "ctype_state")                                              \
    ROW(G_GCROOT, "global_State", "gcroot")                                                        \
    ROW(J_TRACE, "jit_State", "trace")                                                             \
    ROW(J_SIZETRACE, "jit_State", "sizetrace")                                                     \
    ROW(J_FREETRACE, "jit_State", "freetrace")                                                     \
    ROW(J_IRTOPLIM, "jit_State", "irtoplim")                                                       \
    ROW(J_IRBOTLIM, "jit_State", "irbotlim")                                                       \
    ROW(TRACE_GCT, "GCtrace", "gct")                                                               \
    ROW(TRACE_NO, "GCtrace", "traceno")                                                            \
    ROW(TRACE_STARTPT, "GCtrace", "startpt")                                                       \
    ROW(STR_SIZE, "GCstr", "-")                                                                    \
    ROW(STR_GCT, "GCstr", "gct")                                                                   \
    ROW(STR_LEN, "GCstr", "len")                                                                   \
    ROW(UV_PREV, "GCupval", "prev")                                                                \
    ROW(UV_NEXT, "GCupval", "next")                                                                \
    ROW(TAB_GCT, "GCtab", "gct")                                                                   \
    ROW(PROTO_GCT, "GCproto", "gct")                                                               \
    ROW(NODE_KEY, "Node", "key")                                                                   \
    ROW(CTS_L, "CTState", "L")                                                                     \
    ROW(CTS_G, "CTState", "g")

enum lj_place {
#define LJ_PLACE(name, type, path) LJ_##name,
    LJ_PLACES(LJ_PLACE)
#undef LJ_PLACE
        LJ_PLACE_COUNT
};

struct lj_layout {
    const char *path;            /* its file of layouts */
    uint32_t at[LJ_PLACE_COUNT]; /* bytes */
    uint32_t strtab, strmask;    /* in global_State, by either of their names */
    uint32_t n_dispatch, n_bcff; /* elements */
    bool gc64;
    const char *why; /* what contradicts it at the last state that was tried; NULL: nothing yet */
};

/* The process that layouts are tried on. */
struct lj_process {
    int mem;                /* as /proc/PID/mem: offsets are addresses */
    const struct map *maps; /* in order of address */
    const char *file;       /* that has LuaJIT's code, as MAPS call it; NULL: any */
    uint64_t budget;        /* bytes that may still be searched */
};

/* The file at PATH, whose LIST is known (layout.h). False: it lacks a place that LuaJIT's have. */
bool lj_layout_read(const char *path, const char *list, struct lj_layout *out);

/* What contradicts X in the state at L, a main thread; NULL: it is LuaJIT's here. */
const char *lj_layout_misfit(const struct lj_process *p, const struct lj_layout *x, uint64_t l);

/*
 * Searches the process for a state that one of V fits. The number of those that fit it, moved to
 * the front of V, and *L, its main thread; 0: none.
 */
uint32_t lj_layouts_try(struct lj_process *p, struct lj_layout *v, uint32_t n, uint64_t *l);

#endif
