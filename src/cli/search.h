/*
 * search: the directories of library modules and tapset scripts.
 */
#ifndef CLI_SEARCH_H
#define CLI_SEARCH_H

#include "cli/options.h"

/* DISTRUSTED: for each why nothing is taken from it, or NULL. */
struct module_dirs {
    const char **v, **distrusted;
    uint32_t n;
};

/* For @use: -I, ".", our tapset, then "tapset" beside the script or beside its folder. For a script
 * of ours: -I and our tapset. */
struct module_dirs search_modules(struct compile *cx, const struct options *o);

/* For functions and aliases in *.stp and *.stpm: the same without ".". */
struct strings search_tapsets(struct compile *cx, const struct options *o);

/* SystemTap's own tapset; NULL: it is not there, or not to be used. */
const char *search_systemtap(struct compile *cx, const struct options *o);

/* Folders with patches for SystemTap's runtime (patches/runtime), to be tried in this order. */
struct strings search_patches(struct compile *cx);

/* The folder of layouts that are known of some programs (debug/layout.c). */
const char *search_layouts(struct compile *cx);

/* One of our samples, by its file's name. */
const char *search_sample(struct compile *cx, const char *name);

/* Why root may not take the code in the file PATH unasked: somebody else could have written it.
 * NULL: no reason. */
const char *search_foreign(struct compile *cx, const char *path);

#endif
