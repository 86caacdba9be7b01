/*
 * layout_nginx: what the files share that read nginx by layouts of its types:
 *
 *     layout_rows     which layouts serve a build
 *     layout_nginx    whether one fits a process
 *     layout_parts    the source that is made of those that were chosen
 */
#ifndef DEBUG_LAYOUT_NGINX_H
#define DEBUG_LAYOUT_NGINX_H

#include "debug/source.h"

/* ---- which ---- */

/* The parts that layouts are made of; each goes on from those before it, the last from the first
 * two. */
enum nginx_part {
    NGINX_CORE,
    NGINX_HTTP,
    NGINX_UPSTREAM,
    NGINX_LUA,
    NGINX_STREAM_LUA,
    NGINX_PARTS,
};

enum { NGINX_OPTIONS = 34 }; /* flags of NGX_MODULE_SIGNATURE */

/* Who patches nginx. Any: what is the same for all of them. */
enum nginx_flavour { NGINX_ANY, NGINX_OWN, NGINX_OPENRESTY, NGINX_APISIX, NGINX_KONG };

struct nginx_build {
    uint32_t version;                /* as nginx_version: 1022001 */
    char options[NGINX_OPTIONS + 1]; /* "": not found */
    enum nginx_flavour flavour;
};

struct layout_row {
    enum nginx_part part;
    enum nginx_flavour flavour;
    uint32_t first, last; /* versions of nginx; of the Lua modules' rows: of those, not looked at */
    const char *options;
    const char *file;
};

struct layout_rows {
    struct layout_row *v;
    uint32_t n;
};

/* Of the file PATH; n 0: it cannot be read. */
struct layout_rows layout_rows_read(struct arena *a, const char *path);
bool layout_row_serves(const struct layout_row *r, const struct nginx_build *b);
/* How near the row's flavour is to the build's: 2 its own, 1 anybody's, 0 another. */
uint32_t layout_row_near(const struct layout_row *r, const struct nginx_build *b);

/* What nginx's file M says of itself. False: it does not. */
bool nginx_build_of(struct dbg *m, struct nginx_build *out);
const char *nginx_build_text(struct arena *a, const struct nginx_build *b);

/* ---- whether ---- */

enum layout_fit {
    LAYOUT_REFUTED, /* something in the process contradicts it */
    LAYOUT_UNTRIED, /* nothing is there to try it on */
    LAYOUT_PROVED,
};

enum { TRIAL_MODULES = 3, TRIAL_TYPES = NGINX_PARTS + 1 };

struct layout_trial {
    int mem; /* /proc/PID/mem; -1: there is no process */
    struct { /* files with nginx's variables: the program, a module of its own */
        struct dbg *m;
        uint64_t bias;
    } modules[TRIAL_MODULES];
    uint32_t n_modules;
    struct layout_types { /* those that it goes on from, the layout that is tried */
        struct dbg *m;    /* a program with debug information; NULL: a layout, by its list */
        const char *list; /* (layout.h) */
    } types[TRIAL_TYPES];
    uint32_t n_types;
};

/* Is the last layout of T, of PART, that of the process? *WHY: what was looked at last. */
enum layout_fit layout_nginx_fits(const struct layout_trial *t, enum nginx_part part,
                                  const char **why);

#endif
