/*
 * expr: expressions whose value is a long. Enters: typed trees (target expressions resolved to
 * address arithmetic); leaves: instructions at the cursor. Refuses, with the place, what eBPF
 * handlers cannot do yet.
 *
 * A temporary lives in one block only. Before an operand that ends the block (a script call, a
 * short circuit) is evaluated, what was computed already is spilled to a slot.
 */
#include "lower/internal.h"

#include <string.h>

void lower_loc(struct lower *lo, const struct expr *e)
{
    struct span at = e->op_at.file ? e->op_at : e->at;
    const char *token = "";

    switch (e->kind) {
    case EX_NAME:
    case EX_CALL:
    case EX_TARGET:
        token = arena_printf(lo->cx->arena, "identifier '%s'", e->text ? e->text : "");
        break;
    case EX_INDEX:
    case EX_IN:
    case EX_STAT:
        if (e->a && e->a->text)
            token = arena_printf(lo->cx->arena, "identifier '%s'", e->a->text);
        else if (e->a && e->a->a && e->a->a->text)
            token = arena_printf(lo->cx->arena, "identifier '%s'", e->a->a->text);
        break;
    case EX_ATVAR:
        token = "operator '@var'";
        break;
    case EX_CAST:
        token = "operator '@cast'";
        break;
    case EX_BINARY:
    case EX_ASSIGN:
        token = arena_printf(lo->cx->arena, "operator '%s%s'", op_text(e->op),
                             e->kind == EX_ASSIGN && e->op != OP_STAT_ADD ? "=" : "");
        break;
    default:
        break;
    }
    lo->at.loc = ir_loc(lo->u, at, token);
}

void lower_refuse(struct lower *lo, const struct expr *e, const char *what)
{
    lo->failed = true;
    diag_error(lo->cx->diag, e->op_at.file ? e->op_at : e->at, "not-yet",
               "%s cannot run as eBPF yet", what);
    diag_hint(lo->cx->diag, "the rest of the script is sound: -p2 shows it");
}

static bool is_slice(const struct expr *e)
{
    for (uint32_t i = 0; i < e->n_args; i++)
        if (e->args[i]->kind == EX_ANY)
            return true;
    return false;
}

/* ---- operands that outlive a block ---- */

struct split {
    bool found, loads; /* LOADS: reads end the block, too */
};

static void visit_split(struct expr *e, void *arg)
{
    struct split *s = arg;

    switch (e->kind) {
    case EX_CALL:
        s->found |= e->func != NULL ||
                    (e->intrinsic && ((e->intrinsic->result == TYPE_STRING && e->n_args > 1) ||
                                      e->intrinsic->flags & INTRIN_SPLITS ||
                                      (s->loads && e->intrinsic->flags & INTRIN_READS)));
        break;
    case EX_TERNARY:
        s->found = true;
        break;
    case EX_IN:
        s->found |= is_slice(e);
        break;
    case EX_MATCH:
        s->found |= e->args[0]->var->read;
        break;
    case EX_PRINT:
        s->found |= (e->print & PRINT_FORMAT) && lower_format_splits(e);
        break;
    case EX_R_LOAD:
        s->found |= s->loads;
        break;
    case EX_BINARY:
        s->found |= e->op == OP_LAND || e->op == OP_LOR;
        break;
    default:
        break;
    }
}

static void visit_resolved(struct expr *e, void *arg)
{
    visit_split(e, arg);
    if (e->resolved)
        expr_visit(e->resolved, visit_resolved, arg);
}

bool lower_splits(const struct lower *lo, const struct expr *e)
{
    struct split s = {.loads = lo->cx->skip_badvars};

    expr_visit((struct expr *)e, visit_resolved, &s);
    return s.found;
}

uint32_t lower_long_slot(struct lower *lo)
{
    if (lo->long_used == lo->n_long_pool) {
        lo->long_pool = arena_grow(lo->cx->arena, lo->long_pool, lo->n_long_pool, sizeof(uint32_t));
        lo->long_pool[lo->n_long_pool++] = ir_slot_new(lo->u, lo->at.f, IR_LONG, NULL);
    }
    return lo->long_pool[lo->long_used++];
}

