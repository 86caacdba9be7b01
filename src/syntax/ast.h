/*
 * ast: the tree of a script, as the parser builds it and as sema completes it.
 *
 * The parser fills what the text says; everything under "sema:" is zero until sema has run.
 * Target expressions ($x->y, @var, @cast, @defined ...) keep their written form and get a
 * RESOLVED tree beside it that holds only plain arithmetic and the EX_R_* kinds, so that
 * both back ends see address arithmetic and sized reads, and the printer can show either.
 * All nodes live in the compile's arena. Lists are arrays with a count, or linked by next.
 */
#ifndef SYNTAX_AST_H
#define SYNTAX_AST_H

#include <stdbool.h>
#include <stdint.h>

#include "base/source.h"

struct arena;
struct ctype; /* a DWARF type: debug/debug.h */

enum value_type {
    TYPE_UNKNOWN, /* not yet inferred; after sema: unused, treated as long */
    TYPE_LONG,
    TYPE_STRING,
    TYPE_STATS, /* aggregates: only a global or an element of one */
    TYPE_VOID,  /* a function without a value */
    TYPE_ERROR, /* reported already; silences what follows from it */
};

/* The parser refuses what is nested deeper (an expression's chain of operators counts). */
enum { AST_MAX_HEIGHT = 1000 };

/* ---- expressions ---- */

enum expr_kind {
    EX_NUMBER,
    EX_STRING,
    EX_NAME,    /* a variable, or a function of no arguments written without () */
    EX_UNARY,   /* - ! ~ + */
    EX_BINARY,  /* arithmetic, comparison, logic, concatenation */
    EX_ASSIGN,  /* = += ... .= and <<< */
    EX_INCDEC,  /* ++x x++ --x x-- */
    EX_TERNARY,
    EX_INDEX,   /* a[k, ...]; a key may be EX_ANY for a slice */
    EX_ANY,     /* "*" as a key of a slice */
    EX_IN,      /* [k, ...] in a */
    EX_MATCH,   /* =~ !~ */
    EX_CALL,
    EX_PRINT,   /* print printf println printd printdln and their s- twins */
    EX_TARGET,  /* $name..., $$parms and friends */
    EX_ATVAR,   /* @var("name@file", "module")... */
    EX_CAST,    /* @cast(e, "type", "module")... */
    EX_AUTOCAST,/* e->member, e[...] on a value whose type sema knows */
    EX_DEFINED, /* @defined(e) */
    EX_PROBEWRITE, /* @probewrite(v) */
    EX_ENTRY,   /* @entry(e) */
    EX_PERF,    /* @perf("name") */
    EX_STAT,    /* @count @sum @min @max @avg @variance */
    EX_HIST,    /* @hist_log(x), @hist_linear(x, a, b, c); as argument of print or in foreach */
    EX_EMBEDDED,/* %{ ... %} as an expression */
    EX_ATCONST, /* @const("...") */
    EX_ATENUM,  /* @enum("...") kept as EX_ATCONST's twin */
    EX_KDEREF,  /* @kderef(size, addr) */
    EX_UDEREF,  /* @uderef(size, addr) */
    EX_KREG,    /* @kregister(n) */
    EX_UREG,    /* @uregister(n) */

    /* sema makes these; the parser never does */
    EX_R_LOAD,  /* read SIZE bytes at address a */
    EX_R_MODADDR, /* run-time address of module + vaddr */
    EX_R_REG,   /* a register of the probed context, by DWARF number of the architecture */
    EX_R_ARG,   /* an argument of the kernel's event: which, from 0; TEXT: the $name it has */
    EX_ERROR,   /* parse or sema error already reported */
};

enum op {
    OP_NONE,
    /* unary */
    OP_NEG, OP_NOT, OP_BITNOT, OP_PLUS,
    /* binary */
    OP_ADD, OP_SUB, OP_MUL, OP_DIV, OP_MOD,
    OP_AND, OP_OR, OP_XOR, OP_SHL, OP_SHR /* arithmetic */, OP_USHR /* >>> logical */,
    OP_EQ, OP_NE, OP_LT, OP_LE, OP_GT, OP_GE,
    OP_LAND, OP_LOR,
    OP_CONCAT,
    /* assignment only */
    OP_STAT_ADD, /* <<< */
};

enum component_kind {
    COMP_MEMBER,    /* ->name ( . is accepted as stap does ) */
    COMP_INDEX,     /* [number] */
    COMP_EXPR_INDEX,/* [expression] */
    COMP_PRETTY,    /* $ */
    COMP_PRETTY2,   /* $$ */
};

