/*
 * internal: what sema's files share: the state of one run.
 *
 * Two walks over every body that a probe reaches. The first (names.c) goes in the order of
 * execution: it binds names, follows calls into functions, resolves target expressions and drops
 * branches that @defined makes dead, which is why nothing in them needs to exist. The second
 * (types.c) runs until no type changes any more, and then once to report.
 */
#ifndef SEMA_INTERNAL_H
#define SEMA_INTERNAL_H

#include <uthash.h>

#include "func/func.h"
#include "probe/moved.h"
#include "probe/probe.h"
#include "regex/regex.h"
#include "sema/sema.h"
#include "target/target.h"

/* One file of the tapset library. */
struct sema_file {
    struct sema_file *next;
    struct source *src;
    struct program prog; /* empty until it is parsed */
    uint32_t order;      /* among the files */
    bool unjudged;       /* what it declares is known only when it is parsed */
    bool parsed;
    bool broken; /* did not parse */
    bool chosen; /* something in it is used: its globals and probes belong to the program */
    bool offers; /* of probe/: what its aliases set is left out where nothing reads it */
    bool theirs; /* of SystemTap's own tapset */
};

/* A file that may declare a name (declared.c). */
struct sema_declarer {
    struct sema_file *file;
    struct sema_declarer *next; /* in the order of files */
};

/* A name that stands outside of bodies in some files. */
struct sema_word {
    const char *word;
    struct sema_declarer *first, *last;
    UT_hash_handle hh;
};

/* A function of the library by name; several of one name are linked. */
struct sema_name {
    const char *name;
    struct function *func;
    struct sema_file *file;
    struct sema_name *other;
    UT_hash_handle hh;
};

/* A function that is reached; function->id indexes these. */
struct sema_func {
    struct function *fn;
    struct function **calls;
    uint32_t n_calls;
};

/* @cast-less member access on a value whose C type was not known when it was met. */
struct sema_cast {
    struct expr *e;
    struct function *fn;
    struct probe_inst *inst;
};

/* A value saved at a function's entry, and the local of the handler that has it. */
struct sema_saved {
    struct probe_inst *inst;
    const char *what; /* a variable's name as written, a register's, or NULL */
    const char *local;
};

/* An optional probe point that is there, perhaps, but cannot be probed. */
struct sema_left_out {
    struct span at;
    const char *why;
};

/* A regular expression that the script has. */
struct sema_pattern {
    const char *text;
    uint32_t len;
    struct regex re;
};

/* What a body knows of its last match: match.c. */
struct sema_matched {
    struct variable *text, *pattern;
    struct expr *asked; /* the first call that asks for it, or NULL */
};

struct sema {
    struct compile *cx;
    struct arena *arena;
    struct diag *diag;
    const struct sema_opts *opts;
    struct program *prog;
    struct target *target;
    struct debuginfo *di;
    const struct moved *moved;

    struct sema_file *files;
    struct sema_theirs *theirs; /* systemtap.c */
    const char **probed;        /* names that sema_tapset_probes() has seen */
    uint32_t n_probed;
    struct sema_word *words;     /* uthash */
    struct sema_name *lib_funcs; /* uthash */
    uint32_t *chosen;            /* ids of library sources in prog itself that are used */
    uint32_t n_chosen;

    struct probe_inst **tail; /* of prog->insts */
    struct sema_func *funcs;
    uint32_t n_funcs;
    struct sema_cast *casts;
    uint32_t n_casts;
    const struct variable **pointer_keyed; /* warned of */
    uint32_t n_pointer_keyed;

    const char **bare; /* modules without debug information, which has been said */
    uint32_t n_bare;
    uint32_t n_skipped;
    struct span first_skipped;

    struct sema_saved *saved; /* entry.c */
    uint32_t n_saved;
    struct stmt *takes; /* at the start of the handler at hand, once it is walked */
    bool counts_lost;

    const char **absent; /* names that a module lacks, told once: dwexpr.c */
    uint32_t n_absent;
    struct sema_left_out *left_out; /* not told yet: points.c */
    uint32_t n_left_out;

    /* where the walk is */
    struct function *fn;
    struct probe_inst *inst;
    uint32_t file; /* source of what is walked: for private names */
    unsigned loops;
    unsigned depth;            /* functions entered one in the other */
    struct function **waiting; /* reached, but not walked yet: the walk was too deep */
    uint32_t n_waiting;
    bool in_defined; /* below @defined: nothing is evaluated */
    uint32_t n_hidden; /* locals that no name of the script means: stmts.c */

    struct sema_pattern *patterns; /* match.c */
    uint32_t n_patterns;
    struct sema_matched matched; /* of the body at hand */

