/*
 * print: trees as script text.
 *
 * Enters: trees as parsed, or as sema left them. Leaves: text that parses to the same tree, with
 * parentheses where they were written and where the tree needs them. What has no written form
 * (EX_R_*, errors) is printed as a call that says what it does.
 */
#include "syntax/syntax.h"

#include <inttypes.h>
#include <string.h>

/* How strongly an expression holds together; the grammar's precedences. */
enum level {
    L_ASSIGN = 1,
    L_TERNARY,
    L_LOR,
    L_LAND,
    L_OR,
    L_XOR,
    L_AND,
    L_IN,
    L_COMPARE,
    L_SHIFT,
    L_CONCAT,
    L_ADD,
    L_MUL,
    L_UNARY,
    L_VALUE,
    L_BASE
};

struct printer {
    FILE *out;
    unsigned flags;
    struct print_hook *hook; /* or NULL */
};

static void print(const struct printer *p, const struct expr *e, int least);

static bool is_target(const struct expr *e)
{
    return e->kind == EX_TARGET || e->kind == EX_ATVAR || e->kind == EX_CAST ||
           e->kind == EX_AUTOCAST;
}

static int binary_level(enum op op)
{
    switch (op) {
    case OP_LOR:
        return L_LOR;
    case OP_LAND:
        return L_LAND;
    case OP_OR:
        return L_OR;
    case OP_XOR:
        return L_XOR;
    case OP_AND:
        return L_AND;
    case OP_SHL:
    case OP_SHR:
    case OP_USHR:
        return L_SHIFT;
    case OP_CONCAT:
        return L_CONCAT;
    case OP_ADD:
    case OP_SUB:
        return L_ADD;
    case OP_MUL:
    case OP_DIV:
    case OP_MOD:
        return L_MUL;
    default:
        return L_COMPARE;
    }
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
        return is_target(e) && e->address_of ? L_VALUE : L_BASE;
    }
}

void syntax_print_string(FILE *out, const char *s, uint32_t len)
{
    fputc('"', out);
    for (uint32_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)s[i];

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
            if (c < ' ' || c == 0x7f)
                fprintf(out, "\\%03o", c);
            else
                fputc(c, out);
        }
    }
    fputc('"', out);
}

static void put_text(FILE *out, const char *s)
{
    syntax_print_string(out, s, (uint32_t)strlen(s));
}

static void list(const struct printer *p, struct expr *const *v, uint32_t n, int least)
{
    for (uint32_t i = 0; i < n; i++) {
        if (i)
            fputs(", ", p->out);
        print(p, v[i], least);
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
            print(p, c->index, L_ASSIGN);
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
        print(p, e->a, L_ASSIGN);
        fputs(", ", p->out);
        put_text(p->out, e->text);
        break;
    default: {
        const struct expr *a = e->a;
        bool index =
            e->comps && (e->comps->kind == COMP_INDEX || e->comps->kind == COMP_EXPR_INDEX);
        bool wrap =
            !a->parens && (is_target(a) || (index && (a->kind == EX_NAME || a->kind == EX_HIST)));

        if (wrap)
            fputc('(', p->out);
        print(p, a, L_BASE);
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
    list(p, e->args, e->n_args, L_ASSIGN);
    fputc(')', p->out);
}

static const char *stat_text(enum stat_op stat)
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
    print(p, e->a, L_ASSIGN);
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
            print(p, e->a, L_ASSIGN);
        if (e->bit_size)
            fprintf(p->out, ", bits %u+%u", e->bit_off, e->bit_size);
        break;
    case EX_R_STORE:
        fprintf(p->out, "store_%u_%s(", e->size * 8, space);
        if (e->a)
            print(p, e->a, L_ASSIGN);
        if (e->b) {
            fputs(", ", p->out);
            print(p, e->b, L_ASSIGN);
        }
        break;
    case EX_R_MODADDR:
        fprintf(p->out, "module_address(%u, 0x%" PRIx64, e->module_id, e->vaddr);
        break;
    case EX_R_REG:
        fprintf(p->out, "register(%u", e->reg);
        break;
    case EX_R_SAVED:
        fprintf(p->out, "saved(%u", e->saved_id);
        break;
    default:
        fputs("error(", p->out);
    }
    fputc(')', p->out);
}

static void put_binary(const struct printer *p, const struct expr *e)
{
    int level = binary_level(e->op);

    print(p, e->a, level == L_COMPARE && e->a->kind == EX_MATCH ? L_SHIFT : level);
    fprintf(p->out, " %s ", op_text(e->op));
    print(p, e->b, level + 1);
}

