/*
 * layout_luajit: is a layout of LuaJIT's types that of a live LuaJIT? Enters: a process, layouts;
 * leaves: those that fit a state that is there, or what contradicts each. Found is a main thread:
 * lua_newstate() (lj_state.c) puts it into one block with global_State, so its glref tells how far
 * behind it that lies. Proved is what LuaJIT keeps as long as the state lives: references that lead
 * back, tags of objects, sizes that agree, tables of code. Nothing is believed: each address may
 * lead anywhere, and the process runs meanwhile, so what does not fit is read again.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "debug/layout.h"
#include "debug/layout_luajit.h"

enum {
    /* The complements of the tags (lj_obj.h). */
    GCT_STR = 4,
    GCT_UPVAL = 5,
    GCT_THREAD = 6,
    GCT_PROTO = 7,
    GCT_TRACE = 9,
    GCT_TAB = 11,
    GCT_UDATA = 12,

    GC_FIXED = 0x60,     /* LJ_GC_FIXED | LJ_GC_SFIXED: a main thread stays */
    GC_STATES = 7,       /* GCSpause to GCSfinalize (lj_gc.h), and one to spare */
    VMST_MAX = 16,       /* LJ_VMST__MAX is 7 to 9 */
    STACK_MAX = 1 << 20, /* slots: LJ_STACK_MAXEX is 65,536 and a few */
    STRTAB_MIN = 256,    /* LJ_MIN_STRTAB (lj_def.h) */
    TRACES_MAX = 65536,  /* TraceNo1 has 16 bits */
    CHAINS = 64,         /* of the string table, and traces, that are looked at, */
    HEADS = 4096,        /* ... within so many */
    DISPATCH_MAX = 1024,
    PLACE_MAX = 1 << 20, /* bytes */
    TRIES = 3,
    STATES_MAX = 256, /* what looks like a main thread */
    CHUNK = 1 << 20,  /* of memory, read at once, */
    BEYOND = 64,      /* and of the next one: more than a thread's members up to its glref */
};

/* ---- a layout ---- */

/* Where the member lies, or how large the type is. */
static bool place(const char *list, const char *type, const char *path, uint32_t *out)
{
    struct layout_place found;
    bool ok = layout_place(list, type, path, &found);
    uint64_t n = *path == '-' ? found.size : found.offset;

    *out = (uint32_t)n;
    return ok && n < PLACE_MAX;
}

/* How many elements of SIZE bytes the array has. */
static bool elements(const char *list, const char *type, const char *member, uint32_t size,
                     uint32_t *out)
{
    struct layout_place found;
    bool ok = layout_place(list, type, member, &found);

    *out = (uint32_t)(found.size / size);
    return ok && *out && found.size <= (uint64_t)DISPATCH_MAX * size;
}

bool lj_layout_read(const char *path, const char *list, struct lj_layout *out)
{
    static const struct {
        const char *type, *path;
    } places[] = {
#define PLACE(name, type, path) {type, path},
        LJ_PLACES(PLACE)
#undef PLACE
    };
    uint32_t ref;

    *out = (struct lj_layout){.path = path};
    for (size_t i = 0; i < LJ_PLACE_COUNT; i++)
        if (!place(list, places[i].type, places[i].path, &out->at[i]))
            return false;
    if (!place(list, "GCRef", "-", &ref))
        return false;
    out->gc64 = ref == 8;
    return elements(list, "GG_State", "dispatch", 8, &out->n_dispatch) &&
           elements(list, "GG_State", "bcff", 4, &out->n_bcff) &&
           ((place(list, "global_State", "str.tab", &out->strtab) &&
             place(list, "global_State", "str.mask", &out->strmask)) ||
            (place(list, "global_State", "strhash", &out->strtab) &&
             place(list, "global_State", "strmask", &out->strmask)));
}

/* ---- reading ---- */

struct reader {
    const struct lj_process *p;
    const struct lj_layout *x;
    bool failed; /* something is not there */
};

