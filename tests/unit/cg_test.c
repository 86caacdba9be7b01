/*
 * cg_test: what generated code computes, run in the kernel: integers at their edges against C, register
 * pressure, strings against printf, comparison, reads of memory, arrays, aggregates, records. Needs root.
 */
#include <bpf/bpf.h>
#include <linux/bpf.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "run/value.h"
#include "tests/unit/cg_fixture.h"
#include "tests/unit/tap.h"

static const int64_t edges[] = {0,  1,   -1,  2,    -2,         7,          -7,          63,        64,        65,
                                100, 255, -100, 65535, 0x7fffffff, -0x80000000ll, 0xffffffffll, 0x100000000ll,
                                0x123456789abcdefll, -0x123456789abcdefll, INT64_MAX, INT64_MIN, INT64_MIN + 1};
enum { N_EDGES = sizeof(edges) / sizeof(*edges) };

/* ---- integers ---- */

static int64_t sext(int64_t v, int bytes)
{
    return (int64_t)((uint64_t)v << (64 - 8 * bytes)) >> (64 - 8 * bytes);
}

static int64_t expect(enum ir_op op, int64_t imm, int64_t a, int64_t b, bool *fails)
{
    uint64_t x = (uint64_t)a, y = (uint64_t)b;

    *fails = (op == IR_DIV || op == IR_MOD) && b == 0;
    switch (op) {
    case IR_ADD: return (int64_t)(x + y);
    case IR_SUB: return (int64_t)(x - y);
    case IR_MUL: return (int64_t)(x * y);
    case IR_DIV: return b == 0 ? 0 : b == -1 ? (int64_t)-x : a / b;
    case IR_MOD: return b == 0 || b == -1 ? 0 : a % b;
    case IR_AND: return a & b;
    case IR_OR: return a | b;
    case IR_XOR: return a ^ b;
    case IR_SHL: return (int64_t)(x << (y & 63));
    case IR_SHR: return a >> (y & 63);
    case IR_USHR: return (int64_t)(x >> (y & 63));
    case IR_NEG: return (int64_t)-x;
    case IR_SEXT: return sext(a, (int)imm);
    case IR_ZEXT: return imm == 8 ? a : (int64_t)(x & ((1ull << 8 * imm) - 1));
    default: return 0;
    }
}

static bool expect_cond(enum ir_cond c, int64_t a, int64_t b)
{
    uint64_t x = (uint64_t)a, y = (uint64_t)b;

    switch (c) {
    case IR_EQ: return a == b;
    case IR_NE: return a != b;
    case IR_LT: return a < b;
    case IR_LE: return a <= b;
    case IR_GT: return a > b;
    case IR_GE: return a >= b;
    case IR_ULT: return x < y;
    case IR_ULE: return x <= y;
    case IR_UGT: return x > y;
    case IR_UGE: return x >= y;
    case IR_SETBIT: return (a & b) != 0;
    }
    return false;
}

struct arith {
    enum ir_op op;
    int64_t imm;
    enum ir_cond cond;
    uint32_t out, err;
};

static struct ir_val operand(struct cgt *t, uint32_t global, const int64_t *imm)
{
    return imm ? IR_IMM(*imm) : cgt_gload(t, global);
}

/* out = a op b, or err = 1 when it fails. */
static void put_arith(struct cgt *t, struct arith *o, uint32_t a, uint32_t b, const int64_t *imm_b)
{
    uint32_t failed = ir_block_new(t->u, t->at.f), after = ir_block_new(t->u, t->at.f), outer = t->at.onerr;
    struct ir_val va = cgt_gload(t, a), vb = operand(t, b, imm_b);

    t->at.onerr = failed;
    struct ir_ins *i = cgt_put(t, o->op);

    i->a = va;
    if (o->op != IR_NEG && o->op != IR_SEXT && o->op != IR_ZEXT)
        i->b = vb;
    i->imm = o->imm;
    i->cond = o->cond;
    i->dst = ir_temp(t->at.f);
    t->at.onerr = outer;
    cgt_gstore(t, o->out, IR_TEMP(i->dst));
    ir_put_jump(&t->at, after);
    ir_at(&t->at, failed);
    cgt_put(t, IR_SERROR);
    cgt_gstore(t, o->err, IR_IMM(1));
    ir_put_jump(&t->at, after);
    ir_at(&t->at, after);
}

static const struct arith all_ops[] = {
    {.op = IR_ADD}, {.op = IR_SUB}, {.op = IR_MUL}, {.op = IR_DIV}, {.op = IR_MOD}, {.op = IR_AND}, {.op = IR_OR},
    {.op = IR_XOR}, {.op = IR_SHL}, {.op = IR_SHR}, {.op = IR_USHR}, {.op = IR_NEG}, {.op = IR_SEXT, .imm = 1},
    {.op = IR_SEXT, .imm = 2}, {.op = IR_SEXT, .imm = 4}, {.op = IR_ZEXT, .imm = 1}, {.op = IR_ZEXT, .imm = 2},
    {.op = IR_ZEXT, .imm = 4}, {.op = IR_SET, .cond = IR_EQ}, {.op = IR_SET, .cond = IR_NE},
    {.op = IR_SET, .cond = IR_LT}, {.op = IR_SET, .cond = IR_LE}, {.op = IR_SET, .cond = IR_GT},
    {.op = IR_SET, .cond = IR_GE}, {.op = IR_SET, .cond = IR_ULT}, {.op = IR_SET, .cond = IR_ULE},
    {.op = IR_SET, .cond = IR_UGT}, {.op = IR_SET, .cond = IR_UGE}, {.op = IR_SET, .cond = IR_SETBIT},
};
enum { N_OPS = sizeof(all_ops) / sizeof(*all_ops) };

