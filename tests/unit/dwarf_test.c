/*
 * dwarf_test: debug information of programs that the test compiles itself, in every form that
 * debug/debug.h promises to read: DWARF 3, 4 and 5, optimized or not, compressed, in type units,
 * in separate files found in every place; the cache; and then damaged in hundreds of ways, where
 * the only thing asked is to survive.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/bounds.h"
#include "dwarf_types.h"
#include "tap.h"
#include "debug/debug.h"

static const char prog_c[] =
    "#include \"dwarf_types.h\"\n"
    "struct opaque *opaque_new(void);\n"
    "struct list first = {.name = \"x\"};\n"
    "struct list *head = &first;\n"
    "static int hidden = 1;\n"
    "static volatile int only_here = 5;\n"
    "extern int shared;\n"
    "__thread int per_thread;\n"
    "struct bits bits_of;\n"
    "enum colour colour_of;\n"
    "value_t value_of;\n"
    "volatile unsigned char uc;\n"
    "volatile int sink = sizeof(enum { LARGE2 = 1 }) + LARGE - LARGE;\n"
    "static inline __attribute__((always_inline)) int inlined(int n) { sink += n; return n * 3; }\n"
    "__attribute__((noinline)) static int same_name(int n) { sink += n; hidden += n; return n + "
    "hidden; }\n"
    "__attribute__((noinline)) int visit(struct list *l, int n, const char *s, double d, long e, "
    "long f, long g, long h)\n"
    "{ int local = n * 2; sink = local + (int)d + (int)(e + f + g + h) + *s; "
    "  return l->at.x + local + inlined(n) + same_name(n); }\n"
    "__attribute__((noinline)) void unused_args(int a, int b, int c) { sink = c; }\n"
    "int other(int);\n"
    "int main(int argc, char **argv)\n"
    "{ per_thread = only_here; unused_args(1, 2, argc); first.opaque = opaque_new();\n"
    "  return visit(head, argc, argv[0], 1.0, 2, 3, 4, 5) + other(argc) + shared; }\n";

static const char other_c[] = "static int hidden = 2;\n"
                              "int shared = 3;\n"
                              "volatile int other_sink;\n"
                              "__attribute__((noinline)) static int same_name(int n) { other_sink "
                              "+= n; return n - hidden; }\n"
                              "int other(int n) { hidden += n; return same_name(n) + hidden; }\n";

static const char lib_c[] = "struct opaque { int before; long inside; };\n"
                            "struct opaque whole = {1, 2};\n"
                            "struct opaque *opaque_new(void) { return &whole; }\n";

static char dir[] = "/tmp/ngstap-dwarf-test.XXXXXX";

/* ---- helpers ---- */

__attribute__((format(printf, 1, 2))) static const char *path(const char *fmt, ...)
{
    static char bufs[8][512];
    static unsigned next;
    char *buf = bufs[next++ % 8];
    va_list ap;
    int n = snprintf(buf, sizeof(bufs[0]), "%s/", dir);

    va_start(ap, fmt);
    vsnprintf(buf + n, sizeof(bufs[0]) - (size_t)n, fmt, ap);
    va_end(ap);
    return buf;
}

/* How often every damage is to be done: SOAK of the environment, by hand. */
static unsigned soak(void)
{
    const char *times = getenv("SOAK");

    return times && atoi(times) > 0 ? (unsigned)atoi(times) : 1;
}

/* A shell command in the test's directory; "$CC" and "$inc" are there. */
__attribute__((format(printf, 1, 2))) static bool run(const char *fmt, ...)
{
    char cmd[4096];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(cmd, sizeof(cmd), fmt, ap);
    va_end(ap);
    return system(cmd) == 0;
}

static void write_file(const char *name, const void *data, size_t size)
{
    FILE *f = fopen(path("%s", name), "w");

    if (f) {
        fwrite(data, 1, size, f);
        fclose(f);
    }
}

static char *read_file(const char *name, size_t *size)
{
    FILE *f = fopen(path("%s", name), "r");
    char *data = NULL;

    *size = 0;
    struct stat st;

    if (!f)
        return NULL;
    if (fstat(fileno(f), &st) || !S_ISREG(st.st_mode)) {
        fclose(f);
        return NULL;
    }
    fseek(f, 0, SEEK_END);
    long len = ftell(f);

    rewind(f);
    if (len > 0 && (data = malloc((size_t)len)))
        *size = fread(data, 1, (size_t)len, f);
    fclose(f);
    return data;
}

struct fixture {
    struct compile cx;
    struct target *t;
    struct debuginfo *di;
    FILE *err;
    char *messages;
    size_t size;
};

static void set_up(struct fixture *f, const char *sysroot)
{
    memset(f, 0, sizeof(*f));
    f->err = open_memstream(&f->messages, &f->size);
    f->cx.arena = arena_new();
    f->cx.sources = sources_new(f->cx.arena);
    f->cx.diag = diag_new(f->cx.arena, f->cx.sources, f->err);
    bounds_begin(&f->cx);
    f->t = target_open(&f->cx, &(struct target_opts){.sysroot = sysroot});
    f->di = f->t ? debuginfo_new(&f->cx, f->t) : NULL;
}

static void tear_down(struct fixture *f)
{
    bounds_end();
    debuginfo_free(f->di);
    target_close(f->t);
    arena_free(f->cx.arena);
    fclose(f->err);
    free(f->messages);
}

/* ---- facts of the compiled program ---- */

struct checking {
    struct arena *a;
    struct dbg *m;
    bool doubtful; /* a debug file of the target's: places within functions are not believed */
    unsigned bad;
    char first[256];
};

__attribute__((format(printf, 3, 4))) static void must(struct checking *c, bool ok, const char *fmt,
                                                       ...)
{
    va_list ap;

    if (ok)
        return;
    va_start(ap, fmt);
    if (!c->bad++)
        vsnprintf(c->first, sizeof(c->first), fmt, ap);
    va_end(ap);
}

static bool report(struct checking *c, const char *name)
{
    bool ok = tap_ok(!c->bad, "%s", name);

    if (!ok)
        printf("# %u wrong, the first: %s\n", c->bad, c->first);
    *c = (struct checking){.a = c->a, .m = c->m, .doubtful = c->doubtful};
    return ok;
}

static void check_type(struct checking *c, const char *name, enum ctype_kind kind, uint64_t size,
                       bool is_signed, const char *text)
{
    const struct ctype *t = dbg_type(c->m, name);

    must(c, t, "no type %s", name);
    if (!t)
        return;
    must(c, ctype_kind(t) == kind, "kind of %s is %d", name, ctype_kind(t));
    must(c, ctype_size(t) == size, "size of %s is %llu", name, (unsigned long long)ctype_size(t));
    must(c, ctype_signed(t) == is_signed, "sign of %s", name);
    must(c, !strcmp(ctype_text(c->a, t), text), "text of %s is %s", name, ctype_text(c->a, t));
    must(c, dbg_type(c->m, name) == t, "%s is interned", name);
}

static const struct ctype *check_member(struct checking *c, const char *type, const char *name,
                                        uint64_t offset)
{
    const struct ctype *t = dbg_type(c->m, type);
    struct cmember m;

    if (!t || !ctype_member(t, name, &m)) {
        must(c, false, "no member %s of %s", name, type);
        return NULL;
    }
    must(c, m.offset == offset && m.bit_size == 0, "%s.%s is at %llu", type, name,
         (unsigned long long)m.offset);
    return m.type;
}

