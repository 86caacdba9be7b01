/*
 * source: what a source of debug information is, and what sources share. DWARF (dwarf.c) and the
 * kernel's BTF (btf.c) are sources; another one, such as a file of layouts, is one file with a row
 * of functions here and one line of the table in debug.c. module.c, type.c, function.c, cfi.c and
 * debug.c answer what is the same for all and pass the rest on by the row, so nobody outside this
 * folder sees a source, and nothing here knows how one of them reads what it knows.
 *
 * The order of the folder, from below; each uses those before it:
 *
 *     module, entry       a module's file, its symbols, where its functions start
 *     type, function      what is the same for all sources
 *     abi_place, abi_x86_64, abi_aapcs64, abi_args      calling conventions
 *     btf_type, btf_decl, btf_trace, btf_func, btf      one source
 *     debugimage, debugfile, debuginfod, pack, cfi, dwarf_*, dwarf      the other (dwarf_priv.h)
 *     pack_*              makes packs (see pack.h)
 *     layout_list, layout_luajit, layout, layout_nginx, layout_rows, layout_parts
 *                         types that are known of some programs
 *     debug               opens modules: the table of sources
 *
 * Types are the one recursion: type.c asks a type's source by the row, and a source asks type.c for
 * the types that its own lead to.
 *
 * Debug information is untrusted. libdw checks bounds; what it does not bound are chains (a typedef
 * of itself, an anonymous member holding its own struct), which are bounded by the limits below,
 * and amounts, which base/bounds.h bounds.
 */
#ifndef DEBUG_SOURCE_H
#define DEBUG_SOURCE_H

#include <uthash.h>

#include "base/bounds.h"
#include "debug/debug.h"
#include "target/elf.h"

enum {
    CHAIN_MAX = 64,   /* typedefs and qualifiers on the way to a type */
    NESTING_MAX = 24, /* anonymous members, lexical blocks, arrays of arrays */
    NAME_LEN_MAX = 4096,
};

struct dbg_funcs;

typedef void dbg_name_fn(const char *name, void *arg);
typedef void dbg_value_fn(const char *name, int64_t value, void *arg);
typedef void dbg_member_fn(const struct cmember *m, void *arg);
typedef void dbg_field_fn(const struct cfield *f, void *arg);
typedef void dbg_type_fn(const struct ctype *type, void *arg);
typedef void dbg_local_fn(const char *name, bool is_param, void *arg);

/*
 * One source: a row of the table in debug.c. Functions mean what those of the like name in debug.h
 * mean, for a module or a type that this source knows: T is never void, nor a pointer that
 * ctype_pointer_to made. A function may be NULL only where a comment says what that means.
 */
struct dbg_source {
    const char *name; /* "DWARF" */
    bool kernel;      /* knows the kernel that runs here, not a program's files */
    /*
     * Looks for what it knows of M, whose path, build-id, machine and file (not the kernel's) are
     * set. True: it serves M from now on, until close. False: it holds nothing; *WHY (arena) says
     * what it looked for and how to get it; NULL: it knows nothing of such modules.
     */
    bool (*open)(struct dbg *m, const char **why);
    /* Would M's file, and those that were looked for, say the same in another run? NULL: no. The
     * kernel's for as long as it runs; of layouts, where the same ones fit. */
    bool (*settled)(const struct dbg *m);
    /* Calls FN with each file of layouts that M's types are by. NULL: they are by none. */
    void (*layouts)(const struct dbg *m, dbg_name_fn *fn, void *arg);
    void (*close)(struct dbg *m);

    /* ---- names ---- */

    /* TAG: "struct", "union", "enum", or "" for a type of any kind; NAME is the bare name. */
    const struct ctype *(*type)(struct dbg *m, const char *tag, const char *name);
    bool (*enumerator)(struct dbg *m, const char *name, int64_t *value);
    /* false: it knows none */
    bool (*names)(struct dbg *m, enum dbg_class c, dbg_name_fn *fn, void *arg);

    /* ---- variables and functions; NULL: it knows none ---- */