    /* types.c */
    bool changed, report;
    bool failed; /* there were errors: no warnings about what they have left undone */
};

/* ---- declared.c ---- */

typedef void sema_declared_fn(void *arg, const char *word, size_t len);
/* FN is told the words of TEXT that may be names it declares, and the keywords among them. False:
 * its braces do not match, and it may declare others. */
bool sema_declared(const char *text, size_t len, sema_declared_fn *fn, void *arg);

/* ---- tapset.c: the library ---- */

void sema_tapset_read(struct sema *s);
void sema_tapset_free(struct sema *s);
/*
 * Reads the files that hold aliases whose name begins with NAME, which may have wildcards:
 * probe/NAME.stp of each directory. They are many, and few scripts want them.
 */
void sema_tapset_probes(struct sema *s, const char *name);
/* Parses what is not parsed yet: for hints at names. */
void sema_tapset_parse_all(struct sema *s);
/* The library's function that CALL names, by its number of arguments, its file chosen; NULL: none.
 * OWN: a private one of the file at hand, or of that which CALL stands in. */
struct function *sema_tapset_func(struct sema *s, const struct expr *call, bool own);
/* The library's global of that name, its file chosen; NULL: none. */
struct variable *sema_tapset_global(struct sema *s, const char *name);
/* Makes the globals and probes of the file that holds AT part of the program. */
void sema_choose(struct sema *s, uint32_t source_id);
bool sema_is_chosen(const struct sema *s, uint32_t source_id);
/* Library files that did not parse, as notes to an error about a missing name. */
void sema_tapset_note_broken(struct sema *s);

/* The source that AT belongs to, for private names and chosen files: not that of a macro. */
static inline uint32_t sema_file(const struct sema *s, struct span at)
{
    return span_file(s->cx->sources, at);
}

/* Adds a file of SystemTap's own tapset, parsed, unless it is there. */
void sema_tapset_add(struct sema *s, const char *path);

/* ---- systemtap.c: SystemTap's own tapset ---- */

/* Makes the files there that may define NAME, a WORD (function, global, probe: an alias that begins
 * with it), files of the library. True: there are some. */
bool sema_systemtap_has(struct sema *s, const char *word, const char *name);
/* Makes E a call of one of its functions, which SystemTap finds by name. False: it has none. */
bool sema_systemtap_call(struct sema *s, struct expr *e);
void sema_systemtap_free(struct sema *s);

/* ---- points.c: probe points ---- */

void sema_points(struct sema *s, struct probe *probe);

/* ---- unread.c ---- */

/* LIST, changed, without what sets locals that neither it nor BEHIND names. RENAME: what is left of
 * them gets names that nobody knows; not where an alias leads to another that sets them. */
struct stmt *sema_without_unread(struct sema *s, struct stmt *list, struct stmt *behind,
                                 bool rename);

/* ---- names.c, stmts.c: the first walk ---- */

/* How an expression is used. */
enum use {
    USE_VALUE,  /* its value is wanted */
    USE_NONE,   /* a statement: only its effect is */
    USE_WRITE,  /* assigned */
    USE_UPDATE, /* assigned by its own value: ++ += <<< */
};

void sema_walk_inst(struct sema *s, struct probe_inst *inst);
void sema_walk_stmts(struct sema *s, struct stmt *st);
void sema_walk_expr(struct sema *s, struct expr *e, enum use use);
/* V is used so: for warnings, and the displays of globals that nothing reads. */
void sema_note_use(struct sema *s, struct variable *v, enum use use);
/* Walks the keys of a slice or an element; is one of them "*"? */
bool sema_slice_keys(struct sema *s, struct expr **keys, uint32_t n);
/* @probewrite(v) in PART, which an alias adds, becomes what it says of BODY, the handler as it was:
 * does it assign to v? */
void sema_probewrite(struct stmt *part, struct stmt *body);
/* What a tree is worth when that is known now. */
bool sema_constant(const struct expr *e, int64_t *v);

/* ---- calls.c ---- */

/* E, whose arguments are walked. */
void sema_call(struct sema *s, struct expr *e);
/* FN follows another function of its name: its body is reached, too. */
void sema_use_overload(struct sema *s, struct function *fn);
/* Walks the functions that were called too deep within others. */
void sema_enter_waiting(struct sema *s);
/* Has the handler at hand registers of a program? False after reporting. */
bool sema_need_registers(struct sema *s, struct expr *e);

/* ---- scope.c: variables and functions by name ---- */

enum { SEMA_ANY_ARITY = -1 };
/* The variable NAME of ARITY keys; a scalar that is unknown becomes a local. NULL after reporting.
 */
