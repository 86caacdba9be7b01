/*
 * debug: what is known of the target's modules: types by name, variables, functions, and where a
 * variable is at an address. This is the folder's only public header. Answers come from a source
 * (source.h: DWARF, the kernel's BTF); callers do not see which. Files are opened through the
 * sysroot only, and all of their contents is untrusted.
 *
 * Each module has an index of its names, so that a look-up does not parse every compile unit;
 * indexes are kept in the cache (a bad or stale file is ignored and rewritten).
 *
 * Handles: struct dbg is one module, struct ctype one type (interned: equal pointers, equal types).
 * What is returned belongs to the struct debuginfo; it lives as long as that and the compile's
 * arena live. So do names, types and reasons. What a callback gets by pointer (struct cmember and
 * the like) lasts until the callback returns; the names and types in it last longer. ARG goes
 * through to the callback.
 *
 * Arguments are not NULL where nothing else is said. *OUT is to be used only where the function
 * returns true. *WHY is a reason in words, without a newline; it is in the arena or static. A
 * VADDR, a PC and an ENTRY are addresses of the module's ELF file, not of a process. What a bound
 * of base/bounds.h cuts off reads as absent, and bounds_end() reports it.
 */
#ifndef DEBUG_DEBUG_H
#define DEBUG_DEBUG_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "base/file.h"
#include "target/target.h"

struct debuginfo; /* all modules of a compile */
struct dbg;       /* one module's debug information */
struct ctype;

/* Makes a debuginfo with no module open; never NULL. The caller frees it; CX and T must outlive
 * it. */
struct debuginfo *debuginfo_new(struct compile *cx, struct target *t);
/* DIR, whose name must outlive DI, has layouts that are known of some programs, for modules without
 * debug information (docs/layouts.md). */
void debuginfo_layouts(struct debuginfo *di, const char *dir);
/* Closes the files of all modules. No struct dbg or ctype of DI may be used any more. NULL: nothing
 * happens. */
void debuginfo_free(struct debuginfo *di);

/*
 * Opens the debug information of the module at PATH (as the target sees it), or of its separate
 * debug file. That one is found by build-id and debuglink under the sysroot's and the host's
 * /usr/lib/debug, beside the module, or by the servers that DEBUGINFOD_URLS names; its build-id is
 * verified. SHF_COMPRESSED sections and .zdebug are read. PATH "kernel" is the kernel that runs
 * here: its types, enumerators, tracepoints and functions; "kernel:NAME" is its module NAME, as it
 * is loaded. The same path gives the same handle each time. NULL: there is none; *WHY then says
 * what was looked for and where, and how to get it.
 */
struct dbg *dbg_open(struct debuginfo *di, const char *path, const char **why);

/*
 * The same, but a module that has only ELF symbols is given too, for function probes
 * (dbg_functions, dbg_symbols, dbg_cfa). It has no types and no variables, and *WHY says what
 * dbg_open would say. *WHY is NULL when a source knows the module.
 */
struct dbg *dbg_open_any(struct debuginfo *di, const char *path, const char **why);
const char *dbg_path(const struct dbg *m);                /* as the target sees it; "kernel" */
/* Why no more is known of M than some types, and how to get the rest. NULL: all is. */
const char *dbg_lacking(const struct dbg *m);
const struct build_id *dbg_build_id(const struct dbg *m); /* len 0: it has none */
bool dbg_is_kernel(const struct dbg *m);

/*
 * Writes to FD what scripts can ask of M's build, as a debug file for a pack: an ELF file with M's
 * build-id, symbols, types, variables, functions and their parameters' places. FD is a new file's,
 * and stays open. False: *WHY says why there is none.
 */
bool dbg_pack(struct dbg *m, int fd, const char **why);

/*
 * Likewise the layouts of the types that LIST names (pack_layout.c), for all builds that have them
 * alike: an ELF file with those types, and LIST itself. False, too: M lacks one.
 */
bool dbg_layout(struct dbg *m, const char *list, int fd, const char **why);

/* ---- what answers rest on ---- */

