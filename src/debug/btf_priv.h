/*
 * btf_priv: what btf.c and btf_decl.c share.
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

/* The type of ID past qualifiers, a declaration's definition where there is one; 0: void. */
uint32_t btf_complete(const struct dbg *m, uint32_t id);
/* NULL: void, or no such type. */
const struct ctype *btf_ctype_of(struct dbg *m, uint32_t id);
bool btf_ctype_signed(const struct ctype *t);

/* ---- btf_decl.c ---- */

void btf_ctype_decl(const struct ctype *t, struct cdecl *out);
void btf_ctype_fields(const struct ctype *t, dbg_field_fn *fn, void *arg);
void btf_ctype_enumerators(const struct ctype *t, dbg_value_fn *fn, void *arg);
void btf_ctype_params(const struct ctype *t, dbg_type_fn *fn, void *arg);

/* ---- btf_trace.c ---- */

bool btf_tracepoint(struct dbg *m, const char *name, struct dbg_params *out);
void btf_tracepoint_names(struct dbg *m, dbg_name_fn *fn, void *arg);

#endif
