/*
 * bytes: the conversions of printf and sprintf that are made byte by byte: %c, %b, %m and %M
 * (SystemTap's runtime/vsprintf.c, _stp_vsprint_binary and _stp_vsprint_memory). Enters: a
 * conversion whose arguments are spilled; leaves: appends to a string slot, and the cursor in
 * another block. A NUL ends a string, so that sprintf goes on at the format's end. Memory is read
 * when the handler runs, also for printf: it may be another one when what was printed is read.
 * Refused, as an error of the handler: more bytes than a page.
 */
#include "lower/internal.h"

enum { DUMP_MAX = 4096 }; /* bytes of memory; translate.cxx: PAGE_SIZE */

static const struct conversion one_byte = {
    .letter = 'c', .width = CONVERSION_NONE, .prec = CONVERSION_NONE};

static struct ir_val op(struct lower *lo, enum ir_op code, struct ir_val a, struct ir_val b)
{
    return ir_put_int(&lo->at, code, a, b);
}

/* -1 where V is below 0, else 0. */
static struct ir_val sign_of(struct lower *lo, struct ir_val v)
{
    return op(lo, IR_SHR, v, IR_IMM(63));
}

static struct ir_val not_negative(struct lower *lo, struct ir_val v)
{
    return op(lo, IR_AND, v, op(lo, IR_XOR, sign_of(lo, v), IR_IMM(-1)));
}

/* MASK (0 or -1) ? YES : NO */
static struct ir_val choose(struct lower *lo, struct ir_val mask, struct ir_val yes,
                            struct ir_val no)
{
    struct ir_val other = op(lo, IR_XOR, mask, IR_IMM(-1));

    return op(lo, IR_OR, op(lo, IR_AND, yes, mask), op(lo, IR_AND, no, other));
}

static struct ir_val mask_of(struct lower *lo, enum ir_cond cond, struct ir_val a, struct ir_val b)
{
    return op(lo, IR_SUB, IR_IMM(0), ir_put_set(&lo->at, cond, a, b));
}

/* The C type int of an argument: its lower half, with a sign. */
static struct ir_val int_of(struct lower *lo, struct ir_val v)
{
    return op(lo, IR_SHR, op(lo, IR_SHL, v, IR_IMM(32)), IR_IMM(32));
}

/* Where the arguments of a conversion are: spilled. */
struct given {
    const struct conversion *c;
    const struct ir_val *width, *prec, *value;
};

static struct given given_of(const struct conversion *c, const struct ir_val *ready)
{
    return (struct given){.c = c,
                          .width = c->width_arg ? ready : NULL,
                          .prec = c->prec_arg ? ready + c->width_arg : NULL,
                          .value = ready + c->width_arg + c->prec_arg};
}

/* The width, 0 or more; it must be given. */
static struct ir_val width_of(struct lower *lo, const struct given *g)
{
    if (!g->width)
        return IR_IMM(g->c->width);
    struct ir_val w = int_of(lo, lower_reload(lo, *g->width)), sign = sign_of(lo, w);
    struct ir_val size = op(lo, IR_SUB, op(lo, IR_XOR, w, sign), sign);

    return choose(lo, mask_of(lo, IR_GT, size, IR_IMM(CONVERSION_MAX)), IR_IMM(CONVERSION_MAX),
                  size);
}

/* -1 when it is on the left: by a flag, or a width below 0. */
static struct ir_val left_of(struct lower *lo, const struct given *g)
{
    if (g->c->flags & NGS_SPEC_LEFT)
        return IR_IMM(-1);
    return g->width ? sign_of(lo, int_of(lo, lower_reload(lo, *g->width))) : IR_IMM(0);
}

static bool has_width(const struct given *g)
{
    return g->width || g->c->width >= 0;
}

static struct ir_val keep(struct lower *lo, struct ir_val v)
{
    return lower_spill(lo, v);
}

/* Goes on when the byte V is none, else at END; without an END a NUL is a byte as others. */
static void end_at_nul(struct lower *lo, struct ir_val v, uint32_t end)
{
    if (end == IR_NO_BLOCK)
        return;
    uint32_t more = lower_block(lo);

    ir_put_branch(&lo->at, IR_NE, v, IR_IMM(0), more, end);
    ir_at(&lo->at, more);
}

/* ---- a loop: for (k = 0; k < n; k++) ---- */

struct count {
    uint32_t k, head, after;
};