static unsigned check_arith(struct cgt *t, struct arith *ops, int64_t a, int64_t b)
{
    unsigned wrong = 0;

    for (int k = 0; k < N_OPS; k++) {
        bool fails = false;
        int64_t want = ops[k].op == IR_SET ? expect_cond(ops[k].cond, a, b) : expect(ops[k].op, ops[k].imm, a, b, &fails);
        int64_t got = *cgt_long(t, ops[k].out), err = *cgt_long(t, ops[k].err);

        if (err != fails || (!fails && got != want)) {
            if (wrong++ < 5)
                printf("# %s imm %" PRId64 " cond %d of %" PRId64 ", %" PRId64 ": got %" PRId64 " want %" PRId64 " error %" PRId64 "\n",
                       ir_op_text(ops[k].op), ops[k].imm, ops[k].cond, a, b, got, want, err);
        }
        *cgt_long(t, ops[k].err) = 0;
    }
    return wrong;
}

static void test_arith(const char *disabled, const int64_t *imm_b, const char *name)
{
    struct cgt t;
    struct arith ops[N_OPS];
    unsigned wrong = 0;

    cgt_open(&t, disabled);
    uint32_t a = cgt_global(&t, "a", OBJ_LONG), b = cgt_global(&t, "b", OBJ_LONG);

    memcpy(ops, all_ops, sizeof(ops));
    for (int k = 0; k < N_OPS; k++) {
        ops[k].out = cgt_global(&t, "out", OBJ_LONG);
        ops[k].err = cgt_global(&t, "err", OBJ_LONG);
        put_arith(&t, &ops[k], a, b, imm_b);
    }
    if (!cgt_load(&t)) {
        tap_ok(false, "%s: loads", name);
        cgt_close(&t);
        return;
    }
    for (int x = 0; x < N_EDGES; x++)
        for (int y = 0; y < (imm_b ? 1 : N_EDGES); y++) {
            *cgt_long(&t, a) = edges[x];
            *cgt_long(&t, b) = edges[y];
            cgt_run(&t);
            wrong += check_arith(&t, ops, edges[x], imm_b ? *imm_b : edges[y]);
        }
    tap_ok(wrong == 0, "%s (%u instructions verified)", name, t.verified);
    cgt_close(&t);
}

/* Branches on every condition, both ways. */
static void test_branches(void)
{
    struct cgt t;
    uint32_t out[IR_SETBIT + 1];
    unsigned wrong = 0;

    cgt_open(&t, NULL);
    uint32_t a = cgt_global(&t, "a", OBJ_LONG), b = cgt_global(&t, "b", OBJ_LONG);

    for (int c = IR_EQ; c <= IR_SETBIT; c++) {
        uint32_t yes = ir_block_new(t.u, t.at.f), no = ir_block_new(t.u, t.at.f), after = ir_block_new(t.u, t.at.f);
        struct ir_val va = cgt_gload(&t, a), vb = cgt_gload(&t, b);

        out[c] = cgt_global(&t, "out", OBJ_LONG);
        ir_put_branch(&t.at, (enum ir_cond)c, va, vb, yes, no);
        ir_at(&t.at, yes);
        cgt_gstore(&t, out[c], IR_IMM(1));
        ir_put_jump(&t.at, after);
        ir_at(&t.at, no);
        cgt_gstore(&t, out[c], IR_IMM(2));
        ir_put_jump(&t.at, after);
        ir_at(&t.at, after);
    }
    bool loaded = cgt_load(&t);

    for (int x = 0; loaded && x < N_EDGES; x++)
        for (int y = 0; y < N_EDGES; y++) {
            *cgt_long(&t, a) = edges[x];
            *cgt_long(&t, b) = edges[y];
            cgt_run(&t);
            for (int c = IR_EQ; c <= IR_SETBIT; c++)
                wrong += *cgt_long(&t, out[c]) != (expect_cond((enum ir_cond)c, edges[x], edges[y]) ? 1 : 2);
        }
    tap_ok(loaded && !wrong, "branches");
    cgt_close(&t);
}

