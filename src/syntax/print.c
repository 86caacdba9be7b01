/*
 * print: trees as script text: statements, declarations, whole programs.
 *
 * Enters: trees as parsed, or as sema left them. Leaves: text that parses to the same tree;
 * print_expr.c prints the expressions in it.
 */
#include "syntax/print.h"

#include <inttypes.h>

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
        syntax_put(p, s->cond, L_ASSIGN);
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
    syntax_put(p, s->keys[i], L_BASE);
    if (s->sort_dir && s->sort_key == (int)i + 1)
        fputc(s->sort_dir > 0 ? '+' : '-', p->out);
}

static void put_foreach(const struct printer *p, const struct stmt *s, int indent)
{
    fputs("foreach (", p->out);
    if (s->value) {
        syntax_put(p, s->value, L_BASE);
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
    syntax_put(p, s->array, L_BASE);
    if (s->n_slice) {
        fputc('[', p->out);
        syntax_put_list(p, s->slice, s->n_slice, L_ASSIGN);
        fputc(']', p->out);
    }
    if (s->sort_dir && s->sort_key == 0) {
        if (s->sort_stat != STAT_COUNT)
            fprintf(p->out, " %s ", syntax_stat_text(s->sort_stat));
        fputc(s->sort_dir > 0 ? '+' : '-', p->out);
    }
    if (s->limit) {
        fputs(" limit ", p->out);
        syntax_put(p, s->limit, L_ASSIGN);
    }
    fputc(')', p->out);
    if (body(p, s->body, indent, false))
        fputc('\n', p->out);
}

static void put_for(const struct printer *p, const struct stmt *s, int indent)
{
    fputs("for (", p->out);
    if (s->init)
        syntax_put(p, s->init, L_ASSIGN);
    fputs("; ", p->out);
    if (s->cond)
        syntax_put(p, s->cond, L_ASSIGN);
    fputs("; ", p->out);
    if (s->step)
        syntax_put(p, s->step, L_ASSIGN);
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
        syntax_put(p, e, L_ASSIGN);
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
        syntax_put(p, s->cond, L_ASSIGN);
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
            syntax_put(p, s->caught, L_BASE);
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

void syntax_print_stmt(FILE *out, const struct stmt *s, int indent, struct print_hook *h)
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
