/*
 * lua_fuzz_test: Lua sources and nginx configurations cut up and put together again at random
 * (fixed seed). Nothing may crash; the functions found must nest, in order, with lines and names
 * inside the text; every frame gets a clean answer.
 */
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/diag.h"
#include "base/clean.h"
#include "lua/lua.h"
#include "lua/nginx.h"
#include "tap.h"

enum { ROUNDS = 20000, CONF_ROUNDS = 1500, PARTS_MAX = 60, TEXT_MAX = 8192 };

static const char *const words[] = {"function ",
                                    "function(",
                                    "local ",
                                    "end ",
                                    "do ",
                                    "if ",
                                    "then ",
                                    "else ",
                                    "elseif ",
                                    "repeat ",
                                    "until ",
                                    "while ",
                                    "for ",
                                    "in ",
                                    "return ",
                                    "=",
                                    ",",
                                    ";",
                                    "(",
                                    ")",
                                    "[",
                                    "]",
                                    "{",
                                    "}",
                                    "[[",
                                    "]]",
                                    "[==[",
                                    "]==]",
                                    "--",
                                    "--[[",
                                    "\"",
                                    "'",
                                    "\\",
                                    "\n",
                                    "\r\n",
                                    "\r",
                                    "a",
                                    "b.c:d",
                                    "::",
                                    "...",
                                    "1e-5",
                                    "0x",
                                    "\\z ",
                                    "#!",
                                    "\xff",
                                    "\xe5\x90\x8d",
                                    "x = ",
                                    "goto ",
                                    "function f() return function() end end\n",
                                    "t = { f = function() end, [1] = 2 }\n"};

static const char *const conf_words[] = {"content_by_lua_block ",
                                         "{",
                                         "}",
                                         ";",
                                         "\n",
                                         "include conf/*;",
                                         "include [;",
                                         "'",
                                         "\"",
                                         "access_by_lua ",
                                         "\\",
                                         "#",
                                         "${",
                                         " ",
                                         "local function f() end ",
                                         "set_by_lua $x ",
                                         "server ",
                                         "--",
                                         "[[",
                                         "]]",
                                         "x = { ",
                                         "include nginx.conf;",
                                         "include /*/*/*;"};

static uint64_t state = 88172645463325252u;

static uint32_t draw(uint32_t below)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (uint32_t)(state >> 11) % below;
}

static uint32_t make(const char *const *v, uint32_t n_words, char *text)
{
    uint32_t n = 0;

    for (uint32_t parts = draw(PARTS_MAX) + 1; parts; parts--) {
        const char *word = v[draw(n_words)];
        uint32_t len = (uint32_t)strlen(word);

        if (len > TEXT_MAX - n)
            break;
        memcpy(text + n, word, len);
        n += len;
        if (n && !draw(16))
            text[draw(n)] = (char)draw(256);
    }
    return n;
}

/* NULL, or what is wrong. */
static const char *check(const struct lua_functions *f)
{
    char label[64];

    for (uint32_t i = 0; i < f->n; i++) {
        const struct lua_function *one = &f->v[i], *parent = &f->v[one->parent];

        if (one->name_len && (one->name > f->text_len || one->name_len > f->text_len - one->name))
            return "a name outside the text";
        if (i && one->parent >= i)
            return "a function before its parent";
        if (one->last_line < one->line || one->last_line > f->v[0].last_line)
            return "an end before the beginning, or behind the text's";
        if (i && (one->line < f->v[i - 1].line || one->last_line > parent->last_line))
            return "functions that do not nest";
        if (i && lua_functions_at(f, one->line)->line != one->line)
            return "a first line that is not found";
        if (lua_function_label(f, one, label, sizeof(label)) >= sizeof(label) || !*label)
            return "no label";
    }
    return NULL;
}

static bool is_clean(const char *s)
{
    char again[LUA_FRAME_MAX];

    clean_text(s, strlen(s), again, sizeof(again));
    return !strcmp(s, again);
}

static const char *conf_round(struct compile *cx, const char *dir, const char *text, uint32_t len)
{
    static const char *const chunks[] = {"content_by_lua(nginx.conf:1)", "access_by_lua(...x:2)",
                                         "set_by_lua(nginx.conf:3)"};
    FILE *f = fopen(arena_printf(cx->arena, "%s/nginx.conf", dir), "we");
    struct sysroot *root = sysroot_new(cx, dir);
    const char *fault = NULL;

    if (!f || !root || fwrite(text, 1, len, f) != len)
        fault = "no file";
    if (f)
        fclose(f);
    if (fault)
        return fault;
    struct nginx_blocks *b = nginx_blocks_read(cx, root, "/nginx.conf");

    for (uint32_t i = 0; i < b->n; i++)
        if (b->v[i].last_line < b->v[i].line || b->v[i].len > len)
            fault = "a block that is larger than its file";
    struct lua_place place = {.root = root, .conf = "/nginx.conf"};
    struct lua_names *n = lua_names_at(cx, &place);

    for (uint32_t i = 0; i < sizeof(chunks) / sizeof(*chunks); i++) {
        char out[LUA_FRAME_MAX];
        const char *frame = arena_printf(cx->arena, "=%s:%u", chunks[i], draw(4));

        lua_names_frame(n, frame, strlen(frame), out, sizeof(out));
        if (!is_clean(out))
            fault = "a frame that is not clean";
    }
    lua_names_free(n);
    sysroot_free(root);
    return fault;
}

int main(void)
{
    char *text = malloc(TEXT_MAX), dir[] = "/tmp/lua_fuzz_XXXXXX";
    const char *fault = NULL;
    uint32_t sound = 0, found = 0;

    for (uint32_t i = 0; i < ROUNDS && text && !fault; i++) {
        struct lua_functions f;
        uint32_t len = make(words, sizeof(words) / sizeof(*words), text);
        char *copy =
            malloc(len ? len : 1); /* its exact size, so that a sanitizer sees every byte too far */

        memcpy(copy, text, len);
        if (!lua_functions_read(copy, len, 1, &f))
            fault = "out of memory";
        else
            fault = check(&f);
        sound += f.sound;
        found += f.n - (f.n > 0);
        lua_functions_free(&f);
        free(copy);
    }
    tap_ok(!fault, "%u sources, %u functions, %u sound%s%s", (unsigned)ROUNDS, found, sound,
           fault ? ": " : "", fault ? fault : "");
    tap_ok(found > ROUNDS && sound > ROUNDS / 100, "enough of them hold functions");
    if (mkdtemp(dir)) {
        for (uint32_t i = 0; i < CONF_ROUNDS && !fault; i++) {
            struct compile cx = {.arena = arena_new()};

            cx.sources = sources_new(cx.arena);
            cx.diag = diag_new(cx.arena, cx.sources, stderr);
            uint32_t len = make(conf_words, sizeof(conf_words) / sizeof(*conf_words), text);

            fault = conf_round(&cx, dir, text, len);
            arena_free(cx.arena);
        }
        tap_ok(!fault, "%u configurations%s%s", (unsigned)CONF_ROUNDS, fault ? ": " : "",
               fault ? fault : "");
        unlink(strcat(strcpy(text, dir), "/nginx.conf"));
        rmdir(dir);
    }
    free(text);
    return tap_done();
}
