/*
 * cg_text_test: what generated code does with strings and memory, run in the kernel: formats
 * against printf, concatenation and comparison at every length that matters, reads of memory. Needs
 * root.
 */
#include "run/text.h"
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tests/unit/cg_fixture.h"
#include "tests/unit/tap.h"

static const int64_t edges[] = {0,
                                1,
                                -1,
                                2,
                                -2,
                                7,
                                -7,
                                63,
                                64,
                                65,
                                100,
                                255,
                                -100,
                                65535,
                                0x7fffffff,
                                -0x80000000ll,
                                0xffffffffll,
                                0x100000000ll,
                                0x123456789abcdefll,
                                -0x123456789abcdefll,
                                INT64_MAX,
                                INT64_MIN,
                                INT64_MIN + 1};
enum { N_EDGES = sizeof(edges) / sizeof(*edges) };

/* ---- strings ---- */

static void spec_text(char *out, size_t size, uint64_t spec)
{
    unsigned width = spec >> 16 & 0xffff, prec = spec >> 32 & 0xffff;
    int n = snprintf(out, size, "%%%s%s%s%s%s", spec & NGS_SPEC_LEFT ? "-" : "",
                     spec & NGS_SPEC_ZERO ? "0" : "", spec & NGS_SPEC_PLUS ? "+" : "",
                     spec & NGS_SPEC_SPACE ? " " : "", spec & NGS_SPEC_ALT ? "#" : "");

    if (width)
        n += snprintf(out + n, size - (size_t)n, "%u", width);
    if (prec != 0xffff)
        n += snprintf(out + n, size - (size_t)n, ".%u", prec);
    snprintf(out + n, size - (size_t)n, "%s%c",
             (spec & 0xff) == 's' || (spec & 0xff) == 'c' ? "" : "l", (int)(spec & 0xff));
}

#pragma GCC diagnostic ignored "-Wformat-nonliteral"
static void test_format(void)
{
    static const uint64_t specs[] = {
        NGS_SPEC('d', 0, 0, 0xffff),
        NGS_SPEC('u', 0, 0, 0xffff),
        NGS_SPEC('x', 0, 0, 0xffff),
        NGS_SPEC('X', 0, 0, 0xffff),
        NGS_SPEC('o', 0, 0, 0xffff),
        NGS_SPEC('d', 0, 12, 0xffff),
        NGS_SPEC('d', NGS_SPEC_LEFT, 12, 0xffff),
        NGS_SPEC('d', NGS_SPEC_ZERO, 12, 0xffff),
        NGS_SPEC('d', NGS_SPEC_PLUS, 0, 0xffff),
        NGS_SPEC('d', NGS_SPEC_SPACE, 0, 0xffff),
        NGS_SPEC('d', 0, 0, 5),
        NGS_SPEC('d', 0, 10, 5),
        NGS_SPEC('d', 0, 0, 0),
        NGS_SPEC('x', NGS_SPEC_ALT, 0, 0xffff),
        NGS_SPEC('x', NGS_SPEC_ALT | NGS_SPEC_ZERO, 24, 0xffff),
        NGS_SPEC('X', NGS_SPEC_ALT, 24, 0xffff),
        NGS_SPEC('d', NGS_SPEC_LEFT | NGS_SPEC_ZERO, 30, 0xffff),
        NGS_SPEC('d', 0, 100, 0xffff),
        NGS_SPEC('d', NGS_SPEC_ZERO | NGS_SPEC_PLUS, 30, 0xffff),
        NGS_SPEC('d', 0, 0, 90),
    };
    enum { N = sizeof(specs) / sizeof(*specs) };
    struct cgt t;
    uint32_t s[N];
    unsigned wrong = 0, runs = 0;

    cgt_open(&t, NULL);
    uint32_t a = cgt_global(&t, "a", OBJ_LONG);

    for (int k = 0; k < N; k++) {
        s[k] = cgt_global(&t, "s", OBJ_STRING);
        struct ir_val slot = IR_SLOT(ir_slot_new(t.u, t.at.f, IR_STRING, NULL));

        ir_put_str(&t.at, IR_SSET, slot, cgt_lit(&t, "<"));
        struct ir_val v = cgt_gload(&t, a);
        struct ir_ins *i = cgt_put(&t, IR_SFMT);

        i->str = slot;
        i->a = v;
        i->b = IR_IMM((int64_t)specs[k]);
        ir_put_str(&t.at, IR_SCAT, slot, cgt_lit(&t, ">"));
        cgt_gsset(&t, s[k], slot);
    }
    bool loaded = cgt_load(&t);

    for (int64_t power = 0; loaded && power < 64 + N_EDGES; power++) {
        int64_t value = power < 64 ? (int64_t)(1ull << power) : edges[power - 64];

        *cgt_long(&t, a) = value;
        for (int minus = 0; minus < 2;
             minus++, *cgt_long(&t, a) = value = (int64_t)(0 - (uint64_t)value) - 1, runs++) {
            cgt_run(&t);
            for (int k = 0; k < N; k++) {
                char format[32], want[256];
                struct text inner = TEXT_NEW;

                spec_text(format, sizeof(format), specs[k]);
                format_number(&inner, conv_of_spec(specs[k]), value); /* C's differs for 0 */
                snprintf(want, sizeof(want), "<%s>", text_c(&inner));
                text_free(&inner);
                if (strcmp(want, cgt_str(&t, s[k])->bytes) ||
                    strlen(want) != cgt_str(&t, s[k])->len) {
                    if (wrong++ < 5)
                        printf("# %s of %" PRId64 ": got '%s' want '%s'\n", format, value,
                               cgt_str(&t, s[k])->bytes, want);
                }
            }
        }
    }
    tap_ok(loaded && !wrong,
           "integers formatted as in user space (%u values, %u instructions verified)", runs,
           t.verified);
    cgt_close(&t);
}

