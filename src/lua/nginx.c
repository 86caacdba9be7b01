/*
 * nginx: see nginx.h. Enters: configuration files, as the target sees them; leaves: the Lua code in
 * them, under the names that ngx_http_lua_gen_chunk_name (lua-nginx-module,
 * src/ngx_http_lua_directive.c) gives it. Tokens are those of ngx_conf_read_token (nginx,
 * src/core/ngx_conf_file.c); the end of a block is found by the lexer of Lua. Refused: more than
 * base/bounds.h allows, includes nested deeper than DEPTH_MAX, paths of more than PATTERNS_MAX
 * patterns. What no nginx would start with is read as far as it makes sense.
 */
#include "lua/nginx.h"

#include <dirent.h>
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/bounds.h"
#include "base/bytes.h"
#include "lua/lex.h"

enum {
    CONF_MAX = 8 << 20,
    DEPTH_MAX = 16,
    WORDS_MAX = 4,
    PATH_LEN_MAX = 4096,
    PATTERNS_MAX = 8,
    PACKAGE_PATHS_MAX = 64,
};

struct word {
    const char *at;
    size_t len;
    bool quoted;
};

struct conf {
    struct compile *cx;
    const struct sysroot *root;
    const char *prefix; /* of the main file: includes are relative to it */
    struct nginx_blocks *out;
    uint32_t files, depth, entries;
    size_t bytes;
};

struct scan {
    const char *file, *at, *end;
    uint32_t line;
    struct word words[WORDS_MAX];
    uint32_t n; /* of the directive in hand; may exceed WORDS_MAX */
};

static void read_conf(struct conf *c, const char *path);

/* ---- includes ---- */

/* The names below DIR that PATTERN fits, sorted as glob(3) has them. */
static const char **matches(struct conf *c, const char *dir, const char *pattern, uint32_t *n)
{
    int fd = sysroot_open_dir(c->root, dir);
    DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
    const char **v = NULL;
    struct dirent *e;

    *n = 0;
    while (d && (e = readdir(d)) &&
           bounds_count(++c->entries, BOUND_CONF_ENTRIES, "files to include")) {
        if (fnmatch(pattern, e->d_name, FNM_PERIOD))
            continue;
        v = arena_grow(c->cx->arena, v, *n, sizeof(*v));
        v[(*n)++] = nginx_join(c->cx->arena, dir, e->d_name);
    }
    if (d)
        closedir(d);
    if (*n)
        qsort(v, *n, sizeof(*v), order_by_text);
    return v;
}

/* DIR is what lies before the pattern REST; what is no pattern in it is gone through at once. */
static void expand(struct conf *c, const char *dir, const char *rest, uint32_t patterns)
{
    size_t plain = strcspn(rest, "*?["), len;
    uint32_t n;

    if (!rest[plain]) {
        read_conf(c, nginx_join(c->cx->arena, dir, rest));
        return;
    }
    while (plain && rest[plain - 1] != '/')
        plain--;
    if (plain)
        dir = nginx_join(c->cx->arena, dir, arena_strndup(c->cx->arena, rest, plain));
    rest += plain;
    len = strcspn(rest, "/");
    const char **v = matches(c, dir, arena_strndup(c->cx->arena, rest, len), &n);

    rest += len + strspn(rest + len, "/");
    for (uint32_t i = 0; i < n && bounds_ok() && patterns < PATTERNS_MAX; i++)
        if (*rest)
            expand(c, v[i], rest, patterns + 1);
        else
            read_conf(c, v[i]);
}

static void include(struct conf *c, const char *name)
{
    const char *path = *name == '/' ? name : nginx_join(c->cx->arena, c->prefix, name);

    if (strlen(path) >= PATH_LEN_MAX)
        return;
    if (has_wildcard(path))
        expand(c, "/", path + strspn(path, "/"), 0);
    else
        read_conf(c, path);
}

/* ---- tokens ---- */

