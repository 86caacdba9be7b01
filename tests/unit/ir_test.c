/*
 * ir_test: the passes of ir/ on small units made by hand. Prints TAP.
 */
#include <stdlib.h>

#include "arch/arch.h"
#include "ir/ir.h"
#include "tests/unit/tap.h"

struct fixture {
    struct compile cx;
    char *messages;
    size_t size;
    FILE *stream;
};

static void open_fixture(struct fixture *x)
{
    *x = (struct fixture){0};
    x->stream = open_memstream(&x->messages, &x->size);
    x->cx.arch = arch_native();
    x->cx.arena = arena_new();
    x->cx.sources = sources_new(x->cx.arena);
    x->cx.diag = diag_new(x->cx.arena, x->cx.sources, x->stream);
    x->cx.limits = (struct limits){
        .maxaction = 1000, .maxmapentries = 100, .maxstringlen = 256, .maxnesting = 8};
}

static void close_fixture(struct fixture *x)
{
    fclose(x->stream);
    free(x->messages);
    arena_free(x->cx.arena);
}

/* A handler with entry, normal end (block 1) and end by an error (block 2). */
static struct ir_cursor open_handler(struct ir_unit *u, const char *name)
{
    struct ir_func *f = ir_func_new(u, name);
    struct ir_cursor c = {.u = u, .f = f};

    f->is_probe = true;
    for (int n = 0; n < 3; n++)
        ir_block_new(u, f);
    f->blocks[0]->id = 0;
    ir_emit(u, f, 1, IR_DONE);
    ir_emit(u, f, 2, IR_DONE)->imm = 1;
    c.onerr = 2;
    u->probes = arena_grow(u->cx->arena, u->probes, u->n_probes, sizeof(*u->probes));
    u->probes[u->n_probes++] = (struct ir_probe){.name = name, .func = f->id};
    return c;
}

static unsigned count_op(const struct ir_unit *u, enum ir_op op)
{
    unsigned n = 0;

    for (uint32_t f = 0; f < u->n_funcs; f++)
        for (uint32_t b = 0; b < u->funcs[f]->n_blocks; b++)
            for (const struct ir_ins *i = u->funcs[f]->blocks[b]->first; i; i = i->next)
                n += i->op == op;
    return n;
}

static void test_fold(void)
{
    struct fixture x;

    open_fixture(&x);
    struct ir_unit *u = ir_unit_new(&x.cx);
    struct ir_cursor c = open_handler(u, "fold");
    uint32_t slot = ir_slot_new(u, c.f, IR_LONG, "v"), dead = ir_block_new(u, c.f);
    struct ir_val t = ir_put_int(&c, IR_MUL, IR_IMM(6), IR_IMM(7));

    t = ir_put_int(&c, IR_ADD, t, IR_IMM(0));
    ir_put_store(&c, slot, t);
    ir_put_int(&c, IR_DIV, IR_IMM(INT64_MIN), IR_IMM(-1));
    ir_put_branch(&c, IR_EQ, IR_IMM(1), IR_IMM(2), dead, 1);
    ir_at(&c, dead);
    ir_put(&c, IR_EXIT);
    ir_put_jump(&c, 1);
    tap_ok(ir_verify(u), "a unit made by the builder verifies");
    ir_simplify(u);
    tap_ok(ir_verify(u), "and still does when simplified");
    tap_ok(count_op(u, IR_MUL) == 0 && count_op(u, IR_ADD) == 0 && count_op(u, IR_DIV) == 0,
           "constants are folded, also INT64_MIN / -1");
    tap_ok(count_op(u, IR_EXIT) == 0 && count_op(u, IR_BRANCH) == 0,
           "a branch never taken is gone");
    bool stored = false;

    for (const struct ir_ins *i = c.f->blocks[0]->first; i; i = i->next)
        stored |= i->op == IR_STORE && i->a.kind == IRV_IMM && i->a.imm == 42;
    tap_ok(stored, "42 is stored as an immediate");
    close_fixture(&x);
}