static uint64_t get(struct reader *r, uint64_t at, size_t n)
{
    uint64_t value = 0;

    if (pread(r->p->mem, &value, n, (off_t)at) != (ssize_t)n)
        r->failed = true;
    return value;
}

static uint64_t ref(struct reader *r, uint64_t at)
{
    return get(r, at, r->x->gc64 ? 8 : 4);
}

static uint64_t in(struct reader *r, uint64_t object, enum lj_place place, size_t n)
{
    return get(r, object + r->x->at[place], n);
}

static uint64_t ref_in(struct reader *r, uint64_t object, enum lj_place place)
{
    return ref(r, object + r->x->at[place]);
}

/* Is the value at AT one of that type? Then *OUT is its object. */
static bool value_of(struct reader *r, uint64_t at, uint32_t gct, uint64_t *out)
{
    uint64_t v = get(r, at, 8);

    *out = r->x->gc64 ? v & 0x7fffffffffff : v & 0xffffffff;
    return (r->x->gc64 ? v >> 47 == (~gct & 0x1ffff) : v >> 32 == (uint32_t)~gct) && *out;
}

static bool is_code(const struct lj_process *p, uint64_t at)
{
    for (const struct map *m = p->maps; m && m->start <= at; m = m->next)
        if (at < m->end)
            return m->exec && (!p->file || !strcmp(m->path, p->file));
    return false;
}

/* ---- proofs: each says what contradicts it, or NULL ---- */

static const char *thread_misfit(struct reader *r, uint64_t l, uint64_t g)
{
    const uint32_t *at = r->x->at;
    uint64_t object;

    if (ref_in(r, l, LJ_L_GLREF) != g || ref_in(r, g, LJ_G_MAINTHREF) != l)
        return "the main thread and global_State do not lead to one another";
    uint64_t stack = ref_in(r, l, LJ_L_STACK), size = in(r, l, LJ_L_STACKSIZE, 4);
    uint64_t max = ref_in(r, l, LJ_L_MAXSTACK), end = stack + size * 8;
    uint64_t base = in(r, l, LJ_L_BASE, 8), top = in(r, l, LJ_L_TOP, 8);
    uint64_t extra = (end - max) / 8 - 1; /* LJ_STACK_EXTRA (lj_def.h); of GC64 7, then 8 */

    if (get(r, l + at[LJ_L_GCT], 1) != GCT_THREAD ||
        (get(r, l + at[LJ_L_MARKED], 1) & GC_FIXED) != GC_FIXED ||
        get(r, l + at[LJ_L_FFID], 1) != 1 || get(r, l + at[LJ_L_STATUS], 1) > 6)
        return "the main thread has not the head of one";
    if (!stack || stack & 7 || !size || size > STACK_MAX || max != end - 8 * (extra + 1) ||
        (r->x->gc64 ? extra < 7 || extra > 8 : extra != 5) || base < stack || base > end ||
        top < stack || top > end)
        return "the main thread's stack is not within its bounds";
    if (!value_of(r, stack, GCT_THREAD, &object) || object != l)
        return "the main thread's stack does not begin with it";
    if (get(r, ref_in(r, l, LJ_L_ENV) + at[LJ_TAB_GCT], 1) != GCT_TAB)
        return "the main thread's environment is no table";
    return NULL;
}