/* What a backslash and this stand for; 0: for themselves. */
static char escaped(char c)
{
    switch (c) {
    case '"':
    case '\'':
    case '\\':
        return c;
    case 't':
        return '\t';
    case 'r':
        return '\r';
    case 'n':
        return '\n';
    default:
        return '\0';
    }
}

static char *unescape(struct conf *c, const struct word *w, size_t *len)
{
    char *out = arena_alloc(c->cx->arena, w->len + 1);
    size_t n = 0;

    for (size_t i = 0; i < w->len; i++) {
        char e = w->at[i] == '\\' && i + 1 < w->len ? escaped(w->at[i + 1]) : '\0';

        out[n++] = e ? e : w->at[i];
        i += e != '\0';
    }
    *len = n;
    return out;
}

static uint32_t lines_in(const char *from, const char *to)
{
    uint32_t n = 0;

    while (from < to && (from = memchr(from, '\n', (size_t)(to - from)))) {
        n++;
        from++;
    }
    return n;
}

/* AT is at its first byte. */
static void take_word(struct scan *s)
{
    char quote = *s->at == '"' || *s->at == '\'' ? *s->at++ : '\0';
    struct word w = {.at = s->at, .quoted = quote != '\0'};

    while (s->at < s->end) {
        char ch = *s->at;

        if (quote ? ch == quote : strchr(" \t\r\n;{", ch) && ch)
            break;
        if (ch == '\\' && s->at + 1 < s->end) {
            s->line += s->at[1] == '\n';
            s->at += 2;
            continue;
        }
        if (ch == '$' && !quote && s->at + 1 < s->end && s->at[1] == '{')
            s->at++; /* a variable's brace opens nothing */
        s->line += ch == '\n';
        s->at++;
    }
    w.len = (size_t)(s->at - w.at);
    if (quote && s->at < s->end)
        s->at++;
    if (s->n < WORDS_MAX)
        s->words[s->n] = w;
    s->n++;
}

/* ---- directives ---- */

static struct nginx_block *add_block(struct conf *c, const struct scan *s, size_t name_len)
{
    struct nginx_blocks *o = c->out;

    if (!bounds_count(o->n + 1, BOUND_BLOCKS, "blocks of Lua"))
        return NULL;
    o->v = arena_grow(c->cx->arena, o->v, o->n, sizeof(*o->v));
    struct nginx_block *b = &o->v[o->n++];

    *b = (struct nginx_block){
        .directive = arena_strndup(c->cx->arena, s->words[0].at, name_len),
        .file = s->file,
        .line = s->line,
        .last_line = s->line,
    };
    return b;
}

static void add_package_path(struct conf *c, const struct word *w)
{
    struct nginx_blocks *o = c->out;
    size_t len;
    char *path = unescape(c, w, &len);

    if (o->n_package_paths == PACKAGE_PATHS_MAX)
        return;
    path[len] = '\0';
    o->package_paths =
        arena_grow(c->cx->arena, o->package_paths, o->n_package_paths, sizeof(*o->package_paths));
    o->package_paths[o->n_package_paths++] = path;
}

/* ";": the directive is complete. */
static void simple(struct conf *c, const struct scan *s)
{
    const struct word *name = &s->words[0];

    if (s->n >= 2 && name->len == 7 && !memcmp(name->at, "include", 7)) {
        size_t len;
        char *path = unescape(c, &s->words[1], &len);

        path[len] = '\0';
        if (strlen(path) == len)
            include(c, path);
        return;
    }
    if (s->n >= 2 && name->len == 16 && !memcmp(name->at, "lua_package_path", 16)) {
        add_package_path(c, &s->words[1]);
        return;
    }
    if (!s->n || !bytes_end_with(name->at, name->len, "_by_lua"))
        return;
    /* set_by_lua $variable 'code' arguments... */
    uint32_t at = name->len == 10 && !memcmp(name->at, "set_by_lua", 10) ? 2 : 1;
    struct nginx_block *b = s->n > at ? add_block(c, s, name->len) : NULL;

    if (b)
        b->text = unescape(c, &s->words[at], &b->len);
}

