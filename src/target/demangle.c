/*
 * demangle: symbols of C++ (the ABI of Itanium) and of Rust (both manglings) by libiberty, as perf
 * shows them: without parameters and hashes. Enters: a symbol, which may be anything; leaves: its
 * name. A short symbol can stand for gigabytes: the writing ends where there is no more room.
 * Refused: long symbols, since what libiberty keeps on the stack grows with them.
 */
#include "target/demangle.h"

#include "config.h"

#ifdef HAVE_LIBIBERTY

#include <setjmp.h>
#include <string.h>

#include <libiberty/demangle.h>

enum { SYMBOL_MAX = 2048 };

struct written {
    jmp_buf full;
    char *to;
    size_t n, size;
};

static void put(const char *p, size_t n, void *arg)
{
    struct written *w = arg;

    /* Nothing is lost by the jump but a few bytes of a name in Punycode: libiberty holds no
     * memory while it writes. */
    if (n >= w->size - w->n)
        longjmp(w->full, 1);
    memcpy(w->to + w->n, p, n);
    w->n += n;
}

static bool write_name(struct written *w, const char *symbol)
{
    if (setjmp(w->full))
        return false;
    if (rust_demangle_callback(symbol, DMGL_NO_OPTS, put, w))
        return true;
    w->n = 0;
    return cplus_demangle_v3_callback(symbol, DMGL_NO_OPTS, put, w);
}

bool demangle_is_there(void)
{
    return true;
}

size_t demangle(const char *name, size_t len, char *to, size_t size)
{
    struct written w = {.to = to, .size = size};
    char symbol[SYMBOL_MAX];

    if (len < 3 || len >= sizeof(symbol) || name[0] != '_' || (name[1] != 'Z' && name[1] != 'R'))
        return 0;
    memcpy(symbol, name, len);
    symbol[len] = '\0';
    if (!write_name(&w, symbol))
        return 0;
    to[w.n] = '\0';
    return w.n;
}

#else

bool demangle_is_there(void)
{
    return false;
}

size_t demangle(const char *name, size_t len, char *to, size_t size)
{
    return 0;
}

#endif
