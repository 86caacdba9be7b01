/*
 * script: a program as text for stap -g that needs no debug information. Enters: what sema has
 * completed; leaves: one file with globals, functions, and one probe for each place where a
 * handler runs. Refused: calls that SystemTap has no function for.
 */
#include "stap/internal.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/diag.h"
#include "probe/probe.h"
#include "syntax/syntax.h"

struct script {
    struct print_hook hook; /* first: the hook is given back as this */
    struct compile *cx;
    const struct program *prog;
    struct target *target;
    FILE *out;
    const struct probe_inst *inst; /* whose handler is printed; NULL: a function */
    struct stap_points *points;
    uint32_t needs; /* bit per enum stap_need */
    bool failed;
};

static void put_need(struct script *s, FILE *out, enum stap_need need)
{
    s->needs |= 1u << need;
    stap_put_name(out, need);
}

/* ---- expressions ---- */

static void put_load(struct script *s, FILE *out, const struct expr *e)
{
    if (e->bit_size)
        fputc('(', out);
    if (e->bit_size && e->is_signed)
        fputc('(', out);
    put_need(s, out, stap_need_load(e));
    fputc('(', out);
    syntax_print_expr_by(out, e->a, &s->hook);
    fputc(')', out);
    if (e->bit_size && e->is_signed)
        fprintf(out, " << %u) >> %u)", 64 - e->bit_off - e->bit_size, 64 - e->bit_size);
    else if (e->bit_size && e->bit_size < 64)
        fprintf(out, " >> %u & 0x%" PRIx64 ")", e->bit_off, ~(uint64_t)0 >> (64 - e->bit_size));
    else if (e->bit_size)
        fputc(')', out);
}

/* $p->m = v, op= and ++: what is written is the value, and its address is written twice. */
static bool put_write(struct script *s, FILE *out, const struct expr *e)
{
    const struct expr *to = e->a->resolved;
    bool assigns = e->kind == EX_ASSIGN;

    if (!to || to->kind != EX_R_LOAD)
        return false;
    fputc('(', out);
    put_need(s, out, NEED_WRITE);
    fputc('(', out);
    syntax_print_expr_by(out, to->a, &s->hook);
    fprintf(out, ", %u, %u, %u, ", to->size, to->bit_off, to->bit_size);
    if (!assigns || e->op != OP_NONE) {
        put_load(s, out, to);
        fprintf(out, " %s (", op_text(e->op));
    }
    if (assigns)
        syntax_print_expr_by(out, e->b, &s->hook);
    else
        fputc('1', out);
    if (!assigns || e->op != OP_NONE)
        fputc(')', out);
    fputc(')', out);
    if (!assigns && e->post)
        fprintf(out, " %s 1", e->op == OP_ADD ? "-" : "+");
    fputc(')', out);
    return true;
}

static void put_base(struct script *s, FILE *out, const struct expr *e)
{
    fputc('(', out);
    put_need(s, out, NEED_BASE);
    fprintf(out, "(%u) + 0x%" PRIx64 ")", e->module_id, e->vaddr);
}

static void put_arguments(struct script *s, FILE *out, const struct expr *e)
{
    for (uint32_t i = 0; i < e->n_args; i++) {
        if (i)
            fputs(", ", out);
        syntax_print_expr_by(out, e->args[i], &s->hook);
    }
}

/* Are several processes named? SystemTap knows one. */
static bool is_several(const struct script *s)
{
    return s->target && (s->target->kind == TARGET_MASTER || s->target->n_pids > 1);
}

static void put_builtin(struct script *s, FILE *out, const struct expr *e)
{
    const struct stap_call *to = stap_call_find(e->text);

    if (to && e->n_args > to->max_args) {
        s->failed = true;
        diag_error(s->cx->diag, e->op_at, "stap",
                   "%s() takes %u argument%s in SystemTap: the others need eBPF (--backend bpf)",
                   e->text, to->max_args, to->max_args == 1 ? "" : "s");
    }
    if (!strcmp(e->text, "target") && is_several(s))
        put_need(s, out, NEED_TARGET);
    else if (to && to->need >= 0)
        put_need(s, out, (enum stap_need)to->need);
    else
        fputs(to ? to->theirs : e->text, out);
    fputc('(', out);
    put_arguments(s, out, e);
    fputc(')', out);
}

/* SystemTap limits process probes to the target and what descends from it by itself, but for a
 * master, which is not to count, and several processes; other probes fire for everybody. */