struct component {
    struct component *next;
    struct span at;
    enum component_kind kind;
    const char *name;    /* MEMBER */
    int64_t number;      /* INDEX */
    struct expr *index;  /* EXPR_INDEX */
};

enum print_flags {
    PRINT_TO_STRING = 1, /* s-variants: the value is the string */
    PRINT_FORMAT = 2,    /* printf/sprintf: args[0] was the format, held in fmt */
    PRINT_DELIM = 4,     /* printd...: delimiter held in fmt */
    PRINT_NEWLINE = 8,   /* ...ln */
    PRINT_CHAR = 16,     /* print_char */
};

enum stat_op { STAT_COUNT, STAT_SUM, STAT_MIN, STAT_MAX, STAT_AVG, STAT_VARIANCE };
enum hist_kind { HIST_NONE, HIST_LOG, HIST_LINEAR };
enum space { SPACE_USER, SPACE_KERNEL };

struct expr {
    enum expr_kind kind;
    struct span at;      /* the whole expression */
    struct span op_at;   /* the token that names it (operator, function name, @word): for carets */
    enum op op;          /* UNARY BINARY ASSIGN (OP_NONE: plain =) INCDEC (OP_ADD/OP_SUB) MATCH
                          * (OP_EQ/OP_NE) */
    bool post;           /* INCDEC: x++ */
    bool address_of;     /* TARGET ATVAR CAST AUTOCAST: & before it */
    bool parens;         /* written in parentheses (printing back) */
    uint16_t height;     /* of the tree below, at most AST_MAX_HEIGHT, so that passes may recurse; a
                            tree that a pass makes need not set it */

    int64_t number;      /* NUMBER; STAT variance bit shift */
    const char *text;    /* STRING value (len bytes), NAME, CALL, TARGET ("$x"), ATVAR name,
                          * EMBEDDED code, CAST type, ATCONST, PERF, MATCH pattern */
    uint32_t len;        /* STRING */
    const char *module;  /* ATVAR CAST ATENUM: module argument as written, or NULL */

    struct expr *a, *b, *c; /* operands: UNARY a; BINARY/ASSIGN a b; TERNARY a b c; INCDEC a;
                             * INDEX a = the array's NAME; IN a = array NAME; STAT/HIST a;
                             * CAST/AUTOCAST a = pointer; DEFINED a; ENTRY a; MATCH a, b its
                             * pattern's literal, args by sema: what keeps the match;
                             * KDEREF a = size b = address; CALL has only args */
    struct expr **args;  /* CALL INDEX IN PRINT; HIST numbers as args */
    uint32_t n_args;
    struct component *comps; /* TARGET ATVAR CAST AUTOCAST */

    uint32_t print;      /* PRINT: print_flags */
    const char *fmt;     /* PRINT: format (FORMAT) or delimiter (DELIM); fmt_len bytes. STRING: what
                          * it is as a format, where it holds what the target said; else NULL.
                          * MATCH, by sema: the pattern's table */
    uint32_t fmt_len;
    enum stat_op stat;   /* STAT */
    enum hist_kind hist; /* HIST */

    /* sema: */
    enum value_type type;
    const struct ctype *ctype; /* of a long that holds a pointer or value whose C type is known */
    struct variable *var;      /* NAME (also as the base of INDEX/IN/STAT) */
    struct function *func;     /* CALL of a script function */
    const struct intrinsic *intrinsic; /* CALL of a built-in: func/func.h */
    struct expr *resolved;     /* what stands for this target expression */
    bool by_name;              /* names stand in the text, not the marks of addresses */

    /* EX_R_*: */
    uint8_t size;        /* LOAD/STORE: 1 2 4 8 bytes */
    bool is_signed;      /* LOAD */
    uint8_t bit_off, bit_size; /* LOAD: bitfield within the SIZE bytes, little endian from bit 0;
                                * bit_size 0: none */
    enum space space;    /* LOAD STORE */
    uint32_t module_id;  /* MODADDR: index into program->modules */
    uint64_t vaddr;      /* MODADDR: address in the module's file (ELF vaddr) */
    uint32_t reg;        /* R_REG: DWARF register number of the script's machine (struct arch) */
};

/* ---- statements ---- */

enum stmt_kind {
    ST_BLOCK, ST_EXPR, ST_IF, ST_FOR, ST_WHILE, ST_FOREACH,
    ST_NEXT, ST_BREAK, ST_CONTINUE, ST_RETURN, ST_DELETE, ST_TRY, ST_EMPTY, ST_EMBEDDED,
    ST_ERROR,
};

