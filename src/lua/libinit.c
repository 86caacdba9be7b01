/*
 * libinit: names of LuaJIT's built-in functions, by the tables that LuaJIT itself registers them
 * from. Enters: a file that has LuaJIT's code, stripped or not, untrusted; leaves: a name for each
 * number that LuaJIT gives them (GCfuncC.ffid), which differ from build to build. A table
 * (lj_lib_init_NAME) is written by src/host/buildvm_lib.c for each module of the library, and read
 * by lj_lib_register() (lj_lib.c): the numbers of its first function and of its first one in
 * assembler, how many names it has, then its functions in order. Each goes on from where another
 * ended; that, and the names that only it has, tell which module's it is. Refused: bytes that are
 * no whole table; without that of the base library nothing has a name.
 */
#include <string.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/bounds.h"
#include "base/bytes.h"
#include "lua/libinit.h"

enum {
    /* lj_lib.h */
    LEN_MASK = 0x3f,
    TAG_CF = 0x00,
    TAG_STRING = 0xc0,
    STRING_MAX = 0x38,
    ITEM_LUA = 0xf9,
    ITEM_SET = 0xfa,
    ITEM_NUMBER = 0xfb,
    ITEM_COPY = 0xfc,
    ITEM_LASTCL = 0xfd,
    ITEM_FFID = 0xfe,
    ITEM_END = 0xff,

    FIRST = 2,         /* FF_LUA_ and FF_C_ are no functions (lj_obj.h) */
    TABLE_MAX = 8192,  /* obuf of buildvm_lib.c */
    BLOCK = 256 << 10, /* of a file, read at once */
    FILE_MAX = 256 << 20,
    TABLES_MAX = 64, /* a library has some 20 modules */
};

/* A table: its functions' names, "" for those that it does not register. */
struct table {
    uint32_t first, first_asm;
    uint32_t n, n_asm, n_unsaid; /* of those in assembler; that may be in assembler */
    const char *names[LIBINIT_IDS];
    unsigned char len[LIBINIT_IDS]; /* while they lie in the file's bytes */
};

struct bytes {
    const unsigned char *p, *end;
    bool whole; /* nothing was read behind the end */
};

static uint32_t next(struct bytes *b)
{
    if (b->p < b->end)
        return *b->p++;
    b->whole = false;
    return ITEM_END;
}

static void skip(struct bytes *b, uint64_t n)
{
    if ((uint64_t)(b->end - b->p) < n)
        b->whole = false;
    else
        b->p += n;
}

static bool is_name(const unsigned char *s, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!is_word((char)s[i]))
            return false;
    return n && n <= STRING_MAX && (s[0] < '0' || s[0] > '9');
}

/* ---- functions in Lua, as bytecode (lj_bcread_proto() of lj_bcread.c) ---- */

static uint64_t uleb128(struct bytes *b)
{
    uint64_t value = 0;
    uint32_t byte = 0x80;

    for (uint32_t shift = 0; byte & 0x80 && b->whole && shift < 36; shift += 7) {
        byte = next(b);
        value |= (uint64_t)(byte & 0x7f) << shift;
    }
    return value;
}

static void skip_bytecode(struct bytes *b)
{
    enum { HEAD = 3, KGC_STR = 5 }; /* BCDUMP_KGC_STR (lj_bcdump.h) */

    skip(b, HEAD);
    uint32_t upvalues = next(b);
    uint64_t objects = uleb128(b), numbers = uleb128(b), instructions = uleb128(b);

    if (objects > TABLE_MAX || numbers > TABLE_MAX || instructions > TABLE_MAX)
        b->whole = false;
    skip(b, 4 * instructions + 2 * (uint64_t)upvalues);
    for (uint64_t i = 0; i < objects && b->whole; i++) {
        uint64_t kind = uleb128(b);

        if (kind < KGC_STR)
            b->whole = false; /* none of these functions has a table or a function in it */
        else
            skip(b, kind - KGC_STR);
    }
    for (uint64_t i = 0; i < numbers && b->whole; i++)
        if (uleb128(b) & 1)
            uleb128(b);
}

/* ---- one table ---- */

static void skip_lua(struct bytes *b)
{
    uint32_t len = next(b);
    const unsigned char *name = b->p;

    skip(b, len);
    if (!b->whole || !is_name(name, len))
        b->whole = false;
    else
        skip_bytecode(b);
}

/* What is no function. *NAMES: how many elements of the library's table it makes. */
static void skip_item(struct bytes *b, uint32_t item, uint32_t *names)
{
    switch (item) {
    case ITEM_LUA:
        ++*names;
        skip_lua(b);
        break;
    case ITEM_SET:
        ++*names;
        break;
    case ITEM_NUMBER:
        skip(b, sizeof(double));
        break;
    case ITEM_COPY:
        next(b);
        break;
    case ITEM_LASTCL:
        break;
    default:
        skip(b, item & LEN_MASK);
    }
}

/* Is there a table at P? */
static bool read_table(const unsigned char *p, const unsigned char *end, struct table *t)
{
    struct bytes b = {p, end, true};
    uint32_t named = 0, names = 0, want, item;

    t->n = t->n_asm = t->n_unsaid = 0;
    t->first = next(&b);
    t->first_asm = next(&b);
    want = next(&b);
    if (t->first < FIRST || t->first_asm > t->first - FIRST || !want)
        return false;
    while ((item = next(&b)) != ITEM_END && b.whole) {
        uint32_t tag = item & ~(uint32_t)LEN_MASK, len = item & LEN_MASK;

        if (tag == TAG_STRING && item != ITEM_FFID) {
            skip_item(&b, item, &names);
            continue;
        }
        if (item == ITEM_FFID)
            len = 0;
        if (t->first + t->n >= LIBINIT_IDS || (size_t)(b.end - b.p) < len ||
            (len && !is_name(b.p, len)))
            return false;
        t->len[t->n] = (unsigned char)len;
        t->names[t->n++] = (const char *)b.p;
        t->n_asm += tag != TAG_CF && item != ITEM_FFID;
        t->n_unsaid += item == ITEM_FFID;
        named += len != 0;
        b.p += len;
    }
    return b.whole && named && named + names == want;
}

