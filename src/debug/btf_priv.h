/*
 * btf_priv: what the files of BTF as a source share. btf.c uses all of them, btf_decl.c,
 * btf_trace.c and btf_func.c use btf_type.c.
 */
#ifndef DEBUG_BTF_PRIV_H
#define DEBUG_BTF_PRIV_H

#include <bpf/btf.h>

#include "debug/source.h"

/* Newer than some headers (Linux 6.0). */
enum { KIND_ENUM64 = 19 };

static inline struct btf *btf_of(const struct dbg *m)
{
    return m->data;
}

/* NULL: none. */
static inline const char *btf_name(const struct dbg *m, uint32_t offset)
{
    const char *name = btf__name_by_offset(btf_of(m), offset);

    return name && *name ? name : NULL;
}

/* ---- btf_type.c ---- */

/* The type of ID past typedefs and qualifiers, a declaration's definition where there is one; 0:
 * void. */
uint32_t btf_complete(const struct dbg *m, uint32_t id);
/* NULL: void, or no such type. */
const struct ctype *btf_ctype_of(struct dbg *m, uint32_t id);
const struct ctype *btf_type_named(struct dbg *m, const char *tag, const char *name);
enum ctype_kind btf_ctype_kind(struct ctype *t);
uint64_t btf_ctype_size(const struct ctype *t);
bool btf_ctype_signed(const struct ctype *t);
const struct ctype *btf_ctype_target(const struct ctype *t);
uint64_t btf_ctype_array_len(const struct ctype *t);
const char *btf_ctype_text(struct arena *a, const struct ctype *t, int depth);
bool btf_ctype_members(const struct ctype *t, const char *name, struct cmember *out,
                       dbg_member_fn *fn, void *arg);

/* ---- btf_decl.c ---- */

void btf_ctype_decl(const struct ctype *t, struct cdecl *out);
void btf_ctype_fields(const struct ctype *t, dbg_field_fn *fn, void *arg);
void btf_ctype_enumerators(const struct ctype *t, dbg_value_fn *fn, void *arg);
void btf_ctype_params(const struct ctype *t, dbg_type_fn *fn, void *arg);

/* ---- btf_trace.c ---- */

bool btf_tracepoint(struct dbg *m, const char *name, struct dbg_params *out);
void btf_tracepoint_names(struct dbg *m, dbg_name_fn *fn, void *arg);

/* ---- btf_func.c ---- */

bool btf_prototype(struct dbg *m, const char *name, struct dbg_prototype *out);
bool btf_kernel_variable(struct dbg *m, const char *name, const struct ctype **type, bool *per_cpu);

#endif