struct ir_val lower_spill(struct lower *lo, struct ir_val v)
{
    if (v.kind == IRV_TEMP) {
        uint32_t slot = lower_long_slot(lo);

        ir_put_store(&lo->at, slot, v);
        return IR_SLOT(slot);
    }
    if (v.kind == IRV_SLOT) {
        struct ir_val copy = lower_raw_slot(lo);

        ir_put_str(&lo->at, IR_SSET, copy, v);
        return copy;
    }
    return v;
}

struct ir_val lower_reload(struct lower *lo, struct ir_val spilled)
{
    if (spilled.kind == IRV_SLOT && lo->u->slots[spilled.id].type == IR_LONG)
        return ir_put_load(&lo->at, spilled.id);
    return spilled;
}

struct setting {
    const struct variable *var;
    bool found;
};

static void visit_setting(struct expr *e, void *arg)
{
    struct setting *s = arg;

    s->found |= (e->kind == EX_ASSIGN || e->kind == EX_INCDEC) && e->a->kind == EX_NAME &&
                e->a->var == s->var;
}

/* A string variable is an operand by its place: is it E's, and is it assigned in LATER? */
static bool is_set_by(const struct expr *e, struct expr *later)
{
    struct setting s = {.var = e->kind == EX_ASSIGN && e->a->kind == EX_NAME ? e->a->var : e->var};

    if (e->type != TYPE_STRING || (e->kind != EX_NAME && e->kind != EX_ASSIGN) || !s.var)
        return false;
    expr_visit(later, visit_setting, &s);
    return s.found;
}

/* Evaluates N operands in order, so that all are usable at the end. */
static struct ir_val *lower_operands(struct lower *lo, struct expr **v, uint32_t n)
{
    struct ir_val *out = ARENA_ARRAY(lo->cx->arena, struct ir_val, n + 1);

    for (uint32_t i = 0; i < n; i++) {
        bool later = false;

        for (uint32_t k = i + 1; k < n; k++)
            later |= lower_splits(lo, v[k]) || is_set_by(v[i], v[k]);
        out[i] = v[i]->type == TYPE_STRING ? lower_text(lo, v[i]) : lower_long(lo, v[i]);
        if (later)
            out[i] = lower_spill(lo, out[i]);
    }
    for (uint32_t i = 0; i < n; i++)
        if (v[i]->type != TYPE_STRING)
            out[i] = lower_reload(lo, out[i]);
    return out;
}

struct ir_val *lower_keys(struct lower *lo, struct expr **keys, uint32_t n)
{
    return lower_operands(lo, keys, n);
}

static void lower_pair(struct lower *lo, struct expr *a, struct expr *b, struct ir_val *x,
                       struct ir_val *y)
{
    struct expr *both[] = {a, b};
    struct ir_val *v = lower_operands(lo, both, 2);

    *x = v[0];
    *y = v[1];
}

/* ---- conditions ---- */

static bool condition_op(enum op op, enum ir_cond *cond)
{
    static const struct {
        enum op op;
        enum ir_cond cond;
    } rows[] = {{OP_EQ, IR_EQ}, {OP_NE, IR_NE}, {OP_LT, IR_LT},
                {OP_LE, IR_LE}, {OP_GT, IR_GT}, {OP_GE, IR_GE}};

    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
        if (rows[i].op == op) {
            *cond = rows[i].cond;
            return true;
        }
    return false;
}

/* A comparison's two sides as longs: strings by SEQ or SCMP against 0. */
static bool lower_compare(struct lower *lo, struct expr *e, enum ir_cond *cond, struct ir_val *a,
                          struct ir_val *b)
{
    if (e->kind != EX_BINARY || !condition_op(e->op, cond))
        return false;
    lower_pair(lo, e->a, e->b, a, b);
    lower_loc(lo, e);
    if (e->a->type == TYPE_STRING) {
        bool equality = *cond == IR_EQ || *cond == IR_NE;
        struct ir_ins *i = ir_put(&lo->at, equality ? IR_SEQ : IR_SCMP);

        i->s = *a;
        i->s2 = *b;
        i->dst = ir_temp(lo->at.f);
        *a = IR_TEMP(i->dst);
        *b = IR_IMM(0);
        if (equality)
            *cond = *cond == IR_EQ ? IR_NE : IR_EQ;
    }
    return true;
}