/* Reads a bitfield out of bytes by what DWARF says, as generated code would. */
static uint64_t extract(const struct cmember *m, const void *bytes)
{
    uint64_t unit = 0;

    memcpy(&unit, (const char *)bytes + m->offset, ctype_size(m->type));
    return unit >> m->bit_off & ((UINT64_C(1) << m->bit_size) - 1);
}

static void check_bits(struct checking *c)
{
    static const char *const names[] = {"a", "b", "c", "d", "e", "f"};
    const struct ctype *t = dbg_type(c->m, "struct bits");

    for (unsigned i = 0; t && i < 6; i++) {
        struct bits b = {0};
        struct cmember m;
        uint64_t want[] = {5, 99, 1234, 0x123456789a, 2, 1};

        b.a = 5, b.b = 99, b.c = 1234, b.d = 0x123456789a, b.e = 2, b.f = 1;
        if (!ctype_member(t, names[i], &m)) {
            must(c, false, "no bitfield %s", names[i]);
            continue;
        }
        must(c,
             m.bit_size && m.offset + ctype_size(m.type) <= sizeof(b) && extract(&m, &b) == want[i],
             "bitfield %s: offset %llu, bits %u/%u", names[i], (unsigned long long)m.offset,
             m.bit_off, m.bit_size);
    }
}

static void count_name(const char *name, void *arg)
{
    if (!strcmp(name, "visit") || !strcmp(name, "head") || !strcmp(name, "list"))
        ++*(unsigned *)arg;
}

static void count_member(const struct cmember *m, void *arg)
{
    ++*(unsigned *)arg;
}

static void check_types(struct checking *c)
{
    check_type(c, "struct list", CT_STRUCT, sizeof(struct list), false, "struct list");
    check_type(c, "list", CT_STRUCT, sizeof(struct list), false, "struct list");
    check_type(c, "list *", CT_POINTER, 8, false, "struct list *");
    check_type(c, " const struct list*const * ", CT_POINTER, 8, false, "struct list **");
    check_type(c, "value_t", CT_UNION, sizeof(value_t), false, "value_t");
    check_type(c, "union value", CT_UNION, sizeof(value_t), false, "union value");
    check_type(c, "enum colour", CT_ENUM, 4, false, "enum colour");
    check_type(c, "enum sign", CT_ENUM, 4, true, "enum sign");
    check_type(c, "word_t", CT_INT, 8, false, "word_t");
    check_type(c, "cv_word_t", CT_INT, 8, false, "cv_word_t");
    check_type(c, "unsigned long", CT_INT, 8, false, "long unsigned int");
    check_type(c, "int", CT_INT, 4, true, "int");
    check_type(c, "char", CT_CHAR, 1, true, "char");
    check_type(c, "float", CT_FLOAT, 4, true, "float");
    check_type(c, "void *", CT_POINTER, 8, false, "void *");
    must(c, !dbg_type(c->m, "struct value"), "struct value");
    must(c, !dbg_type(c->m, "no_such_type"), "no_such_type");
    must(c, !dbg_type(c->m, ""), "empty name");
    must(c, !dbg_type(c->m, "*"), "a star");
    must(c, !ctype_target(dbg_type(c->m, "void *")), "what void * points to");
    must(c, ctype_target(dbg_type(c->m, "list *")) == dbg_type(c->m, "list"),
         "what list * points to");

    check_member(c, "struct list", "next", 0);
    check_member(c, "list", "at", offsetof(struct list, at));
    check_member(c, "struct point", "y", offsetof(struct point, y));
    check_member(c, "struct point", "hi", offsetof(struct point, hi));
    const struct ctype *named =
        check_member(c, "struct point", "named", offsetof(struct point, named));
    struct cmember m;

    must(c,
         named && ctype_member(named, "real", &m) &&
             m.offset == offsetof(struct point, named.real) - offsetof(struct point, named),
         "named.real");
    must(c, named && !ctype_member(named, "nothing", &m), "named.nothing");
    const struct ctype *grid = check_member(c, "list", "grid", offsetof(struct list, grid));

    if (grid) {
        must(c, ctype_kind(grid) == CT_ARRAY && ctype_array_len(grid) == 3, "grid's length");
        must(c, ctype_size(grid) == sizeof(((struct list *)0)->grid), "grid's size");
        const struct ctype *row = ctype_target(grid);

        must(c,
             row && ctype_kind(row) == CT_ARRAY && ctype_array_len(row) == 5 &&
                 ctype_size(row) == 20,
             "grid's row");
        must(c, row && ctype_kind(ctype_target(row)) == CT_INT, "grid's element");
        must(c, !strcmp(ctype_text(c->a, grid), "int [3][5]"), "grid's text: %s",
             ctype_text(c->a, grid));
    }
    const struct ctype *values = check_member(c, "list", "values", offsetof(struct list, values));

    must(c, values && ctype_kind(ctype_target(values)) == CT_UNION, "values' element");
    const struct ctype *call = check_member(c, "list", "call", offsetof(struct list, call));

    must(c, call && ctype_kind(call) == CT_POINTER && ctype_kind(ctype_target(call)) == CT_FUNC,
         "call");
    const struct ctype *tail = check_member(c, "list", "tail", offsetof(struct list, tail));

    must(c, tail && ctype_kind(tail) == CT_ARRAY && ctype_array_len(tail) == 0, "tail");
    unsigned n = 0;

    ctype_members(dbg_type(c->m, "struct point"), count_member, &n);
    must(c, n == 5, "members of point: %u", n);
    check_bits(c);

    int64_t v;

    must(c, dbg_enumerator(c->m, "GREEN", &v) && v == 4, "GREEN");
    must(c, dbg_enumerator(c->m, "BLUE", &v) && v == 200, "BLUE");
    must(c, dbg_enumerator(c->m, "MINUS", &v) && v == -7, "MINUS");
    must(c, dbg_enumerator(c->m, "SECOND", &v) && v == 1, "SECOND");
    must(c, dbg_enumerator(c->m, "LARGE", &v) && v == 4000000000, "LARGE is %lld", (long long)v);
    must(c, !dbg_enumerator(c->m, "PURPLE", &v), "PURPLE");
}

static uint64_t symbol(struct dbg *m, const char *name, unsigned nth)
{
    const struct elf_symbols *s = dbg_symbols(m);

    for (uint32_t i = 0; i < s->n; i++)
        if (!strcmp(s->v[i].name, name) && !nth--)
            return s->v[i].vaddr;
    return 0;
}

static void check_variables(struct checking *c)
{
    struct dbg_var v, w;

    must(c, dbg_variable(c->m, "head", NULL, &v) && v.vaddr == symbol(c->m, "head", 0), "head");
    must(c, !strcmp(ctype_text(c->a, v.type), "struct list *"), "head's type");
    must(c, strstr(v.file, "prog.c"), "head's file: %s", v.file);
    must(c, dbg_variable(c->m, "hidden", NULL, &v), "hidden");
    must(c, dbg_variable(c->m, "hidden", "prog.c", &v), "hidden in prog.c");
    must(c, dbg_variable(c->m, "hidden@other.c", NULL, &w), "hidden@other.c");
    must(c, v.vaddr && w.vaddr && v.vaddr != w.vaddr, "two variables named hidden");
    must(c, !dbg_variable(c->m, "hidden", "ther.c", &w), "hidden in ther.c");
    must(c, dbg_variable(c->m, "shared", NULL, &v) && v.vaddr == symbol(c->m, "shared", 0),
         "shared");
    must(c, dbg_variable(c->m, "only_here", NULL, &v), "only_here");
    must(c, !dbg_variable(c->m, "per_thread", NULL, &v), "per_thread has no fixed address");
    must(c, !dbg_variable(c->m, "no_such_variable", NULL, &v), "no_such_variable");
    unsigned n = 0;

    for (int k = DBG_TYPES; k <= DBG_FUNCTIONS; k++)
        dbg_names(c->m, (enum dbg_class)k, count_name, &n);
    must(c, n == 3, "names listed: %u", n);
}

