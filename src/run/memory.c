/*
 * memory: of the processes that are looked at and of the kernel, as user space reads it. Enters: an
 * address of any value; leaves: bytes, or false.
 */
#include "run/state.h"

#include <inttypes.h>
#include <stdio.h>
#include <sys/uio.h>

struct peek *run_peek(struct run *r)
{
    if (!r->peeked)
        r->peek = peek_open();
    r->peeked = true;
    return r->peek;
}

/* Piece by piece. */
static bool read_kernel(struct run *r, uint64_t addr, char *buf, size_t n)
{
    struct peek *p = run_peek(r);
    size_t part;

    for (; p && n; addr += part, buf += part, n -= part) {
        part = n < PEEK_MAX ? n : PEEK_MAX;
        if (!peek_read(p, addr, buf, part))
            return false;
    }
    return p;
}

bool run_read_memory(void *run, uint64_t addr, void *buf, size_t n, bool user)
{
    struct run *r = run;
    struct iovec to = {buf, n}, from = {(void *)(uintptr_t)addr, n};
    pid_t pid = r->t ? target_first(r->t) : 0;

    if (!user)
        return read_kernel(r, addr, buf, n);
    if (r->as_process && r->as_process != pid) /* addresses are the target's */
        return false;
    return pid > 0 && process_vm_readv(pid, &to, 1, &from, 1, 0) == (ssize_t)n;
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
