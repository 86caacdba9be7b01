/*
 * kernel: functions of the kernel and of its modules. Enters: kernel.function("name"),
 * module("m").function("name") and kprobe.function("name"), wildcards included, and addresses;
 * leaves: one instance for all functions that a point matches, or, where the handler reads
 * variables, one per function. Which functions there are is said by the kernel's symbols, what
 * their parameters are by its BTF, which knows neither lines nor files: "name@file" is taken by its
 * name. Refused: functions that the compiler has left nothing of, wildcards in a file.
 */
#include "probe/tables.h"

#include <ctype.h>
#include <fnmatch.h>
#include <inttypes.h>
#include <string.h>

#include "arch/arch.h"
#include "base/bytes.h"
#include "probe/moved.h"
#include "target/ksyms.h"

enum {
    HANDLERS_MAX = 500, /* each is a program and a probe */
    FEW = 100,          /* functions: a list of all that can be traced takes longer to read */
};

/* What a point asks for. */
struct wanted {
    const char *name;   /* or a wildcard */
    const char *file;   /* as it is written; NULL: none */
    const char *module; /* NULL: the kernel itself */
    const char *path;   /* of that: "kernel", "kernel:NAME" */
    const struct point_part *function, *where;
};

/* What an instance knows of its function. */
struct kernel_function {
    const char *name;
    bool known; /* its prototype is */
    struct dbg_prototype proto;
    const char *why; /* it is not */
};

/* ---- the point ---- */

static const struct point_part *part(const struct probe_point *point, const char *name)
{
    for (const struct point_part *p = point->parts; p; p = p->next)
        if (p->arg && !strcmp(p->name, name))
            return p;
    return NULL;
}

/* A name that is no path: it is looked for below /sys. '-' is '_' there. */
static const char *module_name(struct probe_env *env, const struct point_part *at)
{
    char *name = arena_strdup(env->cx->arena, at->arg->text);

    for (char *p = name; *p; p++) {
        if (*p == '-')
            *p = '_';
        if (isalnum((unsigned char)*p) || *p == '_')
            continue;
        diag_error(env->cx->diag, at->arg->at, "no-module", "'%s' is no module of the kernel",
                   at->arg->text);
        diag_hint(env->cx->diag, "a module goes by its name alone, as lsmod(8) shows it");
        return NULL;
    }
    return name;
}

static bool read_point(struct probe_env *env, const struct probe_point *point, struct wanted *w)
{
    const struct point_part *module = part(point, "module");

    *w = (struct wanted){.path = "kernel", .function = part(point, "function")};
    w->where = w->function;
    w->name = w->function->arg->text;
    const char *at = strchr(w->name, '@');

    if (at) {
        w->file = at + 1;
        w->name = arena_strndup(env->cx->arena, w->name, (size_t)(at - w->name));
    }
    if (!module)
        return true;
    w->module = module_name(env, module);
    w->where = module;
    if (w->module)
        w->path = arena_printf(env->cx->arena, "kernel:%s", w->module);
    return w->module;
}

static const struct ksyms *symbols(struct probe_env *env, struct span at)
{
    if (env->cx->arch != arch_native()) {
        diag_error(env->cx->diag, at, "kernel", "the kernel here is no %s one",
                   env->cx->arch->title);
        return NULL;
    }
    const struct ksyms *k = kernel_symbols(env->cx, env->target);

    if (k->n)
        return k;
    diag_error(env->cx->diag, at, "kernel", "%s", k->why);
    return NULL;
}

/* ---- which functions ---- */

/* What the compiler or the kernel's build made beside a function. */
static bool is_piece(const char *name)
{
    static const char *const made[] = {"__pfx_", "__cfi_", "__SCT__", "__traceiter_",
                                       "__probestub_"};

    for (size_t i = 0; i < sizeof(made) / sizeof(*made); i++)
        if (!strncmp(name, made[i], strlen(made[i])))
            return true;
    return strstr(name, ".cold") || strstr(name, ".part.");
}

/* "f.isra.0" and "f.constprop.0" are what the compiler made of f when it left parameters out. */
static bool is_copy_of(const char *symbol, const char *name)
{
    size_t len = strlen(name);

    return !strncmp(symbol, name, len) &&
           (!strncmp(symbol + len, ".isra.", 6) || !strncmp(symbol + len, ".constprop.", 11)) &&
           !is_piece(symbol);
}

static bool in_module(const struct ksym *s, const char *module)
{
    return module ? s->module && !strcmp(s->module, module) : !s->module;
}

