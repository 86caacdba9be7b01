/*
 * libinit: names of the built-in functions of a LuaJIT (libinit.c).
 */
#ifndef LUA_LIBINIT_H
#define LUA_LIBINIT_H

#include "base/arena.h"

enum { LIBINIT_IDS = 256 /* ffid is a byte */ };

/* By the bytes of a file that has LuaJIT's code: "string.gsub" for each number whose name is known,
 * in A. The others are left as they are. */
void libinit_names(struct arena *a, int fd, const char *names[LIBINIT_IDS]);

#endif
