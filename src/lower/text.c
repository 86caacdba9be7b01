/*
 * text: string expressions and the print family. Enters: typed trees; leaves: appends to string
 * slots, which is how every string is made: s . sprintf("%d", x) becomes three appends and no copy.
 */
#include "lower/internal.h"

#include <string.h>

#include "base/conversion.h"

struct ir_val lower_literal(struct lower *lo, const char *text, uint32_t len)
{
    return IR_LIT(ir_lit(lo->u, text, len));
}

struct ir_val lower_raw_slot(struct lower *lo)
{
    if (lo->str_used == lo->n_str_pool) {
        lo->str_pool = arena_grow(lo->cx->arena, lo->str_pool, lo->n_str_pool, sizeof(uint32_t));
        lo->str_pool[lo->n_str_pool++] = ir_slot_new(lo->u, lo->at.f, IR_STRING, NULL);
    }
    return IR_SLOT(lo->str_pool[lo->str_used++]);
}

struct ir_val lower_str_slot(struct lower *lo)
{
    struct ir_val slot = lower_raw_slot(lo);

    ir_put_str(&lo->at, IR_SSET, slot, lower_literal(lo, "", 0));
    return slot;
}

void lower_set_global(struct lower *lo, uint32_t global, struct ir_val s)
{
    struct ir_ins *i = ir_put(&lo->at, IR_GSSET);

    i->global = global;
    i->s = s;
}

/* What a global holds may change while it is used: a copy of it stands for it. */
static struct ir_val var_operand(struct lower *lo, const struct variable *v)
{
    if (v->scope != VAR_GLOBAL)
        return IR_SLOT(v->id);
    struct ir_val copy = lower_raw_slot(lo);
    struct ir_ins *i = ir_put(&lo->at, IR_GSGET);

    i->global = v->id;
    i->str = copy;
    return copy;
}

/* ---- formats: one conversion at a time ---- */

/* The least of V and MOST, without a branch. */
static struct ir_val at_most(struct lower *lo, struct ir_val v, int64_t most)
{
    struct ir_cursor *at = &lo->at;
    struct ir_val over = ir_put_int(at, IR_SUB, IR_IMM(0), ir_put_set(at, IR_GT, v, IR_IMM(most)));
    struct ir_val kept = ir_put_int(at, IR_AND, v, ir_put_int(at, IR_XOR, over, IR_IMM(-1)));

    return ir_put_int(at, IR_OR, kept, ir_put_int(at, IR_AND, over, IR_IMM(most)));
}

/* What a width from an argument adds to the spec: a negative one is on the left. */
static struct ir_val spec_width(struct lower *lo, struct ir_val w)
{
    struct ir_cursor *at = &lo->at;

    w = ir_put_int(at, IR_SHR, ir_put_int(at, IR_SHL, w, IR_IMM(32)), IR_IMM(32)); /* an int */
    struct ir_val sign = ir_put_int(at, IR_SHR, w, IR_IMM(63));
    struct ir_val size = ir_put_int(at, IR_SUB, ir_put_int(at, IR_XOR, w, sign), sign);
    struct ir_val left = ir_put_int(at, IR_AND, sign, IR_IMM(NGS_SPEC_LEFT));

    size = ir_put_int(at, IR_SHL, at_most(lo, size, CONVERSION_MAX), IR_IMM(16));
    return ir_put_int(at, IR_OR, size, left);
}

static struct ir_val spec_prec(struct lower *lo, struct ir_val p)
{
    struct ir_cursor *at = &lo->at;

    p = ir_put_int(at, IR_SHR, ir_put_int(at, IR_SHL, p, IR_IMM(32)), IR_IMM(32));
    struct ir_val sign = ir_put_int(at, IR_SHR, p, IR_IMM(63));

    p = ir_put_int(at, IR_AND, p, ir_put_int(at, IR_XOR, sign, IR_IMM(-1))); /* below 0: 0 */
    return ir_put_int(at, IR_SHL, at_most(lo, p, CONVERSION_MAX), IR_IMM(32));
}

static uint64_t static_spec(const struct conversion *c, char letter)
{
    return NGS_SPEC((unsigned char)letter, c->flags,
                    c->width_arg || c->width < 0 ? 0 : (uint32_t)c->width,
                    c->prec_arg   ? 0
                    : c->prec < 0 ? 0xffff
                                  : (uint32_t)c->prec);
}