/* AT is behind "{": Lua, or more directives. */
static void block(struct conf *c, struct scan *s)
{
    const struct word *name = &s->words[0];

    if (!s->n || !bytes_end_with(name->at, name->len, "_by_lua_block"))
        return;
    struct nginx_block *b = add_block(c, s, name->len - 6);
    struct lua_lex x;
    uint32_t level = 1;

    lua_lex_init(&x, s->at, (size_t)(s->end - s->at), 1);
    while (level && lua_lex_next(&x) != LUA_T_EOF)
        if (x.type == LUA_T_OP)
            level += x.c == '{' ? 1u : x.c == '}' ? -1u : 0u;
    s->line += lines_in(s->at, x.at);
    if (b) {
        b->text = s->at;
        b->len = (size_t)((level ? x.at : x.start) - s->at);
        b->last_line = s->line;
    }
    s->at = x.at;
}

static void directives(struct conf *c, struct scan *s)
{
    while (s->at < s->end && bounds_ok()) {
        char ch = *s->at;

        if (ch == '\n' || ch == ' ' || ch == '\t' || ch == '\r') {
            s->line += ch == '\n';
            s->at++;
        } else if (ch == '#') {
            const char *lf = memchr(s->at, '\n', (size_t)(s->end - s->at));

            s->at = lf ? lf : s->end;
        } else if (ch == ';') {
            s->at++;
            simple(c, s);
            s->n = 0;
        } else if (ch == '{') {
            s->at++;
            block(c, s);
            s->n = 0;
        } else if (ch == '}') {
            s->at++;
            s->n = 0;
        } else {
            take_word(s);
        }
    }
}

static void read_conf(struct conf *c, const char *path)
{
    size_t len = 0;

    if (c->depth >= DEPTH_MAX || !bounds_ok())
        return;
    bounds_file(path);
    if (!bounds_count(++c->files, BOUND_CONFS, "files of configuration"))
        return;
    char *text = sysroot_read(c->root, path, CONF_MAX, &len);

    if (!text || !bounds_count(c->bytes += len, BOUND_CONF_BYTES, "bytes of configuration")) {
        free(text);
        return;
    }
    struct scan s = {.file = path, .line = 1};

    s.at = arena_strndup(c->cx->arena, text, len);
    memcpy((char *)s.at, text, len); /* whatever bytes it holds */
    s.end = s.at + len;
    free(text);
    c->depth++;
    directives(c, &s);
    c->depth--;
}

/* ---- looking up: by what a chunk name tells, the line and the directive ---- */

static uint32_t line_of(const struct nginx_block *b, bool last)
{
    return last ? b->last_line : b->line;
}

static int by_name_of(const struct nginx_block *a, const struct nginx_block *b, bool last)
{
    uint32_t x = line_of(a, last), y = line_of(b, last);
    int order = x == y ? strcmp(a->directive, b->directive) : x < y ? -1 : 1;

    return order ? order : strcmp(a->file, b->file);
}

static int by_all(const void *x, const void *y, void *last)
{
    const struct nginx_block *a = *(const struct nginx_block *const *)x,
                             *b = *(const struct nginx_block *const *)y;
    int order = by_name_of(a, b, *(bool *)last);

    if (order || a->len == b->len)
        return order ? order : memcmp(a->text, b->text, a->len);
    return a->len < b->len ? -1 : 1;
}

/* One file may be included twice; two blocks that differ under one name are as good as many. */
static void sort_blocks(struct arena *a, struct nginx_blocks *o, bool last)
{
    const struct nginx_block **v = ARENA_ARRAY(a, const struct nginx_block *, o->n + 1);
    uint32_t n = 0, same = 0;

    for (uint32_t i = 0; i < o->n; i++)
        v[i] = &o->v[i];
    qsort_r(v, o->n, sizeof(*v), by_all, &last);
    for (uint32_t i = 0; i < o->n; i++) {
        if (n && !by_all(&v[n - 1], &v[i], &last))
            continue;
        same = n && !by_name_of(v[n - 1], v[i], last) ? same + 1 : 0;
        if (same < 2)
            v[n++] = v[i];
    }
    o->sorted[last] = v;
    o->n_sorted[last] = n;
}