static bool is_guarded(const struct script *s)
{
    enum probe_kind kind = s->inst->type->kind;

    if (attach_in_user_space(kind) || s->inst->everybody)
        return false;
    return attach_has(kind, ATTACH_PLACES) && !attach_has(kind, ATTACH_KERNEL)
               ? is_several(s)
               : s->target && (s->target->n_pids > 0 || s->target->kind == TARGET_CMD);
}

/* What SystemTap would say of the place as it is printed here. */
static bool put_place(struct script *s, FILE *out, const struct expr *e)
{
    const char *text = NULL;

    if (!s->inst)
        return false;
    if (!strcmp(e->text, "pp"))
        text = s->inst->name;
    if (!strcmp(e->text, "pn"))
        text = s->inst->written;
    if ((!strcmp(e->text, "probefunc") || !strcmp(e->text, "ppfunc")) && s->inst->func_name)
        text = s->inst->func_name;
    if (text)
        syntax_print_string(out, text, (uint32_t)strlen(text));
    return text;
}

static void put_call(struct script *s, FILE *out, const struct expr *e)
{
    if (!e->func) {
        if (!put_place(s, out, e))
            put_builtin(s, out, e);
        return;
    }
    fprintf(out, "%s(", stap_func_name(s->cx, s->prog, e->func));
    put_arguments(s, out, e);
    fputc(')', out);
}

static bool put_expr(struct print_hook *h, FILE *out, const struct expr *e)
{
    struct script *s = (struct script *)h;

    switch (e->kind) {
    case EX_NAME:
        if (!e->var)
            return false;
        fputs(stap_var_name(s->cx, s->prog, e->var), out);
        return true;
    case EX_CALL:
        put_call(s, out, e);
        return true;
    case EX_ASSIGN:
    case EX_INCDEC:
        return put_write(s, out, e);
    case EX_R_LOAD:
        put_load(s, out, e);
        return true;
    case EX_R_MODADDR:
        put_base(s, out, e);
        return true;
    case EX_R_ARG:
        fputs(e->text, out);
        return true;
    case EX_R_REG:
        put_need(s, out, NEED_REG);
        fprintf(out, "(%u)", e->reg);
        return true;
    case EX_ERROR:
        s->failed = true;
        diag_error(s->cx->diag, e->at, "stap", "this cannot be said in SystemTap's language yet");
        diag_hint(s->cx->diag, "--backend bpf can run it");
        return true;
    default:
        return false;
    }
}

/* ---- declarations ---- */

static bool is_used(const struct variable *v)
{
    return v->read || v->written;
}

static void put_global(struct script *s, const struct variable *v)
{
    fprintf(s->out, "global %s%s", stap_var_name(s->cx, s->prog, v), v->wrap ? "%" : "");
    if (v->max_entries)
        fprintf(s->out, "[%u]", v->max_entries);
    if (v->init) {
        fputs(" = ", s->out);
        if (v->init->kind == EX_STRING)
            syntax_print_string(s->out, v->init->text, v->init->len);
        else
            fprintf(s->out, "%" PRId64, v->init->number);
    }
    fputc('\n', s->out);
}

static void put_type(FILE *out, enum value_type type)
{
    if (type == TYPE_LONG || type == TYPE_STRING)
        fprintf(out, ":%s", value_type_text(type));
}

static bool is_undecided(const struct variable *v)
{
    return v->type == TYPE_LONG && !v->type_at.file && !v->typed && !v->init && !v->is_array &&
           is_used(v);
}

/* What nothing gives a type is long with us and an error with SystemTap: the value it starts with
 * says it. */
static void put_undecided(struct script *s, const struct variable *v)
{
    for (; v; v = v->next)
        if (is_undecided(v))
            fprintf(s->out, "    %s = 0;\n", stap_var_name(s->cx, s->prog, v));
}

static void put_body(struct script *s, const struct variable *locals, const struct stmt *body)
{
    fputs("\n{\n", s->out);
    if (!s->inst || !s->inst->theirs)
        put_undecided(s, locals);
    if (s->inst && is_guarded(s)) {
        fputs("    if (!", s->out);
        put_need(s, s->out, NEED_SCOPE);
        fputs("()) next;\n", s->out);
    }
    if (body && body->kind == ST_BLOCK && !body->next) /* an alias puts its own before it */
        body = body->body;
    syntax_print_stmt(s->out, body, 1, &s->hook);
    fputs("}\n", s->out);
}