void lower_cond(struct lower *lo, struct expr *e, uint32_t yes, uint32_t no)
{
    enum ir_cond cond;
    struct ir_val a, b;

    if (e->kind == EX_BINARY && (e->op == OP_LAND || e->op == OP_LOR)) {
        uint32_t second = lower_block(lo);

        if (e->op == OP_LAND)
            lower_cond(lo, e->a, second, no);
        else
            lower_cond(lo, e->a, yes, second);
        ir_at(&lo->at, second);
        lower_cond(lo, e->b, yes, no);
    } else if (e->kind == EX_UNARY && e->op == OP_NOT) {
        lower_cond(lo, e->a, no, yes);
    } else if (lower_compare(lo, e, &cond, &a, &b)) {
        ir_put_branch(&lo->at, cond, a, b, yes, no);
    } else if (e->type == TYPE_STRING) {
        struct ir_val s = lower_text(lo, e);
        struct ir_ins *i = ir_put(&lo->at, IR_SLEN);

        i->s = s;
        i->dst = ir_temp(lo->at.f);
        ir_put_branch(&lo->at, IR_NE, IR_TEMP(i->dst), IR_IMM(0), yes, no);
    } else {
        ir_put_branch(&lo->at, IR_NE, lower_long(lo, e), IR_IMM(0), yes, no);
    }
}

/* The value of a condition or ternary: through a slot, since two blocks make it. */
static struct ir_val lower_choice(struct lower *lo, struct expr *cond, struct expr *a,
                                  struct expr *b)
{
    uint32_t slot = lower_long_slot(lo);
    uint32_t yes = lower_block(lo), no = lower_block(lo), after = lower_block(lo);

    lower_cond(lo, cond, yes, no);
    ir_at(&lo->at, yes);
    ir_put_store(&lo->at, slot, a ? lower_long(lo, a) : IR_IMM(1));
    ir_put_jump(&lo->at, after);
    ir_at(&lo->at, no);
    ir_put_store(&lo->at, slot, b ? lower_long(lo, b) : IR_IMM(0));
    ir_put_jump(&lo->at, after);
    ir_at(&lo->at, after);
    return ir_put_load(&lo->at, slot);
}

/* ---- reads ---- */

static struct ir_val read_at(struct lower *lo, const struct expr *e, struct ir_val addr)
{
    struct ir_ins *i = ir_put(&lo->at, IR_READ);

    i->a = addr;
    i->size = e->size;
    i->is_signed = e->is_signed && !e->bit_size;
    i->space = e->space == SPACE_KERNEL;
    i->dst = ir_temp(lo->at.f);
    struct ir_val v = IR_TEMP(i->dst);

    if (!e->bit_size)
        return v;
    v = ir_put_int(&lo->at, IR_SHL, v, IR_IMM(64 - e->bit_off - e->bit_size));
    return ir_put_int(&lo->at, e->is_signed ? IR_SHR : IR_USHR, v, IR_IMM(64 - e->bit_size));
}

/* --skip-badvars: what cannot be read is 0, as STP_SKIP_BADVARS has it in SystemTap's
 * loc2c-runtime.h. */
static struct ir_val read_or_zero(struct lower *lo, struct expr *e, struct ir_val addr)
{
    uint32_t slot = lower_long_slot(lo), bad = lower_block(lo), after = lower_block(lo),
             onerr = lo->at.onerr;

    lo->at.onerr = bad;
    struct ir_val v = read_at(lo, e, addr);

    lo->at.onerr = onerr;
    ir_put_store(&lo->at, slot, v);
    ir_put_jump(&lo->at, after);
    ir_at(&lo->at, bad);
    ir_put(&lo->at, IR_SERROR);
    ir_put_store(&lo->at, slot, IR_IMM(0));
    ir_put_jump(&lo->at, after);
    ir_at(&lo->at, after);
    return ir_put_load(&lo->at, slot);
}

static struct ir_val lower_load(struct lower *lo, struct expr *e)
{
    struct ir_val addr = lower_long(lo, e->a);

    lower_loc(lo, e);
    return lo->cx->skip_badvars ? read_or_zero(lo, e, addr) : read_at(lo, e, addr);
}

/* ---- variables ---- */

static struct ir_val load_var(struct lower *lo, const struct variable *v)
{
    if (v->scope != VAR_GLOBAL)
        return ir_put_load(&lo->at, v->id);
    struct ir_val t = ir_put_int(&lo->at, IR_GLOAD, IR_NONE, IR_NONE);

    lo->at.f->blocks[lo->at.block]->last->global = v->id;
    return t;
}

