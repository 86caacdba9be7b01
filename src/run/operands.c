/*
 * operands: what helpers and user-space functions read from a handler and give back to it. Enters:
 * addresses as the handler computed them, none of them trusted; leaves: memory of the vm, strings,
 * a result. Refuses, by vm->fault, what lies outside the vm's memory.
 */
#include "run/helpers.h"

#include <string.h>

struct ngs_frame *run_frame(struct run *r)
{
    return (struct ngs_frame *)r->frame;
}

uint64_t run_fail(struct run *r, enum ngs_error error, uint64_t arg)
{
    run_frame(r)->error = error;
    run_frame(r)->error_arg = arg;
    return UINT64_MAX;
}

uint64_t run_bad(struct run *r, const char *why)
{
    if (!r->vm.fault)
        r->vm.fault = why;
    return 0;
}

void *run_at8(struct run *r, uint64_t addr, uint64_t size, bool write)
{
    if (addr % 8) {
        run_bad(r, "unaligned address");
        return NULL;
    }
    return vm_at(&r->vm, addr, size, write);
}

bool run_str(struct run *r, uint64_t addr, struct str *out)
{
    const struct ngs_str *s = run_at8(r, addr, sizeof(*s), false);

    *out = (struct str){"", 0};
    if (!s || !vm_at(&r->vm, addr, sizeof(*s) + s->len, false))
        return false;
    *out = (struct str){s->bytes, s->len};
    return true;
}

struct ngs_str *run_dst(struct run *r, uint64_t addr)
{
    return run_at8(r, addr, NGS_STR_SIZE(r->o->h->maxstringlen), true);
}

void run_append(struct run *r, struct ngs_str *dst, const char *p, size_t n)
{
    if (!str_append(dst, r->o->h->maxstringlen, p, strnlen(p, n)))
        run_count(&r->ctl->truncated);
}

void run_put(struct run *r, struct ngs_str *dst, const char *p, size_t n)
{
    if (!str_set(dst, r->o->h->maxstringlen, p, strnlen(p, n)))
        run_count(&r->ctl->truncated);
}
