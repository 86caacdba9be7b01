/*
 * cg_flow_test: loops, calls and recursion in the kernel, with each encoding of a back edge
 * (may_goto, bpf_loop, bpf_for_each_map_elem): the same results, and an end to what does not end.
 * Needs root.
 */
#include <inttypes.h>
#include <string.h>

#include "base/arena.h"
#include "tests/unit/cg_fixture.h"
#include "tests/unit/tap.h"

static const struct {
    const char *disabled, *name;
} encodings[] = {
    {NULL, "may_goto"}, {"may_goto", "bpf_loop"}, {"may_goto,bpf_loop", "for_each_map_elem"}};

static void budget(struct cgt *t, int64_t n)
{
    uint32_t outer = t->at.onerr;

    t->at.onerr = 2;
    cgt_put(t, IR_BUDGET)->imm = n;
    t->at.onerr = outer;
}

struct loop {
    uint32_t head, body, step, after, slot;
};

/* for (slot = 0; slot < limit; slot++) { ... close_loop }; the cursor is in the body. */
static struct loop open_loop(struct cgt *t, uint32_t slot, struct ir_val limit, bool global,
                             uint32_t limit_global)
{
    struct loop l = {.slot = slot};

    l.head = ir_block_new(t->u, t->at.f);
    l.body = ir_block_new(t->u, t->at.f);
    l.step = ir_block_new(t->u, t->at.f);
    l.after = ir_block_new(t->u, t->at.f);
    ir_put_store(&t->at, slot, IR_IMM(0));
    ir_put_jump(&t->at, l.head);
    ir_at(&t->at, l.head);
    budget(t, 1);
    struct ir_val v = ir_put_load(&t->at, slot);

    if (global)
        limit = cgt_gload(t, limit_global);
    ir_put_branch(&t->at, IR_LT, v, limit, l.body, l.after);
    ir_at(&t->at, l.body);
    return l;
}

static void close_loop(struct cgt *t, const struct loop *l)
{
    ir_put_jump(&t->at, l->step);
    ir_at(&t->at, l->step);
    ir_put_store(&t->at, l->slot,
                 ir_put_int(&t->at, IR_ADD, ir_put_load(&t->at, l->slot), IR_IMM(1)));
    ir_put_jump(&t->at, l->head);
    ir_at(&t->at, l->after);
}

/* Three loops in one another, a string grown in the middle one. */
static void test_nested(const char *disabled, const char *name)
{
    struct cgt t;

    cgt_open(&t, disabled);
    uint32_t n = cgt_global(&t, "n", OBJ_LONG), out = cgt_global(&t, "out", OBJ_LONG),
             text = cgt_global(&t, "text", OBJ_STRING);
    uint32_t i = ir_slot_new(t.u, t.at.f, IR_LONG, "i"), j = ir_slot_new(t.u, t.at.f, IR_LONG, "j");
    uint32_t k = ir_slot_new(t.u, t.at.f, IR_LONG, "k"),
             sum = ir_slot_new(t.u, t.at.f, IR_LONG, "sum");
    uint32_t s = ir_slot_new(t.u, t.at.f, IR_STRING, "s");

    ir_put_store(&t.at, sum, IR_IMM(0));
    ir_put_str(&t.at, IR_SSET, IR_SLOT(s), cgt_lit(&t, ""));
    struct loop a = open_loop(&t, i, IR_NONE, true, n);
    struct loop b = open_loop(&t, j, IR_IMM(5), false, 0);

    ir_put_str(&t.at, IR_SCAT, IR_SLOT(s), cgt_lit(&t, "."));
    struct loop c = open_loop(&t, k, IR_IMM(7), false, 0);
    struct ir_val v = ir_put_int(&t.at, IR_MUL, ir_put_load(&t.at, i), ir_put_load(&t.at, j));

    v = ir_put_int(&t.at, IR_ADD, v, ir_put_load(&t.at, k));
    ir_put_store(&t.at, sum, ir_put_int(&t.at, IR_ADD, ir_put_load(&t.at, sum), v));
    close_loop(&t, &c);
    close_loop(&t, &b);
    close_loop(&t, &a);
    cgt_gstore(&t, out, ir_put_load(&t.at, sum));
    cgt_gsset(&t, text, IR_SLOT(s));
    bool loaded = cgt_load(&t);
    unsigned wrong = 0;

    for (int64_t x = 0; loaded && x <= 50; x = x * 2 + 1) {
        int64_t want = 0;

        for (int64_t p = 0; p < x; p++)
            for (int64_t q = 0; q < 5; q++)
                for (int64_t r = 0; r < 7; r++)
                    want += p * q + r;
        *cgt_long(&t, n) = x;
        cgt_run(&t);
        uint32_t len = x * 5 < 256 ? (uint32_t)x * 5 : 256;

        wrong += *cgt_long(&t, out) != want || cgt_str(&t, text)->len != len ||
                 strspn(cgt_str(&t, text)->bytes, ".") != len;
    }
    tap_ok(loaded && !wrong && t.control->errors == 0,
           "nested loops by %s (%u instructions verified)", name, t.verified);
    cgt_close(&t);
}