/* N: spilled. Leaves the cursor in the body. */
static struct count count_begin(struct lower *lo, struct ir_val n)
{
    struct count count = {lower_long_slot(lo), lower_block(lo), lower_block(lo)};
    uint32_t body = lower_block(lo);

    ir_put_store(&lo->at, count.k, IR_IMM(0));
    ir_put_jump(&lo->at, count.head);
    ir_at(&lo->at, count.head);
    struct ir_val k = ir_put_load(&lo->at, count.k);

    ir_put_branch(&lo->at, IR_LT, k, lower_reload(lo, n), body, count.after);
    ir_at(&lo->at, body);
    return count;
}

static void count_end(struct lower *lo, const struct count *count)
{
    struct ir_val k = ir_put_load(&lo->at, count->k);

    ir_put_store(&lo->at, count->k, op(lo, IR_ADD, k, IR_IMM(1)));
    ir_put_jump(&lo->at, count->head);
    ir_at(&lo->at, count->after);
}

/* ---- %c ---- */

static void append_char(struct lower *lo, struct ir_val dst, const struct given *g, uint32_t end)
{
    struct ir_val v = op(lo, IR_AND, lower_reload(lo, *g->value), IR_IMM(0xff));

    end_at_nul(lo, v, end);
    v = op(lo, IR_AND, lower_reload(lo, *g->value), IR_IMM(0xff));
    lower_append_value(lo, dst, g->c, &v, false);
}

/* ---- %b: the number's bytes, the lowest first ---- */

/* -1 when V is a number of bytes that %b writes. */
static struct ir_val is_size(struct lower *lo, struct ir_val v)
{
    struct ir_val power =
        ir_put_set(&lo->at, IR_EQ, op(lo, IR_AND, v, op(lo, IR_SUB, v, IR_IMM(1))), IR_IMM(0));
    struct ir_val within = op(lo, IR_AND, ir_put_set(&lo->at, IR_GT, v, IR_IMM(0)),
                              ir_put_set(&lo->at, IR_LE, v, IR_IMM(8)));

    return op(lo, IR_SUB, IR_IMM(0), op(lo, IR_AND, power, within));
}

/* Width and precision stand in for each other: how many bytes are written, and what is to fill. */
static void binary_sizes(struct lower *lo, const struct given *g, struct ir_val *n,
                         struct ir_val *fill)
{
    struct ir_val prec = g->prec ? int_of(lo, lower_reload(lo, *g->prec)) : IR_IMM(g->c->prec);
    struct ir_val valid = is_size(lo, prec), size;

    if (has_width(g)) {
        struct ir_val width = width_of(lo, g);

        size = choose(lo, valid, prec, choose(lo, is_size(lo, width), width, IR_IMM(8)));
        *fill = op(lo, IR_SUB, width, size);
    } else {
        size = choose(lo, valid, prec, IR_IMM(8));
        *fill = IR_IMM(0);
    }
    *n = keep(lo, size);
}

static void append_binary(struct lower *lo, struct ir_val dst, const struct given *g, uint32_t end)
{
    struct ir_val n, fill;

    binary_sizes(lo, g, &n, &fill);
    struct ir_val right = op(lo, IR_XOR, left_of(lo, g), IR_IMM(-1));
    uint32_t written = lower_block(lo);

    /* on the right, NULs come first */
    ir_put_branch(&lo->at, IR_GT, op(lo, IR_AND, fill, right), IR_IMM(0), end, written);
    ir_at(&lo->at, written);
    struct count count = count_begin(lo, n);
    struct ir_val bits = op(lo, IR_SHL, ir_put_load(&lo->at, count.k), IR_IMM(3));
    struct ir_val v = op(lo, IR_USHR, lower_reload(lo, *g->value), bits);
    struct ir_val byte = keep(lo, op(lo, IR_AND, v, IR_IMM(0xff)));

    end_at_nul(lo, lower_reload(lo, byte), end);
    v = lower_reload(lo, byte);
    lower_append_value(lo, dst, &one_byte, &v, false);
    count_end(lo, &count);
}

/* ---- %m and %M: memory, as it is or in hexadecimal digits ---- */