/* Many temporaries alive at once, across calls and cold paths. */
static void test_pressure(void)
{
    enum { N = 20 };
    struct cgt t;
    struct ir_val v[N], sum = IR_IMM(0);
    uint32_t g[N];
    int64_t want = 0, word = 77;

    cgt_open(&t, NULL);
    uint32_t addr = cgt_global(&t, "addr", OBJ_LONG), out = cgt_global(&t, "out", OBJ_LONG), s = cgt_global(&t, "s", OBJ_STRING);
    uint32_t slot = ir_slot_new(t.u, t.at.f, IR_LONG, "x");

    for (int k = 0; k < N; k++)
        g[k] = cgt_global(&t, "g", OBJ_LONG);
    for (int k = 0; k < N; k++) {
        v[k] = cgt_gload(&t, g[k]);
        if (k == 7) {
            struct ir_ins *i = cgt_put(&t, IR_CONTEXT);

            i->imm = NGS_CTX_TID;
            i->dst = ir_temp(t.at.f);
            ir_put_store(&t.at, slot, IR_TEMP(i->dst));
        }
        if (k == 12) {
            struct ir_val va = cgt_gload(&t, addr);
            struct ir_ins *i = cgt_put(&t, IR_READ);

            i->a = va;
            i->size = 8;
            i->dst = ir_temp(t.at.f);
            v[k] = ir_put_int(&t.at, IR_ADD, v[k], IR_TEMP(i->dst));
        }
        if (k == 15) {
            ir_put_str(&t.at, IR_SSET, IR_GLOBAL(s), cgt_lit(&t, "a string that is much too long to be set in line by immediates"));
            struct ir_ins *i = cgt_put(&t, IR_SFMT);

            i->str = IR_GLOBAL(s);
            i->a = v[3];
            i->imm = (int64_t)NGS_SPEC('d', 0, 0, 0xffff);
        }
    }
    for (int k = 0; k < N; k++)
        sum = ir_put_int(&t.at, IR_ADD, ir_put_int(&t.at, IR_MUL, sum, IR_IMM(3)), v[k]);
    cgt_gstore(&t, out, sum);
    bool loaded = cgt_load(&t);

    if (loaded) {
        for (int k = 0; k < N; k++) {
            *cgt_long(&t, g[k]) = 1000 + 17 * k;
            want = want * 3 + 1000 + 17 * k + (k == 12 ? word : 0);
        }
        *cgt_long(&t, addr) = (int64_t)(uintptr_t)&word;
        cgt_run(&t);
        tap_ok(*cgt_long(&t, out) == want, "temporaries under pressure");
        tap_text(cgt_str(&t, s)->bytes, "a string that is much too long to be set in line by immediates1051", "string beside them");
    } else {
        tap_ok(false, "temporaries under pressure");
    }
    cgt_close(&t);
}

/* ---- strings ---- */

static void spec_text(char *out, size_t size, uint64_t spec)
{
    unsigned width = spec >> 16 & 0xffff, prec = spec >> 32 & 0xffff;
    int n = snprintf(out, size, "%%%s%s%s%s%s", spec & NGS_SPEC_LEFT ? "-" : "", spec & NGS_SPEC_ZERO ? "0" : "",
                     spec & NGS_SPEC_PLUS ? "+" : "", spec & NGS_SPEC_SPACE ? " " : "", spec & NGS_SPEC_ALT ? "#" : "");

    if (width)
        n += snprintf(out + n, size - (size_t)n, "%u", width);
    if (prec != 0xffff)
        n += snprintf(out + n, size - (size_t)n, ".%u", prec);
    snprintf(out + n, size - (size_t)n, "%s%c", (spec & 0xff) == 's' || (spec & 0xff) == 'c' ? "" : "l", (int)(spec & 0xff));
}

#pragma GCC diagnostic ignored "-Wformat-nonliteral"
static void test_format(void)
{
    static const uint64_t specs[] = {
        NGS_SPEC('d', 0, 0, 0xffff), NGS_SPEC('u', 0, 0, 0xffff), NGS_SPEC('x', 0, 0, 0xffff), NGS_SPEC('X', 0, 0, 0xffff),
        NGS_SPEC('o', 0, 0, 0xffff), NGS_SPEC('d', 0, 12, 0xffff), NGS_SPEC('d', NGS_SPEC_LEFT, 12, 0xffff),
        NGS_SPEC('d', NGS_SPEC_ZERO, 12, 0xffff), NGS_SPEC('d', NGS_SPEC_PLUS, 0, 0xffff),
        NGS_SPEC('d', NGS_SPEC_SPACE, 0, 0xffff), NGS_SPEC('d', 0, 0, 5), NGS_SPEC('d', 0, 10, 5), NGS_SPEC('d', 0, 0, 0),
        NGS_SPEC('x', NGS_SPEC_ALT, 0, 0xffff), NGS_SPEC('x', NGS_SPEC_ALT | NGS_SPEC_ZERO, 24, 0xffff),
        NGS_SPEC('X', NGS_SPEC_ALT, 24, 0xffff), NGS_SPEC('d', NGS_SPEC_LEFT | NGS_SPEC_ZERO, 30, 0xffff),
        NGS_SPEC('d', 0, 100, 0xffff), NGS_SPEC('d', NGS_SPEC_ZERO | NGS_SPEC_PLUS, 30, 0xffff), NGS_SPEC('d', 0, 0, 90),
    };
    enum { N = sizeof(specs) / sizeof(*specs) };
    struct cgt t;
    uint32_t s[N];
    unsigned wrong = 0, runs = 0;

    cgt_open(&t, NULL);
    uint32_t a = cgt_global(&t, "a", OBJ_LONG);

    for (int k = 0; k < N; k++) {
        s[k] = cgt_global(&t, "s", OBJ_STRING);
        ir_put_str(&t.at, IR_SSET, IR_GLOBAL(s[k]), cgt_lit(&t, "<"));
        struct ir_val v = cgt_gload(&t, a);
        struct ir_ins *i = cgt_put(&t, IR_SFMT);

        i->str = IR_GLOBAL(s[k]);
        i->a = v;
        i->imm = (int64_t)specs[k];
        ir_put_str(&t.at, IR_SCAT, IR_GLOBAL(s[k]), cgt_lit(&t, ">"));
    }
    bool loaded = cgt_load(&t);

    for (int64_t power = 0; loaded && power < 64 + N_EDGES; power++) {
        int64_t value = power < 64 ? (int64_t)(1ull << power) : edges[power - 64];

        *cgt_long(&t, a) = value;
        for (int minus = 0; minus < 2; minus++, *cgt_long(&t, a) = value = (int64_t)(0 - (uint64_t)value) - 1, runs++) {
            cgt_run(&t);
            for (int k = 0; k < N; k++) {
                char format[32], want[256], inner[200];

                spec_text(format, sizeof(format), specs[k]);
                snprintf(inner, sizeof(inner), format, value);
                snprintf(want, sizeof(want), "<%s>", inner);
                if (strcmp(want, cgt_str(&t, s[k])->bytes) || strlen(want) != cgt_str(&t, s[k])->len) {
                    if (wrong++ < 5)
                        printf("# %s of %" PRId64 ": got '%s' want '%s'\n", format, value, cgt_str(&t, s[k])->bytes, want);
                }
            }
        }
    }
    tap_ok(loaded && !wrong, "integers formatted as printf does (%u values, %u instructions verified)", runs, t.verified);
    cgt_close(&t);
}

