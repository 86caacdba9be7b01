/*
 * vars: the values of $^ variables. Internal to sxx/.
 */
#ifndef SXX_VARS_H
#define SXX_VARS_H

#include <uthash.h>

#include "sxx/sxx.h"

struct sxx_var {
    const char *name, *value; /* NULL: no value, reported already */
    const char *told;         /* what of the value the target said (line.h); NULL: nothing */
    uint32_t len;             /* of the value, which may hold NULs */
    bool library;             /* found by name: a later :default() replaces it */
    uint32_t arg;             /* in the table of arguments seen: index in vars.args */
    uint32_t source;          /* of an argument's value: id of the text that messages show; 0 */
    UT_hash_handle hh;
};

/* A table of variables, by name; in the arena. */
struct sxx_var *var_find(struct sxx_var *table, const char *name);
struct sxx_var *var_set(struct arena *a, struct sxx_var **table, const char *name,
                        const char *value, uint32_t len);

struct vars {
    struct compile *cx;
    const struct sxx_opts *o;
    const struct target *t;
    struct sxx_var *set; /* built in, given, by default, or found */
    struct {
        const char **v; /* sorted, each once */
        uint32_t n;
    } dsos[2];            /* the target's shared libraries: those in use, and the others */
    struct sxx_var *seen; /* names of ARGS */
    struct sxx_arg *args; /* mentioned */
    uint32_t n_args;
    const char *assumed;  /* a library that was not found */
    uint32_t script;      /* the source that the user named */
    bool failed, told;    /* TOLD: that there is no target */
};

void vars_init(struct vars *v, struct compile *cx, const struct sxx_opts *o,
               const struct target *t);

/*
 * The variable $^NAME mentioned at AT, with ":TRAIT(TRAIT_VALUE)" or NULLs. Reports what has no
 * value; NULL then, and where --args leaves it blank.
 */
const struct sxx_var *vars_get(struct vars *v, struct span at, const char *name, const char *trait,
                               const char *trait_value, uint32_t trait_len);

void vars_sort_args(struct vars *v);

#endif
