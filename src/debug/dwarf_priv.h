/*
 * dwarf_priv: what the files that use libdw share; nothing else of this folder sees libdw. Their
 * order, from below; each uses those before it: cfi, dwarf_die, dwarf_cache, dwarf_index,
 * dwarf_type, dwarf_member, dwarf_decl, dwarf_var, dwarf_func, dwarf_inline, dwarf_call,
 * dwarf_line, dwarf_local, dwarf.
 */
#ifndef DEBUG_DWARF_PRIV_H
#define DEBUG_DWARF_PRIV_H

#include <elfutils/libdw.h>

#include "base/cachefile.h"
#include "debug/debugfile.h"
#include "debug/source.h"

/* What DWARF as a source holds of a module: struct dbg, data. */
struct dwarf {
    struct elf_file debug; /* the separate debug file; none: the module's own file has it */
    struct elf_file alt;   /* the supplementary file (dwz), if it has one */
    struct debugimage image, alt_image; /* what DW and ALT_DW read */
    Dwarf *dw, *alt_dw;
    struct index *index; /* NULL: not asked for so far, or cut off by a bound */
    struct inlines *inlines; /* NULL: not asked for so far (dwarf_inline.c's own) */
    uint32_t lines;          /* rows of line tables read so far (dwarf_line.c) */
    Elf_Data *line_table;    /* .debug_line, once it was asked for */
    struct stretches *code;  /* NULL: not asked for so far (dwarf_line.c's own) */
    bool remote;             /* not the module's own, nor of a file that was looked for by path */
    bool packed;             /* out of a pack: without locals and lines */
};

static inline struct dwarf *dwarf_of(const struct dbg *m)
{
    return m->data;
}

/* ---- cfi.c ---- */

/* The CFA at PC by that table; false: not known, or no register and offset. CFI NULL: none. */
bool cfi_frame(Dwarf_CFI *cfi, uint64_t pc, uint32_t *reg, int64_t *offset);

/* ---- DIEs (dwarf_die.c) ---- */

/* The DIE that DW_AT_type names; false: none, which means void. */
bool die_type(Dwarf_Die *die, Dwarf_Die *out);
bool die_flag(Dwarf_Die *die, unsigned attr); /* false, too, when there is no such attribute */
bool die_udata(Dwarf_Die *die, unsigned attr, uint64_t *out);
/* A member's place in bytes; false: no constant. */
bool die_member_offset(Dwarf_Die *die, uint64_t *offset);
/* A constant; DW_FORM_data1 to 8 say nothing of the sign: IS_SIGNED does (DWARF 5, 7.5.5). */
bool constant_of(Dwarf_Attribute *attr, bool is_signed, int64_t *out);
/* NULL: it has none, or an empty one. */
const char *die_name(Dwarf_Die *die);

/* ---- index (dwarf_index.c, dwarf_cache.c) ---- */

enum index_class {
    INDEX_TYPES,
    INDEX_VARIABLES,
    INDEX_FUNCTIONS,
    INDEX_ENUMERATORS,
    INDEX_CLASSES
};

enum {
    ENTRY_DECLARATION = 1, /* nothing complete is known */
    ENTRY_EXTERNAL = 2,
    ENTRY_INLINE = 4, /* a function's abstract instance: no code of its own */
    ENTRY_TYPES = 8,  /* the DIE lies in .debug_types */
    ENTRY_ALT = 16,   /* ... in the supplementary file */
};

struct index_entry { /* also the cache file's format */
    uint64_t die;    /* offset; an enumerator's value */
    uint32_t name;   /* offset in names */
    uint32_t cu;     /* offset in names of the compile unit's name */
    uint16_t tag;    /* DW_TAG_* */
    uint16_t flags;
    uint32_t order; /* of the walk: entries of one name stay in that order */
};

struct index {
    void *block; /* malloc'ed: a cache file's contents, or the like of it just built */
    size_t size;
    const struct index_entry *v[INDEX_CLASSES]; /* sorted by name */
    uint32_t n[INDEX_CLASSES];
    const char *names;
};

/* The index, built or read from the cache when first needed; NULL: a bound cuts it off. */
const struct index *dw_index(struct dbg *m);

/* The entries of NAME: *FIRST, and their number as the result. */
uint32_t index_find(const struct index *x, enum index_class c, const char *name,
                    const struct index_entry **first);
static inline const char *index_name(const struct index *x, const struct index_entry *e)
{
    return x->names + e->name;
}

/* E's DIE, with the right tag and name; false: the file has no such DIE. */
bool index_die(const struct dbg *m, const struct index_entry *e, Dwarf_Die *die);

void index_free(struct index *x);

/*
 * The block of D's index that was kept, malloc'ed, *SIZE bytes; NULL: none. KEY becomes its name, a
 * hash of the debug sections.
 */
