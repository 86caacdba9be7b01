/*
 * dwarf: debug information as sema asks for it: types by name, variables, functions, and what a
 * variable's location is at an address. Built on libdw, which sees only files opened through
 * the sysroot. Each module has an index of its names (types, variables, functions), so that a
 * look-up does not parse every compile unit; indexes are cached by build-id under
 * $XDG_CACHE_HOME/ngstap (a bad or stale cache file is ignored and rewritten).
 *
 * Handles: struct dbg one module, struct ctype one type (interned: equal pointers, equal DIEs);
 * all owned by the struct debuginfo, which outlives the compile's passes.
 */
#ifndef DEBUG_DEBUG_H
#define DEBUG_DEBUG_H

#include <stdbool.h>
#include <stdint.h>

#include "target/target.h"

struct debuginfo; /* all modules of a compile */
struct dbg;       /* one module's debug information */
struct ctype;

struct debuginfo *debuginfo_new(struct compile *cx, struct target *t);
void debuginfo_free(struct debuginfo *di);

/*
 * Debug information of the module at PATH (as the target sees it), or of its separate debug
 * file: by build-id and debuglink under the sysroot's and the host's /usr/lib/debug (and
 * beside the file), its build-id verified; SHF_COMPRESSED sections and .zdebug are read.
 * NULL when there is none: *WHY (arena) then says what was looked for and where, and how to
 * get it. "kernel" is the kernel that runs here: its types and enumerators, from BTF.
 */
struct dbg *dbg_open(struct debuginfo *di, const char *path, const char **why);

/*
 * The same, but a module that has only ELF symbols is given too, for function probes (dbg_functions, dbg_symbols,
 * dbg_cfa); its types and variables are not found, and *WHY says what dbg_open would.
 */
struct dbg *dbg_open_any(struct debuginfo *di, const char *path, const char **why);
const char *dbg_path(const struct dbg *m);
const struct build_id *dbg_build_id(const struct dbg *m);
bool dbg_is_kernel(const struct dbg *m);

/* ---- types ---- */

enum ctype_kind {
    CT_VOID, CT_INT, CT_BOOL, CT_CHAR, CT_FLOAT, CT_POINTER, CT_ARRAY,
    CT_STRUCT, CT_UNION, CT_ENUM, CT_FUNC, CT_OTHER,
};

/*
 * A type by the name a script may use: "GCobj" (typedef, base type, or struct/union/enum tag),
 * "struct lua_State", "union GCobj", "enum x", also "T *". Declarations are completed: here, else from
 * the other modules opened so far. NULL: none.
 */
const struct ctype *dbg_type(struct dbg *m, const char *name);

/* Typedefs and qualifiers are looked through by all of these. */
enum ctype_kind ctype_kind(const struct ctype *t);
/* Is T, or what it points to, a type of the kernel, so that values of it lie in kernel memory? */
bool ctype_is_kernel(const struct ctype *t);
/* The module whose debug information says what T's members and size are; NULL: of no one's (void). */
struct dbg *ctype_module(const struct ctype *t);
uint64_t ctype_size(const struct ctype *t);           /* bytes; 0: unknown (void, incomplete) */
bool ctype_signed(const struct ctype *t);
const struct ctype *ctype_target(const struct ctype *t); /* what a pointer points to (NULL: void), an array's element */
uint64_t ctype_array_len(const struct ctype *t);      /* elements; 0: unknown */
const char *ctype_text(struct arena *a, const struct ctype *t); /* "struct lua_State *" */
const struct ctype *ctype_pointer_to(struct debuginfo *di, const struct ctype *t);

struct cmember {
    const char *name;
    const struct ctype *type;
    uint64_t offset;      /* bytes from the start of the outermost struct asked */
    uint32_t bit_off, bit_size; /* bitfields: bit offset from OFFSET (little endian), size; bit_size 0: none */
};

/* A member of a struct or union, also inside anonymous members; completes declarations. */
bool ctype_member(const struct ctype *t, const char *name, struct cmember *out);
/* Calls FN for each member's name (near names, pretty printing). */
void ctype_members(const struct ctype *t, void (*fn)(const struct cmember *m, void *arg), void *arg);

/* ---- types as they are declared ---- */

enum cdecl_kind {
    CD_VOID, CD_BASE, CD_TYPEDEF, CD_CONST, CD_VOLATILE, CD_RESTRICT, CD_ATOMIC, CD_POINTER, CD_ARRAY,
    CD_STRUCT, CD_UNION, CD_ENUM, CD_FUNC, CD_OTHER,
};

