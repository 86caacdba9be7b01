/*
 * stub_elf: writes stub debug files, which say that a function begins at each probed address: stap
 * wants debug information for a probe by address, though it uses none. Enters: files and addresses;
 * leaves: DIR/.build-id/XX/YYYY.debug for each file that has a build-id. A stub holds what libdw
 * asks for: a copy of the file's ELF and program headers, its build-id, and DWARF 4 with one
 * compile unit. stap prefers a file's own debug information. Refuses nothing: what cannot be read
 * gets no stub. A jail reads the file and makes the stub (jail/jail.h) where there is one.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/bounds.h"
#include "base/diag.h"
#include "base/file.h"
#include "jail/jail.h"
#include "stap/build.h"
#include "target/elf.h"

enum { NAMES_SECTION = 5, ID_MIN = 2, STUB_MAX = 64 << 20 };

/* Where functions begin in one file. */
struct starts {
    const uint64_t *v;
    uint32_t n;
};

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

static void put_info(struct text *t, const struct starts *s)
{
    uint64_t low = UINT64_MAX, high = 0;
    size_t at = t->n;

    put_int(t, 0, 4);
    put_int(t, 4, 2);
    put_int(t, 0, 4);
    put_int(t, 8, 1);
    for (uint32_t i = 0; i < s->n; i++) {
        low = s->v[i] < low ? s->v[i] : low;
        high = s->v[i] > high ? s->v[i] : high;
    }
    put_entry(t, 1, "probed", low, high + 1 - low);
    for (uint32_t i = 0; i < s->n; i++)
        put_entry(t, 2, "function", s->v[i], 1);
    put_int(t, 0, 1);
    put_length(t, at);
}