static void put_in(const struct printer *p, const struct expr *e)
{
    bool brackets = e->n_args != 1 || e->args[0]->kind == EX_ANY;

    if (brackets)
        fputc('[', p->out);
    list(p, e->args, e->n_args, L_COMPARE);
    fputs(brackets ? "] in " : " in ", p->out);
    print(p, e->a, L_BASE);
}

/* "- -x" and "- --x" need their blank. */
static void put_unary(const struct printer *p, const struct expr *e)
{
    fputs(op_text(e->op), p->out);
    if (!e->a->parens && (e->a->kind == EX_UNARY || (e->a->kind == EX_INCDEC && !e->a->post)))
        fputc(' ', p->out);
    print(p, e->a, L_UNARY);
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
        print(p, e->a, L_TERNARY);
        if (e->op == OP_NONE || e->op == OP_STAT_ADD)
            fprintf(out, " %s ", op_text(e->op));
        else
            fprintf(out, " %s= ", op_text(e->op));
        print(p, e->b, L_ASSIGN);
        break;
    case EX_INCDEC:
        if (!e->post)
            fputs(e->op == OP_ADD ? "++" : "--", out);
        print(p, e->a, L_VALUE);
        if (e->post)
            fputs(e->op == OP_ADD ? "++" : "--", out);
        break;
    case EX_TERNARY:
        print(p, e->a, L_LOR);
        fputs(" ? ", out);
        print(p, e->b, L_ASSIGN);
        fputs(" : ", out);
        print(p, e->c, L_TERNARY);
        break;
    case EX_INDEX:
        print(p, e->a, L_BASE);
        fputc('[', out);
        list(p, e->args, e->n_args, L_ASSIGN);
        fputc(']', out);
        break;
    case EX_ANY:
        fputc('*', out);
        break;
    case EX_IN:
        put_in(p, e);
        break;
    case EX_MATCH:
        print(p, e->a, L_SHIFT);
        fputs(e->op == OP_NE ? " !~ " : " =~ ", out);
        syntax_print_string(out, e->text, e->len);
        break;
    case EX_CALL:
        fprintf(out, "%s(", e->text);
        list(p, e->args, e->n_args, L_ASSIGN);
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
        print(p, e->a, L_ASSIGN);
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
        fprintf(out, "%s(", stat_text(e->stat));
        print(p, e->a, L_ASSIGN);
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
        print(p, e->b, L_ASSIGN);
        fputc(')', out);
        break;
    case EX_KREG:
    case EX_UREG:
        fprintf(out, "@%cregister(%" PRId64 ")", e->kind == EX_KREG ? 'k' : 'u', e->number);
        break;
    case EX_R_LOAD:
    case EX_R_STORE:
    case EX_R_MODADDR:
    case EX_R_REG:
    case EX_R_SAVED:
    case EX_ERROR:
        put_resolved(p, e);
        break;
    }
}