    bool (*variable)(struct dbg *m, const char *name, const char *cu, struct dbg_var *out);
    /* Of one without a place, too. */
    const struct ctype *(*variable_type)(struct dbg *m, const char *name);
    /* By dbg_func_add, in any order, each with its record. */
    void (*functions)(struct dbg *m, const char *pattern, const char *file, struct dbg_funcs *out);
    /* NULL: it knows none, as with the next three */
    void (*inlined)(struct dbg *m, const char *pattern, const char *file, struct dbg_funcs *out);
    uint32_t (*calls)(const struct dbg_func *f, const char *pattern, struct dbg_call **out,
                      bool *complete);
    uint32_t (*statements)(struct dbg *m, const struct dbg_lines *want,
                           struct dbg_statement **out);
    bool (*statement_at)(struct dbg *m, uint64_t vaddr, struct dbg_statement *out);
    bool (*line_at)(struct dbg *m, uint64_t vaddr, struct symbol_line *out);
    /* of a function that it added */
    bool (*local)(const struct dbg_func *f, uint64_t pc, const char *name, struct dbg_location *out,
                  const char **why);
    void (*locals)(const struct dbg_func *f, uint64_t pc, dbg_local_fn *fn, void *arg);
    const struct ctype *(*func_result)(const struct dbg_func *f);
    bool (*tracepoint)(struct dbg *m, const char *name, struct dbg_params *out);
    bool (*prototype)(struct dbg *m, const char *name, struct dbg_prototype *out);
    bool (*kernel_variable)(struct dbg *m, const char *name, const struct ctype **type,
                            bool *per_cpu);
    /* Those of another file than the module's own; n 0: none. */
    struct elf_symbols (*symbols)(struct dbg *m);
    /* By other tables than the module's .eh_frame. */
    bool (*cfa)(struct dbg *m, uint64_t pc, uint32_t *reg, int64_t *offset);

    /* ---- types, as they are named: T may be a typedef or a declaration ---- */

    enum ctype_kind (*kind)(struct ctype *t); /* asked once a type */
    const struct ctype *(*target)(const struct ctype *t);
    uint64_t (*array_len)(const struct ctype *t);
    const char *(*text)(struct arena *a, const struct ctype *t, int depth);
    void (*decl)(const struct ctype *t, struct cdecl *out); /* *OUT is of void when it is called */
    /* A declaration's definition, its kind known, else T, whose kind is known. NULL: always T. */
    struct ctype *(*complete)(struct ctype *t);

    /* ---- types that went through complete ---- */

    uint64_t (*size)(const struct ctype *t);
    bool (*is_signed)(const struct ctype *t);
    /* The member NAME into *OUT, true when there is one; with NAME NULL all of them to FN. */
    bool (*members)(const struct ctype *t, const char *name, struct cmember *out, dbg_member_fn *fn,
                    void *arg);

    /* ---- types that decl found to be of that kind (its SELF) ---- */

    void (*fields)(const struct ctype *t, dbg_field_fn *fn, void *arg);
    void (*type_enumerators)(const struct ctype *t, dbg_value_fn *fn, void *arg);
    void (*params)(const struct ctype *t, dbg_type_fn *fn, void *arg);
};

extern const struct dbg_source dbg_source_dwarf, dbg_source_btf, dbg_source_layout,
    dbg_source_nginx;

/* ---- modules ---- */

struct elf_file { /* elf NULL: none is open */
    int fd;
    Elf *elf;
};

struct dbg {
    struct dbg *next;
    struct debuginfo *di;
    const struct dbg_source *source; /* NULL: none knows the module; its ELF symbols are there */
    void *data;                      /* the source's own */
    const char *why;                 /* why no source knows it */
    const char *lacking; /* why none of those before SOURCE does; NULL: it is the first */
    const char *path;
    const struct arch *arch; /* whose registers its code has; NULL: the kernel, or not known */
    struct build_id id;
    struct elf_file file;            /* the module's own; of the kernel none */
    struct elf_symbols *symbols;     /* the most that is known (module.c) */
    struct elf_symbols *own_symbols; /* those of FILE (entry.c) */
    struct cfi *cfi;                 /* cfi.c's own */
    bool doubtful; /* the source reads a file of the target's, who may have put anything into it */
    uint32_t misplaced; /* functions left out because of that */
    /* of a file of layouts: the module that it is about, and others that fit that, too */
    struct dbg *of, **alike;
    uint32_t n_alike;
};

