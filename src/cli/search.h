/*
 * search: the directories of library modules and tapset scripts.
 */
#ifndef CLI_SEARCH_H
#define CLI_SEARCH_H

#include "cli/options.h"

/* For @use: -I, ".", our tapset, then "tapset" beside the script or beside its folder. */
struct strings search_modules(struct compile *cx, const struct options *o);

/* For functions and aliases in *.stp and *.stpm: the same without ".". */
struct strings search_tapsets(struct compile *cx, const struct options *o);

/* Of mends of SystemTap's runtime. */
struct strings search_patches(struct compile *cx);

/* One of our samples, by its file's name. */
const char *search_sample(struct compile *cx, const char *name);

#endif