/* The value that a location means at a function's entry, with registers whose values are 1000 +
 * number. */
static uint64_t entry_value(const struct dbg_location *l, bool *in_memory)
{
    uint64_t stack[16] = {0};
    unsigned n = 0;

    *in_memory = true;
    for (uint32_t i = 0; i < l->n_ops && n < 15; i++) {
        const struct dbg_op *op = &l->ops[i];

        if (op->atom >= 0x50 && op->atom <= 0x6f) { /* DW_OP_reg0 */
            *in_memory = false;
            return 1000 + op->atom - 0x50;
        }
        if (op->atom >= 0x70 && op->atom <= 0x8f) /* DW_OP_breg0 */
            stack[n++] = 1000 + op->atom - 0x70 + op->n1;
        else if (op->atom == 0x9c) /* DW_OP_call_frame_cfa */
            stack[n++] = 1007 + 8;
        else if (op->atom == 0x11) /* DW_OP_consts */
            stack[n++] = op->n1;
        else if (op->atom == 0x22 && n >= 2) /* DW_OP_plus */
            n--, stack[n - 1] += stack[n];
        else if (op->atom == 0x9f) /* DW_OP_stack_value */
            *in_memory = false;
        else
            return 0;
    }
    return n ? stack[n - 1] : 0;
}

static void check_parameter(struct checking *c, const struct dbg_func *f, const char *name,
                            uint64_t want, bool memory, const char *type)
{
    struct dbg_location l;
    const char *why;
    bool in_memory;

    if (!dbg_local(f, f->entry, name, &l, &why)) {
        must(c, false, "%s", why);
        return;
    }
    uint64_t got = entry_value(&l, &in_memory);

    must(c, got == want && in_memory == memory, "%s is at %llu%s", name, (unsigned long long)got,
         in_memory ? " in memory" : "");
    must(c, !strcmp(ctype_text(c->a, l.type), type), "%s's type: %s", name,
         ctype_text(c->a, l.type));
}

static void collect(const char *name, bool is_param, void *arg)
{
    strcat(arg, name);
    strcat(arg, is_param ? "," : ";");
}

/* inlined() is in visit() alone, which calls it in the line of its return and same_name behind. */
static void check_inlined(struct checking *c)
{
    struct dbg_func *f, *visit;
    struct dbg_call *calls;
    struct dbg_statement *v, at;
    struct dbg_lines want = {.function = "*", .file = "prog.c", .low = 14, .high = 14};
    bool complete;

    if (dbg_functions(c->m, "visit", NULL, &visit) != 1)
        return;
    uint32_t n = dbg_inlined(c->m, "inl*", "prog.c", &f);

    if (c->doubtful) {
        must(c,
             !n && !dbg_calls(visit, "inlined", &calls, &complete) &&
                 !dbg_statements(c->m, &want, &v),
             "places within functions");
        return;
    }
    must(c,
         n == 1 && f->inlined && f->entry > visit->entry && f->entry < visit->end &&
             !strcmp(f->name, "inlined") && f->line == 14 && strstr(f->file, "prog.c"),
         "inlined's place: %u", n);
    must(c, !dbg_inlined(c->m, "inlined", "other.c", &f), "inlined in other.c");
    must(c, !dbg_inlined(c->m, "visit", NULL, &f), "visit is inlined nowhere");
    n = dbg_calls(visit, "inlined", &calls, &complete);
    must(c, n == 1 && calls->callee.inlined && !calls->at && !calls->tail, "visit's copy: %u", n);
    n = dbg_calls(visit, "same_*", &calls, &complete);
    must(c,
         complete ? n == 1 && calls->at > visit->entry && calls->at <= visit->end &&
                        calls->callee.entry && strstr(calls->callee.file, "prog.c")
                  : !n,
         "visit's calls: %u", n);
    n = dbg_statements(c->m, &want, &v);
    must(c,
         n >= 1 && !strcmp(v->func.name, "inlined") && v->line == 14 && v->vaddr > visit->entry &&
             v->vaddr < visit->end,
         "statements of inlined: %u", n);
    want = (struct dbg_lines){.function = "visit", .high = 3, .relative = true};
    n = dbg_statements(c->m, &want, &v);
    must(c, n == 1 && v->func.entry == visit->entry && v->line == 17, "statements of visit: %u", n);
    must(c, dbg_statement_at(c->m, visit->entry, &at) && at.vaddr == visit->entry && at.line == 17,
         "the statement at visit's entry");
    must(c, !dbg_statement_at(c->m, 1, &at), "no statement at 1");
}

static void check_functions(struct checking *c)
{
    struct dbg_func *f;
    struct dbg_location l;
    const char *why;
    char names[512] = "";
    uint32_t n = dbg_functions(c->m, "visit", NULL, &f), reg;
    int64_t off;

    must(c, n == 1, "visit: %u functions", n);
    if (n != 1)
        return;
    must(c, f->entry == symbol(c->m, "visit", 0) && f->end > f->entry, "visit's entry");
    must(c, f->line == 16 && strstr(f->file, "prog.c"), "visit's place: %s:%u", f->file, f->line);
    must(c, dbg_cfa(c->m, f->entry, &reg, &off) && reg == 7 && off == 8, "CFA at visit's entry");
    must(c, !strcmp(ctype_text(c->a, dbg_func_result(f)), "int"), "visit's result");
    check_parameter(c, f, "l", 1005, false, "struct list *"); /* rdi */
    check_parameter(c, f, "n", 1004, false, "int");           /* rsi */
    check_parameter(c, f, "s", 1001, false, "const char *");  /* rdx */
    check_parameter(c, f, "d", 1017, false, "double");        /* xmm0 */
    check_parameter(c, f, "e", 1002, false, "long int");      /* rcx */
    check_parameter(c, f, "f", 1008, false, "long int");
    check_parameter(c, f, "g", 1009, false, "long int");
    check_parameter(c, f, "h", 1007 + 8, true, "long int"); /* above the return address */
    must(c, !dbg_local(f, f->entry, "nothing", &l, &why) && why && strstr(why, "in scope"),
         "a missing local");
    dbg_locals(f, f->entry, collect, names);
    must(c, strstr(names, "l,n,s,d,e,f,g,h,") && strstr(names, "local;"), "visit's locals: %s",
         names);

    n = dbg_functions(c->m, "unused_args", NULL, &f);
    must(c, n == 1, "unused_args");
    if (n == 1) {
        check_parameter(c, f, "a", 1005, false, "int");
        check_parameter(c, f, "c", 1001, false, "int");
        must(c, !dbg_func_result(f), "void result");
    }
    n = dbg_functions(c->m, "same_name", NULL, &f);
    must(c, n == 2 && f[0].entry && f[1].entry && f[0].entry < f[1].entry, "same_name: %u", n);
    n = dbg_functions(c->m, "same_name", "other.c", &f);
    must(c, n == 1 && strstr(f->file, "other.c"), "same_name in other.c: %u", n);
    n = dbg_functions(c->m, "same_*", "prog.c", &f);
    must(c, n == 1, "same_* in prog.c: %u", n);
    n = dbg_functions(c->m, "inlined", NULL, &f);
    must(c, n == 1 && f->entry == 0, "inlined: %u, at %llx", n,
         n ? (unsigned long long)f->entry : 0);
    check_inlined(c);
    n = dbg_functions(c->m, "_start", NULL, &f);
    must(c, n == 1 && !f->record && f->entry, "a function with only a symbol: %u", n);
    n = dbg_functions(c->m, "no_such_function", NULL, &f);
    must(c, n == 0, "no_such_function");
}

