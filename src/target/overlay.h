/*
 * overlay: which of an overlay's layers a process really runs.
 */
#ifndef TARGET_OVERLAY_H
#define TARGET_OVERLAY_H

#include "target/target.h"

/*
 * The file whose code PID runs at the mapping M: FD, which was opened by the merged name, or, when
 * the file has been copied up since, the lower layer's (FD is closed then). Uprobes by the merged
 * name would be put into the copy, which nobody runs.
 */
int overlay_mapped_file(struct compile *cx, const struct target *t, pid_t pid, const struct map *m,
                        int fd);

#endif
