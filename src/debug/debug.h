/*
 * debug: what is known of the target's modules: types by name, variables, functions, and where a
 * variable is at an address. This is the folder's only public header. Answers come from a source
 * (source.h: DWARF, the kernel's BTF); callers do not see which. Files are opened through the
 * sysroot only, and all of their contents is untrusted.
 *
 * Each module has an index of its names, so that a look-up does not parse every compile unit;
 * indexes are kept in the cache (a bad or stale file is ignored and rewritten).
 *
 * Handles: struct dbg one module, struct ctype one type (interned: equal pointers, equal types).
 * Everything returned here is owned by the struct debuginfo, and lives as long as it and its
 * compile's arena; so do the names that callbacks get. WHY is text in the arena. What a bound of
 * base/bounds.h cuts off is reported by bounds_end(), and reads as absent meanwhile.
 */
#ifndef DEBUG_DEBUG_H
#define DEBUG_DEBUG_H

#include <stdbool.h>
#include <stdint.h>

#include "target/target.h"

struct debuginfo; /* all modules of a compile */
struct dbg;       /* one module's debug information */
struct ctype;

/* Nothing is opened yet. Never NULL. T must outlive it. */
struct debuginfo *debuginfo_new(struct compile *cx, struct target *t);
/* Closes files; DI NULL: nothing. */
void debuginfo_free(struct debuginfo *di);

/*
 * Debug information of the module at PATH (as the target sees it), or of its separate debug file:
 * by build-id and debuglink under the sysroot's and the host's /usr/lib/debug (and beside the
 * file), its build-id verified; SHF_COMPRESSED sections and .zdebug are read. "kernel" is the
 * kernel that runs here: its types and enumerators. The same handle each time. NULL when there is
 * none: *WHY then says what was looked for and where, and how to get it.
 */
struct dbg *dbg_open(struct debuginfo *di, const char *path, const char **why);

/*
 * The same, but a module that has only ELF symbols is given too, for function probes
 * (dbg_functions, dbg_symbols, dbg_cfa); its types and variables are not found, and *WHY says what
 * dbg_open would (else it is NULL).
 */
struct dbg *dbg_open_any(struct debuginfo *di, const char *path, const char **why);
const char *dbg_path(const struct dbg *m);                  /* as the target sees it; "kernel" */
const struct build_id *dbg_build_id(const struct dbg *m); /* len 0: it has none */
bool dbg_is_kernel(const struct dbg *m);

/* ---- types ---- */

enum ctype_kind {
    CT_VOID, CT_INT, CT_BOOL, CT_CHAR, CT_FLOAT, CT_POINTER, CT_ARRAY,
    CT_STRUCT, CT_UNION, CT_ENUM, CT_FUNC, CT_OTHER,
};

/*
 * A type by the name a script may use: "GCobj" (typedef, base type, or struct/union/enum tag),
 * "struct lua_State", "union GCobj", "enum x", also "T *". Declarations are completed: here, else
 * from the other modules opened so far. NULL: none.
 */
const struct ctype *dbg_type(struct dbg *m, const char *name);

/* Typedefs and qualifiers are looked through by all of these. */
enum ctype_kind ctype_kind(const struct ctype *t);
/* Is T, or what it points to, a type of the kernel, so that values of it lie in kernel memory? */
bool ctype_is_kernel(const struct ctype *t);
/* The module whose debug information says what T's members and size are; NULL: nobody's (void). */
struct dbg *ctype_module(const struct ctype *t);
uint64_t ctype_size(const struct ctype *t); /* bytes; 0: unknown (void, incomplete) */
bool ctype_signed(const struct ctype *t);
/* What a pointer points to (NULL: void), or an array's element; NULL for other types. */
const struct ctype *ctype_target(const struct ctype *t);
uint64_t ctype_array_len(const struct ctype *t);                /* elements; 0: unknown */
const char *ctype_text(struct arena *a, const struct ctype *t); /* "struct lua_State *" */
/* T NULL: "void *". */
const struct ctype *ctype_pointer_to(struct debuginfo *di, const struct ctype *t);

struct cmember {
    const char *name;
    const struct ctype *type;
    uint64_t offset;   /* bytes from the start of the outermost struct asked */
    uint32_t bit_off;  /* of a bit field: bits from OFFSET (little endian) */
    uint32_t bit_size; /* 0: no bit field */
};

/* A member of a struct or union, also inside anonymous members; completes declarations. False: T
 * has none of that name. */
bool ctype_member(const struct ctype *t, const char *name, struct cmember *out);
/* Calls FN for each member that has a name (near names, pretty printing). */
void ctype_members(const struct ctype *t, void (*fn)(const struct cmember *m, void *arg),
                   void *arg);

/* ---- types as they are declared ---- */

enum cdecl_kind {
    CD_VOID, CD_BASE, CD_TYPEDEF, CD_CONST, CD_VOLATILE, CD_RESTRICT, CD_ATOMIC, CD_POINTER,
    CD_ARRAY, CD_STRUCT, CD_UNION, CD_ENUM, CD_FUNC, CD_OTHER,
};

/* One step of a type: the ctype_* above look through typedefs and qualifiers, this does not;
 * declarations are completed. */
