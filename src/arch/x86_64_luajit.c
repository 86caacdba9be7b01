/*
 * x86_64_luajit: where the stack pointer is in the code of LuaJIT's interpreter. Enters: that code,
 * whose unwind table says one frame for all of it, untrusted; leaves: where it is another, by the
 * instructions that LuaJIT's assembler is given (vm_x64.dasc, vm_x86.dasc: saveregs, restoreregs,
 * "Trace exit handler", "Math helper functions", "FFI helper functions"). What is not known is left
 * as the table has it.
 */
#include <string.h>

#include "arch/machines.h"

struct bytes {
    uint8_t n;
    uint8_t v[15];
};

/* push rbx, r15, r14; sub rsp, 40: behind push rbp, or that of a callback's entry */
static const struct bytes save = {9, {0x53, 0x41, 0x57, 0x41, 0x56, 0x48, 0x83, 0xec, 0x28}};
/* add rsp, 40; pop r14, r15, rbx, rbp */
static const struct bytes restore = {10,
                                     {0x48, 0x83, 0xc4, 0x28, 0x41, 0x5e, 0x41, 0x5f, 0x5b, 0x5d}};
/* push r13, r12, r11, r10, r9, r8, rdi, rsi, rbp: a trace's registers, below its spilled values */
static const struct bytes leave_trace = {
    15, {0x41, 0x55, 0x41, 0x54, 0x41, 0x53, 0x41, 0x52, 0x41, 0x51, 0x41, 0x50, 0x57, 0x56, 0x55}};
/* mov rsp, rcx; add rsp, 16: what leads back to the interpreter's frame, the second, where it is
 * there, in code that other traces come to, too */
static const struct bytes at_frame = {3, {0x48, 0x89, 0xcc}};
static const struct bytes above_trace = {4, {0x48, 0x83, 0xc4, 0x10}};
/* mov rax, 0x7fffffffffffffff; movq xmm2, rax: vm_floor, the first of the helpers */
static const struct bytes helper = {
    15, {0x48, 0xb8, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f, 0x66, 0x48, 0x0f, 0x6e, 0xd0}};

enum { PUSH_RBP = 0x55, RET = 0xc3, JMP = 0xe9, JMP_SIZE = 5 };

static bool is_at(const struct bytes *b, const uint8_t *p, size_t n)
{
    return n >= b->n && !memcmp(p, b->v, b->n);
}

/* Each push adds a word. RBP: the first one is here. */
static void tell_save(size_t at, bool rbp, arch_lua_tell *tell, void *arg)
{
    if (rbp)
        tell(arg, at++, 1);
    tell(arg, at, 2);
    tell(arg, at + 1, 3);
    tell(arg, at + 3, 4);
    tell(arg, at + 5, 5);
    tell(arg, at + 9, ARCH_LUA_FRAME);
}

/* Behind it is a return, or a jump to another function. */
static size_t tell_restore(const uint8_t *p, size_t n, size_t at, arch_lua_tell *tell, void *arg)
{
    size_t size = restore.n;

    tell(arg, at + 4, 5);
    tell(arg, at + 6, 4);
    tell(arg, at + 8, 3);
    tell(arg, at + 9, 2);
    tell(arg, at + 10, 1);
    if (n > size)
        size += p[size] == RET ? 1 : p[size] == JMP ? JMP_SIZE : 0;
    if (size > restore.n)
        tell(arg, at + size, ARCH_LUA_FRAME);
    return size;
}

/* From a trace's end on, up to where the frame is the interpreter's again. */
static size_t tell_exit(const uint8_t *p, size_t n, size_t at, arch_lua_tell *tell, void *arg)
{
    enum { EXIT_MAX = 320, NEAR = 16 };

    for (size_t k = leave_trace.n; k < n && k < EXIT_MAX; k++) {
        const struct bytes *back = is_at(&above_trace, p + k, n - k) ? &above_trace : &at_frame;

        if (!is_at(back, p + k, n - k))
            continue;
        tell(arg, at, ARCH_LUA_UNKNOWN);
        k += back->n;
        tell(arg, at + k, ARCH_LUA_FRAME);
        for (size_t end = k + NEAR; back == &at_frame && k < end && k < n; k++)
            if (is_at(&above_trace, p + k, n - k)) {
                tell(arg, at + k, ARCH_LUA_UNKNOWN);
                tell(arg, at + k + above_trace.n, ARCH_LUA_FRAME);
                return k + above_trace.n;
            }
        return k;
    }
    return 0;
}

void arch_x86_64_lua_frames(const uint8_t *code, size_t size, arch_lua_tell *tell, void *arg)
{
    bool exits = false, helpers = false;
    size_t step;

    for (size_t at = 0; at < size; at += step) {
        const uint8_t *p = code + at;
        size_t n = size - at;
        bool rbp = *p == PUSH_RBP;

        step = 1;
        if (is_at(&save, p + rbp, n - rbp)) {
            tell_save(at, rbp, tell, arg);
            step = save.n + rbp;
            helpers = false;
        } else if (is_at(&restore, p, n)) {
            step = tell_restore(p, n, at, tell, arg);
        } else if (!exits && is_at(&leave_trace, p, n)) {
            size_t whole = tell_exit(p, n, at, tell, arg);

            exits = whole > 0;
            step = exits ? whole : 1;
        } else if (exits && !helpers && is_at(&helper, p, n)) {
            tell(arg, at, 1);
            helpers = true;
        }
    }
}