static bool matches(const struct wanted *w, const struct ksym *s, bool copies)
{
    if (!ksym_is_function(s) || !in_module(s, w->module))
        return false;
    if (has_wildcard(w->name))
        return !is_piece(s->name) && !fnmatch(w->name, s->name, 0);
    return copies ? is_copy_of(s->name, w->name) : !strcmp(s->name, w->name);
}

/* Leaves out what has no place for tracers; of few the kernel tells when it is asked for them. */
static uint32_t drop_untraced(struct probe_env *env, const struct ksym **v, uint32_t n)
{
    uint32_t kept = 0;

    for (uint32_t i = 0; i < n; i++)
        if (n <= FEW || kernel_can_trace(env->cx, env->target, v[i]->name) != KSYM_NO)
            v[kept++] = v[i];
    return kept;
}

/* The functions that W means, each address once, in *OUT. */
static uint32_t find(struct probe_env *env, const struct ksyms *k, const struct wanted *w,
                     bool copies, const struct ksym ***out)
{
    uint32_t n = 0;

    *out = NULL;
    for (uint32_t i = 0; i < k->n; i++) {
        if (!matches(w, &k->v[i], copies) || (n && (*out)[n - 1]->addr == k->v[i].addr))
            continue;
        *out = arena_grow(env->cx->arena, *out, n, sizeof(**out));
        (*out)[n++] = &k->v[i];
    }
    return has_wildcard(w->name) ? drop_untraced(env, *out, n) : n;
}

static bool is_loaded(const struct ksyms *k, const char *module)
{
    return !module || ksyms_base(k, module);
}

static bool no_module(struct probe_env *env, const struct ksyms *k, const struct wanted *w)
{
    struct diag *d = env->cx->diag;
    struct near near;

    diag_error(d, w->where->arg->at, "no-module", "the kernel has no module '%s' loaded",
               w->module);
    near_init(&near, w->module);
    for (uint32_t i = 0; i < k->n; i++)
        if (k->v[i].module && (!i || k->v[i - 1].module != k->v[i].module))
            near_try(&near, k->v[i].module);
    if (near_best(&near))
        diag_hint(d, "did you mean '%s'?", near_best(&near));
    else
        diag_hint(d, "modprobe %s loads it; what is built into the kernel is kernel.function()",
                  w->module);
    return false;
}

static bool no_function(struct probe_env *env, const struct ksyms *k, const struct wanted *w)
{
    struct diag *d = env->cx->diag;
    const struct ksym *elsewhere = NULL;
    struct near near;

    diag_error(d, w->function->arg->at, "no-function", "no function of %s%s %s '%s'",
               w->module ? "the module " : "the kernel", w->module ? w->module : "",
               has_wildcard(w->name) ? "that can be probed matches" : "is named", w->name);
    near_init(&near, w->name);
    for (uint32_t i = 0; i < k->n; i++) {
        if (!ksym_is_function(&k->v[i]))
            continue;
        if (!elsewhere && !strcmp(k->v[i].name, w->name))
            elsewhere = &k->v[i];
        if (in_module(&k->v[i], w->module) && !is_piece(k->v[i].name))
            near_try(&near, k->v[i].name);
    }
    if (elsewhere && elsewhere->module)
        diag_hint(d, "the module %s has it: module(\"%s\").function(\"%s\")", elsewhere->module,
                  elsewhere->module, w->name);
    else if (elsewhere)
        diag_hint(d, "the kernel itself has it: kernel.function(\"%s\")", w->name);
    else if (near_best(&near))
        diag_hint(d,
                  "did you mean '%s'? A function that the compiler put into its callers is "
                  "none any more: probe one of those",
                  near_best(&near));
    else
        diag_hint(d, "a function that the compiler put into its callers is none any more: probe "
                     "one of those");
    return false;
}

/* ---- instances ---- */

/* POINT with the function's own name. */
static struct probe_point *named(struct arena *a, const struct probe_point *point, const char *name)
{
    struct probe_point *copy = ARENA_NEW(a, struct probe_point);
    struct point_part **tail = &copy->parts;

    *copy = *point;
    copy->next = NULL;
    for (const struct point_part *from = point->parts; from; from = from->next) {
        *tail = ARENA_NEW(a, struct point_part);
        **tail = *from;
        if (from->arg && !strcmp(from->name, "function"))
            (*tail)->arg = expr_string(a, from->at, name, (uint32_t)strlen(name));
        (*tail)->next = NULL;
        tail = &(*tail)->next;
    }
    return copy;
}

