/*
 * threads: what a Lua program can have beside its VM's thread. Built as a library, for LuaJIT's
 * FFI: threads_spin() starts a thread that runs C only; threads_cpu() tells its CPU time,
 * threads_over() that SIGTERM came.
 *
 * Built with PROGRAM it is a program of its own that makes its states itself:
 *
 *   threads thread-sleeps    a VM in a thread sleeps in C that Lua called, the main thread runs C
 *   threads two              a VM in each of two threads; they run Lua seven to three
 *   threads nested           a VM whose C function runs another VM's code, in turns of seven to
 *                            three
 *   threads closed           Lua runs for 1.5 seconds, its VM is closed, and C goes on
 *   threads deep             Lua calls a C function that burns CPU below 3 MiB of C stack
 *
 * At its end, on SIGTERM or after SECONDS (the second argument), it prints "NAME NS" for each
 * account of CPU time.
 */
#define _GNU_SOURCE
#include <alloca.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static int64_t now(clockid_t clock)
{
    struct timespec t;

    clock_gettime(clock, &t);
    return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static volatile sig_atomic_t told_to_end;

static void on_term(int sig)
{
    (void)sig;
    told_to_end = 1;
}

/* ---- a thread in C ---- */

static pthread_t spinner;

static void *spin(void *arg)
{
    static volatile uint64_t n;

    (void)arg;
    for (;;)
        n++;
    return NULL;
}

void threads_spin(void)
{
    signal(SIGTERM, on_term);
    pthread_create(&spinner, NULL, spin, NULL);
}

int64_t threads_cpu(void)
{
    clockid_t clock;

    return pthread_getcpuclockid(spinner, &clock) ? -1 : now(clock);
}

int threads_over(void)
{
    return told_to_end;
}

#ifdef PROGRAM
/* LuaJIT's API (lua.h, lauxlib.h); the targets are installed without their headers. */
typedef struct lua_State lua_State;
typedef int (*lua_CFunction)(lua_State *L);
enum { LUA_GLOBALSINDEX = -10002 };
lua_State *luaL_newstate(void);
void lua_close(lua_State *L);
void luaL_openlibs(lua_State *L);
int luaL_loadbuffer(lua_State *L, const char *text, size_t len, const char *name);
int lua_pcall(lua_State *L, int n_args, int n_results, int handler);
void lua_pushcclosure(lua_State *L, lua_CFunction f, int n);
void lua_setfield(lua_State *L, int index, const char *name);
void lua_pushnumber(lua_State *L, double n);
double lua_tonumber(lua_State *L, int index);
const char *lua_tolstring(lua_State *L, int index, size_t *len);
void lua_settop(lua_State *L, int index);

static int64_t end;
lua_State *kept; /* for --arg L=kept */

static int over(void)
{
    return told_to_end || now(CLOCK_MONOTONIC) >= end;
}

static int c_nap(lua_State *L)
{
    (void)L;
    usleep(50000);
    return 0;
}

static int c_over(lua_State *L)
{
    lua_pushnumber(L, over());
    return 1;
}

static int c_cpu(lua_State *L)
{
    lua_pushnumber(L, (double)now(CLOCK_THREAD_CPUTIME_ID));
    return 1;
}

/* burn(MS), in C, below a deep stack. */
static int c_deep(lua_State *L)
{
    int64_t until = now(CLOCK_THREAD_CPUTIME_ID) + (int64_t)(lua_tonumber(L, 1) * 1e6);
    char *room = alloca(3 << 20);
    volatile uint64_t n = 0;

    memset(room, 1, 4096);
    while (now(CLOCK_THREAD_CPUTIME_ID) < until)
        for (int i = 0; i < 10000; i++)
            n += (uint64_t)room[i & 4095];
    return 0;
}

static lua_State *new_state(void)
{
    static const struct {
        const char *name;
        lua_CFunction f;
    } functions[] = {{"nap", c_nap}, {"over", c_over}, {"cpu", c_cpu}, {"deep", c_deep}};
    lua_State *L = luaL_newstate();

    if (!L) {
        fprintf(stderr, "no room for a state\n");
        exit(1);
    }
    luaL_openlibs(L);
    for (size_t i = 0; i < sizeof(functions) / sizeof(*functions); i++) {
        lua_pushcclosure(L, functions[i].f, 0);
        lua_setfield(L, LUA_GLOBALSINDEX, functions[i].name);
    }
    return L;
}

static void run(lua_State *L, const char *name, const char *text)
{
    if (luaL_loadbuffer(L, text, strlen(text), name) || lua_pcall(L, 0, 0, 0)) {
        fprintf(stderr, "%s\n", lua_tolstring(L, -1, NULL));
        exit(1);
    }
    lua_settop(L, 0);
}

static const char naps[] = "local function asleep() nap() end while over() == 0 do asleep() end";

/* Burns A ms of every ten in Lua, and sleeps for the rest of 50. */
#define BURNS(A)                                                                                   \
    "jit.off(true, true)\n"                                                                        \
    "local function burn() local till, s = cpu() + " A                                             \
    "e6, 'a' while cpu() < till do for i = 1, 300 do s = (i * 7) % 13 end end end\n"               \
    "while over() == 0 do burn() nap() end"

static const char left[] = BURNS("35"), right[] = BURNS("15");

struct job {
    const char *name, *text;
    lua_State *L; /* made in turn: GC32's allocator is not safe for threads */
};

static void *in_thread(void *arg)
{
    const struct job *job = arg;

    run(job->L, job->name, job->text);
    printf("%s %lld\n", job->name + 1, (long long)now(CLOCK_THREAD_CPUTIME_ID));
    return NULL;
}

/* ---- nested ---- */

static lua_State *inner;

static int c_inner(lua_State *L)
{
    (void)L;
    run(inner, "=inner",
        "jit.off(true, true) local till, s = cpu() + 3e6 "
        "while cpu() < till do for i = 1, 300 do s = (i * 7) % 13 end end");
    return 0;
}

static const char outer[] = "jit.off(true, true)\n"
                            "local function burn() local till, s = cpu() + 7e6, 'a'\n"
                            "while cpu() < till do for i = 1, 300 do s = (i * 7) % 13 end end end\n"
                            "while over() == 0 do burn() run_inner() end";

int main(int argc, char **argv)
{
    const char *mode = argc > 1 ? argv[1] : "";
    const struct job jobs[] = {{"=left", left, new_state()},
                               {"=right", right, new_state()},
                               {"=asleep", naps, new_state()}};
    pthread_t t[2];

    signal(SIGTERM, on_term);
    end = now(CLOCK_MONOTONIC) + (argc > 2 ? atol(argv[2]) : 10) * 1000000000LL;
    if (!strcmp(mode, "thread-sleeps")) {
        volatile uint64_t n = 0;

        pthread_create(&t[0], NULL, in_thread, (void *)&jobs[2]);
        while (!over())
            n++;
        printf("spin %lld\n", (long long)now(CLOCK_THREAD_CPUTIME_ID));
        pthread_join(t[0], NULL);
    } else if (!strcmp(mode, "two")) {
        pthread_create(&t[0], NULL, in_thread, (void *)&jobs[0]);
        pthread_create(&t[1], NULL, in_thread, (void *)&jobs[1]);
        pthread_join(t[0], NULL);
        pthread_join(t[1], NULL);
    } else if (!strcmp(mode, "deep")) {
        kept = new_state();
        run(kept, "=deep",
            "local function caller() deep(20) end while over() == 0 do caller() end");
        printf("deep %lld\n", (long long)now(CLOCK_THREAD_CPUTIME_ID));
    } else if (!strcmp(mode, "closed")) {
        volatile uint64_t n = 0;
        lua_State *L = new_state();

        run(L, "=closed",
            "jit.off(true, true) local till, s = cpu() + 1.5e9 "
            "while cpu() < till do for i = 1, 300 do s = (i * 7) % 13 end end");
        lua_close(L);
        while (!over())
            n++;
    } else if (!strcmp(mode, "nested")) {
        inner = new_state();
        kept = new_state();
        lua_pushcclosure(kept, c_inner, 0);
        lua_setfield(kept, LUA_GLOBALSINDEX, "run_inner");
        run(kept, "=outer", outer);
    } else {
        return 2;
    }
    return 0;
}
#endif