void lower_append_value(struct lower *lo, struct ir_val dst, const struct conversion *c,
                        const struct ir_val *v, bool is_string)
{
    char letter = is_string ? 's' : c->letter == 's' ? 'd' : c->letter;
    struct ir_val spec = IR_IMM((int64_t)static_spec(c, letter));

    if (c->width_arg)
        spec = ir_put_int(&lo->at, IR_OR, spec_width(lo, *v++), spec);
    if (c->prec_arg)
        spec = ir_put_int(&lo->at, IR_OR, spec_prec(lo, *v++), spec);
    struct ir_ins *i = ir_put(&lo->at, is_string ? IR_SFMTS : IR_SFMT);

    if (is_string)
        i->s = *v;
    else
        i->a = *v;
    i->b = spec;
    i->str = dst;
}

static uint32_t values_of(const struct conversion *c)
{
    return c->letter == '%' ? 0 : 1u + c->width_arg + c->prec_arg;
}

bool lower_format_splits(const struct expr *e)
{
    return conversion_any(e->fmt, e->fmt_len, lower_is_of_bytes);
}

/* The arguments ARGS are under C; READY: their values, spilled, or NULL. */
static void append_conversion(struct lower *lo, struct ir_val dst, const struct conversion *c,
                              struct expr **args, const struct ir_val *ready, uint32_t end)
{
    uint32_t n = values_of(c);
    bool is_string = args[n - 1]->type == TYPE_STRING;
    struct ir_val v[3];

    if (!ready && is_string && n == 1 && c->width <= 0 && c->prec < 0 && !c->flags) {
        lower_append(lo, dst, args[0]);
        return;
    }
    if (!ready) {
        lower_append_value(lo, dst, c, lower_keys(lo, args, n), is_string);
        return;
    }
    if (c->letter == 'c' ? n == 1 && !(c->flags & NGS_SPEC_ALT) : lower_is_of_bytes(c)) {
        lower_append_bytes(lo, dst, c, ready, end);
    } else {
        for (uint32_t k = 0; k < n; k++)
            v[k] = lower_reload(lo, ready[k]);
        lower_append_value(lo, dst, c, v, is_string);
    }
}

/* All arguments before the first conversion, for a format that may end early. */
static struct ir_val *spilled_args(struct lower *lo, struct expr *e)
{
    struct ir_val *v = lower_keys(lo, e->args, e->n_args);

    for (uint32_t k = 0; k < e->n_args; k++)
        v[k] = lower_spill(lo, v[k]);
    return v;
}

static void append_format(struct lower *lo, struct ir_val dst, struct expr *e)
{
    const char *p = e->fmt, *stop = e->fmt + strnlen(e->fmt, e->fmt_len), *literal = p;
    bool early = lower_format_splits(e);
    struct ir_val *ready = early ? spilled_args(lo, e) : NULL;
    uint32_t arg = 0, end = early ? lower_block(lo) : 0;

    while (p < stop) {
        struct conversion c;

        if (*p != '%') {
            p++;
            continue;
        }
        if (!conversion_read(p, stop, &c))
            break;
        uint32_t until = (uint32_t)(p - literal) + (c.letter == '%' ? 1 : 0), n = values_of(&c);

        if (until)
            ir_put_str(&lo->at, IR_SCAT, dst, lower_literal(lo, literal, until));
        p += c.len;
        literal = p;
        if (!n)
            continue;
        if (arg + n > e->n_args)
            return;
        append_conversion(lo, dst, &c, e->args + arg, ready ? ready + arg : NULL, end);
        arg += n;
    }
    if (stop > literal)
        ir_put_str(&lo->at, IR_SCAT, dst, lower_literal(lo, literal, (uint32_t)(stop - literal)));
    if (early) {
        ir_put_jump(&lo->at, end);
        ir_at(&lo->at, end);
    }
}