enum dbg_found {
    DBG_FOUND_MODULE, /* the target's, by its path */
    DBG_FOUND_ROOT,   /* below the target's root */
    DBG_FOUND_HOST,   /* on this machine */
    DBG_FOUND_LAYOUT, /* likewise, a file of layouts that fitted the process: the path is
                       * "MODULE<tab>FILE" */
};
/* ID all 0: there is no such file. */
typedef void dbg_found_fn(void *arg, enum dbg_found from, const char *path,
                          const struct file_identity *id);

/* The separate debug files that were looked for, found or not, in order; then layouts. */
void debuginfo_found(const struct debuginfo *di, dbg_found_fn *fn, void *arg);

/*
 * Do the modules of TEXT still have these layouts, and no others? A line "MODULE<tab>FILE" each:
 * what was found of DBG_FOUND_LAYOUT, in order. The process is asked anew.
 */
bool debuginfo_layouts_same(struct debuginfo *di, const char *text);

/* Why the same files, and the same layouts, may give other answers in another run (static): some
 * came from a server or a pack, or a module was not there. NULL: they give the same. */
const char *debuginfo_unsettled(const struct debuginfo *di);

/* ---- types ---- */

enum ctype_kind {
    CT_VOID, CT_INT, CT_BOOL, CT_CHAR, CT_FLOAT, CT_POINTER, CT_ARRAY,
    CT_STRUCT, CT_UNION, CT_ENUM, CT_FUNC, CT_OTHER,
};

/*
 * Finds a type by the name that a script may use: "GCobj" (a typedef, a base type, or the tag of a
 * struct, union or enum), "struct lua_State", "union GCobj", "enum x", also "T *". A declaration is
 * completed from this module, else from the other modules opened so far. NULL: M knows none.
 */
const struct ctype *dbg_type(struct dbg *m, const char *name);
/* Likewise in the other modules of programs that were opened so far, such as those that M loads. */
const struct ctype *dbg_type_beside(struct dbg *m, const char *name);

/* All of these look through typedefs and qualifiers. */
enum ctype_kind ctype_kind(const struct ctype *t);
/* Is T, or what it points to, a type of the kernel, so that values of it lie in kernel memory? */
bool ctype_is_kernel(const struct ctype *t);
/* The module whose debug information says what T's members and size are; NULL: nobody's (void). */
struct dbg *ctype_module(const struct ctype *t);
uint64_t ctype_size(const struct ctype *t); /* bytes; 0: unknown (void, incomplete) */
bool ctype_signed(const struct ctype *t);   /* false, too, for what is no number */
/* What a pointer points to (NULL: void), or an array's element; NULL for other types. */
const struct ctype *ctype_target(const struct ctype *t);
uint64_t ctype_array_len(const struct ctype *t); /* elements; 0: unknown, or no array */
/* T as C spells it, in A: "struct lua_State *". */
const char *ctype_text(struct arena *a, const struct ctype *t);
/* The type of a pointer to T. T NULL: "void *". */
const struct ctype *ctype_pointer_to(struct debuginfo *di, const struct ctype *t);

struct cmember {
    const char *name;
    const struct ctype *type;
    uint64_t offset;   /* bytes from the start of the outermost struct asked */
    uint32_t bit_off;  /* of a bit field: bits from OFFSET (little endian) */
    uint32_t bit_size; /* 0: no bit field */
};

/* Finds the member NAME of a struct or union, also inside anonymous members; completes
 * declarations. False: T has none of that name. */
bool ctype_member(const struct ctype *t, const char *name, struct cmember *out);
/* Calls FN for each member that has a name (near names, pretty printing); of other types for
 * none. */
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

/* Writes *OUT always. T NULL: void. */
void ctype_decl(const struct ctype *t, struct cdecl *out);

struct cfield {
    const char *name; /* NULL: anonymous, or a base class */
    const struct ctype *type;
    uint64_t bit;      /* bits from the start of the struct asked */
    uint32_t bit_size; /* of a bit field, else 0 */
    uint64_t align;    /* of the member, as in struct cdecl */
};

/* Calls FN for a struct's or union's own members, in the order declared; of a typedef and of other
 * types for none. */
void ctype_fields(const struct ctype *t, void (*fn)(const struct cfield *f, void *arg), void *arg);
/* Calls FN for an enumeration's enumerators, in the order declared. A value beyond INT64_MAX wraps
 * around; ctype_signed is false then. */
void ctype_enumerators(const struct ctype *t,
                       void (*fn)(const char *name, int64_t value, void *arg), void *arg);
