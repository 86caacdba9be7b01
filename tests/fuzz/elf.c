/*
 * elf: what is read of an ELF file by itself: headers, symbols, notes, linkage tables, marks.
 */
#include <unistd.h>

#include "base/bounds.h"
#include "fuzz.h"
#include "target/marks.h"
#include "target/plt.h"
#include "target/target.h"

static void read_arguments(const struct arch *arch, const struct elf_mark *mark)
{
    struct mark_argument out;
    const char *why;
    uint32_t n = mark_arguments(mark->args);

    for (uint32_t i = 0; i < n && i < 16; i++)
        mark_argument(arch, mark->args, i, &out, &why);
}

bool fuzz_elf(const uint8_t *data, size_t n)
{
    struct compile cx;
    struct build_id id;
    struct elf_code code;
    uint64_t offset;
    int fd = fuzz_fd(data, n);

    fuzz_compile_begin(&cx);
    bool sound = elf_code(fd, &code);
    struct elf_symbols s = elf_symbols_read(cx.arena, fd);

    for (uint32_t i = 1; i < s.n; i++)
        fuzz_check(s.v[i - 1].vaddr <= s.v[i].vaddr, "symbols that are not sorted");
    for (uint32_t i = 0; i < s.n && i < 100; i++)
        elf_symbol_at(&s, s.v[i].vaddr + 1);
    elf_variables_read(cx.arena, fd);
    elf_build_id(fd, &id);
    fuzz_check(id.len <= BUILD_ID_MAX, "a build-id that is too long");
    if (sound)
        elf_vaddr_to_offset(fd, code.vaddr, &offset);
    struct elf_marks m = elf_marks_read(cx.arena, fd);

    for (uint32_t i = 0; i < m.n && i < 100; i++)
        read_arguments(arch_native(), &m.v[i]);
    plt_read(cx.arena, fd);
    elf_mini_symbols(cx.arena, fd);
    fuzz_compile_end(&cx);
    close(fd);
    return sound;
}
