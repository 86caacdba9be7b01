#include "target/needed.h"
void needed_libraries(struct arena *a, const struct sysroot *root, const char *exe,
                      void (*fn)(const char *path, void *arg), void *arg)
{
}
