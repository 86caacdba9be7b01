/*
 * layout: files of layouts, which "ngstap pack --layout" writes and layout.c reads.
 */
#ifndef DEBUG_LAYOUT_H
#define DEBUG_LAYOUT_H

#include <stdbool.h>

/* The section that holds the list that the file was made by (pack_layout.c). */
#define LAYOUT_SECTION ".ngstap_layout"

/* Is that what -d names a file of layouts by, not a pack? */
bool layout_is_file(const char *path);

#endif
