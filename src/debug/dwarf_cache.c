/*
 * dwarf_cache: keeps indexes from one run to the next in the folder index/ of the cache
 * (base/cachedir.h). Enters and leaves: an index's block. A file is named by the SHA-256 of the
 * debug sections that it was made from, since containers share the cache and build-ids are what
 * their owners say. It holds a sum of itself, which shows damage. It is written beside and renamed,
 * so that a reader sees a whole file or none. Refused: files that are not ours, or with another sum
 * or key. No failure here is an error: the run goes without a cache.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <nettle/sha2.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cachedir.h"
#include "debug/dwarf_priv.h"
#include "debug/index_format.h"

enum { CACHE_FILE_MAX = 1 << 30, FILE_NAME_SIZE = 2 * INDEX_KEY_SIZE + 1 };

static int cache_dir(bool make)
{
    char path[PATH_MAX];

    return cachedir_find("index", make, path) ? open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
}

/* ---- key and sum ---- */

/* What an index is made from: DIEs, their forms, their names. Each section with its name and
 * length. */
static void hash_file(struct sha256_ctx *ctx, Elf *elf)
{
    static const char *const names[] = {".debug_info", ".debug_types",    ".debug_abbrev",
                                        ".debug_str",  ".debug_line_str", ".debug_str_offsets"};
    Elf_Scn *scn = NULL;
    size_t strings;

    if (!elf || elf_getshdrstrndx(elf, &strings))
        return;
    while ((scn = elf_nextscn(elf, scn))) {
        GElf_Shdr sh;
        const char *name = gelf_getshdr(scn, &sh) ? elf_strptr(elf, strings, sh.sh_name) : NULL;

        for (size_t i = 0; name && i < sizeof(names) / sizeof(*names); i++) {
            Elf_Data *d = strcmp(name, names[i]) ? NULL : elf_rawdata(scn, NULL);
            uint64_t head[2] = {i, d ? d->d_size : 0};

            if (!d || !d->d_buf)
                continue;
            sha256_update(ctx, sizeof(head), (const uint8_t *)head);
            sha256_update(ctx, d->d_size, d->d_buf);
        }
    }
}

static void make_key(const struct dwarf *d, uint8_t key[INDEX_KEY_SIZE])
{
    struct sha256_ctx ctx;
    uint32_t version = INDEX_VERSION;

    sha256_init(&ctx);
    sha256_update(&ctx, sizeof(version), (const uint8_t *)&version);
    hash_file(&ctx, d->image.elf);
    sha256_update(&ctx, 1, (const uint8_t *)(d->alt_dw ? "+" : "."));
    hash_file(&ctx, d->alt_image.elf);
    sha256_digest(&ctx, INDEX_KEY_SIZE, key);
}

static void make_sum(const void *block, size_t size, uint8_t sum[INDEX_KEY_SIZE])
{
    const size_t at = offsetof(struct index_header, sum), end = at + INDEX_KEY_SIZE;
    static const uint8_t zero[INDEX_KEY_SIZE];
    struct sha256_ctx ctx;

    sha256_init(&ctx);
    sha256_update(&ctx, at, block);
    sha256_update(&ctx, sizeof(zero), zero);
    sha256_update(&ctx, size - end, (const uint8_t *)block + end);
    sha256_digest(&ctx, INDEX_KEY_SIZE, sum);
}

static void file_name(const uint8_t key[INDEX_KEY_SIZE], char name[FILE_NAME_SIZE])
{
    for (int i = 0; i < INDEX_KEY_SIZE; i++)
        sprintf(name + 2 * i, "%02x", key[i]);
}

/* ---- files ---- */

static char *read_whole(int fd, size_t size)
{
    char *block = malloc(size);
    size_t done = 0;

    while (block && done < size) {
        ssize_t got = read(fd, block + done, size - done);

        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0) {
            free(block);
            return NULL;
        }
        done += (size_t)got;
    }
    return block;
}

/* Is BLOCK what cache_save wrote for this key? */
static bool is_whole(const void *block, size_t size, const uint8_t key[INDEX_KEY_SIZE])
{
    const struct index_header *h = block;
    uint8_t sum[INDEX_KEY_SIZE];

    if (size < sizeof(*h) || memcmp(h->key, key, sizeof(h->key)) != 0)
        return false;
    make_sum(block, size, sum);
    return !memcmp(h->sum, sum, sizeof(sum));
}

void *cache_load(const struct dwarf *d, uint8_t key[INDEX_KEY_SIZE], size_t *size)
{
    char name[FILE_NAME_SIZE], *block = NULL;
    struct stat st;
    int dir = cache_dir(false);

    make_key(d, key);
    if (dir < 0)
        return NULL;
    file_name(key, name);
    int fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);

    close(dir);
    if (fd < 0)
        return NULL;
    if (!fstat(fd, &st) && S_ISREG(st.st_mode) && st.st_uid == geteuid() && st.st_size > 0 &&
        st.st_size <= CACHE_FILE_MAX) {
        *size = (size_t)st.st_size;
        block = read_whole(fd, *size);
    }
    close(fd);
    if (block && !is_whole(block, *size, key)) {
        free(block);
        return NULL;
    }
    return block;
}

void cache_save(const uint8_t key[INDEX_KEY_SIZE], void *block, size_t size)
{
    struct index_header *h = block;
    char name[FILE_NAME_SIZE], beside[FILE_NAME_SIZE + 32];

    if (size > CACHE_FILE_MAX)
        return;
    int dir = cache_dir(true);

    if (dir < 0)
        return;
    memcpy(h->key, key, sizeof(h->key));
    make_sum(block, size, h->sum);
    file_name(key, name);
    snprintf(beside, sizeof(beside), "%s.%ld.tmp", name, (long)getpid());
    int fd = openat(dir, beside, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    const char *p = block;
    size_t left = size;

    while (fd >= 0 && left) {
        ssize_t put = write(fd, p, left);

        if (put < 0 && errno == EINTR)
            continue;
        if (put <= 0)
            break;
        p += put;
        left -= (size_t)put;
    }
    if (fd >= 0) {
        bool whole = !close(fd) && !left;

        if (!whole || renameat(dir, beside, dir, name))
            unlinkat(dir, beside, 0);
    }
    close(dir);
}
