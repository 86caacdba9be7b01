/*
 * pack: packs of debug files. An input is an archive; the module is a small ELF file without debug
 * information, whose build-id the archive may or may not hold.
 */
#include <elf.h>
#include <stdlib.h>
#include <string.h>

#include "debug/debug.h"
#include "fuzz.h"

#include <stdlib.h>
#include <string.h>

/* An ELF file that has a build-id and nothing else: one PT_NOTE segment. */
static size_t module_bytes(uint8_t *out)
{
    static const uint8_t note[] = {4, 0, 0,   0,   4,   0, 0,    0,    3,    0,
                                   0, 0, 'G', 'N', 'U', 0, 0xde, 0xad, 0xbe, 0xef};
    Elf64_Ehdr e = {.e_ident = {0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB, EV_CURRENT},
                    .e_type = ET_DYN,
                    .e_machine = EM_X86_64,
                    .e_version = EV_CURRENT,
                    .e_phoff = sizeof(e),
                    .e_ehsize = sizeof(e),
                    .e_phentsize = sizeof(Elf64_Phdr),
                    .e_phnum = 1};
    Elf64_Phdr p = {.p_type = PT_NOTE,
                    .p_flags = PF_R,
                    .p_offset = sizeof(e) + sizeof(p),
                    .p_filesz = sizeof(note),
                    .p_memsz = sizeof(note),
                    .p_align = 4};

    memcpy(out, &e, sizeof(e));
    memcpy(out + sizeof(e), &p, sizeof(p));
    memcpy(out + sizeof(e) + sizeof(p), note, sizeof(note));
    return sizeof(e) + sizeof(p) + sizeof(note);
}

bool fuzz_pack(const uint8_t *data, size_t n)
{
    uint8_t bytes[256];
    char module[256];
    struct compile cx;
    const char *why, *pack;

    setenv("XDG_CACHE_HOME", "/dev/null", 1);
    strcpy(module, fuzz_file("stripped", bytes, module_bytes(bytes)));
    pack = fuzz_file("input.pack", data, n);
    fuzz_compile_begin(&cx);
    cx.debug = (struct debug_choice){.packs = &pack, .n_packs = 1};
    struct target *t = target_open(&cx, &(struct target_opts){0});
    struct debuginfo *di = debuginfo_new(&cx, t);
    struct dbg *m = dbg_open(di, module, &why);
    bool known = m;

    if (m)
        dbg_type(m, "struct lua_State");
    debuginfo_free(di);
    target_close(t);
    fuzz_compile_end(&cx);
    return known;
}
