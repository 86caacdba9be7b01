/*
 * stacks: text becomes stacks with counts. Enters: what scripts print, in pieces; leaves: a profile
 * whose frames and stacks are each held once. Refuses, with the line: frames that no count follows,
 * a count without frames, lines and stacks too long, counts that overflow.
 *
 * A function that runs compiled is printed twice by the Lua stacks: as "T:" and the function in
 * which its trace starts, and again as the frame below when that is the same. It is one frame here.
 */
#include "out/out.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <uthash.h>
/* Shorter chains: with 100,000 frames a look-up waits for memory at each step. */
#undef HASH_BKT_CAPACITY_THRESH
#define HASH_BKT_CAPACITY_THRESH 6U

#include "base/arena.h"
#include "base/bytes.h"
#include "base/diag.h"

static const struct span nowhere;

enum { NAME_MAX_LEN = 4096, MODULES_MAX = 4096, UNIT_MAX = 200 };

/* A frame by the text that stood for it, and by what it was named. */
struct known {
    const char *text;
    uint32_t frame;
    UT_hash_handle hh;
};

struct pooled {
    uint32_t stack;
    UT_hash_handle hh;
};

enum form { FORM_UNKNOWN, FORM_LINES, FORM_FOLDED };

struct out_reader {
    struct compile *cx;
    struct arena *arena;
    struct out_reader_opts o;
    struct out_profile *p;
    enum form form;
    struct known *by_text, *by_name; /* uthash */
    struct pooled *pool;             /* uthash, by the frames */
    char *line;                      /* the one being read; malloc'ed */
    size_t used, room;
    uint64_t line_number, first_line; /* of the stack in hand */
    uint32_t *frames;                 /* of the stack in hand, innermost first */
    uint32_t depth;
    bool failed;
};

struct out_reader *out_reader_new(struct compile *cx, const struct out_reader_opts *o)
{
    struct out_reader *r = ARENA_NEW(cx->arena, struct out_reader);

    r->cx = cx;
    r->arena = o->cut ? arena_new() : cx->arena;
    r->o = *o;
    r->form = o->lines ? FORM_LINES : FORM_UNKNOWN;
    r->p = ARENA_NEW(r->arena, struct out_profile);
    r->frames = ARENA_ARRAY(cx->arena, uint32_t, OUT_DEPTH_MAX);
    return r;
}

static void forget(struct out_reader *r)
{
    HASH_CLEAR(hh, r->by_text);
    HASH_CLEAR(hh, r->by_name);
    HASH_CLEAR(hh, r->pool);
}

static void cut(struct out_reader *r)
{
    r->failed = !r->o.cut(r->o.comment_arg, r->p);
    forget(r);
    arena_free(r->arena);
    r->arena = arena_new();
    r->p = ARENA_NEW(r->arena, struct out_profile);
}

static bool fail(struct out_reader *r, uint64_t line, const char *what)
{
    r->failed = true;
    return diag_error(r->cx->diag, nowhere, "stacks", "%s:%" PRIu64 ": %s", r->o.input, line, what);
}

/* ---- frames ---- */

static bool starts(const char *s, size_t len, const char *with)
{
    size_t n = strlen(with);

    return len >= n && !memcmp(s, with, n);
}

static bool is_text(const char *s, size_t len, const char *word)
{
    return len == strlen(word) && !memcmp(s, word, len);
}

/* Told by how the samples print a frame (tapset/luajit/), or by how it was named:
 * MODULE:FUNCTION. */
static enum out_kind kind_of(const char *s, size_t len)
{
    const char *colon = memchr(s, ':', len);

    if (starts(s, len, "T:"))
        return OUT_COMPILED;
    if (starts(s, len, "builtin#") || starts(s, len, NAMED_BUILTIN))
        return OUT_BUILTIN;
    if (starts(s, len, "C:") || starts(s, len, "0x"))
        return OUT_C;
    if (is_text(s, len, "off-cpu:voluntary"))
        return OUT_VOLUNTARY;
    if (is_text(s, len, "off-cpu:involuntary"))
        return OUT_INVOLUNTARY;
    if (s[0] == '@' || s[0] == '=' || starts(s, len, "[string "))
        return OUT_LUA;
    const char *paren = memchr(s, '(', len);