struct stmt {
    struct stmt *next;   /* within a block */
    enum stmt_kind kind;
    struct span at;
    struct span head;    /* the first line's worth: for carets and line tables */
    uint16_t height;     /* as in struct expr; blocks count too */
    struct stmt *body;   /* BLOCK: first statement; IF then; loops; TRY the tried block */
    struct stmt *other;  /* IF else; TRY catch block */
    struct expr *init, *cond, *step; /* FOR; IF/WHILE use cond; EXPR/RETURN/DELETE use cond */
    struct expr *caught; /* TRY: NAME that receives the message, or NULL */
    const char *text;    /* EMBEDDED */

    /* FOREACH */
    struct expr **keys;  /* NAMEs */
    uint32_t n_keys;
    struct expr *value;  /* foreach (v = [k] in a): NAME or NULL */
    struct expr *array;  /* NAME, or HIST */
    struct expr **slice; /* array slice: as many as keys, EX_ANY for *; NULL: whole array */
    uint32_t n_slice;
    int sort_dir;        /* +1 increasing, -1 decreasing, 0 unsorted */
    int sort_key;        /* 0: by value; 1..n: by that key */
    enum stat_op sort_stat; /* by value of an aggregate: which (default STAT_COUNT) */
    struct expr *limit;  /* or NULL */
    bool deletes;        /* sema made it of "delete a[1, *]" */
};

/* ---- declarations ---- */

/* What a text may hold that the kernel knows as a mark: base/abi.h, NGS_MARK. */
enum holds { HOLDS_STACK = 1, HOLDS_NAME = 2 };

enum var_scope { VAR_GLOBAL, VAR_LOCAL, VAR_PARAM };

struct variable {
    struct variable *next;
    struct span at;
    const char *name;
    enum var_scope scope;
    bool is_private;     /* private global: seen in its own file only */
    enum value_type type;/* of the value (or element); parser: from :long/:string or initialiser */
    bool typed;          /* the text said so */
    bool is_array;       /* global a[...]; else sema infers it from use */
    uint32_t max_entries;/* a[N]: N; 0: MAXMAPENTRIES */
    bool wrap;           /* a%: oldest entries are overwritten */
    struct expr *init;   /* NUMBER or STRING, or NULL */

    /* sema: */
    uint32_t n_keys;     /* arrays */
    enum value_type *key_types;
    const struct ctype *ctype; /* last known C type of what is assigned (autocast) */
    bool ctype_mixed;    /* assigned with different C types: no autocast */
    bool read, written;  /* for warnings; neither: nothing that is reached uses it */
    bool arity_known;    /* seen used as an array or as a scalar, at arity_at */
    struct span type_at, arity_at; /* what decided type and number of keys: for the second place of
                                    * an error */
    uint32_t stat_ops;   /* bit per stat_op used on it: what must be kept */
    enum hist_kind hist;
    int64_t hist_args[3];/* LINEAR: start, stop, interval */
    unsigned holds;      /* what its value, or its elements', may hold: enum holds */
    unsigned keyed_by;   /* ... its keys */
    bool by_name;        /* keys are the names that addresses have, not their marks */
    uint32_t id;         /* lower: index */
};

struct function {
    struct function *next;
    struct span at, name_at;
    const char *name;
    bool is_private;
    struct variable *params; /* linked by next, in order */
    uint32_t n_params;
    enum value_type type;    /* of the result; TYPE_UNKNOWN until sema infers it */
    bool typed;
    bool is_embedded;        /* body is %{ %} in text */
    const char *text;
    struct stmt *body;
    int64_t priority;        /* overloads: "function f:long(x):2"; 0 none */

    /* sema: */
    struct variable *locals;
    struct span type_at;     /* what decided the type of the result */
    bool reached;            /* from a probe */
    bool recursive;          /* may call itself, directly or not */
    unsigned gives;          /* what its result may hold: enum holds */
    struct function *following; /* the overload that "next" goes on with */
    uint32_t id;             /* lower */
};

/* One dot-separated part: process("x").function("f").return */
struct point_part {
    struct point_part *next;
    struct span at;
    const char *name;        /* may hold wildcards */
    struct expr *arg;        /* NUMBER or STRING literal, or NULL */
};

struct probe_point {
    struct probe_point *next; /* alternatives of a list: a, b */
    struct span at;
    struct point_part *parts;
    bool optional;           /* ? or ! */
    bool sufficient;         /* ! */
    struct expr *condition;  /* a.b if (c): armed while c is true; or NULL */
};

struct probe {
    struct probe *next;
    struct span at;
    struct probe_point *points;
    struct stmt *body;
    bool is_private;

    /* an alias: "probe NAME = points { }", epilogue: "+=" */
    struct probe_point *alias; /* the names defined; NULL: an ordinary probe */
    bool epilogue;
    struct stmt *epilogue_body;  /* "probe NAME = points { body }, { epilogue_body }", or NULL */
};

