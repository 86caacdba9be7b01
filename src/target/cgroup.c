/*
 * cgroup: which container a process is in. Enters: PROC/PID/cgroup, "NUMBER:CONTROLLERS:PATH" a
 * line (cgroups(7)); leaves: the container's id, which engines put into the path: "ID",
 * "docker-ID.scope", "cri-containerd-ID.scope", "libpod-ID". Refused: what lies below, which the
 * container itself names.
 */
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "target/proc.h"

enum { CGROUP_MAX = 64 << 10 };

/* The id that the N bytes at PART end with; NULL: none. conmon is podman's monitor, outside. */
static const char *id_in(const char *part, size_t n)
{
    static const char scope[] = ".scope", monitor[] = "conmon-", digits[] = "0123456789abcdef";

    if (bytes_end_with(part, n, scope))
        n -= sizeof(scope) - 1;
    const char *id = part + n - CONTAINER_ID_LEN;

    if (n < CONTAINER_ID_LEN || strspn(id, digits) < CONTAINER_ID_LEN ||
        (id != part && id[-1] != '-') || memmem(part, n, monitor, sizeof(monitor) - 1))
        return NULL;
    return id;
}

bool cgroup_container(const char *path, char id[CONTAINER_ID_LEN + 1])
{
    while (*path == '/') {
        size_t n = strcspn(path + 1, "/\n");
        const char *found = id_in(path + 1, n);

        if (found) {
            memcpy(id, found, CONTAINER_ID_LEN);
            id[CONTAINER_ID_LEN] = '\0';
            return true;
        }
        path += 1 + n;
    }
    return false;
}

bool process_container(const char *proc, pid_t pid, char id[CONTAINER_ID_LEN + 1])
{
    char *text = proc_read(proc, pid, "cgroup", CGROUP_MAX), *save = NULL;
    bool found = false;

    for (char *line = text ? strtok_r(text, "\n", &save) : NULL; line && !found;
         line = strtok_r(NULL, "\n", &save)) {
        const char *path = strchr(line, '/');

        found = path && cgroup_container(path, id);
    }
    free(text);
    return found;
}