    if (paren && memmem(s, (size_t)(paren - s), "_by_lua", 7)) /* code in nginx's configuration */
        return OUT_LUA;
    if (!colon || colon == s || colon + 1 == s + len || colon[1] == ':' ||
        (paren && paren < colon)) /* C++: a::b */
        return OUT_C;
    return OUT_LUA;
}

/* ---- frames of C ---- */

/* The digits of a number in hex at *S, before END; false: there are none, or it is too long. */
static bool hex(const char **s, const char *end, uint64_t *v)
{
    const char *from = *s;

    *v = 0;
    for (; *s < end && isxdigit((unsigned char)**s); (*s)++) {
        unsigned char c = (unsigned char)tolower((unsigned char)**s);

        *v = *v << 4 | (uint64_t)(c <= '9' ? c - '0' : c - 'a' + 10);
    }
    return *s > from && *s - from <= 16;
}

static uint32_t module_of(struct out_reader *r, const char *s, size_t len, bool kernel)
{
    struct out_profile *p = r->p;
    size_t n;
    const char *path = out_clean(r->arena, s, len, &n);

    if (kernel)
        path = arena_printf(r->arena, "[%s]", path);
    for (uint32_t i = 0; i < p->n_modules; i++)
        if (!strcmp(p->modules[i].path, path))
            return i + 1;
    if (p->n_modules == MODULES_MAX)
        return 0;
    p->modules = arena_grow(r->arena, p->modules, p->n_modules, sizeof(*p->modules));
    p->modules[p->n_modules] = (struct out_module){.path = path};
    if (r->o.module)
        r->o.module(r->o.arg, r->arena, &p->modules[p->n_modules]);
    return ++p->n_modules;
}

/* A frame of C as the text has it: "0xADDRESS : NAME+0xOFFSET/0xSIZE [MODULE]", or, where no name
 * is known, "0xADDRESS : 0xADDRESS [MODULE+0xOFFSET/0xSIZE]", ours with "FILE+0xADDRESS". */
struct native {
    uint64_t address, offset;
    const char *name, *module; /* NULL: none */
    size_t name_len, module_len;
};

/* " [...]" at the end of what begins at S. */
static void find_module(struct native *n, const char *s, const char *end)
{
    const char *open = end > s && end[-1] == ']' ? memmem(s, (size_t)(end - s), " [", 2) : NULL;

    if (!open)
        return;
    n->module = open + 2;
    n->module_len = (size_t)(end - 1 - n->module);
}

/* "+0xOFFSET/0xSIZE" behind the module: there is no symbol. */
static bool cut_offset(struct native *n)
{
    if (!n->module)
        return false;
    const char *at = NULL, *end = n->module + n->module_len;
    uint64_t number;

    for (const char *p = n->module; p < end; p++)
        if (starts(p, (size_t)(end - p), "+0x"))
            at = p;
    if (!at)
        return false;
    const char *p = at + 3;

    if (!hex(&p, end, &number) || !starts(p, (size_t)(end - p), "/0x"))
        return false;
    p += 3;
    if (!hex(&p, end, &number) || p != end)
        return false;
    n->module_len = (size_t)(at - n->module);
    return true;
}

static bool is_native(const char *s, size_t len, struct native *n)
{
    const char *end = s + len, *stop;

    *n = (struct native){0};
    if (!starts(s, len, "0x"))
        return false;
    s += 2;
    if (!hex(&s, end, &n->address) || !starts(s, (size_t)(end - s), " : ") || s + 3 == end)
        return false;
    n->name = s += 3;
    stop = memmem(s, (size_t)(end - s), "+0x", 3);
    if (starts(s, (size_t)(end - s), "0x")) { /* no name: the number is the module's */
        find_module(n, s, end);
        stop = n->module ? memmem(n->module, n->module_len, "+0x", 3) : NULL;
        if (!stop) {
            n->module = NULL;
            n->name_len = (size_t)(end - s);
            return true;
        }
        n->module_len = (size_t)(stop - n->module);
        stop += 3;
        n->name = NULL;
        return hex(&stop, end, &n->offset);
    }
    if (stop) {
        const char *digits = stop + 3;

        if (hex(&digits, end, &n->offset))
            find_module(n, digits, end);
        if (cut_offset(n)) {
            n->offset = 0;
            stop = digits;
        }
    } else {
        stop = memmem(s, (size_t)(end - s), " [", 2);
        if (stop)
            find_module(n, stop, end);
    }
    n->name_len = (size_t)((stop ? stop : end) - n->name);
    return n->name_len > 0;
}