struct nginx_blocks *nginx_blocks_read(struct compile *cx, const struct sysroot *root,
                                       const char *conf)
{
    const char *slash = strrchr(conf, '/');
    struct conf c = {.cx = cx, .root = root, .out = ARENA_NEW(cx->arena, struct nginx_blocks)};

    c.prefix = slash ? arena_strndup(cx->arena, conf, (size_t)(slash - conf) + 1) : "/";
    read_conf(&c, conf);
    sort_blocks(cx->arena, c.out, false);
    sort_blocks(cx->arena, c.out, true);
    return c.out;
}

/* ---- chunk names ---- */

/* "DIRECTIVE(FILE:LINE)". */
static bool split(const char *chunk, size_t len, struct word *directive, struct word *file,
                  uint32_t *line)
{
    const char *open = memchr(chunk, '(', len), *p = chunk + len;
    uint64_t n = 0, unit = 1;

    if (!open || !bytes_end_with(chunk, (size_t)(open - chunk), "_by_lua") || p[-1] != ')')
        return false;
    for (p--; p > open && p[-1] >= '0' && p[-1] <= '9' && unit < 10000000000; p--, unit *= 10)
        n += unit * (uint64_t)(p[-1] - '0');
    if (unit == 1 || n > UINT32_MAX || p - 2 <= open || p[-1] != ':')
        return false;
    *directive = (struct word){.at = chunk, .len = (size_t)(open - chunk)};
    *file = (struct word){.at = open + 1, .len = (size_t)(p - 1 - (open + 1))};
    *line = (uint32_t)n;
    return true;
}

bool nginx_is_chunk(const char *chunk, size_t len)
{
    struct word directive, file;
    uint32_t line;

    return len && split(chunk, len, &directive, &file, &line);
}

/* The name is relative to the main file's folder, or only its last part; "..." stands for what was
 * too long. */
static bool names_file(const struct word *shown, const char *path)
{
    size_t len = strlen(path), n = shown->len;
    bool cut = n > 3 && !memcmp(shown->at, "...", 3);
    const char *tail = shown->at + (cut ? 3 : 0);

    n -= cut ? 3 : 0;
    if (n > len || memcmp(path + len - n, tail, n) != 0)
        return false;
    return cut || n == len || path[len - n - 1] == '/';
}

/* Of those of that LINE and DIRECTIVE, the one whose file is meant; *SEVERAL: more than one. */
static const struct nginx_block *find_one(const struct nginx_blocks *b, bool last, uint32_t line,
                                          const struct word *directive, const struct word *file,
                                          bool *several)
{
    const struct nginx_block *const *v = b->sorted[last], *found = NULL;
    uint32_t low = 0, high = b->n_sorted[last];

    while (low < high) {
        uint32_t mid = low + (high - low) / 2;
        const struct nginx_block *one = v[mid];

        if (line_of(one, last) < line ||
            (line_of(one, last) == line &&
             strncmp(one->directive, directive->at, directive->len) < 0))
            low = mid + 1;
        else
            high = mid;
    }
    for (; low < b->n_sorted[last] && line_of(v[low], last) == line &&
           !strncmp(v[low]->directive, directive->at, directive->len);
         low++) {
        if (v[low]->directive[directive->len] || !names_file(file, v[low]->file))
            continue;
        *several |= found != NULL;
        found = v[low];
    }
    return found;
}

const struct nginx_block *nginx_block_find(const struct nginx_blocks *b, const char *chunk,
                                           size_t len)
{
    struct word directive, file;
    uint32_t line;

    if (!split(chunk, len, &directive, &file, &line))
        return NULL;
    for (int old = 0; old < 2; old++) {
        bool several = false;
        const struct nginx_block *found = find_one(b, old, line, &directive, &file, &several);

        if (several)
            return NULL;
        if (found)
            return found;
    }
    return NULL;
}