struct variable *sema_variable(struct sema *s, struct expr *name, int arity);
/* Likewise, but makes nothing and reports nothing. */
struct variable *sema_lookup(struct sema *s, const struct expr *name);
/* Is NAME, where it is written, a global? */
bool sema_is_global(struct sema *s, const struct expr *name);
/* ... that the library declares? */
bool sema_is_of_library(struct sema *s, const struct expr *name);
/* Finds whom E calls and sets func or intrinsic. False after reporting. */
bool sema_find_call(struct sema *s, struct expr *e);

/* ---- kernel_var.c ---- */

struct sema_kernel_var {
    const char *path; /* of the module that VADDR is in, as probe_module() takes it */
    uint64_t vaddr;
    const struct ctype *type; /* NULL: not known */
};

/* Finds the variable NAME of the kernel, or of its module, DBG. False after reporting. */
bool sema_kernel_variable(struct sema *s, const struct expr *e, struct dbg *dbg, const char *name,
                          struct sema_kernel_var *out);
bool sema_no_kernel_type(struct sema *s, const struct expr *e, const char *name);

/* ---- env.c ---- */

/* Lasts as long as the handler in hand. */
struct probe_env sema_env(struct sema *s);
/* Records that the object uses T's layout from this build, so that load refuses a process with
 * another build-id. T NULL: nothing happens. */
void sema_depend(struct sema *s, const struct ctype *t);

/* ---- component.c: from an object to a value ---- */

/* An object on the way through the components. */
struct sema_object {
    struct expr *tree;
    bool is_value; /* TREE is the value itself: there is no address */
    const struct ctype *type;
    uint32_t bit_off, bit_size;
    enum space space; /* that its address is of */
};

/* Makes E, the target expression of O and the components from C on (NULL: none), the value that is
 * there, or its address. False after reporting. */
bool sema_components(struct sema *s, struct expr *e, struct sema_object *o,
                     const struct component *c);
/* Makes O the element of TYPE that the index C says, counted from BASE. False after reporting. */
bool sema_element(struct sema *s, struct sema_object *o, struct expr *base,
                  const struct ctype *type, const struct component *c);
/* The C type of a value, as far as it is known: variables, target expressions, sums with them. */
const struct ctype *sema_ctype(const struct expr *e);
/* VAR is assigned a value of C type T (NULL: not known). */
bool sema_ctype_assign(struct sema *s, struct variable *var, const struct ctype *t);

/* ---- dwexpr.c: target expressions ---- */

/* --skip-badvars: says once what it has made 0. */
void sema_report_skipped(struct sema *s);
/* The debug information of the module that E names by NAME, with its path; NAME NULL: the probe's
 * own module, or the executable. NULL after reporting. */
struct dbg *sema_open_module(struct sema *s, const struct expr *e, const char *name,
                             const char **path);

/* What a name that DBG lacks is called today, or NULL; @defined() does not ask. */
const char *sema_new_name(const struct sema *s, struct dbg *dbg, enum moved_what what,
                          const char *name);

/* Is this in a handler at a function of the kernel's, for SystemTap? That has the kernel's debug
 * information, and reads what such a handler names as it is written. */
bool sema_is_theirs(const struct sema *s);

/* Resolves E; its operands have been walked. False after reporting. */
bool sema_target_expr(struct sema *s, struct expr *e);

/* ---- pretty.c ---- */

/* Is E $$vars or the like, or $x$? Then it is a sprintf now, not walked yet. False: E is as it was,
 * and what it lacks is for sema_target_expr to say. */
bool sema_pretty(struct sema *s, struct expr *e);

/* ---- location.c: where variables live ---- */

/*
 * Makes a DWARF location a tree of TYPE_LONG: *IS_VALUE: of the value itself (it is in a register,
 * or a constant), else of the variable's address. False after reporting at AT.
 */
bool sema_location(struct sema *s, struct span at, const struct probe_var *var, bool *is_value,
                   struct expr **tree);

/* ---- tree.c: makes resolved trees; every node is a TYPE_LONG in A, constants are folded ---- */

struct expr *sema_tree_number(struct arena *a, struct span at, int64_t v);
struct expr *sema_tree_reg(struct arena *a, struct span at, uint32_t reg);
/* NAME: "$prev", as SystemTap calls it. */
struct expr *sema_tree_arg(struct arena *a, struct span at, uint32_t argument, const char *name);
struct expr *sema_tree_modaddr(struct arena *a, struct span at, uint32_t module_id, uint64_t vaddr);
/* SIZE bytes (1, 2, 4 or 8) at ADDRESS in user space. */
struct expr *sema_tree_load(struct arena *a, struct span at, struct expr *address, uint8_t size,
                            bool is_signed);
