/*
 * debugfile: finds separate debug information the way debuggers do (GDB manual, "Separate Debug
 * Files"). Enters: a module's file, its build-id, the target's root and the host's; leaves: an open
 * ELF file whose build-id (or, without one, checksum) is the module's. Refused, and said: files of
 * another build, sections that expand to more than DEBUG_SIZE_MAX.
 */
#include <dlfcn.h>
#include <dwarf.h>
#include <elfutils/libdwelf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/stat.h>

#include "target/debugfile.h"

#ifndef ELFCOMPRESS_ZSTD
#define ELFCOMPRESS_ZSTD 2 /* gABI, 2022; missing in older elf.h */
#endif

#define DEBUG_SIZE_MAX ((uint64_t)2 << 30) /* all debug sections of a file, expanded */

/* ---- opening ---- */

bool elf_file_open(struct elf_file *f, int fd)
{
    *f = (struct elf_file){.fd = fd};
    f->elf = fd >= 0 ? elf_open(fd) : NULL;
    if (f->elf)
        return true;
    if (fd >= 0)
        close(fd);
    f->fd = -1;
    return false;
}

void elf_file_close(struct elf_file *f)
{
    if (f->elf) {
        elf_end(f->elf);
        close(f->fd);
        free(f->image);
    }
    *f = (struct elf_file){.fd = -1};
}

/* The name of a section when it is one of debug information, else NULL. */
static const char *debug_section(Elf *elf, Elf_Scn *scn, GElf_Shdr *sh)
{
    size_t shstrndx;

    if (!gelf_getshdr(scn, sh) || sh->sh_type == SHT_NOBITS || !sh->sh_size ||
        elf_getshdrstrndx(elf, &shstrndx))
        return NULL;
    const char *name = elf_strptr(elf, shstrndx, sh->sh_name);

    return name && (!strncmp(name, ".debug_", 7) || !strncmp(name, ".zdebug_", 8)) ? name : NULL;
}

bool elf_file_has_debug(const struct elf_file *f)
{
    Elf_Scn *scn = NULL;
    GElf_Shdr sh;

    while ((scn = elf_nextscn(f->elf, scn))) {
        const char *name = debug_section(f->elf, scn, &sh);

        if (name && (!strcmp(name, ".debug_info") || !strcmp(name, ".zdebug_info")))
            return true;
    }
    return false;
}

/* ---- zstd ---- */

/*
 * libelf has zstd since elfutils 0.189. Before, the file is copied with these sections expanded at
 * its end. libzstd is asked for only then; dpkg depends on it, so it is there without being a
 * dependency.
 */
typedef size_t zstd_decompress(void *dst, size_t dst_size, const void *src, size_t src_size);

static zstd_decompress *find_zstd(void **lib)
{
    void *symbol;
    zstd_decompress *fn;

    *lib = dlopen("libzstd.so.1", RTLD_NOW | RTLD_LOCAL);
    symbol = *lib ? dlsym(*lib, "ZSTD_decompress") : NULL;
    memcpy(&fn, &symbol, sizeof(fn)); /* POSIX's way from an object pointer to a function pointer */
    return fn;
}

static bool expand_one(zstd_decompress *zstd, char *image, uint64_t file_size, Elf64_Shdr *sh,
                       uint64_t *at)
{
    Elf64_Chdr ch;

    if (sh->sh_offset > file_size || sh->sh_size > file_size - sh->sh_offset ||
        sh->sh_size < sizeof(ch))
        return false;
    memcpy(&ch, image + sh->sh_offset, sizeof(ch));
    size_t got =
        zstd(image + *at, ch.ch_size, image + sh->sh_offset + sizeof(ch), sh->sh_size - sizeof(ch));

    if (got != ch.ch_size)
        return false;
    sh->sh_flags &= ~(uint64_t)SHF_COMPRESSED;
    sh->sh_offset = *at;
    sh->sh_size = ch.ch_size;
    sh->sh_addralign = ch.ch_addralign ? ch.ch_addralign : 1;
    *at += (ch.ch_size + 15) & ~(uint64_t)15;
    return true;
}

