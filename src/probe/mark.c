/*
 * mark: static probe points of user-space programs (sys/sdt.h). Enters:
 * process("path").mark("NAME") and .provider("PROVIDER").mark("NAME"), wildcards in both; leaves:
 * one instance for all places that match, or, where the handler asks for something of the mark's
 * own, one each, since arguments are elsewhere in each. $arg1 and so on are the mark's arguments,
 * numbers of the size and sign that its note says; $$name, $$provider, $$vars and $$parms are text.
 * For SystemTap, which reads the notes itself, there is one instance for all marks of one name.
 * Refused: names that no mark has; arguments whose place is told in a way that is not read.
 */
#include "probe/tables.h"

#include <dwarf.h>
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "target/marks.h"

enum { ARGUMENTS_MAX = 64, OPS_MAX = 8 };

static const char argument_prefix[] = "$arg";

/* What an instance is at. */
struct mark {
    const struct elf_mark *note;
    struct module *module;
    uint32_t n_args;
};

/* What a point looks for. */
struct wanted {
    const struct point_part *provider, *mark; /* PROVIDER may be NULL */
    const struct probe_modules *modules;
    struct module *module;
};

/* ---- points ---- */

/* POINT as it is for NOTE; EXACT: with the provider where the script does not say it. */
static struct probe_point *named(struct arena *a, const struct probe_point *point,
                                 const struct wanted *w, const struct elf_mark *note, bool exact)
{
    const char *values[8], **v = values;
    struct probe_point *copy;

    *v++ = w->modules->exe->path;
    if (w->modules->rest != point->parts->next)
        *v++ = w->module->path;
    if (w->provider)
        *v++ = note->provider;
    *v = note->name;
    copy = probe_point_with(a, point, values);
    if (!exact || w->provider)
        return copy;
    for (struct point_part *p = copy->parts; p; p = p->next)
        if (p->next && !p->next->next) { /* before the last */
            struct point_part *provider = ARENA_NEW(a, struct point_part);

            *provider = *p->next;
            provider->name = "provider";
            provider->arg = expr_string(a, p->at, note->provider, (uint32_t)strlen(note->provider));
            provider->next = p->next;
            p->next = provider;
            break;
        }
    return copy;
}

static bool is_wanted(const struct wanted *w, const struct elf_mark *m)
{
    return !fnmatch(w->mark->arg->text, m->name, 0) &&
           (!w->provider || !fnmatch(w->provider->arg->text, m->provider, 0));
}

/* Has one before the Ith the same names? */
static bool is_again(const struct elf_mark *const *v, uint32_t i)
{
    for (uint32_t k = 0; k < i; k++)
        if (!strcmp(v[k]->name, v[i]->name) && !strcmp(v[k]->provider, v[i]->provider))
            return true;
    return false;
}

static bool no_mark(struct probe_env *env, const struct wanted *w, const struct elf_marks *all)
{
    struct diag *d = env->cx->diag;
    const char *path = w->module->path;
    struct near name, provider;
    bool known = !w->provider;

    if (!all->n) {
        diag_error(d, w->mark->at, "no-mark", "%s has no marks", path);
        diag_hint(d, "a program has those that it was built with: sys/sdt.h, of the package "
                     "systemtap-sdt-dev");
        return false;
    }
    near_init(&name, w->mark->arg->text);
    near_init(&provider, w->provider ? w->provider->arg->text : "");
    for (uint32_t i = 0; i < all->n; i++) {
        bool ours = !w->provider || !fnmatch(w->provider->arg->text, all->v[i].provider, 0);

        known |= ours;
        near_try(&provider, all->v[i].provider);
        if (ours)
            near_try(&name, all->v[i].name);
    }
    const struct point_part *bad = known ? w->mark : w->provider;
    const char *best = near_best(known ? &name : &provider);

    diag_error(d, bad->arg->at, "no-mark", "no %s of %s %s '%s'",
               known ? "mark" : "provider of marks", path,
               has_wildcard(bad->arg->text) ? "matches" : "is named", bad->arg->text);
    if (best)
        diag_hint(d, "did you mean '%s'?", best);
    else
        diag_hint(d, "-l 'process(\"%s\").mark(\"*\")' lists them", path);
    return false;
}

