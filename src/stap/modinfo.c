/*
 * modinfo: what a kernel module says of itself, in its section .modinfo: strings NAME=VALUE.
 * Enters: a file; leaves: its name and the release of the kernel it is for. A file that is no
 * module leaves neither.
 */
#include <fcntl.h>
#include <gelf.h>
#include <libelf.h>
#include <string.h>
#include <unistd.h>

#include "stap/build.h"

enum { MODINFO_MAX = 1 << 20 };

static Elf_Data *modinfo_section(Elf *elf)
{
    size_t strings;

    if (elf_getshdrstrndx(elf, &strings))
        return NULL;
    for (Elf_Scn *s = NULL; (s = elf_nextscn(elf, s));) {
        GElf_Shdr head;
        const char *name = gelf_getshdr(s, &head) ? elf_strptr(elf, strings, head.sh_name) : NULL;

        if (name && !strcmp(name, ".modinfo"))
            return elf_getdata(s, NULL);
    }
    return NULL;
}

static void take(struct compile *cx, const char *text, size_t n, struct modinfo *out)
{
    if (n > 5 && !memcmp(text, "name=", 5)) {
        out->name = arena_strndup(cx->arena, text + 5, n - 5);
    } else if (n > 9 && !memcmp(text, "vermagic=", 9)) {
        const char *value = arena_strndup(cx->arena, text + 9, n - 9);

        out->release = arena_strndup(cx->arena, value, strcspn(value, " "));
    }
}

bool stap_modinfo(struct compile *cx, const char *path, struct modinfo *out)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    *out = (struct modinfo){NULL, NULL};
    if (fd < 0)
        return false;
    elf_version(EV_CURRENT);
    Elf *elf = elf_begin(fd, ELF_C_READ_MMAP, NULL);
    Elf_Data *data = elf ? modinfo_section(elf) : NULL;

    if (data && data->d_buf && data->d_size <= MODINFO_MAX) {
        const char *text = data->d_buf;

        for (size_t at = 0; at < data->d_size;) {
            size_t n = strnlen(text + at, data->d_size - at);

            take(cx, text + at, n, out);
            at += n + 1;
        }
    }
    if (elf)
        elf_end(elf);
    close(fd);
    return true;
}
