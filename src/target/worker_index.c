/*
 * worker_index: which of its master's workers an nginx process is. Enters: a target's process;
 * leaves: the number that nginx itself counts it by, which one that is started in its place gets,
 * too (ngx_worker, src/os/unix/ngx_process_cycle.h since nginx 1.9.1). Refused: what is no nginx, a
 * process that is no worker, an executable without a symbol table, a number that nginx does not
 * give.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/bounds.h"
#include "target/target.h"

/* ngx_process.h: NGX_MAX_PROCESSES; ngx_process_cycle.h: NGX_PROCESS_WORKER. */
enum { PROCESSES_MAX = 1024, PROCESS_WORKER = 3 };

/* An ngx_uint_t, as wide as a pointer. */
static bool read_number(const struct target *t, pid_t pid, uint64_t address, uint64_t *out)
{
    char path[64];

    snprintf(path, sizeof(path), "%s/%d/mem", t->proc, (int)pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    bool ok = fd >= 0 && pread(fd, out, sizeof(*out), (off_t)address) == (ssize_t)sizeof(*out);

    if (fd >= 0)
        close(fd);
    return ok;
}

bool target_worker_index(struct compile *cx, const struct target *t, pid_t pid, uint32_t *out)
{
    const struct module *exe = t->modules;
    uint64_t kind = 0, kind_at = 0, number = 0, number_at = 0;

    if (!exe || !exe->is_exe || exe->fd < 0)
        return false;
    bounds_file(exe->path);
    struct elf_symbols s = elf_variables_read(cx->arena, exe->fd);

    for (uint32_t i = 0; i < s.n; i++) {
        if (!strcmp(s.v[i].name, "ngx_process"))
            kind_at = s.v[i].vaddr + exe->bias;
        if (!strcmp(s.v[i].name, "ngx_worker"))
            number_at = s.v[i].vaddr + exe->bias;
    }
    if (!kind_at || !number_at || !read_number(t, pid, kind_at, &kind) || kind != PROCESS_WORKER ||
        !read_number(t, pid, number_at, &number) || number >= PROCESSES_MAX)
        return false;
    *out = (uint32_t)number;
    return true;
}
