/*
 * text: string expressions and the print family. Enters: typed trees; leaves: appends to string slots,
 * which is how every string is made: s . sprintf("%d", x) becomes three appends and no copy.
 */
#include "lower/internal.h"

#include <string.h>

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

struct conversion {
    const char *text; /* from '%' on */
    uint32_t len;     /* of the whole conversion */
    char conv;
    uint32_t flags, width, prec; /* NGS_SPEC_*; prec 0xffff: none */
    bool star;                   /* width or precision from an argument */
};

/* Reads the conversion at P; false when there is none before END. */
static bool next_conversion(const char *p, const char *end, struct conversion *c)
{
    const char *start = p++;

    *c = (struct conversion){.text = start, .prec = 0xffff};
    for (; p < end; p++) {
        if (*p == '-')
            c->flags |= NGS_SPEC_LEFT;
        else if (*p == '0' &&
                 !c->flags) /* after another flag it begins the width, as in SystemTap */
            c->flags |= NGS_SPEC_ZERO;
        else if (*p == '+')
            c->flags |= NGS_SPEC_PLUS;
        else if (*p == ' ')
            c->flags |= NGS_SPEC_SPACE;
        else if (*p == '#')
            c->flags |= NGS_SPEC_ALT;
        else
            break;
    }
    for (; p < end && (*p == '*' || (*p >= '0' && *p <= '9')); p++) {
        c->star |= *p == '*';
        if (*p != '*' && c->width < 4096)
            c->width = c->width * 10 + (uint32_t)(*p - '0');
    }
    if (p < end && *p == '.') {
        c->prec = 0;
        for (p++; p < end && (*p == '*' || (*p >= '0' && *p <= '9')); p++) {
            c->star |= *p == '*';
            if (*p != '*' && c->prec < 4096)
                c->prec = c->prec * 10 + (uint32_t)(*p - '0');
        }
    }
    while (p < end && *p == 'l')
        p++;
    if (p >= end)
        return false;
    c->conv = *p++;
    c->len = (uint32_t)(p - start);
    return true;
}

static void append_conversion(struct lower *lo, struct ir_val dst, const struct conversion *c,
                              struct expr *arg)
{
    struct ir_ins *i;

    if (c->conv == 's' && !c->width && c->prec == 0xffff && arg->type == TYPE_STRING) {
        lower_append(lo, dst, arg);
        return;
    }
    if (arg->type == TYPE_STRING) {
        struct ir_val s = lower_text(lo, arg);

        i = ir_put(&lo->at, IR_SFMTS);
        i->s = s;
    } else {
        struct ir_val a = lower_long(lo, arg);

        i = ir_put(&lo->at, IR_SFMT);
        i->a = a;
    }
    i->str = dst;
    i->imm = (int64_t)NGS_SPEC(
        (unsigned char)(c->conv == 's' && arg->type != TYPE_STRING ? 'd' : c->conv), c->flags,
        c->width, c->prec);
}

static void append_format(struct lower *lo, struct ir_val dst, struct expr *e)
{
    const char *p = e->fmt, *end = e->fmt + e->fmt_len, *literal = p;
    uint32_t arg = 0;

    while (p < end) {
        struct conversion c;

        if (*p != '%') {
            p++;
            continue;
        }
        if (!next_conversion(p, end, &c))
            break;
        uint32_t until = (uint32_t)(p - literal) + (c.conv == '%' ? 1 : 0);

        if (until)
            ir_put_str(&lo->at, IR_SCAT, dst, lower_literal(lo, literal, until));
        p += c.len;
        literal = p;
        if (c.conv == '%')
            continue;
        if (c.star || c.conv == 'm' || c.conv == 'M' || c.conv == 'b') {
            lower_refuse(lo, e, "sprintf with %b, %m, %M or a width from an argument");
            return;
        }
        if (arg < e->n_args)
            append_conversion(lo, dst, &c, e->args[arg++]);
    }
    if (end > literal)
        ir_put_str(&lo->at, IR_SCAT, dst, lower_literal(lo, literal, (uint32_t)(end - literal)));
}

/* sprint, sprintln, sprintd...: arguments one after the other, DELIM between. */
static void append_print(struct lower *lo, struct ir_val dst, struct expr *e)
{
    if (e->print & PRINT_FORMAT) {
        append_format(lo, dst, e);
    } else {
        for (uint32_t k = 0; k < e->n_args; k++) {
            if (k && (e->print & PRINT_DELIM))
                ir_put_str(&lo->at, IR_SCAT, dst, lower_literal(lo, e->fmt, e->fmt_len));
            if (e->args[k]->kind == EX_HIST)
                lower_refuse(lo, e->args[k], "a histogram in a string");
            else
                append_conversion(
                    lo, dst,
                    &(struct conversion){.conv = e->args[k]->type == TYPE_STRING ? 's' : 'd',
                                         .prec = 0xffff},
                    e->args[k]);
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
    struct ir_ins *i = ir_put(&lo->at, IR_MGETS);

    i->map = (int32_t)e->a->var->id;
    i->args = keys;
    i->n_args = e->n_args;
    i->str = dst;
    return dst;
}

struct ir_val lower_text(struct lower *lo, struct expr *e)
{
    struct ir_val value;

    lower_loc(lo, e);
    switch (e->kind) {
    case EX_STRING:
        return lower_literal(lo, e->text, e->len);
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

        lower_append(lo, dst, e);
        return dst;
    }
    }
}

void lower_append(struct lower *lo, struct ir_val dst, struct expr *e)
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
    struct ir_ins *i = ir_put(&lo->at, IR_MSETS);

    i->map = (int32_t)lv->a->var->id;
    i->args = keys;
    i->n_args = lv->n_args;
    i->s = value;
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
    struct ir_ins *i = ir_put(&lo->at, IR_HIST);

    if (of->kind == EX_INDEX) {
        i->map = (int32_t)of->a->var->id;
        i->args = keys;
        i->n_args = of->n_args;
    } else {
        i->global = of->var->id;
    }
}

void lower_print(struct lower *lo, struct expr *e)
{
    struct ir_format f = {.text = e->fmt ? e->fmt : "", .len = e->fmt_len};

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
    if (e->n_args > 16) {
        lower_refuse(lo, e, "a print of more than 16 values");
        return;
    }
    struct ir_val *args = lower_keys(lo, e->args, e->n_args);

    if (e->print & PRINT_FORMAT)
        f.flags |= FORMAT_PRINTF;
    if (e->print & PRINT_NEWLINE)
        f.flags |= FORMAT_NEWLINE;
    if (e->print & PRINT_CHAR)
        f.flags |= FORMAT_CHAR;
    f.n_args = e->n_args;
    for (uint32_t k = 0; k < e->n_args; k++)
        f.arg_types |= (uint32_t)(e->args[k]->type == TYPE_STRING ? OBJ_STRING : OBJ_LONG)
                       << (2 * k);
    lower_loc(lo, e);
    struct ir_ins *i = ir_put(&lo->at, IR_PRINT);

    i->fmt = ir_format(lo->u, &f);
    i->args = args;
    i->n_args = e->n_args;
}
