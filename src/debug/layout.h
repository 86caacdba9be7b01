/*
 * layout: files of layouts, which "ngstap pack --layout" writes and layout.c reads.
 */
#ifndef DEBUG_LAYOUT_H
#define DEBUG_LAYOUT_H

/* The section that holds the list that the file was made by (pack_layout.c). */
#define LAYOUT_SECTION ".ngstap_layout"

/* A debuginfo for what is only tried: types are known by where their file lies in memory. */
struct debuginfo;
struct debuginfo *layout_trial_new(struct debuginfo *di);
void layout_trial_free(struct debuginfo *trial);

#endif