/* Can the function be traced by its BTF, too? That goes by its name, which must be no other's. */
static bool can_trace(const struct probe_env *env, const struct ksyms *k, const struct ksym *s,
                      const struct kernel_function *f)
{
    uint32_t n = 0;

    if (!f->known || f->proto.params.n > env->cx->arch->n_args)
        return false;
    for (uint32_t i = 0; i < f->proto.params.n; i++)
        if (ctype_size(f->proto.params.v[i].type) > 8)
            return false;
    for (uint32_t i = 0; i < k->n; i++)
        n += ksym_is_function(&k->v[i]) && !strcmp(k->v[i].name, s->name);
    return n == 1;
}

static struct kernel_function *about(struct probe_env *env, const struct wanted *w,
                                     const char *name)
{
    struct kernel_function *f = ARENA_NEW(env->cx->arena, struct kernel_function);
    struct dbg *m = dbg_open(env->debuginfo, w->path, &f->why);

    f->name = name;
    f->known = m && dbg_prototype(m, name, &f->proto);
    if (m && !f->known)
        f->why = strchr(name, '.') ? "the compiler has changed its parameters"
                                   : "the kernel's BTF does not tell this function's parameters";
    return f;
}

static void add_one(struct probe_env *env, struct probe_point *point, const struct probe_type *type,
                    const struct ksyms *k, const struct wanted *w, const struct ksym *s)
{
    struct probe_inst *inst = probe_add(env, named(env->cx->arena, point, s->name), type);
    struct kernel_function *f = about(env, w, s->name);

    inst->data = f;
    inst->module_id = probe_module(env, w->path, NULL);
    inst->vaddr = s->addr - ksyms_base(k, w->module);
    inst->func_name = s->name;
    inst->can_trace = type->target_var && can_trace(env, k, s, f);
}

static void add_all(struct probe_env *env, struct probe_point *point, const struct probe_type *type,
                    const struct ksyms *k, const struct wanted *w, const struct ksym *const *found,
                    uint32_t n)
{
    struct arena *a = env->cx->arena;
    struct probe_inst *inst = probe_add(env, point, type);
    uint64_t base = ksyms_base(k, w->module);

    inst->data = about(env, w, w->name);
    inst->module_id = probe_module(env, w->path, NULL);
    inst->places = ARENA_ARRAY(a, struct probe_place, n);
    inst->n_places = n;
    for (uint32_t i = 0; i < n; i++)
        inst->places[i] = (struct probe_place){probe_point_text(a, named(a, point, found[i]->name)),
                                               found[i]->name, found[i]->addr - base, 0};
}

static bool too_many(struct probe_env *env, const struct wanted *w, uint32_t n, uint32_t max,
                     const char *why)
{
    if (n <= max)
        return false;
    diag_error(env->cx->diag, w->function->arg->at, "limit",
               "'%s' matches %u functions of the kernel; at most %u can be probed%s", w->name, n,
               max, why);
    diag_hint(env->cx->diag, "name fewer: \"name_*\"");
    return true;
}

/* What the kernel knows of functions does not include their files. */
static bool without_file(struct probe_env *env, const struct wanted *w)
{
    struct diag *d = env->cx->diag;

    if (!w->file)
        return true;
    if (!has_wildcard(w->name)) {
        diag_warning(d, w->function->arg->at,
                     "the kernel's BTF does not tell in which file a function is: '%s' is taken by "
                     "its name, '%s'",
                     w->function->arg->text, w->name);
        return true;
    }
    diag_error(d, w->function->arg->at, "no-debuginfo",
               "the kernel's BTF does not tell in which file a function is: what '%s' matches is "
               "not known",
               w->function->arg->text);
    diag_hint(d, "name the functions: \"name_*\"; --backend=stap knows files, where the kernel's "
                 "debug information is installed");
    return false;
}

/*
 * W by the name that the kernel has for it today: how many functions, in *OUT. *GONE: it has none
 * any more, which has been told. Where a point is one of several that may be there, the others are
 * what it is called elsewhere.
 */
static uint32_t find_renamed(struct probe_env *env, const struct ksyms *k, struct wanted *w,
                             const struct ksym ***out, bool *gone)
{
    struct diag *d = env->cx->diag;
    const struct expr *at = w->function->arg;
    const struct moved_fact *f = NULL;

    *gone = false;
    while ((f = moved_find(env->moved, MOVED_FUNCTION, MOVED_OF_KERNEL, w->name, f))) {
        struct wanted now = *w;

        if (!f->now) {
            diag_warning(d, at->at, "nothing is probed here: %s() of the kernel is gone since %s",
                         w->name, f->since);
            *gone = true;
            return 0;
        }
        now.name = f->now;
        uint32_t n = find(env, k, &now, false, out);

        if (!n)
            continue;
        diag_warning(d, at->at, "probing %s() of the kernel, as %s() is called since %s", f->now,
                     w->name, f->since);
        *w = now;
        return n;
    }
    return 0;
}

