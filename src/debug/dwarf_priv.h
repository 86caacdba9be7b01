/*
 * dwarf_priv: what the dwarf*.c files share. libdw's types appear here and nowhere outside this
 * folder.
 *
 * Debug information is untrusted. libdw checks bounds; what it does not bound are chains (a typedef
 * of itself, an anonymous member holding its own struct), which are bounded by the limits below, and amounts, which
 * base/bounds.h bounds.
 */
#ifndef DEBUG_DWARF_PRIV_H
#define DEBUG_DWARF_PRIV_H

#include <elfutils/libdw.h>

#include <uthash.h>

#include "base/bounds.h"
#include "debug/debug.h"
#include "target/elf.h"

enum {
    CHAIN_MAX = 64,   /* typedefs and qualifiers on the way to a type */
    NESTING_MAX = 24, /* anonymous members, lexical blocks, arrays of arrays */
    NAME_LEN_MAX = 4096,
};

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

enum { INDEX_KEY_SIZE = 32 };

struct index {
    void *blob; /* malloc'ed: a cache file's contents, or the like of it just built */
    size_t size;
    const struct index_entry *v[INDEX_CLASSES]; /* sorted by name */
    uint32_t n[INDEX_CLASSES];
    const char *names;
};

/* ---- modules ---- */

struct elf_file { /* an open ELF file */
    int fd;
    Elf *elf;
    Elf *debug;  /* its debug sections, as libdw gets them: of IMAGE (debugimage.c) */
    void *image; /* malloc'ed */
    uint64_t image_size;
};

struct dbg {
    struct dbg *next;
    struct debuginfo *di;
    const char *path;
    struct build_id id;
    struct elf_file main, debug, alt; /* debug.elf NULL: the information is in main */
    Dwarf *dw, *dw_alt;
    Dwarf_CFI *cfi_eh, *cfi_debug;
    bool cfi_tried;
    struct index *index;
    struct elf_symbols *symbols, *own_symbols; /* OWN: of the module's file, not of its debug file */
    bool symbols_full;
    bool doubtful; /* the debug file is the target's, who may have put anything into it */
    uint32_t misplaced; /* functions left out because of that */
    const char *why; /* there is no DWARF, only symbols; NULL: there is */
    struct btf *btf; /* the kernel: neither file nor DWARF, but types */
};

struct failed_open { /* so that a module without debug information is looked for once */
    struct failed_open *next;
    const char *path, *why;
};

struct debuginfo {
    struct compile *cx;
    struct arena *a;
    struct target *t;
    struct sysroot *host; /* where this machine's debug files are */
    struct dbg *modules, **last;
    struct failed_open *failed;
    struct ctype *types; /* by key */
    struct ctype *pointers;
};

/* The index, built or read from the cache when first needed; never NULL when m->dw. */
const struct index *dbg_index(struct dbg *m);

/* The entries of NAME: *FIRST and their number. */
uint32_t index_find(const struct index *x, enum index_class c, const char *name,
                    const struct index_entry **first);
static inline const char *index_name(const struct index *x, const struct index_entry *e)
{
    return x->names + e->name;
}

/* Its DIE, with the right tag and name; false: the file has no such DIE. */
bool index_die(const struct dbg *m, const struct index_entry *e, Dwarf_Die *die);

struct index *index_build(struct dbg *m);
void index_free(struct index *x);

/* Takes over BLOB after checking it; NULL (BLOB freed): it is not sound. */
struct index *index_from_blob(void *blob, size_t size);
struct index *cache_load(const struct dbg *m);
void cache_save(const struct dbg *m, const struct index *x);

/* Does a function of the module's own file start at VADDR (entry.c)? */
bool entry_is_own(struct dbg *m, uint64_t vaddr);

/* ---- types (dwarf_type.c) ---- */

struct type_key {
    const void *die; /* address of the DIE, or of BTF's record; of the target for pointers made up */
    uint64_t dim;    /* for arrays of arrays: which dimension the element begins with */
};

