/*
 * elf: what elf.c and btf.c share: where the functions and maps of a cg_unit lie in the file's
 * sections.
 */
#ifndef CG_ELF_H
#define CG_ELF_H

#include "cg/object.h"

struct cg_blob {
    const void *data;
    size_t size;
};

struct cg_section {
    const char *name;
    uint32_t size; /* bytes */
    uint32_t n_funcs;
};

struct cg_layout {
    struct cg_section *sections; /* of code: programs' in order of first use, ".text" last */
    uint32_t n_sections;
    uint32_t *func_section; /* by function: index in sections */
    uint32_t *func_off;     /* by function: bytes from the section's start */
    uint32_t *order;        /* functions in order of section, then offset */
    uint32_t *map_off;      /* by map: bytes from the start of .maps */
    uint32_t maps_size;     /* of .maps */
};

static inline bool cg_map_is_data(const struct cg_map *m)
{
    return m->name[0] == '.';
}

/* The name of a data section's one variable: ".data.globals" -> "ngs_globals". */
const char *cg_data_symbol(const struct cg_unit *u, const struct cg_map *m);

/* How many members M's definition has in BTF: each takes a pointer in .maps. */
uint32_t cg_map_members(const struct cg_map *m);

/* Makes .BTF and .BTF.ext (in the arena; ext->size 0: no functions); false after reporting. */
bool cg_write_btf(const struct cg_unit *u, const struct cg_layout *l, struct cg_blob *btf,
                  struct cg_blob *ext);

#endif