static void put_ranges(struct text *t, const struct starts *s)
{
    size_t at = t->n;

    put_int(t, 0, 4);
    put_int(t, 2, 2);
    put_int(t, 0, 4);
    put_int(t, 8, 1);
    put_int(t, 0, 1 + 4); /* no segments; up to a multiple of 16 */
    for (uint32_t i = 0; i < s->n; i++) {
        put_int(t, s->v[i], 8);
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

/* Can a stub stand for FD's file, of 64 bits and little-endian? */
static bool is_probed(Elf *elf, int fd, struct build_id *id)
{
    GElf_Ehdr eh;

    return elf && gelf_getehdr(elf, &eh) && eh.e_ident[EI_CLASS] == ELFCLASS64 &&
           eh.e_ident[EI_DATA] == ELFDATA2LSB && elf_build_id_of(elf, fd, id) && id->len >= ID_MIN;
}

/* Where things lie in memory, nothing of them. */
static bool copy_headers(Elf *to, Elf *from)
{
    GElf_Ehdr eh;
    size_t n;

    if (!gelf_getehdr(from, &eh) || elf_getphdrnum(from, &n) || !gelf_newehdr(to, ELFCLASS64))
        return false;
    eh.e_shstrndx = NAMES_SECTION;
    if (!gelf_update_ehdr(to, &eh) || (n && !gelf_newphdr(to, n)))
        return false;
    for (size_t i = 0; i < n; i++) {
        GElf_Phdr ph;

        if (!gelf_getphdr(from, (int)i, &ph))
            return false;
        ph.p_offset = ph.p_filesz = 0;
        if (!gelf_update_phdr(to, (int)i, &ph))
            return false;
    }
    return true;
}

static const char names[] = "\0.note.gnu.build-id\0.debug_abbrev\0.debug_info\0.debug_aranges\0"
                            ".shstrtab";

/* BYTES stay the caller's, and are read when the file is written. */
static bool add_section(Elf *to, const char *name, uint32_t type, const void *bytes, size_t size)
{
    const char *at = memmem(names, sizeof(names), name, strlen(name) + 1);
    Elf_Scn *section = elf_newscn(to);
    Elf_Data *d = section ? elf_newdata(section) : NULL;
    GElf_Shdr sh;

    if (!d || !gelf_getshdr(section, &sh))
        return false;
    d->d_buf = (void *)bytes;
    d->d_size = size;
    d->d_align = type == SHT_NOTE ? 4 : 1;
    sh.sh_name = (uint32_t)(at - names);
    sh.sh_type = type;
    return gelf_update_shdr(section, &sh);
}

/* Into the empty file FD. */
static bool write_stub(struct arena *a, int fd, Elf *from, const struct build_id *id,
                       const struct starts *s)
{
    struct text note = {.arena = a}, info = note, ranges = note;
    Elf *to = elf_begin(fd, ELF_C_WRITE, NULL);

    put_note(&note, id);
    put_info(&info, s);
    put_ranges(&ranges, s);
    bool ok =
        to && copy_headers(to, from) &&
        add_section(to, ".note.gnu.build-id", SHT_NOTE, note.v, note.n) &&
        add_section(to, ".debug_abbrev", SHT_PROGBITS, abbreviations, sizeof(abbreviations)) &&
        add_section(to, ".debug_info", SHT_PROGBITS, info.v, info.n) &&
        add_section(to, ".debug_aranges", SHT_PROGBITS, ranges.v, ranges.n) &&
        add_section(to, ".shstrtab", SHT_STRTAB, names, sizeof(names)) &&
        elf_update(to, ELF_C_WRITE) >= 0;

    elf_end(to);
    return ok;
}

/* ---- made by the reader: the build-id, and behind it the stub ---- */

static bool stub_here(struct arena *a, int fd, const struct starts *s, FILE *answer)
{
    struct build_id id = {.len = 0};
    Elf *elf = elf_open(fd);
    int room = memfd_create("stub", MFD_CLOEXEC);
    bool ok = room >= 0 && is_probed(elf, fd, &id) && write_stub(a, room, elf, &id, s) &&
              !lseek(room, 0, SEEK_SET);
    size_t n;
    char *bytes = ok ? file_read_fd(room, STUB_MAX, &n) : NULL;

    if (bytes) {
        fwrite(&id, sizeof(id), 1, answer);
        fwrite(bytes, 1, n, answer);
    }
    free(bytes);
    elf_end(elf);
    if (room >= 0)
        close(room);
    return bytes;
}

static bool stub_work(struct jail_question *q, FILE *answer)
{
    struct arena *a = arena_new();
    struct starts s = {q->data, (uint32_t)(q->n / sizeof(uint64_t))};
    bool ok = stub_here(a, q->fds[0], &s, answer);

    arena_free(a);
    return ok;
}

static bool make_stub(struct arena *a, int fd, const struct starts *s, struct jail_answer *out)
{
    char *bytes = NULL;

    if (jail_reads())
        return jail_read(stub_work, NULL, fd, -1, s->v, s->n * sizeof(*s->v), out);
    FILE *f = open_memstream(&bytes, &out->n);
    bool ok = f && stub_here(a, fd, s, f);

    if (f)
        fclose(f);
    out->data = bytes;
    return ok;
}

/* ---- the file ---- */

static void write_file(struct compile *cx, const char *dir, const struct jail_answer *stub)
{
    struct build_id id;

    memcpy(&id, stub->data, sizeof(id));
    if (id.len < ID_MIN || id.len > BUILD_ID_MAX)
        return;
    const char *hex = build_id_text(cx->arena, &id);
    const char *to = arena_printf(cx->arena, "%s/.build-id/%.2s/%s.debug", dir, hex, hex + 2);
    size_t n = stub->n - sizeof(id);

    mkdir(dir, 0755);
    mkdir(arena_printf(cx->arena, "%s/.build-id", dir), 0755);
    mkdir(arena_printf(cx->arena, "%s/.build-id/%.2s", dir, hex), 0755);
    int fd = open(to, O_RDWR | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
    bool ok = fd >= 0 && write(fd, (char *)stub->data + sizeof(id), n) == (ssize_t)n;

    if (fd >= 0)
        ok = !close(fd) && ok;
    if (!ok)
        diag_warning(cx->diag, (struct span){0}, "cannot write %s", to);
}

static void write_one(struct compile *cx, const char *dir, const struct stap_points *points,
                      const char *path)
{
    uint64_t *v = ARENA_ARRAY(cx->arena, uint64_t, points->n);
    struct starts s = {v, 0};
    struct jail_answer stub = {.fd = -1};
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

    for (uint32_t i = 0; i < points->n; i++)
        if (!strcmp(points->v[i].path, path))
            v[s.n++] = points->v[i].vaddr;
    bounds_file(path);
    if (fd >= 0 && make_stub(cx->arena, fd, &s, &stub) && stub.n > sizeof(struct build_id))
        write_file(cx, dir, &stub);
    bounds_file("");
    free(stub.data);
    if (fd >= 0)
        close(fd);
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
