/*
 * print_expr: expressions as script text, for print.c.
 *
 * Enters: an expression as parsed, or as sema left it. Leaves: text that parses to the same tree,
 * with parentheses where they were written and where the tree needs them. What has no written form
 * (EX_R_*, errors) is printed as a call that says what it does.
 */
#include "base/clean.h"
#include "syntax/print.h"

#include <inttypes.h>
#include <string.h>

static int binary_level(enum op op)
{
    static const uint8_t of[OP_STAT_ADD + 1] = {
        [OP_LOR] = L_LOR,    [OP_LAND] = L_LAND,  [OP_OR] = L_OR,         [OP_XOR] = L_XOR,
        [OP_AND] = L_AND,    [OP_EQ] = L_COMPARE, [OP_NE] = L_COMPARE,    [OP_LT] = L_COMPARE,
        [OP_LE] = L_COMPARE, [OP_GT] = L_COMPARE, [OP_GE] = L_COMPARE,    [OP_SHL] = L_SHIFT,
        [OP_SHR] = L_SHIFT,  [OP_USHR] = L_SHIFT, [OP_CONCAT] = L_CONCAT, [OP_ADD] = L_ADD,
        [OP_SUB] = L_ADD,    [OP_MUL] = L_MUL,    [OP_DIV] = L_MUL,       [OP_MOD] = L_MUL,
    };

    return of[op];
}

static int level_of(const struct expr *e)
{
    switch (e->kind) {
    case EX_ASSIGN:
        return L_ASSIGN;
    case EX_TERNARY:
        return L_TERNARY;
    case EX_BINARY:
        return binary_level(e->op);
    case EX_IN:
        return L_IN;
    case EX_MATCH:
        return L_COMPARE;
    case EX_UNARY:
    case EX_INCDEC:
        return L_UNARY;
    default:
        return expr_is_target(e) && e->address_of ? L_VALUE : L_BASE;
    }
}

/* A byte, or a character, of a literal's; how long it is. What a terminal would obey, or hide, is
 * an escape: literals may be names of a target's files. */
static uint32_t put_character(FILE *out, const unsigned char *s, uint32_t len)
{
    uint32_t code;
    size_t n = clean_character(s, len, &code);

    if (n && clean_printable(code)) {
        fwrite(s, 1, n, out);
        return (uint32_t)n;
    }
    fprintf(out, "\\%03o", *s);
    return 1;
}

void syntax_print_string(FILE *out, const char *s, uint32_t len)
{
    fputc('"', out);
    for (uint32_t i = 0, n = 1; i < len; i += n) {
        unsigned char c = (unsigned char)s[i];

        n = 1;

        switch (c) {
        case '"':
        case '\\':
            fprintf(out, "\\%c", c);
            break;
        case '\n':
            fputs("\\n", out);
            break;
        case '\t':
            fputs("\\t", out);
            break;
        case '\r':
            fputs("\\r", out);
            break;
        default:
            n = put_character(out, (const unsigned char *)s + i, len - i);
        }
    }
    fputc('"', out);
}

static void put_text(FILE *out, const char *s)
{
    syntax_print_string(out, s, (uint32_t)strlen(s));
}

void syntax_put_list(const struct printer *p, struct expr *const *v, uint32_t n, int least)
{
    for (uint32_t i = 0; i < n; i++) {
        if (i)
            fputs(", ", p->out);
        syntax_put(p, v[i], least);
    }
}

static void put_comps(const struct printer *p, const struct expr *e)
{
    for (const struct component *c = e->comps; c; c = c->next)
        switch (c->kind) {
        case COMP_MEMBER:
            fprintf(p->out, "->%s", c->name);
            break;
        case COMP_INDEX:
            fprintf(p->out, "[%" PRIu64 "]", (uint64_t)c->number);
            break;
        case COMP_EXPR_INDEX:
            fputc('[', p->out);
            syntax_put(p, c->index, L_ASSIGN);
            fputc(']', p->out);
            break;
        case COMP_PRETTY:
        case COMP_PRETTY2:
            if (e->kind == EX_AUTOCAST && c == e->comps) /* x$ is a name */
                fputc(' ', p->out);
            fputs(c->kind == COMP_PRETTY ? "$" : "$$", p->out);
            break;
        }
}

