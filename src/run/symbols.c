/*
 * symbols: addresses -> names. Enters: an address of the target or of the kernel; leaves: what
 * SystemTap's usymname, usymdata, symname and symdata print: the symbol's name, for the "data"
 * forms with "+0xoffset/0xsize [module]". Where no symbol holds it usymname is "FILE+0xADDRESS", by
 * the file that is mapped there and the address it has in it, as addr2line takes it; else it is the
 * address itself (0x...).
 *
 * A module's symbols are read when the first address in it is asked for. What is mapped is looked
 * up in the target as it was found, then in /proc/PID/maps once more when an address is in none of
 * it (libraries loaded since). Names come from files that the target's owner controls: a name is
 * one line of clean text (base/clean.h), of at most NAME_SHOWN_MAX bytes.
 */
#include "run/symbols.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define HASH_NONFATAL_OOM      1
#define uthash_nonfatal_oom(e) ((e)->lost = true)
#include <uthash.h>

#include "base/arena.h"
#include "base/bytes.h"
#include "base/clean.h"
#include "base/file.h"

enum { NAME_SHOWN_MAX = 2048, CACHE_MAX = 65536, KALLSYMS_MAX = 64 << 20 };

struct loaded {
    struct loaded *next;
    const struct module *module;
    struct elf_symbols symbols;
};

struct ksym {
    uint64_t addr;
    uint32_t name, module; /* offsets in ktext; module 0: none */
};

/* One answer: key is the kind and the address. */
struct answer {
    UT_hash_handle hh;
    bool lost;
    struct {
        uint64_t addr;
        uint64_t kind;
    } key;
    uint32_t len;
    char text[];
};

struct symbols {
    struct compile *cx;
    struct target *t;
    struct arena *arena;
    struct symbol_source source;
    struct loaded *loaded;
    struct map *maps;     /* of the target, read again */
    struct module *later; /* found there */
    bool maps_read, kernel_read;
    struct ksym *kernel;
    uint32_t n_kernel;
    char *ktext;
    struct answer *cache;
};

struct symbols *symbols_new(struct compile *cx, struct target *t,
                            const struct symbol_source *source)
{
    struct symbols *s = calloc(1, sizeof(*s));

    if (s)
        *s = (struct symbols){.cx = cx, .t = t, .arena = arena_new()};
    if (s && source)
        s->source = *source;
    return s;
}

static void forget(struct symbols *s)
{
    struct answer *a, *next;

    HASH_ITER (hh, s->cache, a, next) {
        HASH_DEL(s->cache, a);
        free(a);
    }
}

void symbols_again(struct symbols *s)
{
    if (!s)
        return;
    forget(s);
    s->later = NULL;
    s->maps_read = false;
}

void symbols_free(struct symbols *s)
{
    if (!s)
        return;
    forget(s);
    arena_free(s->arena);
    free(s->kernel);
    free(s->ktext);
    free(s);
}

/* ---- the target ---- */

static const struct elf_symbols *module_symbols(struct symbols *s, const struct module *m)
{
    const struct elf_symbols *known;
    struct loaded *l;

    for (l = s->loaded; l; l = l->next)
        if (l->module == m)
            return &l->symbols;
    l = ARENA_NEW(s->arena, struct loaded);
    l->module = m;
    l->next = s->loaded;
    s->loaded = l;
    known = s->source.of ? s->source.of(s->source.arg, m) : NULL;
    if (known && known->n) {
        l->symbols = *known;
        return &l->symbols;
    }
    if (m->fd >= 0) {
        l->symbols = elf_symbols_read(s->arena, m->fd);
    } else if (s->t->root) { /* loaded since */
        int fd = sysroot_open(s->t->root, m->path);

        if (fd >= 0) {
            l->symbols = elf_symbols_read(s->arena, fd);
            close(fd);
        }
    }
    return &l->symbols;
}

static const struct module *module_at(const struct module *list, uint64_t addr)
{
    for (const struct module *m = list; m; m = m->next)
        if (m->start < m->end && addr >= m->start && addr < m->end)
            return m;
    return NULL;
}

/*
 * Finds the module of an address that the target did not map when it was found: a library loaded
 * since.
 */