static void check_all(struct fixture *f, const char *file, const char *name)
{
    const char *why = NULL;
    struct checking c = {.a = f->cx.arena,
                         .doubtful = !strncmp(name, "separate", strlen("separate"))};
    char text[256];

    c.m = dbg_open(f->di, file, &why);
    snprintf(text, sizeof(text), "%s: opens", name);
    if (!tap_ok(c.m, "%s", text)) {
        printf("# %s\n", why ? why : "no reason");
        return;
    }
    check_types(&c);
    snprintf(text, sizeof(text), "%s: types", name);
    report(&c, text);
    check_variables(&c);
    snprintf(text, sizeof(text), "%s: variables", name);
    report(&c, text);
    check_functions(&c);
    snprintf(text, sizeof(text), "%s: functions", name);
    report(&c, text);
}

static bool compile(const char *out, const char *options)
{
    return run("$CC -w -I$inc -fno-inline-functions -fno-ipa-sra -fno-ipa-cp %s prog.c other.c -o "
               "%s ./libwhole.so -Wl,--build-id",
               options, out);
}

/* ---- the tests ---- */

static void test_forms(void)
{
    static const struct {
        const char *name, *options;
    } forms[] = {
        {"DWARF 4", "-gdwarf-4 -O2"},
        {"DWARF 5", "-gdwarf-5 -O2"},
        {"DWARF 3", "-gdwarf-3 -gstrict-dwarf -O2"},
        {"DWARF 4, not optimized", "-gdwarf-4 -O0"},
        {"DWARF 5, not optimized", "-gdwarf-5 -O0"},
        {"DWARF 5, type units", "-gdwarf-5 -O2 -fdebug-types-section"},
        {"DWARF 4, type units", "-gdwarf-4 -O2 -fdebug-types-section"},
        {"compressed", "-gdwarf-5 -O2 -gz=zlib"},
        {"compressed, old style", "-gdwarf-4 -O2 -gz=zlib-gnu"},
        {"not position-independent", "-gdwarf-5 -O2 -no-pie"},
    };

    for (size_t i = 0; i < sizeof(forms) / sizeof(*forms); i++) {
        struct fixture f;

        if (!compile("form", forms[i].options)) {
            tap_skip(forms[i].name, "the compiler does not take the options");
            continue;
        }
        set_up(&f, NULL);
        check_all(&f, path("form"), forms[i].name);
        tear_down(&f);
    }
}

static void test_clang(void)
{
    struct fixture f;

    if (!run("clang -w -I$inc -gdwarf-5 -O0 prog.c other.c -o clang ./libwhole.so -Wl,--build-id "
             "2>/dev/null")) {
        tap_skip("clang's DWARF 5", "no clang");
        return;
    }
    set_up(&f, NULL);
    const char *why;
    struct checking c = {.a = f.cx.arena, .m = dbg_open(f.di, path("clang"), &why)};

    tap_ok(c.m, "clang's DWARF 5 opens");
    if (c.m) {
        check_variables(&c);
        report(&c, "clang: variables (DW_OP_addrx)");
        struct dbg_func *fn;

        if (dbg_functions(c.m, "visit", NULL, &fn) == 1) {
            check_parameter(&c, fn, "l", 1005, false, "struct list *");
            check_parameter(&c, fn, "h", 1007 + 8, true, "long");
        }
        report(&c, "clang: parameters at the entry");
    }
    tear_down(&f);
}

static void test_completion(void)
{
    struct fixture f;
    const char *why;
    struct cmember m;

    set_up(&f, NULL);
    struct dbg *prog = dbg_open(f.di, path("plain"), &why);
    const struct ctype *list = prog ? dbg_type(prog, "struct list") : NULL;
    const struct ctype *opaque = prog ? dbg_type(prog, "opaque_t") : NULL;

    tap_ok(list && opaque && !ctype_member(opaque, "inside", &m) && ctype_size(opaque) == 0,
           "a type that is only declared has no members");
    tap_ok(dbg_open(f.di, path("libwhole.so"), &why), "the library opens");
    tap_ok(opaque && ctype_member(opaque, "inside", &m) && m.offset == 8 &&
               ctype_size(opaque) == 16,
           "it is completed from the module that has it");
    tap_ok(list && ctype_member(list, "opaque", &m) &&
               ctype_member(ctype_target(m.type), "before", &m),
           "also behind a pointer");
    struct dbg_var v;
    struct dbg *lib = dbg_open(f.di, path("libwhole.so"), &why);

    tap_ok(lib && dbg_variable(lib, "whole", NULL, &v) &&
               !strcmp(ctype_text(f.cx.arena, v.type), "struct opaque"),
           "a library's variable");
    tear_down(&f);
}

/* Separate debug files below ROOT, which the module lies in as /bin/prog. */
static void test_separate(void)
{
    static const struct {
        const char *name, *commands;
        const char *says; /* NULL: found */
    } cases[] = {
        {"by build-id", "cp full.debug root/usr/lib/debug/.build-id/$(cat id).debug", NULL},
        {"by build-id, zlib",
         "objcopy --compress-debug-sections=zlib full.debug root/usr/lib/debug/.build-id/$(cat "
         "id).debug",
         NULL},
        {"by build-id, zlib, old style",
         "objcopy --compress-debug-sections=zlib-gnu full.debug root/usr/lib/debug/.build-id/$(cat "
         "id).debug",
         NULL},
        {"by build-id, zstd",
         "objcopy --compress-debug-sections=zstd full.debug root/usr/lib/debug/.build-id/$(cat "
         "id).debug",
         NULL},
        {"by debuglink, beside", "cp full.debug root/bin/full.debug", NULL},
        {"by debuglink, in .debug", "mkdir root/bin/.debug && cp full.debug root/bin/.debug/",
         NULL},
        {"by debuglink, in /usr/lib/debug",
         "mkdir -p root/usr/lib/debug/bin && cp full.debug root/usr/lib/debug/bin/", NULL},
        {"beside, by its name", "cp full.debug root/bin/prog.debug", NULL},
        {"through a link that stays inside",
         "cp full.debug root/usr/real && ln -s /usr/real root/usr/lib/debug/.build-id/$(cat "
         "id).debug",
         NULL},
        {"nowhere", "true", "/usr/lib/debug/.build-id/"},
        {"of another build", "cp wrong.debug root/usr/lib/debug/.build-id/$(cat id).debug",
         "it is of another build"},
        {"truncated", "head -c 2000 full.debug > root/usr/lib/debug/.build-id/$(cat id).debug",
         "not usable"},
        {"empty", ": > root/usr/lib/debug/.build-id/$(cat id).debug", "not a sound ELF file"},
        {"a directory", "mkdir root/usr/lib/debug/.build-id/$(cat id).debug", "not a regular file"},
        {"a FIFO", "mkfifo root/usr/lib/debug/.build-id/$(cat id).debug", "not a regular file"},
        {"through a link that leads out",
         "ln -s \"$PWD/full.debug\" root/usr/lib/debug/.build-id/$(cat id).debug",
         "no debug information"},
        {"through a link that climbs out",
         "ln -s ../../../../../../../../../../../../../../..$PWD/full.debug "
         "root/usr/lib/debug/.build-id/$(cat id).debug",
         "no debug information"},
    };

    run("objcopy --only-keep-debug plain full.debug && objcopy --strip-all "
        "--add-gnu-debuglink=full.debug plain stripped");
    compile("elsewhere", "-gdwarf-5 -O1 -DWRONG");
    run("objcopy --only-keep-debug elsewhere wrong.debug");
    run("readelf -n plain | sed -n 's/ *Build ID: \\(..\\)/\\1\\//p' > id");
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct fixture f;
        char name[128];
        const char *why = NULL;

        run("rm -rf root && mkdir -p root/bin root/usr/lib/debug/.build-id/$(dirname $(cat id)) && "
            "cp stripped root/bin/prog");
        snprintf(name, sizeof(name), "separate debug file %s", cases[i].name);
        if (!run("%s", cases[i].commands)) {
            tap_skip(name, "objcopy does not do it");
            continue;
        }
        set_up(&f, path("root"));
        if (!cases[i].says) {
            check_all(&f, "/bin/prog", name);
        } else {
            struct dbg *m = dbg_open(f.di, "/bin/prog", &why);

            if (!tap_ok(!m && why && strstr(why, cases[i].says), "%s is refused, and said", name))
                printf("# %s\n", why ? why : "(opened)");
            m = dbg_open_any(f.di, "/bin/prog", &why);
            tap_ok(m && dbg_path(m) && dbg_build_id(m)->len && !dbg_type(m, "int"),
                   "%s: the module itself can still be asked", name);
        }
        tear_down(&f);
    }
}

