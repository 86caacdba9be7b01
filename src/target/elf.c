/*
 * elf: what an ELF file says without its debug information: build-id, segments, symbols. Enters:
 * an open file, untrusted; leaves: checked copies in the arena. Refused: whatever libelf does not
 * take, 32-bit and foreign-endian offsets included as far as they do not fit their file.
 *
 * Files are read, never mapped: a mapped file that its owner truncates kills the reader with
 * SIGBUS.
 */
#include <ctype.h>
#include <errno.h>
#include <gelf.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "target/elf_priv.h"
#include "target/target.h"

enum {
    SYMBOLS_MAX = 4 * 1024 * 1024,
    STRINGS_MAX = 512 * 1024 * 1024,
    NOTES_MAX = 64 * 1024,
    SYMBOL_NAME_MAX = 4096,
};

Elf *elf_open(int fd)
{
    struct stat st;

    elf_version(EV_CURRENT);
    if (fstat(fd, &st) || !S_ISREG(st.st_mode) || st.st_size < (off_t)sizeof(Elf32_Ehdr) ||
        st.st_size > ELF_FILE_MAX)
        return NULL;
    Elf *elf = elf_begin(fd, ELF_C_READ, NULL);

    if (elf && elf_kind(elf) == ELF_K_ELF)
        return elf;
    if (elf)
        elf_end(elf);
    return NULL;
}

/* The build-id among the notes of SIZE bytes; gABI: name and descriptor are padded to ALIGN. */
static bool find_build_id(const char *data, size_t size, bool swap, size_t align,
                          struct build_id *id)
{
    size_t off = 0;

    if (align != 8)
        align = 4;
    while (size - off >= 12) {
        uint32_t head[3];

        memcpy(head, data + off, sizeof(head));
        if (swap)
            for (int i = 0; i < 3; i++)
                head[i] = __builtin_bswap32(head[i]);
        uint64_t name = off + 12;
        uint64_t desc = (name + head[0] + align - 1) & ~(uint64_t)(align - 1);
        uint64_t next = (desc + head[1] + align - 1) & ~(uint64_t)(align - 1);

        if (desc > size || head[1] > size - desc)
            return false;
        if (head[2] == NT_GNU_BUILD_ID && head[0] == 4 && !memcmp(data + name, "GNU", 4) &&
            head[1] > 0 && head[1] <= BUILD_ID_MAX) {
            memset(id, 0, sizeof(*id));
            memcpy(id->bytes, data + desc, head[1]);
            id->len = head[1];
            return true;
        }
        if (next >= size)
            return false;
        off = next;
    }
    return false;
}

bool elf_notes_build_id(const char *data, size_t size, struct build_id *id)
{
    return size >= 12 && find_build_id(data, size, false, 4, id);
}

static bool read_fully(int fd, char *buf, size_t size, uint64_t off)
{
    while (size) {
        ssize_t got = pread(fd, buf, size, (off_t)off);

        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return false;
        buf += got;
        off += (uint64_t)got;
        size -= (size_t)got;
    }
    return true;
}

/*
 * By PT_NOTE, which a stripped file keeps; else by section: in a debug file made by objcopy
 * --only-keep-debug the segments' contents are gone and only the section is right.
 */
bool elf_build_id_of(Elf *elf, int fd, struct build_id *id)
{
    GElf_Ehdr eh;
    size_t n;
    struct build_id found = {.len = 0};

    id->len = 0;
    if (!gelf_getehdr(elf, &eh))
        return false;
    bool swap = eh.e_ident[EI_DATA] !=
                (__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? ELFDATA2LSB : ELFDATA2MSB);
    Elf_Scn *scn = NULL;

    while ((scn = elf_nextscn(elf, scn))) {
        GElf_Shdr sh;

        if (!gelf_getshdr(scn, &sh) || sh.sh_type != SHT_NOTE || sh.sh_size > NOTES_MAX)
            continue;
        char *buf = malloc(sh.sh_size + 1);

        if (buf && read_fully(fd, buf, sh.sh_size, sh.sh_offset) &&
            find_build_id(buf, sh.sh_size, swap, sh.sh_addralign, &found)) {
            free(buf);
            *id = found;
            return true;
        }
        free(buf);
    }
    if (elf_getphdrnum(elf, &n))
        return false;
    for (size_t i = 0; i < n && i < PHDRS_MAX; i++) {
        GElf_Phdr ph;

        if (!gelf_getphdr(elf, (int)i, &ph) || ph.p_type != PT_NOTE || ph.p_filesz > NOTES_MAX)
            continue;
        char *buf = malloc(ph.p_filesz + 1);

        if (buf && read_fully(fd, buf, ph.p_filesz, ph.p_offset) &&
            find_build_id(buf, ph.p_filesz, swap, ph.p_align, &found)) {
            free(buf);
            *id = found;
            return true;
        }
        free(buf);
    }
    return false;
}