static const char *strings_misfit(struct reader *r, uint64_t g)
{
    const uint32_t *at = r->x->at;
    uint64_t empty = g + at[LJ_G_STREMPTY];
    uint64_t tab = get(r, g + r->x->strtab, 8), mask = get(r, g + r->x->strmask, 4), name;
    uint32_t found = 0;
    char text[7];

    if (get(r, empty + at[LJ_STR_GCT], 1) != GCT_STR || get(r, empty + at[LJ_STR_LEN], 4) ||
        get(r, g + at[LJ_G_STREMPTYZ], 1) ||
        at[LJ_G_STREMPTYZ] != at[LJ_G_STREMPTY] + at[LJ_STR_SIZE])
        return "global_State.strempty is not the empty string";
    if (mask & (mask + 1) || mask + 1 < STRTAB_MIN || mask > 0x7ffffff || !tab || tab & 7)
        return "the string table's mask is not 2^n-1";
    for (uint32_t i = 0; i <= mask && i < HEADS && found < CHAINS && !r->failed; i++) {
        uint64_t s = ref(r, tab + i * (r->x->gc64 ? 8 : 4)) & ~(uint64_t)1;

        if (s && get(r, s + at[LJ_STR_GCT], 1) != GCT_STR)
            return "the string table has what is no string";
        found += s != 0;
    }
    name = ref_in(r, g, LJ_G_GCROOT); /* GCROOT_MMNAME, MM_index (lj_meta_init) */
    if (get(r, name + at[LJ_STR_GCT], 1) != GCT_STR || get(r, name + at[LJ_STR_LEN], 4) != 7 ||
        pread(r->p->mem, text, sizeof(text), (off_t)(name + at[LJ_STR_SIZE])) != sizeof(text) ||
        memcmp(text, "__index", sizeof(text)) != 0)
        return "global_State.gcroot does not begin with the names of metamethods";
    return found ? NULL : "the string table is empty";
}

static const char *global_misfit(struct reader *r, uint64_t g)
{
    const uint32_t *at = r->x->at;
    uint64_t nil = r->x->gc64 ? ~(uint64_t)0 : 0xffffffff, object;
    uint64_t node = g + at[LJ_G_NILNODE], head = g + at[LJ_G_UVHEAD];
    uint64_t next = ref(r, head + at[LJ_UV_NEXT]), prev = ref(r, head + at[LJ_UV_PREV]);
    int32_t vmstate = (int32_t)get(r, g + at[LJ_G_VMSTATE], 4);
    uint64_t root = ref_in(r, g, LJ_G_GC_ROOT), cur = ref_in(r, g, LJ_G_CUR_L);
    uint64_t cts = ref_in(r, g, LJ_G_CTYPE_STATE), gct = get(r, root + at[LJ_STR_GCT], 1);

    if (vmstate < -VMST_MAX || vmstate >= TRACES_MAX)
        return "global_State.vmstate is none";
    if (get(r, node + (r->x->gc64 ? 0 : 4), r->x->gc64 ? 8 : 4) != nil ||
        get(r, node + at[LJ_NODE_KEY] + (r->x->gc64 ? 0 : 4), r->x->gc64 ? 8 : 4) != nil)
        return "global_State.nilnode is not empty";
    if (!value_of(r, g + at[LJ_G_REGISTRY], GCT_TAB, &object) ||
        get(r, object + at[LJ_TAB_GCT], 1) != GCT_TAB)
        return "the registry is no table";
    if (ref(r, next + at[LJ_UV_PREV]) != head || ref(r, prev + at[LJ_UV_NEXT]) != head)
        return "the list of open upvalues does not lead back";
    if (get(r, g + at[LJ_G_GC_STATE], 1) > GC_STATES ||
        !get(r, g + at[LJ_G_GC_TOTAL], r->x->gc64 ? 8 : 4) ||
        !(get(r, g + at[LJ_G_GC_WHITE], 1) & 3) || gct < GCT_STR || gct > GCT_UDATA)
        return "the garbage collector's state is none";
    if (cur && (get(r, cur + at[LJ_L_GCT], 1) != GCT_THREAD || ref_in(r, cur, LJ_L_GLREF) != g))
        return "global_State.cur_L is no thread of it";
    if (cts && (in(r, cts, LJ_CTS_G, 8) != g ||
                get(r, in(r, cts, LJ_CTS_L, 8) + at[LJ_L_GCT], 1) != GCT_THREAD))
        return "global_State.ctype_state does not lead back";
    return NULL;
}

