/*
 * luajit: which of a target's files hold LuaJIT, or the Lua of PUC-Rio. Enters: open files,
 * untrusted; leaves: a module. A library's name is not asked. What is exported or has symbols is
 * known by its functions: both have lua_newstate, LuaJIT alone has luaJIT_setmode. What is linked
 * statically and stripped is known by a text: each of them keeps its version ("LuaJIT 2.1.0-beta3",
 * "$Lua: Lua 5.1.5 Copyright") among its strings.
 */
#include <string.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/bounds.h"
#include "base/bytes.h"
#include "target/luajit.h"

enum {
    BLOCK = 256 << 10, /* of a file, read at once */
    TEXT_MAX = 64,     /* a version, with its NUL */
    FILE_MAX = 256 << 20,
};

static const char LUAJIT[] = "LuaJIT 2.", PUC[] = "$Lua: Lua ", PUC_52[] = "$LuaVersion: Lua ";

/* What a file says of its Lua. */
struct texts {
    enum lua_kind kind;
    const char *version; /* of LUA_JIT, in the arena */
};

/* How long the text at S is if it is a version and nothing else; 0: it is none. Messages of other
 * programs name LuaJIT, too. */
static size_t version_len(const char *begin, const char *s, const char *end)
{
    size_t n = strlen(LUAJIT), max = (size_t)(end - s);

    if (s > begin && s[-1] >= ' ' && s[-1] < 127)
        return 0;
    while (n < max && (is_word(s[n]) || s[n] == '.' || s[n] == '-'))
        n++;
    return n < max && !s[n] ? n : 0;
}

/* In N bytes; those behind the first FIRST are of the next block, too, but for a text's rest. */
static struct texts texts_in(struct arena *a, const char *buf, size_t n, size_t first)
{
    const char *end = buf + n, *found;
    struct texts t = {LUA_NONE, NULL};

    for (const char *p = buf; p < buf + first && t.kind != LUA_JIT; p = found + 1) {
        found = memmem(p, (size_t)(end - p), LUAJIT, strlen(LUAJIT));
        if (!found || found >= buf + first)
            break;
        size_t len = version_len(buf, found, end);

        if (len)
            t = (struct texts){LUA_JIT, arena_strndup(a, found, len)};
    }
    if (!t.kind && (memmem(buf, n, PUC, strlen(PUC)) || memmem(buf, n, PUC_52, strlen(PUC_52))))
        t.kind = LUA_PUC;
    return t;
}

static struct texts read_texts(struct arena *a, int fd)
{
    char *buf = arena_alloc(a, BLOCK + TEXT_MAX);
    struct texts t = {LUA_NONE, NULL};

    for (off_t at = 0; at < FILE_MAX && t.kind != LUA_JIT && bounds_ok(); at += BLOCK) {
        ssize_t n = pread(fd, buf, BLOCK + TEXT_MAX, at);

        if (n <= 0)
            break;
        struct texts here = texts_in(a, buf, (size_t)n, n < BLOCK ? (size_t)n : BLOCK);

        t = here.kind ? here : t;
    }
    return t;
}

static enum lua_kind by_text(struct arena *a, int fd)
{
    return read_texts(a, fd).kind;
}

const char *luajit_version(struct arena *a, int fd)
{
    return read_texts(a, fd).version;
}

static enum lua_kind by_symbols(struct arena *a, int fd)
{
    struct elf_symbols all = elf_symbols_read(a, fd);
    enum lua_kind kind = LUA_NONE;

    for (uint32_t i = 0; i < all.n; i++) {
        if (!strcmp(all.v[i].name, "luaJIT_setmode") || !strcmp(all.v[i].name, "lj_vm_asm_begin"))
            return LUA_JIT;
        if (!strcmp(all.v[i].name, "lua_newstate"))
            kind = LUA_PUC;
    }
    return kind;
}

enum lua_kind lua_kind_of(struct arena *a, int fd)
{
    enum lua_kind kind = by_symbols(a, fd);

    return kind ? kind : by_text(a, fd);
}

static const struct module *by(const struct target *t, struct compile *cx, enum lua_kind wanted,
                               enum lua_kind (*kind)(struct arena *, int))
{
    for (const struct module *m = t->modules; m && bounds_ok(); m = m->next) {
        bounds_file(m->path);
        if (m->fd >= 0 && kind(cx->arena, m->fd) == wanted)
            return m;
    }
    return NULL;
}

const struct module *target_lua(struct compile *cx, const struct target *t, enum lua_kind kind)
{
    const struct module *m = by(t, cx, kind, by_symbols);

    return m ? m : by(t, cx, kind, by_text);
}