/* SystemTap looks for functions by itself. */
static bool as_written(struct probe_env *env, struct probe_point *point,
                       const struct probe_type *type, const char *path)
{
    struct probe_inst *inst = probe_add(env, point, type);

    inst->module_id = probe_module(env, path, NULL);
    inst->data = ARENA_NEW(env->cx->arena, struct kernel_function);
    return true;
}

/* Said here, not when the program is made, so that a point marked "?" or "!" is passed over. */
static bool may_be_probed(struct probe_env *env, const struct probe_point *point)
{
    struct kernel *k = env->kernel;

    return !k || k->has[FEAT_KPROBE] || kernel_can_fentry(k) ||
           kernel_no_functions(env->cx, k, point->at);
}

static bool resolve(struct probe_env *env, struct probe_point *point, const struct probe_type *type)
{
    const struct ksym **found;
    struct wanted w;

    if (!read_point(env, point, &w))
        return false;
    if (env->stap)
        return as_written(env, point, type, w.path);
    if (!may_be_probed(env, point))
        return false;
    const struct ksyms *k = symbols(env, point->at);

    if (!k || !without_file(env, &w))
        return false;
    if (!is_loaded(k, w.module))
        return no_module(env, k, &w);
    uint32_t n = find(env, k, &w, false, &found);

    if (!n && !has_wildcard(w.name))
        n = find(env, k, &w, true, &found);
    bool gone = false;

    if (!n && !w.module && !point->optional && !point->sufficient)
        n = find_renamed(env, k, &w, &found, &gone);
    if (!n)
        return gone || no_function(env, k, &w);
    bool one_handler = n > 1 && !env->apart && !probe_depends_on_place(env->probe);

    if (too_many(env, &w, env->prog->n_places + n, PROBE_MAX_PLACES, "") ||
        (!one_handler && !env->apart &&
         too_many(env, &w, n, HANDLERS_MAX, " when the handler looks at their variables")))
        return false;
    env->prog->n_places += n;
    if (one_handler)
        add_all(env, point, type, k, &w, found, n);
    for (uint32_t i = 0; !one_handler && i < n; i++)
        add_one(env, point, type, k, &w, found[i]);
    return true;
}

/* ---- an address ---- */

static bool resolve_address(struct probe_env *env, struct probe_point *point,
                            const struct probe_type *type)
{
    const struct expr *arg = part(point, "statement")->arg;
    uint64_t addr = (uint64_t)arg->number;

    if (env->stap)
        return as_written(env, point, type, "kernel");
    if (!may_be_probed(env, point))
        return false;
    const struct ksyms *k = symbols(env, point->at);
    const struct ksym *s = k ? ksyms_at(k, addr) : NULL;

    if (!k)
        return false;
    if (!s || !ksym_is_function(s)) {
        diag_error(env->cx->diag, arg->at, "no-function",
                   "no function of the kernel is at 0x%" PRIx64, addr);
        diag_hint(env->cx->diag, "/proc/kallsyms lists their addresses, which change at each boot");
        return false;
    }
    const char *path = s->module ? arena_printf(env->cx->arena, "kernel:%s", s->module) : "kernel";
    struct probe_inst *inst = probe_add(env, point, type);

    inst->module_id = probe_module(env, path, NULL);
    inst->vaddr = addr - ksyms_base(k, s->module);
    inst->func_name = s->name;
    return true;
}

/* ---- $name ---- */

static bool no_parameter(struct probe_env *env, const struct kernel_function *f,
                         const struct expr *e)
{
    const struct dbg_params *p = &f->proto.params;
    struct diag *d = env->cx->diag;
    const char *names = "";

    if (!f->known) {
        diag_error(d, e->op_at, "no-debuginfo", "%s: %s", e->text, f->why);
        diag_hint(d, "int_arg(1), pointer_arg(1) ... give its arguments by number");
        return false;
    }
    diag_error(d, e->op_at, "no-var", "%s() of the kernel has no parameter '%s'", f->name, e->text);
    for (uint32_t i = 0; i < p->n; i++)
        if (p->v[i].name)
            names =
                arena_printf(env->cx->arena, "%s%s$%s", names, *names ? ", " : "", p->v[i].name);
    if (*names)
        diag_hint(d, "it has %s; BTF does not tell locals", names);
    else
        diag_hint(d, "it has none; BTF does not tell locals");
    return false;
}