/* Calls FN for a function type's parameters, in order; TYPE NULL: the dots. */
void ctype_params(const struct ctype *t, void (*fn)(const struct ctype *type, void *arg),
                  void *arg);

/* Finds an enumerator by its name, of whatever enumeration (@enum, a bare name). False: M knows
 * none of that name. */
bool dbg_enumerator(struct dbg *m, const char *name, int64_t *value);

/* ---- global and static variables ---- */

struct dbg_var {
    const char *name;
    const char *file; /* the compile unit's name */
    uint64_t vaddr;
    const struct ctype *type;
};

/*
 * Finds the variable NAME. CU is the file that defines it, by the end of its path from a slash on
 * (with * ? [] as in fnmatch); "name@file.c" says it in NAME. CU NULL: any file, an external
 * variable first. False: M knows none of that name that has a fixed address.
 */
bool dbg_variable(struct dbg *m, const char *name, const char *cu, struct dbg_var *out);
/* Of which type a variable NAME is that M may only declare. NULL: M does not say. */
const struct ctype *dbg_variable_type(struct dbg *m, const char *name);

/* ---- functions ---- */

struct dbg_func {
    const char *name;
    const char *file; /* that declares it: the compile unit's or a header; NULL: not known */
    uint32_t line;    /* 0: not known */
    const char *unit; /* the compile unit's name; NULL: not known */
    uint64_t entry;   /* of its first instruction; 0: only inlined */
    uint64_t end;     /* of the first byte behind it; not above ENTRY: not known */
    bool external;    /* other units can call it, as far as is known */
    bool inlined;     /* the code of one call, within another function */
    void *record;     /* private: the source's own; NULL: an ELF symbol alone */
    void *code;       /* private: when inlined, of the function whose code it is in */
    struct dbg *dbg;
};

/*
 * Finds the functions whose name matches PATTERN (* ? [] as in fnmatch), optionally in FILE (as CU
 * above; NULL: any). ELF symbols stand for those that the source does not know. Returns their
 * number; *OUT is an array in the arena, sorted by entry, no two with the same one (but 0), or NULL
 * for none. A place that only a debug file of the target's claims is left out with a warning.
 */
uint32_t dbg_functions(struct dbg *m, const char *pattern, const char *file, struct dbg_func **out);

/* Likewise the places that such functions are inlined at, each a function with INLINED set, sorted
 * by entry; no two of one name with the same entry. */
uint32_t dbg_inlined(struct dbg *m, const char *pattern, const char *file, struct dbg_func **out);

struct dbg_call {
    struct dbg_func callee; /* its code, or the place where it is inlined; ENTRY 0: not in M */
    /* Of a call the return address; of a tail call the jump's own, 0 when it is not known; where
     * the callee is inlined 0. */
    uint64_t at;
    bool tail;
};

/*
 * Finds the calls that F itself makes, those within what is inlined into it left out, of functions
 * whose name matches PATTERN. Returns their number, *OUT is in the arena. *COMPLETE: the compiler
 * has listed the calls of F, so that what is not among them is not called by its name.
 */
uint32_t dbg_calls(const struct dbg_func *f, const char *pattern, struct dbg_call **out,
                   bool *complete);

/* ---- statements ---- */

struct dbg_statement {
    struct dbg_func func; /* that it is in: the innermost one that is inlined there */
    uint64_t vaddr;
    const char *file;
    uint32_t line;
};

struct dbg_lines {
    const char *function; /* a pattern */
    const char *file;     /* of the line, as CU above; NULL: any */
    uint32_t low, high;   /* lines, both included */
    bool relative;        /* ... counted from the line that declares the function */
};

/*
 * Finds where the statements of those lines begin: for each function, each place where it is
 * inlined, and each line the lowest address. Returns their number; *OUT is in the arena, sorted by
 * address.
 */
uint32_t dbg_statements(struct dbg *m, const struct dbg_lines *want, struct dbg_statement **out);

/* Finds the last statement that begins at VADDR or below it in the same unit. False: no function
 * of M has code there. OUT->line 0: no line is known. */
bool dbg_statement_at(struct dbg *m, uint64_t vaddr, struct dbg_statement *out);