/* How many bytes: the precision, or 1. More than DUMP_MAX are an error. */
static struct ir_val dump_size(struct lower *lo, const struct given *g)
{
    if (!g->prec && g->c->prec <= DUMP_MAX)
        return IR_IMM(g->c->prec > 0 ? g->c->prec : 1);
    static const struct conversion number = {
        .letter = 'd', .width = CONVERSION_NONE, .prec = CONVERSION_NONE};
    const char words[] = " is too many bytes for a memory dump";
    uint32_t few = lower_block(lo), many = lower_block(lo);
    struct ir_val n = g->prec ? lower_reload(lo, *g->prec) : IR_IMM(g->c->prec);

    ir_put_branch(&lo->at, IR_GT, n, IR_IMM(DUMP_MAX), many, few);
    ir_at(&lo->at, many);
    struct ir_val text = lower_str_slot(lo);

    n = g->prec ? lower_reload(lo, *g->prec) : IR_IMM(g->c->prec);
    lower_append_value(lo, text, &number, &n, false);
    ir_put_str(&lo->at, IR_SCAT, text, lower_literal(lo, words, sizeof(words) - 1));
    struct ir_ins *i = ir_put(&lo->at, IR_RAISE);

    i->imm = NGS_ERR_SCRIPT;
    i->s = text;
    ir_at(&lo->at, few);
    n = int_of(lo, g->prec ? lower_reload(lo, *g->prec) : IR_IMM(1));
    return keep(lo, choose(lo, mask_of(lo, IR_GT, n, IR_IMM(0)), n, IR_IMM(1)));
}

static void append_spaces(struct lower *lo, struct ir_val dst, struct ir_val n)
{
    static const struct conversion spaces = {
        .letter = 's', .width_arg = true, .prec = CONVERSION_NONE};
    struct ir_val v[] = {lower_reload(lo, n), lower_literal(lo, "", 0)};

    lower_append_value(lo, dst, &spaces, v, true);
}

static void append_bytes_at(struct lower *lo, struct ir_val dst, const struct given *g,
                            struct ir_val n, uint32_t end)
{
    static const struct conversion digits = {
        .letter = 'x', .flags = NGS_SPEC_ZERO, .width = 2, .prec = CONVERSION_NONE};
    bool hex = g->c->letter == 'M';
    struct count count = count_begin(lo, n);
    struct ir_val address =
        op(lo, IR_ADD, lower_reload(lo, *g->value), ir_put_load(&lo->at, count.k));
    struct ir_ins *i = ir_put(&lo->at, IR_READ);

    i->a = address;
    i->size = 1;
    i->space = !(g->c->flags & NGS_SPEC_ALT);
    i->dst = ir_temp(lo->at.f);
    struct ir_val byte = keep(lo, IR_TEMP(i->dst)), v;

    if (!hex)
        end_at_nul(lo, lower_reload(lo, byte), end);
    v = lower_reload(lo, byte);
    lower_append_value(lo, dst, hex ? &digits : &one_byte, &v, false);
    count_end(lo, &count);
}

static void append_memory(struct lower *lo, struct ir_val dst, const struct given *g, uint32_t end)
{
    struct ir_val n = dump_size(lo, g), before = IR_NONE, after = IR_NONE;

    if (has_width(g)) {
        struct ir_val shown = op(lo, IR_SHL, lower_reload(lo, n), IR_IMM(g->c->letter == 'M'));
        struct ir_val pad = not_negative(lo, op(lo, IR_SUB, width_of(lo, g), shown));
        struct ir_val left = left_of(lo, g);

        after = keep(lo, op(lo, IR_AND, pad, left));
        before = keep(lo, op(lo, IR_AND, pad, op(lo, IR_XOR, left, IR_IMM(-1))));
        append_spaces(lo, dst, before);
    }
    append_bytes_at(lo, dst, g, n, end);
    if (has_width(g))
        append_spaces(lo, dst, after);
}

bool lower_is_of_bytes(const struct conversion *c)
{
    return c->letter == 'c' || c->letter == 'b' || lower_is_memory(c);
}

bool lower_is_memory(const struct conversion *c)
{
    return c->letter == 'm' || c->letter == 'M';
}

void lower_append_bytes(struct lower *lo, struct ir_val dst, const struct conversion *c,
                        const struct ir_val *ready, uint32_t end)
{
    struct given g = given_of(c, ready);

    if (c->letter == 'b')
        append_binary(lo, dst, &g, end);
    else if (lower_is_memory(c))
        append_memory(lo, dst, &g, end);
    else
        append_char(lo, dst, &g, end);
}
