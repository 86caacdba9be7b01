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

#endif
