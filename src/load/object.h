/*
 * object: what load/'s files share about the checked object.
 */
#ifndef LOAD_OBJECT_H
#define LOAD_OBJECT_H

#include "base/diag.h"
#include "load/load.h"

/* Reports that the object is damaged; false. */
static inline bool object_damaged(struct compile *cx, const char *what)
{
    return diag_error(cx->diag, (struct span){0}, "object", "the object is damaged: %s", what);
}

/* What libbpf would follow without looking (btfcheck.c); DATA is aligned. */
bool object_check_btf(struct compile *cx, const void *data, size_t size);
bool object_check_symbols(struct compile *cx, const void *data, size_t size, const char *strings,
                          size_t strings_size, uint32_t n_sections);
bool object_check_relocs(struct compile *cx, const void *data, size_t size, uint64_t target_size,
                         size_t n_syms);

/* What programs may ask of the kernel (codecheck.c); *ASKS_GURU is set where -g is needed. */
bool object_check_code(struct compile *cx, const void *data, size_t size, bool *asks_guru);

bool object_has_kernel_probes(const struct object *o);

#endif