/* ---- instances ---- */

static const char *function_at(const struct elf_symbols *s, uint64_t vaddr)
{
    const struct elf_symbol *f = elf_symbol_at(s, vaddr);

    return f && f->is_func ? f->name : NULL;
}

static void add_one(struct probe_env *env, struct probe_point *point, const struct probe_type *type,
                    const struct wanted *w, const struct elf_mark *note,
                    const struct elf_symbols *symbols)
{
    struct arena *a = env->cx->arena;
    struct probe_inst *inst = probe_add(env, named(a, point, w, note, false), type);
    struct mark *m = ARENA_NEW(a, struct mark);

    *m = (struct mark){note, w->module, mark_arguments(note->args)};
    inst->by_name = true;
    if (env->stap)
        inst->point = named(a, point, w, note, true);
    inst->data = m;
    inst->module_id = probe_module(env, w->module->path, NULL);
    inst->vaddr = note->vaddr;
    inst->semaphore = note->semaphore;
    inst->func_name = function_at(symbols, note->vaddr);
}

static void add_places(struct probe_env *env, struct probe_point *point,
                       const struct probe_type *type, const struct wanted *w,
                       const struct elf_mark *const *found, uint32_t n,
                       const struct elf_symbols *symbols)
{
    struct arena *a = env->cx->arena;
    struct elf_mark written = {.name = w->mark->arg->text,
                               .provider = w->provider ? w->provider->arg->text : NULL};
    struct probe_inst *inst = probe_add(env, named(a, point, w, &written, false), type);

    inst->module_id = probe_module(env, w->module->path, NULL);
    inst->places = ARENA_ARRAY(a, struct probe_place, n);
    inst->n_places = n;
    for (uint32_t i = 0; i < n; i++)
        inst->places[i] = (struct probe_place){
            probe_point_text(a, named(a, point, w, found[i], false)),
            function_at(symbols, found[i]->vaddr), found[i]->vaddr, found[i]->semaphore};
}

static bool too_many(struct probe_env *env, const struct wanted *w, uint32_t n, uint32_t max)
{
    if (n <= max)
        return false;
    diag_error(env->cx->diag, w->mark->arg->at, "limit",
               "'%s' matches %u places of marks in %s; at most %u can be probed",
               w->mark->arg->text, n, w->module->path, max);
    diag_hint(env->cx->diag, "name fewer: \"name*\", .provider(\"name\").mark(\"name*\")");
    return true;
}

static bool resolve_in(struct probe_env *env, struct probe_point *point,
                       const struct probe_type *type, const struct wanted *w)
{
    struct arena *a = env->cx->arena;
    struct elf_marks all = elf_marks_read(a, w->module->fd);
    const struct elf_mark **found = ARENA_ARRAY(a, const struct elf_mark *, all.n + 1);
    struct elf_symbols symbols = elf_symbols_read(a, w->module->fd);
    bool by_name = env->stap || env->apart;
    uint32_t n = 0;

    for (uint32_t i = 0; i < all.n; i++) {
        if (!is_wanted(w, &all.v[i]))
            continue;
        found[n] = &all.v[i];
        n += !by_name || !is_again(found, n);
    }
    if (!n)
        return no_mark(env, w, &all);
    bool one_handler = n > 1 && !by_name && !probe_depends_on_place(env->probe);

    env->prog->n_places += n;
    if (too_many(env, w, env->prog->n_places, PROBE_MAX_PLACES) ||
        (!one_handler && too_many(env, w, n, PROBE_MAX_HANDLERS)))
        return false;
    if (one_handler)
        add_places(env, point, type, w, found, n, &symbols);
    for (uint32_t i = 0; !one_handler && i < n; i++)
        add_one(env, point, type, w, found[i], &symbols);
    return true;
}

static bool resolve(struct probe_env *env, struct probe_point *point, const struct probe_type *type)
{
    struct probe_modules modules;
    bool ok = probe_find_modules(env, point, &modules);

    for (uint32_t i = 0; ok && i < modules.n; i++) {
        const struct point_part *first = modules.rest;
        struct wanted w = {first->next ? first : NULL, first->next ? first->next : first, &modules,
                           modules.v[i]};

        ok = resolve_in(env, point, type, &w);
    }
    return ok;
}

