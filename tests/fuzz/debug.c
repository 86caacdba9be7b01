/*
 * debug: debug information. An input is a file with DWARF, of which everything is asked that a
 * script can ask.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "debug/debug.h"
#include "fuzz.h"

enum { EACH = 100 }; /* of what there may be millions of, that many are asked about */

struct asking {
    struct arena *a;
    struct dbg *m;
    const struct dbg_func *f;
    uint64_t pc;
    uint32_t left;
};

static void ask_member(const struct cmember *m, void *arg)
{
    const struct asking *q = arg;

    ctype_text(q->a, m->type);
    ctype_size(m->type);
}

static void ask_field(const struct cfield *f, void *arg)
{
    const struct asking *q = arg;
    struct cdecl d;

    ctype_text(q->a, f->type);
    ctype_decl(f->type, &d);
}

static void ask_enumerator(const char *name, int64_t value, void *arg)
{
    (void)value;
    *(size_t *)arg += strlen(name);
}

static void ask_param(const struct ctype *type, void *arg)
{
    ctype_text(arg, type);
}

static void ask_type(struct asking *q, const struct ctype *t)
{
    struct cmember m;
    struct cdecl d;
    size_t length = 0;

    ctype_text(q->a, t);
    ctype_size(t);
    ctype_signed(t);
    ctype_array_len(t);
    ctype_members(t, ask_member, q);
    ctype_member(t, "nothing", &m);
    ctype_decl(t, &d);
    if (d.self) {
        ctype_fields(d.self, ask_field, q);
        ctype_enumerators(d.self, ask_enumerator, &length);
        ctype_params(d.self, ask_param, q->a);
    }
    for (int depth = 0; t && depth < 100; depth++)
        t = ctype_target(t);
}

static void ask_type_name(const char *name, void *arg)
{
    struct asking *q = arg;
    const struct ctype *t = q->left ? dbg_type(q->m, name) : NULL;

    q->left -= q->left > 0;
    if (t)
        ask_type(q, t);
}

static void ask_variable(const char *name, void *arg)
{
    struct asking *q = arg;
    struct dbg_var v;

    if (q->left && dbg_variable(q->m, name, NULL, &v))
        ask_type(q, v.type);
    q->left -= q->left > 0;
}

static void ask_local(const char *name, bool is_param, void *arg)
{
    const struct asking *q = arg;
    struct dbg_location l;
    const char *why;

    (void)is_param;
    dbg_local(q->f, q->pc, name, &l, &why);
}

static void ask_function(struct asking *q, const struct dbg_func *f)
{
    struct dbg_statement at;
    struct dbg_call *calls;
    uint32_t reg;
    int64_t off;
    bool complete;

    q->f = f;
    for (uint64_t step = 0; step < 12; step += 5) {
        q->pc = f->entry + step;
        dbg_locals(f, q->pc, ask_local, q);
        dbg_cfa(q->m, q->pc, &reg, &off);
        dbg_statement_at(q->m, q->pc, &at);
    }
    dbg_func_result(f);
    dbg_calls(f, "*", &calls, &complete);
}

static void ask_functions(struct asking *q)
{
    struct dbg_func *f;
    struct dbg_statement *s;
    uint32_t n = dbg_functions(q->m, "*", NULL, &f);

    for (uint32_t i = 1; i < n; i++)
        fuzz_check(f[i - 1].entry <= f[i].entry, "functions that are not sorted");
    for (uint32_t i = 0; i < n && i < EACH; i++)
        ask_function(q, &f[i]);
    n = dbg_inlined(q->m, "*", NULL, &f);
    for (uint32_t i = 0; i < n && i < EACH; i++)
        ask_function(q, &f[i]);
    dbg_statements(q->m, &(struct dbg_lines){.function = "*", .high = 1000}, &s);
}

bool fuzz_debug(const uint8_t *data, size_t n)
{
    const char *path = fuzz_file("module", data, n), *why;
    struct compile cx;

    setenv("XDG_CACHE_HOME", "/dev/null", 1); /* no index is kept */
    fuzz_compile_begin(&cx);
    struct target *t = target_open(&cx, &(struct target_opts){0});
    struct debuginfo *di = debuginfo_new(&cx, t);
    struct asking q = {.a = cx.arena, .m = dbg_open_any(di, path, &why), .left = EACH};
    bool known = q.m && !why;

    if (q.m) {
        dbg_names(q.m, DBG_TYPES, ask_type_name, &q);
        q.left = EACH;
        dbg_names(q.m, DBG_VARIABLES, ask_variable, &q);
        ask_functions(&q);
        elf_symbol_at(dbg_symbols(q.m), 0x1234);
        int fd = known ? fuzz_fd(NULL, 0) : -1;

        if (known && dbg_pack(q.m, fd, &why)) {
            struct elf_code none;

            elf_code(fd, &none);
        }
        if (fd >= 0)
            close(fd);
    }
    debuginfo_free(di);
    target_close(t);
    fuzz_compile_end(&cx);
    return known;
}