static void fill_str(struct ngs_str *s, const char *text, uint32_t len)
{
    s->len = len;
    memcpy(s->bytes, text, len);
    s->bytes[len] = 0;
}

/* s = a . b . literal . a, through local slots and globals, for lengths around every branch of the copy. */
static void test_concat(void)
{
    static const uint32_t lengths[] = {0, 1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 33, 63, 64, 65, 72, 100, 200, 255, 256};
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
    uint32_t a = cgt_global(&t, "a", OBJ_STRING), b = cgt_global(&t, "b", OBJ_STRING), out = cgt_global(&t, "out", OBJ_STRING);
    uint32_t length = cgt_global(&t, "length", OBJ_LONG), guard = cgt_global(&t, "guard", OBJ_LONG);
    uint32_t slot = ir_slot_new(t.u, t.at.f, IR_STRING, "s"), next = ir_slot_new(t.u, t.at.f, IR_STRING, "next");

    ir_put_str(&t.at, IR_SSET, IR_SLOT(next), cgt_lit(&t, "next"));
    ir_put_str(&t.at, IR_SSET, IR_SLOT(slot), IR_GLOBAL(a));
    ir_put_str(&t.at, IR_SCAT, IR_SLOT(slot), IR_GLOBAL(b));
    ir_put_str(&t.at, IR_SCAT, IR_SLOT(slot), cgt_lit(&t, "-lit-"));
    ir_put_str(&t.at, IR_SCAT, IR_SLOT(slot), IR_GLOBAL(a));
    ir_put_str(&t.at, IR_SSET, IR_GLOBAL(out), IR_SLOT(slot));
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
            fill_str(cgt_str(&t, a), text[0], lengths[x]);
            fill_str(cgt_str(&t, b), text[1], lengths[y]);
            int n = snprintf(want, sizeof(want), "%.*s%.*s-lit-%.*s", (int)lengths[x], text[0], (int)lengths[y], text[1],
                             (int)lengths[x], text[0]);

            t.control->truncated = 0;
            cgt_run(&t);
            cut = t.control->truncated;
            if (n > 256)
                want[256] = 0;
            struct ngs_str *s = cgt_str(&t, out);

            if (strcmp(s->bytes, want) || s->len != strlen(want) || *cgt_long(&t, length) != s->len || *cgt_long(&t, guard) != 1 ||
                (cut != 0) != (n > 256)) {
                if (wrong++ < 3)
                    printf("# lengths %u %u: got %u '%s'\n#  want %zu '%s', cut %" PRIu64 "\n", lengths[x], lengths[y], s->len,
                           s->bytes, strlen(want), want, cut);
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
    uint32_t eq = cgt_global(&t, "eq", OBJ_LONG), cmp = cgt_global(&t, "cmp", OBJ_LONG), lit = cgt_global(&t, "lit", OBJ_LONG);
    struct ir_ins *i = cgt_put(&t, IR_SEQ);

    i->s = IR_GLOBAL(a);
    i->s2 = IR_GLOBAL(b);
    i->dst = ir_temp(t.at.f);
    cgt_gstore(&t, eq, IR_TEMP(i->dst));
    i = cgt_put(&t, IR_SCMP);
    i->s = IR_GLOBAL(a);
    i->s2 = IR_GLOBAL(b);
    i->dst = ir_temp(t.at.f);
    cgt_gstore(&t, cmp, IR_TEMP(i->dst));
    i = cgt_put(&t, IR_SEQ);
    i->s = IR_GLOBAL(b);
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
                fill_str(cgt_str(&t, a), x, n);
                fill_str(cgt_str(&t, b), y, m);
                cgt_run(&t);
                int c = memcmp(x, y, n < m ? n : m), want = c ? (c < 0 ? -1 : 1) : n < m ? -1 : n > m;
                bool is_lit = m == 13 && !memcmp(y, x, 13);

                if (*cgt_long(&t, cmp) != want || *cgt_long(&t, eq) != (want == 0) || *cgt_long(&t, lit) != is_lit) {
                    if (wrong++ < 5)
                        printf("# n %u m %u at %u kind %d: cmp %" PRId64 " want %d eq %" PRId64 " lit %" PRId64 "\n", n, m, at, kind,
                               *cgt_long(&t, cmp), want, *cgt_long(&t, eq), *cgt_long(&t, lit));
                }
                if (at < 256)
                    y[at] = 'a';
            }
    tap_ok(loaded && !wrong, "%s (%u instructions verified)", name, t.verified);
    cgt_close(&t);
}

