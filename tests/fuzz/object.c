/*
 * object: an object that "ngstap -p4" would have written.
 */
#include <bpf/libbpf.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "load/load.h"

static int silent(enum libbpf_print_level level, const char *format, va_list args)
{
    (void)level, (void)format, (void)args;
    return 0;
}

bool fuzz_object(const uint8_t *data, size_t n)
{
    struct compile cx;
    struct object o;
    void *copy = malloc(n ? n : 1); /* aligned, and its exact size */

    fuzz_check(copy, "out of memory");
    if (n)
        memcpy(copy, data, n);
    fuzz_compile_begin(&cx);
    bool ok = object_open(&cx, copy, n, &o);

    if (ok) { /* libbpf reads what was checked */
        libbpf_set_print(silent);
        bpf_object__close(bpf_object__open_mem(copy, n, NULL));
    }
    fuzz_compile_end(&cx);
    free(copy);
    return ok;
}
