/*
 * btf_func: the kernel's functions and variables, by its BTF. Enters: a name; leaves: a function's
 * parameters and result, a variable's type. Of variables most kernels tell only those that each
 * processor has for itself (section .data..percpu). Refused: functions
 * whose copies pahole found to differ, which BTF leaves out.
 */
#include "debug/btf_priv.h"

#include <string.h>

enum { PARAMS_MAX = 64 };

static const struct btf_type *type_of(const struct dbg *m, int id)
{
    return id > 0 ? btf__type_by_id(btf_of(m), (uint32_t)id) : NULL;
}

/* Of M itself: a module's name may be the kernel's, too. */
static int find(const struct dbg *m, const char *name, uint32_t kind)
{
    const struct btf *base = btf__base_btf(btf_of(m));

    for (uint32_t id = base ? btf__type_cnt(base) : 1; id < btf__type_cnt(btf_of(m)); id++) {
        const struct btf_type *t = btf__type_by_id(btf_of(m), id);
        const char *here = btf_kind(t) == kind ? btf_name(m, t->name_off) : NULL;

        if (here && !strcmp(here, name))
            return (int)id;
    }
    return 0;
}

bool btf_prototype(struct dbg *m, const char *name, struct dbg_prototype *out)
{
    const struct btf_type *f = type_of(m, find(m, name, BTF_KIND_FUNC));
    const struct btf_type *t = f ? type_of(m, (int)f->type) : NULL;

    *out = (struct dbg_prototype){{NULL, 0}, NULL};
    if (!t || !btf_is_func_proto(t))
        return false;
    out->result = btf_ctype_of(m, t->type);
    out->params.v = ARENA_ARRAY(m->di->a, struct dbg_param, PARAMS_MAX);
    for (uint16_t i = 0; i < btf_vlen(t) && out->params.n < PARAMS_MAX; i++) {
        const struct btf_param *p = &btf_params(t)[i];

        if (p->type || p->name_off) /* else the dots */
            out->params.v[out->params.n++] =
                (struct dbg_param){btf_name(m, p->name_off), btf_ctype_of(m, p->type)};
    }
    return true;
}

static bool in_section(const struct dbg *m, const char *section, int var)
{
    const struct btf_type *t = type_of(m, find(m, section, BTF_KIND_DATASEC));

    for (uint16_t i = 0; t && i < btf_vlen(t); i++)
        if (btf_var_secinfos(t)[i].type == (uint32_t)var)
            return true;
    return false;
}

bool btf_kernel_variable(struct dbg *m, const char *name, const struct ctype **type, bool *per_cpu)
{
    int id = find(m, name, BTF_KIND_VAR);
    const struct btf_type *t = type_of(m, id);

    *type = t ? btf_ctype_of(m, t->type) : NULL;
    *per_cpu = t && in_section(m, ".data..percpu", id);
    return *type;
}