void *cache_load(const struct dwarf *d, uint8_t key[CACHEFILE_KEY_SIZE], size_t *size);
void cache_save(const uint8_t key[CACHEFILE_KEY_SIZE], const void *block, size_t size);

/* ---- types (dwarf_type.c) ---- */

/* ... of a type: struct ctype, data. */
struct type_dies {
    Dwarf_Die named; /* a typedef stays one */
    Dwarf_Die core;  /* without typedefs and qualifiers; set when the kind is asked for */
};

static inline struct type_dies *dies_of(const struct ctype *t)
{
    return t->data;
}

/* The type that DIE is; of an array the one that is left from dimension DIM on. */
const struct ctype *ctype_of_die(struct dbg *m, Dwarf_Die *die, uint64_t dim);
/* The type that DIE's DW_AT_type names; of void when it has none. */
const struct ctype *ctype_of(struct dbg *m, Dwarf_Die *die);

/* ---- functions (dwarf_func.c, dwarf_inline.c) ---- */

/* What DIE, a function with code, tells; false: it has none. UNIT: the name of its unit. */
bool func_of_die(struct dbg *m, Dwarf_Die *die, const char *name, const char *unit,
                 struct dbg_func *out);
/* DIE, an inlined instance in the code of CODE. False: it has no address. */
bool func_of_inlined(struct dbg *m, Dwarf_Die *die, Dwarf_Die *code, const char *name,
                     struct dbg_func *out);
/* Is DIE, inlined in the function SCOPE, the rest of that function itself? GCC cuts a function
 * where it may return early (-fpartial-inlining), and may put both parts together again; the call
 * of the rest is said to be where the function is declared. One that calls itself is none. */
bool func_is_rest(Dwarf_Die *die, Dwarf_Die *scope);
/* Calls FN with each function that is inlined in FUNCTION's code, also within one another, but its
 * own rest; within bounds (BOUND_INLINE_DEPTH). */
typedef void func_inlined_fn(void *arg, Dwarf_Die *die);
void func_each_inlined(Dwarf_Die *function, func_inlined_fn *fn, void *arg);
/* The DIE that declares DIE, a function or an inlined one (DW_AT_abstract_origin); else itself. */
void func_origin(Dwarf_Die *die, Dwarf_Die *out);
/* The file that declares DIE, a function of UNIT; UNIT where that is its own file. */
const char *func_file(Dwarf_Die *die, const char *unit);
/* Does DIE have code at PC? */
bool has_pc(Dwarf_Die *die, uint64_t pc);

/* Calls FN for each unit of M that has DIEs of its own, until it returns false. */
void each_unit(struct dbg *m, bool (*fn)(Dwarf_Die *unit, void *arg), void *arg);

/* ---- the functions of dbg_source_dwarf that are not in dwarf.c ---- */

enum ctype_kind dw_kind(struct ctype *t);
struct ctype *dw_complete(struct ctype *t);
uint64_t dw_size(const struct ctype *t);
bool dw_signed(const struct ctype *t);
const struct ctype *dw_target(const struct ctype *t);
uint64_t dw_array_len(const struct ctype *t);
const char *dw_text(struct arena *a, const struct ctype *t, int depth);
const struct ctype *dw_type(struct dbg *m, const char *tag, const char *name);
bool dw_members(const struct ctype *t, const char *name, struct cmember *out, dbg_member_fn *fn,
                void *arg);
void dw_decl(const struct ctype *t, struct cdecl *out);
void dw_fields(const struct ctype *t, dbg_field_fn *fn, void *arg);
void dw_type_enumerators(const struct ctype *t, dbg_value_fn *fn, void *arg);
void dw_params(const struct ctype *t, dbg_type_fn *fn, void *arg);
bool dw_variable(struct dbg *m, const char *name, const char *cu, struct dbg_var *out);
const struct ctype *dw_variable_type(struct dbg *m, const char *name);
void dw_functions(struct dbg *m, const char *pattern, const char *file, struct dbg_funcs *out);
void dw_inlined(struct dbg *m, const char *pattern, const char *file, struct dbg_funcs *out);
uint32_t dw_calls(const struct dbg_func *f, const char *pattern, struct dbg_call **out,
                  bool *complete);
uint32_t dw_statements(struct dbg *m, const struct dbg_lines *want, struct dbg_statement **out);
bool dw_statement_at(struct dbg *m, uint64_t vaddr, struct dbg_statement *out);
bool dw_line_at(struct dbg *m, uint64_t vaddr, struct symbol_line *out);
const struct ctype *dw_func_result(const struct dbg_func *f);
bool dw_local(const struct dbg_func *f, uint64_t pc, const char *name, struct dbg_location *out,
              const char **why);
void dw_locals(const struct dbg_func *f, uint64_t pc, dbg_local_fn *fn, void *arg);

#endif
