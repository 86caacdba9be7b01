/*
 * layout: files of layouts, which "ngstap pack --layout" writes and layout.c reads.
 */
#ifndef DEBUG_LAYOUT_H
#define DEBUG_LAYOUT_H

#include <stdbool.h>
#include <stdint.h>

struct arena;

/* The section that holds the list that the file was made by (pack_layout.c). */
#define LAYOUT_SECTION ".ngstap_layout"

/* Is PATH, which -d names, a file of layouts, not a pack, by its name? */
bool layout_is_file(const char *path);

/* The list of the file at PATH, in the arena. NULL: it is no file of layouts. */
const char *layout_list(struct arena *a, const char *path);

/*
 * Calls FN with each layout in the folder DIR: its file and that file's list, both in the arena.
 * The file LISTS there has them all (scripts/make-layouts), each behind a line HEAD NAME.
 */
#define LAYOUT_LISTS "lists"
#define LAYOUT_HEAD  "layout "
typedef void layout_list_fn(const char *path, const char *list, void *arg);
void layout_lists(struct arena *a, const char *dir, layout_list_fn *fn, void *arg);

/* Is LINE, without its end, one of LIST's? */
bool layout_has_line(const char *list, const char *line);

/* Does it serve sources committed at FROM to TO? Lines "serves URL FROM TO|now". */
bool layout_serves(const char *list, uint64_t from, uint64_t to);

/* Where a member lies in its type, both in bytes; of a bit field BIT_SIZE bits from BIT_OFF on. */
struct layout_place {
    uint64_t offset, size;
    uint32_t bit_off, bit_size;
};

/* The place of the member PATH ("a.b", or "-": all) of TYPE. False: LIST says none. */
bool layout_place(const char *list, const char *type, const char *path, struct layout_place *out);

/* The same of a type that is known, or NULL, which has none. */
struct ctype;
bool layout_place_of(const struct ctype *t, const char *path, struct layout_place *out);

#endif
