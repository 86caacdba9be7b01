/*
 * symbols: addresses -> names. Enters: an address of the target or of the kernel, a place in a file
 * (NGS_PLACE), a stack's number; leaves: what SystemTap's usymname, usymdata, symname and symdata
 * print: the symbol's name, without its version, f@plt for an entry of the linkage table, for the
 * "data" forms with "+0xoffset/0xsize [module]". Where no symbol holds it the name is
 * "FILE+0xADDRESS", by the file that is mapped there and the address it has in it, as addr2line
 * takes it; else it is the address itself (0x...), and so is a file or line that is not known.
 *
 * A module's symbols are read when the first address in it is asked for. A place says its file. Of
 * an address what is mapped is looked up in the target as it was found, then in /proc/PID/maps once
 * more when it is in none of it (libraries loaded since). Names come from files that the target's
 * owner controls: a name is one line of clean text (base/clean.h), of at most NAME_SHOWN_MAX bytes.
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
#include "base/clock.h"
#include "base/file.h"
#include "load/load.h"
#include "target/demangle.h"
#include "target/plt.h"

#define KINDS NGS_MARK_USER NGS_MARK_STACK "kKMSq"

enum { NAME_SHOWN_MAX = 2048, CACHE_MAX = 65536, KALLSYMS_MAX = 64 << 20 };

/* Names that take longer, all together, stay as they are: nothing bounds what one takes. */
enum { DEMANGLE_NS = 1000000000 };

struct loaded {
    struct loaded *next;
    const struct module *module;
    struct elf_symbols symbols;
    bool more_read; /* what follows is asked when those have no name */
    struct elf_symbols mini;
    struct plt plt;
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
    const struct session *session; /* NULL: no places */
    struct arena *arena;
    struct symbol_source source;
    struct loaded *loaded;
    struct map *maps;     /* of the target, read again */
    struct module *later; /* found there */
    bool maps_read, kernel_read;
    bool in_text; /* among a stack's frames: it holds names, and no stack */
    bool demangles;
    uint64_t demangled_ns; /* what that has taken */
    struct ksym *kernel;
    uint32_t n_kernel;
    char *ktext;
    struct answer *cache;
};

struct symbols *symbols_new(struct compile *cx, struct target *t, const struct session *session,
                            const struct symbol_source *source)
{
    struct symbols *s = calloc(1, sizeof(*s));

    if (s)
        *s = (struct symbols){.cx = cx, .t = t, .session = session, .arena = arena_new()};
    if (s && source)
        s->source = *source;
    return s;
}

