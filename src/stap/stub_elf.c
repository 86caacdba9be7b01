/*
 * stub_elf: writes stub debug files, which say that a function begins at each probed address: stap
 * wants debug information for a probe by address, though it uses none. Enters: files and addresses;
 * leaves: DIR/.build-id/XX/YYYY.debug for each file that has a build-id. A stub holds what libdw
 * asks for: a copy of the file's ELF and program headers, its build-id, and DWARF 4 with one
 * compile unit. stap prefers a file's own debug information. Refuses nothing: what cannot be read
 * gets no stub.
 */
#include <elf.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/diag.h"
#include "stap/build.h"

enum { SEGMENTS_MAX = 128, SECTIONS = 6, ID_MIN = 2, ID_MAX = 64 };

struct text {
    struct arena *arena;
    char *v;
    size_t n, size;
};

static void put(struct text *t, const void *data, size_t n)
{
    if (t->n + n > t->size) {
        size_t size = 2 * (t->n + n) + 256;
        char *v = arena_alloc(t->arena, size);

        if (t->n)
            memcpy(v, t->v, t->n);
        t->v = v;
        t->size = size;
    }
    memcpy(t->v + t->n, data, n);
    t->n += n;
}

static void put_int(struct text *t, uint64_t value, size_t n)
{
    put(t, &value, n); /* little-endian, as x86-64 is */
}

static void align(struct text *t, size_t to)
{
    while (t->n % to)
        put_int(t, 0, 1);
}

/* ---- the sections ---- */

static const unsigned char abbreviations[] = {
    1, 0x11, 1, 0x03, 0x08, 0x11, 0x01, 0x12, 0x07, 0, 0, /* compile unit: name, low_pc, high_pc */
    2, 0x2e, 0, 0x03, 0x08, 0x11, 0x01, 0x12, 0x07, 0, 0, /* subprogram: the same */
    0};

static void put_entry(struct text *t, unsigned abbreviation, const char *name, uint64_t low,
                      uint64_t size)
{
    put_int(t, abbreviation, 1);
    put(t, name, strlen(name) + 1);
    put_int(t, low, 8);
    put_int(t, size, 8);
}

/* Where in T a section's length is to stand. */
static void put_length(struct text *t, size_t at)
{
    uint32_t length = (uint32_t)(t->n - at - 4);

    memcpy(t->v + at, &length, 4);
}

static void put_info(struct text *t, const struct stap_points *points, const char *path)
{
    uint64_t low = UINT64_MAX, high = 0;
    size_t at = t->n;

    put_int(t, 0, 4);
    put_int(t, 4, 2);
    put_int(t, 0, 4);
    put_int(t, 8, 1);
    for (uint32_t i = 0; i < points->n; i++)
        if (!strcmp(points->v[i].path, path)) {
            low = points->v[i].vaddr < low ? points->v[i].vaddr : low;
            high = points->v[i].vaddr > high ? points->v[i].vaddr : high;
        }
    put_entry(t, 1, "probed", low, high + 1 - low);
    for (uint32_t i = 0; i < points->n; i++)
        if (!strcmp(points->v[i].path, path))
            put_entry(t, 2, "function", points->v[i].vaddr, 1);
    put_int(t, 0, 1);
    put_length(t, at);
}

static void put_ranges(struct text *t, const struct stap_points *points, const char *path)
{
    size_t at = t->n;

    put_int(t, 0, 4);
    put_int(t, 2, 2);
    put_int(t, 0, 4);
    put_int(t, 8, 1);
    put_int(t, 0, 1 + 4); /* no segments; up to a multiple of 16 */
    for (uint32_t i = 0; i < points->n; i++)
        if (!strcmp(points->v[i].path, path)) {
            put_int(t, points->v[i].vaddr, 8);
            put_int(t, 1, 8);
        }
    put_int(t, 0, 8);
    put_int(t, 0, 8);
    put_length(t, at);
}

static void put_note(struct text *t, const struct build_id *id)
{
    put_int(t, 4, 4);
    put_int(t, id->len, 4);
    put_int(t, NT_GNU_BUILD_ID, 4);
    put(t, "GNU", 4);
    put(t, id->bytes, id->len);
}

/* ---- the file ---- */

struct headers {
    Elf64_Ehdr e;
    Elf64_Phdr p[SEGMENTS_MAX];
};

