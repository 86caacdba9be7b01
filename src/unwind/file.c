/*
 * file: the rows of an ELF file. Enters: an open file, untrusted; leaves: the rows of its
 * .eh_frame. Refused: files without one, or of a machine whose stacks are not walked.
 */
#include "unwind/unwind.h"

#include <stdlib.h>
#include <string.h>

#include "arch/arch.h"
#include "target/elf.h"

/* More is no section of frames: Chromium has 10 MB. */
enum { SECTION_MAX = 64 * 1024 * 1024 };

static Elf_Scn *find(Elf *elf, GElf_Shdr *sh)
{
    Elf_Scn *scn = NULL;
    size_t names;

    if (elf_getshdrstrndx(elf, &names))
        return NULL;
    while ((scn = elf_nextscn(elf, scn))) {
        const char *name = gelf_getshdr(scn, sh) ? elf_strptr(elf, names, sh->sh_name) : NULL;

        if (name && !strcmp(name, ".eh_frame") && sh->sh_type != SHT_NOBITS)
            return scn;
    }
    return NULL;
}

bool unwind_bias(int fd, const struct map *m, uint64_t *bias)
{
    Elf *elf = elf_open(fd);

    if (!elf)
        return false;
    *bias = elf_bias(elf, m);
    elf_end(elf);
    return true;
}

bool unwind_file(int fd, struct unwind_rows *out)
{
    Elf *elf = elf_open(fd);
    GElf_Ehdr eh;
    GElf_Shdr sh;

    *out = (struct unwind_rows){0};
    if (!elf)
        return false;
    const struct arch *arch = gelf_getehdr(elf, &eh) ? arch_of_machine(eh.e_machine) : NULL;
    Elf_Scn *scn = arch && arch->unwind.known ? find(elf, &sh) : NULL;
    Elf_Data *data = scn && sh.sh_size <= SECTION_MAX ? elf_rawdata(scn, NULL) : NULL;
    bool ok =
        data && data->d_buf && unwind_eh_frame(arch, data->d_buf, data->d_size, sh.sh_addr, 0, out);

    elf_end(elf);
    return ok && out->n;
}