/* The address says whose it is: names are the target's. */
static void native_frame(struct out_reader *r, const struct native *n, struct out_frame *f)
{
    size_t len;

    *f = (struct out_frame){.kind = n->address >> 63 ? OUT_KERNEL : OUT_C};
    if (n->module)
        f->module = module_of(r, n->module, n->module_len, f->kind == OUT_KERNEL);
    if (n->name) {
        f->name = out_clean(r->arena, n->name, n->name_len, &len);
        f->address = n->address - n->offset;
    } else {
        const char *path = out_clean(r->arena, n->module, n->module_len, &len);

        f->name = arena_printf(r->arena, "%s+0x%" PRIx64, base_name(path), n->offset);
        f->address = n->address;
    }
    f->len = (uint32_t)strlen(f->name);
    if (f->module && r->o.place)
        r->o.place(r->o.arg, r->arena, &r->p->modules[f->module - 1], f);
}

/* "@FILE:LINE", for formats that have a place for it. */
static void find_place(struct arena *a, struct out_frame *f, const char *s, size_t len)
{
    const char *colon = NULL;
    uint64_t line = 0;

    if (len < 4 || s[0] != '@')
        return;
    for (const char *p = s; p < s + len; p++)
        if (*p == ':')
            colon = p;
    if (!colon || colon + 1 == s + len)
        return;
    for (const char *p = colon + 1; p < s + len; p++) {
        if (!isdigit((unsigned char)*p) || line > INT32_MAX / 10)
            return;
        line = line * 10 + (uint64_t)(*p - '0');
    }
    f->file = arena_strndup(a, s + 1, (size_t)(colon - s - 1));
    f->line = (uint32_t)line;
}

/* A frame is its name, its place and its module: two files may have functions of one name. */
static uint32_t named_frame(struct out_reader *r, struct out_frame *f)
{
    size_t file = f->file ? strlen(f->file) : 0;
    uint32_t numbers[] = {f->line, f->module};
    size_t len = 1 + f->len + 1 + file + sizeof(numbers);
    char *key = arena_alloc(r->arena, len);
    struct known *k;

    key[0] = (char)('0' + (int)f->kind);
    memcpy(key + 1, f->name, f->len);
    key[1 + f->len] = '\0'; /* a clean name has none */
    if (file)
        memcpy(key + 1 + f->len + 1, f->file, file);
    memcpy(key + len - sizeof(numbers), numbers, sizeof(numbers));
    HASH_FIND(hh, r->by_name, key, len, k);
    if (!k) {
        k = ARENA_NEW(r->arena, struct known);
        k->text = key;
        k->frame = r->p->n_frames;
        r->p->frames = arena_grow(r->arena, r->p->frames, r->p->n_frames, sizeof(*r->p->frames));
        r->p->frames[r->p->n_frames++] = *f;
        HASH_ADD_KEYPTR(hh, r->by_name, k->text, len, k);
    }
    return k->frame;
}

static uint32_t new_frame(struct out_reader *r, const char *text, size_t len)
{
    struct out_frame f = {.kind = kind_of(text, len)};
    char named[NAME_MAX_LEN], *clean;
    struct native native;
    size_t n;

    if (is_native(text, len, &native)) {
        native_frame(r, &native, &f);
        return named_frame(r, &f);
    }
    if (len > strlen(KERNEL_MARK) &&
        !memcmp(text + len - strlen(KERNEL_MARK), KERNEL_MARK, strlen(KERNEL_MARK))) {
        f.kind = OUT_KERNEL;
        len -= strlen(KERNEL_MARK);
    }
    if (f.kind == OUT_COMPILED) {
        text += 2;
        len -= 2;
    } else if (starts(text, len, NAMED_BUILTIN)) {
        text += strlen(NAMED_BUILTIN);
        len -= strlen(NAMED_BUILTIN);
    }
    clean = out_clean(r->arena, text, len, &n);
    f.name = clean;
    f.len = (uint32_t)n;
    find_place(r->arena, &f, clean, n);
    if (r->o.rename && r->o.rename(r->o.arg, text, len, named, sizeof(named))) {
        size_t used = strnlen(named, sizeof(named)), skip = 0;

        if (f.kind == OUT_BUILTIN && starts(named, used, NAMED_BUILTIN))
            skip = strlen(NAMED_BUILTIN);
        f.name = out_clean(r->arena, named + skip, used - skip, &n);
        f.len = (uint32_t)n;
    }
    return named_frame(r, &f);
}

