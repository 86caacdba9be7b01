/*
 * unwind: tables by which stacks are walked. An input is an ELF file, or a section's bytes.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "arch/arch.h"
#include "fuzz.h"
#include "unwind/unwind.h"

static void check_rows(struct unwind_rows *rows)
{
    fuzz_check(rows->n <= UNWIND_ROWS_MAX && rows->n_blocks <= UNWIND_BLOCKS_MAX, "too many rows");
    free(rows->v);
}

/* The input is its own code, whatever is asked for. */
struct input {
    const uint8_t *data;
    size_t n;
};

static const uint8_t *code_at(void *arg, uint64_t vaddr, size_t size)
{
    const struct input *in = arg;

    return vaddr && size <= in->n ? in->data : NULL;
}

bool fuzz_unwind(const uint8_t *data, size_t n)
{
    struct unwind_rows rows;
    int fd = fuzz_fd(data, n);
    bool ok = unwind_file(fd, fd, &rows);

    check_rows(&rows);
    close(fd);
    /* Its exact size, so that a sanitizer sees every byte too far. */
    uint8_t *copy = malloc(n ? n : 1);

    fuzz_check(copy, "out of memory");
    if (n)
        memcpy(copy, data, n);
    for (int debug = 0; debug < 2; debug++) {
        struct input whole = {copy, n};
        const struct unwind_code code = {code_at, &whole};
        const struct unwind_section section = {copy, n, 1 << 24, debug};

        ok = unwind_make(arch_native(), &section, 1, &rows) || ok;
        if (unwind_luajit(arch_native(), &code, &rows))
            fuzz_check(unwind_finish(&rows), "no blocks");
        check_rows(&rows);
    }
    free(copy);
    return ok;
}