static bool expand_zstd(struct arena *a, struct elf_file *f, uint64_t expanded, uint32_t n,
                        const char **why)
{
    struct stat st;
    void *lib;
    char *image = NULL;
    zstd_decompress *zstd = find_zstd(&lib);
    Elf64_Ehdr eh;
    uint64_t size = 0;

    *why = "its sections are compressed with zstd, and libzstd.so.1 is not installed";
    if (!zstd)
        goto out;
    *why = "its zstd-compressed sections cannot be expanded";
    if (fstat(f->fd, &st) || st.st_size > (off_t)DEBUG_SIZE_MAX)
        goto out;
    uint64_t file_size = ((uint64_t)st.st_size + 15) & ~(uint64_t)15;

    size = file_size + expanded + (uint64_t)n * 16;
    image = calloc(1, size);
    if (!image)
        goto out;
    for (off_t at = 0; at < st.st_size;) {
        ssize_t got = pread(f->fd, image + at, (size_t)(st.st_size - at), at);

        if (got <= 0 && !(got < 0 && errno == EINTR))
            goto out;
        if (got > 0)
            at += got;
    }
    memcpy(&eh, image, sizeof(eh));
    uint64_t at = file_size;
    uint32_t shnum;
    size_t count;

    if (eh.e_ident[EI_CLASS] != ELFCLASS64 || eh.e_shentsize != sizeof(Elf64_Shdr) ||
        elf_getshdrnum(f->elf, &count))
        goto out;
    shnum = (uint32_t)count;
    if (eh.e_shoff > (uint64_t)st.st_size ||
        shnum > ((uint64_t)st.st_size - eh.e_shoff) / sizeof(Elf64_Shdr))
        goto out;
    for (uint32_t i = 0; i < shnum; i++) {
        char *place = image + eh.e_shoff + (uint64_t)i * sizeof(Elf64_Shdr);
        Elf64_Shdr sh;
        Elf64_Chdr ch;

        memcpy(&sh, place, sizeof(sh));
        if (!(sh.sh_flags & SHF_COMPRESSED) || sh.sh_type == SHT_NOBITS ||
            sh.sh_offset > (uint64_t)st.st_size || (uint64_t)st.st_size - sh.sh_offset < sizeof(ch))
            continue;
        memcpy(&ch, image + sh.sh_offset, sizeof(ch));
        if (ch.ch_type != ELFCOMPRESS_ZSTD)
            continue;
        if (ch.ch_size > size - at || !expand_one(zstd, image, (uint64_t)st.st_size, &sh, &at))
            goto out;
        memcpy(place, &sh, sizeof(sh));
    }
    Elf *elf = elf_memory(image, size);

    if (!elf)
        goto out;
    elf_end(f->elf);
    f->elf = elf;
    f->image = image;
    dlclose(lib);
    *why = NULL;
    return true;
out:
    free(image);
    if (lib)
        dlclose(lib);
    (void)a;
    return false;
}

bool elf_file_prepare(struct arena *a, struct elf_file *f, const char **why)
{
    Elf_Scn *scn = NULL;
    GElf_Shdr sh;
    uint64_t total = 0, zstd_size = 0;
    uint32_t n_zstd = 0;

    *why = NULL;
    while ((scn = elf_nextscn(f->elf, scn))) {
        const char *name = debug_section(f->elf, scn, &sh);
        uint64_t size = sh.sh_size;

        if (!name)
            continue;
        if (sh.sh_flags & SHF_COMPRESSED) {
            Elf_Data *raw = elf_rawdata(scn, NULL);
            GElf_Chdr ch;
            Elf64_Chdr head;

            /* libelf refuses types it does not know: look at the header itself then. */
            if (gelf_getchdr(scn, &ch)) {
                size = ch.ch_size;
            } else if (raw && raw->d_buf && raw->d_size >= sizeof(head)) {
                memcpy(&head, raw->d_buf, sizeof(head));
                ch = (GElf_Chdr){.ch_type = head.ch_type, .ch_size = head.ch_size};
                size = ch.ch_size;
            } else {
                *why = "a compressed section has no sound header";
                return false;
            }
            if (ch.ch_type == ELFCOMPRESS_ZSTD) {
                zstd_size = size > DEBUG_SIZE_MAX ? DEBUG_SIZE_MAX : zstd_size + size;
                n_zstd++;
            }
        } else if (name[1] == 'z') { /* "ZLIB", then the size, big-endian */
            Elf_Data *raw = elf_rawdata(scn, NULL);
            const unsigned char *p = raw ? raw->d_buf : NULL;

            if (p && raw->d_size >= 12 && !memcmp(p, "ZLIB", 4)) {
                size = 0;
                for (int i = 4; i < 12; i++)
                    size = size << 8 | p[i];
            }
        }
        if (size > DEBUG_SIZE_MAX || (total += size) > DEBUG_SIZE_MAX) {
            *why = arena_printf(a, "its debug sections say they are over %llu bytes long",
                                (unsigned long long)DEBUG_SIZE_MAX);
            return false;
        }
    }
    return !n_zstd || expand_zstd(a, f, zstd_size, n_zstd, why);
}

/* ---- finding ---- */

static void say_looked(struct search *s, const struct sysroot *r, const char *path)
{
    s->looked = arena_printf(s->a, "%s%s%s%s", s->looked ? s->looked : "", s->looked ? ", " : "",
                             sysroot_dir(r), path);
}

static void say_refused(struct search *s, const struct sysroot *r, const char *path,
                        const char *why)
{
    s->refused = arena_printf(s->a, "%s%s%s%s: %s", s->refused ? s->refused : "",
                              s->refused ? "; " : "", sysroot_dir(r), path, why);
}

