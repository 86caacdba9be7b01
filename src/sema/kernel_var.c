/*
 * kernel_var: variables of the kernel, @var("name", "kernel"). Enters: a name; leaves: where the
 * kernel's symbols put it, and its type: the kernel's BTF tells that of few, so those that scripts
 * ask for are listed here. Refused: variables that each processor has for itself, names that
 * several variables have (which file each is of is not known), kernels that name functions only.
 */
#include "sema/internal.h"

#include <string.h>

#include "target/ksyms.h"

/* As the kernel's sources declare them, and have for long. */
static const struct {
    const char *name, *type;
} declared[] = {
    {"_totalram_pages", "atomic_long_t"},
    {"boot_cpu_data", "struct cpuinfo_x86"},
    {"cpu_khz", "unsigned int"},
    {"init_mm", "struct mm_struct"},
    {"init_net", "struct net"},
    {"init_pid_ns", "struct pid_namespace"},
    {"init_task", "struct task_struct"},
    {"init_user_ns", "struct user_namespace"},
    {"init_uts_ns", "struct uts_namespace"},
    {"jiffies", "unsigned long"},
    {"jiffies_64", "u64"},
    {"loops_per_jiffy", "unsigned long"},
    {"max_low_pfn", "unsigned long"},
    {"max_pfn", "unsigned long"},
    {"nr_cpu_ids", "unsigned int"},
    {"nr_threads", "int"},
    {"panic_timeout", "int"},
    {"saved_command_line", "char *"},
    {"system_state", "enum system_states"},
    {"tcp_hashinfo", "struct inet_hashinfo"},
    {"total_forks", "unsigned long"},
    {"tsc_khz", "unsigned int"},
};

static const struct ctype *declared_type(struct dbg *dbg, const char *name)
{
    for (size_t i = 0; i < sizeof(declared) / sizeof(*declared); i++)
        if (!strcmp(declared[i].name, name))
            return dbg_type(dbg, declared[i].type);
    return NULL;
}

static uint64_t address_of(const struct ksyms *k, const char *name)
{
    for (uint32_t i = 0; i < k->n; i++)
        if (!k->v[i].module && !strcmp(k->v[i].name, name))
            return k->v[i].addr;
    return 0;
}

/* ETEXT: where the kernel's code ends. Linux 7.2 lists its own variables as 'T' and 't'. */
static bool is_variable(const struct ksym *s, uint64_t etext)
{
    return strchr("aAbBdDgGrRsSvV", s->type) || (!s->module && etext && s->addr >= etext);
}

static bool in_module(const struct ksym *s, const char *module)
{
    return module ? s->module && !strcmp(s->module, module) : !s->module;
}

static const struct ksym *find(const struct ksyms *k, const char *module, const char *name,
                               uint32_t *n)
{
    const struct ksym *found = NULL;
    uint64_t etext = address_of(k, "_etext");

    *n = 0;
    for (uint32_t i = 0; i < k->n; i++)
        if (!strcmp(k->v[i].name, name) && in_module(&k->v[i], module) &&
            is_variable(&k->v[i], etext)) {
            found = &k->v[i];
            ++*n;
        }
    return found;
}

static bool is_per_cpu(const struct ksyms *k, const struct ksym *s)
{
    return !s->module && s->addr >= address_of(k, "__per_cpu_start") &&
           s->addr < address_of(k, "__per_cpu_end");
}

static bool no_variable(struct sema *s, const struct expr *e, const struct ksyms *k,
                        const char *module, const char *name)
{
    uint64_t etext = address_of(k, "_etext");
    struct near near;

    near_init(&near, name);
    for (uint32_t i = 0; i < k->n; i++)
        if (in_module(&k->v[i], module) && is_variable(&k->v[i], etext))
            near_try(&near, k->v[i].name);
    diag_error(s->diag, e->op_at, "no-var", "%s%s has no variable '%s'",
               module ? "the module " : "the kernel", module ? module : "", name);
    if (!address_of(k, "init_task") && !module)
        diag_hint(s->diag, "this kernel's /proc/kallsyms lists functions alone: variables take one "
                           "built with CONFIG_KALLSYMS_ALL, as distributions' kernels are");
    else if (near_best(&near))
        diag_hint(s->diag, "did you mean '%s'?", near_best(&near));
    return false;
}

bool sema_kernel_variable(struct sema *s, const struct expr *e, struct dbg *dbg, const char *name,
                          struct sema_kernel_var *out)
{
    const struct ksyms *k = kernel_symbols(s->cx, s->target);
    const char *module = kernel_module_of(dbg_path(dbg));
    bool per_cpu = false;
    uint32_t n;

    if (!k->n)
        return diag_error(s->diag, e->op_at, "kernel", "%s", k->why);
    const struct ksym *sym = find(k, module, name, &n);

    if (!sym && module)
        sym = find(k, module = NULL, name, &n);
    if (!sym)
        return no_variable(s, e, k, kernel_module_of(dbg_path(dbg)), name);
    if (n > 1)
        return diag_error(s->diag, e->op_at, "no-var",
                          "%u variables of the kernel are named '%s', and which is of what file "
                          "its BTF does not tell",
                          n, name);
    if (!dbg_kernel_variable(dbg, name, &out->type, &per_cpu))
        out->type = declared_type(dbg, name);
    if (per_cpu || is_per_cpu(k, sym)) {
        diag_error(s->diag, e->op_at, "no-var",
                   "each processor has a '%s' of its own: the name alone has no address", name);
        diag_hint(s->diag, "&@var(\"__per_cpu_offset\", \"kernel\") is where a table of offsets by "
                           "processor lies, which go onto a symbol's address in /proc/kallsyms");
        return false;
    }
    out->path = module ? dbg_path(dbg) : "kernel";
    out->vaddr = sym->addr - ksyms_base(k, module);
    return true;
}

bool sema_no_kernel_type(struct sema *s, const struct expr *e, const char *name)
{
    diag_error(s->diag, e->op_at, "no-type", "the kernel's BTF does not tell the type of '%s'",
               name);
    diag_hint(s->diag, "say it: @cast(&@var(\"%s\", \"kernel\"), \"TYPE\", \"kernel\")", name);
    return false;
}