/* ---- reads ---- */

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
        uint32_t failed = ir_block_new(t.u, t.at.f), after = ir_block_new(t.u, t.at.f), outer = t.at.onerr;
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

    for (int at = 0; loaded && at < 2 * 4096 + 16; at += at % 512 < 8 || at % 512 > 500 || at > 2 * 4096 - 20 ? 1 : 29) {
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
                    printf("# at %d size %d: got %" PRIx64 " want %" PRIx64 " err %" PRId64 "\n", at, size, *cgt_long(&t, out[k]), want,
                           *cgt_long(&t, err[k]));
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
    uint32_t addr = cgt_global(&t, "addr", OBJ_LONG), max = cgt_global(&t, "max", OBJ_LONG), out = cgt_global(&t, "out", OBJ_STRING);
    uint32_t err = cgt_global(&t, "err", OBJ_STRING), failed = ir_block_new(t.u, t.at.f), outer = t.at.onerr;
    uint32_t text = ir_slot_new(t.u, t.at.f, IR_STRING, "text");

    ir_put_str(&t.at, IR_SSET, IR_GLOBAL(out), cgt_lit(&t, "["));
    struct ir_val va = cgt_gload(&t, addr), vmax = cgt_gload(&t, max);

    t.at.onerr = failed;
    struct ir_ins *i = cgt_put(&t, IR_SREAD);

    i->str = IR_GLOBAL(out);
    i->a = va;
    i->b = vmax;
    t.at.onerr = outer;
    ir_put_jump(&t.at, 1);
    ir_at(&t.at, failed);
    cgt_put(&t, IR_SERROR)->str = IR_SLOT(text);
    ir_put_str(&t.at, IR_SSET, IR_GLOBAL(err), IR_SLOT(text));
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
            if (strcmp(want, cgt_str(&t, out)->bytes) || cgt_str(&t, out)->len != strlen(want) || (t.control->truncated != 0) != cut) {
                if (wrong++ < 5)
                    printf("# len %d limit %d: got %u '%s'\n", len, limit, cgt_str(&t, out)->len, cgt_str(&t, out)->bytes);
            }
        }
    tap_ok(loaded && !wrong, "strings from user memory");
    if (loaded) {
        char want[80];

        memset(mem + 4000, 'y', 96); /* no NUL before the end of the page */
        *cgt_long(&t, addr) = (int64_t)(uintptr_t)(mem + 4000);
        *cgt_long(&t, max) = 200;
        cgt_run(&t);
        snprintf(want, sizeof(want), "read fault [man error::fault] at 0x%" PRIxPTR, (uintptr_t)(mem + 4000));
        tap_text(cgt_str(&t, err)->bytes, want, "a string that runs into nothing faults");
        tap_text(cgt_str(&t, out)->bytes, "[", "and leaves what was there");
    }
    cgt_close(&t);
    munmap(mem, 2 * 4096);
}

/* ---- arrays ---- */

static uint32_t new_map(struct cgt *t, const char *name, struct ir_map m)
{
    struct ir_map *v = calloc(t->u->n_maps + 1, sizeof(*v));

    if (t->u->n_maps)
        memcpy(v, t->u->maps, t->u->n_maps * sizeof(*v));
    m.name = name;
    m.max_entries = 64;
    v[t->u->n_maps] = m;
    t->u->maps = v; /* freed by close_maps */
    return t->u->n_maps++;
}

static struct ir_ins *map_op(struct cgt *t, enum ir_op op, uint32_t map, struct ir_val *keys, uint32_t n)
{
    struct ir_ins *i = cgt_put(t, op);

    i->map = (int32_t)map;
    i->args = keys;
    i->n_args = n;
    if ((ir_op_flags(op) & IRF_DST))
        i->dst = ir_temp(t->at.f);
    return i;
}