/* The checksum of .gnu_debuglink (GDB manual): CRC-32 as zlib's, over the whole file. */
static bool crc_of(int fd, uint32_t *out)
{
    uint32_t table[256], crc = 0xffffffff;
    unsigned char buf[65536];
    off_t at = 0;

    for (uint32_t i = 0; i < 256; i++) {
        uint32_t c = i;

        for (int bit = 0; bit < 8; bit++)
            c = c & 1 ? 0xedb88320 ^ (c >> 1) : c >> 1;
        table[i] = c;
    }
    for (;;) {
        ssize_t got = pread(fd, buf, sizeof(buf), at);

        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return false;
        if (got == 0)
            break;
        for (ssize_t i = 0; i < got; i++)
            crc = table[(crc ^ buf[i]) & 255] ^ (crc >> 8);
        at += got;
    }
    *out = crc ^ 0xffffffff;
    return true;
}

/* Is the file at PATH below R the debug file wanted? CRC: the debuglink's, or NULL. */
static bool try_file(struct search *s, const struct sysroot *r, const char *path,
                     const struct build_id *id, const uint32_t *crc, struct elf_file *out)
{
    int fd = sysroot_open(r, path);
    struct build_id theirs;
    uint32_t sum;

    say_looked(s, r, path);
    if (fd < 0) {
        if (errno != ENOENT && errno != ENOTDIR)
            say_refused(s, r, path,
                        errno == EINVAL || errno == EISDIR ? "not a regular file"
                                                           : strerror(errno));
        return false;
    }
    if (!elf_file_open(out, fd)) {
        say_refused(s, r, path, "not a sound ELF file");
        return false;
    }
    if (!elf_file_has_debug(out)) {
        say_refused(s, r, path, "it has no debug information");
    } else if (id->len) {
        if (elf_build_id_of(out->elf, out->fd, &theirs) && build_id_equal(id, &theirs))
            return true;
        say_refused(s, r, path,
                    theirs.len ? arena_printf(s->a, "it is of another build (build-id %s)",
                                              build_id_text(s->a, &theirs))
                               : "it has no build-id to tell whether it fits");
    } else if (crc && crc_of(out->fd, &sum)) {
        if (sum == *crc)
            return true;
        say_refused(s, r, path, "its checksum is not the one that .gnu_debuglink names");
    } else {
        say_refused(s, r, path, "the module has no build-id to tell whether it fits");
    }
    elf_file_close(out);
    return false;
}

static const char *id_path(struct arena *a, const struct build_id *id)
{
    const char *hex = build_id_text(a, id);

    return arena_printf(a, "/usr/lib/debug/.build-id/%.2s/%s.debug", hex, hex + 2);
}

bool debugfile_find(struct search *s, const struct sysroot *root, const struct sysroot *host,
                    const char *path, const struct build_id *id, const struct elf_file *main,
                    struct elf_file *out, const char **name, const struct sysroot **from)
{
    const struct sysroot *roots[] = {root, sysroot_is_host(root) ? NULL : host};
    GElf_Word crc = 0;
    const char *link = dwelf_elf_gnu_debuglink(main->elf, &crc);
    const char *slash = strrchr(path, '/');
    const char *dir = slash ? arena_strndup(s->a, path, (size_t)(slash - path)) : "";
    uint32_t sum = crc;

    /* The name comes out of an untrusted file: a plain file name, or nothing. */
    if (link && (!*link || strchr(link, '/') || !strcmp(link, ".") || !strcmp(link, "..") ||
                 strnlen(link, 256) == 256))
        link = NULL;
    for (int i = 0; i < 2 && roots[i]; i++) {
        bool beside = i == 0; /* the host has no business with the container's directories */
        const char *places[5] = {
            id->len > 1 ? id_path(s->a, id) : NULL,
            link && beside ? arena_printf(s->a, "%s/%s", dir, link) : NULL,
            link && beside ? arena_printf(s->a, "%s/.debug/%s", dir, link) : NULL,
            link ? arena_printf(s->a, "/usr/lib/debug%s/%s", dir, link) : NULL,
            beside && id->len ? arena_printf(s->a, "%s.debug", path) : NULL,
        };

        for (size_t p = 0; p < sizeof(places) / sizeof(*places); p++) {
            if (!places[p] || !strcmp(places[p], path) ||
                (p == 4 && link && places[1] && !strcmp(places[1], places[4])))
                continue;
            if (try_file(s, roots[i], places[p], id, link ? &sum : NULL, out)) {
                *name = places[p];
                *from = roots[i];
                return true;
            }
        }
    }
    return false;
}

bool debugfile_find_alt(struct search *s, const struct sysroot *from, const char *name,
                        const char *alt_name, const struct build_id *id, struct elf_file *out)
{
    const char *slash = strrchr(name, '/');
    const char *places[2] = {NULL, id->len > 1 ? id_path(s->a, id) : NULL};

    if (alt_name[0] == '/')
        places[0] = arena_strndup(s->a, alt_name, strnlen(alt_name, 4096));
    else if (slash)
        places[0] = arena_printf(s->a, "%.*s/%.4096s", (int)(slash - name), name, alt_name);
    for (int i = 0; i < 2; i++)
        if (places[i] && try_file(s, from, places[i], id, NULL, out))
            return true;
    return false;
}
