/*
 * btf_trace: the kernel's tracepoints, by its BTF. Enters: a name; leaves: the parameters that its
 * handlers get. A tracepoint NAME has a typedef btf_trace_NAME of a pointer to a function, whose
 * first parameter is the kernel's own (include/trace/bpf_probe.h). That type does not say the
 * parameters' names: the function __traceiter_NAME does (include/linux/tracepoint.h, Linux 5.10),
 * else they have none. Refused: tracepoints of modules, which are in BTF of their own.
 */
#include "debug/btf_priv.h"

#include <string.h>

#define PREFIX "btf_trace_"

enum { PARAMS_MAX = 64 };

static const struct btf_type *type_of(const struct dbg *m, int id)
{
    return id > 0 ? btf__type_by_id(btf_of(m), (uint32_t)id) : NULL;
}

/* The function type that a typedef of a pointer, or a function, leads to; NULL: none. */
static const struct btf_type *proto_of(const struct dbg *m, const struct btf_type *t)
{
    for (int i = 0; i < 3 && t && !btf_is_func_proto(t); i++)
        t = btf_is_typedef(t) || btf_is_ptr(t) || btf_is_func(t) ? type_of(m, (int)t->type) : NULL;
    return t;
}

static const struct btf_type *find(const struct dbg *m, const char *prefix, const char *name,
                                   uint32_t kind)
{
    const char *full = arena_printf(m->di->a, "%s%s", prefix, name);

    return proto_of(m, type_of(m, btf__find_by_name_kind(btf_of(m), full, kind)));
}

bool btf_tracepoint(struct dbg *m, const char *name, struct dbg_params *out)
{
    const struct btf_type *types = find(m, PREFIX, name, BTF_KIND_TYPEDEF);
    const struct btf_type *names = find(m, "__traceiter_", name, BTF_KIND_FUNC);

    *out = (struct dbg_params){NULL, 0};
    if (!types)
        return false;
    if (names && btf_vlen(names) != btf_vlen(types))
        names = NULL;
    out->v = ARENA_ARRAY(m->di->a, struct dbg_param, PARAMS_MAX);
    for (uint16_t i = 1; i < btf_vlen(types) && out->n < PARAMS_MAX; i++) {
        out->v[out->n++] =
            (struct dbg_param){names ? btf_name(m, btf_params(names)[i].name_off) : NULL,
                               btf_ctype_of(m, btf_params(types)[i].type)};
    }
    return true;
}

void btf_tracepoint_names(struct dbg *m, dbg_name_fn *fn, void *arg)
{
    for (uint32_t id = 1; id < btf__type_cnt(btf_of(m)); id++) {
        const struct btf_type *t = type_of(m, (int)id);
        const char *name = btf_is_typedef(t) ? btf__name_by_offset(btf_of(m), t->name_off) : NULL;

        if (name && !strncmp(name, PREFIX, strlen(PREFIX)) && proto_of(m, t))
            fn(name + strlen(PREFIX), arg);
    }
}