struct dbg_param {
    const char *name; /* NULL: not known */
    const struct ctype *type;
};
struct dbg_params {
    struct dbg_param *v; /* in the arena, in order */
    uint32_t n;
};

/* Finds what the tracepoint NAME of the kernel, M, hands over. False: M has none of that name. */
bool dbg_tracepoint(struct dbg *m, const char *name, struct dbg_params *out);

/* A function as C declares it: what the kernel's BTF tells of it, but neither its file nor its
 * place. */
struct dbg_prototype {
    struct dbg_params params;
    const struct ctype *result; /* NULL: void */
};

/* Finds the function NAME of the kernel or of its module, M. False: M has none of that name. */
bool dbg_prototype(struct dbg *m, const char *name, struct dbg_prototype *out);

/* Finds the type of the kernel's variable NAME. *PER_CPU: it is one of those that each processor
 * has for itself. False: M does not tell it. */
bool dbg_kernel_variable(struct dbg *m, const char *name, const struct ctype **type, bool *per_cpu);

/* Calls FN for each known name of class C: near names for a hint, what a wildcard matches. A name
 * may come more than once. */
enum dbg_class { DBG_TYPES, DBG_VARIABLES, DBG_FUNCTIONS, DBG_TRACEPOINTS };
void dbg_names(struct dbg *m, enum dbg_class c, void (*fn)(const char *name, void *arg), void *arg);

/* One DWARF operation, decoded: DW_OP_* code (dwarf.h of elfutils) with its operands. */
struct dbg_op {
    uint8_t atom;
    uint64_t n1, n2;
};

/* Where a value is: OPS over registers and the CFA. DW_OP_fbreg is rewritten over the frame base,
 * DW_OP_call_frame_cfa remains; DW_OP_entry_value has a register and where the function begins.
 */
struct dbg_location {
    const struct ctype *type;
    const struct dbg_op *ops;
    uint32_t n_ops;
    bool located;   /* the debug information has it there, if perhaps not so that it can be read */
    bool has_const; /* DW_AT_const_value: there are no OPS, the value itself is known: */
    int64_t constant;
};

/*
 * Finds where the parameter or local NAME of F is at PC. For function probes PC is the entry,
 * and parameters are found there also when the location list starts a few bytes later, after the
 * prologue at -O0. False: *WHY says why; OUT->type and OUT->located are set all the same, the type
 * to NULL when no such name is in scope.
 */
bool dbg_local(const struct dbg_func *f, uint64_t pc, const char *name, struct dbg_location *out,
               const char **why);
/* Calls FN for each name in scope at PC; of a function that is a symbol alone for none. */
void dbg_locals(const struct dbg_func *f, uint64_t pc,
                void (*fn)(const char *name, bool is_param, void *arg), void *arg);

/* Finds the CFA at PC: the register with the DWARF number *REG, plus *OFFSET bytes. From .eh_frame
 * or .debug_frame. False: it is not known, or not of that form. */
bool dbg_cfa(struct dbg *m, uint64_t pc, uint32_t *reg, int64_t *offset);

/* The type of F's result (NULL: void, or not known). */
const struct ctype *dbg_func_result(const struct dbg_func *f);

/* ---- symbols (ELF) ---- */

/* The symbols of M's .symtab or of its debug file's, else of .dynsym. Never NULL; n 0: none. */
const struct elf_symbols *dbg_symbols(struct dbg *m);

/* The same by module; servers are not asked. NULL: it cannot be opened. */
const struct elf_symbols *dbg_module_symbols(struct debuginfo *di, const struct module *m);

/* Likewise the line that the code at VADDR of M comes from. False: none is known. */
bool dbg_module_line(struct debuginfo *di, const struct module *m, uint64_t vaddr,
                     struct symbol_line *out);

/* Opens M's separate debug file, by M's path, build-id and open file; the caller closes it. Servers
 * and packs are not asked. -1: there is none. */
int dbg_module_debug_file(struct debuginfo *di, const struct module *m);

/* ---- debuginfod.c: what a jail asks its parent for ---- */

enum { DEBUGINFOD_ASKED = 100 }; /* of jail_told's kinds */

/* Answers the N bytes at DATA that came so: the file's descriptor, the caller's; -1: there is none.
 * REPLY gets the words. */
int debuginfod_answer(struct compile *cx, const void *data, size_t n, FILE *reply);

#endif