static void store_var(struct lower *lo, const struct variable *v, struct ir_val value)
{
    if (v->scope != VAR_GLOBAL) {
        ir_put_store(&lo->at, v->id, value);
        return;
    }
    struct ir_ins *i = ir_put(&lo->at, IR_GSTORE);

    i->global = v->id;
    i->a = value;
}

struct ir_ins *lower_put_map(struct lower *lo, enum ir_op op, const struct expr *index,
                             struct ir_val *keys)
{
    struct ir_ins *i = ir_put(&lo->at, op);

    i->map = (int32_t)index->a->var->id;
    i->args = keys;
    i->n_args = index->n_args;
    if (ir_op_flags(op) & IRF_DST)
        i->dst = ir_temp(lo->at.f);
    return i;
}

/* Of an operation on two numbers. */
static enum ir_op int_op(enum op op)
{
    static const enum ir_op of[OP_STAT_ADD + 1] = {
        [OP_ADD] = IR_ADD, [OP_SUB] = IR_SUB,   [OP_MUL] = IR_MUL, [OP_DIV] = IR_DIV,
        [OP_MOD] = IR_MOD, [OP_AND] = IR_AND,   [OP_OR] = IR_OR,   [OP_XOR] = IR_XOR,
        [OP_SHL] = IR_SHL, [OP_USHR] = IR_USHR, [OP_SHR] = IR_SHR,
    };

    return of[op];
}

/* The keys of the element LV, and behind them VALUE unless it is NULL, in the script's order. */
static struct ir_val *element_operands(struct lower *lo, const struct expr *lv, struct expr *value)
{
    struct expr **all = ARENA_ARRAY(lo->cx->arena, struct expr *, lv->n_args + 1);

    memcpy(all, lv->args, lv->n_args * sizeof(*all));
    all[lv->n_args] = value;
    return lower_operands(lo, all, lv->n_args + (value ? 1 : 0));
}

/* OP, which takes a value, on the element LV. */
static struct ir_val put_element(struct lower *lo, enum ir_op op, const struct expr *lv,
                                 struct expr *value)
{
    struct ir_val *v = element_operands(lo, lv, value);

    lower_loc(lo, lv);
    lower_put_map(lo, op, lv, v)->a = v[lv->n_args];
    return v[lv->n_args];
}

/*
 * lvalue op= delta. Globals and elements that only grow or shrink do so atomically, since a probe
 * on another processor may update them. *OLD and *FRESH: values before and after.
 */
static void update(struct lower *lo, struct expr *lv, enum op op, struct expr *by,
                   struct ir_val delta, struct ir_val *old, struct ir_val *fresh)
{
    bool additive = op == OP_ADD || op == OP_SUB;
    struct ir_val *keys = NULL;

    if (lv->kind == EX_INDEX) {
        keys = element_operands(lo, lv, by);
        if (by)
            delta = keys[lv->n_args];
    } else if (by) {
        delta = lower_long(lo, by);
    }
    if (additive && (lv->kind == EX_INDEX || lv->var->scope == VAR_GLOBAL)) {
        struct ir_val add = op == OP_SUB ? ir_put_int(&lo->at, IR_SUB, IR_IMM(0), delta) : delta;
        struct ir_ins *i;

        lower_loc(lo, lv);
        if (lv->kind == EX_INDEX) {
            i = lower_put_map(lo, IR_MADD, lv, keys);
        } else {
            i = ir_put(&lo->at, IR_GADD);
            i->global = lv->var->id;
            i->dst = ir_temp(lo->at.f);
        }
        i->a = add;
        *old = IR_TEMP(i->dst);
        *fresh = ir_put_int(&lo->at, IR_ADD, *old, add);
        return;
    }
    if (lv->kind == EX_INDEX)
        *old = IR_TEMP(lower_put_map(lo, IR_MGET, lv, keys)->dst);
    else
        *old = load_var(lo, lv->var);
    *fresh = ir_put_int(&lo->at, int_op(op), *old, delta);
    if (lv->kind == EX_INDEX)
        lower_put_map(lo, IR_MSET, lv, keys)->a = *fresh;
    else
        store_var(lo, lv->var, *fresh);
}

static struct ir_val lower_stat_add(struct lower *lo, struct expr *e)
{
    struct expr *lv = e->a;