/* s = a . b . literal . a, through local slots and globals, for lengths around every branch of the
 * copy. */
static void test_concat(void)
{
    static const uint32_t lengths[] = {0,  1,  2,  3,  4,  5,  7,  8,   9,   15,  16,
                                       17, 31, 33, 63, 64, 65, 72, 100, 200, 255, 256};
    enum { N = sizeof(lengths) / sizeof(*lengths) };
    struct cgt t;
    char text[2][257], want[2048];
    unsigned wrong = 0;
    uint64_t cut = 0;

    for (int k = 0; k < 256; k++) {
        text[0][k] = (char)('a' + k % 26);
        text[1][k] = (char)('A' + k % 23);
    }
    cgt_open(&t, NULL);
    uint32_t a = cgt_global(&t, "a", OBJ_STRING), b = cgt_global(&t, "b", OBJ_STRING),
             out = cgt_global(&t, "out", OBJ_STRING);
    uint32_t length = cgt_global(&t, "length", OBJ_LONG), guard = cgt_global(&t, "guard", OBJ_LONG);
    uint32_t slot = ir_slot_new(t.u, t.at.f, IR_STRING, "s"),
             next = ir_slot_new(t.u, t.at.f, IR_STRING, "next");

    ir_put_str(&t.at, IR_SSET, IR_SLOT(next), cgt_lit(&t, "next"));
    ir_put_str(&t.at, IR_SSET, IR_SLOT(slot), cgt_gsget(&t, a));
    ir_put_str(&t.at, IR_SCAT, IR_SLOT(slot), cgt_gsget(&t, b));
    ir_put_str(&t.at, IR_SCAT, IR_SLOT(slot), cgt_lit(&t, "-lit-"));
    ir_put_str(&t.at, IR_SCAT, IR_SLOT(slot), cgt_gsget(&t, a));
    cgt_gsset(&t, out, IR_SLOT(slot));
    struct ir_ins *i = cgt_put(&t, IR_SLEN);

    i->s = IR_SLOT(slot);
    i->dst = ir_temp(t.at.f);
    cgt_gstore(&t, length, IR_TEMP(i->dst));
    i = cgt_put(&t, IR_SEQ);
    i->s = IR_SLOT(next);
    i->s2 = cgt_lit(&t, "next");
    i->dst = ir_temp(t.at.f);
    cgt_gstore(&t, guard, IR_TEMP(i->dst));
    bool loaded = cgt_load(&t);

    for (int x = 0; loaded && x < N; x++)
        for (int y = 0; y < N; y++) {
            cgt_fill(cgt_str(&t, a), text[0], lengths[x]);
            cgt_fill(cgt_str(&t, b), text[1], lengths[y]);
            int n = snprintf(want, sizeof(want), "%.*s%.*s-lit-%.*s", (int)lengths[x], text[0],
                             (int)lengths[y], text[1], (int)lengths[x], text[0]);

            t.control->truncated = 0;
            cgt_run(&t);
            cut = t.control->truncated;
            if (n > 256)
                want[256] = 0;
            struct ngs_str *s = cgt_str(&t, out);

            if (strcmp(s->bytes, want) || s->len != strlen(want) ||
                *cgt_long(&t, length) != s->len || *cgt_long(&t, guard) != 1 ||
                (cut != 0) != (n > 256)) {
                if (wrong++ < 3)
                    printf("# lengths %u %u: got %u '%s'\n#  want %zu '%s', cut %" PRIu64 "\n",
                           lengths[x], lengths[y], s->len, s->bytes, strlen(want), want, cut);
            }
        }
    tap_ok(loaded && !wrong, "concatenation (%u instructions verified)", t.verified);
    cgt_close(&t);
}