static void put_target(const struct printer *p, const struct expr *e)
{
    if (e->address_of)
        fputc('&', p->out);
    switch (e->kind) {
    case EX_TARGET:
        fputs(e->text, p->out);
        break;
    case EX_ATVAR:
        fputs("@var(", p->out);
        put_text(p->out, e->text);
        break;
    case EX_CAST:
        fputs("@cast(", p->out);
        syntax_put(p, e->a, L_ASSIGN);
        fputs(", ", p->out);
        put_text(p->out, e->text);
        break;
    default: {
        const struct expr *a = e->a;
        bool index =
            e->comps && (e->comps->kind == COMP_INDEX || e->comps->kind == COMP_EXPR_INDEX);
        bool wrap = !a->parens &&
                    (expr_is_target(a) || (index && (a->kind == EX_NAME || a->kind == EX_HIST)));

        if (wrap)
            fputc('(', p->out);
        syntax_put(p, a, L_BASE);
        if (wrap)
            fputc(')', p->out);
        break;
    }
    }
    if (e->kind == EX_ATVAR || e->kind == EX_CAST) {
        if (e->module) {
            fputs(", ", p->out);
            put_text(p->out, e->module);
        }
        fputc(')', p->out);
    }
    put_comps(p, e);
}

static void put_print(const struct printer *p, const struct expr *e)
{
    bool literal = e->print & (PRINT_FORMAT | PRINT_DELIM);

    if (e->print & PRINT_CHAR)
        fputs("print_char(", p->out);
    else
        fprintf(p->out, "%sprint%s%s(", e->print & PRINT_TO_STRING ? "s" : "",
                e->print & PRINT_FORMAT  ? "f"
                : e->print & PRINT_DELIM ? "d"
                                         : "",
                e->print & PRINT_NEWLINE ? "ln" : "");
    if (literal)
        syntax_print_string(p->out, e->fmt, e->fmt_len);
    if (literal && e->n_args)
        fputs(", ", p->out);
    syntax_put_list(p, e->args, e->n_args, L_ASSIGN);
    fputc(')', p->out);
}

const char *syntax_stat_text(enum stat_op stat)
{
    static const char *const names[] = {
        [STAT_COUNT] = "@count", [STAT_SUM] = "@sum", [STAT_MIN] = "@min",
        [STAT_MAX] = "@max",     [STAT_AVG] = "@avg", [STAT_VARIANCE] = "@variance",
    };

    return (size_t)stat < sizeof(names) / sizeof(*names) ? names[stat] : "@stat";
}

static void put_hist(const struct printer *p, const struct expr *e)
{
    fputs(e->hist == HIST_LOG ? "@hist_log(" : "@hist_linear(", p->out);
    syntax_put(p, e->a, L_ASSIGN);
    for (uint32_t i = 0; i < e->n_args; i++)
        fprintf(p->out, ", %" PRId64, e->args[i]->number);
    fputc(')', p->out);
}

/* What only sema makes. */
static void put_resolved(const struct printer *p, const struct expr *e)
{
    const char *space = e->space == SPACE_KERNEL ? "kernel" : "user";

    switch (e->kind) {
    case EX_R_LOAD:
        fprintf(p->out, "load_%c%u_%s(", e->is_signed ? 's' : 'u', e->size * 8, space);
        if (e->a)
            syntax_put(p, e->a, L_ASSIGN);
        if (e->bit_size)
            fprintf(p->out, ", bits %u+%u", e->bit_off, e->bit_size);
        break;
    case EX_R_MODADDR:
        fprintf(p->out, "module_address(%u, 0x%" PRIx64, e->module_id, e->vaddr);
        break;
    case EX_R_REG:
        fprintf(p->out, "register(%u", e->reg);
        break;
    case EX_R_ARG:
        fprintf(p->out, "argument(%u", e->reg);
        break;
    default:
        fputs("error(", p->out);
    }
    fputc(')', p->out);
}

static void put_binary(const struct printer *p, const struct expr *e)
{
    int level = binary_level(e->op);

    syntax_put(p, e->a, level == L_COMPARE && e->a->kind == EX_MATCH ? L_SHIFT : level);
    fprintf(p->out, " %s ", op_text(e->op));
    syntax_put(p, e->b, level + 1);
}

static void put_in(const struct printer *p, const struct expr *e)
{
    bool brackets = e->n_args != 1 || e->args[0]->kind == EX_ANY;

    if (brackets)
        fputc('[', p->out);
    syntax_put_list(p, e->args, e->n_args, L_COMPARE);
    fputs(brackets ? "] in " : " in ", p->out);
    syntax_put(p, e->a, L_BASE);
}

/* "- -x" and "- --x" need their blank. */
static void put_unary(const struct printer *p, const struct expr *e)
{
    fputs(op_text(e->op), p->out);
    if (!e->a->parens && (e->a->kind == EX_UNARY || (e->a->kind == EX_INCDEC && !e->a->post)))
        fputc(' ', p->out);
    syntax_put(p, e->a, L_UNARY);
}