/* A debug file of the right build-id that names places within instructions: it is the target's, and
 * may lie. */
static void test_lies(void)
{
    struct fixture f;
    struct dbg_func *fn;
    const char *why = NULL;

    for (int liar = 0; liar < 2; liar++)
        run("$CC -w -I$inc -g -O1 %s -fno-inline-functions prog.c other.c -o %s ./libwhole.so "
            "-Wl,--build-id=0x0102030405060708",
            liar ? "-O0" : "", liar ? "liar" : "truth");
    run("rm -rf root && mkdir -p root/bin root/usr/lib/debug/.build-id/01 && strip --strip-all "
        "truth "
        "-o root/bin/prog && objcopy --only-keep-debug truth "
        "root/usr/lib/debug/.build-id/01/02030405060708.debug");
    set_up(&f, path("root"));
    struct dbg *m = dbg_open(f.di, "/bin/prog", &why);
    uint32_t all = m ? dbg_functions(m, "*", NULL, &fn) : 0;

    tap_ok(all > 5 && m && dbg_functions(m, "visit", NULL, &fn) == 1 && fn->entry,
           "a debug file of a container: functions of a stripped program");
    tear_down(&f);
    run("objcopy --only-keep-debug liar root/usr/lib/debug/.build-id/01/02030405060708.debug");
    set_up(&f, path("root"));
    m = dbg_open(f.di, "/bin/prog", &why);
    tap_ok(m && !dbg_functions(m, "visit", NULL, &fn),
           "one that lies about places is not believed");
    fflush(f.err);
    tap_ok(strstr(f.messages, "where no function of it starts") != NULL, "which is said");
    tear_down(&f);
}

static void test_symbols_only(void)
{
    struct fixture f;
    const char *why;
    struct dbg_func *fn;

    run("strip --strip-debug plain -o symbols");
    set_up(&f, NULL);
    struct dbg *m = dbg_open_any(f.di, path("symbols"), &why);

    tap_ok(m && why && !dbg_open(f.di, path("symbols"), &why), "a module with symbols only");
    tap_ok(m && dbg_functions(m, "vis*", NULL, &fn) == 1 && !fn->record &&
               fn->entry == symbol(m, "visit", 0) && fn->end > fn->entry,
           "has functions");
    struct dbg_location l;

    tap_ok(m && !dbg_local(fn, fn->entry, "l", &l, &why) && strstr(why, "no debug information"),
           "but no parameters");
    tap_ok(!dbg_open_any(f.di, "/nonexistent", &why) && why, "no such module");
    tear_down(&f);
}

/* Types moved into a supplementary file (dwz -m), which .gnu_debugaltlink names. */
static void test_supplementary(void)
{
    struct fixture f;
    const char *why = NULL;

    if (!run("$CC -w -I$inc -gdwarf-4 -O1 prog.c other.c -o one "
             "./libwhole.so -Wl,--build-id && cp one two && dwz -m common.debug one two "
             "2>/dev/null && "
             "readelf -S one | grep -q debugaltlink")) {
        tap_skip("a supplementary debug file", "no dwz");
        return;
    }
    set_up(&f, NULL);
    check_all(&f, path("one"), "with a supplementary debug file");
    tear_down(&f);
    run("mv common.debug moved.debug");
    set_up(&f, NULL);
    tap_ok(!dbg_open(f.di, path("one"), &why) && strstr(why, "supplementary debug file"),
           "a missing supplementary file is said");
    tear_down(&f);
}

static void test_split(void)
{
    struct fixture f;
    const char *why = NULL;

    if (!compile("split", "-gdwarf-5 -gsplit-dwarf -O1")) {
        tap_skip("split DWARF", "the compiler does not make it");
        return;
    }
    set_up(&f, NULL);
    tap_ok(!dbg_open(f.di, path("split"), &why) && strstr(why, "split DWARF"),
           "split DWARF is refused, and said");
    tear_down(&f);
}

/* ---- the cache ---- */

static bool one_cached_file(char *name, size_t size)
{
    FILE *p = popen("ls cache/ngstap/index", "r");
    bool ok = p && fgets(name, (int)size, p) && !fgets((char[8]){0}, 8, p);

    if (p)
        pclose(p);
    name[strcspn(name, "\n")] = '\0';
    return ok;
}

static bool opens_right(void)
{
    struct fixture f;
    const char *why;

    set_up(&f, NULL);
    struct checking c = {.a = f.cx.arena, .m = dbg_open(f.di, path("plain"), &why)};

    if (c.m) {
        check_types(&c);
        check_variables(&c);
        check_functions(&c);
    }
    bool ok = c.m && !c.bad;

    if (!ok)
        printf("# %s\n", c.first);
    tear_down(&f);
    return ok;
}