static void test_compare(const char *disabled, const char *name)
{
    struct cgt t;
    char x[257], y[257];
    unsigned wrong = 0;

    memset(x, 'a', 256);
    memset(y, 'a', 256);
    cgt_open(&t, disabled);
    uint32_t a = cgt_global(&t, "a", OBJ_STRING), b = cgt_global(&t, "b", OBJ_STRING);
    uint32_t eq = cgt_global(&t, "eq", OBJ_LONG), cmp = cgt_global(&t, "cmp", OBJ_LONG),
             lit = cgt_global(&t, "lit", OBJ_LONG);
    struct ir_val left = cgt_gsget(&t, a), right = cgt_gsget(&t, b);
    struct ir_ins *i = cgt_put(&t, IR_SEQ);

    i->s = left;
    i->s2 = right;
    i->dst = ir_temp(t.at.f);
    cgt_gstore(&t, eq, IR_TEMP(i->dst));
    i = cgt_put(&t, IR_SCMP);
    i->s = left;
    i->s2 = right;
    i->dst = ir_temp(t.at.f);
    cgt_gstore(&t, cmp, IR_TEMP(i->dst));
    i = cgt_put(&t, IR_SEQ);
    i->s = right;
    i->s2 = cgt_lit(&t, "aaaaaaaaaaaaa");
    i->dst = ir_temp(t.at.f);
    cgt_gstore(&t, lit, IR_TEMP(i->dst));
    bool loaded = cgt_load(&t);

    for (uint32_t n = 0; loaded && n <= 256; n = n < 40 ? n + 1 : n + 27)
        for (uint32_t at = 0; at <= n; at = at < 20 ? at + 1 : at + 13)
            for (int kind = 0; kind < 4; kind++) {
                uint32_t m = kind == 3 ? at : n;

                if (at < 256)
                    y[at] = kind == 1 ? 'b' : kind == 2 ? (char)0xf0 : 'a';
                cgt_fill(cgt_str(&t, a), x, n);
                cgt_fill(cgt_str(&t, b), y, m);
                cgt_run(&t);
                int c = memcmp(x, y, n < m ? n : m), want = c       ? (c < 0 ? -1 : 1)
                                                            : n < m ? -1
                                                                    : n > m;
                bool is_lit = m == 13 && !memcmp(y, x, 13);

                if (*cgt_long(&t, cmp) != want || *cgt_long(&t, eq) != (want == 0) ||
                    *cgt_long(&t, lit) != is_lit) {
                    if (wrong++ < 5)
                        printf("# n %u m %u at %u kind %d: cmp %" PRId64 " want %d eq %" PRId64
                               " lit %" PRId64 "\n",
                               n, m, at, kind, *cgt_long(&t, cmp), want, *cgt_long(&t, eq),
                               *cgt_long(&t, lit));
                }
                if (at < 256)
                    y[at] = 'a';
            }
    tap_ok(loaded && !wrong, "%s (%u instructions verified)", name, t.verified);
    cgt_close(&t);
}

