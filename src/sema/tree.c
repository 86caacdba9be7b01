/*
 * tree: makes the plain nodes that target expressions resolve to. Enters: addresses, offsets,
 * types' sizes; leaves: nodes of type long, with arithmetic on constants done at once, so that
 * the sizeof and offset idioms end as one number. And whole parts of the tree, out of script text.
 */
#include "sema/internal.h"

#include <string.h>

static struct expr *node(struct arena *a, enum expr_kind kind, struct span at)
{
    struct expr *e = expr_new(a, kind, at);

    e->op_at = at;
    e->type = TYPE_LONG;
    return e;
}

struct expr *sema_tree_number(struct arena *a, struct span at, int64_t v)
{
    struct expr *e = node(a, EX_NUMBER, at);

    e->number = v;
    return e;
}

struct expr *sema_tree_reg(struct arena *a, struct span at, uint32_t reg)
{
    struct expr *e = node(a, EX_R_REG, at);

    e->reg = reg;
    return e;
}

struct expr *sema_tree_arg(struct arena *a, struct span at, uint32_t argument, const char *name)
{
    struct expr *e = node(a, EX_R_ARG, at);

    e->reg = argument;
    e->text = name;
    return e;
}

struct expr *sema_tree_modaddr(struct arena *a, struct span at, uint32_t module_id, uint64_t vaddr)
{
    struct expr *e = node(a, EX_R_MODADDR, at);

    e->module_id = module_id;
    e->vaddr = vaddr;
    return e;
}

struct expr *sema_tree_load(struct arena *a, struct span at, struct expr *address, uint8_t size,
                            bool is_signed)
{
    struct expr *e = node(a, EX_R_LOAD, at);

    e->a = address;
    e->size = size;
    e->is_signed = is_signed;
    e->space = SPACE_USER;
    return e;
}

bool sema_tree_constant(const struct expr *e, int64_t *v)
{
    if (e->resolved)
        e = e->resolved;
    if (e->kind != EX_NUMBER)
        return false;
    *v = e->number;
    return true;
}

bool sema_tree_compute(enum op op, int64_t l, int64_t r, int64_t *v)
{
    uint64_t ul = (uint64_t)l, ur = (uint64_t)r;

    switch (op) {
    case OP_ADD:
        *v = (int64_t)(ul + ur);
        return true;
    case OP_SUB:
        *v = (int64_t)(ul - ur);
        return true;
    case OP_MUL:
        *v = (int64_t)(ul * ur);
        return true;
    case OP_DIV:
    case OP_MOD: /* left to run time where it would fail or overflow */
        if (r == 0 || r == -1)
            return false;
        *v = op == OP_DIV ? l / r : l % r;
        return true;
    case OP_AND:
        *v = l & r;
        return true;
    case OP_OR:
        *v = l | r;
        return true;
    case OP_XOR:
        *v = l ^ r;
        return true;
    case OP_SHL:
        *v = (int64_t)(ul << (ur & 63));
        return true;
    case OP_SHR:
        *v = l >> (ur & 63);
        return true;
    case OP_USHR:
        *v = (int64_t)(ul >> (ur & 63));
        return true;
    case OP_EQ:
        *v = l == r;
        return true;
    case OP_NE:
        *v = l != r;
        return true;
    case OP_LT:
        *v = l < r;
        return true;
    case OP_LE:
        *v = l <= r;
        return true;
    case OP_GT:
        *v = l > r;
        return true;
    case OP_GE:
        *v = l >= r;
        return true;
    case OP_LAND:
        *v = l && r;
        return true;
    case OP_LOR:
        *v = l || r;
        return true;
    default:
        return false;
    }
}

struct expr *sema_tree_binary(struct arena *a, enum op op, struct expr *l, struct expr *r)
{
    int64_t lv = 0, rv = 0, v;
    bool lc = sema_tree_constant(l, &lv), rc = sema_tree_constant(r, &rv);

    if (lc && rc && sema_tree_compute(op, lv, rv, &v))
        return sema_tree_number(a, l->at, v);
    if (rc && op == OP_ADD)
        return sema_tree_add(a, l, rv);
    if (lc && op == OP_ADD)
        return sema_tree_add(a, r, lv);
    if (rc && op == OP_SUB)
        return sema_tree_add(a, l, (int64_t)(0 - (uint64_t)rv));
    if (rc && op == OP_MUL && rv == 1)
        return l;
    struct expr *e = expr_binary(a, op, l, r);

    e->type = TYPE_LONG;
    return e;
}

struct expr *sema_tree_add(struct arena *a, struct expr *e, int64_t k)
{
    int64_t v;

    if (k == 0)
        return e;
    if (sema_tree_constant(e, &v))
        return sema_tree_number(a, e->at, (int64_t)((uint64_t)v + (uint64_t)k));
    if (e->kind == EX_R_MODADDR)
        return sema_tree_modaddr(a, e->at, e->module_id, e->vaddr + (uint64_t)k);
    /* x + c1 + c2: the inner sum is made anew, since it may be the script's own */
    if (e->kind == EX_BINARY && e->op == OP_ADD && !e->resolved && sema_tree_constant(e->b, &v))
        return sema_tree_add(a, e->a, (int64_t)((uint64_t)v + (uint64_t)k));
    struct expr *sum = expr_binary(a, OP_ADD, e, sema_tree_number(a, e->at, k));

    sum->type = TYPE_LONG;
    return sum;
}

struct expr *sema_tree_extend(struct arena *a, struct expr *e, uint64_t size, bool is_signed)
{
    int64_t shift = 64 - (int64_t)size * 8;

    if (size == 0 || size >= 8)
        return e;
    if (!is_signed)
        return sema_tree_binary(a, OP_AND, e,
                                sema_tree_number(a, e->at, (int64_t)(~0ULL >> shift)));
    return sema_tree_binary(a, OP_SHR,
                            sema_tree_binary(a, OP_SHL, e, sema_tree_number(a, e->at, shift)),
                            sema_tree_number(a, e->at, shift));
}

bool sema_parse(struct sema *s, const char *name, const char *text, struct program *out)
{
    struct source *src = source_add(s->cx->sources, name, text, (uint32_t)strlen(text));

    return syntax_parse(s->cx, s->opts->env, src, s->opts->macros, out);
}