static bool add_frame(struct out_reader *r, const char *text, size_t len)
{
    struct known *k;

    if (r->depth == OUT_DEPTH_MAX)
        return fail(r, r->line_number, "a stack of more than 10000 frames");
    HASH_FIND(hh, r->by_text, text, len, k);
    if (!k) {
        k = ARENA_NEW(r->arena, struct known);
        k->text = arena_strndup(r->arena, text, len);
        k->frame = new_frame(r, k->text, len);
        HASH_ADD_KEYPTR(hh, r->by_text, k->text, len, k);
    }
    if (!r->depth)
        r->first_line = r->line_number;
    r->frames[r->depth++] = k->frame;
    return true;
}

/* ---- stacks ---- */

static bool same_function(const struct out_frame *a, const struct out_frame *b)
{
    return a->len == b->len && !memcmp(a->name, b->name, a->len) && !a->file == !b->file &&
           (!a->file || !strcmp(a->file, b->file));
}

/* Frame I is one with that inside of it. */
static bool repeats(const struct out_reader *r, uint32_t i)
{
    const struct out_frame *outer = &r->p->frames[r->frames[i]];
    const struct out_frame *inner = i ? &r->p->frames[r->frames[i - 1]] : NULL;

    return inner && inner->kind == OUT_COMPILED && outer->kind == OUT_LUA &&
           same_function(inner, outer);
}

static bool add_stack(struct out_reader *r, uint64_t count)
{
    struct out_profile *p = r->p;
    struct pooled *known;
    uint32_t *outer_first, n = 0;

    if (!r->depth)
        return fail(r, r->line_number, "a count without the frames that it counts");
    if (__builtin_add_overflow(p->total, count, &p->total))
        return fail(r, r->line_number, "the counts add up to more than 2^64");
    outer_first = ARENA_ARRAY(r->arena, uint32_t, r->depth);
    for (uint32_t i = r->depth; i-- > 0;)
        if (!repeats(r, i))
            outer_first[n++] = r->frames[i];
    r->depth = 0;
    HASH_FIND(hh, r->pool, outer_first, n * sizeof(*outer_first), known);
    if (known) {
        p->stacks[known->stack].count += count;
        return true;
    }
    p->stacks = arena_grow(r->arena, p->stacks, p->n_stacks, sizeof(*p->stacks));
    p->stacks[p->n_stacks] = (struct out_stack){count, n, outer_first};
    known = ARENA_NEW(r->arena, struct pooled);
    known->stack = p->n_stacks++;
    HASH_ADD_KEYPTR(hh, r->pool, outer_first, n * sizeof(*outer_first), known);
    return true;
}

/* ---- lines ---- */

/* All of S is a number. */
static bool number(const char *s, size_t len, uint64_t *v)
{
    *v = 0;
    for (size_t i = 0; i < len; i++)
        if (!isdigit((unsigned char)s[i]) || __builtin_mul_overflow(*v, 10, v) ||
            __builtin_add_overflow(*v, (uint64_t)(s[i] - '0'), v))
            return false;
    return len > 0;
}

/* S is TEXT, one of BLANKS, and a number; LEN becomes that of TEXT. */
static bool ends_in_count(const char *s, size_t *len, const char *blanks, uint64_t *count)
{
    size_t at = *len;

    while (at > 0 && isdigit((unsigned char)s[at - 1]))
        at--;
    if (at < 2 || !strchr(blanks, s[at - 1]) || !number(s + at, *len - at, count))
        return false;
    *len = at - 1;
    return true;
}