/* ---- reads ---- */

static int64_t sext(int64_t v, int bytes)
{
    return (int64_t)((uint64_t)v << (64 - 8 * bytes)) >> (64 - 8 * bytes);
}

static void test_reads(void)
{
    static const uint8_t sizes[] = {1, 2, 4, 8};
    struct cgt t;
    uint32_t out[8], err[8];
    unsigned wrong = 0;
    uint8_t *mem = mmap(NULL, 3 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    for (int k = 0; k < 2 * 4096; k++)
        mem[k] = (uint8_t)(k * 37 + (k >> 8) + 129);
    mprotect(mem + 2 * 4096, 4096, PROT_NONE);
    cgt_open(&t, NULL);
    uint32_t addr = cgt_global(&t, "addr", OBJ_LONG);

    for (int k = 0; k < 8; k++) {
        uint32_t failed = ir_block_new(t.u, t.at.f), after = ir_block_new(t.u, t.at.f),
                 outer = t.at.onerr;
        struct ir_val va = cgt_gload(&t, addr);

        out[k] = cgt_global(&t, "out", OBJ_LONG);
        err[k] = cgt_global(&t, "err", OBJ_LONG);
        t.at.onerr = failed;
        struct ir_ins *i = cgt_put(&t, IR_READ);

        i->a = va;
        i->size = sizes[k % 4];
        i->is_signed = k >= 4;
        i->dst = ir_temp(t.at.f);
        t.at.onerr = outer;
        cgt_gstore(&t, out[k], IR_TEMP(i->dst));
        ir_put_jump(&t.at, after);
        ir_at(&t.at, failed);
        cgt_put(&t, IR_SERROR);
        cgt_gstore(&t, err[k], IR_IMM(1));
        ir_put_jump(&t.at, after);
        ir_at(&t.at, after);
    }
    bool loaded = cgt_load(&t);

    for (int at = 0; loaded && at < 2 * 4096 + 16;
         at += at % 512 < 8 || at % 512 > 500 || at > 2 * 4096 - 20 ? 1 : 29) {
        *cgt_long(&t, addr) = (int64_t)(uintptr_t)(mem + at);
        cgt_run(&t);
        for (int k = 0; k < 8; k++) {
            int size = sizes[k % 4];
            bool fails = at + size > 2 * 4096;
            int64_t want = 0;

            if (!fails)
                memcpy(&want, mem + at, (size_t)size);
            if (k >= 4)
                want = sext(want, size);
            if (*cgt_long(&t, err[k]) != fails || (!fails && *cgt_long(&t, out[k]) != want)) {
                if (wrong++ < 5)
                    printf("# at %d size %d: got %" PRIx64 " want %" PRIx64 " err %" PRId64 "\n",
                           at, size, *cgt_long(&t, out[k]), want, *cgt_long(&t, err[k]));
            }
            *cgt_long(&t, err[k]) = 0;
        }
    }
    tap_ok(loaded && !wrong, "reads of user memory (%u instructions verified)", t.verified);
    tap_ok(loaded && t.control->faults > 0, "faults are counted");
    cgt_close(&t);
    munmap(mem, 3 * 4096);
}

static void test_read_string(void)
{
    struct cgt t;
    unsigned wrong = 0;
    char *mem = mmap(NULL, 2 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    mprotect(mem + 4096, 4096, PROT_NONE);
    cgt_open(&t, NULL);
    uint32_t addr = cgt_global(&t, "addr", OBJ_LONG), max = cgt_global(&t, "max", OBJ_LONG),
             out = cgt_global(&t, "out", OBJ_STRING);
    uint32_t err = cgt_global(&t, "err", OBJ_STRING), failed = ir_block_new(t.u, t.at.f),
             outer = t.at.onerr;
    uint32_t text = ir_slot_new(t.u, t.at.f, IR_STRING, "text");

    struct ir_val read = IR_SLOT(ir_slot_new(t.u, t.at.f, IR_STRING, NULL));

    ir_put_str(&t.at, IR_SSET, read, cgt_lit(&t, "["));
    struct ir_val va = cgt_gload(&t, addr), vmax = cgt_gload(&t, max);

    t.at.onerr = failed;
    struct ir_ins *i = cgt_put(&t, IR_SREAD);

    i->str = read;
    i->a = va;
    i->b = vmax;
    t.at.onerr = outer;
    cgt_gsset(&t, out, read);
    ir_put_jump(&t.at, 1);
    ir_at(&t.at, failed);
    cgt_gsset(&t, out, read);
    cgt_put(&t, IR_SERROR)->str = IR_SLOT(text);
    cgt_gsset(&t, err, IR_SLOT(text));
    bool loaded = cgt_load(&t);

    for (int len = 0; loaded && len < 400; len += len < 20 ? 1 : 23)
        for (int limit = 0; limit < 300; limit += limit < 20 ? 1 : 31) {
            char *s = mem + 100, want[300];

            memset(s, 'x', (size_t)len);
            s[len] = 0;
            *cgt_long(&t, addr) = (int64_t)(uintptr_t)s;
            *cgt_long(&t, max) = limit;
            t.control->truncated = 0;
            cgt_run(&t);
            int n = len < limit ? len : limit;
            bool cut = n > 255;

            snprintf(want, sizeof(want), "[%.*s", cut ? 255 : n, s);
            if (strcmp(want, cgt_str(&t, out)->bytes) || cgt_str(&t, out)->len != strlen(want) ||
                (t.control->truncated != 0) != cut) {
                if (wrong++ < 5)
                    printf("# len %d limit %d: got %u '%s'\n", len, limit, cgt_str(&t, out)->len,
                           cgt_str(&t, out)->bytes);
            }
        }
    tap_ok(loaded && !wrong, "strings from user memory");
    if (loaded) {
        char want[80];

        memset(mem + 4000, 'y', 96); /* no NUL before the end of the page */
        *cgt_long(&t, addr) = (int64_t)(uintptr_t)(mem + 4000);
        *cgt_long(&t, max) = 200;
        cgt_run(&t);
        snprintf(want, sizeof(want), "read fault [man error::fault] at 0x%" PRIxPTR,
                 (uintptr_t)(mem + 4000));
        tap_text(cgt_str(&t, err)->bytes, want, "a string that runs into nothing faults");
        tap_text(cgt_str(&t, out)->bytes, "[", "and leaves what was there");
    }
    cgt_close(&t);
    munmap(mem, 2 * 4096);
}

int main(void)
{
    const char *why = cgt_cannot();

    if (why) {
        tap_skip("generated code in the kernel", why);
        return tap_done();
    }
    test_format();
    test_concat();
    test_compare(NULL, "comparison");
    test_compare("may_goto", "comparison without may_goto");
    test_reads();
    test_read_string();
    return tap_done();
}
