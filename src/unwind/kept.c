/*
 * kept: the rows of large files from one run to the next, in the folder unwind/ of the cache
 * (base/cachefile.h). Enters: an open ELF file, untrusted; leaves: its rows. Their key is a hash of
 * the sections that rows are made of and of where they lie: a build-id is what the file's owner
 * says, and containers share the cache. Refused: what was kept and does not hold together.
 */
#include "unwind/unwind.h"

#include <nettle/sha2.h>
#include <stdlib.h>
#include <string.h>

#include "base/cachefile.h"
#include "target/elf.h"

/* Rows of smaller sections are made as fast as they are found; larger ones have none. Of all such
 * sections of a file together: a hostile one has thousands. */
enum { SECTIONS_LEAST = 8 * 1024, SECTIONS_MAX = 64 * 1024 * 1024 };

#define FOLDER "unwind"

/* ---- the key ---- */

static bool is_source(const char *name)
{
    return name && (!strcmp(name, ".eh_frame") || !strcmp(name, ".debug_frame") ||
                    !strcmp(name, ".zdebug_frame"));
}

/* Takes in those sections of a file, whose bytes are added to *ALL. */
static bool hash_file(struct sha256_ctx *ctx, int fd, uint64_t *all)
{
    Elf *elf = elf_open(fd);
    Elf_Scn *scn = NULL;
    GElf_Ehdr eh;
    size_t names;
    bool ok = elf && gelf_getehdr(elf, &eh) && !elf_getshdrstrndx(elf, &names);
    const uint64_t machine = ok ? eh.e_machine : 0;

    sha256_update(ctx, sizeof(machine), (const uint8_t *)&machine);
    while (ok && (scn = elf_nextscn(elf, scn))) {
        GElf_Shdr sh;

        if (!gelf_getshdr(scn, &sh) || sh.sh_type == SHT_NOBITS ||
            !is_source(elf_strptr(elf, names, sh.sh_name)))
            continue;
        Elf_Data *data = sh.sh_size <= SECTIONS_MAX - *all ? elf_rawdata(scn, NULL) : NULL;
        const uint64_t at[] = {sh.sh_addr, sh.sh_flags, sh.sh_size};

        ok = data && data->d_buf;
        if (!ok)
            break;
        *all += data->d_size;
        sha256_update(ctx, strlen(elf_strptr(elf, names, sh.sh_name)) + 1,
                      (const uint8_t *)elf_strptr(elf, names, sh.sh_name));
        sha256_update(ctx, sizeof(at), (const uint8_t *)at);
        sha256_update(ctx, data->d_size, data->d_buf);
    }
    elf_end(elf);
    return ok;
}

/* False: the file has no such section, or is not worth it. */
static bool make_key(int fd, int debug_fd, uint8_t key[CACHEFILE_KEY_SIZE])
{
    const uint64_t version[] = {UNWIND_VERSION, NGS_OBJ_VERSION, NGS_CFA_OUTERMOST};
    struct sha256_ctx ctx;
    uint64_t all = 0;

    sha256_init(&ctx);
    sha256_update(&ctx, sizeof(version), (const uint8_t *)version);
    bool ok = hash_file(&ctx, fd, &all) && all >= SECTIONS_LEAST &&
              (debug_fd < 0 || hash_file(&ctx, debug_fd, &all));

    sha256_digest(&ctx, CACHEFILE_KEY_SIZE, key);
    return ok;
}

/* ---- reading ---- */

/* As unwind_make leaves them: rows in order, blocks of rows that are there. */
static bool is_sound(const struct unwind_rows *r)
{
    const struct ngs_block *blocks = (const struct ngs_block *)(r->v + r->n);

    for (uint32_t i = 0; i < r->n; i++)
        if (i && r->v[i - 1].pc >= r->v[i].pc)
            return false;
    for (uint32_t i = 0; i < r->n_blocks; i++)
        if (!blocks[i].n || blocks[i].n > NGS_BLOCK_ROWS || blocks[i].first >= r->n ||
            blocks[i].n > r->n - blocks[i].first)
            return false;
    return r->first_block == r->v[0].pc >> NGS_BLOCK_SHIFT;
}

bool unwind_take(void *data, size_t size, struct unwind_rows *out)
{
    struct unwind_head h;

    if (size >= sizeof(h)) {
        memcpy(&h, data, sizeof(h));
        size -= sizeof(h);
        if (h.n && h.n <= UNWIND_ROWS_MAX && h.n_blocks <= UNWIND_BLOCKS_MAX &&
            size == ((size_t)h.n + h.n_blocks) * sizeof(*out->v)) {
            memmove(data, (char *)data + sizeof(h), size);
            *out = (struct unwind_rows){data, h.n, h.n, h.n_blocks, h.first_block};
            if (is_sound(out))
                return true;
        }
    }
    free(data);
    *out = (struct unwind_rows){0};
    return false;
}

static bool load(const uint8_t key[CACHEFILE_KEY_SIZE], struct unwind_rows *out)
{
    size_t size;
    char *data = cachefile_load(FOLDER, key, &size);

    return data && unwind_take(data, size, out);
}

/* ---- writing ---- */

static void save(const uint8_t key[CACHEFILE_KEY_SIZE], const struct unwind_rows *r)
{
    const struct unwind_head h = {r->n, r->n_blocks, r->first_block, 0};
    size_t size = ((size_t)r->n + r->n_blocks) * sizeof(*r->v);
    char *data = malloc(sizeof(h) + size);

    if (!data)
        return;
    memcpy(data, &h, sizeof(h));
    memcpy(data + sizeof(h), r->v, size);
    cachefile_save(FOLDER, key, data, sizeof(h) + size);
    free(data);
}

bool unwind_kept_here(int fd, int debug_fd, struct unwind_rows *out)
{
    uint8_t key[CACHEFILE_KEY_SIZE];
    bool keeps = make_key(fd, debug_fd, key);

    if (!keeps || !load(key, out)) {
        if (!unwind_file(fd, debug_fd, out))
            return false;
        if (keeps)
            save(key, out);
    }
    return unwind_mend(fd, out); /* by what the key knows nothing of */
}