/* while (1); in the handler: the budget ends it. With a vast budget the kernel does. */
static void test_endless(const char *disabled, const char *name, uint32_t maxaction, bool by_budget)
{
    struct cgt t;

    cgt_open(&t, disabled);
    t.cx.limits.maxaction = maxaction;
    uint32_t out = cgt_global(&t, "out", OBJ_LONG), head = ir_block_new(t.u, t.at.f);
    uint32_t n = ir_slot_new(t.u, t.at.f, IR_LONG, "n");

    ir_put_store(&t.at, n, IR_IMM(0));
    ir_put_jump(&t.at, head);
    ir_at(&t.at, head);
    if (by_budget)
        budget(&t, 1);
    cgt_gstore(&t, out, ir_put_load(&t.at, n));
    ir_put_store(&t.at, n, ir_put_int(&t.at, IR_ADD, ir_put_load(&t.at, n), IR_IMM(1)));
    ir_put_jump(&t.at, head);
    bool loaded = cgt_load(&t);

    if (loaded)
        cgt_run(&t);
    const struct ngs_rec *r = (const struct ngs_rec *)t.records;
    const int64_t *v = (const int64_t *)(r + 1);

    tap_ok(loaded && t.records_len && r->kind == NGS_REC_ERROR && v[0] == NGS_ERR_MAXACTION &&
               *cgt_long(&t, out) > 1000 && (!by_budget || *cgt_long(&t, out) == maxaction),
           "an endless loop ends: %s, %s (%" PRId64 " turns)", name,
           by_budget ? "budget" : "kernel's limit", loaded ? *cgt_long(&t, out) : 0);
    cgt_close(&t);
}

/* ---- functions ---- */

static uint32_t new_func(struct cgt *t, const char *name, struct ir_cursor *at, bool recursive)
{
    struct ir_func *f = ir_func_new(t->u, name);

    f->recursive = recursive;
    f->params = ARENA_ARRAY(t->cx.arena, uint32_t, 2);
    f->params[0] = ir_slot_new(t->u, f, IR_LONG, "p");
    f->n_params = 1;
    f->has_result = true;
    f->result = ir_slot_new(t->u, f, IR_LONG, NULL);
    for (int k = 0; k < 3; k++)
        ir_block_new(t->u, f);
    ir_emit(t->u, f, 1, IR_RET);
    ir_emit(t->u, f, 2, IR_RET)->imm = 1;
    *at = (struct ir_cursor){.u = t->u, .f = f, .onerr = 2};
    return f->id;
}

static struct ir_val call(struct cgt *t, uint32_t func, struct ir_val arg)
{
    const struct ir_func *f = t->u->funcs[func];
    uint32_t after = ir_block_new(t->u, t->at.f);

    ir_put_store(&t->at, f->params[0], arg);
    struct ir_ins *i = cgt_put(t, IR_CALL);

    i->imm = func;
    i->to[0] = after;
    ir_at(&t->at, after);
    return ir_put_load(&t->at, f->result);
}

