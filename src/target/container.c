#include "target/target.h"
bool container_find(struct compile *cx, const char *name, const char **root, pid_t *pid)
{
    return false;
}