/* sprint, sprintln, sprintd...: arguments one after the other, DELIM between. */
static void append_print(struct lower *lo, struct ir_val dst, struct expr *e)
{
    static const struct conversion plain = {
        .letter = 's', .width = CONVERSION_NONE, .prec = CONVERSION_NONE};

    if (e->print & PRINT_FORMAT) {
        append_format(lo, dst, e);
    } else {
        for (uint32_t k = 0; k < e->n_args; k++) {
            if (k && (e->print & PRINT_DELIM))
                ir_put_str(&lo->at, IR_SCAT, dst, lower_literal(lo, e->fmt, e->fmt_len));
            if (e->args[k]->kind == EX_HIST)
                lower_refuse(lo, e->args[k], "a histogram in a string");
            else
                append_conversion(lo, dst, &plain, &e->args[k], NULL, 0);
        }
    }
    if (e->print & PRINT_NEWLINE)
        ir_put_str(&lo->at, IR_SCAT, dst, lower_literal(lo, "\n", 1));
}

/* ---- values ---- */

static struct ir_val map_text(struct lower *lo, struct expr *e)
{
    struct ir_val *keys = lower_keys(lo, e->args, e->n_args);
    struct ir_val dst = lower_str_slot(lo);

    lower_loc(lo, e);
    lower_put_map(lo, IR_MGETS, e, keys)->str = dst;
    return dst;
}

static void append(struct lower *lo, struct ir_val dst, struct expr *e);

static struct ir_val text(struct lower *lo, struct expr *e)
{
    struct ir_val value;

    lower_loc(lo, e);
    switch (e->kind) {
    case EX_STRING:
        return lower_literal(lo, e->text, (uint32_t)strnlen(e->text, e->len)); /* C strings */
    case EX_NAME:
        return var_operand(lo, e->var);
    case EX_INDEX:
        return map_text(lo, e);
    case EX_ASSIGN:
        value = lower_assign_text(lo, e);
        return value.kind ? value : lower_text(lo, e->a);
    case EX_CALL:
        if (e->func) {
            lower_call(lo, e);
            return IR_SLOT(lo->u->funcs[lo->func_ids[e->func->id]]->result);
        }
        /* fall through */
    default: {
        struct ir_val dst = lower_str_slot(lo);

        append(lo, dst, e);
        return dst;
    }
    }
}

/* S with names in place of the marks of addresses, which only user space knows. */
static struct ir_val named(struct lower *lo, struct expr *e, struct ir_val s)
{
    struct ir_val dst = lower_raw_slot(lo);

    lower_loc(lo, e);
    struct ir_ins *i = ir_put(&lo->at, IR_UCALL);

    i->imm = NGS_U_NAMED;
    i->n_args = 1;
    i->args = ARENA_ARRAY(lo->cx->arena, struct ir_val, 1);
    i->args[0] = s;
    i->str = dst;
    return dst;
}

struct ir_val lower_text(struct lower *lo, struct expr *e)
{
    struct ir_val s = text(lo, e);

    return e->by_name ? named(lo, e, s) : s;
}

void lower_append(struct lower *lo, struct ir_val dst, struct expr *e)
{
    if (e->by_name)
        ir_put_str(&lo->at, IR_SCAT, dst, lower_text(lo, e));
    else
        append(lo, dst, e);
}

static void append(struct lower *lo, struct ir_val dst, struct expr *e)
{
    lower_loc(lo, e);
    switch (e->kind) {
    case EX_BINARY: /* concatenation */
        lower_append(lo, dst, e->a);
        lower_append(lo, dst, e->b);
        break;
    case EX_PRINT:
        if (!(e->print & PRINT_TO_STRING))
            lower_refuse(lo, e, "the value of a print statement");
        else
            append_print(lo, dst, e);
        break;
    case EX_CALL:
        if (e->intrinsic) {
            struct ir_val *args = lower_keys(lo, e->args, e->n_args);

            lower_loc(lo, e);
            if (!e->intrinsic->lower(&lo->at, e->intrinsic, e, args, e->n_args, &dst))
                lo->failed = true;
        } else {
            ir_put_str(&lo->at, IR_SCAT, dst, lower_text(lo, e));
        }
        break;
    case EX_TERNARY: {
        uint32_t yes = lower_block(lo), no = lower_block(lo), after = lower_block(lo);

        lower_cond(lo, e->a, yes, no);
        ir_at(&lo->at, yes);
        lower_append(lo, dst, e->b);
        ir_put_jump(&lo->at, after);
        ir_at(&lo->at, no);
        lower_append(lo, dst, e->c);
        ir_put_jump(&lo->at, after);
        ir_at(&lo->at, after);
        break;
    }
    case EX_STRING:
    case EX_NAME:
    case EX_INDEX:
    case EX_ASSIGN: {
        struct ir_val s = lower_text(lo, e);

        lower_loc(lo, e);
        ir_put_str(&lo->at, IR_SCAT, dst, s);
        break;
    }
    case EX_ERROR:
        lo->failed = true;
        break;
    default:
        if (e->resolved)
            lower_append(lo, dst, e->resolved);
        else
            lower_refuse(lo, e, "this string expression");
        break;
    }
}