/* A module named by the script's probes and expressions, as found in the target. */
struct module_ref {
    const char *path;        /* as the target sees it; "kernel" for the kernel */
    const char *build_id;    /* hex, or NULL */
    bool mapped;             /* by the target at hand */
    const struct dbg *dbg;   /* debug information, or NULL: debug/debug.h */
};

/* sema: a function that a point with a wildcard matches. */
struct probe_place {
    const char *name;              /* text as pp() shows it */
    const char *func_name;
    uint64_t vaddr;
    uint64_t semaphore;            /* counts who looks (sys/sdt.h): address in the file; 0: none */
};

/*
 * sema: a handler at what it is attached to: a probe point after alias expansion and wildcard
 * resolution, with a body of its own, since $vars resolve differently at each.
 */
struct probe_inst {
    struct probe_inst *next;
    struct probe *probe;           /* as written */
    struct probe_point *point;     /* the resolved one */
    const struct probe_type *type; /* probe/probe.h */
    const char *name;              /* text as pp() shows it */
    const char *written;           /* as pn() does: the script's point, an alias by its name */
    const char *alias;             /* the alias that a point was written by, as text; or NULL */
    struct stmt *body;
    struct variable *locals;
    void *data;                    /* the probe type's own */
    uint32_t module_id;            /* user-space probes: index into program->modules */
    uint64_t vaddr;                /* user-space probes: address in the module's file */
    uint64_t semaphore;            /* likewise, of a mark's; 0: none */
    const char *func_name;         /* probefunc() when the point names one */
    struct probe_place *places;    /* all that share the handler; name and point are as written
                                    * then, func_name is NULL */
    uint32_t n_places;             /* 0: one, which the fields above tell */
    uint64_t period, jitter;       /* timers: in ns, and by how much it varies */
    uint32_t umask, maxsize;       /* procfs: of the file */
    const char *event;             /* of the kernel's: its name; procfs: the file's */
    bool everybody;                /* runs for all processes, whatever the scope */
    bool by_name;                  /* in a module: SystemTap finds it by the point as it stands */
    bool can_trace;                /* a function of the kernel's that its BTF tells, by name */
    bool saves;                    /* it keeps values of the entry for handlers that run later */
    bool scanned, keeps;           /* sema/entry.c: parameters are told at the return */
    bool theirs;                   /* an alias of SystemTap's own: it sets locals unseen */
    int64_t sequence;              /* begin, end, error: lower ones run first */
    struct probe_inst *entry;      /* .return: synthetic entry probe that saves values, or NULL */
};

struct program {
    struct probe *probes;        /* in order of appearance, user script first */
    struct probe *aliases;
    struct function *funcs;
    struct variable *globals;
    const char **embedded;       /* top-level %{ %} */
    uint32_t n_embedded;

    /* sema: */
    struct probe_inst *insts;
    struct module_ref *modules;
    uint32_t n_modules;
    uint32_t n_places;           /* that probe points match so far */
};

/* ---- making and copying nodes (ast.c) ---- */

/* A node of that kind in A, at AT, without anything below it; never NULL. expr_string copies LEN
 * bytes of TEXT; expr_binary spans L and R, and its height is theirs and one. */
struct expr *expr_new(struct arena *a, enum expr_kind kind, struct span at);
struct expr *expr_string(struct arena *a, struct span at, const char *text, uint32_t len);
struct expr *expr_binary(struct arena *a, enum op op, struct expr *l, struct expr *r);
struct stmt *stmt_new(struct arena *a, enum stmt_kind kind, struct span at);

/* Deep copies of the written form: sema's fields are zero in the copy. */
struct expr *expr_clone(struct arena *a, const struct expr *e);
struct stmt *stmt_clone(struct arena *a, const struct stmt *s); /* with its followers */

/*
 * Calls FN on E and, before it, on all expressions below it (as written: not on resolved trees);
 * likewise for all of a statement list.
 */
typedef void expr_visit_fn(struct expr *e, void *arg);
void expr_visit(struct expr *e, expr_visit_fn *fn, void *arg);
void stmt_visit_exprs(struct stmt *s, expr_visit_fn *fn, void *arg);

/* Is E what only a target knows: "$x", @var, @cast, a member of those? */
static inline bool expr_is_target(const struct expr *e)
{
    return e->kind == EX_TARGET || e->kind == EX_ATVAR || e->kind == EX_CAST ||
           e->kind == EX_AUTOCAST;
}

/* For messages and the printed tree; static texts, never NULL. */
const char *op_text(enum op op);                /* "+" ... */
const char *value_type_text(enum value_type t); /* "long", "string", "stats", "unknown" */

#endif