static void test_div_zero_stays(void)
{
    struct fixture x;

    open_fixture(&x);
    struct ir_unit *u = ir_unit_new(&x.cx);
    struct ir_cursor c = open_handler(u, "div");

    ir_put_int(&c, IR_DIV, IR_IMM(1), IR_IMM(0));
    ir_put_jump(&c, 1);
    ir_simplify(u);
    tap_ok(count_op(u, IR_DIV) == 1, "a division by zero stays, though its value is not used");
    close_fixture(&x);
}

static void test_inline(void)
{
    struct fixture x;

    open_fixture(&x);
    struct ir_unit *u = ir_unit_new(&x.cx);
    struct ir_func *once = ir_func_new(u, "once"), *twice = ir_func_new(u, "twice");
    struct ir_func *const both[] = {once, twice};

    for (int k = 0; k < 2; k++) {
        struct ir_cursor f = {.u = u, .f = both[k], .onerr = 1};

        ir_block_new(u, both[k]);
        ir_block_new(u, both[k]);
        ir_put(&f, IR_BUDGET)->imm = 1;
        ir_put(&f, IR_RET);
        ir_at(&f, 1);
        ir_put(&f, IR_RET)->imm = 1;
    }
    struct ir_cursor c = open_handler(u, "caller");

    for (int k = 0; k < 3; k++) {
        uint32_t next = ir_block_new(u, c.f);
        struct ir_ins *i = ir_put(&c, IR_CALL);

        i->imm = k ? twice->id : once->id;
        i->to[0] = next;
        ir_at(&c, next);
    }
    ir_put_jump(&c, 1);
    ir_inline(u);
    tap_ok(ir_verify(u), "a unit verifies after inlining");
    tap_ok(count_op(u, IR_CALL) == 2 && u->n_funcs == 2,
           "a function called once is spliced, one called twice is not");
    ir_simplify(u);
    tap_ok(ir_verify(u), "and simplified");
    close_fixture(&x);
}

static void test_verify(void)
{
    struct fixture x;

    open_fixture(&x);
    struct ir_unit *u = ir_unit_new(&x.cx);
    struct ir_cursor c = open_handler(u, "bad");
    uint32_t next = ir_block_new(u, c.f);
    struct ir_val t = ir_put_int(&c, IR_CONTEXT, IR_NONE, IR_NONE);

    ir_put_jump(&c, next);
    ir_at(&c, next);
    ir_put_int(&c, IR_ADD, t, IR_IMM(1));
    ir_put_jump(&c, 1);
    tap_ok(!ir_verify(u), "a temporary used in another block is refused");
    fflush(x.stream);
    tap_ok(strstr(x.messages, "outside the block") != NULL, "and the message says so");
    close_fixture(&x);
}

static void test_layout(void)
{
    struct fixture x;

    open_fixture(&x);
    struct ir_unit *u = ir_unit_new(&x.cx);
    struct ir_cursor a = open_handler(u, "a"), b = open_handler(u, "b");
    uint32_t text = ir_slot_new(u, a.f, IR_STRING, NULL);
    uint32_t one = ir_slot_new(u, a.f, IR_LONG, NULL), two = ir_slot_new(u, b.f, IR_LONG, NULL);

    ir_put_jump(&a, 1);
    ir_put_jump(&b, 1);
    ir_layout(u);
    tap_ok(u->slots[one].off == u->slots[two].off, "slots of two handlers share their place");
    tap_ok(u->slots[one].off < u->slots[text].off, "longs come before strings");
    tap_ok(u->slots[text].off + u->str_size <= u->frame_size, "all lies within the frame");
    close_fixture(&x);
}

int main(void)
{
    test_fold();
    test_div_zero_stays();
    test_inline();
    test_verify();
    test_layout();
    return tap_done();
}