    if (lv->kind == EX_INDEX)
        return put_element(lo, IR_MSTAT, lv, e->b);
    struct ir_val value = lower_long(lo, e->b);

    lower_loc(lo, e);
    struct ir_ins *i = ir_put(&lo->at, IR_GSTAT);

    i->global = lv->var->id;
    i->a = value;
    return value;
}

/* What a field of LV's bits makes of the word at ADDR when it is set to V. */
static struct ir_val with_field(struct lower *lo, const struct expr *lv, struct ir_val addr,
                                struct ir_val v)
{
    struct expr word = *lv;
    uint64_t mask = ~0ull >> (64 - lv->bit_size) << lv->bit_off;

    word.bit_size = 0;
    struct ir_val rest =
        ir_put_int(&lo->at, IR_AND, read_at(lo, &word, addr), IR_IMM((int64_t)~mask));
    struct ir_val field = ir_put_int(&lo->at, IR_SHL, v, IR_IMM(lv->bit_off));

    return ir_put_int(&lo->at, IR_OR, rest,
                      ir_put_int(&lo->at, IR_AND, field, IR_IMM((int64_t)mask)));
}

/* LV, memory of the target, = or OP= BY (NULL: 1). *OLD: the value before, where OP says so. */
static struct ir_val write_target(struct lower *lo, struct expr *e, const struct expr *lv,
                                  enum op op, struct expr *by, struct ir_val *old)
{
    struct ir_val fresh = lower_spill(lo, by ? lower_long(lo, by) : IR_IMM(1));
    struct ir_val addr = lower_long(lo, lv->a), word;

    fresh = lower_reload(lo, fresh);
    lower_loc(lo, e);
    if (op != OP_NONE) {
        *old = read_at(lo, lv, addr);
        fresh = ir_put_int(&lo->at, int_op(op), *old, fresh);
    }
    word = lv->bit_size ? with_field(lo, lv, addr, fresh) : fresh;
    struct ir_ins *i = ir_put(&lo->at, IR_FCALL);

    i->imm = NGS_U_WRITE;
    i->n_args = 3;
    i->args = ARENA_ARRAY(lo->cx->arena, struct ir_val, 3);
    i->args[0] = addr;
    i->args[1] = IR_IMM(lv->size);
    i->args[2] = word;
    i->dst = ir_temp(lo->at.f);
    return fresh;
}

static struct ir_val lower_assign(struct lower *lo, struct expr *e)
{
    struct expr *lv = e->a->resolved ? e->a->resolved : e->a;
    struct ir_val old, fresh;

    if (e->op == OP_STAT_ADD)
        return lower_stat_add(lo, e);
    if (lv->kind != EX_NAME && lv->kind != EX_INDEX)
        return write_target(lo, e, lv, e->op, e->b, &old);
    if (e->op != OP_NONE) {
        update(lo, lv, e->op, e->b, IR_NONE, &old, &fresh);
        return fresh;
    }
    if (lv->kind == EX_NAME) {
        struct ir_val value = lower_long(lo, e->b);

        store_var(lo, lv->var, value);
        return value;
    }
    return put_element(lo, IR_MSET, lv, e->b);
}

/* ---- calls ---- */

/* The activation at hand is saved when the callee may come back to this very function. */
static bool needs_push(const struct lower *lo, const struct function *callee)
{
    return lo->fn && lo->fn->recursive && callee->recursive;
}

bool lower_call(struct lower *lo, struct expr *e)
{
    struct ir_func *callee = lo->u->funcs[lo->func_ids[e->func->id]];
    struct ir_val *args = lower_operands(lo, e->args, e->n_args);
    bool push = needs_push(lo, e->func);

    lower_loc(lo, e);
    if (push)
        ir_put(&lo->at, IR_PUSH)->imm = lo->at.f->id;
    for (uint32_t k = 0; k < e->n_args && k < callee->n_params; k++) {
        if (e->args[k]->type == TYPE_STRING)
            ir_put_str(&lo->at, IR_SSET, IR_SLOT(callee->params[k]), args[k]);
        else
            ir_put_store(&lo->at, callee->params[k], args[k]);
    }
    struct ir_ins *i = ir_put(&lo->at, IR_CALL);
    uint32_t after = lower_block(lo);

    i->imm = callee->id;
    i->to[0] = after;
    if (push) {
        uint32_t failed = lower_block(lo), onerr = i->onerr;

        i->onerr = failed;
        ir_at(&lo->at, failed);
        ir_put(&lo->at, IR_POP)->imm = lo->at.f->id;
        ir_put_jump(&lo->at, onerr);
    }
    ir_at(&lo->at, after);
    if (push)
        ir_put(&lo->at, IR_POP)->imm = lo->at.f->id;
    return callee->has_result;
}

