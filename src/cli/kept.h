/*
 * kept: objects from one run to the next, so that a start need not compile.
 */
#ifndef CLI_KEPT_H
#define CLI_KEPT_H

#include <time.h>

#include "base/cachefile.h"
#include "cli/options.h"

struct debuginfo;
struct kernel;
struct sxx_result;

/* What an object is made of, as far as that is known before it is made. */
struct kept_inputs {
    const struct options *o;
    struct target *t;
    const struct kernel *k;         /* its features; NULL: nothing is kept */
    const struct sxx_result *texts; /* the script and its modules, expanded */
    const struct sema_opts *sema;   /* its folders of tapsets */
};

struct kept {
    bool on;                         /* KEY is one */
    const char *why_not;             /* where it is not */
    uint8_t key[CACHEFILE_KEY_SIZE]; /* of all that kept_inputs has, and of this build */
    int64_t newest_ns;               /* the last change of a file in it, since 1970 */
    int64_t begun_ns;
    const struct module *last; /* of the target, then */
    unsigned said;             /* warnings, then */
    const char *layouts;       /* after kept_take: what must still fit (debuginfo_layouts_same) */
};

/* Makes the key of what IN leads to. */
void kept_begin(struct compile *cx, const struct kept_inputs *in, struct kept *k);

/*
 * The object that was kept under K: in the arena, *SIZE bytes. It is made of the same texts for the
 * same build of the target's files; whether K->layouts, if not "", are still those that fit, is to
 * be asked of the process. NULL: there is none, or a file that it was made of has changed.
 */
void *kept_take(struct compile *cx, struct kept *k, struct target *t, size_t *size);

/*
 * What is to be kept before an object that was made of what K was made of, and of what DI has read:
 * *HEAD, malloc'ed, of *SIZE bytes. Not where it would say less the next time (warnings), or where
 * what it rests on is not known: the reason, in words; NULL: it may be kept. Whoever made the
 * object asks, in a jail, too.
 */
const char *kept_head(struct compile *cx, const struct kept *k, struct target *t,
                      const struct debuginfo *di, void **head, size_t *size);

/* Keeps DATA under K, as far as there is a cache: a head, and the object behind it. */
void kept_give(const struct kept *k, const void *data, size_t size);

#endif
