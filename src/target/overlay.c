#include "target/overlay.h"
const char *overlay_probe_path(struct arena *a, const struct target *t, pid_t pid,
                               const struct map *m, Elf *elf, uint64_t bias, const char *path)
{
    return path;
}