static void test_cache(void)
{
    char name[256], file[512];
    struct stat st, again;

    run("rm -rf cache");
    tap_ok(opens_right() && one_cached_file(name, sizeof(name)), "an index is cached");
    snprintf(file, sizeof(file), "cache/ngstap/index/%s", name);
    stat(path("%s", file), &st);
    tap_ok((st.st_mode & 0777) == 0600 && strlen(name) == 64,
           "under a hash of what it is made from, for us only");
    tap_ok(opens_right() && !stat(path("%s", file), &again) && again.st_ino == st.st_ino,
           "and used, not written again");
    size_t size;
    char *good = read_file(file, &size);
    unsigned wrong = 0, rounds = 150 * soak();

    for (unsigned i = 0; good && i < rounds;
         i++) { /* damaged anywhere: never wrong, never a crash */
        char *bad = malloc(size);
        size_t len = i % 5 == 0 ? size * i / rounds : size;

        memcpy(bad, good, size);
        srand(i);
        for (int k = 0; k < 20; k++)
            bad[(size_t)rand() % (i % 2 ? size : 256)] ^= (char)(1 << rand() % 8);
        write_file(file, bad, len);
        free(bad);
        struct fixture f;
        const char *why;
        struct cmember m;

        set_up(&f, NULL);
        struct dbg *d = dbg_open(f.di, path("plain"), &why);
        const struct ctype *t = d ? dbg_type(d, "struct list") : NULL;

        wrong += !(t && ctype_member(t, "at", &m) && m.offset == offsetof(struct list, at));
        tear_down(&f);
    }
    tap_ok(good && !wrong, "a damaged cache file gives no wrong answers");
    wrong = 0;
    rounds = 300 * soak();
    for (unsigned i = 0; good && i < rounds; i++) { /* one bit, anywhere */
        size_t at = i < 100 ? i : size * i / rounds;

        good[at] ^= (char)(1 << i % 8);
        write_file(file, good, size);
        good[at] ^= (char)(1 << i % 8);
        wrong += !opens_right();
    }
    tap_ok(good && !wrong, "nor does one in which a single bit is wrong");
    write_file(file, "ngsindex", 8);
    tap_ok(opens_right() && !stat(path("%s", file), &again) && again.st_size == st.st_size,
           "a bad one is written anew");

    /* Another file's DWARF under the same build-id. */
    run("objcopy --dump-section .note.gnu.build-id=note plain && "
        "$CC -w -I$inc -gdwarf-4 -O1 prog.c other.c -o twin ./libwhole.so -Wl,--build-id && "
        "objcopy --update-section .note.gnu.build-id=note twin");
    struct fixture f;
    const char *why;

    set_up(&f, NULL);
    struct checking c = {.a = f.cx.arena, .m = dbg_open(f.di, path("twin"), &why)};

    if (c.m) {
        check_types(&c);
        check_variables(&c);
    }
    tap_ok(c.m && !c.bad, "an index of other debug information with the same build-id is not used");
    tear_down(&f);

    run("rm -rf cache && mkdir -p cache/ngstap elsewhere.d && ln -s \"$PWD/elsewhere.d\" "
        "cache/ngstap/index");
    tap_ok(opens_right() && run("test -z \"$(ls elsewhere.d)\""),
           "nothing is written through a link");
    run("rm -rf cache && mkdir -p cache/ngstap && chmod 777 cache/ngstap");
    tap_ok(opens_right() && run("test -z \"$(ls cache/ngstap)\""),
           "nor into a directory that others can write");
    run("rm -rf cache && mkdir cache && chmod 777 cache");
    tap_ok(opens_right() && run("test -z \"$(ls cache)\""),
           "a cache below a folder that others can write to is not used");
    run("rm -rf cache; : > cache");
    tap_ok(opens_right(), "no cache is no error");
    run("rm -f cache");
    free(good);
}

/* ---- damage ---- */

static void ask_member(const struct cmember *m, void *arg)
{
    struct arena *a = arg;

    ctype_text(a, m->type);
    ctype_size(m->type);
    ctype_kind(m->type);
}

static void ask_name(const char *name, void *arg)
{
    *(uint64_t *)arg += strlen(name);
}

struct asking {
    const struct dbg_func *f;
    uint64_t pc;
};

static void ask_local(const char *name, bool is_param, void *arg)
{
    struct asking *q = arg;
    struct dbg_location l;
    const char *why;

    dbg_local(q->f, q->pc, name, &l, &why);
}

/* Asks everything there is to ask of a file; what it answers is of no interest. */
static void ask_everything(const char *file)
{
    static const char *const types[] = {"struct list",  "value_t", "enum colour",  "struct bits",
                                        "opaque_t",     "word_t",  "loop_t",       "struct self",
                                        "struct twice", "array_t", "struct list *"};
    static const char *const variables[] = {"head",       "hidden", "shared",
                                            "per_thread", "first",  "looped"};
    struct fixture f;
    const char *why;

    set_up(&f, NULL);
    struct dbg *m = dbg_open_any(f.di, file, &why);

    for (size_t i = 0; m && i < sizeof(types) / sizeof(*types); i++) {
        const struct ctype *t = dbg_type(m, types[i]);
        struct cmember found;

        if (!t)
            continue;
        ctype_text(f.cx.arena, t);
        ctype_size(t);
        ctype_signed(t);
        ctype_array_len(t);
        ctype_members(t, ask_member, f.cx.arena);
        ctype_member(t, "nothing", &found);
        for (int depth = 0; t && depth < 100; depth++)
            t = ctype_target(t);
    }
    for (size_t i = 0; m && i < sizeof(variables) / sizeof(*variables); i++) {
        struct dbg_var v;

        if (dbg_variable(m, variables[i], NULL, &v)) {
            ctype_text(f.cx.arena, v.type);
            ctype_size(v.type);
        }
    }
    if (m) {
        struct dbg_func *fn;
        uint32_t n = dbg_functions(m, "*", NULL, &fn), reg;
        uint64_t sum = 0;
        int64_t off, value;

        for (uint32_t i = 0; i < n && i < 200; i++) {
            struct asking q = {&fn[i], fn[i].entry};

            dbg_locals(q.f, q.pc, ask_local, &q);
            q.pc = fn[i].entry + 9;
            dbg_locals(q.f, q.pc, ask_local, &q);
            dbg_func_result(&fn[i]);
            dbg_cfa(m, fn[i].entry, &reg, &off);
            dbg_cfa(m, fn[i].entry + 5, &reg, &off);
        }
        struct dbg_statement *s, at;
        struct dbg_call *calls;
        bool complete;

        for (uint32_t i = 0; i < n && i < 200; i++) {
            dbg_calls(&fn[i], "*", &calls, &complete);
            dbg_statement_at(m, fn[i].entry, &at);
        }
        n = dbg_inlined(m, "*", NULL, &fn);
        for (uint32_t i = 0; i < n && i < 200; i++) {
            struct asking q = {&fn[i], fn[i].entry};

            dbg_locals(q.f, q.pc, ask_local, &q);
            dbg_calls(&fn[i], "*", &calls, &complete);
        }
        dbg_statements(m, &(struct dbg_lines){.function = "*", .high = 1000}, &s);
        dbg_functions(m, "same*", "other.c", &fn);
        dbg_enumerator(m, "GREEN", &value);
        for (int k = DBG_TYPES; k <= DBG_FUNCTIONS; k++)
            dbg_names(m, (enum dbg_class)k, ask_name, &sum);
        elf_symbol_at(dbg_symbols(m), 0x1234);
    }
    tear_down(&f);
    int fd = open(file, O_RDONLY | O_CLOEXEC);
    struct arena *a = arena_new();
    uint64_t offset;

    if (fd >= 0) {
        elf_symbols_read(a, fd);
        elf_vaddr_to_offset(fd, 0x1000, &offset);
        close(fd);
    }
    arena_free(a);
}

/* In a child, which may take SECONDS; 0: it came back. */
static int survives(const char *file, unsigned seconds)
{
    int status;
    pid_t pid = fork();

    if (pid == 0) {
        alarm(seconds);
        ask_everything(file);
        _exit(0);
    }
    if (pid < 0 || waitpid(pid, &status, 0) != pid)
        return -1;
    return WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status);
}

