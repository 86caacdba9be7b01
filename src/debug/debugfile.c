/*
 * debugfile: finds separate debug information the way debuggers do (GDB manual, "Separate Debug
 * Files"). Enters: a module's file, its build-id, the target's root and the host's; leaves: an open
 * ELF file whose build-id (or, without one, checksum) is the module's. Refused, and said: files of
 * another build.
 */
#include <dwarf.h>
#include <elfutils/libdwelf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/stat.h>

#include "base/bounds.h"
#include "debug/debugfile.h"

bool elf_file_has_debug(const struct elf_file *f)
{
    Elf_Scn *scn = NULL;
    GElf_Shdr sh;
    size_t strings;

    if (elf_getshdrstrndx(f->elf, &strings))
        return false;
    while ((scn = elf_nextscn(f->elf, scn))) {
        const char *name = gelf_getshdr(scn, &sh) && sh.sh_type != SHT_NOBITS && sh.sh_size
                               ? elf_strptr(f->elf, strings, sh.sh_name)
                               : NULL;

        if (name && (!strcmp(name, ".debug_info") || !strcmp(name, ".zdebug_info")))
            return true;
    }
    return false;
}

/* ---- finding ---- */

void search_looked(struct search *s, const char *dir, const char *path)
{
    s->looked = arena_printf(s->a, "%s%s%s%s", s->looked ? s->looked : "", s->looked ? ", " : "",
                             dir, path);
}

void search_refused(struct search *s, const char *dir, const char *path, const char *why)
{
    s->refused = arena_printf(s->a, "%s%s%s%s: %s", s->refused ? s->refused : "",
                              s->refused ? "; " : "", dir, path, why);
}

const char *debugfile_misfit(struct arena *a, const struct elf_file *f, const struct build_id *id)
{
    struct build_id theirs;

    if (!elf_file_has_debug(f))
        return "it has no debug information";
    if (elf_build_id_of(f->elf, f->fd, &theirs) && build_id_equal(id, &theirs))
        return NULL;
    return theirs.len
               ? arena_printf(a, "it is of another build (build-id %s)", build_id_text(a, &theirs))
               : "it has no build-id to tell whether it fits";
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

static void note(struct search *s, const struct sysroot *r, const char *path, int fd)
{
    struct debuginfo *di = s->di;
    struct looked *l = ARENA_NEW(s->a, struct looked);
    struct stat st;

    if (!di)
        return;
    *l = (struct looked){.path = path, .host = r == di->host};
    if (fd >= 0 && !fstat(fd, &st))
        file_identity(&st, &l->id);
    *di->last_looked = l;
    di->last_looked = &l->next;
}

/* Is the file at PATH below R the debug file wanted? CRC: the debuglink's, or NULL. */
static bool try_file(struct search *s, const struct sysroot *r, const char *path,
                     const struct build_id *id, const uint32_t *crc, struct elf_file *out)
{
    int fd = sysroot_open(r, path);
    uint32_t sum;

    search_looked(s, sysroot_dir(r), path);
    note(s, r, path, fd);
    if (fd < 0) {
        if (errno != ENOENT && errno != ENOTDIR)
            search_refused(s, sysroot_dir(r), path,
                           errno == EINVAL || errno == EISDIR ? "not a regular file"
                                                              : strerror(errno));
        return false;
    }
    if (!elf_file_open(out, fd)) {
        search_refused(s, sysroot_dir(r), path, "not a sound ELF file");
        return false;
    }
    if (id->len || !elf_file_has_debug(out)) {
        const char *why = debugfile_misfit(s->a, out, id);

        if (!why)
            return true;
        search_refused(s, sysroot_dir(r), path, why);
    } else if (crc && crc_of(out->fd, &sum)) {
        if (sum == *crc)
            return true;
        search_refused(s, sysroot_dir(r), path,
                       "its checksum is not the one that .gnu_debuglink names");
    } else {
        search_refused(s, sysroot_dir(r), path,
                       "the module has no build-id to tell whether it fits");
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
                    const struct build_id *id, const struct elf_file *main, struct elf_file *out,
                    const char **name, const struct sysroot **from)
{
    const char *path = s->module;
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