/* ---- $argN ---- */

static void add_op(struct dbg_location *at, struct dbg_op *ops, uint8_t atom, uint64_t n1,
                   uint64_t n2)
{
    ops[at->n_ops++] = (struct dbg_op){.atom = atom, .n1 = n1, .n2 = n2};
}

/* The address of a symbol of the file; false after reporting. */
static bool add_symbol(struct probe_env *env, const struct mark *m, const struct expr *e,
                       const struct arch_operand *from, struct probe_var *out, struct dbg_op *ops)
{
    struct diag *d = env->cx->diag;
    struct elf_symbols all = elf_symbols_read(env->cx->arena, m->module->fd);
    const char *name = arena_strndup(env->cx->arena, from->symbol, from->symbol_len), *why = NULL;

    for (uint32_t i = 0; i < all.n; i++) {
        if (strcmp(all.v[i].name, name) != 0)
            continue;
        out->dbg = dbg_open_any(env->debuginfo, m->module->path, &why);
        if (!out->dbg)
            break;
        add_op(&out->location, ops, DW_OP_addr, all.v[i].vaddr + (uint64_t)from->number, 0);
        return true;
    }
    return diag_error(d, e->op_at, "no-var",
                      "%s cannot be read: it is at the symbol %s, which %s does not tell", e->text,
                      name, m->module->path);
}

static bool to_location(struct probe_env *env, const struct mark *m, const struct expr *e,
                        const struct mark_argument *arg, struct probe_var *out)
{
    const struct arch_operand *from = &arg->at;
    struct dbg_op *ops = ARENA_ARRAY(env->cx->arena, struct dbg_op, OPS_MAX);

    out->location.ops = ops;
    if (from->symbol && !add_symbol(env, m, e, from, out, ops))
        return false;
    if (from->kind == OPERAND_CONSTANT && !from->symbol) {
        out->location.has_const = true;
        out->location.constant = from->number;
    } else if (from->kind == OPERAND_REGISTER) {
        add_op(&out->location, ops, DW_OP_bregx, (uint64_t)from->base, 0);
        if (from->shift) {
            add_op(&out->location, ops, DW_OP_constu, from->shift, 0);
            add_op(&out->location, ops, DW_OP_shr, 0, 0);
        }
    } else if (from->kind == OPERAND_MEMORY) {
        if (!from->symbol)
            add_op(&out->location, ops, DW_OP_constu, (uint64_t)from->number, 0);
        if (from->base >= 0) {
            add_op(&out->location, ops, DW_OP_bregx, (uint64_t)from->base, 0);
            add_op(&out->location, ops, DW_OP_plus, 0, 0);
        }
        if (from->index >= 0) {
            add_op(&out->location, ops, DW_OP_bregx, (uint64_t)from->index, 0);
            add_op(&out->location, ops, DW_OP_constu, from->scale, 0);
            add_op(&out->location, ops, DW_OP_mul, 0, 0);
            add_op(&out->location, ops, DW_OP_plus, 0, 0);
        }
    }
    if (from->kind != OPERAND_MEMORY)
        add_op(&out->location, ops, DW_OP_stack_value, 0, 0);
    return true;
}

/* N of "$argN", from 1; 0: it is no such name. */
static uint32_t argument_number(const char *name)
{
    char *end;

    if (strncmp(name, argument_prefix, strlen(argument_prefix)) != 0)
        return 0;
    name += strlen(argument_prefix);
    if (*name < '1' || *name > '9')
        return 0;
    unsigned long n = strtoul(name, &end, 10);

    return *end || n > UINT32_MAX ? 0 : (uint32_t)n;
}

static bool no_argument(struct probe_env *env, const struct mark *m, const struct expr *e)
{
    struct diag *d = env->cx->diag;

    if (!m->n_args)
        return diag_error(d, e->op_at, "no-var", "the mark '%s' has no arguments here",
                          m->note->name);
    diag_error(d, e->op_at, "no-var", "the mark '%s' has no %s", m->note->name, e->text);
    diag_hint(d, m->n_args == 1 ? "it has $arg1" : "it has $arg1 to $arg%u", m->n_args);
    return false;
}

