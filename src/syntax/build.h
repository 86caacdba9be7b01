/*
 * build: what the grammar's actions call to make nodes. Internal to syntax/. Checks what the
 * grammar does not: heights, names, numbers of arguments, guru mode; reports and goes on.
 */
#ifndef SYNTAX_BUILD_H
#define SYNTAX_BUILD_H

#include "syntax/token.h"

struct parser {
    struct compile *cx;
    const struct pp_env *env;
    const struct source *src;
    struct program *prog;
    struct feed feed;
    bool failed;   /* something was reported as an error */
    bool too_deep; /* of that kind one report is enough */
    bool in_function;
    bool privileged;  /* guru mode, or a tapset */
    bool macros_only; /* a library of macros: *.stpm */
    struct probe **probes_tail, **aliases_tail;
    struct function **funcs_tail;
    struct variable **globals_tail;
};

/* Lists under construction. */
struct exprs {
    struct expr **v;
    uint32_t n;
};
struct stmts {
    struct stmt *first, *last;
};
struct comps {
    struct component *first, *last;
};
struct params {
    struct variable *first, *last;
    uint32_t n;
};
struct points {
    struct probe_point *first, *last;
    uint32_t n;
};
struct alias {
    struct probe_point *first, *last;
    bool epilogue;
};
struct fe_key { /* of foreach: a name and its sort direction */
    struct expr *name;
    int dir;
};
struct fe_keys {
    struct exprs keys;
    struct expr *value;
    int sort_dir, sort_key;
    enum stat_op sort_stat;
};
struct fe_order {
    struct span at;
    enum stat_op stat;
    int dir;
};
struct func_type {
    enum value_type type;
    bool typed;
};

bool build_error(struct parser *p, struct span at, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* A syntax error at the feed's last token; NAMES of what was expected. */
void build_unexpected(struct parser *p, const struct span *at, const char *const *names,
                      uint32_t n);

/* ---- expressions: build.c ---- */

struct expr *build_number(struct parser *p, const struct token *t);
struct expr *build_string(struct parser *p, const struct token *t);
struct expr *build_name(struct parser *p, const struct token *t);
struct expr *build_unary(struct parser *p, struct span at, const struct token *t, enum op op,
                         struct expr *a);
struct expr *build_binary(struct parser *p, struct span at, const struct token *t, enum op op,
                          struct expr *a, struct expr *b);
struct expr *build_assign(struct parser *p, struct span at, const struct token *t, struct expr *a,
                          struct expr *b);
struct expr *build_incdec(struct parser *p, struct span at, const struct token *t, bool post,
                          struct expr *a);
struct expr *build_ternary(struct parser *p, struct span at, const struct token *t, struct expr *a,
                           struct expr *b, struct expr *c);
struct expr *build_index(struct parser *p, struct span at, struct expr *array, struct exprs keys);
struct expr *build_any(struct parser *p, struct span at);
struct expr *build_in(struct parser *p, struct span at, const struct token *t, struct exprs keys,
                      struct expr *array);
struct expr *build_match(struct parser *p, struct span at, const struct token *t, struct expr *a,
                         const struct token *pattern);
struct expr *build_call(struct parser *p, struct span at, const struct token *name,
                        struct exprs args);
struct expr *build_print(struct parser *p, struct span at, const struct token *word,
                         struct exprs args);
struct expr *build_hist(struct parser *p, struct span at, const struct token *word, struct expr *a,
                        struct exprs numbers);
struct expr *build_stat(struct parser *p, struct span at, const struct token *word, struct expr *a,
                        const struct token *shift);
struct expr *build_target(struct parser *p, const struct token *t);
struct expr *build_atvar(struct parser *p, struct span at, const struct token *word,
                         const struct token *name, const struct token *module);
struct expr *build_cast(struct parser *p, struct span at, const struct token *word, struct expr *a,
                        const struct token *type, const struct token *module);
/* $x->y, f(x)->y: COMPS after BASE. */
struct expr *build_comps(struct parser *p, struct span at, struct expr *base, struct comps comps);
struct expr *build_address(struct parser *p, struct span at, const struct token *t, struct expr *a);
/* @word(e), @word("text"), @word(number), @word(number, e) */
struct expr *build_at_expr(struct parser *p, struct span at, const struct token *word,
                           enum expr_kind kind, struct expr *a);
struct expr *build_at_text(struct parser *p, struct span at, const struct token *word,
                           enum expr_kind kind, const struct token *text);
struct expr *build_register(struct parser *p, struct span at, const struct token *word,
                            struct expr *n);
struct expr *build_deref(struct parser *p, struct span at, const struct token *word,
                         struct expr *size, struct expr *addr);
struct expr *build_embedded(struct parser *p, const struct token *t);
struct expr *build_unknown_at(struct parser *p, const struct token *t);
struct exprs build_append(struct parser *p, struct exprs list, struct expr *e);

struct comps build_member(struct parser *p, struct span at, const struct token *name);
struct comps build_subscript(struct parser *p, struct span at, struct expr *index);
struct comps build_pretty(struct parser *p, const struct token *t);
struct comps build_comps_join(struct parser *p, struct comps a, struct comps b);

/* ---- statements and declarations: decl.c ---- */

struct stmt *build_stmt(struct parser *p, enum stmt_kind kind, struct span at, struct span head);
/* To be called when its parts are set: measures it. */
struct stmt *build_done(struct parser *p, struct stmt *s);
struct stmt *build_simple(struct parser *p, enum stmt_kind kind, struct span at, struct expr *e);
struct stmt *build_if(struct parser *p, struct span at, struct span head, struct expr *cond,
                      struct stmt *then, struct stmt *other);
struct stmt *build_loop(struct parser *p, enum stmt_kind kind, struct span at, struct span head,
                        struct expr *init, struct expr *cond, struct expr *step, struct stmt *body);
struct stmt *build_foreach(struct parser *p, struct span at, struct span head, struct fe_keys keys,
                           struct expr *array, struct exprs slice, struct fe_order order,
                           struct expr *limit, struct stmt *body);
struct stmt *build_try(struct parser *p, struct span at, struct span head, struct stmt *body,
                       struct expr *caught, struct stmt *other);
struct stmts build_stmts_add(struct stmts list, struct stmt *s);
struct fe_keys build_fe_add(struct parser *p, struct fe_keys list, struct fe_key key);
struct fe_keys build_fe_value(struct parser *p, struct fe_key value, struct fe_keys list);

struct points build_part(struct parser *p, const struct token *name, struct expr *arg,
                         struct span at);
struct points build_cross(struct parser *p, struct span at, struct points a, struct points b);
struct points build_suffix(struct parser *p, struct span at, struct points a, int suffix,
                           struct expr *condition);
struct points build_points_join(struct points a, struct points b);
struct alias build_alias(struct parser *p, struct alias list, struct points a, bool epilogue);
void build_probe(struct parser *p, struct span at, struct alias alias, struct points points,
                 struct stmt *body, struct stmt *epilogue);

void build_global(struct parser *p, const struct token *name, bool is_private, bool wrap,
                  struct expr *size, struct expr *init);
struct params build_param(struct parser *p, struct params list, const struct token *name,
                          struct func_type type);
void build_function(struct parser *p, struct span at, bool is_private, const struct token *name,
                    struct func_type type, struct params params, struct expr *priority,
                    struct stmt *body, const struct token *code);
void build_embedded_decl(struct parser *p, const struct token *t);

#endif
