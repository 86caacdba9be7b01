/*
 * btf: the running kernel's types as a source (source.h), from its BTF (/sys/kernel/btf/vmlinux;
 * Documentation/bpf/btf.rst). Enters: names; leaves: types. The kernel is always the one that
 * ngstap runs on: a sysroot has no say. Its modules have BTF of their own. Refused: kernels without
 * BTF. BTF knows neither functions' addresses nor their files, and few variables: its row has no
 * functions for places.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "debug/btf_priv.h"

#define BTF_DIR  "/sys/kernel/btf/"
#define BTF_FILE BTF_DIR "vmlinux"

/* A module's BTF, which goes on from the kernel's: m->data. */
static bool open_of_module(struct dbg *m, const char *name, const char **why)
{
    const char *file = arena_printf(m->di->a, BTF_DIR "%s", name);
    struct btf *btf = access(file, R_OK) ? NULL : btf__parse_split(file, btf_of(m->data));

    if (!btf)
        *why = arena_printf(m->di->a, "the kernel's module %s does not tell its types: %s: %s",
                            name, file, strerror(errno));
    m->data = btf;
    return btf;
}

static bool btf_open(struct dbg *m, const char **why)
{
    const char *module = kernel_module_of(m->path);

    if (module)
        return open_of_module(m, module, why);
    struct btf *btf = access(BTF_FILE, R_OK) ? NULL : btf__parse(BTF_FILE, NULL);

    if (!btf) /* libbpf before 1.0 gives errors as pointers, which ngstap does not build with */
        *why = arena_printf(m->di->a,
                            "this kernel does not tell its types: " BTF_FILE
                            ": %s; it takes one built with "
                            "CONFIG_DEBUG_INFO_BTF, as distributions' kernels are",
                            strerror(errno));
    m->data = btf;
    return btf;
}

static void btf_close(struct dbg *m)
{
    btf__free(m->data);
    m->data = NULL;
}

static bool btf_enumerator(struct dbg *m, const char *name, int64_t *value)
{
    for (uint32_t id = 1; id < btf__type_cnt(btf_of(m)); id++) {
        const struct btf_type *t = btf__type_by_id(btf_of(m), id);

        for (uint16_t i = 0; (btf_is_enum(t) || btf_kind(t) == KIND_ENUM64) && i < btf_vlen(t);
             i++) {
            /* Of both kinds a record starts with the name; the value follows, 32 bits or twice
             * 32. */
            const uint32_t *e = (const uint32_t *)(t + 1) + (size_t)i * (btf_is_enum(t) ? 2 : 3);
            const char *here = btf__name_by_offset(btf_of(m), e[0]);

            if (!here || strcmp(here, name))
                continue;
            *value = !btf_is_enum(t) ? (int64_t)(e[1] | (uint64_t)e[2] << 32)
                     : btf_kflag(t)  ? (int32_t)e[1]
                                     : (int64_t)e[1];
            return true;
        }
    }
    return false;
}

static bool btf_names(struct dbg *m, enum dbg_class c, dbg_name_fn *fn, void *arg)
{
    if (c == DBG_TRACEPOINTS)
        btf_tracepoint_names(m, fn, arg);
    if (c != DBG_TYPES)
        return c == DBG_TRACEPOINTS;
    for (uint32_t id = 1; id < btf__type_cnt(btf_of(m)); id++) {
        const struct btf_type *t = btf__type_by_id(btf_of(m), id);
        const char *name = btf_name(m, t->name_off);

        if (name && !btf_is_func(t) && !btf_is_var(t) && !btf_is_datasec(t) && !btf_is_fwd(t) &&
            btf_kind(t) != BTF_KIND_DECL_TAG && btf_kind(t) != BTF_KIND_TYPE_TAG)
            fn(name, arg);
    }
    return true;
}

/* The kernel's own lasts as long as the kernel; a module may be exchanged. */
static bool btf_settled(const struct dbg *m)
{
    return !kernel_module_of(m->path);
}

const struct dbg_source dbg_source_btf = {
    .name = "BTF",
    .kernel = true,
    .open = btf_open,
    .settled = btf_settled,
    .close = btf_close,
    .type = btf_type_named,
    .enumerator = btf_enumerator,
    .names = btf_names,
    .tracepoint = btf_tracepoint,
    .prototype = btf_prototype,
    .kernel_variable = btf_kernel_variable,
    .kind = btf_ctype_kind,
    .size = btf_ctype_size,
    .is_signed = btf_ctype_signed,
    .target = btf_ctype_target,
    .array_len = btf_ctype_array_len,
    .text = btf_ctype_text,
    .members = btf_ctype_members,
    .decl = btf_ctype_decl,
    .fields = btf_ctype_fields,
    .type_enumerators = btf_ctype_enumerators,
    .params = btf_ctype_params,
};