struct cdecl {
    enum cdecl_kind kind;
    const char *name; /* of a typedef, base type or tag, as it is there; NULL: none */
    /* a typedef's or qualifier's type, what is pointed to, element, result; NULL: void */
    const struct ctype *of;
    const struct ctype *self; /* the type itself; of a declaration its definition, if known */
    bool incomplete;          /* a struct, union or enum that nothing opened so far defines */
    bool flexible;            /* an array without a number of elements, not even 0 */
    bool prototyped;          /* a function whose parameters are known */
    uint64_t align; /* __attribute__((aligned)), where it is recorded (DWARF 5); 0: not said */
};

/* T NULL: void. */
void ctype_decl(const struct ctype *t, struct cdecl *out);

struct cfield {
    const char *name; /* NULL: anonymous, or a base class */
    const struct ctype *type;
    uint64_t bit;      /* from the start of the struct asked */
    uint32_t bit_size; /* of a bit field, else 0 */
    uint64_t align;    /* as above, of the member */
};

/* A struct's or union's own members, in the order declared; of a typedef or of other types none. */
void ctype_fields(const struct ctype *t, void (*fn)(const struct cfield *f, void *arg), void *arg);
/* Enumerators; values beyond INT64_MAX wrap around, and ctype_signed is false then. */
void ctype_enumerators(const struct ctype *t,
                       void (*fn)(const char *name, int64_t value, void *arg), void *arg);
/* A function's parameters; TYPE NULL: the dots. */
void ctype_params(const struct ctype *t, void (*fn)(const struct ctype *type, void *arg),
                  void *arg);

/* Enumerator by name (for @enum / bare use); false: none. */
bool dbg_enumerator(struct dbg *m, const char *name, int64_t *value);
/* Calls FN for each enumerator whose name begins with PREFIX, in order of name; not the
 * kernel's. */
void dbg_enumerators(struct dbg *m, const char *prefix,
                     void (*fn)(const char *name, int64_t value, void *arg), void *arg);

/* ---- global and static variables ---- */

struct dbg_var {
    const char *name;
    const char *file; /* the compile unit's name */
    uint64_t vaddr;   /* ELF vaddr in the module */
    const struct ctype *type;
};

/*
 * CU: basename or path end of the file that defines it ("name@file.c" says it in NAME), or NULL:
 * any, an external one first. False: none with a fixed address.
 */
bool dbg_variable(struct dbg *m, const char *name, const char *cu, struct dbg_var *out);

/* ---- functions ---- */

struct dbg_func {
    const char *name;
    const char *file; /* the compile unit's or declaration's file; NULL: not known */
    uint32_t line;    /* 0: not known */
    uint64_t entry;   /* ELF vaddr of the entry pc; 0: only inlined */
    uint64_t end;
    void *record; /* private: the source's own; NULL: an ELF symbol alone */
    struct dbg *dbg;
};

/*
 * Functions whose name matches PATTERN (* ? [] as in fnmatch), optionally in FILE (NULL: any); ELF
 * symbols for those that the source does not know. Returns their number; *OUT is an array in the
 * arena, sorted by entry. A place that only a debug file of the target's claims is left out with a
 * warning.
 */
uint32_t dbg_functions(struct dbg *m, const char *pattern, const char *file, struct dbg_func **out);

struct dbg_param {
    const char *name; /* NULL: not known */
    const struct ctype *type;
};
struct dbg_params {
    struct dbg_param *v; /* in the arena, in order */
    uint32_t n;
};

/* What the tracepoint NAME of the kernel, M, hands over. False: it has none of that name. */
bool dbg_tracepoint(struct dbg *m, const char *name, struct dbg_params *out);

/* Calls FN for each known name of that class: near names for a hint, what a wildcard matches. */
enum dbg_class { DBG_TYPES, DBG_VARIABLES, DBG_FUNCTIONS, DBG_TRACEPOINTS };
void dbg_names(struct dbg *m, enum dbg_class c, void (*fn)(const char *name, void *arg), void *arg);

/* One DWARF operation, decoded: DW_OP_* code (dwarf.h of elfutils) with its operands. */
struct dbg_op {
    uint8_t atom;
    uint64_t n1, n2;
};

/* OPS over registers and the CFA: DW_OP_fbreg is rewritten over the frame base,
 * DW_OP_call_frame_cfa remains. */
struct dbg_location {
    const struct ctype *type;
    const struct dbg_op *ops;
    uint32_t n_ops;
    bool has_const; /* DW_AT_const_value: the value itself */
    int64_t constant;
};

/*
 * Where the parameter or local NAME of FUNC is at PC (ELF vaddr; the entry for function probes,
 * also when the location list starts a few bytes later, after the prologue at -O0). False: *WHY
 * says why.
 */
bool dbg_local(const struct dbg_func *f, uint64_t pc, const char *name, struct dbg_location *out,
               const char **why);
/* Names in scope there. */
void dbg_locals(const struct dbg_func *f, uint64_t pc,
                void (*fn)(const char *name, bool is_param, void *arg), void *arg);

/* The CFA at PC as register + offset, from .eh_frame or .debug_frame. False: not known, or not of
 * that form. */
bool dbg_cfa(struct dbg *m, uint64_t pc, uint32_t *reg, int64_t *offset);

/* The type of F's result (NULL: void, or not known). */
const struct ctype *dbg_func_result(const struct dbg_func *f);

/* ---- symbols (ELF) ---- */

/* .symtab of the file or of its debug file, else .dynsym. Never NULL. */
const struct elf_symbols *dbg_symbols(struct dbg *m);

/* The same by module; they live as long as DI. NULL: it cannot be opened. */
const struct elf_symbols *dbg_module_symbols(struct debuginfo *di, const struct module *m);

#endif
