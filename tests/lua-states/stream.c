/*
 * stream: a program with the variables by which nginx's stream module for Lua is found, and its VM:
 * stream SECONDS. It prints how many bytes its VM takes, and leaves it idle. (ngx_core.h,
 * ngx_module.h, ngx_cycle.h, ngx_stream.h, ngx_stream_lua_common.h; only the members that lead from
 * one to the next.)
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

typedef struct lua_State lua_State;
enum { LUA_GCSTOP = 0, LUA_GCCOUNT = 3, LUA_GCCOUNTB = 4 };
lua_State *luaL_newstate(void);
int lua_gc(lua_State *L, int what, int data);

typedef struct ngx_module_s {
    uintptr_t ctx_index, index;
} ngx_module_t;
typedef struct ngx_cycle_s {
    void ****conf_ctx;
} ngx_cycle_t;
typedef struct {
    void **main_conf, **srv_conf;
} ngx_stream_conf_ctx_t;
typedef struct ngx_stream_lua_main_conf_s {
    void *before;
    lua_State *lua;
} ngx_stream_lua_main_conf_t;

ngx_module_t ngx_stream_module = {0, 2};
ngx_module_t ngx_stream_lua_module = {1, 7};
static ngx_stream_lua_main_conf_t conf;
static void *main_confs[] = {NULL, &conf};
static ngx_stream_conf_ctx_t stream = {main_confs, NULL};
static void *all[] = {NULL, NULL, &stream};
static ngx_cycle_t cycle = {(void ****)all};
volatile ngx_cycle_t *ngx_cycle = &cycle;

int main(int argc, char **argv)
{
    time_t end = time(NULL) + (argc > 1 ? atoi(argv[1]) : 5);
    volatile uint64_t n = 0;

    conf.lua = luaL_newstate();
    lua_gc(conf.lua, LUA_GCSTOP, 0);
    printf("%d\n", lua_gc(conf.lua, LUA_GCCOUNT, 0) * 1024 + lua_gc(conf.lua, LUA_GCCOUNTB, 0));
    fflush(stdout);
    while (time(NULL) < end)
        n++;
    return 0;
}
