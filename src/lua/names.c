/*
 * names: from the frames of a stack to names of functions. Enters: frames as the samples print
 * them, that is, text that the target chose; leaves: the same text, clean, with names where the
 * sources tell them. Each source is read once, below the target's root. Refused, so that a frame
 * stays as it is: a source that is no regular file, too big, or newer than the process; more chunk
 * names and bytes of sources than base/bounds.h allows; a line where there is no function.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/bounds.h"
#include "base/clean.h"
#include "lua/lua.h"
#include "lua/nginx.h"

#define uthash_malloc(size)    arena_alloc(hash_arena, size)
#define uthash_free(ptr, size) ((void)(ptr))
#include <uthash.h>

#include "base/bytes.h"

enum { ROOTS_MAX = 64, CHUNK_LEN_MAX = 4096, SINCE_SLACK = 2 };

struct chunk {
    const char *name; /* without "=" */
    size_t len;
    bool readable;
    const char *module;
    size_t module_len;
    struct lua_functions functions;
    UT_hash_handle hh;
};

struct lua_names {
    struct compile *cx;
    struct lua_place place;
    struct chunk *chunks; /* uthash */
    uint32_t n_chunks;
    size_t bytes;
    struct nginx_blocks *blocks; /* NULL: not read yet */
    const char **roots;          /* of package.path, absolute, each with its slash */
    uint32_t n_roots;
    bool roots_read;
    struct lua_builtins *builtins; /* the same */
    struct lua_names_counts counts;
};

/* ---- where ---- */

struct lua_names *lua_names_at(struct compile *cx, const struct lua_place *place)
{
    struct lua_names *n = ARENA_NEW(cx->arena, struct lua_names);

    n->cx = cx;
    n->place = *place;
    return n;
}

/* The arguments of the nginx that PID is, or is a worker of. */
static const char *nginx_cmdline(struct compile *cx, const struct target *t, pid_t pid, size_t *len)
{
    static const char worker[] = "nginx: ", master[] = "nginx: master";
    const char *cmdline = process_cmdline(cx, t, pid, len);

    if (cmdline && !strncmp(cmdline, worker, sizeof(worker) - 1) &&
        strncmp(cmdline, master, sizeof(master) - 1) != 0) {
        pid_t parent = process_parent(t, pid);

        cmdline = parent > 0 ? process_cmdline(cx, t, parent, len) : NULL;
    }
    return cmdline;
}

void lua_place_find(struct compile *cx, struct target *t, struct lua_place *out)
{
    struct nginx_place nginx;
    const char *cmdline = NULL;
    size_t len = 0;

    *out = (struct lua_place){.root = t->root, .target = t};
    if (t->n_pids) {
        out->cwd = process_cwd(cx, t, target_first(t));
        out->since = process_started(cx, t, target_first(t));
        cmdline = nginx_cmdline(cx, t, target_first(t), &len);
    }
    if (t->exec_path ? nginx_place_find(cx, t->root, t->exec_path, out->cwd, cmdline, len, &nginx)
                     : nginx_place_guess(t->root, &nginx)) {
        out->prefix = nginx.prefix;
        out->conf = nginx.conf;
    }
}

struct lua_names *lua_names_new(struct compile *cx, struct target *t)
{
    struct lua_place place;

    lua_place_find(cx, t, &place);
    return lua_names_at(cx, &place);
}

void lua_names_free(struct lua_names *n)
{
    struct chunk *c, *next;

    if (!n)
        return;
    HASH_ITER (hh, n->chunks, c, next)
        lua_functions_free(&c->functions);
    n->chunks = NULL;
}

/* ---- sources ---- */

/* PATH holds what runs: a regular file, not too big, not changed since the process began. */
static bool unchanged(const struct lua_names *n, const char *path)
{
    int fd = sysroot_open(n->place.root, path);
    struct stat st;
    bool ok = fd >= 0 && !fstat(fd, &st) && st.st_size <= LUA_SOURCE_MAX &&
              (!n->place.since || st.st_mtime <= n->place.since + SINCE_SLACK);

    if (fd >= 0)
        close(fd);
    return ok;
}

static char *read_at(struct lua_names *n, const char *dir, const char *name, size_t *len)
{
    const char *path = nginx_full(n->cx->arena, dir, name);

    return path && unchanged(n, path) ? sysroot_read(n->place.root, path, LUA_SOURCE_MAX, len)
                                      : NULL;
}

static void read_file(struct lua_names *n, struct chunk *c)
{
    const char *path = c->name + 1; /* behind "@" */
    size_t len = 0;

    bounds_file(path);
    if (strlen(c->name) != c->len || !bounds_ok())
        return;
    char *text = read_at(n, n->place.cwd, path, &len);

    if (!text && *path != '/')
        text = read_at(n, n->place.prefix, path, &len);
    /* Bytecode holds no names that we could trust. */
    if (text && !(len && *text == '\033'))
        c->readable = lua_functions_read(text, len, 1, &c->functions);
    bounds_count(n->bytes += len, BOUND_SOURCES, "bytes of sources");
    free(text);
}