struct expr *sema_tree_binary(struct arena *a, enum op op, struct expr *l, struct expr *r);
struct expr *sema_tree_add(struct arena *a, struct expr *e, int64_t k);
/* The low SIZE bytes of E as a number; SIZE 0 or above 7: E itself. */
struct expr *sema_tree_extend(struct arena *a, struct expr *e, uint64_t size, bool is_signed);

/* What a constant tree is worth: EX_NUMBER, or a target expression resolved to one. */
bool sema_tree_constant(const struct expr *e, int64_t *v);
/* The value of L OP R as the script computes it; false: not to be folded (division by zero,
 * strings). */
bool sema_tree_compute(enum op op, int64_t l, int64_t r, int64_t *v);

/* Parses TEXT, a part of our own as a script could have it, as a source of that NAME. */
bool sema_parse(struct sema *s, const char *name, const char *text, struct program *out);

/* ---- entry.c: values saved at a function's entry ---- */

/* Does the variable E mean its value at the entry here? */
bool sema_is_saved(const struct sema *s, const struct expr *e);
/* Is such a value told at the return, too? The handler is one of fexit then (ir/trace.c). */
bool sema_is_kept(struct sema *s, const struct expr *e);
/* Makes E the value that WHAT has at the entry; false after reporting. */
bool sema_save(struct sema *s, struct expr *e, const struct expr *what);
/* Of code in the middle of a function: where that begins, and the CFA there. */
struct sema_frame {
    uint64_t entry; /* in its module's file */
    uint32_t cfa_reg;
    int64_t cfa_offset;
};
/* What the register R had at the entry of the function that the handler at hand is in; NULL after
 * reporting. */
struct expr *sema_save_register(struct sema *s, const struct expr *r,
                                const struct sema_frame *frame);
/* Puts what takes the values over at the start of a handler that has been walked. */
void sema_place_saved(struct sema *s, struct probe_inst *ret);
/* Makes the probes at the entries part of the program. */
void sema_insert_entries(struct sema *s);

/* ---- pointer_keys.c: E, an element of V, is written ---- */

void sema_warn_pointer_key(struct sema *s, const struct expr *e, const struct variable *v);

/* ---- names.c ---- */

/* Walks E, a histogram that a foreach goes through; false after reporting. */
bool sema_histogram(struct sema *s, struct expr *e);

/* ---- file_value.c: $value of a procfs probe ---- */

/* Is E a variable of a handler for a file of the session's? */
bool sema_is_file_value(const struct sema *s, const struct expr *e);
/* E is that: what it becomes has to be walked, if it is no variable any more. False after
 * reporting. */
bool sema_file_value(struct sema *s, struct expr *e, bool set);
/* Likewise of E, an assignment to it. */
bool sema_set_file_value(struct sema *s, struct expr *e);

/* ---- match.c: regular expressions ---- */

/* Makes the table of E, an EX_MATCH; false after reporting. */
bool sema_match(struct sema *s, struct expr *e);
/* CALL asks for what the last match of the body at hand was. */
void sema_matched(struct sema *s, struct expr *call);
/* The body at hand is walked; false after reporting that it asks without a match. */
bool sema_match_end(struct sema *s);

/* ---- types.c: the second walk ---- */

void sema_types(struct sema *s);
/* Does "return VALUE" stand in the list? */
bool sema_returns_value(const struct stmt *st);
/* Infers E where WANT is expected (TYPE_UNKNOWN: anything); reports what is something else. */
void sema_expect(struct sema *s, struct expr *e, enum value_type want);
/* Tries the member accesses left over by the first walk; LAST: reports those that stay unknown.
 * (dwexpr.c) */
void sema_retry_casts(struct sema *s, bool last);

/* ---- set_globals.c ---- */

/* Gives globals the values that the command line has for them, as often as it is called. */
void sema_set_globals(struct sema *s);

/* ---- format.c ---- */

void sema_check_format(struct sema *s, struct expr *print);

/* ---- print_globals.c: end probes for globals that are never read; NULL: none ---- */

const char *sema_print_globals(struct sema *s);

/* ---- check.c: what is checked once all is known ---- */

void sema_check(struct sema *s);

/* ---- reads.c: kernel memory in handlers of processes that are there at the start ---- */

void sema_leave_out_readers(struct sema *s);

/* ---- addresses.c ---- */

/* Sets CX->stack_texts: does the script look into the text of a stack? And "by_name" where it looks
 * into one that holds names of addresses. */
void sema_addresses(struct sema *s);

#endif
