/*
 * cg_test: what generated code computes, run in the kernel: integers at their edges against C,
 * branches, register pressure, random programs. Needs root.
 */
#include <inttypes.h>
#include <string.h>

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
    case IR_ADD:
        return (int64_t)(x + y);
    case IR_SUB:
        return (int64_t)(x - y);
    case IR_MUL:
        return (int64_t)(x * y);
    case IR_DIV:
        return b == 0 ? 0 : b == -1 ? (int64_t)-x : a / b;
    case IR_MOD:
        return b == 0 || b == -1 ? 0 : a % b;
    case IR_AND:
        return a & b;
    case IR_OR:
        return a | b;
    case IR_XOR:
        return a ^ b;
    case IR_SHL:
        return (int64_t)(x << (y & 63));
    case IR_SHR:
        return a >> (y & 63);
    case IR_USHR:
        return (int64_t)(x >> (y & 63));
    case IR_SEXT:
        return sext(a, (int)imm);
    case IR_ZEXT:
        return imm == 8 ? a : (int64_t)(x & ((1ull << 8 * imm) - 1));
    default:
        return 0;
    }
}

static bool expect_cond(enum ir_cond c, int64_t a, int64_t b)
{
    switch (c) {
    case IR_EQ:
        return a == b;
    case IR_NE:
        return a != b;
    case IR_LT:
        return a < b;
    case IR_LE:
        return a <= b;
    case IR_GT:
        return a > b;
    case IR_GE:
        return a >= b;
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
    uint32_t failed = ir_block_new(t->u, t->at.f), after = ir_block_new(t->u, t->at.f),
             outer = t->at.onerr;
    struct ir_val va = cgt_gload(t, a), vb = operand(t, b, imm_b);

    t->at.onerr = failed;
    struct ir_ins *i = cgt_put(t, o->op);

    i->a = va;
    if (o->op != IR_SEXT && o->op != IR_ZEXT)
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
    {.op = IR_ADD},
    {.op = IR_SUB},
    {.op = IR_MUL},
    {.op = IR_DIV},
    {.op = IR_MOD},
    {.op = IR_AND},
    {.op = IR_OR},
    {.op = IR_XOR},
    {.op = IR_SHL},
    {.op = IR_SHR},
    {.op = IR_USHR},
    {.op = IR_SEXT, .imm = 1},
    {.op = IR_SEXT, .imm = 2},
    {.op = IR_SEXT, .imm = 4},
    {.op = IR_ZEXT, .imm = 1},
    {.op = IR_ZEXT, .imm = 2},
    {.op = IR_ZEXT, .imm = 4},
    {.op = IR_SET, .cond = IR_EQ},
    {.op = IR_SET, .cond = IR_NE},
    {.op = IR_SET, .cond = IR_LT},
    {.op = IR_SET, .cond = IR_LE},
    {.op = IR_SET, .cond = IR_GT},
    {.op = IR_SET, .cond = IR_GE},
};
enum { N_OPS = sizeof(all_ops) / sizeof(*all_ops) };

static unsigned check_arith(struct cgt *t, struct arith *ops, int64_t a, int64_t b)
{
    unsigned wrong = 0;

    for (int k = 0; k < N_OPS; k++) {
        bool fails = false;
        int64_t want = ops[k].op == IR_SET ? expect_cond(ops[k].cond, a, b)
                                           : expect(ops[k].op, ops[k].imm, a, b, &fails);
        int64_t got = *cgt_long(t, ops[k].out), err = *cgt_long(t, ops[k].err);

        if (err != fails || (!fails && got != want)) {
            if (wrong++ < 5)
                printf("# %s imm %" PRId64 " cond %d of %" PRId64 ", %" PRId64 ": got %" PRId64
                       " want %" PRId64 " error %" PRId64 "\n",
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
    uint32_t out[IR_GE + 1];
    unsigned wrong = 0;

    cgt_open(&t, NULL);
    uint32_t a = cgt_global(&t, "a", OBJ_LONG), b = cgt_global(&t, "b", OBJ_LONG);

    for (int c = IR_EQ; c <= IR_GE; c++) {
        uint32_t yes = ir_block_new(t.u, t.at.f), no = ir_block_new(t.u, t.at.f),
                 after = ir_block_new(t.u, t.at.f);
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
            for (int c = IR_EQ; c <= IR_GE; c++)
                wrong += *cgt_long(&t, out[c]) !=
                         (expect_cond((enum ir_cond)c, edges[x], edges[y]) ? 1 : 2);
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
    uint32_t addr = cgt_global(&t, "addr", OBJ_LONG), out = cgt_global(&t, "out", OBJ_LONG),
             s = cgt_global(&t, "s", OBJ_STRING);
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
            struct ir_val slot = IR_SLOT(ir_slot_new(t.u, t.at.f, IR_STRING, NULL));

            ir_put_str(
                &t.at, IR_SSET, slot,
                cgt_lit(&t, "a string that is much too long to be set in line by immediates"));
            struct ir_ins *i = cgt_put(&t, IR_SFMT);

            i->str = slot;
            i->a = v[3];
            i->b = IR_IMM((int64_t)NGS_SPEC('d', 0, 0, 0xffff));
            cgt_gsset(&t, s, slot);
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
        tap_text(cgt_str(&t, s)->bytes,
                 "a string that is much too long to be set in line by immediates1051",
                 "string beside them");
    } else {
        tap_ok(false, "temporaries under pressure");
    }
    cgt_close(&t);
}

/* ---- random programs ---- */

struct random {
    uint64_t state;
};

static uint32_t pick(struct random *r, uint32_t n)
{
    r->state = r->state * 6364136223846793005ull + 1442695040888963407ull;
    return (uint32_t)(r->state >> 33) % n;
}

enum { R_GLOBALS = 6, R_SLOTS = 4, R_LENGTH = 120 };

struct made { /* a value in the program and here */
    struct ir_val v;
    int64_t is;
};

static struct made operand_of(struct random *r, const struct made *vals, uint32_t n)
{
    if (!n || pick(r, 5) == 0) {
        int64_t imm = edges[pick(r, N_EDGES)];

        return (struct made){IR_IMM(imm), imm};
    }
    return vals[n - 1 - pick(r, n < 14 ? n : 14)]; /* most of them long dead by the end */
}

/* One instruction whose result is known. */
static struct made random_op(struct cgt *t, struct random *r, struct made a, struct made b)
{
    static const enum ir_op ops[] = {IR_ADD, IR_SUB, IR_MUL, IR_DIV,  IR_MOD,  IR_AND,  IR_OR,
                                     IR_XOR, IR_SHL, IR_SHR, IR_USHR, IR_SEXT, IR_ZEXT, IR_SET};
    static const int64_t widths[] = {1, 2, 4};
    enum ir_op op = ops[pick(r, sizeof(ops) / sizeof(*ops))];
    bool fails;

    if ((op == IR_DIV || op == IR_MOD) && b.is == 0)
        op = IR_OR;
    struct ir_ins *i = cgt_put(t, op);

    i->a = a.v;
    if (op != IR_SEXT && op != IR_ZEXT)
        i->b = b.v;
    else
        i->imm = widths[pick(r, 3)];
    i->cond = (enum ir_cond)pick(r, IR_GE + 1);
    i->dst = ir_temp(t->at.f);
    return (struct made){IR_TEMP(i->dst), op == IR_SET ? expect_cond(i->cond, a.is, b.is)
                                                       : expect(op, i->imm, a.is, b.is, &fails)};
}

static bool run_random(uint64_t seed, const char *disabled, const int64_t *word)
{
    struct cgt t;
    struct random r = {seed};
    struct made vals[R_LENGTH + R_GLOBALS];
    int64_t in[R_GLOBALS], slots[R_SLOTS] = {0}, mix = 0;
    uint32_t g[R_GLOBALS], slot[R_SLOTS], n = 0;

    cgt_open(&t, disabled);
    uint32_t out = cgt_global(&t, "out", OBJ_LONG), addr = cgt_global(&t, "addr", OBJ_LONG);
    struct ir_val sum = IR_IMM(0);

    for (uint32_t k = 0; k < R_SLOTS; k++) {
        slot[k] = ir_slot_new(t.u, t.at.f, IR_LONG, "s");
        ir_put_store(&t.at, slot[k], IR_IMM(0));
    }
    for (uint32_t k = 0; k < R_GLOBALS; k++) {
        in[k] = edges[pick(&r, N_EDGES)] ^ (int64_t)pick(&r, 1000);
        g[k] = cgt_global(&t, "g", OBJ_LONG);
        vals[n++] = (struct made){cgt_gload(&t, g[k]), in[k]};
    }
    for (uint32_t k = 0; k < R_LENGTH; k++) {
        struct made a = operand_of(&r, vals, n), b = operand_of(&r, vals, n), m = {IR_IMM(0), 0};
        uint32_t s = pick(&r, R_SLOTS);

        switch (pick(&r, 12)) {
        case 0:
            ir_put_store(&t.at, slot[s], a.v);
            slots[s] = a.is;
            continue;
        case 1:
            m = (struct made){ir_put_load(&t.at, slot[s]), slots[s]};
            break;
        case 2: { /* a call between; its result is left unused */
            struct ir_ins *i = cgt_put(&t, IR_CONTEXT);

            i->imm = NGS_CTX_MONO_NS;
            continue;
        }
        case 3: {
            struct ir_val from = cgt_gload(&t, addr);
            struct ir_ins *i = cgt_put(&t, IR_READ);

            i->a = from;
            i->size = 8;
            i->dst = ir_temp(t.at.f);
            m = (struct made){IR_TEMP(i->dst), *word};
            break;
        }
        case 4:
            sum = ir_put_int(&t.at, IR_ADD, ir_put_int(&t.at, IR_MUL, sum, IR_IMM(31)), a.v);
            mix = (int64_t)((uint64_t)mix * 31 + (uint64_t)a.is);
            continue;
        default:
            m = random_op(&t, &r, a, b);
        }
        vals[n++] = m;
    }
    cgt_gstore(&t, out, sum);
    bool ok = cgt_load(&t);

    if (ok) {
        for (uint32_t k = 0; k < R_GLOBALS; k++)
            *cgt_long(&t, g[k]) = in[k];
        *cgt_long(&t, addr) = (int64_t)(uintptr_t)word;
        cgt_run(&t);
        ok = *cgt_long(&t, out) == mix;
    }
    if (!ok)
        printf("# seed %" PRIu64 " %s\n", seed, disabled ? disabled : "");
    cgt_close(&t);
    return ok;
}

static void test_random(void)
{
    static const int64_t word = 0x0123456789abcdef;
    unsigned wrong = 0;

    for (uint64_t seed = 1; seed <= 60; seed++)
        wrong += !run_random(seed, seed % 2 ? NULL : "sdiv", &word);
    tap_ok(!wrong, "random programs");
}

int main(void)
{
    static const int64_t seven = 7, minus = -1, zero = 0, large = 0x123456789abcll,
                         least = INT64_MIN;
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
    test_random();
    return tap_done();
}