static const struct module *module_later(struct symbols *s, uint64_t addr)
{
    const struct map *map;
    struct module *m;

    if (!s->maps_read && target_first(s->t)) {
        struct compile quiet = *s->cx;

        quiet.arena = s->arena;
        s->maps_read = true;
        diag_try_begin(s->cx->diag); /* the process may be gone: no name then, no message */
        s->maps = target_maps(&quiet, s->t, target_first(s->t));
        diag_try_end(s->cx->diag);
    }
    for (map = s->maps; map; map = map->next)
        if (addr >= map->start && addr < map->end)
            break;
    if (!map || !map->path || map->path[0] != '/')
        return NULL;
    m = ARENA_NEW(s->arena, struct module);
    m->fd = -1;
    m->path = map->path;
    for (const struct map *first = s->maps; first; first = first->next)
        if (first->path && !strcmp(first->path, map->path)) {
            m->start = m->start ? m->start : first->start - first->offset;
            m->end = first->end;
        }
    /* vaddr 0 lies at file offset 0 in a shared library; a non-PIE executable is there from the
     * start */
    m->bias = m->start;
    m->next = s->later;
    s->later = m;
    return m;
}

/* ---- the kernel ---- */

static int by_addr(const void *a, const void *b)
{
    const struct ksym *x = a, *y = b;

    return x->addr < y->addr ? -1 : x->addr > y->addr;
}

/* "ffffffff81000000 T _text", "ffffffffc0001000 t f\t[module]"; text symbols only; names are kept
 * in place. */
static void read_kernel(struct symbols *s)
{
    size_t len, out = 1, cap = 0;
    char *line, *next;

    s->kernel_read = true;
    s->ktext = file_read("/proc/kallsyms", KALLSYMS_MAX, &len);
    if (!s->ktext)
        return;
    for (line = s->ktext; *line; line = next) {
        char *end = strchrnul(line, '\n'), *p, *tab;
        uint64_t addr = strtoull(line, &p, 16);
        struct ksym k = {.addr = addr};

        next = *end ? end + 1 : end;
        *end = '\0';
        if (!addr || p[0] != ' ' || !p[1] || !strchr("tTwW", p[1]) || p[2] != ' ' || !p[3])
            continue;
        p += 3;
        tab = strchr(p, '\t');
        if (tab)
            *tab = '\0';
        if (s->n_kernel == cap) {
            size_t bigger = cap ? cap * 2 : 1 << 16;
            struct ksym *v = realloc(s->kernel, bigger * sizeof(*v));

            if (!v)
                break;
            s->kernel = v;
            cap = bigger;
        }
        /* names move down over what is read already: the text shrinks to them */
        k.name = (uint32_t)out;
        out += strlen(memmove(s->ktext + out, p, strlen(p) + 1)) + 1;
        if (tab && tab[1] == '[') {
            char *close_at = strchrnul(tab + 2, ']');

            *close_at = '\0';
            k.module = (uint32_t)out;
            out += strlen(memmove(s->ktext + out, tab + 2, strlen(tab + 2) + 1)) + 1;
        }
        s->kernel[s->n_kernel++] = k;
    }
    line = realloc(s->ktext, out);
    s->ktext = line ? line : s->ktext;
    if (s->n_kernel)
        qsort(s->kernel, s->n_kernel, sizeof(*s->kernel), by_addr);
}

/* ---- answers ---- */

struct found {
    const char *name, *module;
    uint64_t offset, size; /* in the symbol; without a name: in the module */
    uint64_t vaddr;        /* without a name: the address that the module's file gives it */
};

static struct found find_user(struct symbols *s, uint64_t addr)
{
    const struct module *m = s->t ? module_at(s->t->modules, addr) : NULL;
    const struct elf_symbol *sym;

    if (!m && s->t)
        m = module_at(s->later, addr);
    if (!m && s->t)
        m = module_later(s, addr);
    if (!m)
        return (struct found){0};
    sym = elf_symbol_at(module_symbols(s, m), addr - m->bias);
    if (!sym)
        return (struct found){.module = m->path,
                              .offset = addr - m->start,
                              .size = m->end - m->start,
                              .vaddr = addr - m->bias};
    return (struct found){.name = sym->name,
                          .module = m->path,
                          .offset = addr - m->bias - sym->vaddr,
                          .size = sym->size};
}

static struct found find_kernel(struct symbols *s, uint64_t addr)
{
    uint32_t lo = 0, hi;