static void bare(const struct printer *p, const struct expr *e)
{
    FILE *out = p->out;

    switch (e->kind) {
    case EX_NUMBER:
        fprintf(out, "%" PRIu64, (uint64_t)e->number);
        break;
    case EX_STRING:
        syntax_print_string(out, e->text, e->len);
        break;
    case EX_NAME:
        fputs(e->text, out);
        break;
    case EX_UNARY:
        put_unary(p, e);
        break;
    case EX_BINARY:
        put_binary(p, e);
        break;
    case EX_ASSIGN:
        syntax_put(p, e->a, L_TERNARY);
        if (e->op == OP_NONE || e->op == OP_STAT_ADD)
            fprintf(out, " %s ", op_text(e->op));
        else
            fprintf(out, " %s= ", op_text(e->op));
        syntax_put(p, e->b, L_ASSIGN);
        break;
    case EX_INCDEC:
        if (!e->post)
            fputs(e->op == OP_ADD ? "++" : "--", out);
        syntax_put(p, e->a, L_VALUE);
        if (e->post)
            fputs(e->op == OP_ADD ? "++" : "--", out);
        break;
    case EX_TERNARY:
        syntax_put(p, e->a, L_LOR);
        fputs(" ? ", out);
        syntax_put(p, e->b, L_ASSIGN);
        fputs(" : ", out);
        syntax_put(p, e->c, L_TERNARY);
        break;
    case EX_INDEX:
        syntax_put(p, e->a, L_BASE);
        fputc('[', out);
        syntax_put_list(p, e->args, e->n_args, L_ASSIGN);
        fputc(']', out);
        break;
    case EX_ANY:
        fputc('*', out);
        break;
    case EX_IN:
        put_in(p, e);
        break;
    case EX_MATCH:
        syntax_put(p, e->a, L_SHIFT);
        fputs(e->op == OP_NE ? " !~ " : " =~ ", out);
        syntax_print_string(out, e->text, e->len);
        break;
    case EX_CALL:
        fprintf(out, "%s(", e->text);
        syntax_put_list(p, e->args, e->n_args, L_ASSIGN);
        fputc(')', out);
        break;
    case EX_PRINT:
        put_print(p, e);
        break;
    case EX_TARGET:
    case EX_ATVAR:
    case EX_CAST:
    case EX_AUTOCAST:
        put_target(p, e);
        break;
    case EX_DEFINED:
    case EX_ENTRY:
    case EX_PROBEWRITE:
        fputs(e->kind == EX_DEFINED ? "@defined("
              : e->kind == EX_ENTRY ? "@entry("
                                    : "@probewrite(",
              out);
        syntax_put(p, e->a, L_ASSIGN);
        fputc(')', out);
        break;
    case EX_PERF:
    case EX_ATCONST:
    case EX_ATENUM:
        fputs(e->kind == EX_PERF ? "@perf(" : e->kind == EX_ATCONST ? "@const(" : "@enum(", out);
        syntax_print_string(out, e->text, e->len);
        fputc(')', out);
        break;
    case EX_STAT:
        if (e->b) { /* a bucket */
            put_hist(p, e->c);
            fputc('[', out);
            syntax_put(p, e->b, L_ASSIGN);
            fputc(']', out);
            break;
        }
        fprintf(out, "%s(", syntax_stat_text(e->stat));
        syntax_put(p, e->a, L_ASSIGN);
        if (e->number)
            fprintf(out, ", %" PRIu64, (uint64_t)e->number);
        fputc(')', out);
        break;
    case EX_HIST:
        put_hist(p, e);
        break;
    case EX_EMBEDDED:
        fprintf(out, "%%{%s%%}", e->text);
        break;
    case EX_KDEREF:
    case EX_UDEREF:
        fprintf(out, "@%cderef(%" PRId64 ", ", e->kind == EX_KDEREF ? 'k' : 'u', e->a->number);
        syntax_put(p, e->b, L_ASSIGN);
        fputc(')', out);
        break;
    case EX_KREG:
    case EX_UREG:
        fprintf(out, "@%cregister(%" PRId64 ")", e->kind == EX_KREG ? 'k' : 'u', e->number);
        break;
    case EX_R_LOAD:
    case EX_R_MODADDR:
    case EX_R_REG:
    case EX_R_ARG:
    case EX_ERROR:
        put_resolved(p, e);
        break;
    }
}

/* LEAST: what the place asks for; weaker expressions get parentheses. */
void syntax_put(const struct printer *p, const struct expr *e, int least)
{
    if ((p->flags & PRINT_RESOLVED) && e->resolved) {
        syntax_put(p, e->resolved, least);
        return;
    }
    if (p->hook && p->hook->expr(p->hook, p->out, e))
        return;
    bool parens = e->parens || level_of(e) < least;

    if (parens)
        fputc('(', p->out);
    bare(p, e);
    if (parens)
        fputc(')', p->out);
}

void syntax_print_expr(FILE *out, const struct expr *e, unsigned flags)
{
    const struct printer p = {out, flags, NULL};

    if (e)
        syntax_put(&p, e, L_ASSIGN);
}

void syntax_print_expr_by(FILE *out, const struct expr *e, struct print_hook *h)
{
    const struct printer p = {out, PRINT_RESOLVED, h};

    syntax_put(&p, e, L_ASSIGN);
}
