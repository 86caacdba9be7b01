/*
 * location: a DWARF location as a tree. Enters: the decoded operations of a variable's location
 * at an address; leaves: an expression over the probed registers, the addresses of modules and
 * memory reads, with word whether it is the variable's address or its value. Refused, with the
 * reason: values in pieces, values only the caller knows, thread-local storage, and unknown
 * operations.
 */
#include "probe/probe.h"

#include <dwarf.h>
#include <stdarg.h>

enum { STACK_MAX = 64, REGS = 17 /* rip included */ };

struct machine {
    struct probe_env *env;
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
    diag_error(m->env->cx->diag, m->at, "no-location", "%s", arena_vprintf(m->arena, fmt, ap));
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
    return probe_tree_number(m->arena, m->at, 0);
}

static struct expr *number(struct machine *m, uint64_t v)
{
    return probe_tree_number(m->arena, m->at, (int64_t)v);
}

static struct expr *reg(struct machine *m, uint64_t n)
{
    if (n < REGS)
        return probe_tree_reg(m->arena, m->at, (uint32_t)n);
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

    push(m, probe_tree_binary(m->arena, op, l, r));
}

static void unary(struct machine *m, uint8_t atom)
{
    struct expr *e = pop(m);

    if (atom == DW_OP_neg)
        push(m, probe_tree_binary(m->arena, OP_SUB, number(m, 0), e));
    else
        push(m, probe_tree_binary(m->arena, OP_XOR, e, number(m, ~0ULL)));
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
    switch (atom) {
    case DW_OP_plus:
        return OP_ADD;
    case DW_OP_minus:
        return OP_SUB;
    case DW_OP_mul:
        return OP_MUL;
    case DW_OP_div:
        return OP_DIV;
    case DW_OP_mod:
        return OP_MOD;
    case DW_OP_and:
        return OP_AND;
    case DW_OP_or:
        return OP_OR;
    case DW_OP_xor:
        return OP_XOR;
    case DW_OP_shl:
        return OP_SHL;
    case DW_OP_shr:
        return OP_USHR;
    case DW_OP_shra:
        return OP_SHR;
    case DW_OP_eq:
        return OP_EQ;
    case DW_OP_ne:
        return OP_NE;
    case DW_OP_lt:
        return OP_LT;
    case DW_OP_le:
        return OP_LE;
    case DW_OP_gt:
        return OP_GT;
    case DW_OP_ge:
        return OP_GE;
    default:
        return OP_NONE;
    }
}

static bool is_constant(uint8_t atom)
{
    switch (atom) {
    case DW_OP_const1u:
    case DW_OP_const1s:
    case DW_OP_const2u:
    case DW_OP_const2s:
    case DW_OP_const4u:
    case DW_OP_const4s:
    case DW_OP_const8u:
    case DW_OP_const8s:
    case DW_OP_constu:
    case DW_OP_consts:
        return true;
    default:
        return false;
    }
}

static bool refuse(struct machine *m, uint8_t atom)
{
    switch (atom) {
    case DW_OP_piece:
    case DW_OP_bit_piece:
        return fail(m, "this variable lies in several pieces here, which is not supported yet");
    case DW_OP_entry_value:
    case DW_OP_GNU_entry_value:
        return fail(
            m, "the compiler kept no copy of this variable: its value is known at the function's "
               "entry only");
    case DW_OP_form_tls_address:
    case DW_OP_GNU_push_tls_address:
        return fail(m, "thread-local variables are not supported yet");
    case DW_OP_implicit_pointer:
    case DW_OP_GNU_implicit_pointer:
        return fail(m, "this pointer was optimized away: only what it points to is left");
    default:
        return fail(
            m, "this variable's location needs DWARF operation 0x%x, which is not supported", atom);
    }
}

static void memory(struct machine *m, const struct dbg_op *op)
{
    uint64_t size = op->atom == DW_OP_deref ? 8 : op->n1;

    if (size == 1 || size == 2 || size == 4 || size == 8)
        push(m, probe_tree_load(m->arena, m->at, pop(m), (uint8_t)size, false));
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
    push(m, probe_tree_add(m->arena, reg(m, cfa_reg), offset));
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
        push(m, probe_tree_add(m->arena, reg(m, atom - DW_OP_breg0), (int64_t)op->n1));
    } else if (atom == DW_OP_bregx) {
        push(m, probe_tree_add(m->arena, reg(m, op->n1), (int64_t)op->n2));
    } else if (atom == DW_OP_addr) {
        uint32_t id = probe_module(m->env, dbg_path(m->dbg), m->dbg);

        push(m, probe_tree_modaddr(m->arena, m->at, id, op->n1));
    } else if (arithmetic(atom) != OP_NONE) {
        binary(m, arithmetic(atom));
    } else if (atom == DW_OP_plus_uconst) {
        push(m, probe_tree_add(m->arena, pop(m), (int64_t)op->n1));
    } else if (atom == DW_OP_neg || atom == DW_OP_not) {
        unary(m, atom);
    } else if (atom == DW_OP_deref || atom == DW_OP_deref_size) {
        memory(m, op);
    } else if (atom == DW_OP_call_frame_cfa) {
        frame_address(m);
    } else if (atom == DW_OP_stack_value) {
        m->is_value = true;
    } else if (atom != DW_OP_nop && !shuffle(m, op)) {
        return refuse(m, atom);
    }
    return !m->failed;
}

bool probe_location(struct probe_env *env, struct span at, const struct dbg_location *loc,
                    struct dbg *dbg, uint64_t pc, enum probe_where *where, struct expr **tree)
{
    struct machine m = {.env = env, .arena = env->cx->arena, .at = at, .dbg = dbg, .pc = pc};

    *where = PROBE_IS_VALUE;
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
    *where = m.is_value ? PROBE_IS_VALUE : PROBE_AT_ADDRESS;
    return !m.failed;
}
