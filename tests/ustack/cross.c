/*
 * cross: a module for Lua by which Lua and C call each other in every way; x_leaf is where the
 * stack is looked at. Built without LuaJIT's headers.
 */
#include <poll.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

typedef struct lua_State lua_State;
typedef int (*lua_CFunction)(lua_State *);
void lua_call(lua_State *, int, int);
int lua_pcall(lua_State *, int, int, int);
int lua_cpcall(lua_State *, lua_CFunction, void *);
int lua_resume(lua_State *, int);
lua_State *lua_newthread(lua_State *);
void lua_xmove(lua_State *, lua_State *, int);
void lua_pushvalue(lua_State *, int);
void lua_getfield(lua_State *, int, const char *);
void lua_setfield(lua_State *, int, const char *);
void lua_createtable(lua_State *, int, int);
void lua_pushcclosure(lua_State *, lua_CFunction, int);
long lua_tointeger(lua_State *, int);
const char *lua_tolstring(lua_State *, int, size_t *);
void lua_close(lua_State *);
lua_State *luaL_newstate(void);
void luaL_openlibs(lua_State *);
int luaL_loadstring(lua_State *, const char *);
int luaopen_cross(lua_State *L);

/* Something to do behind each call, else the compiler makes it a jump. */
#define AFTER(call)                                                                                \
    do {                                                                                           \
        call;                                                                                      \
        __asm__ volatile("");                                                                      \
    } while (0)

__attribute__((noinline)) void x_leaf(void)
{
    __asm__ volatile("");
}

static int x_hit(lua_State *L)
{
    AFTER(x_leaf());
    return 0;
}

static int x_spin(lua_State *L)
{
    for (volatile long i = 0; i < 3000000; i++) {
    }
    return 0;
}

static int x_wait(lua_State *L)
{
    AFTER(poll(NULL, 0, 1));
    return 0;
}

static int x_call(lua_State *L)
{
    lua_pushvalue(L, 1);
    AFTER(lua_call(L, 0, 0));
    return 0;
}

static int x_pcall(lua_State *L)
{
    lua_pushvalue(L, 1);
    return lua_pcall(L, 0, 0, 0) == 0 ? 0 : 1;
}

static int x_resume(lua_State *L)
{
    lua_State *co = lua_newthread(L);

    lua_pushvalue(L, 1);
    lua_xmove(L, co, 1);
    return lua_resume(co, 0) == 0 ? 0 : 1;
}

/* Another state, which is not resumed but called: its C frame has none before it. */
static int x_thread(lua_State *L)
{
    lua_State *co = lua_newthread(L);

    lua_pushvalue(L, 1);
    lua_xmove(L, co, 1);
    AFTER(lua_call(co, 0, 0));
    return 0;
}

static int x_protected(lua_State *L)
{
    lua_getfield(L, -10002 /* LUA_GLOBALSINDEX */, "inner");
    AFTER(lua_call(L, 0, 0));
    return 0;
}

static int x_cpcall(lua_State *L)
{
    return lua_cpcall(L, x_protected, NULL) == 0 ? 0 : 1;
}

static int x_get(lua_State *L)
{
    AFTER(lua_getfield(L, 1, "key"));
    return 0;
}

static int x_other_vm(lua_State *L)
{
    lua_State *other = luaL_newstate();

    luaL_openlibs(other);
    AFTER(luaopen_cross(other));
    lua_setfield(other, -10002, "cross");
    if (luaL_loadstring(other, lua_tolstring(L, 1, NULL)))
        return 0;
    AFTER(lua_call(other, 0, 0));
    lua_close(other);
    return 0;
}

/* What L->cframe may be made to say: the way WHICH, near HERE. Each looks sound to who asks only
 * whether it is above the stack pointer. */
static void *hostile(int which, void **here)
{
    switch (which) {
    case 0: /* a chain without end */
        for (int i = 0; i < 4000; i++)
            here[i] = &here[i - 3];
        return here;
    case 1: /* a ring */
        here[4] = here;
        return here;
    case 2: /* where nothing is */
        return (void *)0x7ffffffff000;
    case 3: /* no chain, between two frames */
        memset(here, 0, 800);
        return here + 5;
    default: /* words that are no addresses */
        memset(here, 0xa5, 800);
        return here;
    }
}

/* x_leaf below a state that lies. Of the state's first words only L->cframe is an address in the
 * stack. */
static int x_lie(lua_State *L)
{
    void *room[4096], **cframe = (void **)L;
    int which = (int)lua_tointeger(L, 1);

    for (int i = 0; i < 16; i++, cframe++)
        if ((uintptr_t)*cframe - (uintptr_t)room < 8 * sizeof(room))
            break;
    void *was = *cframe;

    *cframe = hostile(which, room + 16);
    AFTER(x_leaf());
    *cframe = was;
    return 0;
}

/* For LuaJIT's FFI. */
void x_each(void (*callback)(void))
{
    AFTER(callback());
}

static void add(lua_State *L, const char *name, lua_CFunction f)
{
    lua_pushcclosure(L, f, 0);
    lua_setfield(L, -2, name);
}

int luaopen_cross(lua_State *L)
{
    lua_createtable(L, 0, 0);
    add(L, "hit", x_hit);
    add(L, "spin", x_spin);
    add(L, "wait", x_wait);
    add(L, "lie", x_lie);
    add(L, "call", x_call);
    add(L, "pcall", x_pcall);
    add(L, "resume", x_resume);
    add(L, "thread", x_thread);
    add(L, "cpcall", x_cpcall);
    add(L, "get", x_get);
    add(L, "other_vm", x_other_vm);
    return 1;
}