static bool folded_line(struct out_reader *r, const char *s, size_t len)
{
    uint64_t count;
    uint32_t n = 0;
    size_t end = len;

    if (!ends_in_count(s, &end, " ", &count))
        return fail(r, r->line_number, "expected \"outermost;...;innermost COUNT\"");
    for (size_t from = 0, i = 0; i <= end; i++) {
        if (i < end && s[i] != ';')
            continue;
        if (i > from && !add_frame(r, s + from, i - from))
            return false;
        from = i + 1;
    }
    n = r->depth;
    for (uint32_t i = 0; i < n / 2; i++) { /* as they come from a script */
        uint32_t f = r->frames[i];

        r->frames[i] = r->frames[n - 1 - i];
        r->frames[n - 1 - i] = f;
    }
    return add_stack(r, count);
}

static bool stack_line(struct out_reader *r, const char *s, size_t len)
{
    uint64_t count;
    size_t end = len;

    if (number(s, len, &count))
        return add_stack(r, count);
    if (ends_in_count(s, &end, "\t", &count))
        return add_frame(r, s, end) && add_stack(r, count);
    return add_frame(r, s, len);
}

static void take_unit(struct out_reader *r, const char *s, size_t len)
{
    size_t n;

    r->p->unit = is_text(s, len, "samples") || !len
                     ? NULL
                     : out_clean(r->arena, s, len < UNIT_MAX ? len : UNIT_MAX, &n);
}

static bool take_line(struct out_reader *r, const char *s, size_t len)
{
    uint64_t count;
    size_t end;

    r->line_number++;
    if (len && s[len - 1] == '\r')
        len--;
    if (!r->depth && starts(s, len, "# ")) {
        if (starts(s, len, UNIT_COMMENT))
            take_unit(r, s + strlen(UNIT_COMMENT), len - strlen(UNIT_COMMENT));
        else if (r->o.cut && is_text(s, len, CUT_COMMENT))
            cut(r);
        else if (r->o.comment)
            r->o.comment(r->o.comment_arg, s, len);
        return true;
    }
    while (len && isspace((unsigned char)*s)) {
        s++;
        len--;
    }
    while (len && isspace((unsigned char)s[len - 1]))
        len--;
    if (!len)
        return !r->depth ||
               fail(r, r->line_number, "an empty line where the stack's count should be");
    end = len;
    if (r->form == FORM_UNKNOWN)
        r->form = ends_in_count(s, &end, " ", &count) ? FORM_FOLDED : FORM_LINES;
    return r->form == FORM_FOLDED ? folded_line(r, s, len) : stack_line(r, s, len);
}

static bool keep(struct out_reader *r, const char *s, size_t n)
{
    if (r->used + n > OUT_LINE_MAX)
        return fail(r, r->line_number + 1, "a line of more than a MiB: this is no list of stacks");
    if (r->used + n > r->room) {
        size_t room = (r->used + n) * 2;
        char *line = realloc(r->line, room);

        if (!line)
            return fail(r, r->line_number + 1, "out of memory");
        r->line = line;
        r->room = room;
    }
    if (n)
        memcpy(r->line + r->used, s, n);
    r->used += n;
    return true;
}

bool out_reader_feed(struct out_reader *r, const char *text, size_t len)
{
    while (len && !r->failed) {
        const char *nl = memchr(text, '\n', len);
        size_t n = nl ? (size_t)(nl - text) : len;
        bool whole = nl && !r->used && n <= OUT_LINE_MAX;

        if (!whole && !keep(r, text, n))
            return false;
        if (nl) {
            take_line(r, whole ? text : r->line, whole ? n : r->used);
            r->used = 0;
            n++;
        }
        text += n;
        len -= n;
    }
    return !r->failed;
}

struct out_profile *out_reader_end(struct out_reader *r)
{
    if (!r->failed && r->used)
        take_line(r, r->line, r->used);
    if (!r->failed && r->depth) {
        const struct out_frame *f = &r->p->frames[r->frames[0]];

        fail(r, r->first_line,
             arena_printf(r->arena,
                          "no count follows \"%.60s\": stacks are frames, a line each, and a line "
                          "with their count",
                          f->name));
        diag_hint(r->cx->diag,
                  "a script whose end report is such stacks can be given a picture; for others "
                  "leave --format out");
    }
    if (!r->failed && r->o.cut)
        cut(r);
    free(r->line);
    forget(r);
    if (r->o.cut) {
        arena_free(r->arena);
        r->p = ARENA_NEW(r->cx->arena, struct out_profile);
    }
    return r->failed ? NULL : r->p;
}
