/*
 * overlay: which of an overlay's layers a process really runs.
 */
#ifndef TARGET_OVERLAY_H
#define TARGET_OVERLAY_H

#include <gelf.h>

#include "target/target.h"

/*
 * PATH, or the lower layer's file when the mapping M of PID is of a file that has been copied up
 * since: uprobes by the merged name would be put into the copy, which nobody runs.
 */
const char *overlay_probe_path(struct compile *cx, const struct target *t, pid_t pid,
                               const struct map *m, Elf *elf, uint64_t bias, const char *path);

/*
 * The layer's file behind PATH, as the target's first process sees it: what SystemTap can place uprobes
 * in, which it cannot in the overlay's own. NULL: PATH lies in no overlay, or the layers are not in sight.
 */
const char *overlay_layer(struct compile *cx, const struct target *t, const char *path);

#endif