static void test_arrays(void)
{
    struct cgt t;

    cgt_open(&t, NULL);
    uint32_t k = cgt_global(&t, "k", OBJ_LONG), s = cgt_global(&t, "s", OBJ_STRING), v = cgt_global(&t, "v", OBJ_LONG);
    uint32_t got = cgt_global(&t, "got", OBJ_LONG), old = cgt_global(&t, "old", OBJ_LONG), has = cgt_global(&t, "has", OBJ_LONG);
    uint32_t none = cgt_global(&t, "none", OBJ_LONG), text = cgt_global(&t, "text", OBJ_STRING);
    uint32_t plain = new_map(&t, "plain", (struct ir_map){.n_keys = 1, .key_types = {OBJ_LONG}, .val_type = OBJ_LONG});
    uint32_t both = new_map(&t, "both", (struct ir_map){.n_keys = 2, .key_types = {OBJ_STRING, OBJ_LONG}, .val_type = OBJ_LONG});
    uint32_t texts = new_map(&t, "texts", (struct ir_map){.n_keys = 1, .key_types = {OBJ_STRING}, .val_type = OBJ_STRING});
    struct ir_val key1[1], key2[2], key3[1], key4[1] = {IR_IMM(-12345)};

    key1[0] = cgt_gload(&t, k);
    key2[0] = IR_GLOBAL(s);
    key2[1] = cgt_gload(&t, k);
    key3[0] = IR_GLOBAL(s);
    struct ir_val value = cgt_gload(&t, v);
    struct ir_ins *i = map_op(&t, IR_MSET, plain, key1, 1);

    i->a = value;
    i = map_op(&t, IR_MGET, plain, key1, 1);
    cgt_gstore(&t, got, IR_TEMP(i->dst));
    i = map_op(&t, IR_MADD, both, key2, 2);
    i->a = value;
    cgt_gstore(&t, old, IR_TEMP(i->dst));
    i = map_op(&t, IR_MHAS, both, key2, 2);
    cgt_gstore(&t, has, IR_TEMP(i->dst));
    i = map_op(&t, IR_MHAS, plain, key4, 1);
    cgt_gstore(&t, none, IR_TEMP(i->dst));
    i = map_op(&t, IR_MSETS, texts, key3, 1);
    i->s = IR_GLOBAL(s);
    i = map_op(&t, IR_MGETS, texts, key3, 1);
    i->str = IR_GLOBAL(text);
    if (!cgt_load(&t)) {
        tap_ok(false, "arrays");
        cgt_close(&t);
        return;
    }
    unsigned wrong = 0;
    char name[200];

    for (int n = 0; n < 40; n++) {
        memset(name, 'a' + n % 7, sizeof(name));
        fill_str(cgt_str(&t, s), name, (uint32_t)(n * 5) % 200);
        *cgt_long(&t, k) = n / 2 * 2;
        *cgt_long(&t, v) = 100 + n;
        cgt_run(&t);
        wrong += *cgt_long(&t, got) != 100 + n || *cgt_long(&t, has) != 1 || *cgt_long(&t, none) != 0 || *cgt_long(&t, old) != 0;
        wrong += cgt_str(&t, text)->len != cgt_str(&t, s)->len || strcmp(cgt_str(&t, text)->bytes, cgt_str(&t, s)->bytes);
        cgt_run(&t);
        wrong += *cgt_long(&t, old) != 100 + n;
    }
    tap_ok(!wrong, "arrays set, get, add, has, strings (%u instructions verified)", t.verified);

    /* The key is what the run time computes; the text lies beside the value. */
    uint64_t key[3];
    uint8_t *val = calloc(1, t.u->maps[both].rec.value_size);

    str_hash(key, cgt_str(&t, s)->bytes, cgt_str(&t, s)->len);
    key[2] = (uint64_t)*cgt_long(&t, k);
    bool found = bpf_map_lookup_elem(cgt_map_fd(&t, both), key, val) == 0;
    struct ngs_str *stored = (struct ngs_str *)(val + t.u->maps[both].rec.text_off[0]);

    tap_ok(found && *(int64_t *)val == 2 * (100 + 39), "keys are found by the run time's hash");
    tap_ok(found && stored->len == cgt_str(&t, s)->len && !memcmp(stored->bytes, cgt_str(&t, s)->bytes, stored->len),
           "texts of keys are stored");
    free(val);

    for (int n = 100; n < 200; n++) { /* more than 64 */
        *cgt_long(&t, k) = n;
        cgt_run(&t);
    }
    tap_ok(t.control->map_full > 0 && t.control->errors > 0 && t.control->stopped, "a full array is an error");
    free(t.u->maps);
    cgt_close(&t);
}

/* ---- aggregates ---- */

