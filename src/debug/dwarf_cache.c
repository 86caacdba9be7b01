/*
 * dwarf_cache: keeps indexes from one run to the next in the folder index/ of the cache
 * (base/cachefile.h). Enters and leaves: an index's block. Its key is the SHA-256 of the debug
 * sections that it was made from, since containers share the cache and build-ids are what their
 * owners say.
 */
#include <nettle/sha2.h>
#include <string.h>

#include "debug/dwarf_priv.h"
#include "debug/index_format.h"

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

static void make_key(const struct dwarf *d, uint8_t key[CACHEFILE_KEY_SIZE])
{
    struct sha256_ctx ctx;
    uint32_t version = INDEX_VERSION;

    sha256_init(&ctx);
    sha256_update(&ctx, sizeof(version), (const uint8_t *)&version);
    hash_file(&ctx, d->image.elf);
    sha256_update(&ctx, 1, (const uint8_t *)(d->alt_dw ? "+" : "."));
    hash_file(&ctx, d->alt_image.elf);
    sha256_digest(&ctx, CACHEFILE_KEY_SIZE, key);
}

void *cache_load(const struct dwarf *d, uint8_t key[CACHEFILE_KEY_SIZE], size_t *size)
{
    make_key(d, key);
    return cachefile_load("index", key, size);
}

void cache_save(const uint8_t key[CACHEFILE_KEY_SIZE], const void *block, size_t size)
{
    cachefile_save("index", key, block, size);
}