static bool read_headers(int fd, struct headers *h)
{
    if (pread(fd, &h->e, sizeof(h->e), 0) != sizeof(h->e) ||
        memcmp(h->e.e_ident, ELFMAG, SELFMAG) != 0 || h->e.e_ident[EI_CLASS] != ELFCLASS64 ||
        h->e.e_ident[EI_DATA] != ELFDATA2LSB || h->e.e_phentsize != sizeof(*h->p) ||
        h->e.e_phnum > SEGMENTS_MAX)
        return false;
    ssize_t size = (ssize_t)(h->e.e_phnum * sizeof(*h->p));

    return pread(fd, h->p, (size_t)size, (off_t)h->e.e_phoff) == size;
}

static const char names[] = "\0.note.gnu.build-id\0.debug_abbrev\0.debug_info\0.debug_aranges\0"
                            ".shstrtab";

static void put_section(struct text *t, Elf64_Shdr *to, const char *name, uint32_t type, size_t at)
{
    for (uint32_t i = 1; i < sizeof(names); i += (uint32_t)strlen(names + i) + 1)
        if (!strcmp(names + i, name))
            to->sh_name = i;
    to->sh_type = type;
    to->sh_offset = at;
    to->sh_size = t->n - at;
    to->sh_addralign = type == SHT_NOTE ? 4 : 1;
    align(t, 8);
}

static struct text make_file(struct compile *cx, struct headers *h, const struct build_id *id,
                             const struct stap_points *points, const char *path)
{
    struct text t = {.arena = cx->arena};
    Elf64_Shdr s[SECTIONS] = {0};
    size_t at;

    for (unsigned i = 0; i < h->e.e_phnum; i++) /* where things lie in memory, nothing of them */
        h->p[i].p_offset = h->p[i].p_filesz = 0;
    put(&t, &h->e, sizeof(h->e));
    put(&t, h->p, h->e.e_phnum * sizeof(*h->p));
    at = t.n;
    put_note(&t, id);
    put_section(&t, &s[1], ".note.gnu.build-id", SHT_NOTE, at);
    at = t.n;
    put(&t, abbreviations, sizeof(abbreviations));
    put_section(&t, &s[2], ".debug_abbrev", SHT_PROGBITS, at);
    at = t.n;
    put_info(&t, points, path);
    put_section(&t, &s[3], ".debug_info", SHT_PROGBITS, at);
    at = t.n;
    put_ranges(&t, points, path);
    put_section(&t, &s[4], ".debug_aranges", SHT_PROGBITS, at);
    at = t.n;
    put(&t, names, sizeof(names));
    put_section(&t, &s[5], ".shstrtab", SHT_STRTAB, at);
    h->e.e_phoff = sizeof(h->e);
    h->e.e_shoff = t.n;
    h->e.e_ehsize = sizeof(h->e);
    h->e.e_shentsize = sizeof(*s);
    h->e.e_shnum = SECTIONS;
    h->e.e_shstrndx = SECTIONS - 1;
    memcpy(t.v, &h->e, sizeof(h->e));
    put(&t, s, sizeof(s));
    return t;
}

static void write_one(struct compile *cx, const char *dir, const struct stap_points *points,
                      const char *path)
{
    struct headers h;
    struct build_id id = {.len = 0};
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    bool ok = fd >= 0 && read_headers(fd, &h) && elf_build_id(fd, &id) && id.len >= ID_MIN &&
              id.len <= ID_MAX;

    if (fd >= 0)
        close(fd);
    if (!ok)
        return;
    const char *hex = build_id_text(cx->arena, &id);
    struct text t = make_file(cx, &h, &id, points, path);

    mkdir(dir, 0755);
    mkdir(arena_printf(cx->arena, "%s/.build-id", dir), 0755);
    mkdir(arena_printf(cx->arena, "%s/.build-id/%.2s", dir, hex), 0755);
    const char *to = arena_printf(cx->arena, "%s/.build-id/%.2s/%s.debug", dir, hex, hex + 2);

    if (!stap_write_file(to, t.v, t.n))
        diag_warning(cx->diag, (struct span){0}, "cannot write %s", to);
}

void stap_write_stubs(struct compile *cx, const struct stap_points *points, const char *dir)
{
    for (uint32_t i = 0; i < points->n; i++) {
        bool done = false;

        for (uint32_t k = 0; k < i && !done; k++)
            done = !strcmp(points->v[k].path, points->v[i].path);
        if (!done)
            write_one(cx, dir, points, points->v[i].path);
    }
}
