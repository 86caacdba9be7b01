/*
 * later: a program that has LuaJIT, and makes a state when it is told to:
 *
 *   later first MS SECONDS   its first one, after MS; it runs Lua then
 *   later more MS SECONDS    one at once, which is idle; after MS a thread makes one and runs Lua
 *   later never MS SECONDS   none while it is looked at
 *
 * It prints "lua NS" when Lua begins to run, by CLOCK_MONOTONIC; it ends after SECONDS, or when it
 * has run Lua for that long. It appends a line to the file that RAN names in its environment.
 */
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

typedef struct lua_State lua_State;
lua_State *luaL_newstate(void);
void luaL_openlibs(lua_State *L);
int luaL_loadstring(lua_State *L, const char *text);
int lua_pcall(lua_State *L, int n, int results, int handler);
const char *lua_tolstring(lua_State *L, int i, size_t *len);

static int seconds;

static void wait_ms(long ms)
{
    struct timespec t = {ms / 1000, ms % 1000 * 1000000};

    while (nanosleep(&t, &t))
        ;
}

static lua_State *make(void)
{
    lua_State *L = luaL_newstate();

    luaL_openlibs(L);
    return L;
}

static void *run(void *state)
{
    lua_State *L = state ? state : make();
    struct timespec t;
    char text[256];

    snprintf(text, sizeof(text),
             "local function busy(n) local s = 0 for i = 1, n do s = s + i %% 7 end return s end\n"
             "local from = os.clock() while os.clock() - from < %d do busy(10000) end",
             seconds);
    clock_gettime(CLOCK_MONOTONIC, &t);
    printf("lua %lld\n", (long long)t.tv_sec * 1000000000 + t.tv_nsec);
    fflush(stdout);
    if (luaL_loadstring(L, text) || lua_pcall(L, 0, 0, 0))
        fprintf(stderr, "%s\n", lua_tolstring(L, -1, NULL));
    return NULL;
}

int main(int argc, char **argv)
{
    const char *ran = getenv("RAN");
    FILE *f = ran ? fopen(ran, "a") : NULL;
    pthread_t thread;

    if (argc != 4)
        return 2;
    if (f) {
        fputs("ran\n", f);
        fclose(f);
    }
    seconds = atoi(argv[3]);
    if (!strcmp(argv[1], "more"))
        make();
    wait_ms(atol(argv[2]));
    if (!strcmp(argv[1], "never")) {
        wait_ms(1000L * seconds);
        make(); /* so that it is linked to LuaJIT all the same */
        return 0;
    }
    if (!strcmp(argv[1], "first"))
        return run(make()) != NULL;
    return pthread_create(&thread, NULL, run, NULL) || pthread_join(thread, NULL);
}