static void test_stats(uint32_t hist, const char *name)
{
    struct cgt t;
    uint32_t out[2][NGS_STAT_VARIANCE + 1];
    struct ir_map m = {.n_keys = 1, .key_types = {OBJ_STRING}, .val_type = OBJ_STATS, .hist = hist, .hist_args = {-100, 1000, 50}};
    struct ngs_stats *want = calloc(1, 8192);
    unsigned wrong = 0;
    static struct ir_val key[1];

    cgt_open(&t, NULL);
    uint32_t v = cgt_global(&t, "v", OBJ_LONG), g = cgt_global(&t, "g", OBJ_STATS);

    t.u->globals[g].hist = hist;
    memcpy(t.u->globals[g].hist_args, m.hist_args, sizeof(m.hist_args));
    uint32_t map = new_map(&t, "stats", m);
    struct ir_val value = cgt_gload(&t, v);

    key[0] = cgt_lit(&t, "key");
    map_op(&t, IR_MSTAT, map, key, 1)->a = value;
    struct ir_ins *i = cgt_put(&t, IR_GSTAT);

    i->global = g;
    i->a = value;
    for (int op = 0; op <= NGS_STAT_VARIANCE; op++) {
        out[0][op] = cgt_global(&t, "m", OBJ_LONG);
        out[1][op] = cgt_global(&t, "g", OBJ_LONG);
        i = map_op(&t, IR_MSTATGET, map, key, 1);
        i->imm = op;
        cgt_gstore(&t, out[0][op], IR_TEMP(i->dst));
        i = cgt_put(&t, IR_GSTATGET);
        i->global = g;
        i->imm = op;
        i->dst = ir_temp(t.at.f);
        cgt_gstore(&t, out[1][op], IR_TEMP(i->dst));
    }
    bool loaded = cgt_load(&t);
    size_t size = stats_size(hist, m.hist_args);

    stats_init(want, size);
    for (int n = 0; loaded && n < 120; n++) {
        int64_t x = n < N_EDGES ? edges[n] : (n * 7919) % 2000 - 500;

        *cgt_long(&t, v) = x;
        cgt_run(&t);
        stats_add(want, hist, m.hist_args, x);
        for (int op = 0; op <= NGS_STAT_VARIANCE; op++)
            for (int where = 0; where < 2; where++) {
                int64_t w, got = *cgt_long(&t, out[where][op]);

                stats_get(want, (uint32_t)op, &w);
                if (op == NGS_STAT_VARIANCE && n < N_EDGES)
                    continue; /* sums wrap there */
                if (got != w && wrong++ < 5)
                    printf("# step %d op %d where %d: got %" PRId64 " want %" PRId64 "\n", n, op, where, got, w);
            }
        if (n == N_EDGES - 1) { /* from here on sums do not wrap: start again */
            memset(want, 0, size);
            stats_init(want, size);
            memcpy(cgt_stats(&t, g), want, size);
            bpf_map_delete_elem(cgt_map_fd(&t, map), (uint64_t[2]){0});
            uint64_t k[2];

            str_hash(k, "key", 3);
            bpf_map_delete_elem(cgt_map_fd(&t, map), k);
        }
    }
    if (loaded) {
        uint8_t *val = calloc(1, t.u->maps[map].rec.value_size);
        uint64_t k[2];

        str_hash(k, "key", 3);
        bpf_map_lookup_elem(cgt_map_fd(&t, map), k, val);
        wrong += memcmp(val, want, size) != 0;
        wrong += memcmp(cgt_stats(&t, g), want, size) != 0;
        free(val);
    }
    tap_ok(loaded && !wrong, "%s (%u instructions verified)", name, t.verified);
    free(want);
    free(t.u->maps);
    cgt_close(&t);
}

/* ---- context ---- */

/* Every fact that a handler of the kernel can be asked for; registers come in tests of whole sessions. */
static void test_context(enum probe_kind kind, uint32_t as, const char *disabled, const char *name)
{
    static const uint8_t longs[] = {NGS_CTX_PID, NGS_CTX_TID, NGS_CTX_UID, NGS_CTX_GID, NGS_CTX_CPU, NGS_CTX_TARGET,
                                    NGS_CTX_TIME_NS, NGS_CTX_MONO_NS, NGS_CTX_USER_MODE, NGS_CTX_UADDR, NGS_CTX_ADDR,
                                    NGS_CTX_RETVAL, NGS_CTX_TASK};
    static const uint8_t texts[] = {NGS_CTX_EXECNAME, NGS_CTX_PP, NGS_CTX_KFUNC};
    struct cgt t;

    cgt_open(&t, disabled);
    t.as = as;
    t.u->probes[0].rec.kind = kind;
    t.u->probes[0].target_only = true;
    uint32_t out = cgt_global(&t, "out", OBJ_LONG), text = cgt_global(&t, "text", OBJ_STRING);

    for (unsigned k = 0; k < sizeof(longs) + 17; k++) {
        struct ir_ins *i = cgt_put(&t, IR_CONTEXT);

        i->imm = k < sizeof(longs) ? longs[k] : NGS_CTX_REG;
        if (i->imm == NGS_CTX_REG)
            i->a = IR_IMM(k - (unsigned)sizeof(longs));
        i->dst = ir_temp(t.at.f);
        cgt_gstore(&t, out, IR_TEMP(i->dst));
    }
    for (unsigned k = 0; k < sizeof(texts); k++) {
        struct ir_ins *i = cgt_put(&t, IR_SCONTEXT);

        i->imm = texts[k];
        i->str = IR_GLOBAL(text);
    }
    bool loaded = cgt_load(&t);

    tap_ok(loaded, "%s (%u instructions verified)", name, t.verified);
    cgt_close(&t);
}