    if (!s->kernel_read)
        read_kernel(s);
    hi = s->n_kernel;
    while (lo < hi) {
        uint32_t mid = lo + (hi - lo) / 2;

        if (s->kernel[mid].addr <= addr)
            lo = mid + 1;
        else
            hi = mid;
    }
    if (lo == 0 ||
        lo == s->n_kernel) /* below the first, or above the last, whose end is not known */
        return (struct found){0};

    const struct ksym *k = &s->kernel[lo - 1];

    while (k > s->kernel && k[-1].addr == k->addr) /* aliases: the first */
        k--;
    return (struct found){.name = s->ktext + k->name,
                          .module = k->module ? s->ktext + k->module : "kernel",
                          .offset = addr - k->addr,
                          .size = s->kernel[lo].addr - k->addr};
}

static void put_clean(struct text *out, const char *name)
{
    char clean[4 * NAME_SHOWN_MAX + 1];
    size_t len = strlen(name);

    text_bytes(out, clean,
               clean_text(name, len < NAME_SHOWN_MAX ? len : NAME_SHOWN_MAX, clean, sizeof(clean)));
}

static void answer(struct symbols *s, char kind, uint64_t addr, struct text *out)
{
    bool data = kind == 'U' || kind == 'K';
    struct found f = strchr("uUm", kind) ? find_user(s, addr) : find_kernel(s, addr);

    if (strchr("mM", kind)) {
        put_clean(out, f.module ? base_name(f.module) : "<unknown>");
        return;
    }
    if (f.name) {
        put_clean(out, f.name[0] == '.' ? f.name + 1 : f.name);
    } else if (f.module && !data) {
        put_clean(out, base_name(f.module));
        text_printf(out, "+0x%" PRIx64, f.vaddr);
    } else {
        text_printf(out, "0x%" PRIx64, addr);
    }
    if (!data || !f.module)
        return;
    if (!f.name)
        text_str(out, " [");
    else
        text_printf(out, "+0x%" PRIx64 "/0x%" PRIx64 " [", f.offset, f.size);
    put_clean(out, f.module);
    if (!f.name)
        text_printf(out, "+0x%" PRIx64 "/0x%" PRIx64, f.offset, f.size);
    text_char(out, ']');
}

static void cached(struct symbols *s, char kind, uint64_t addr, struct text *out)
{
    struct text t = TEXT_NEW;
    struct answer *a, key = {.key = {addr, (uint64_t)kind}};

    HASH_FIND(hh, s->cache, &key.key, sizeof(key.key), a);
    if (a) {
        text_bytes(out, a->text, a->len);
        return;
    }
    answer(s, kind, addr, &t);
    text_bytes(out, text_c(&t), t.len);
    if (HASH_COUNT(s->cache) >= CACHE_MAX)
        forget(s);
    a = calloc(1, sizeof(*a) + t.len + 1);
    if (a) {
        a->key = key.key;
        a->len = (uint32_t)t.len;
        memcpy(a->text, text_c(&t), t.len + 1);
        HASH_ADD(hh, s->cache, key, sizeof(a->key), a);
        if (a->lost)
            free(a);
    }
    text_free(&t);
}

/* Reads the 16 digits of a mark; false: it is none, but bytes that the script made. */
static bool mark_addr(const char *p, uint64_t *addr)
{
    *addr = 0;
    for (int i = 0; i < 16; i++) {
        char c = p[i];

        if (c >= '0' && c <= '9')
            *addr = *addr << 4 | (uint64_t)(c - '0');
        else if (c >= 'a' && c <= 'f')
            *addr = *addr << 4 | (uint64_t)(c - 'a' + 10);
        else
            return false;
    }
    return true;
}

void symbols_expand(struct symbols *s, const char *p, size_t len, struct text *out)
{
    const char *end = p + len;

    while (p < end) {
        const char *mark = memchr(p, NGS_MARK, (size_t)(end - p));
        uint64_t addr;

        text_bytes(out, p, (size_t)((mark ? mark : end) - p));
        if (!mark)
            return;
        p = mark;
        if (end - p < 2 || !p[1] || !strchr("uUkKmM", p[1])) {
            text_char(out, *p++);
        } else if (end - p < NGS_MARK_LEN) {
            return; /* the string was cut within a mark */
        } else if (mark_addr(p + 2, &addr)) {
            cached(s, p[1], addr, out);
            p += NGS_MARK_LEN;
        } else {
            text_char(out, *p++);
        }
    }
}
