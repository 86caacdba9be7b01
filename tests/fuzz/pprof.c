/*
 * pprof: saved profiles, as ngstap or other profilers wrote them, not gzipped. What is accepted is
 * a profile as of text (stacks.c).
 */
#include "base/arena.h"
#include "fuzz.h"
#include "out/out.h"

bool fuzz_pprof(const uint8_t *data, size_t n)
{
    struct out_info info = {0};
    struct compile cx;
    const char *why;

    fuzz_compile_begin(&cx);
    struct out_profile *p = out_read_pprof(&cx, data, n, &info, &why);
    bool ok = p && p->total;

    fuzz_check(p || why, "refused without a word");
    if (ok)
        fuzz_profile(&cx, p);
    fuzz_compile_end(&cx);
    return ok;
}