static struct ir_val lower_intrinsic(struct lower *lo, struct expr *e)
{
    struct ir_val *args = lower_operands(lo, e->args, e->n_args);
    struct ir_val result = IR_IMM(0);

    lower_loc(lo, e);
    if (!e->intrinsic->lower(&lo->at, e->intrinsic, e, args, e->n_args, &result))
        lo->failed = true;
    return result;
}

/* ---- the rest ---- */

static struct ir_val lower_stat(struct lower *lo, struct expr *e)
{
    struct expr *of = e->a;
    struct ir_ins *i;

    uint32_t kept = 0;

    if (e->b) { /* a bucket; the keys may end the block */
        kept = lower_long_slot(lo);
        ir_put_store(&lo->at, kept, lower_long(lo, e->b));
    }
    if (of->kind == EX_INDEX) {
        struct ir_val *keys = lower_keys(lo, of->args, of->n_args);
        struct ir_val at = e->b ? ir_put_load(&lo->at, kept) : IR_NONE;

        lower_loc(lo, e);
        i = lower_put_map(lo, e->b ? IR_MBUCKET : IR_MSTATGET, of, keys);
        i->a = at;
    } else {
        struct ir_val at = e->b ? ir_put_load(&lo->at, kept) : IR_NONE;

        lower_loc(lo, e);
        i = ir_put(&lo->at, e->b ? IR_GBUCKET : IR_GSTATGET);
        i->global = of->var->id;
        i->dst = ir_temp(lo->at.f);
        i->a = at;
    }
    i->imm = e->stat;
    return IR_TEMP(i->dst);
}

static struct ir_val lower_binary(struct lower *lo, struct expr *e)
{
    struct ir_val a, b;
    enum ir_cond cond;

    if (e->op == OP_LAND || e->op == OP_LOR)
        return lower_choice(lo, e, NULL, NULL);
    if (lower_compare(lo, e, &cond, &a, &b))
        return ir_put_set(&lo->at, cond, a, b);
    lower_pair(lo, e->a, e->b, &a, &b);
    lower_loc(lo, e);
    return ir_put_int(&lo->at, int_op(e->op), a, b);
}

/* Keeps TEXT and, where it MATCHES, E's pattern, for the functions that ask (sema/match.c). An
 * empty pattern says that there was no match, so the empty one is kept as another that is it. */
static struct ir_val keep_match(struct lower *lo, struct expr *e, struct ir_val text,
                                struct ir_val matches)
{
    uint32_t slot = lower_long_slot(lo), yes = lower_block(lo), no = lower_block(lo),
             after = lower_block(lo);
    struct ir_val kept = IR_SLOT(e->args[0]->var->id), pattern = IR_SLOT(e->args[1]->var->id);

    ir_put_store(&lo->at, slot, matches);
    ir_put_str(&lo->at, IR_SSET, kept, text);
    ir_put_branch(&lo->at, IR_NE, matches, IR_IMM(0), yes, no);
    ir_at(&lo->at, yes);
    ir_put_str(&lo->at, IR_SSET, pattern,
               e->len ? lower_literal(lo, e->text, e->len) : lower_literal(lo, "^", 1));
    ir_put_jump(&lo->at, after);
    ir_at(&lo->at, no);
    ir_put_str(&lo->at, IR_SSET, pattern, lower_literal(lo, "", 0));
    ir_put_jump(&lo->at, after);
    ir_at(&lo->at, after);
    return ir_put_load(&lo->at, slot);
}

static struct ir_val lower_match(struct lower *lo, struct expr *e)
{
    struct ir_val text = lower_text(lo, e->a), matches;

    lower_loc(lo, e);
    struct ir_ins *i = ir_put(&lo->at, IR_FCALL);

    i->imm = NGS_U_REGEX;
    i->n_args = 2;
    i->args = ARENA_ARRAY(lo->cx->arena, struct ir_val, 2);
    i->args[0] = text;
    i->args[1] = lower_literal(lo, e->fmt, e->fmt_len);
    i->dst = ir_temp(lo->at.f);
    matches = IR_TEMP(i->dst);
    if (e->args[0]->var->read)
        matches = keep_match(lo, e, text, matches);
    return e->op == OP_NE ? ir_put_set(&lo->at, IR_EQ, matches, IR_IMM(0)) : matches;
}