/* ---- assignment ---- */

struct mention {
    const struct variable *var;
    bool found, calls;
};

static void visit_mention(struct expr *e, void *arg)
{
    struct mention *m = arg;

    m->found |= e->kind == EX_NAME && e->var == m->var;
    m->calls |= e->kind == EX_CALL && e->func;
}

/* May evaluating E read VAR, here or in a function it calls? */
static bool reads(struct expr *e, const struct variable *var)
{
    struct mention m = {.var = var};

    expr_visit(e, visit_mention, &m);
    return m.found || (m.calls && var->scope == VAR_GLOBAL);
}

/* The leftmost operand of a chain of concatenations. */
static struct expr *chain_head(struct expr *e)
{
    while (e->kind == EX_BINARY && e->op == OP_CONCAT)
        e = e->a;
    return e;
}

/* Does anything of the chain but its head read VAR? */
static bool tail_reads(struct expr *e, const struct variable *var)
{
    bool found = false;

    for (; e->kind == EX_BINARY && e->op == OP_CONCAT; e = e->a)
        found |= reads(e->b, var);
    return found;
}

static void append_tail(struct lower *lo, struct ir_val dst, struct expr *e)
{
    if (e->kind != EX_BINARY || e->op != OP_CONCAT)
        return;
    append_tail(lo, dst, e->a);
    lower_append(lo, dst, e->b);
}

static struct ir_val assign_element(struct lower *lo, struct expr *e)
{
    struct expr *lv = e->a;
    struct ir_val value;

    if (e->op == OP_CONCAT) {
        struct ir_val before = map_text(lo, lv);

        value = before.kind == IRV_SLOT ? before : lower_spill(lo, before);
        lower_append(lo, value, e->b);
    } else {
        value = lower_text(lo, e->b);
        for (uint32_t k = 0; k < lv->n_args; k++)
            if (lower_splits(lo, lv->args[k])) {
                value = lower_spill(lo, value);
                break;
            }
    }
    struct ir_val *keys = lower_keys(lo, lv->args, lv->n_args);

    lower_loc(lo, lv);
    lower_put_map(lo, IR_MSETS, lv, keys)->s = value;
    return value;
}

static struct ir_val assign_global(struct lower *lo, struct expr *e)
{
    struct ir_val s = lower_text(lo, e->b);

    lower_loc(lo, e);
    if (e->op != OP_CONCAT) {
        lower_set_global(lo, e->a->var->id, s);
        return s;
    }
    struct ir_ins *i = ir_put(&lo->at, IR_GSCAT);

    i->global = e->a->var->id;
    i->s = s;
    return IR_NONE;
}

struct ir_val lower_assign_text(struct lower *lo, struct expr *e)
{
    if (e->a->kind == EX_INDEX)
        return assign_element(lo, e);
    const struct variable *var = e->a->var;

    if (var->scope == VAR_GLOBAL)
        return assign_global(lo, e);
    struct ir_val dst = IR_SLOT(var->id);

    if (e->op == OP_CONCAT) { /* .= */
        if (!reads(e->b, var))
            lower_append(lo, dst, e->b);
        else
            ir_put_str(&lo->at, IR_SCAT, dst, lower_text(lo, e->b));
        return dst;
    }
    struct expr *head = chain_head(e->b);

    if (head->kind == EX_NAME && head->var == var && !tail_reads(e->b, var)) {
        append_tail(lo, dst, e->b);
    } else if (!reads(e->b, var) && e->b->kind != EX_NAME && e->b->kind != EX_STRING &&
               e->b->kind != EX_CALL && e->b->kind != EX_INDEX) {
        ir_put_str(&lo->at, IR_SSET, dst, lower_literal(lo, "", 0));
        lower_append(lo, dst, e->b);
    } else {
        struct ir_val s = lower_text(lo, e->b);

        ir_put_str(&lo->at, IR_SSET, dst, s);
    }
    return dst;
}