/* Damages a file COUNT times by a seed; a failing one is kept beside. */
static void test_damage(const char *file, unsigned count, const char *name)
{
    size_t size;
    char *good = read_file(file, &size);
    unsigned failed = 0;

    count *= soak();
    for (unsigned i = 0; good && i < count; i++) {
        char *bad = malloc(size);
        size_t len = size;

        memcpy(bad, good, size);
        srand(i);
        if (i % 8 == 0) { /* cut off */
            len = (size_t)rand() % size;
        } else if (i % 8 == 1) { /* a run of one byte */
            size_t at = (size_t)rand() % size, run_len = (size_t)rand() % 64 + 1;

            memset(bad + at, rand() % 2 ? 0xff : 0, run_len < size - at ? run_len : size - at);
        } else if (i % 8 == 2) { /* the section headers, at the end */
            for (int k = 0; k < 8; k++)
                bad[size - 1 - (size_t)rand() % 2600 % size] = (char)rand();
        } else if (i % 8 == 3) { /* the ELF and program headers */
            bad[16 + (size_t)rand() % 600 % (size - 16)] = (char)rand();
        } else { /* bits anywhere */
            for (int k = 1 + rand() % 200; k; k--)
                bad[(size_t)rand() % size] ^= (char)(1 << rand() % 8);
        }
        write_file("damaged", bad, len);
        free(bad);
        int how = survives(path("damaged"), 30);

        if (how) {
            printf("# damage %u of %s: %s %d\n", i, file, how < 32 ? "signal or exit" : "exit",
                   how);
            failed++;
        }
    }
    tap_ok(good && !failed, "%s survives %u kinds of damage", name, count);
    free(good);
}

/* DWARF that a compiler never makes: types that contain themselves. */
static const char loops_s[] =
    ".section .debug_abbrev,\"\",@progbits\n"
    ".Labbrev: .uleb128 1,0x11\n .byte 1\n .uleb128 0x03,0x08, 0,0\n"  /* compile_unit: name */
    ".uleb128 2,0x16\n .byte 0\n .uleb128 0x03,0x08, 0x49,0x13, 0,0\n" /* typedef: name, type ref4
                                                                        */
    ".uleb128 3,0x13\n .byte 1\n .uleb128 0x03,0x08, 0x0b,0x0b, 0,0\n" /* structure: name, size */
    ".uleb128 4,0x0d\n .byte 0\n .uleb128 0x49,0x13, 0x38,0x0b, 0,0\n" /* member: type, offset; no
                                                                          name */
    ".uleb128 5,0x01\n .byte 1\n .uleb128 0x49,0x13, 0,0\n"            /* array: type */
    ".uleb128 6,0x21\n .byte 0\n .uleb128 0x2f,0x0b, 0,0\n"            /* subrange: upper bound */
    ".uleb128 7,0x34\n .byte 0\n .uleb128 0x03,0x08, 0x49,0x13, 0,0\n" /* variable */
    ".byte 0\n"
    ".section .debug_info,\"\",@progbits\n"
    ".Linfo: .long .Lend - .Lstart\n"
    ".Lstart: .value 4\n .long .Labbrev\n .byte 8\n"
    ".uleb128 1\n .asciz \"loops.c\"\n"
    ".Lloop: .uleb128 2\n .asciz \"loop_t\"\n .long .Lloop2 - .Linfo\n"
    ".Lloop2: .uleb128 2\n .asciz \"loop2_t\"\n .long .Lloop - .Linfo\n"
    ".Lself: .uleb128 3\n .asciz \"self\"\n .byte 8\n"
    "  .uleb128 4\n .long .Lself - .Linfo\n .byte 0\n .byte 0\n"
    ".Ltwice: .uleb128 3\n .asciz \"twice\"\n .byte 8\n"
    "  .uleb128 4\n .long .Ltwice - .Linfo\n .byte 0\n .uleb128 4\n .long .Ltwice - .Linfo\n .byte "
    "4\n"
    "  .uleb128 4\n .long .Lself - .Linfo\n .byte 4\n .byte 0\n"
    ".Larray: .uleb128 2\n .asciz \"array_t\"\n .long .Larray2 - .Linfo\n"
    ".Larray2: .uleb128 5\n .long .Larray - .Linfo\n .uleb128 6\n .byte 200\n .uleb128 6\n .byte "
    "200\n .byte 0\n"
    ".uleb128 7\n .asciz \"looped\"\n .long .Lloop - .Linfo\n"
    ".byte 0\n.Lend:\n";

static void test_loops(void)
{
    write_file("loops.s", loops_s, sizeof(loops_s) - 1);
    if (!run("$CC -nostdlib -shared loops.s -o loops.so -Wl,--build-id")) {
        tap_skip("types that contain themselves", "not x86-64");
        return;
    }
    struct fixture f;
    const char *why;

    set_up(&f, NULL);
    struct dbg *m = dbg_open(f.di, path("loops.so"), &why);

    tap_ok(m && dbg_type(m, "loop_t") && dbg_type(m, "struct twice") && dbg_type(m, "array_t"),
           "types that contain themselves are there");
    tear_down(&f);
    tap_ok(survives(path("loops.so"), 20) == 0, "and end");
}

/* A function in a function in ..., and a line table of a row a byte. */
static const char nest_s[] =
    ".text\n.globl nested\n.type nested, @function\nnested: .fill 63, 1, 0x90\nret\n"
    ".section .debug_abbrev,\"\",@progbits\n"
    ".byte 1, 0x11, 1, 0x03, 0x08, 0x11, 0x01, 0x12, 0x07, 0x10, 0x17, 0, 0\n"
    ".byte 2, 0x2e, 0, 0x03, 0x08, 0x20, 0x0b, 0, 0\n"
    ".byte 3, 0x2e, 1, 0x03, 0x08, 0x11, 0x01, 0x12, 0x07, 0x3a, 0x0b, 0x3b, 0x0b, 0, 0\n"
    ".byte 4, 0x1d, 1, 0x31, 0x13, 0x11, 0x01, 0x12, 0x07, 0, 0\n.byte 0\n"
    ".section .debug_info,\"\",@progbits\n"
    "cu: .long 2f - 1f\n1: .short 4\n.long 0\n.byte 8\n"
    ".byte 1\n.asciz \"nest.c\"\n.quad nested, 64\n.long 0\n"
    "deep: .byte 2\n.asciz \"deep\"\n.byte 1\n"
    ".byte 3\n.asciz \"nested\"\n.quad nested, 64\n.byte 1, 1\n"
    ".rept NEST\n.byte 4\n.long deep - cu\n.quad nested, 64\n.endr\n"
    ".fill NEST + 2, 1, 0\n2:\n"
    ".section .debug_line,\"\",@progbits\n"
    ".long 4f - 3f\n3: .short 4\n.long 6f - 5f\n5: .byte 1, 1, 1, -3, 12, 13\n"
    ".byte 0, 1, 1, 1, 1, 0, 0, 0, 1, 0, 0, 1\n.byte 0\n.asciz \"nest.c\"\n.byte 0, 0, 0, 0\n"
    "6: .byte 0, 9, 2\n.quad nested\n.fill ROWS, 1, 0x10\n.byte 0, 1, 1\n4:\n";