/* The facts that are the same here. */
static void test_facts(void)
{
    static const uint8_t facts[] = {NGS_CTX_PID, NGS_CTX_TID, NGS_CTX_UID, NGS_CTX_MONO_NS, NGS_CTX_TIME_NS};
    struct cgt t;
    uint32_t out[sizeof(facts)];
    struct timespec mono;

    cgt_open(&t, NULL);
    uint32_t name = cgt_global(&t, "name", OBJ_STRING);

    for (unsigned k = 0; k < sizeof(facts); k++) {
        struct ir_ins *i = cgt_put(&t, IR_CONTEXT);

        out[k] = cgt_global(&t, "out", OBJ_LONG);
        i->imm = facts[k];
        i->dst = ir_temp(t.at.f);
        cgt_gstore(&t, out[k], IR_TEMP(i->dst));
    }
    struct ir_ins *i = cgt_put(&t, IR_SCONTEXT);

    i->imm = NGS_CTX_EXECNAME;
    i->str = IR_GLOBAL(name);
    if (cgt_load(&t)) {
        char want[17] = "";
        FILE *f = fopen("/proc/self/comm", "r");

        t.control->clock_offset = 1000000000;
        cgt_run(&t);
        clock_gettime(CLOCK_MONOTONIC, &mono);
        int64_t age = mono.tv_sec * 1000000000ll + mono.tv_nsec - *cgt_long(&t, out[3]);

        if (f && fgets(want, sizeof(want), f))
            want[strcspn(want, "\n")] = 0;
        if (f)
            fclose(f);
        tap_ok(*cgt_long(&t, out[0]) == getpid() && *cgt_long(&t, out[1]) == gettid() && *cgt_long(&t, out[2]) == getuid(),
               "pid, tid, uid");
        tap_ok(age >= 0 && age < 10000000000ll && *cgt_long(&t, out[4]) - *cgt_long(&t, out[3]) >= 1000000000 &&
                   *cgt_long(&t, out[4]) - *cgt_long(&t, out[3]) < 2000000000,
               "clocks");
        tap_text(cgt_str(&t, name)->bytes, want, "execname");
    } else {
        tap_ok(false, "facts");
    }
    cgt_close(&t);
}

/* ---- records, errors ---- */

static void test_records(void)
{
    struct cgt t;
    static struct ir_val args[4];

    cgt_open(&t, NULL);
    uint32_t s = cgt_global(&t, "s", OBJ_STRING);

    args[0] = IR_IMM(-5);
    args[1] = IR_GLOBAL(s);
    args[2] = IR_IMM(1ll << 40);
    args[3] = cgt_lit(&t, "lit");
    struct ir_ins *i = cgt_put(&t, IR_PRINT);

    i->args = args;
    i->n_args = 4;
    i->fmt = 3;
    cgt_put(&t, IR_WARN)->s = cgt_lit(&t, "careful");
    i = cgt_put(&t, IR_RAISE);
    i->onerr = 2;
    i->imm = NGS_ERR_SCRIPT;
    i->s = cgt_lit(&t, "my error");
    i->loc = 0;
    bool loaded = cgt_load(&t), ok = false;

    if (loaded) {
        fill_str(cgt_str(&t, s), "hello world", 11);
        cgt_run(&t);
        const struct ngs_rec *r = (const struct ngs_rec *)t.records;
        const int64_t *v = (const int64_t *)(r + 1);
        const struct ngs_str *str = (const struct ngs_str *)(v + 1);

        ok = r->kind == NGS_REC_PRINT && r->format == 3 && r->size == 16 + 8 + 24 + 8 + 16 && r->tid == (uint32_t)gettid() &&
             v[0] == -5 && str->len == 11 && !memcmp(str->bytes, "hello world", 11) && v[4] == 1ll << 40;
        tap_ok(ok, "a print's record");
        r = (const struct ngs_rec *)((const uint8_t *)r + r->size);
        tap_ok(r->kind == NGS_REC_WARN && r->size == 32, "a warning's record");
        r = (const struct ngs_rec *)((const uint8_t *)r + r->size);
        v = (const int64_t *)(r + 1);
        str = (const struct ngs_str *)(v + 3);
        tap_ok(r->kind == NGS_REC_ERROR && v[0] == NGS_ERR_SCRIPT && str->len == 8 && !memcmp(str->bytes, "my error", 8),
               "an error's record");
        tap_ok(t.control->errors == 1 && t.control->stopped == 1, "an error past MAXERRORS stops the session");
        t.control->hits = 0;
        cgt_run(&t);
        tap_ok(t.control->hits == 0 && t.records_len == 0, "then handlers return at once");
    } else {
        tap_ok(false, "records");
    }
    cgt_close(&t);
}

int main(void)
{
    static const int64_t seven = 7, minus = -1, zero = 0, large = 0x123456789abcll, least = INT64_MIN;
    const char *why = cgt_cannot();

    if (why) {
        tap_skip("generated code in the kernel", why);
        return tap_done();
    }
    test_arith(NULL, NULL, "integers");
    test_arith("sdiv", NULL, "integers without signed division");
    test_arith(NULL, &seven, "integers with a literal");
    test_arith("sdiv", &seven, "integers with a literal, without signed division");
    test_arith(NULL, &minus, "integers with -1");
    test_arith(NULL, &zero, "integers with 0");
    test_arith(NULL, &large, "integers with a wide literal");
    test_arith("sdiv", &least, "integers with the least literal");
    test_branches();
    test_pressure();
    test_format();
    test_concat();
    test_compare(NULL, "comparison");
    test_compare("may_goto", "comparison without may_goto");
    test_reads();
    test_read_string();
    test_arrays();
    test_stats(NGS_HIST_NONE, "aggregates");
    test_stats(NGS_HIST_LOG, "aggregates with a logarithmic histogram");
    test_stats(NGS_HIST_LINEAR, "aggregates with a linear histogram");
    test_context(PROBE_PROFILE, BPF_PROG_TYPE_PERF_EVENT, NULL, "every fact in a perf_event");
    test_context(PROBE_PROFILE, BPF_PROG_TYPE_PERF_EVENT, "bpf_cookie,snprintf", "without helpers of Linux 5.15");
    test_context(PROBE_UPROBE, BPF_PROG_TYPE_KPROBE, NULL, "every fact in a uprobe");
    test_facts();
    test_records();
    return tap_done();
}