/* add(p) = p + 1; twice(p) = add(add(p)); a loop calls both; one call in a try fails. */
static void test_calls(const char *disabled, const char *name)
{
    struct cgt t;
    struct ir_cursor main_at, at;

    cgt_open(&t, disabled);
    uint32_t n = cgt_global(&t, "n", OBJ_LONG), out = cgt_global(&t, "out", OBJ_LONG),
             caught = cgt_global(&t, "caught", OBJ_LONG);
    uint32_t i = ir_slot_new(t.u, t.at.f, IR_LONG, "i"), x = ir_slot_new(t.u, t.at.f, IR_LONG, "x");

    main_at = t.at;
    uint32_t add = new_func(&t, "add", &at, false);

    t.at = at;
    struct ir_val p = ir_put_load(&t.at, t.u->funcs[add]->params[0]);
    struct ir_ins *q = cgt_put(&t, IR_DIV); /* fails for p == 1000 */

    q->a = IR_IMM(1);
    q->b = ir_put_int(&t.at, IR_SUB, p, IR_IMM(1000));
    q->dst = ir_temp(t.at.f);
    /* operands must come before: put the division last */
    struct ir_block *b = t.at.f->blocks[t.at.block];
    struct ir_ins *load = b->first, *div = load->next, *sub = div->next;

    load->next = sub;
    sub->next = div;
    div->next = NULL;
    b->last = div;
    ir_put_store(&t.at, t.u->funcs[add]->result, ir_put_int(&t.at, IR_ADD, p, IR_IMM(1)));
    ir_put_jump(&t.at, 1);
    uint32_t twice = new_func(&t, "twice", &at, false);

    t.at = at;
    p = call(&t, add, ir_put_load(&t.at, t.u->funcs[twice]->params[0]));
    p = call(&t, add, p);
    ir_put_store(&t.at, t.u->funcs[twice]->result, p);
    ir_put_jump(&t.at, 1);

    t.at = main_at;
    ir_put_store(&t.at, x, IR_IMM(0));
    struct loop l = open_loop(&t, i, IR_NONE, true, n);

    ir_put_store(&t.at, x, call(&t, twice, ir_put_load(&t.at, x)));
    ir_put_store(&t.at, x, call(&t, add, ir_put_load(&t.at, x)));
    close_loop(&t, &l);
    cgt_gstore(&t, out, ir_put_load(&t.at, x));
    uint32_t failed = ir_block_new(t.u, t.at.f);

    t.at.onerr = failed;
    ir_put_store(&t.at, x, call(&t, twice, IR_IMM(999)));
    t.at.onerr = 2;
    cgt_gstore(&t, caught, IR_IMM(-1));
    ir_put_jump(&t.at, 1);
    ir_at(&t.at, failed);
    cgt_put(&t, IR_SERROR);
    cgt_gstore(&t, caught, IR_IMM(1));
    bool loaded = cgt_load(&t);
    unsigned wrong = 0;

    for (int64_t k = 0; loaded && k < 200; k += 33) {
        *cgt_long(&t, n) = k;
        cgt_run(&t);
        wrong += *cgt_long(&t, out) != 3 * k || *cgt_long(&t, caught) != 1;
    }
    tap_ok(loaded && !wrong, "calls by %s (%u instructions verified)", name, t.verified);
    cgt_close(&t);
}

/* fib(p), by the frame's stack; too deep fails. */
static void test_recursion(const char *disabled, const char *name)
{
    struct cgt t;
    struct ir_cursor main_at, at;

    cgt_open(&t, disabled);
    t.cx.limits.maxnesting = 16;
    uint32_t n = cgt_global(&t, "n", OBJ_LONG), out = cgt_global(&t, "out", OBJ_LONG);

    main_at = t.at;
    uint32_t fib = new_func(&t, "fib", &at, true), first;
    const struct ir_func *f = t.u->funcs[fib];

    t.at = at;
    first = ir_slot_new(t.u, t.at.f, IR_LONG, "first");
    uint32_t text = ir_slot_new(t.u, t.at.f, IR_STRING, "text");
    uint32_t deep = ir_block_new(t.u, t.at.f), flat = ir_block_new(t.u, t.at.f);

    ir_put_str(&t.at, IR_SSET, IR_SLOT(text), cgt_lit(&t, "x"));
    ir_put_branch(&t.at, IR_LT, ir_put_load(&t.at, f->params[0]), IR_IMM(2), flat, deep);
    ir_at(&t.at, flat);
    ir_put_store(&t.at, f->result, ir_put_load(&t.at, f->params[0]));
    ir_put_jump(&t.at, 1);
    ir_at(&t.at, deep);
    for (int k = 1; k <= 2; k++) {
        cgt_put(&t, IR_PUSH)->imm = fib;
        struct ir_val p = ir_put_int(&t.at, IR_SUB, ir_put_load(&t.at, f->params[0]), IR_IMM(k));
        uint32_t after = ir_block_new(t.u, t.at.f), failed = ir_block_new(t.u, t.at.f);

        ir_put_store(&t.at, f->params[0], p);
        ir_put_str(&t.at, IR_SSET, IR_SLOT(text),
                   cgt_lit(&t, "overwritten by the callee, with another length"));
        struct ir_ins *c = cgt_put(&t, IR_CALL);

        c->imm = fib;
        c->to[0] = after;
        c->onerr = failed;
        ir_at(&t.at, failed);
        cgt_put(&t, IR_POP)->imm = fib;
        ir_put_jump(&t.at, 2);
        ir_at(&t.at, after);
        cgt_put(&t, IR_POP)->imm = fib;
        if (k == 1)
            ir_put_store(&t.at, first, ir_put_load(&t.at, f->result));
    }
    struct ir_val sum =
        ir_put_int(&t.at, IR_ADD, ir_put_load(&t.at, first), ir_put_load(&t.at, f->result));
    struct ir_ins *len = cgt_put(&t, IR_SLEN); /* 1: the string came back */

    len->s = IR_SLOT(text);
    len->dst = ir_temp(t.at.f);
    ir_put_store(&t.at, f->result, ir_put_int(&t.at, IR_MUL, sum, IR_TEMP(len->dst)));
    ir_put_jump(&t.at, 1);

    t.at = main_at;
    budget(&t, 1);
    cgt_gstore(&t, out, IR_IMM(-1));
    cgt_gstore(&t, out, call(&t, fib, cgt_gload(&t, n)));
    bool loaded = cgt_load(&t);
    unsigned wrong = 0;
    int64_t a = 0, b = 1;

    for (int64_t k = 0; loaded && k < 16; k++) {
        *cgt_long(&t, n) = k;
        cgt_run(&t);
        wrong += *cgt_long(&t, out) != a;
        int64_t c = a + b;

        a = b;
        b = c;
    }
    tap_ok(loaded && !wrong, "recursion by %s (%u instructions verified)", name, t.verified);
    if (loaded) {
        *cgt_long(&t, n) = 40;
        cgt_run(&t);
        const struct ngs_rec *r = (const struct ngs_rec *)t.records;

        tap_ok(t.records_len && r->kind == NGS_REC_ERROR &&
                   *(const int64_t *)(r + 1) == NGS_ERR_NESTING,
               "too deep a recursion is an error, by %s", name);
    }
    cgt_close(&t);
}