/* ---- print statements ---- */

static void print_hist(struct lower *lo, struct expr *h)
{
    struct expr *of = h->a;
    struct ir_val *keys = of->kind == EX_INDEX ? lower_keys(lo, of->args, of->n_args) : NULL;

    lower_loc(lo, h);
    if (of->kind == EX_INDEX)
        lower_put_map(lo, IR_HIST, of, keys);
    else
        ir_put(&lo->at, IR_HIST)->global = of->var->id;
}

static uint64_t arg_type(const struct expr *e)
{
    return e->type == TYPE_STRING ? OBJ_STRING : OBJ_LONG;
}

/* What %m and %M show is read now: strings take their place in the format F and its values. */
static struct ir_val *read_dumps(struct lower *lo, struct expr *e, struct ir_format *f)
{
    const char *end = e->fmt + e->fmt_len, *literal = e->fmt;
    struct ir_val *ready = spilled_args(lo, e);
    struct ir_val *args = ARENA_ARRAY(lo->cx->arena, struct ir_val, e->n_args + 1);
    char *text = arena_alloc(lo->cx->arena, e->fmt_len + 1), *to = text;
    uint32_t arg = 0, used = 0;
    struct conversion c;

    lower_loc(lo, e);
    for (const char *p = e->fmt; (p = memchr(p, '%', (size_t)(end - p))); p += c.len) {
        if (!conversion_read(p, end, &c) || arg + values_of(&c) > e->n_args)
            break;
        if (lower_is_memory(&c)) {
            args[used] = lower_str_slot(lo);
            lower_append_bytes(lo, args[used], &c, ready + arg, IR_NO_BLOCK);
            f->arg_types |= (uint64_t)OBJ_STRING << (2 * used++);
            to = mempcpy(to, literal, (size_t)(p - literal));
            to = stpcpy(to, c.flags & NGS_SPEC_ZERO ? "%0s" : "%s");
            literal = p + c.len;
        } else {
            for (uint32_t k = arg; k < arg + values_of(&c); k++) {
                args[used] = ready[k];
                f->arg_types |= arg_type(e->args[k]) << (2 * used++);
            }
        }
        arg += values_of(&c);
    }
    for (uint32_t k = 0; k < used; k++)
        args[k] = lower_reload(lo, args[k]);
    to = mempcpy(to, literal, (size_t)(end - literal));
    f->text = text;
    f->len = (uint32_t)(to - text);
    f->n_args = used;
    return args;
}

void lower_print(struct lower *lo, struct expr *e)
{
    struct ir_format f = {.text = e->fmt ? e->fmt : "", .len = e->fmt_len, .n_args = e->n_args};

    for (uint32_t k = 0; k < e->n_args; k++)
        if (e->args[k]->kind == EX_HIST) {
            print_hist(lo, e->args[k]);
            if (e->n_args > 1)
                lower_refuse(lo, e, "a histogram beside other values in one print");
            return;
        }
    if (e->print & PRINT_TO_STRING) { /* value unused */
        lower_append(lo, lower_str_slot(lo), e);
        return;
    }
    if (e->n_args > OBJ_MAX_PRINT_ARGS) {
        lo->failed = true;
        diag_error(lo->cx->diag, e->at, "limit", "too many arguments to print: %u, at most %d",
                   e->n_args, OBJ_MAX_PRINT_ARGS);
        return;
    }
    struct ir_val *args;

    lower_loc(lo, e);
    if ((e->print & PRINT_FORMAT) && conversion_any(e->fmt, e->fmt_len, lower_is_memory)) {
        args = read_dumps(lo, e, &f);
    } else {
        args = lower_keys(lo, e->args, e->n_args);
        for (uint32_t k = 0; k < e->n_args; k++)
            f.arg_types |= arg_type(e->args[k]) << (2 * k);
    }
    if (e->print & PRINT_FORMAT)
        f.flags |= FORMAT_PRINTF;
    if (e->print & PRINT_NEWLINE)
        f.flags |= FORMAT_NEWLINE;
    if (e->print & PRINT_CHAR)
        f.flags |= FORMAT_CHAR;
    lower_loc(lo, e);
    struct ir_ins *i = ir_put(&lo->at, IR_PRINT);

    i->fmt = ir_format(lo->u, &f);
    i->args = args;
    i->n_args = f.n_args;
}
