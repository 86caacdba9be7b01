/*
 * marks: static probe points that sys/sdt.h leaves in a file. Enters: the notes of .note.stapsdt
 * (SystemTap's wiki, UserSpaceProbeImplementation: type 3; addresses of the place, of
 * .stapsdt.base and of the semaphore; three strings), untrusted; leaves: a copy in the arena.
 * prelink(8) moves a file's addresses and leaves notes alone: by how much, the address of the
 * section .stapsdt.base tells. Left out: notes that do not end where they say.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/arena.h"
#include "target/elf.h"
#include "target/marks.h"

enum { NOTE_MARK = 3, NOTE_HEAD = 12, NOTE_ALIGN = 4, ADDRESSES = 3 };

static const char owner[] = "stapsdt";

/* ---- the notes ---- */

struct reading {
    struct arena *a;
    struct elf_marks found;
    bool has_base;
    uint64_t base;
};

/* A string that ends before END; NULL: it does not. */
static const char *take_string(struct arena *a, const char **at, const char *end)
{
    const char *from = *at;
    size_t len = strnlen(from, (size_t)(end - from));

    if (len == (size_t)(end - from))
        return NULL;
    *at += len + 1;
    return arena_strndup(a, from, len);
}

static bool add_mark(struct reading *r, const char *at, size_t size)
{
    const char *end = at + size;
    uint64_t address[ADDRESSES], moved;
    struct elf_mark m;

    if (size < sizeof(address))
        return true;
    memcpy(address, at, sizeof(address));
    at += sizeof(address);
    moved = r->has_base && address[1] ? r->base - address[1] : 0;
    m.provider = take_string(r->a, &at, end);
    m.name = m.provider ? take_string(r->a, &at, end) : NULL;
    m.args = m.name ? take_string(r->a, &at, end) : NULL;
    if (!m.args || !*m.name)
        return true;
    m.vaddr = address[0] + moved;
    m.semaphore = address[2] ? address[2] + moved : 0;
    if (!bounds_count(r->found.n + 1, BOUND_MARKS, "marks"))
        return false;
    r->found.v = arena_grow(r->a, r->found.v, r->found.n, sizeof(*r->found.v));
    r->found.v[r->found.n++] = m;
    return true;
}

static uint64_t padded(uint64_t n)
{
    return (n + NOTE_ALIGN - 1) & ~(uint64_t)(NOTE_ALIGN - 1);
}

static void read_notes(struct reading *r, const char *data, size_t size)
{
    uint64_t off = 0;

    while (size - off >= NOTE_HEAD) {
        uint32_t head[3];

        memcpy(head, data + off, sizeof(head));
        uint64_t desc = off + NOTE_HEAD + padded(head[0]);

        if (desc > size || head[1] > size - desc)
            return;
        if (head[2] == NOTE_MARK && head[0] == sizeof(owner) &&
            !memcmp(data + off + NOTE_HEAD, owner, sizeof(owner)) &&
            !add_mark(r, data + desc, head[1]))
            return;
        off = desc + padded(head[1]);
        if (off > size || !bounds_ok())
            return;
    }
}

/* ---- the sections ---- */

static void find_base(struct reading *r, Elf *elf, size_t names)
{
    Elf_Scn *scn = NULL;

    while (!r->has_base && (scn = elf_nextscn(elf, scn))) {
        GElf_Shdr sh;
        const char *name = gelf_getshdr(scn, &sh) ? elf_strptr(elf, names, sh.sh_name) : NULL;

        if (!name || strcmp(name, ".stapsdt.base") != 0)
            continue;
        r->has_base = true;
        r->base = sh.sh_addr;
    }
}

struct elf_marks elf_marks_read(struct arena *a, int fd)
{
    struct reading r = {.a = a};
    Elf *elf = elf_open(fd);
    Elf_Scn *scn = NULL;
    size_t names;

    if (!elf)
        return r.found;
    if (gelf_getclass(elf) == ELFCLASS64 && !elf_getshdrstrndx(elf, &names)) {
        find_base(&r, elf, names);
        while ((scn = elf_nextscn(elf, scn))) {
            GElf_Shdr sh;
            const char *name = gelf_getshdr(scn, &sh) ? elf_strptr(elf, names, sh.sh_name) : NULL;

            if (!name || sh.sh_type != SHT_NOTE || strcmp(name, ".note.stapsdt") != 0 ||
                !bounds_count(sh.sh_size, BOUND_MARK_BYTES, "bytes of marks"))
                continue;
            Elf_Data *d = elf_rawdata(scn, NULL);

            if (d && d->d_buf)
                read_notes(&r, d->d_buf, d->d_size);
        }
    }
    elf_end(elf);
    return r.found;
}

/* ---- arguments: "-4@OPERAND 8@OPERAND" ---- */

/* The text of the argument that AT leads to; moves it on. False: there is none. A blank is also
 * within an operand: "[sp, 12]". */
static bool next_argument(const char **at, const char **from, size_t *len)
{
    int depth = 0;

    while (**at == ' ')
        (*at)++;
    for (*from = *at; **at && (depth > 0 || **at != ' '); (*at)++)
        depth += (**at == '[' || **at == '(') - (**at == ']' || **at == ')');
    *len = (size_t)(*at - *from);
    return *len > 0;
}

uint32_t mark_arguments(const char *args)
{
    const char *from;
    size_t len;
    uint32_t n = 0;

    while (next_argument(&args, &from, &len))
        n++;
    return n;
}

/* "-4@", "8f@": *OUT's size and sign, and how long that is; 0: the argument does not begin so. */
static size_t read_size(const char *p, size_t len, struct mark_argument *out, bool *is_float)
{
    const char *at = memchr(p, '@', len), *from = p;

    if (!at)
        return 0;
    out->is_signed = *p == '-';
    p += out->is_signed;
    if (p == at || !strchr("1248", *p))
        return 0;
    out->size = (uint8_t)(*p++ - '0');
    *is_float = p < at && *p == 'f';
    p += *is_float;
    return p == at ? (size_t)(at + 1 - from) : 0;
}

bool mark_argument(const struct arch *a, const char *args, uint32_t n, struct mark_argument *out,
                   const char **why)
{
    const char *from;
    size_t len, head;
    bool is_float = false;

    *out = (struct mark_argument){.size = 0};
    *why = "the mark has no such argument";
    for (uint32_t i = 0; i <= n; i++)
        if (!next_argument(&args, &from, &len))
            return false;
    head = read_size(from, len, out, &is_float);
    *why = "where it is is told in a way that is not read yet";
    if (!a->operand(from + head, len - head, &out->at))
        return false;
    *why = "it is a floating point number, which is not read yet";
    if (is_float || out->at.kind == OPERAND_FLOAT)
        return false;
    if (!out->size) /* what assembler wrote by hand */
        out->size = out->at.kind == OPERAND_REGISTER ? out->at.size : 8;
    return true;
}