/* The tables of code behind jit_State: they begin where it ends. */
static const char *dispatch_misfit(struct reader *r, uint64_t gg)
{
    uint64_t table[DISPATCH_MAX];
    uint32_t op[DISPATCH_MAX];
    uint64_t n = r->x->n_dispatch;

    if (pread(r->p->mem, table, n * 8, (off_t)(gg + r->x->at[LJ_GG_DISPATCH])) != (ssize_t)n * 8 ||
        pread(r->p->mem, op, r->x->n_bcff * 4UL, (off_t)(gg + r->x->at[LJ_GG_BCFF])) !=
            (ssize_t)r->x->n_bcff * 4)
        return "GG_State.dispatch is not there";
    for (uint64_t i = 0; i < n; i++)
        if (!is_code(r->p, table[i]))
            return "GG_State.dispatch leads to what is not this LuaJIT's code";
    for (uint32_t i = 0; i < r->x->n_bcff; i++)
        if (op[i] != op[0] + i || op[i] > 255) /* BCINS_AD(BC__MAX+i, 0, 0) */
            return "GG_State.bcff is not the list of fast functions";
    return NULL;
}

static const char *traces_misfit(struct reader *r, uint64_t j)
{
    uint64_t n = in(r, j, LJ_J_SIZETRACE, 4), traces = in(r, j, LJ_J_TRACE, 8);
    uint64_t low = in(r, j, LJ_J_IRBOTLIM, 4), high = in(r, j, LJ_J_IRTOPLIM, 4);
    uint64_t used = in(r, j, LJ_J_FREETRACE, 4); /* numbers below it are (lj_trace.c) */
    uint32_t found = 0;

    if (n > TRACES_MAX || (n && (!traces || traces & 7)) || (!n && traces))
        return "jit_State.sizetrace is none";
    if (used > n && used != 1)
        return "jit_State.freetrace is above its sizetrace";
    if (low > high || high - low > 1 << 20)
        return "jit_State.irbotlim is above its irtoplim";
    for (uint64_t i = 1; i < n && i < HEADS && found < CHAINS && !r->failed; i++) {
        uint64_t t = ref(r, traces + i * (r->x->gc64 ? 8 : 4));

        if (!t && i < used)
            return "jit_State.trace lacks a trace that is in use";
        if (!t || t == j) /* jit_State.cur, while it is recorded */
            continue;
        if (in(r, t, LJ_TRACE_GCT, 1) != GCT_TRACE || in(r, t, LJ_TRACE_NO, 2) != i ||
            in(r, ref_in(r, t, LJ_TRACE_STARTPT), LJ_PROTO_GCT, 1) != GCT_PROTO)
            return "jit_State.trace has what is no trace of that number";
        found++;
    }
    return NULL;
}

const char *lj_layout_misfit(const struct lj_process *p, const struct lj_layout *x, uint64_t l)
{
    struct reader r = {.p = p, .x = x};
    uint64_t gg = l - x->at[LJ_GG_L], g = gg + x->at[LJ_GG_G], j = gg + x->at[LJ_GG_J];
    const char *why = thread_misfit(&r, l, g);

    if (!why)
        why = strings_misfit(&r, g);
    if (!why)
        why = global_misfit(&r, g);
    if (!why)
        why = dispatch_misfit(&r, gg);
    if (!why)
        why = traces_misfit(&r, j);
    return why || !r.failed ? why : "a reference leads to no memory";
}

/* ---- finding a main thread ---- */

/* How a reference in a main thread and its own address differ, over all layouts of a mode. */
struct pattern {
    uint64_t low, high; /* glref less its own address */
    uint32_t glref, gct;
    uint32_t size; /* of the reference */
    bool any;
};

static void patterns_of(const struct lj_layout *v, uint32_t n, struct pattern out[2])
{
    memset(out, 0, 2 * sizeof(*out));
    for (uint32_t i = 0; i < n; i++) {
        struct pattern *p = &out[v[i].gc64];
        uint64_t d = v[i].at[LJ_GG_G] - v[i].at[LJ_GG_L] - v[i].at[LJ_L_GLREF];

        if (!p->any)
            *p = (struct pattern){d,   d, v[i].at[LJ_L_GLREF], v[i].at[LJ_L_GCT], v[i].gc64 ? 8 : 4,
                                  true};
        p->low = d < p->low ? d : p->low;
        p->high = d > p->high ? d : p->high;
    }
}