/* So many blocks that jumps must hop over islands. */
static void test_large(void)
{
    enum { N = 3000 };
    struct cgt t;

    cgt_open(&t, NULL);
    uint32_t n = cgt_global(&t, "n", OBJ_LONG), out = cgt_global(&t, "out", OBJ_LONG),
             x = ir_slot_new(t.u, t.at.f, IR_LONG, "x");
    uint32_t end = ir_block_new(t.u, t.at.f);

    ir_put_store(&t.at, x, IR_IMM(0));
    for (int k = 0; k < N; k++) {
        uint32_t next = ir_block_new(t.u, t.at.f);
        struct ir_val v = ir_put_load(&t.at, x);

        for (int j = 0; j < 3; j++)
            v = ir_put_int(&t.at, IR_ADD, ir_put_int(&t.at, IR_XOR, v, IR_IMM(k)), IR_IMM(j));
        v = ir_put_int(&t.at, IR_AND, v, IR_IMM(0xffff));
        ir_put_store(&t.at, x, v);
        ir_put_branch(&t.at, IR_EQ, cgt_gload(&t, n), IR_IMM(k), end, next);
        ir_at(&t.at, next);
    }
    ir_put_jump(&t.at, end);
    ir_at(&t.at, end);
    cgt_gstore(&t, out, ir_put_load(&t.at, x));
    bool loaded = cgt_load(&t);
    unsigned wrong = 0;

    for (int stop = 0; loaded && stop <= N; stop += 250) {
        int64_t want = 0;

        for (int k = 0; k < N && k <= stop; k++) {
            for (int j = 0; j < 3; j++)
                want = (want ^ k) + j;
            want &= 0xffff;
        }
        *cgt_long(&t, n) = stop;
        cgt_run(&t);
        wrong += *cgt_long(&t, out) != want;
    }
    tap_ok(loaded && !wrong, "a handler beyond the reach of jumps (%u instructions verified)",
           t.verified);
    cgt_close(&t);
}

int main(void)
{
    const char *why = cgt_cannot();

    if (why) {
        tap_skip("loops and calls in the kernel", why);
        return tap_done();
    }
    for (unsigned k = 0; k < sizeof(encodings) / sizeof(*encodings); k++) {
        test_nested(encodings[k].disabled, encodings[k].name);
        test_calls(encodings[k].disabled, encodings[k].name);
        test_recursion(encodings[k].disabled, encodings[k].name);
        test_endless(encodings[k].disabled, encodings[k].name, 50000, true);
        test_endless(encodings[k].disabled, encodings[k].name, 50000, false);
    }
    test_large();
    return tap_done();
}
