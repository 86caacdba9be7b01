/*
 * sxx: stap++'s macro layer: $^vars, @pfunc, $*x := ..., @use; text in, SystemTap text out, with
 * origins so that diagnostics point into the .sxx. The order of substitution, the messages and
 * the quirks follow stap++ (openresty/stapxx c6773fe); what is broken there is fixed here:
 * cycles of @use are an error that names the chain.
 */
#ifndef SXX_SXX_H
#define SXX_SXX_H

#include "base/compile.h"
#include "target/target.h"

struct sxx_arg {
    const char *name, *value;      /* --arg NAME=VALUE; NAME first: order_by_text */
    const char *default_value;     /* as mentioned by :default(); NULL: none */
    const char *option;            /* of the command line that gave it: messages point into its
                                    * value, by this name; NULL: at where it is mentioned */
    bool given, used;
};

struct sxx_opts {
    struct sxx_arg *args;          /* --arg, in order */
    uint32_t n_args;
    const char *const *include;    /* where @use looks, all of it, in order: -I DIR, ".", our own */
    const char *const *distrusted; /* for each, why a module there is not taken, or NULL; NULL: all
                                    * are */
    uint32_t n_include;
    bool by_target;                /* $^pid_ok asks target() also of several processes: it is each
                                    * of them where the script runs. Else it lists their pids, as
                                    * stap++ does */
    bool list_args;                /* --args: missing paths are blank, nothing dies for want of
                                    * them */
};

struct sxx_result {
    struct source *main;           /* the expanded script */
    struct source **libs;          /* @use'd modules, expanded, in order of first use */
    uint32_t n_libs;
    const char *assumed;           /* a library that was not found, and is assumed to be in the
                                    * executable; or NULL */
    struct sxx_arg *args;          /* every $^arg_ seen, for --args: sorted by name */
    uint32_t n_args;
};

/*
 * Expands SRC for the target (TARGET_NONE allowed as far as no $^ variable needs one). OUT->main is
 * set even when false is returned; libs are named "a.b.stp" and marked as tapset. An --arg that is
 * given and never mentioned keeps used == false: it is the caller who warns.
 */
bool sxx_expand(struct compile *cx, const struct sxx_opts *o, const struct target *t,
                struct source *src, struct sxx_result *out);

#endif