static bool target_var(struct probe_env *env, struct probe_inst *inst, const struct expr *e,
                       struct probe_var *out)
{
    const struct mark *m = inst->data;
    uint32_t n = argument_number(e->text);
    struct mark_argument arg;
    const char *why;

    *out = (struct probe_var){.pc = inst->vaddr};
    if (!n || n > m->n_args)
        return no_argument(env, m, e);
    if (env->stap) { /* it reads the note itself */
        out->is_argument = true;
        out->argument = n - 1;
        return true;
    }
    if (!mark_argument(env->cx->arch, m->note->args, n - 1, &arg, &why))
        return diag_error(env->cx->diag, e->op_at, "no-var", "%s cannot be read: %s (%s)", e->text,
                          why, m->note->args);
    out->size = arg.size;
    out->is_signed = arg.is_signed;
    return to_location(env, m, e, &arg, out);
}

/* As SystemTap has them: "$arg1=0x1 $arg2=0x2". */
static struct expr *all_arguments(struct probe_env *env, const struct mark *m, const struct expr *e)
{
    struct arena *a = env->cx->arena;
    struct expr *all = expr_new(a, EX_PRINT, e->at);
    uint32_t n = m->n_args < ARGUMENTS_MAX ? m->n_args : ARGUMENTS_MAX;

    all->op_at = e->op_at;
    all->text = "sprintf";
    all->print = PRINT_TO_STRING | PRINT_FORMAT;
    all->fmt = "";
    all->args = ARENA_ARRAY(a, struct expr *, n + 1);
    for (; all->n_args < n; all->n_args++) {
        struct expr *one = expr_new(a, EX_TARGET, e->at);

        one->op_at = e->op_at;
        one->text = arena_printf(a, "%s%u", argument_prefix, all->n_args + 1);
        all->fmt = arena_printf(a, "%s%s%s=%%#x", all->fmt, *all->fmt ? " " : "", one->text);
        all->args[all->n_args] = one;
    }
    all->fmt_len = (uint32_t)strlen(all->fmt);
    return all;
}

struct expr *probe_mark_text(struct probe_env *env, const struct probe_inst *inst,
                             const struct expr *e)
{
    const struct mark *m = inst->data;
    const char *text = NULL;

    if (inst->type->target_var != target_var)
        return NULL;
    if (!strcmp(e->text, "$$vars") || !strcmp(e->text, "$$parms"))
        return all_arguments(env, m, e);
    if (!strcmp(e->text, "$$name"))
        text = m->note->name;
    if (!strcmp(e->text, "$$provider"))
        text = m->note->provider;
    return text ? expr_string(env->cx->arena, e->at, text, (uint32_t)strlen(text)) : NULL;
}

/* ---- -L ---- */

static void variables(const struct probe_inst *inst, probe_variable_fn *fn, void *arg)
{
    const struct mark *m = inst->data;
    char name[16];

    for (uint32_t i = 1; i <= m->n_args && i <= ARGUMENTS_MAX; i++) {
        snprintf(name, sizeof(name), "arg%u", i);
        fn(name, NULL, arg);
    }
}

#define ROW(pattern, summary)                                                                      \
    {                                                                                              \
        pattern, summary, PROBE_UPROBE, resolve, target_var, variables                             \
    }

const struct probe_type probe_types_mark[] = {
    ROW("process(string).mark(string)", "a mark that a program or library was built with "
                                        "(sys/sdt.h)"),
    ROW("process(string).provider(string).mark(string)", "likewise, of that provider"),
    ROW("process.mark(string)", NULL),
    ROW("process.provider(string).mark(string)", NULL),
    ROW("process(string).library(string).mark(string)", NULL),
    ROW("process(string).library(string).provider(string).mark(string)", NULL),
    ROW("process.library(string).mark(string)", NULL),
    ROW("process.library(string).provider(string).mark(string)", NULL),
    {NULL, NULL, PROBE_NEVER, NULL, NULL, NULL},
};