static void put_function(struct script *s, const struct function *f)
{
    fprintf(s->out, "\nfunction %s", stap_func_name(s->cx, s->prog, f));
    put_type(s->out, f->type);
    fputc('(', s->out);
    for (const struct variable *v = f->params; v; v = v->next) {
        fputs(f->is_embedded ? v->name : stap_var_name(s->cx, s->prog, v), s->out);
        put_type(s->out, v->type == TYPE_UNKNOWN ? TYPE_LONG : v->type);
        if (v->next)
            fputs(", ", s->out);
    }
    fputc(')', s->out);
    if (f->priority)
        fprintf(s->out, ":%" PRId64, f->priority);
    if (f->is_embedded) {
        fprintf(s->out, " %%{%s%%}\n", f->text);
        return;
    }
    put_body(s, f->locals, f->body);
}

/* What SystemTap finds as we do: marks, whose notes it reads itself. */
static bool put_named_point(struct script *s, const struct probe_inst *i)
{
    const char *symbol, *path = stap_probe_path(s->cx, s->target, &s->prog->modules[i->module_id],
                                                i->vaddr, i->func_name, &symbol, i->point->at);
    struct probe_point rest = {.parts = i->point->parts->next};

    if (!path)
        return false;
    if (!strcmp(rest.parts->name, "library")) /* the path is its own */
        rest.parts = rest.parts->next;
    fputs("process(", s->out);
    syntax_print_string(s->out, path, (uint32_t)strlen(path));
    fputs(").", s->out);
    syntax_print_point(s->out, &rest);
    return true;
}

/* By address, since stap skips the prologue of a function given by name when it finds debug
 * information. By symbol when the file gets no stub (stub_elf.c): addresses need one. */
static bool put_function_point(struct script *s, const struct probe_inst *i)
{
    bool returns = attach_has(i->type->kind, ATTACH_ON_RETURN);
    const char *symbol;
    const char *path = stap_probe_path(s->cx, s->target, &s->prog->modules[i->module_id], i->vaddr,
                                       i->func_name, &symbol, i->point->at);

    if (!path)
        return false;
    s->points->v = arena_grow(s->cx->arena, s->points->v, s->points->n, sizeof(*s->points->v));
    s->points->v[s->points->n++] = (struct stap_point){path, i->vaddr};
    fputs("process(", s->out);
    syntax_print_string(s->out, path, (uint32_t)strlen(path));
    fprintf(s->out, ").%s(0x%" PRIx64 ")%s", returns ? "function" : "statement", i->vaddr,
            returns ? ".return" : "");
    if (!symbol)
        return true;
    fputs("!,\n    process(", s->out);
    syntax_print_string(s->out, path, (uint32_t)strlen(path));
    fputs(").function(", s->out);
    syntax_print_string(s->out, symbol, (uint32_t)strlen(symbol));
    fprintf(s->out, ")%s", returns ? ".return" : "");
    return true;
}

enum { TIMER_MIN_NS = 100 * 1000 };
static const uint64_t timer_max_ns = 24ULL * 3600 * 1000 * 1000 * 1000;

static void check_timer(struct script *s, const struct probe_inst *i)
{
    if (!attach_is_timer(i->type->kind) || (i->period >= TIMER_MIN_NS && i->period <= timer_max_ns))
        return;
    s->failed = true;
    diag_error(s->cx->diag, i->point->at, "stap",
               "a timer of SystemTap's fires every 100 us to every 24 hours");
    diag_hint(s->cx->diag, "--backend bpf can run this one");
}

/* timer.profile.hz(N) is ours; perf's clock has a rate in SystemTap, too. */
static void put_plain_point(struct script *s, const struct probe_inst *i)
{
    struct probe_point plain = *i->point;

    plain.next = NULL;
    plain.optional = plain.sufficient = false;
    plain.condition = NULL;
    check_timer(s, i);
    if (!strncmp(i->name, "timer.profile.hz(", 17))
        fprintf(s->out, "perf.sw.cpu_clock.sample(%" PRIu64 ")", i->period);
    else
        syntax_print_point(s->out, &plain);
}

static void put_probe(struct script *s, const struct probe_inst *i);