static void test_nest(void)
{
    static const char *const says[] = {"more than 1000 blocks in one another",
                                       "more than 16777216 bytes of a unit's line table"};

    write_file("nest.s", nest_s, sizeof(nest_s) - 1);
    if (!run("$CC -nostdlib -shared -Wa,--defsym,NEST=900,--defsym,ROWS=40 nest.s -o some.so") ||
        !run("$CC -nostdlib -shared -Wa,--defsym,NEST=90000,--defsym,ROWS=40 nest.s -o deep.so") ||
        !run(
            "$CC -nostdlib -shared -Wa,--defsym,NEST=9,--defsym,ROWS=17000000 nest.s -o long.so")) {
        tap_skip("functions in one another", "not x86-64");
        return;
    }
    for (int i = 0; i < 3; i++) {
        static const char *const files[] = {"some.so", "deep.so", "long.so"};
        struct fixture f;
        struct dbg_func *fn;
        struct dbg_statement *s;
        const char *why;

        set_up(&f, NULL);
        struct dbg *m = dbg_open(f.di, path("%s", files[i]), &why);
        uint32_t n = m ? dbg_inlined(m, "deep", NULL, &fn) : 0;
        uint32_t rows =
            m ? dbg_statements(m, &(struct dbg_lines){.function = "*", .high = 9}, &s) : 0;

        fflush(f.err);
        if (!tap_ok(i ? m && strstr(f.messages, says[i - 1]) : n == 1 && rows > 0,
                    i ? "%s is bounded" : "%s is read", files[i]))
            printf("# %u inlined, %u statements, %s\n", n, rows, f.messages);
        tear_down(&f);
    }
}

/* A compressed section that says it expands to terabytes. */
static void test_bomb(void)
{
    size_t size;
    struct fixture f;
    const char *why = NULL;

    run("objcopy --compress-debug-sections=zlib plain bomb");
    char *bad = read_file("bomb", &size);
    bool made = false;

    for (size_t i = 0; bad && i + 26 < size;
         i++) { /* Elf64_Chdr: type 1, 0, size, alignment; then a zlib stream */
        static const unsigned char head[] = {1, 0, 0, 0, 0, 0, 0, 0};

        if (!memcmp(bad + i, head, 8) && (unsigned char)bad[i + 24] == 0x78 && bad[i + 16] <= 8) {
            uint64_t huge = UINT64_C(1) << 44;

            memcpy(bad + i + 8, &huge, 8);
            made = true;
        }
    }
    if (made)
        write_file("bomb", bad, size);
    free(bad);
    set_up(&f, NULL);
    struct dbg *m = made ? dbg_open(f.di, path("bomb"), &why) : NULL;

    fflush(f.err);
    if (!tap_ok(made && !m && strstr(f.messages, "bomb: it takes more than 2048 MiB of memory"),
                "a section that expands to terabytes is refused"))
        printf("# %s\n", why ? why : made ? "opened" : "not made");
    tear_down(&f);
}

/* Types whose layout Linux promises its users, or that cannot be otherwise. */
static void test_kernel(void)
{
    struct fixture f;
    const char *why;
    struct cmember c;

    set_up(&f, NULL);
    struct dbg *m = dbg_open(f.di, "kernel", &why);

    if (access("/sys/kernel/btf/vmlinux", R_OK)) {
        tap_ok(!m && why && strstr(why, "/sys/kernel/btf/vmlinux"), "a kernel without BTF says so");
        tear_down(&f);
        return;
    }
    if (!tap_ok(m && dbg_is_kernel(m) && dbg_build_id(m)->len > 0, "the kernel has a build-id"))
        return;
    tap_ok(dbg_open(f.di, "kernel", &why) == m, "the kernel is opened once");
    const struct ctype *list = dbg_type(m, "struct list_head");
    const struct ctype *ip = dbg_type(m, "iphdr");

    tap_ok(list && ctype_kind(list) == CT_STRUCT && ctype_size(list) == 16 &&
               ctype_is_kernel(list) && ctype_module(list) == m,
           "a struct of the kernel");
    tap_ok(list && ctype_member(list, "prev", &c) && c.offset == 8 &&
               ctype_kind(c.type) == CT_POINTER && ctype_target(c.type) == list,
           "a member that points to it");
    tap_ok(list && !ctype_member(list, "no", &c), "a member that is not there");
    tap_ok(ip && ctype_member(ip, "ihl", &c) && c.offset == 0 && c.bit_off == 0 &&
               c.bit_size == 4 && ctype_member(ip, "version", &c) && c.bit_off == 4 &&
               c.bit_size == 4,
           "bit fields");
    const struct ctype *in6 = dbg_type(m, "in6_addr");

    tap_ok(in6 && ctype_member(in6, "in6_u", &c) && ctype_kind(c.type) == CT_UNION &&
               ctype_member(c.type, "u6_addr16", &c) && ctype_kind(c.type) == CT_ARRAY &&
               ctype_array_len(c.type) == 8 && ctype_size(c.type) == 16 &&
               ctype_size(ctype_target(c.type)) == 2,
           "an array in a union");
    const struct ctype *p = dbg_type(m, "const struct list_head **");

    tap_ok(p && ctype_size(p) == 8 && ctype_is_kernel(p) &&
               !strcmp(ctype_text(f.cx.arena, p), "struct list_head **"),
           "a pointer by name");
    tap_ok(ctype_signed(dbg_type(m, "int")) && !ctype_signed(dbg_type(m, "unsigned long")) &&
               ctype_size(dbg_type(m, "unsigned long")) == 8 &&
               ctype_size(dbg_type(m, "u32")) == 4 && ctype_kind(dbg_type(m, "_Bool")) == CT_BOOL,
           "base types and typedefs");
    tap_ok(ctype_kind(dbg_type(m, "enum hrtimer_restart")) == CT_ENUM, "an enum");
    int64_t v;

    tap_ok(dbg_enumerator(m, "HRTIMER_RESTART", &v) && v == 1, "an enumerator");
    tap_ok(!dbg_type(m, "no_such_type_here") && !dbg_enumerator(m, "NO_SUCH_ONE", &v),
           "what is not there");
    tear_down(&f);
}

int main(int argc, char **argv)
{
    const char *top = getenv("top_srcdir");
    char include[4096];

    if (!mkdtemp(dir)) {
        perror("mkdtemp");
        return 99;
    }
    if (!realpath(argc > 1 ? argv[1] : top ? top : ".", include) || chdir(dir)) {
        perror(dir);
        return 99;
    }
    strncat(include, "/tests/unit", sizeof(include) - strlen(include) - 1);
    setenv("inc", include, 1);
    setenv("CC", "cc", 0);
    setenv("LC_ALL", "C", 1);
    setenv("XDG_CACHE_HOME", path("cache"), 1);
    write_file("prog.c", prog_c, sizeof(prog_c) - 1);
    write_file("other.c", other_c, sizeof(other_c) - 1);
    write_file("lib.c", lib_c, sizeof(lib_c) - 1);
    if (!run("$CC -w -gdwarf-4 -O1 -shared -fPIC lib.c -o libwhole.so -Wl,--build-id") ||
        !compile("plain", "-gdwarf-5 -O2")) {
        printf("Bail out! the compiler does not work\n");
        return 99;
    }
    test_forms();
    test_clang();
    test_completion();
    test_separate();
    test_lies();
    test_symbols_only();
    test_supplementary();
    test_split();
    test_cache();
    test_loops();
    test_nest();
    test_bomb();
    test_kernel();
    setenv("XDG_CACHE_HOME", "/nonexistent", 1);
    test_damage("plain", 400, "DWARF 5");
    if (compile("four", "-gdwarf-4 -O0"))
        test_damage("four", 200, "DWARF 4");
    if (compile("packed", "-gdwarf-5 -O2 -gz=zlib"))
        test_damage("packed", 150, "compressed DWARF");
    if (run("objcopy --compress-debug-sections=zstd plain zstd"))
        test_damage("zstd", 100, "DWARF compressed with zstd");
    if (!getenv("KEEP") && chdir("/") == 0)
        run("rm -rf '%s'", dir);
    return tap_done();
}