void symbols_demangle(struct symbols *s)
{
    s->demangles = true;
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

/* A descriptor of M's file, its own or one that the caller closes; -1: it is not there. */
static int file_of(const struct symbols *s, const struct module *m, bool *ours)
{
    *ours = m->fd < 0;
    return !*ours ? m->fd : s->t && s->t->root ? sysroot_open(s->t->root, m->path) : -1;
}

static void read_symbols(struct symbols *s, struct loaded *l)
{
    const struct module *m = l->module;
    bool by_path = s->source.of && (m->fd < 0 || m->probe_path), ours;
    const struct elf_symbols *known = by_path ? s->source.of(s->source.arg, m) : NULL;

    if (known && known->n) {
        l->symbols = *known;
        return;
    }
    int fd = file_of(s, m, &ours);

    if (fd >= 0)
        l->symbols = elf_symbols_read(s->arena, fd);
    if (fd >= 0 && ours)
        close(fd);
}

static void read_more(struct symbols *s, struct loaded *l)
{
    bool ours = false;
    int fd = l->more_read ? -1 : file_of(s, l->module, &ours);

    l->more_read = true;
    if (fd < 0)
        return;
    l->mini = elf_mini_symbols(s->arena, fd);
    l->plt = plt_read(s->arena, fd);
    if (ours)
        close(fd);
}

static struct loaded *load(struct symbols *s, const struct module *m)
{
    struct loaded *l = s->loaded;

    while (l && l->module != m)
        l = l->next;
    if (l)
        return l;
    l = ARENA_NEW(s->arena, struct loaded);
    *l = (struct loaded){.next = s->loaded, .module = m};
    s->loaded = l;
    read_symbols(s, l);
    return l;
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
    uint64_t plt_size;
    bool is_plt;             /* NAME's entry in the linkage table */
    const struct module *in; /* of a program's code: where line tables have it, at CODE */
    uint64_t code;
};

/* How far a symbol reaches: where it says no size, as elf_symbol_at has it. */
static uint64_t size_of(const struct elf_symbols *all, const struct elf_symbol *sym)
{
    const struct elf_symbol *next = sym, *end = all->v + all->n;

    if (sym->size)
        return sym->size;
    while (next < end && next->vaddr == sym->vaddr)
        next++;
    return next < end && next->vaddr - sym->vaddr < sym->room ? next->vaddr - sym->vaddr
                                                              : sym->room;
}

/* The entry of the linkage table that holds VADDR: of at most 16 bytes, as all are. */
static const struct plt_entry *plt_at(const struct plt *plt, uint64_t vaddr, uint64_t *size)
{
    const struct plt_entry *found = NULL;

    *size = 16;
    for (uint32_t i = 0; i < plt->n; i++) {
        const struct plt_entry *e = &plt->v[i];

        if (e->vaddr <= vaddr && vaddr - e->vaddr < 16 && (!found || found->vaddr < e->vaddr))
            found = e;
    }
    for (uint32_t i = 0; found && i < plt->n; i++)
        if (plt->v[i].vaddr > found->vaddr && plt->v[i].vaddr - found->vaddr < *size)
            *size = plt->v[i].vaddr - found->vaddr;
    return found;
}

/* The code at VADDR of M; BEFORE: at the instruction that ends there. */
static struct found find_in(struct symbols *s, const struct module *m, uint64_t vaddr, bool before)
{
    struct found f = {.module = m->path,
                      .offset = vaddr + m->bias - m->start,
                      .size = m->end - m->start,
                      .vaddr = vaddr,
                      .in = m,
                      .code = vaddr - before};
    struct loaded *l = load(s, m);
    const struct elf_symbols *in = &l->symbols;
    const struct elf_symbol *sym = elf_symbol_at(in, vaddr - before), *mini;

    if (!sym || !sym->size) { /* those beside it may know better */
        read_more(s, l);
        mini = elf_symbol_at(&l->mini, vaddr - before);
        if (mini && (mini->size || !sym)) {
            sym = mini;
            in = &l->mini;
        }
    }
    if (sym) {
        f.name = sym->name;
        f.offset = vaddr - sym->vaddr;
        f.size = size_of(in, sym);
        return f;
    }
    const struct plt_entry *e = plt_at(&l->plt, vaddr - before, &f.plt_size);

    if (e) {
        f.name = e->name;
        f.offset = vaddr - e->vaddr;
        f.size = f.plt_size;
        f.is_plt = true;
    }
    return f;
}

static struct found find_user(struct symbols *s, uint64_t addr)
{
    uint32_t file = ngs_place_file(addr);
    const struct module *m = file && s->session ? session_file(s->session, file) : NULL;

    if (m)
        return find_in(s, m, addr & (((uint64_t)1 << NGS_PLACE_SHIFT) - 1), addr & NGS_PLACE_CALL);
    if (s->t)
        m = module_at(s->t->modules, addr);
    if (!m && s->t)
        m = module_at(s->later, addr);
    if (!m && s->t)
        m = module_later(s, addr);
    return m ? find_in(s, m, addr - m->bias, false) : (struct found){0};
}

/* As an address, where the file was first found. */
static uint64_t address_of(const struct symbols *s, uint64_t number)
{
    uint32_t file = ngs_place_file(number);
    const struct module *m = file && s->session ? session_file(s->session, file) : NULL;

    return m ? (number & (((uint64_t)1 << NGS_PLACE_SHIFT) - 1)) + m->bias : number;
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

static void put_bytes(struct text *out, const char *name, size_t len)
{
    char clean[4 * NAME_SHOWN_MAX + 1];

    text_bytes(out, clean,
               clean_text(name, len < NAME_SHOWN_MAX ? len : NAME_SHOWN_MAX, clean, sizeof(clean)));
}

static void put_clean(struct text *out, const char *name)
{
    put_bytes(out, name, strlen(name));
}

/* 0: it stays as it is. */
static size_t as_in_source(struct symbols *s, const char *name, size_t len, char *to, size_t size)
{
    if (!s->demangles || s->demangled_ns > DEMANGLE_NS)
        return 0;
    uint64_t begun = clock_ns(CLOCK_THREAD_CPUTIME_ID);
    size_t n = demangle(name, len, to, size);

    s->demangled_ns += clock_ns(CLOCK_THREAD_CPUTIME_ID) - begun;
    return n;
}

/* Without the version that libraries have behind some: name@@VERSION. */
static void put_name(struct symbols *s, struct text *out, const struct found *f)
{
    const char *name = f->name[0] == '.' ? f->name + 1 : f->name;
    size_t len = *name ? 1 + strcspn(name + 1, "@") : 0, n;
    char source[NAME_SHOWN_MAX];

    n = as_in_source(s, name, len, source, sizeof(source));
    put_bytes(out, n ? source : name, n ? n : len);
    if (f->is_plt)
        text_str(out, "@plt");
}

enum {
    WITH_ADDRESS = 1,
    WITH_OFFSET = 2,
    WITH_SIZE = 4,
    WITH_LINE = 8,
    WITH_MODULE = 16,
    WITH_PATH = 32 /* of the module */
};

/* What a mark's kind has of an address besides the name, as SystemTap's functions have it. */
static unsigned parts_of(char kind)
{
    enum { DATA = WITH_OFFSET | WITH_SIZE | WITH_MODULE | WITH_PATH };

    switch (kind) {
    case 'U':
    case 'K':
        return DATA;
    case 'p':
    case 'q':
        return DATA | WITH_ADDRESS;
    case 'F':
        return DATA | WITH_LINE;
    case 'b':
        return WITH_OFFSET;
    case 's':
    case 'S':
        return WITH_OFFSET | WITH_MODULE;
    default:
        return 0;
    }
}

static struct symbol_line line_of(const struct symbols *s, const struct found *f)
{
    struct symbol_line at = {NULL, 0};

    if (!f->in || !s->source.line || !s->source.line(s->source.arg, f->in, f->code, &at))
        return (struct symbol_line){NULL, 0};
    return at;
}

/* KIND: 'f', 'l' or 'L'. */
static void put_place(struct text *out, char kind, const struct symbol_line *at, uint64_t addr)
{
    bool file = kind != 'l' && at->file, line = kind != 'f' && at->line;

    if (file)
        put_clean(out, at->file);
    else if (line && kind == 'L')
        text_str(out, "??");
    if (line)
        text_printf(out, "%s%" PRIu32, kind == 'L' ? ":" : "", at->line);
    if (!file && !line)
        text_printf(out, "0x%" PRIx64, addr);
}

static void put_module(struct text *out, const struct found *f, unsigned with)
{
    text_str(out, " [");
    put_clean(out, with & WITH_PATH ? f->module : base_name(f->module));
    if (!f->name) {
        text_printf(out, "+0x%" PRIx64, f->offset);
        if (with & WITH_SIZE)
            text_printf(out, "/0x%" PRIx64, f->size);
    }
    text_char(out, ']');
}

static void put_found(struct symbols *s, const struct found *f, uint64_t addr, unsigned with,
                      struct text *out)
{
    if (with & WITH_ADDRESS)
        text_printf(out, "0x%" PRIx64 " : ", address_of(s, addr));
    if (f->name) {
        put_name(s, out, f);
    } else if (f->module) {
        put_clean(out, base_name(f->module));
        text_printf(out, "+0x%" PRIx64, f->vaddr);
    } else {
        text_printf(out, "0x%" PRIx64, addr);
    }
    if (f->name && with & WITH_OFFSET)
        text_printf(out, "+0x%" PRIx64, f->offset);
    if (f->name && with & WITH_SIZE)
        text_printf(out, "/0x%" PRIx64, f->size);
    if (with & WITH_LINE) {
        struct symbol_line at = line_of(s, f);

        if (at.file) {
            text_str(out, " at ");
            put_place(out, 'L', &at, 0);
        }
    }
    if (f->module && with & WITH_MODULE)
        put_module(out, f, with);
}

static void answer(struct symbols *s, char kind, uint64_t addr, struct text *out)
{
    struct found f = strchr(NGS_MARK_USER, kind) ? find_user(s, addr) : find_kernel(s, addr);

    if (strchr("mM", kind)) {
        put_clean(out, f.module ? base_name(f.module) : "<unknown>");
    } else if (strchr("flL", kind)) {
        struct symbol_line at = line_of(s, &f);

        put_place(out, kind, &at, address_of(s, addr));
    } else {
        put_found(s, &f, addr, parts_of(kind), out);
    }
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

/* Frame ADDR of a stack as a line of KIND (abi.h). */
static void put_frame(struct symbols *s, char kind, uint64_t addr, struct text *out)
{
    bool kernel = ngs_is_kernel(addr);

    if (kind == 'P')
        text_char(out, ' ');
    if (kind == 'N')
        cached(s, kernel ? 'k' : 'u', addr, out);
    else if (kind == 'B')
        cached(s, kernel ? 'S' : 's', addr, out);
    else
        cached(s, kernel ? 'q' : 'p', addr, out);
    text_bytes(out, "_[k]\n" + (kernel && kind == 'N' ? 0 : 4), kernel && kind == 'N' ? 5 : 1);
}

/* The texts of the stack from frame *I on, one text with names of its own; *I: the one behind. */
static void put_texts(struct symbols *s, const struct ngs_stack *stack, uint64_t *i,
                      struct text *out)
{
    struct text all = TEXT_NEW;

    for (; *i < stack->n && ngs_is_text(stack->frames[*i]); ++*i) {
        size_t len;
        char *part = session_text(s->session, stack->frames[*i], &len);

        if (part)
            text_bytes(&all, part, len);
        free(part);
    }
    if (!s->in_text) {
        s->in_text = true;
        symbols_expand(s, text_c(&all), all.len, out);
        s->in_text = false;
    }
    text_free(&all);
}

/* KIND: one of NGS_MARK_STACK. */
static void put_stack(struct symbols *s, char kind, uint64_t number, struct text *out)
{
    struct ngs_stack stack;

    if (!s->session || !session_stack(s->session, number, &stack))
        return;
    for (uint64_t i = 0; i < stack.n;) {
        if (ngs_is_text(stack.frames[i])) {
            put_texts(s, &stack, &i, out);
            continue;
        }
        if (kind == 'a')
            text_printf(out, "%s0x%" PRIx64, i ? " " : "", address_of(s, stack.frames[i]));
        else
            put_frame(s, kind, stack.frames[i], out);
        i++;
    }
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
        if (end - p < 2 || !p[1] || !strchr(KINDS, p[1])) {
            text_char(out, *p++);
        } else if (end - p < NGS_MARK_LEN) {
            return; /* the string was cut within a mark */
        } else if (mark_addr(p + 2, &addr)) {
            if (strchr(NGS_MARK_STACK, p[1]))
                put_stack(s, p[1], addr, out);
            else
                cached(s, p[1], addr, out);
            p += NGS_MARK_LEN;
        } else {
            text_char(out, *p++);
        }
    }
}