/* LEAST: what the place asks for; weaker expressions get parentheses. */
static void print(const struct printer *p, const struct expr *e, int least)
{
    if ((p->flags & PRINT_RESOLVED) && e->resolved) {
        print(p, e->resolved, least);
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
        print(&p, e, L_ASSIGN);
}

void syntax_print_expr_by(FILE *out, const struct expr *e, struct print_hook *h)
{
    const struct printer p = {out, PRINT_RESOLVED, h};

    print(&p, e, L_ASSIGN);
}

/* ---- statements ---- */

static void put_indent(FILE *out, int indent)
{
    fprintf(out, "%*s", indent * 4, "");
}

static void statement(const struct printer *p, const struct stmt *s, int indent);

static void statements(const struct printer *p, const struct stmt *s, int indent)
{
    for (; s; s = s->next)
        statement(p, s, indent);
}

/* "{ ... }" without the line's end, after what stands before it. */
static void block(const struct printer *p, const struct stmt *s, int indent)
{
    fputs("{\n", p->out);
    statements(p, s ? s->body : NULL, indent + 1);
    put_indent(p->out, indent);
    fputc('}', p->out);
}

/* Would an "else" after S belong to an "if" inside it? */
static bool ends_in_if(const struct stmt *s)
{
    for (;;) {
        switch (s->kind) {
        case ST_IF:
            if (!s->other)
                return true;
            s = s->other;
            continue;
        case ST_FOR:
        case ST_WHILE:
        case ST_FOREACH:
            s = s->body;
            continue;
        default:
            return false;
        }
    }
}

/* The statement that a head governs; true: it ended with "}" on a line still open. */
static bool body(const struct printer *p, const struct stmt *s, int indent, bool else_follows)
{
    if (s->kind == ST_BLOCK) {
        fputc(' ', p->out);
        block(p, s, indent);
        return true;
    }
    if (else_follows && ends_in_if(s)) {
        fputs(" {\n", p->out);
        statement(p, s, indent + 1);
        put_indent(p->out, indent);
        fputc('}', p->out);
        return true;
    }
    fputc('\n', p->out);
    statement(p, s, indent + 1);
    return false;
}

static void put_if(const struct printer *p, const struct stmt *s, int indent)
{
    for (;;) {
        fputs("if (", p->out);
        print(p, s->cond, L_ASSIGN);
        fputc(')', p->out);
        bool open = body(p, s->body, indent, s->other != NULL);

        if (!s->other) {
            if (open)
                fputc('\n', p->out);
            return;
        }
        if (open)
            fputc(' ', p->out);
        else
            put_indent(p->out, indent);
        fputs("else", p->out);
        if (s->other->kind != ST_IF) {
            if (body(p, s->other, indent, false))
                fputc('\n', p->out);
            return;
        }
        fputc(' ', p->out);
        s = s->other;
    }
}

static void put_key(const struct printer *p, const struct stmt *s, uint32_t i)
{
    print(p, s->keys[i], L_BASE);
    if (s->sort_dir && s->sort_key == (int)i + 1)
        fputc(s->sort_dir > 0 ? '+' : '-', p->out);
}

static void put_foreach(const struct printer *p, const struct stmt *s, int indent)
{
    fputs("foreach (", p->out);
    if (s->value) {
        print(p, s->value, L_BASE);
        fputs(" = ", p->out);
    }
    if (s->n_keys != 1 || s->value)
        fputc('[', p->out);
    for (uint32_t i = 0; i < s->n_keys; i++) {
        if (i)
            fputs(", ", p->out);
        put_key(p, s, i);
    }
    if (s->n_keys != 1 || s->value)
        fputc(']', p->out);
    fputs(" in ", p->out);
    print(p, s->array, L_BASE);
    if (s->n_slice) {
        fputc('[', p->out);
        list(p, s->slice, s->n_slice, L_ASSIGN);
        fputc(']', p->out);
    }
    if (s->sort_dir && s->sort_key == 0) {
        if (s->sort_stat != STAT_COUNT)
            fprintf(p->out, " %s ", stat_text(s->sort_stat));
        fputc(s->sort_dir > 0 ? '+' : '-', p->out);
    }
    if (s->limit) {
        fputs(" limit ", p->out);
        print(p, s->limit, L_ASSIGN);
    }
    fputc(')', p->out);
    if (body(p, s->body, indent, false))
        fputc('\n', p->out);
}

static void put_for(const struct printer *p, const struct stmt *s, int indent)
{
    fputs("for (", p->out);
    if (s->init)
        print(p, s->init, L_ASSIGN);
    fputs("; ", p->out);
    if (s->cond)
        print(p, s->cond, L_ASSIGN);
    fputs("; ", p->out);
    if (s->step)
        print(p, s->step, L_ASSIGN);
    fputc(')', p->out);
    if (body(p, s->body, indent, false))
        fputc('\n', p->out);
}

/* "return x;" and its like. */
static void simple(const struct printer *p, const char *word, const struct expr *e)
{
    fputs(word, p->out);
    if (*word && e)
        fputc(' ', p->out);
    if (e)
        print(p, e, L_ASSIGN);
    fputs(";\n", p->out);
}

static void statement(const struct printer *p, const struct stmt *s, int indent)
{
    put_indent(p->out, indent);
    switch (s->kind) {
    case ST_BLOCK:
        block(p, s, indent);
        fputc('\n', p->out);
        break;
    case ST_EXPR:
        simple(p, "", s->cond);
        break;
    case ST_IF:
        put_if(p, s, indent);
        break;
    case ST_FOR:
        put_for(p, s, indent);
        break;
    case ST_WHILE:
        fputs("while (", p->out);
        print(p, s->cond, L_ASSIGN);
        fputc(')', p->out);
        if (body(p, s->body, indent, false))
            fputc('\n', p->out);
        break;
    case ST_FOREACH:
        put_foreach(p, s, indent);
        break;
    case ST_NEXT:
        simple(p, "next", NULL);
        break;
    case ST_BREAK:
        simple(p, "break", NULL);
        break;
    case ST_CONTINUE:
        simple(p, "continue", NULL);
        break;
    case ST_RETURN:
        simple(p, "return", s->cond);
        break;
    case ST_DELETE:
        simple(p, "delete", s->cond);
        break;
    case ST_TRY:
        fputs("try ", p->out);
        block(p, s->body, indent);
        fputs(" catch ", p->out);
        if (s->caught) {
            fputc('(', p->out);
            print(p, s->caught, L_BASE);
            fputs(") ", p->out);
        }
        block(p, s->other, indent);
        fputc('\n', p->out);
        break;
    case ST_EMBEDDED:
        fprintf(p->out, "%%{%s%%}\n", s->text);
        break;
    case ST_EMPTY:
    case ST_ERROR:
        fputs(";\n", p->out);
        break;
    }
}

void syntax_print_stmt(FILE *out, const struct stmt *s, int indent, unsigned flags)
{
    const struct printer p = {out, flags, NULL};

    statements(&p, s, indent);
}

void syntax_print_stmt_by(FILE *out, const struct stmt *s, int indent, struct print_hook *h)
{
    const struct printer p = {out, PRINT_RESOLVED, h};

    statements(&p, s, indent);
}

/* ---- declarations ---- */

static void put_literal(FILE *out, const struct expr *e)
{
    if (e->kind == EX_STRING)
        syntax_print_string(out, e->text, e->len);
    else
        fprintf(out, "%" PRId64, e->number);
}

void syntax_print_point(FILE *out, const struct probe_point *point)
{
    for (const struct point_part *part = point->parts; part; part = part->next) {
        fputs(part->name, out);
        if (part->arg) {
            fputc('(', out);
            put_literal(out, part->arg);
            fputc(')', out);
        }
        if (part->next)
            fputc('.', out);
    }
    if (point->sufficient)
        fputc('!', out);
    else if (point->optional)
        fputc('?', out);
    if (point->condition) {
        fputs(" if (", out);
        syntax_print_expr(out, point->condition, 0);
        fputc(')', out);
    }
}

static void put_global(FILE *out, const struct variable *v)
{
    fprintf(out, "%sglobal %s", v->is_private ? "private " : "", v->name);
    if (v->wrap)
        fputc('%', out);
    if (v->max_entries)
        fprintf(out, "[%u]", v->max_entries);
    if (v->init) {
        fputs(" = ", out);
        put_literal(out, v->init);
    }
    fputs(";\n", out);
}

static void put_type(FILE *out, bool typed, enum value_type type)
{
    if (typed)
        fprintf(out, ":%s", value_type_text(type));
}

static void put_function(const struct printer *p, const struct function *f)
{
    fprintf(p->out, "%sfunction %s", f->is_private ? "private " : "", f->name);
    put_type(p->out, f->typed, f->type);
    fputc('(', p->out);
    for (const struct variable *v = f->params; v; v = v->next) {
        fputs(v->name, p->out);
        put_type(p->out, v->typed, v->type);
        if (v->next)
            fputs(", ", p->out);
    }
    fputc(')', p->out);
    if (f->priority)
        fprintf(p->out, ":%" PRId64, f->priority);
    fputc(' ', p->out);
    if (f->is_embedded)
        fprintf(p->out, "%%{%s%%}", f->text);
    else
        block(p, f->body, 0);
    fputs("\n\n", p->out);
}

static void put_probe(const struct printer *p, const struct probe *probe)
{
    fprintf(p->out, "probe ");
    for (const struct probe_point *alias = probe->alias; alias; alias = alias->next) {
        syntax_print_point(p->out, alias);
        fputs(probe->epilogue && !alias->next ? " += " : " = ", p->out);
    }
    for (const struct probe_point *point = probe->points; point; point = point->next) {
        syntax_print_point(p->out, point);
        fputs(point->next ? ", " : " ", p->out);
    }
    block(p, probe->body, 0);
    if (probe->epilogue_body) {
        fputs(", ", p->out);
        block(p, probe->epilogue_body, 0);
    }
    fputs("\n\n", p->out);
}

void syntax_print(FILE *out, const struct program *prog, unsigned flags)
{
    const struct printer p = {out, flags, NULL};

    for (uint32_t i = 0; i < prog->n_embedded; i++)
        fprintf(out, "%%{%s%%}\n", prog->embedded[i]);
    for (const struct variable *v = prog->globals; v; v = v->next)
        put_global(out, v);
    if (prog->globals)
        fputc('\n', out);
    for (const struct function *f = prog->funcs; f; f = f->next)
        put_function(&p, f);
    for (const struct probe *probe = prog->aliases; probe; probe = probe->next)
        put_probe(&p, probe);
    for (const struct probe *probe = prog->probes; probe; probe = probe->next)
        put_probe(&p, probe);
}
