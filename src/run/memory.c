/*
 * memory: of the processes that are looked at, as user space reads it. Enters: an address of any
 * value; leaves: bytes, or false.
 */
#include "run/state.h"

#include <inttypes.h>
#include <stdio.h>
#include <sys/uio.h>

bool run_read_memory(void *run, uint64_t addr, void *buf, size_t n, bool user)
{
    const struct run *r = run;
    struct iovec to = {buf, n}, from = {(void *)(uintptr_t)addr, n};
    pid_t pid = r->t ? target_first(r->t) : 0;

    if (r->as_process && r->as_process != pid) /* addresses are the target's */
        return false;
    return user && pid > 0 && process_vm_readv(pid, &to, 1, &from, 1, 0) == (ssize_t)n;
}

bool run_write_memory(const struct run *r, uint64_t addr, const void *buf, size_t n)
{
    struct iovec from = {(void *)(uintptr_t)buf, n}, to = {(void *)(uintptr_t)addr, n};
    pid_t pid = r->t ? target_first(r->t) : 0;

    return pid > 0 && process_vm_writev(pid, &from, 1, &to, 1, 0) == (ssize_t)n;
}

bool run_is_mapped(uint32_t tid, uint64_t addr)
{
    char path[32], line[512];
    FILE *f;
    bool found = false;

    snprintf(path, sizeof(path), "/proc/%u/maps", tid);
    f = tid ? fopen(path, "re") : NULL;
    while (f && !found && fgets(line, sizeof(line), f)) {
        uint64_t start, end;
        char readable;

        found = sscanf(line, "%" SCNx64 "-%" SCNx64 " %c", &start, &end, &readable) == 3 &&
                addr >= start && addr < end && readable == 'r';
    }
    if (f)
        fclose(f);
    return found;
}
