/*
 * nginx: Lua code in nginx's configuration.
 */
#ifndef LUA_NGINX_H
#define LUA_NGINX_H

#include "base/compile.h"
#include "target/target.h"

/* Code of one directive: "content_by_lua_block { ... }" or "content_by_lua '...';". */
struct nginx_block {
    const char *directive; /* "content_by_lua": without "_block" */
    const char *file;      /* the configuration file, as it was opened */
    uint32_t line;         /* that ngx_lua gives it: of "{"; of the ";" that ends a quoted one */
    uint32_t last_line;    /* of "}": what versions before 0.10.12 give a block */
    const char *text;      /* its lines are counted from 1 */
    size_t len;
};

struct nginx_blocks {
    struct nginx_block *v;
    uint32_t n;
    /* For looking up: sorted by line, and by last line; of those that only one name could mean, two
     * at most. */
    const struct nginx_block **sorted[2];
    uint32_t n_sorted[2];
    const char **package_paths; /* of lua_package_path, as they are written */
    uint32_t n_package_paths;
};

/*
 * All Lua code in CONF (absolute) and what it includes, below ROOT. What cannot be read is left
 * out: there are only fewer blocks then. Arena.
 */
struct nginx_blocks *nginx_blocks_read(struct compile *cx, const struct sysroot *root,
                                       const char *conf);

/*
 * The block of a chunk name, e.g. "content_by_lua(nginx.conf:57)" or
 * "access_by_lua(...f/sites/very-long-name.conf:9)"; NULL: there is none, or more than one fits.
 */
const struct nginx_block *nginx_block_find(const struct nginx_blocks *b, const char *chunk,
                                           size_t len);

/* Is it the chunk name of a directive? */
bool nginx_is_chunk(const char *chunk, size_t len);

/*
 * Where an nginx keeps its files: by the arguments of the master (text of /proc/PID/cmdline), else
 * by what EXE, its executable, was configured with. CWD may be NULL. False: no nginx.
 */
struct nginx_place {
    const char *prefix; /* with its slash */
    const char *conf;
};
bool nginx_place_find(struct compile *cx, const struct sysroot *root, const char *exe,
                      const char *cwd, const char *cmdline, size_t len, struct nginx_place *out);

/* DIR and NAME with one slash between them; in A. */
const char *nginx_join(struct arena *a, const char *dir, const char *name);

/* NAME, or where it lies below DIR (may be NULL); NULL: neither is absolute. */
const char *nginx_full(struct arena *a, const char *dir, const char *name);

/* Without any process: where packages put it. False: it is not there. */
bool nginx_place_guess(const struct sysroot *root, struct nginx_place *out);

#endif