/* A separate debug file that was looked for. */
struct looked {
    struct looked *next;
    const char *path;
    bool host; /* on this machine, and not below the target's root */
    struct file_identity id;
};

struct debuginfo {
    struct compile *cx;
    struct arena *a;
    struct target *t;
    const char *layouts;  /* the folder of known layouts; NULL: none */
    struct sysroot *host; /* where this machine's debug files are; NULL: the target's root is it */
    bool local; /* no server is asked for what is opened now */
    struct dbg *modules, **last;
    struct looked *looked, **last_looked;
    struct failed_open *failed; /* debug.c's own */
    struct ctype *types;        /* by key */
    struct ctype *pointers;     /* made up, by key */
};

/* Makes DWARF the source of M, a file of layouts, F, which M takes over (dwarf.c). False: *WHY says
 * why not. */
bool dbg_open_layout(struct dbg *m, struct elf_file *f, const char **why);

/* Calls FN with the path of FIRST, a file of layouts, and of those that fit as well (layout.c). */
void layout_files(const struct dbg *first, dbg_name_fn *fn, void *arg);

/* ---- a module's file (module.c, entry.c) ---- */

/* Takes over FD. False: it is no ELF file, and FD is closed. */
bool elf_file_open(struct elf_file *f, int fd);
void elf_file_close(struct elf_file *f);

/* A module of that name, with no file and no source; in the arena. */
struct dbg *dbg_new(struct debuginfo *di, const char *path);
/* Adds M to its debuginfo's modules, which closes it. */
struct dbg *dbg_add(struct dbg *m);

/* Reads N bytes of the module's own file from VADDR on; how many there are. */
size_t code_read(struct dbg *m, uint64_t vaddr, unsigned char *out, size_t n);

/* Does a function of the module's own file start at VADDR? */
bool entry_is_own(struct dbg *m, uint64_t vaddr);

/* ---- types (type.c) ---- */

struct type_key {
    /* the address of what the source reads a type from (a DIE, BTF's record); of the pointee for
     * pointers made up */
    const void *record;
    uint64_t dim; /* for arrays of arrays: which dimension the element begins with */
};

struct ctype {
    struct type_key key;
    struct dbg *m; /* NULL: void and pointers to it */
    struct debuginfo *di;
    uint32_t id;  /* the source's number of it, where it has numbers */
    void *data;   /* the source's own, where a number is not enough (arena) */
    bool made_up; /* a pointer that no source describes */
    bool is_void;
    const struct ctype *pointee; /* of a made-up pointer */
    /* found when first asked for */
    bool stripped; /* its kind is known */
    enum ctype_kind kind;
    const struct ctype *complete; /* of a declaration */
    UT_hash_handle hh;
};

/* The type of that key, *FRESH when it is new: then the source fills in ID or DATA. */
struct ctype *ctype_intern(struct dbg *m, const void *record, uint64_t dim, bool *fresh);
const struct ctype *ctype_void(struct debuginfo *di);
/* T with its kind known: its source was asked. */
struct ctype *ctype_strip(const struct ctype *t);
/* The same type with its members known, when it or another module opened so far has them;
 * stripped. */
struct ctype *ctype_complete(const struct ctype *t);
/* As ctype_text, within a text at that DEPTH. */
const char *ctype_text_at(struct arena *a, const struct ctype *t, int depth);

/* ---- functions (function.c) ---- */

struct dbg_funcs {
    struct dbg_func *v; /* in the arena */
    uint32_t n;
};

/* May a breakpoint lie at VADDR, which M's source puts NAME at? Not when the source is doubtful and
 * no function of M's own starts there; that is told once. */
bool place_is_sure(struct dbg *m, const char *name, uint64_t vaddr);
/* Adds a copy of F, if its place is sure. */
void dbg_func_add(struct dbg *m, struct dbg_funcs *out, const struct dbg_func *f);
/* Is the symbol "NAME.part.0", "NAME.cold" or the like, no function of its own? */
bool symbol_is_piece(const char *symbol);
/* Does FILE end with the path WANTED, at a slash? WANTED may have wildcards. */
bool file_matches(const char *file, const char *wanted);

/* ---- frames (cfi.c) ---- */

void cfi_close(struct dbg *m);

#endif