struct ctype {
    struct type_key key;
    struct dbg *m;
    struct debuginfo *di;
    Dwarf_Die die; /* as named: a typedef stays one */
    uint32_t btf_id; /* of the kernel's types, which have no DIE */
    bool made_up;  /* a pointer no DIE describes */
    bool is_void;
    const struct ctype *pointee; /* of a made-up pointer */
    /* found when first asked for */
    bool stripped;
    Dwarf_Die core; /* without typedefs and qualifiers */
    enum ctype_kind kind;
    const struct ctype *complete; /* of a declaration */
    UT_hash_handle hh;
};

const struct ctype *ctype_of_btf(struct dbg *m, uint32_t id, const void *record);
const struct ctype *ctype_of_die(struct dbg *m, Dwarf_Die *die, uint64_t dim);
/* The type that DIE's DW_AT_type names; of void when it has none. */
const struct ctype *ctype_of(struct dbg *m, Dwarf_Die *die);
/* The same type with its members known, when it or another module opened so far has them; stripped.
 */
struct ctype *ctype_complete(const struct ctype *t);
bool die_type(Dwarf_Die *die, Dwarf_Die *out);
bool die_flag(Dwarf_Die *die, unsigned attr);
bool die_udata(Dwarf_Die *die, unsigned attr, uint64_t *out);
/* A member's place in bytes; false: no constant (dwarf_member.c). */
bool die_member_offset(Dwarf_Die *die, uint64_t *offset);
/* A constant; DW_FORM_data1 to 8 say nothing of the sign: IS_SIGNED does (DWARF 5, 7.5.5). */
bool constant_of(Dwarf_Attribute *attr, bool is_signed, int64_t *out);
/* ---- the kernel's types (btf.c): ctype_* and dbg_* of them end here ---- */

/* The kernel as a module; NULL: *WHY. */
struct dbg *btf_open(struct debuginfo *di, const char **why);
void btf_close(struct dbg *m);
/* A type by its bare name; TAG: "struct", "union", "enum" or "" for any. */
const struct ctype *btf_lookup(struct dbg *m, const char *tag, const char *name);
bool btf_enumerator(struct dbg *m, const char *name, int64_t *value);
void btf_type_names(struct dbg *m, void (*fn)(const char *name, void *arg), void *arg);
enum ctype_kind btf_ctype_kind(const struct ctype *t);
uint64_t btf_ctype_size(const struct ctype *t);
bool btf_ctype_signed(const struct ctype *t);
const struct ctype *btf_ctype_target(const struct ctype *t);
uint64_t btf_ctype_array_len(const struct ctype *t);
const char *btf_ctype_text(struct arena *a, const struct ctype *t, int depth);
/* The member NAME into *OUT, or, with NULL, FN for each. */
bool btf_ctype_members(const struct ctype *t, const char *name, struct cmember *out,
                       void (*fn)(const struct cmember *m, void *arg), void *arg);

/* The type of ID past qualifiers, a declaration's definition where there is one; 0: void. */
uint32_t btf_complete(const struct dbg *m, uint32_t id);
/* NULL: void, or no such type. */
const struct ctype *btf_ctype_of(struct dbg *m, uint32_t id);
void btf_ctype_decl(const struct ctype *t, struct cdecl *out);
void btf_ctype_fields(const struct ctype *t, void (*fn)(const struct cfield *f, void *arg), void *arg);
void btf_ctype_enumerators(const struct ctype *t, void (*fn)(const char *name, int64_t value, void *arg),
                           void *arg);
void btf_ctype_params(const struct ctype *t, void (*fn)(const struct ctype *type, void *arg), void *arg);

/* dwarf_diename, but bounded, and never NULL for "" . */
const char *die_name(Dwarf_Die *die);
/* Does FILE end with the path WANTED, at a slash? */
bool file_matches(const char *file, const char *wanted);

#endif