/* Does BYTES, eight at AT, begin with a main thread's glref, and what stands before it? */
static bool is_like(const struct pattern *p, const unsigned char *bytes, uint64_t at)
{
    uint64_t word;

    memcpy(&word, bytes, sizeof(word));
    if (p->size == 4)
        word = (uint32_t)word;
    return word - at - p->low <= p->high - p->low && at >= p->glref &&
           bytes[(int)p->gct - (int)p->glref] == GCT_THREAD;
}

/* Tries all of V on the state at L: how many fit, at the front. */
static uint32_t try_all(const struct lj_process *p, struct lj_layout *v, uint32_t n, uint64_t l)
{
    uint32_t fit = 0;

    for (uint32_t i = 0; i < n && bounds_ok(); i++) {
        const char *why = NULL;

        for (int k = 0; k < TRIES && (!k || why); k++)
            why = lj_layout_misfit(p, &v[i], l);
        if (why) {
            v[i].why = why;
        } else {
            struct lj_layout x = v[i];

            v[i] = v[fit];
            v[fit++] = x;
        }
    }
    return fit;
}

struct hunt {
    struct lj_process *p;
    struct lj_layout *v;
    uint32_t n, fit, seen;
    uint64_t l;
    struct pattern patterns[2];
};

static void hunt_chunk(struct hunt *h, const unsigned char *bytes, size_t n, uint64_t at)
{
    for (size_t i = 0; i + 8 <= n && !h->fit && h->seen < STATES_MAX; i += 8)
        for (int k = 0; k < 2 && !h->fit; k++) {
            const struct pattern *p = &h->patterns[k];

            if (!p->any || i < p->glref || !is_like(p, bytes + i, at + i))
                continue;
            h->seen++;
            h->l = at + i - p->glref;
            h->fit = try_all(h->p, h->v, h->n, h->l);
        }
}

static bool is_data(const struct map *m)
{
    return m->write && !m->exec && !m->shared;
}

/* Reads CHUNK bytes of M, and what a state that begins there may need. */
static void hunt_at(struct hunt *h, const struct map *m, uint64_t at, unsigned char *buf)
{
    uint64_t left = m->end - at;
    ssize_t got = pread(h->p->mem, buf, left < CHUNK + BEYOND ? left : CHUNK + BEYOND, (off_t)at);

    if (got <= 0)
        return;
    hunt_chunk(h, buf, (size_t)got, at);
    h->p->budget -= h->p->budget < (uint64_t)got ? h->p->budget : (uint64_t)got;
}

/*
 * A state is the first that its allocator had, so it lies near an end of what the kernel has made
 * one map since, and a large heap between them is looked at last: DEPTH chunks from either end.
 */
static bool hunt_depth(struct hunt *h, uint64_t depth, unsigned char *buf)
{
    bool any = false;

    for (const struct map *m = h->p->maps; m && bounds_ok(); m = m->next) {
        uint64_t n = is_data(m) ? (m->end - m->start + CHUNK - 1) / CHUNK : 0;

        if (n <= 2 * depth || h->fit || !h->p->budget)
            continue;
        any = true;
        hunt_at(h, m, m->start + depth * CHUNK, buf);
        if (n - 1 - depth > depth && !h->fit)
            hunt_at(h, m, m->start + (n - 1 - depth) * CHUNK, buf);
    }
    return any;
}

uint32_t lj_layouts_try(struct lj_process *p, struct lj_layout *v, uint32_t n, uint64_t *l)
{
    struct hunt h = {.p = p, .v = v, .n = n};
    unsigned char *buf = malloc(CHUNK + BEYOND);
    uint64_t depth = 0;

    patterns_of(v, n, h.patterns);
    while (buf && hunt_depth(&h, depth, buf))
        depth++;
    free(buf);
    *l = h.l;
    return h.fit;
}