static void read_conf(struct lua_names *n)
{
    if (!n->blocks && n->place.conf)
        n->blocks = nginx_blocks_read(n->cx, n->place.root, n->place.conf);
}

static void read_block(struct lua_names *n, struct chunk *c)
{
    read_conf(n);
    const struct nginx_block *b = n->blocks ? nginx_block_find(n->blocks, c->name, c->len) : NULL;

    if (b && unchanged(n, b->file))
        c->readable = lua_functions_read(b->text, b->len, 1, &c->functions);
}

/* ---- modules: as fix-lua-bt of the stap++ toolkit names them ---- */

/* Of [-\w]; what is not ASCII is a letter, too. */
static bool is_word_or_dash(char c)
{
    return is_word(c) || c == '-' || (c & 0x80);
}

static size_t word(const char *p, const char *end)
{
    size_t n = 0;

    while (p + n < end && is_word_or_dash(p[n]))
        n++;
    return n;
}

static bool is_lua(const char *p, const char *end)
{
    return end - p >= 4 && !memcmp(p, ".lua", 4);
}

/* The roots of "/a/?.lua;$prefix/b/?/init.lua;;": /a/, PREFIX/b/. */
static void add_roots(struct lua_names *n, const char *path)
{
    static const char prefix[] = "$prefix/";
    struct arena *a = n->cx->arena;

    for (size_t len; *path; path += len + (path[len] == ';')) {
        len = strcspn(path, ";");
        const char *mark = memchr(path, '?', len), *root;
        bool relative = !strncmp(path, prefix, sizeof(prefix) - 1);
        size_t skip = relative ? sizeof(prefix) - 1 : 0;

        if (!mark || mark < path + skip + 1 || mark[-1] != '/' || (*path != '/' && !relative) ||
            n->n_roots == ROOTS_MAX)
            continue;
        root = arena_printf(a, "%s%.*s", relative && n->place.prefix ? n->place.prefix : "",
                            (int)((size_t)(mark - path) - skip), path + skip);
        if (*root != '/' || !root[1])
            continue;
        n->roots = arena_grow(a, n->roots, n->n_roots, sizeof(*n->roots));
        n->roots[n->n_roots++] = root;
    }
}

static void read_roots(struct lua_names *n)
{
    if (n->roots_read)
        return;
    n->roots_read = true;
    read_conf(n);
    for (uint32_t i = 0; n->blocks && i < n->blocks->n_package_paths; i++)
        add_roots(n, n->blocks->package_paths[i]);
}

/* "resty/my-core.lua" from FROM on: "resty.my_core". */
static bool module_from(struct arena *a, const char *from, const char *end, struct chunk *c)
{
    const char *to = from - 1;

    for (size_t n; to < end && *to == '/' && (n = word(to + 1, end)) != 0;)
        to += n + 1;
    if (to <= from || !is_lua(to, end))
        return false;
    char *module = arena_strndup(a, from, (size_t)(to - from));

    for (char *q = module; *q; q++)
        *q = *q == '/' ? '.' : *q == '-' ? '_' : *q;
    c->module = module;
    c->module_len = (size_t)(to - from);
    return true;
}

/* Behind the longest root of package.path that leads to it. */
static bool rooted_module(struct lua_names *n, const char *p, const char *end, struct chunk *c)
{
    size_t best = 0;

    read_roots(n);
    for (uint32_t i = 0; i < n->n_roots; i++) {
        size_t len = strlen(n->roots[i]);

        if (len > best && len < (size_t)(end - p) && !memcmp(p, n->roots[i], len))
            best = len;
    }
    return best && module_from(n->cx->arena, p + best, end, c);
}

/* ".../share/lua/5.1/kong/router.lua": "kong.router". */
static bool shared_module(struct arena *a, const char *p, const char *end, struct chunk *c)
{
    static const char share[] = "share/lua/5.";
    const char *at = memmem(p, (size_t)(end - p), share, sizeof(share) - 1);

    if (!at)
        return false;
    at += sizeof(share) - 1;
    return at + 1 < end && *at >= '0' && *at <= '9' && at[1] == '/' &&
           module_from(a, at + 2, end, c);
}

/* ".../lualib/resty/my-core.lua": "resty.my_core". */
static bool library_module(struct arena *a, const char *p, const char *end, struct chunk *c)
{
    for (; (p = memmem(p, (size_t)(end - p), "lib/", 4)) != NULL; p += 3)
        if (module_from(a, p + 4, end, c))
            return true;
    return false;
}

