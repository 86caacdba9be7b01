/*
 * minidebug: MiniDebugInfo, the symbols that distributions leave in a stripped file: a small ELF
 * file, compressed by xz, in the section .gnu_debugdata (gdb's manual, "MiniDebugInfo"). Enters: an
 * open file, untrusted; leaves: those symbols. Refused: what is larger than below, before or after
 * it is expanded.
 */
#include <lzma.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/bounds.h"
#include "target/elf.h"

enum {
    PACKED_MAX = 16 << 20,
    EXPANDED_MAX = 64 << 20, /* glibc's is 0.3 MB, Chromium's would be 40 */
    DECODER_MAX = 128 << 20, /* memory of xz's own: its largest preset takes 65 */
};

static Elf_Data *find(Elf *elf)
{
    Elf_Scn *scn = NULL;
    GElf_Shdr sh;
    size_t names;

    if (elf_getshdrstrndx(elf, &names))
        return NULL;
    while ((scn = elf_nextscn(elf, scn))) {
        const char *name = gelf_getshdr(scn, &sh) ? elf_strptr(elf, names, sh.sh_name) : NULL;

        if (name && !strcmp(name, ".gnu_debugdata"))
            return sh.sh_type == SHT_PROGBITS && sh.sh_size <= PACKED_MAX ? elf_rawdata(scn, NULL)
                                                                          : NULL;
    }
    return NULL;
}

static bool write_fully(int fd, const uint8_t *p, size_t n)
{
    while (n) {
        ssize_t wrote = write(fd, p, n);

        if (wrote <= 0)
            return false;
        p += wrote;
        n -= (size_t)wrote;
    }
    return true;
}

/* Expands IN into the file FD. */
static bool expand(const Elf_Data *in, int fd)
{
    lzma_stream s = LZMA_STREAM_INIT;
    uint8_t buf[65536];
    size_t total = 0;
    lzma_ret ret = lzma_stream_decoder(&s, DECODER_MAX, 0);

    s.next_in = in->d_buf;
    s.avail_in = in->d_size;
    while (ret == LZMA_OK && total <= EXPANDED_MAX && bounds_ok()) {
        s.next_out = buf;
        s.avail_out = sizeof(buf);
        ret = lzma_code(&s, LZMA_FINISH);
        size_t n = sizeof(buf) - s.avail_out;

        total += n;
        if ((ret != LZMA_OK && ret != LZMA_STREAM_END) || !write_fully(fd, buf, n))
            ret = LZMA_DATA_ERROR;
    }
    lzma_end(&s);
    return ret == LZMA_STREAM_END && total <= EXPANDED_MAX;
}

struct elf_symbols elf_mini_here(struct arena *a, int fd)
{
    struct elf_symbols none = {0};
    Elf *elf = elf_open(fd);
    Elf_Data *packed = elf ? find(elf) : NULL;
    int file = packed && packed->d_buf ? memfd_create("minidebug", MFD_CLOEXEC) : -1;

    if (file >= 0 && expand(packed, file))
        none = elf_symbols_here(a, file);
    if (file >= 0)
        close(file);
    if (elf)
        elf_end(elf);
    return none;
}