/* ---- what is not registered ---- */

/*
 * Functions that other functions return, or that other modules have ("table.new"): tables of
 * names have them without one, where they were in all versions. BEFORE: the function that follows
 * COUNT of them; "": the table's end.
 */
static const struct {
    const char *module, *before;
    uint32_t count;
    const char *names[4];
} nameless[] = {
    {"", "ipairs", 1, {"ipairs_aux"}},
    {"coroutine.", "wrap", 1, {"coroutine.wrap_aux"}},
    {"coroutine.", "", 1, {"thread.exdata"}},
    {"coroutine.", "", 2, {"thread.exdata", "thread.exdata2"}},
    {"string.", "gmatch", 1, {"string.gmatch_aux"}},
    {"table.", "", 2, {"table.new", "table.clear"}},
    {"table.", "sort", 1, {"table.clone"}},
    {"table.", "sort", 4, {"table.clone", "table.isarray", "table.nkeys", "table.isempty"}},
};

/* The function AT of T, a table of MODULE's, which has no name. NULL: it is not known. */
static const char *name_nameless(const struct table *t, const char *module, uint32_t at)
{
    uint32_t from = at, to = at;

    while (from && !*t->names[from - 1])
        from--;
    while (to < t->n && !*t->names[to])
        to++;
    for (size_t i = 0; i < sizeof(nameless) / sizeof(*nameless); i++)
        if (!strcmp(nameless[i].module, module) && nameless[i].count == to - from &&
            !strcmp(nameless[i].before, to < t->n ? t->names[to] : ""))
            return nameless[i].names[at - from];
    return NULL;
}

/* ---- whose it is ---- */

/* The modules by a function that no module above them has. */
static const struct {
    const char *has, *module;
} modules[] = {
    {"assert", ""},
    {"yield", "coroutine."},
    {"floor", "math."},
    {"tobit", "bit."},
    {"gsub", "string."},
    {"concat", "table."},
    {"seek", "io.method."},
    {"popen", "io."},
    {"getenv", "os."},
    {"traceback", "debug."},
    {"traceinfo", "jit.util."},
    {"flush", "jit."},
    {"dumpstack", "jit.profile."},
    {"start", "jit.opt."},
    {"__call", "ffi.meta."},
    {"cdef", "ffi."},
    {"putf", "buffer.method."},
    {"encode", "buffer."},
    {"set", "ffi.callback."},
    {"__newindex", "ffi.clib."},
};

static bool has(const struct table *t, const char *name)
{
    for (uint32_t i = 0; i < t->n; i++)
        if (!strcmp(t->names[i], name))
            return true;
    return false;
}

static const char *module_of(const struct table *t)
{
    for (size_t i = 0; i < sizeof(modules) / sizeof(*modules); i++)
        if (has(t, modules[i].has))
            return modules[i].module;
    return NULL;
}

static void name_all(struct arena *a, const struct table *t, const char *names[LIBINIT_IDS])
{
    const char *module = module_of(t);

    for (uint32_t i = 0; module && i < t->n; i++)
        names[t->first + i] = *t->names[i] ? arena_printf(a, "%s%s", module, t->names[i])
                                           : name_nameless(t, module, i);
}

/* ---- a file ---- */

struct found {
    struct table v[TABLES_MAX];
    uint32_t n;
};

static void keep_names(struct arena *a, struct table *t)
{
    for (uint32_t i = 0; i < t->n; i++)
        t->names[i] = arena_strndup(a, t->names[i], t->len[i]);
}

static void find_in_block(struct arena *a, const unsigned char *buf, size_t n, size_t first,
                          struct found *f)
{
    for (size_t i = 0; i < first && f->n < TABLES_MAX; i++) {
        const unsigned char *end = n - i < TABLE_MAX ? buf + n : buf + i + TABLE_MAX;

        if (read_table(buf + i, end, &f->v[f->n]))
            keep_names(a, &f->v[f->n++]);
    }
}

/* The table that goes on from T; NULL: there is none. */
static const struct table *after(const struct found *f, const struct table *t)
{
    for (uint32_t i = 0; i < f->n; i++) {
        uint32_t ended = f->v[i].first_asm - t->first_asm - t->n_asm;

        if (f->v[i].first == t->first + t->n && ended <= t->n_unsaid)
            return &f->v[i];
    }
    return NULL;
}

void libinit_names(struct arena *a, int fd, const char *names[LIBINIT_IDS])
{
    struct found *f = ARENA_NEW(a, struct found);
    unsigned char *buf = arena_alloc(a, BLOCK + TABLE_MAX);
    const struct table before = {.first = FIRST};

    for (off_t at = 0; at < FILE_MAX && bounds_ok(); at += BLOCK) {
        ssize_t n = pread(fd, buf, BLOCK + TABLE_MAX, at);

        if (n <= 0)
            break;
        find_in_block(a, buf, (size_t)n, n < BLOCK ? (size_t)n : BLOCK, f);
    }
    for (const struct table *t = after(f, &before); t; t = after(f, t))
        name_all(a, t, names);
}