bool elf_build_id(int fd, struct build_id *id)
{
    id->len = 0;
    Elf *elf = elf_open(fd);

    if (!elf)
        return false;
    bool found = elf_build_id_of(elf, fd, id);

    elf_end(elf);
    return found;
}

/* Finds the bytes of OUT's build-id among the loaded notes PH. */
static void find_id_vaddr(int fd, const GElf_Phdr *ph, struct elf_code *out)
{
    char *buf, *at;

    if (out->id_vaddr || !out->id.len || ph->p_filesz < out->id.len || ph->p_filesz > NOTES_MAX)
        return;
    buf = malloc(ph->p_filesz);
    if (buf && read_fully(fd, buf, ph->p_filesz, ph->p_offset)) {
        at = memmem(buf, ph->p_filesz, out->id.bytes, out->id.len);
        if (at)
            out->id_vaddr = ph->p_vaddr + (uint64_t)(at - buf);
    }
    free(buf);
}

bool elf_code(int fd, struct elf_code *out)
{
    Elf *elf = elf_open(fd);
    bool found = false;
    size_t n;

    *out = (struct elf_code){.offset = 0};
    if (!elf)
        return false;
    elf_build_id_of(elf, fd, &out->id);
    for (size_t i = 0; !elf_getphdrnum(elf, &n) && i < n && i < PHDRS_MAX; i++) {
        GElf_Phdr ph;

        if (!gelf_getphdr(elf, (int)i, &ph))
            continue;
        if (ph.p_type == PT_NOTE)
            find_id_vaddr(fd, &ph, out);
        if (found || ph.p_type != PT_LOAD || !(ph.p_flags & PF_X) || !ph.p_filesz)
            continue;
        found = true;
        out->offset = ph.p_offset;
        out->vaddr = ph.p_vaddr;
        out->size = ph.p_filesz;
    }
    if (!out->id_vaddr)
        out->id.len = 0;
    elf_end(elf);
    return found;
}

