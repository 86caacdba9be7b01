/*
 * dt_needed: the shared libraries an executable would load, without running anything (as ldd does).
 */
#ifndef TARGET_DT_NEEDED_H
#define TARGET_DT_NEEDED_H

#include "target/target.h"

/* Calls FN with the path of each, as the target sees it; each once. What is not found is left
 * out. */
void dt_needed_libraries(struct arena *a, const struct sysroot *root, const char *exe,
                      void (*fn)(const char *path, void *arg), void *arg);

#endif
