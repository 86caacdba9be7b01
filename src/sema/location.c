/*
 * location: a DWARF location as a tree. Enters: the decoded operations of a variable's location
 * at an address; leaves: an expression over the probed registers, the addresses of modules and
 * memory reads, with word whether it is the variable's address or its value. Refused, with the
 * reason: values in pieces, thread-local storage, and unknown operations.
 */
#include <dwarf.h>
#include <stdarg.h>

#include "arch/arch.h"
#include "sema/internal.h"

enum { STACK_MAX = 64 };

struct machine {
    struct sema *s;
    struct arena *arena;
    struct span at;
    struct dbg *dbg;
    uint64_t pc;
    struct expr *stack[STACK_MAX];
    uint32_t depth;
    bool is_value;
    bool failed;
};

static bool fail(struct machine *m, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static bool fail(struct machine *m, const char *fmt, ...)
{
    va_list ap;

    if (m->failed)
        return false;
    m->failed = true;
    va_start(ap, fmt);
    diag_error(m->s->diag, m->at, "no-location", "%s", arena_vprintf(m->arena, fmt, ap));
    va_end(ap);
    return false;
}

static void push(struct machine *m, struct expr *e)
{
    if (m->depth == STACK_MAX)
        fail(m, "this variable's location is too complicated");
    else
        m->stack[m->depth++] = e;
}

static struct expr *pop(struct machine *m)
{
    if (m->depth)
        return m->stack[--m->depth];
    fail(m, "the debug information gives a faulty location for this variable");
    return sema_tree_number(m->arena, m->at, 0);
}

static struct expr *number(struct machine *m, uint64_t v)
{
    return sema_tree_number(m->arena, m->at, (int64_t)v);
}

static struct expr *reg(struct machine *m, uint64_t n)
{
    if (n < m->s->cx->arch->n_regs)
        return sema_tree_reg(m->arena, m->at, (uint32_t)n);
    fail(m, "this variable is in register %llu, which is not read yet (floating point, vector)",
         (unsigned long long)n);
    return number(m, 0);
}

static void pick(struct machine *m, uint64_t n)
{
    if (n >= m->depth)
        pop(m), fail(m, "the debug information gives a faulty location for this variable");
    else
        push(m, m->stack[m->depth - 1 - n]);
}

static void binary(struct machine *m, enum op op)
{
    struct expr *r = pop(m), *l = pop(m);

    push(m, sema_tree_binary(m->arena, op, l, r));
}

static void unary(struct machine *m, uint8_t atom)
{
    struct expr *e = pop(m);

    if (atom == DW_OP_neg)
        push(m, sema_tree_binary(m->arena, OP_SUB, number(m, 0), e));
    else
        push(m, sema_tree_binary(m->arena, OP_XOR, e, number(m, ~0ULL)));
}

/* Duplicates are shared between their users: evaluating one has no effect. */
static bool shuffle(struct machine *m, const struct dbg_op *op)
{
    struct expr *a, *b, *c;

    switch (op->atom) {
    case DW_OP_dup:
        pick(m, 0);
        return true;
    case DW_OP_over:
        pick(m, 1);
        return true;
    case DW_OP_pick:
        pick(m, op->n1);
        return true;
    case DW_OP_drop:
        pop(m);
        return true;
    case DW_OP_swap:
        a = pop(m), b = pop(m);
        push(m, a), push(m, b);
        return true;
    case DW_OP_rot:
        a = pop(m), b = pop(m), c = pop(m);
        push(m, a), push(m, c), push(m, b);
        return true;
    default:
        return false;
    }
}

static enum op arithmetic(uint8_t atom)
{
    static const struct {
        uint8_t atom;
        enum op op;
    } rows[] = {
        {DW_OP_plus, OP_ADD}, {DW_OP_minus, OP_SUB}, {DW_OP_mul, OP_MUL},  {DW_OP_div, OP_DIV},
        {DW_OP_mod, OP_MOD},  {DW_OP_and, OP_AND},   {DW_OP_or, OP_OR},    {DW_OP_xor, OP_XOR},
        {DW_OP_shl, OP_SHL},  {DW_OP_shr, OP_USHR},  {DW_OP_shra, OP_SHR}, {DW_OP_eq, OP_EQ},
        {DW_OP_ne, OP_NE},    {DW_OP_lt, OP_LT},     {DW_OP_le, OP_LE},    {DW_OP_gt, OP_GT},
        {DW_OP_ge, OP_GE},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
        if (rows[i].atom == atom)
            return rows[i].op;
    return OP_NONE;
}

/* DW_OP_const1u to DW_OP_consts are numbered one after the other (DWARF 5, 7.7.1). */
static bool is_constant(uint8_t atom)
{
    return atom >= DW_OP_const1u && atom <= DW_OP_consts;
}

static bool refuse(struct machine *m, uint8_t atom)
{
    static const char pieces[] =
        "this variable lies in several pieces here, which is not supported yet";
    static const char thread_local[] = "thread-local variables are not supported yet";
    static const char no_pointer[] =
        "this pointer was optimized away: only what it points to is left";
    static const struct {
        uint8_t atom;
        const char *why;
    } rows[] = {
        {DW_OP_piece, pieces},
        {DW_OP_bit_piece, pieces},
        {DW_OP_form_tls_address, thread_local},
        {DW_OP_GNU_push_tls_address, thread_local},
        {DW_OP_implicit_pointer, no_pointer},
        {DW_OP_GNU_implicit_pointer, no_pointer},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
        if (rows[i].atom == atom)
            return fail(m, "%s", rows[i].why);
    return fail(m, "this variable's location needs DWARF operation 0x%x, which is not supported",
                atom);
}

static void memory(struct machine *m, const struct dbg_op *op)
{
    uint64_t size = op->atom == DW_OP_deref ? 8 : op->n1;

    if (size == 1 || size == 2 || size == 4 || size == 8)
        push(m, sema_tree_load(m->arena, m->at, pop(m), (uint8_t)size, false));
    else
        fail(m, "this variable's location reads %llu bytes at once", (unsigned long long)size);
}

static void frame_address(struct machine *m)
{
    uint32_t cfa_reg;
    int64_t offset;

    if (!dbg_cfa(m->dbg, m->pc, &cfa_reg, &offset)) {
        fail(m, "there is no unwind information to find this function's frame");
        return;
    }
    push(m, sema_tree_add(m->arena, reg(m, cfa_reg), offset));
}

/* What a register had at the function's entry, which a probe there keeps. */
static void entry_value(struct machine *m, const struct dbg_op *op)
{
    struct sema_frame frame = {.entry = op->n2};
    const struct expr *r = reg(m, op->n1);

    if (m->failed)
        return;
    if (m->s->in_defined) {
        push(m, number(m, 0)); /* nobody evaluates it */
        return;
    }
    if (!dbg_cfa(m->dbg, m->pc, &frame.cfa_reg, &frame.cfa_offset)) {
        fail(m, "there is no unwind information to find this function's frame");
        return;
    }
    struct expr *kept = sema_save_register(m->s, r, &frame);

    if (kept)
        push(m, kept);
    else
        m->failed = true;
}

static bool step(struct machine *m, const struct dbg_op *op)
{
    uint8_t atom = op->atom;

    if (atom >= DW_OP_lit0 && atom <= DW_OP_lit31) {
        push(m, number(m, atom - DW_OP_lit0));
    } else if (is_constant(atom)) {
        push(m, number(m, op->n1));
    } else if (atom >= DW_OP_reg0 && atom <= DW_OP_reg31) {
        push(m, reg(m, atom - DW_OP_reg0));
        m->is_value = true;
    } else if (atom == DW_OP_regx) {
        push(m, reg(m, op->n1));
        m->is_value = true;
    } else if (atom >= DW_OP_breg0 && atom <= DW_OP_breg31) {
        push(m, sema_tree_add(m->arena, reg(m, atom - DW_OP_breg0), (int64_t)op->n1));
    } else if (atom == DW_OP_bregx) {
        push(m, sema_tree_add(m->arena, reg(m, op->n1), (int64_t)op->n2));
    } else if (atom == DW_OP_addr) {
        struct probe_env env = sema_env(m->s);
        uint32_t id = probe_module(&env, dbg_path(m->dbg), m->dbg);

        push(m, sema_tree_modaddr(m->arena, m->at, id, op->n1));
    } else if (arithmetic(atom) != OP_NONE) {
        binary(m, arithmetic(atom));
    } else if (atom == DW_OP_plus_uconst) {
        push(m, sema_tree_add(m->arena, pop(m), (int64_t)op->n1));
    } else if (atom == DW_OP_neg || atom == DW_OP_not) {
        unary(m, atom);
    } else if (atom == DW_OP_deref || atom == DW_OP_deref_size) {
        memory(m, op);
    } else if (atom == DW_OP_call_frame_cfa) {
        frame_address(m);
    } else if (atom == DW_OP_entry_value) {
        entry_value(m, op);
    } else if (atom == DW_OP_stack_value) {
        m->is_value = true;
    } else if (atom != DW_OP_nop && !shuffle(m, op)) {
        return refuse(m, atom);
    }
    return !m->failed;
}

bool sema_location(struct sema *s, struct span at, const struct probe_var *var, bool *is_value,
                   struct expr **tree)
{
    const struct dbg_location *loc = &var->location;
    struct machine m = {.s = s, .arena = s->arena, .at = at, .dbg = var->dbg, .pc = var->pc};

    *is_value = true;
    if (loc->has_const) {
        *tree = number(&m, (uint64_t)loc->constant);
        return true;
    }
    if (!loc->n_ops)
        return fail(&m, "this variable was optimized away");
    for (uint32_t i = 0; i < loc->n_ops; i++)
        if (!step(&m, &loc->ops[i]))
            return false;
    *tree = pop(&m);
    *is_value = m.is_value;
    return !m.failed;
}