/* The first "NAME.lua" in it; a name may have blanks. */
static bool file_module(const char *p, const char *end, struct chunk *c)
{
    for (const char *name = p; p < end; p++) {
        if (*p == '/')
            name = p + 1;
        else if (p > name && is_lua(p, end)) {
            c->module = name;
            c->module_len = (size_t)(p + 4 - name);
            return true;
        }
    }
    return false;
}

static void set_module(struct lua_names *n, struct chunk *c)
{
    struct arena *a = n->cx->arena;
    const char *p = c->name + 1, *end = c->name + c->len;

    if (*c->name == '@' && (rooted_module(n, p, end, c) || shared_module(a, p, end, c) ||
                            library_module(a, p, end, c) || file_module(p, end, c)))
        return;
    c->module = c->name + (*c->name == '@');
    c->module_len = (size_t)(end - c->module);
}

static struct chunk *find_chunk(struct lua_names *n, const char *name, size_t len)
{
    struct arena *hash_arena = n->cx->arena;
    struct chunk *c;

    HASH_FIND(hh, n->chunks, name, len, c);
    if (c || !bounds_count(n->n_chunks + 1, BOUND_CHUNKS, "names of Lua chunks"))
        return c;
    n->n_chunks++;
    c = ARENA_NEW(hash_arena, struct chunk);
    char *copy = arena_alloc(hash_arena, len + 1);

    memcpy(copy, name, len);
    c->name = copy;
    c->len = len;
    if (*name == '@')
        read_file(n, c);
    else
        read_block(n, c);
    n->counts.sources++;
    n->counts.unreadable += !c->readable;
    set_module(n, c);
    HASH_ADD_KEYPTR(hh, n->chunks, c->name, len, c);
    return c;
}

/* ---- frames ---- */

/* Of "CHUNK:LINE": CHUNK's length; 0: it has no such form. */
static size_t split_line(const char *frame, size_t len, uint32_t *line)
{
    size_t at = len, digits = 0;
    uint64_t n = 0, unit = 1;

    while (at && frame[at - 1] >= '0' && frame[at - 1] <= '9' && digits < 10) {
        n += unit * (uint64_t)(frame[--at] - '0');
        unit *= 10;
        digits++;
    }
    if (!digits || at < 3 || frame[at - 1] != ':' || n > UINT32_MAX)
        return 0;
    *line = (uint32_t)n;
    return at - 1;
}

static bool find_label(struct lua_names *n, const char *frame, size_t len, struct chunk **chunk,
                       char *label, size_t size)
{
    uint32_t line = 0;
    size_t chunk_len = split_line(frame, len, &line);

    if (!chunk_len || chunk_len > CHUNK_LEN_MAX)
        return false;
    if (*frame != '@') {
        size_t skip = *frame == '=';

        frame += skip;
        chunk_len -= skip;
        if (!nginx_is_chunk(frame, chunk_len))
            return false;
    }
    struct chunk *c = find_chunk(n, frame, chunk_len);
    const struct lua_function *f = c && c->readable ? lua_functions_at(&c->functions, line) : NULL;

    *chunk = c;
    if (f)
        lua_function_label(&c->functions, f, label, size);
    n->counts.found += f != NULL;
    n->counts.missing += f == NULL;
    return f != NULL;
}

/* Of "builtin#N" what LuaJIT calls it, or NULL. */
static const char *find_builtin(struct lua_names *n, const char *frame, size_t len)
{
    static const char prefix[] = "builtin#";
    uint32_t id = 0;
    size_t at = sizeof(prefix) - 1;

    if (!n->place.target || len <= at || len > at + 3 || memcmp(frame, prefix, at) != 0)
        return NULL;
    for (; at < len; at++) {
        if (frame[at] < '0' || frame[at] > '9')
            return NULL;
        id = 10 * id + (uint32_t)(frame[at] - '0');
    }
    if (!n->builtins)
        n->builtins = lua_builtins_read(n->cx, n->place.target);
    return lua_builtin_name(n->builtins, id);
}

bool lua_names_frame(struct lua_names *n, const char *frame, size_t len, char *out, size_t size)
{
    bool compiled = len > 2 && !memcmp(frame, "T:", 2);
    size_t skip = compiled ? 2 : 0, used;
    char label[1024];
    struct chunk *c = NULL;
    const char *builtin = find_builtin(n, frame, len);

    if (builtin) {
        used = clean_text("builtin:", 8, out, size);
        clean_text(builtin, strlen(builtin), out + used, size - used);
        return true;
    }
    if (!find_label(n, frame + skip, len - skip, &c, label, sizeof(label))) {
        clean_text(frame, len, out, size);
        return false;
    }
    used = compiled ? clean_text("T:", 2, out, size) : 0;
    used += clean_text(c->module, c->module_len, out + used, size - used);
    used += clean_text(":", 1, out + used, size - used);
    clean_text(label, strlen(label), out + used, size - used);
    return true;
}

struct lua_names_counts lua_names_counts(const struct lua_names *n)
{
    return n->counts;
}