const char *build_id_text(struct arena *a, const struct build_id *id)
{
    char *text = arena_alloc(a, (size_t)id->len * 2 + 1);

    for (uint32_t i = 0; i < id->len && i < BUILD_ID_MAX; i++) {
        text[2 * i] = "0123456789abcdef"[id->bytes[i] >> 4];
        text[2 * i + 1] = "0123456789abcdef"[id->bytes[i] & 15];
    }
    return text;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)tolower((unsigned char)c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool build_id_parse(const char *hex, struct build_id *id)
{
    size_t len = strlen(hex);

    memset(id, 0, sizeof(*id));
    if (len == 0 || len % 2 || len / 2 > BUILD_ID_MAX)
        return false;
    for (size_t i = 0; i < len / 2; i++) {
        int high = hex_digit(hex[2 * i]), low = hex_digit(hex[2 * i + 1]);

        if (high < 0 || low < 0)
            return false;
        id->bytes[i] = (uint8_t)(high << 4 | low);
    }
    id->len = (uint32_t)(len / 2);
    return true;
}

bool build_id_equal(const struct build_id *a, const struct build_id *b)
{
    return a->len && a->len == b->len && a->len <= BUILD_ID_MAX &&
           !memcmp(a->bytes, b->bytes, a->len);
}

bool elf_vaddr_to_offset(int fd, uint64_t vaddr, uint64_t *offset)
{
    Elf *elf = elf_open(fd);
    size_t n;
    bool found = false;

    if (!elf)
        return false;
    if (elf_getphdrnum(elf, &n))
        n = 0;
    for (size_t i = 0; i < n && i < PHDRS_MAX && !found; i++) {
        GElf_Phdr ph;

        if (!gelf_getphdr(elf, (int)i, &ph) || ph.p_type != PT_LOAD || vaddr < ph.p_vaddr ||
            vaddr - ph.p_vaddr >= ph.p_filesz)
            continue;
        found = !__builtin_add_overflow(vaddr - ph.p_vaddr, ph.p_offset, offset);
    }
    elf_end(elf);
    return found;
}

/* ---- symbols ---- */

static int by_address(const void *a, const void *b)
{
    const struct elf_symbol *x = a, *y = b;

    if (x->vaddr != y->vaddr)
        return x->vaddr < y->vaddr ? -1 : 1;
    if (x->is_func != y->is_func)
        return x->is_func ? -1 : 1;
    if (x->size != y->size)
        return x->size > y->size ? -1 : 1;
    return strcmp(x->name, y->name);
}

static bool is_wanted(const GElf_Sym *sym)
{
    int type = GELF_ST_TYPE(sym->st_info);

    /* An STT_GNU_IFUNC's address is its resolver's, no function anybody calls. TLS values are
     * offsets. */
    return sym->st_shndx != SHN_UNDEF && sym->st_shndx != SHN_ABS && sym->st_value &&
           (type == STT_FUNC || type == STT_OBJECT || type == STT_NOTYPE || type == STT_GNU_IFUNC);
}

struct elf_symbols elf_symbols_of(struct arena *a, Elf *elf, bool *full)
{
    struct elf_symbols out = {0};
    Elf_Scn *scn = NULL, *symtab = NULL, *dynsym = NULL;
    GElf_Shdr sh;

    *full = false;
    while ((scn = elf_nextscn(elf, scn))) {
        if (!gelf_getshdr(scn, &sh))
            continue;
        if (sh.sh_type == SHT_SYMTAB && !symtab)
            symtab = scn;
        if (sh.sh_type == SHT_DYNSYM && !dynsym)
            dynsym = scn;
    }
    scn = symtab ? symtab : dynsym;
    if (!scn || !gelf_getshdr(scn, &sh) || !sh.sh_entsize)
        return out;
    Elf_Data *data = elf_getdata(scn, NULL);
    Elf_Scn *strings = elf_getscn(elf, sh.sh_link);
    Elf_Data *text = strings ? elf_getdata(strings, NULL) : NULL;

    if (!data || !data->d_buf || !text || !text->d_buf || !text->d_size ||
        text->d_size > STRINGS_MAX)
        return out;
    uint64_t n = data->d_size / sh.sh_entsize;

    if (n > SYMBOLS_MAX)
        n = SYMBOLS_MAX;
    /* One copy of the string table serves all names: the ELF handle may go before the arena does.
     */
    char *names = arena_alloc(a, text->d_size + 1);

    memcpy(names, text->d_buf, text->d_size);
    out.v = arena_calloc(a, n ? n : 1, sizeof(*out.v));
    for (uint64_t i = 0; i < n; i++) {
        GElf_Sym sym;

        if (!gelf_getsym(data, (int)i, &sym) || !is_wanted(&sym) || sym.st_name >= text->d_size)
            continue;
        const char *name = names + sym.st_name;

        if (!*name || strnlen(name, SYMBOL_NAME_MAX) == SYMBOL_NAME_MAX)
            continue;
        out.v[out.n++] = (struct elf_symbol){
            .vaddr = sym.st_value,
            .size = sym.st_size,
            .name = name,
            .is_func = GELF_ST_TYPE(sym.st_info) == STT_FUNC,
        };
    }
    qsort(out.v, out.n, sizeof(*out.v), by_address);
    *full = symtab && out.n;
    return out;
}

struct elf_symbols elf_symbols_read(struct arena *a, int fd)
{
    struct elf_symbols none = {0};
    Elf *elf = elf_open(fd);
    bool full;

    if (!elf)
        return none;
    struct elf_symbols s = elf_symbols_of(a, elf, &full);

    elf_end(elf);
    return s;
}

const struct elf_symbol *elf_symbol_at(const struct elf_symbols *s, uint64_t vaddr)
{
    uint32_t low = 0, high = s->n;

    while (low < high) { /* the first symbol above VADDR */
        uint32_t mid = low + (high - low) / 2;

        if (s->v[mid].vaddr <= vaddr)
            low = mid + 1;
        else
            high = mid;
    }
    /* Of several at one address the first is best (functions, then the largest). Symbols can lie
     * inside others (labels in assembly): look back a little for one that reaches up to VADDR. */
    uint32_t next = low;

    for (uint32_t back = 0; next > 0 && back < 64; back++) {
        uint32_t i = next - 1;

        while (i > 0 && s->v[i - 1].vaddr == s->v[i].vaddr)
            i--;
        const struct elf_symbol *sym = &s->v[i];

        if (sym->size ? vaddr - sym->vaddr < sym->size : back == 0)
            return sym;
        next = i;
    }
    return NULL;
}