/* In SystemTap each function has a handler of its own. */
static void put_places(struct script *s, const struct probe_inst *i)
{
    for (uint32_t k = 0; k < i->n_places; k++) {
        struct probe_inst one = *i;

        one.name = i->places[k].name;
        one.func_name = i->places[k].func_name;
        one.vaddr = i->places[k].vaddr;
        one.n_places = 0;
        put_probe(s, &one);
    }
}

static void put_probe(struct script *s, const struct probe_inst *i)
{
    if (i->n_places) {
        put_places(s, i);
        return;
    }

    fprintf(s->out, "\n# %s\nprobe ", i->name);
    s->inst = i;
    if (attach_has(i->type->kind, ATTACH_PLACES) && !attach_has(i->type->kind, ATTACH_KERNEL))
        s->failed |= !(i->by_name ? put_named_point : put_function_point)(s, i);
    else
        put_plain_point(s, i);
    put_body(s, i->locals, i->body);
    s->inst = NULL;
}

/* SystemTap shows a script's globals that are written and never read, but not a library's; here all
 * are the script's. */
static bool is_shown(const struct script *s, const struct variable *v)
{
    return v->written && !v->read && stap_in_library(s->cx, v->at);
}

static void put_reading(struct script *s, const struct variable *v)
{
    const char *name = stap_var_name(s->cx, s->prog, v);

    if (!v->is_array) {
        fprintf(s->out, v->type == TYPE_STATS ? "    println(@count(%s));\n" : "    println(%s);\n",
                name);
        return;
    }
    fputs("    println([", s->out);
    for (uint32_t i = 0; i < v->n_keys; i++)
        fprintf(s->out, "%s%s", i ? ", " : "", v->key_types[i] == TYPE_STRING ? "\"\"" : "0");
    fprintf(s->out, "] in %s);\n", name);
}

/* A probe that is checked and never runs gives globals their types, and reads what is not to be
 * shown. */
static void put_never(struct script *s)
{
    bool any = false;

    for (const struct variable *v = s->prog->globals; v; v = v->next)
        any |= is_undecided(v) || is_shown(s, v);
    if (!any)
        return;
    fputs("\nprobe never\n{\n", s->out);
    put_undecided(s, s->prog->globals);
    for (const struct variable *v = s->prog->globals; v; v = v->next)
        if (is_shown(s, v))
            put_reading(s, v);
    fputs("}\n", s->out);
}

static void put_program(struct script *s)
{
    const struct program *prog = s->prog;

    for (uint32_t i = 0; i < prog->n_embedded; i++)
        fprintf(s->out, "%%{%s%%}\n", prog->embedded[i]);
    for (const struct variable *v = prog->globals; v; v = v->next)
        if (is_used(v))
            put_global(s, v);
    for (const struct function *f = prog->funcs; f; f = f->next)
        if (f->reached)
            put_function(s, f);
    for (const struct probe_inst *i = prog->insts; i; i = i->next)
        put_probe(s, i);
    put_never(s);
}

/* ---- interface ---- */

bool stap_print(struct compile *cx, const struct program *prog, struct target *t,
                struct stap_script *out)
{
    struct script s = {.hook = {put_expr}, .cx = cx, .prog = prog, .target = t};
    char *text = NULL;
    size_t len = 0;
    bool ok = true;

    *out = (struct stap_script){
        .modules = ARENA_ARRAY(cx->arena, struct stap_module, prog->n_modules + 1)};
    s.points = &out->points;
    s.out = open_memstream(&text, &len);
    if (!s.out)
        return diag_error(cx->diag, (struct span){0}, "stap", "out of memory");
    put_program(&s);
    fclose(s.out);
    out->text = arena_strndup(cx->arena, text, len);
    out->len = len;
    out->needs = s.needs;
    free(text);
    if (s.failed)
        return false;
    out->n_modules = s.needs & 1u << NEED_BASE ? prog->n_modules : 0;
    for (uint32_t i = 0; i < out->n_modules; i++)
        ok = stap_module_read(cx, t, &prog->modules[i], &out->modules[i]) && ok;
    return ok;
}

void stap_put_script(struct compile *cx, const struct stap_script *s, const struct target *t,
                     FILE *out)
{
    fprintf(out, "# for stap -g%s\n\n", cx->skip_badvars ? " --skip-badvars" : "");
    stap_put_prelude(out, s->needs, s->modules, s->n_modules, t, cx->arch);
    fputs("# the script\n\n", out);
    fwrite(s->text, 1, s->len, out);
}
