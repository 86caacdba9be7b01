/*
 * expand: address marks in a string become symbols (abi.h, NGS_MARK). Enters: bytes; leaves: text.
 * The symbols of the target are read when the first mark is met: most scripts print none.
 */
#include "run/state.h"

#include <string.h>

void run_expand(void *run, const char *p, size_t len, struct text *out)
{
    struct run *r = run;

    if (!memchr(p, NGS_MARK, len)) {
        text_bytes(out, p, len);
        return;
    }
    if (!r->syms) {
        r->syms = symbols_new(r->cx, r->t, r->s, &r->opts->symbols);
        if (r->syms && r->opts->demangle)
            symbols_demangle(r->syms);
    }
    if (r->syms)
        symbols_expand(r->syms, p, len, out);
}