/* How many registers of arguments a value of TYPE takes: none when it lies on the stack. */
static uint32_t registers_of(const struct ctype *type)
{
    uint64_t size = ctype_size(type);

    return size > 16 ? 0 : size > 8 ? 2 : 1;
}

static bool target_var(struct probe_env *env, struct probe_inst *inst, const struct expr *e,
                       struct probe_var *out)
{
    const struct kernel_function *f = inst->data;
    const struct dbg_params *p = &f->proto.params;
    struct diag *d = env->cx->diag;
    uint32_t at = 0;

    if (!strcmp(e->text, "$return"))
        return diag_error(d, e->op_at, "no-var", "$return is known only in .return probes");
    for (uint32_t i = 0; i < p->n; at += registers_of(p->v[i++].type)) {
        if (!p->v[i].name || strcmp(p->v[i].name, e->text + 1) != 0)
            continue;
        if (!registers_of(p->v[i].type) || at + registers_of(p->v[i].type) > env->cx->arch->n_args)
            return diag_error(
                d, e->op_at, "not-yet",
                "%s lies on the stack, where the kernel's parameters are not read yet", e->text);
        *out =
            (struct probe_var){.location.type = p->v[i].type, .is_argument = true, .argument = at};
        return true;
    }
    return no_parameter(env, f, e);
}

static bool return_var(struct probe_env *env, struct probe_inst *inst, const struct expr *e,
                       struct probe_var *out)
{
    const struct kernel_function *f = inst->data;
    struct diag *d = env->cx->diag;

    if (strcmp(e->text, "$return")) /* sema reads it at the entry; here it is only asked for */
        return target_var(env, inst, e, out);
    if (!f->known) {
        diag_error(d, e->op_at, "no-debuginfo", "$return: %s", f->why);
        diag_hint(d, "returnval() gives the register");
        return false;
    }
    if (!f->proto.result)
        return diag_error(d, e->op_at, "no-var", "%s() of the kernel returns no value", f->name);
    *out = (struct probe_var){
        .location.type = f->proto.result, .is_argument = true, .argument = NGS_FUNC_RESULT};
    return true;
}

/* ---- -L ---- */

static void variables(const struct probe_inst *inst, probe_variable_fn *fn, void *arg)
{
    const struct kernel_function *f = inst->data;

    for (uint32_t i = 0; i < f->proto.params.n; i++)
        if (f->proto.params.v[i].name)
            fn(f->proto.params.v[i].name, f->proto.params.v[i].type, arg);
}

static void return_variables(const struct probe_inst *inst, probe_variable_fn *fn, void *arg)
{
    const struct kernel_function *f = inst->data;

    if (f->proto.result)
        fn("return", f->proto.result, arg);
    variables(inst, fn, arg);
}

const struct probe_type probe_types_kernel[] = {
    {"kernel.function(string)", "where a function of the kernel starts", PROBE_KPROBE, resolve,
     target_var, variables},
    {"kernel.function(string).call", NULL, PROBE_KPROBE, resolve, target_var, variables},
    {"kernel.function(string).return", "where it returns", PROBE_KRETPROBE, resolve, return_var,
     return_variables},
    {"module(string).function(string)", "a function of one of its modules", PROBE_KPROBE, resolve,
     target_var, variables},
    {"module(string).function(string).call", NULL, PROBE_KPROBE, resolve, target_var, variables},
    {"module(string).function(string).return", NULL, PROBE_KRETPROBE, resolve, return_var,
     return_variables},
    {"kernel.statement(number).absolute", "an instruction of the kernel's, by its address",
     PROBE_KPROBE, resolve_address, NULL, NULL},
    {"kprobe.function(string)", "a function of the kernel, without its parameters", PROBE_KPROBE,
     resolve, NULL, NULL},
    {"kprobe.function(string).call", NULL, PROBE_KPROBE, resolve, NULL, NULL},
    {"kprobe.function(string).return", NULL, PROBE_KRETPROBE, resolve, NULL, NULL},
    {"kprobe.module(string).function(string)", NULL, PROBE_KPROBE, resolve, NULL, NULL},
    {"kprobe.module(string).function(string).return", NULL, PROBE_KRETPROBE, resolve, NULL, NULL},
    {"kprobe.statement(number).absolute", NULL, PROBE_KPROBE, resolve_address, NULL, NULL},
    {NULL, NULL, PROBE_NEVER, NULL, NULL, NULL},
};
