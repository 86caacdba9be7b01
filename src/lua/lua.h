/*
 * lua: names of Lua functions, from their sources.
 *
 * The sources belong to whoever wrote them, in the target's container: they are read through its
 * sysroot only, their sizes are bounded, and what cannot be made sense of leaves a frame as it was.
 */
#ifndef LUA_LUA_H
#define LUA_LUA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/compile.h"
#include "target/target.h"

/* ---- names.c: from a frame to a name ---- */

enum {
    LUA_SOURCE_MAX = 64 << 20,     /* bytes of one source */
    /* room that holds every frame of 4096 bytes when it is escaped */
    LUA_FRAME_MAX = 4 * 4096 + 64,
};

struct lua_names;

/* Where sources are found. Everything but the root may be missing. */
struct lua_place {
    const struct sysroot *root; /* needed; lives as long as the lua_names */
    /* of the process, as the target sees it: for relative chunk names */
    const char *cwd;
    const char *prefix;         /* of nginx (-p) */
    const char *conf;           /* nginx's configuration file (-c), absolute */
    time_t since;               /* a source changed after this is not what runs; 0: not known */
    struct target *target;      /* whose LuaJIT names its built-in functions; lives as long, too */
};

/*
 * What the target's first process says about itself: its root, its working directory, nginx's
 * prefix and configuration by the command line of the master or by the executable. T may be without
 * any process (--exec, or no target): absolute names only then.
 */
void lua_place_find(struct compile *cx, struct target *t, struct lua_place *out);

/* Names for a place; nothing is read yet. Never NULL; its memory is CX's arena's, but for
 * lua_names_free. */
struct lua_names *lua_names_at(struct compile *cx, const struct lua_place *place);
struct lua_names *lua_names_new(struct compile *cx, struct target *t); /* both of these */
void lua_names_free(struct lua_names *n);

/*
 * Rewrites one frame of a stack, without its newline: "@PATH:LINE", "T:@PATH:LINE" or
 * "=content_by_lua(nginx.conf:57):LINE" (the "=" may be missing) becomes "MODULE:FUNCTION", "T:"
 * being kept; "builtin#N" becomes "builtin:NAME" ("builtin:string.gsub"); every other frame is
 * copied. LINE is the first line of a function or any line within one. Bytes that are not printable
 * are written as \xNN; what is valid UTF-8 stays. OUT, of SIZE bytes, is always NUL-terminated, cut
 * at a character when it is too small. True: a name was found.
 */
bool lua_names_frame(struct lua_names *n, const char *frame, size_t len, char *out, size_t size);

/* How often a name was found, and how often none was although the frame has the form of one. */
struct lua_names_counts {
    uint64_t found, missing;
    uint32_t sources, unreadable; /* files */
};
struct lua_names_counts lua_names_counts(const struct lua_names *n);

/* ---- builtin.c: LuaJIT's built-in functions, by the file that has it ---- */

struct lua_builtins;

/* Never NULL; without LuaJIT nothing has a name. Its memory is CX's arena's. */
struct lua_builtins *lua_builtins_read(struct compile *cx, struct target *t);
/* "string.gsub", or NULL */
const char *lua_builtin_name(const struct lua_builtins *b, uint32_t id);

/* ---- functions.c: the functions of a source ---- */

struct lua_function {
    /* of "function" and of "end": LuaJIT's linedefined and lastlinedefined */
    uint32_t line, last_line;
    uint32_t parent;          /* index; the main chunk is function 0 and its own parent */
    uint32_t name, name_len;  /* in struct lua_functions.text; name_len 0: anonymous */
};

struct lua_functions {
    /* in order of "function"; v[0] is the main chunk: line 0, last_line: the last line */
    struct lua_function *v;
    uint32_t n;
    char *text;
    uint32_t text_len;
    bool sound;             /* the whole source could be made sense of */
};

/*
 * Finds the functions of TEXT. What is no Lua is skipped to the next thing that makes sense (sound
 * is false then). FIRST is the number of its first line. False: out of memory.
 */
bool lua_functions_read(const char *text, size_t len, uint32_t first, struct lua_functions *out);
void lua_functions_free(struct lua_functions *f);

/* The function that begins at LINE (the outermost when there are several), else the innermost that
 * holds it; NULL. */
const struct lua_function *lua_functions_at(const struct lua_functions *f, uint32_t line);

/* Writes "a.b:c", "parent:LINE" or "LINE": what follows the module in a frame. Bytes written. */
size_t lua_function_label(const struct lua_functions *f, const struct lua_function *of, char *out,
                          size_t size);

#endif
