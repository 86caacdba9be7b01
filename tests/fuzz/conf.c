/*
 * conf: nginx's configuration, and the names that frames get by it. An input is nginx.conf.
 */
#include <string.h>

#include "base/arena.h"
#include "base/clean.h"
#include "fuzz.h"
#include "lua/lua.h"
#include "lua/nginx.h"

static void check_clean(const char *s)
{
    char again[LUA_FRAME_MAX];

    clean_text(s, strlen(s), again, sizeof(again));
    fuzz_check(!strcmp(s, again), "a frame that is not clean");
}

static void ask_frame(struct lua_names *names, const char *frame, size_t n)
{
    char out[LUA_FRAME_MAX];

    lua_names_frame(names, frame, n, out, sizeof(out));
    check_clean(out);
}

bool fuzz_conf(const uint8_t *data, size_t n)
{
    static const char *const frames[] = {"=content_by_lua(nginx.conf:1):1",
                                         "=access_by_lua(...x:2):3", "=set_by_lua(nginx.conf:3):1",
                                         "@/lua.lua:2", "T:@/lua.lua:1"};
    struct compile cx;

    fuzz_file("root/nginx.conf", data, n);
    fuzz_file("root/lua.lua", data, n);
    fuzz_compile_begin(&cx);
    struct sysroot *root = sysroot_new(&cx, arena_printf(cx.arena, "%s/root", fuzz_folder()));
    struct nginx_blocks *b = nginx_blocks_read(&cx, root, "/nginx.conf");

    for (uint32_t i = 0; i < b->n; i++)
        fuzz_check(b->v[i].last_line >= b->v[i].line && b->v[i].len <= n,
                   "a block that is larger than its file");
    bool found = b->n;
    struct lua_place place = {.root = root, .conf = "/nginx.conf"};
    struct lua_names *names = lua_names_at(&cx, &place);

    for (uint32_t i = 0; i < sizeof(frames) / sizeof(*frames); i++)
        ask_frame(names, frames[i], strlen(frames[i]));
    const uint8_t *end = n ? memchr(data, '\n', n) : NULL;

    if (end)
        ask_frame(names, (const char *)data, (size_t)(end - data));
    lua_names_free(names);
    sysroot_free(root);
    fuzz_compile_end(&cx);
    return found;
}
