/*
 * hit: see hit.h. Enters: an instruction's bytes; leaves: how the kernel gets over it, and a
 * function to measure that at.
 */
#include "arch/hit.h"

#include <string.h>

#if defined __x86_64__
#define NOTHING "nop\n"
#define LANDING "endbr64\n"
#define STEPPED "lea (%rdi), %rax\n"
#elif defined __aarch64__
#define NOTHING "nop\n"
#define LANDING "bti c\n"
#define STEPPED "mov x0, #0\n"
#endif

#ifdef NOTHING
__asm__(".pushsection .text\n"
        ".balign 16\n"
        ".type arch_hit_emulated, %function\n"
        "arch_hit_emulated:\n" NOTHING "ret\n"
        ".size arch_hit_emulated, . - arch_hit_emulated\n"
        ".balign 16\n"
        ".type arch_hit_landing, %function\n"
        "arch_hit_landing:\n" LANDING "ret\n"
        ".size arch_hit_landing, . - arch_hit_landing\n"
        ".balign 16\n"
        ".type arch_hit_stepped, %function\n"
        "arch_hit_stepped:\n" STEPPED "ret\n"
        ".size arch_hit_stepped, . - arch_hit_stepped\n"
        ".popsection\n");
arch_hit_fn arch_hit_emulated, arch_hit_landing, arch_hit_stepped;
#endif

arch_hit_fn *arch_hit_sample(enum arch_hit hit)
{
#ifdef NOTHING
    return hit == ARCH_HIT_STEPPED    ? arch_hit_stepped
           : hit == ARCH_HIT_EMULATED ? arch_hit_emulated
                                      : arch_hit_landing;
#else
    (void)hit;
    return NULL;
#endif
}

#if defined __x86_64__
/* push_setup_xol_ops, branch_setup_xol_ops: pushes, jumps, calls, nops. */
enum arch_hit arch_hit_of(const unsigned char *p, size_t n)
{
    static const unsigned char landing[] = {0xf3, 0x0f, 0x1e, 0xfa};

    if (n >= sizeof(landing) && !memcmp(p, landing, sizeof(landing)))
        return ARCH_HIT_LANDING;
    if (n >= 2 && (p[0] & 0xf0) == 0x40) { /* a prefix */
        p++;
        n--;
    }
    return n >= 1 && ((p[0] & 0xf8) == 0x50 || (p[0] & 0xf0) == 0x70 || p[0] == 0x90 ||
                      p[0] == 0xe8 || p[0] == 0xe9 || p[0] == 0xeb ||
                      (n >= 2 && p[0] == 0x0f && (p[1] & 0xf0) == 0x80))
               ? ARCH_HIT_EMULATED
               : ARCH_HIT_STEPPED;
}
#else
enum arch_hit arch_hit_of(const unsigned char *p, size_t n)
{
    static const unsigned char nothing[] = {0x1f, 0x20, 0x03, 0xd5};

    return n >= sizeof(nothing) && !memcmp(p, nothing, sizeof(nothing)) ? ARCH_HIT_EMULATED
                                                                        : ARCH_HIT_STEPPED;
}
#endif