/* One step of a type: nothing is looked through, as the ctype_* above do, but declarations are completed. */
struct cdecl {
    enum cdecl_kind kind;
    const char *name;         /* of a typedef, base type or tag, as it is there; NULL: none */
    const struct ctype *of;   /* a typedef's or qualifier's type, what is pointed to, element, result; NULL: void */
    const struct ctype *self; /* the type itself; of a declaration its definition, where one is known */
    bool incomplete;          /* a struct, union or enum that nothing opened so far defines */
    bool flexible;            /* an array without a number of elements, not even 0 */
    bool prototyped;          /* a function whose parameters are known */
    uint64_t align;           /* __attribute__((aligned)), where it is recorded (DWARF 5); 0: not said */
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
void ctype_enumerators(const struct ctype *t, void (*fn)(const char *name, int64_t value, void *arg), void *arg);
/* A function's parameters; TYPE NULL: the dots. */
void ctype_params(const struct ctype *t, void (*fn)(const struct ctype *type, void *arg), void *arg);

/* Enumerator by name (for @enum / bare use); false: none. */
bool dbg_enumerator(struct dbg *m, const char *name, int64_t *value);
/* Calls FN for each enumerator whose name begins with PREFIX, in order of name; not for the kernel's. */
void dbg_enumerators(struct dbg *m, const char *prefix, void (*fn)(const char *name, int64_t value, void *arg),
                     void *arg);

/* ---- global and static variables ---- */

struct dbg_var {
    const char *name;
    const char *file;   /* the compile unit's name */
    uint64_t vaddr;     /* ELF vaddr in the module */
    const struct ctype *type;
};

/* CU: basename or path end of the file that defines it ("name@file.c"), or NULL: any, an external one first. */
bool dbg_variable(struct dbg *m, const char *name, const char *cu, struct dbg_var *out);

/* ---- functions ---- */

struct dbg_func {
    const char *name;
    const char *file;  /* compile unit's or declaration's file */
    uint32_t line;
    uint64_t entry;    /* ELF vaddr of the entry pc; 0: only inlined */
    uint64_t end;
    const void *die;   /* private */
    struct dbg *dbg;
};

/*
 * Functions whose name matches PATTERN (* ? [] as in fnmatch), optionally in FILE (NULL: any).
 * Falls back to ELF symbols (die == NULL) for functions without DWARF. Returns their number; *OUT is an
 * array in the arena, sorted by entry.
 */
uint32_t dbg_functions(struct dbg *m, const char *pattern, const char *file, struct dbg_func **out);

/* Near names for a hint: calls FN for each known name of that class. */
enum dbg_class { DBG_TYPES, DBG_VARIABLES, DBG_FUNCTIONS };
void dbg_names(struct dbg *m, enum dbg_class c, void (*fn)(const char *name, void *arg), void *arg);

/* One DWARF operation, decoded: DW_OP_* code (dwarf.h of elfutils) with its operands. */
struct dbg_op {
    uint8_t atom;
    uint64_t n1, n2;
};

struct dbg_location {
    const struct ctype *type;
    const struct dbg_op *ops; /* DW_OP_fbreg is already rewritten over the frame base; DW_OP_call_frame_cfa remains */
    uint32_t n_ops;
    bool has_const;           /* DW_AT_const_value: the value itself */
    int64_t constant;
};

/*
 * Where the parameter or local NAME of FUNC is at PC (ELF vaddr; the entry for function probes, also when
 * the location list starts a few bytes later after the prologue at -O0). False: *WHY says why (arena).
 */
bool dbg_local(const struct dbg_func *f, uint64_t pc, const char *name, struct dbg_location *out,
               const char **why);
/* Names in scope there. */
void dbg_locals(const struct dbg_func *f, uint64_t pc,
                void (*fn)(const char *name, bool is_param, void *arg), void *arg);

/* The CFA at PC as register + offset, from .eh_frame/.debug_frame; at a function's entry on x86-64 rsp + 8. */
bool dbg_cfa(struct dbg *m, uint64_t pc, uint32_t *reg, int64_t *offset);

/* The type of FUNC's result (NULL: void). */
const struct ctype *dbg_func_result(const struct dbg_func *f);

/* ---- symbols (ELF) ---- */

/* .symtab of the file or of its debug file, else .dynsym. */
const struct elf_symbols *dbg_symbols(struct dbg *m);

/* The same by module; they live as long as DI. NULL: it cannot be opened. */
const struct elf_symbols *dbg_module_symbols(struct debuginfo *di, const struct module *m);

#endif