struct ir_val lower_long(struct lower *lo, struct expr *e)
{
    struct ir_val old, fresh, value;

    if (e->resolved)
        return lower_long(lo, e->resolved);
    lower_loc(lo, e);
    switch (e->kind) {
    case EX_NUMBER:
        return IR_IMM(e->number);
    case EX_NAME:
        return load_var(lo, e->var);
    case EX_UNARY:
        value = lower_long(lo, e->a);
        lower_loc(lo, e);
        if (e->op == OP_NOT)
            return ir_put_set(&lo->at, IR_EQ, value, IR_IMM(0));
        if (e->op == OP_NEG)
            return ir_put_int(&lo->at, IR_SUB, IR_IMM(0), value);
        return e->op == OP_BITNOT ? ir_put_int(&lo->at, IR_XOR, value, IR_IMM(-1)) : value;
    case EX_BINARY:
        return lower_binary(lo, e);
    case EX_ASSIGN:
        return lower_assign(lo, e);
    case EX_INCDEC:
        if (e->a->resolved)
            fresh = write_target(lo, e, e->a->resolved, e->op, NULL, &old);
        else
            update(lo, e->a, e->op, NULL, IR_IMM(1), &old, &fresh);
        return e->post ? old : fresh;
    case EX_TERNARY:
        return lower_choice(lo, e->a, e->b, e->c);
    case EX_INDEX: {
        struct ir_val *keys = lower_keys(lo, e->args, e->n_args);

        lower_loc(lo, e);
        return IR_TEMP(lower_put_map(lo, IR_MGET, e, keys)->dst);
    }
    case EX_IN: {
        if (is_slice(e))
            return lower_any_element(lo, e);
        struct ir_val *keys = lower_keys(lo, e->args, e->n_args);

        lower_loc(lo, e);
        return IR_TEMP(lower_put_map(lo, IR_MHAS, e, keys)->dst);
    }
    case EX_CALL:
        if (!e->func)
            return lower_intrinsic(lo, e);
        if (!lower_call(lo, e))
            return IR_IMM(0);
        return ir_put_load(&lo->at, lo->u->funcs[lo->func_ids[e->func->id]]->result);
    case EX_STAT:
        return lower_stat(lo, e);
    case EX_R_LOAD:
        return lower_load(lo, e);
    case EX_R_MODADDR:
        value = ir_put_int(&lo->at, IR_MODADDR, IR_NONE, IR_NONE);
        lo->at.f->blocks[lo->at.block]->last->imm = (int64_t)e->vaddr;
        lo->at.f->blocks[lo->at.block]->last->module = e->module_id;
        return value;
    case EX_R_REG:
    case EX_R_ARG:
        value = ir_put_int(&lo->at, IR_CONTEXT, IR_IMM(e->reg), IR_NONE);
        lo->at.f->blocks[lo->at.block]->last->imm = e->kind == EX_R_REG ? NGS_CTX_REG : NGS_CTX_ARG;
        return value;
    case EX_PRINT:
        lower_print(lo, e);
        return IR_IMM(0);
    case EX_MATCH:
        return lower_match(lo, e);
    case EX_EMBEDDED:
        lower_refuse(lo, e, "embedded C");
        return IR_IMM(0);
    case EX_PERF:
        lower_refuse(lo, e, "@perf");
        return IR_IMM(0);
    case EX_ENTRY:
        lower_refuse(lo, e, "a value saved at the function's entry");
        return IR_IMM(0);
    case EX_ERROR:
        lo->failed = true;
        return IR_IMM(0);
    default:
        lower_refuse(lo, e, "this expression");
        return IR_IMM(0);
    }
}

void lower_effect(struct lower *lo, struct expr *e)
{
    if (e->kind == EX_PRINT) {
        lower_print(lo, e);
    } else if (e->kind == EX_CALL && e->func) {
        lower_call(lo, e);
    } else if (e->type == TYPE_STRING) {
        if (e->kind == EX_ASSIGN)
            lower_assign_text(lo, e);
        else
            lower_text(lo, e);
    } else {
        lower_long(lo, e);
    }
}
