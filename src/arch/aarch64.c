/*
 * aarch64: registers and conventions of AArch64 on Linux. DWARF numbers are AADWARF64's (4.1),
 * offsets those of struct user_pt_regs in arch/arm64/include/uapi/asm/ptrace.h, with which the
 * kernel's struct pt_regs begins.
 */
#include <elf.h>
#include <string.h>

#include "arch/machines.h"

#define X(n)                                                                                       \
    {                                                                                              \
        "x" #n, 8 * n, "regs[" #n "]"                                                              \
    }
#define W(n)                                                                                       \
    {                                                                                              \
        "w" #n, n, 4                                                                               \
    }

enum { FP = 29, LR, SP, PC };

static const struct arch_register regs[] = {
    X(0),
    X(1),
    X(2),
    X(3),
    X(4),
    X(5),
    X(6),
    X(7),
    X(8),
    X(9),
    X(10),
    X(11),
    X(12),
    X(13),
    X(14),
    X(15),
    X(16),
    X(17),
    X(18),
    X(19),
    X(20),
    X(21),
    X(22),
    X(23),
    X(24),
    X(25),
    X(26),
    X(27),
    X(28),
    X(29),
    X(30),
    {"sp", 248, "sp"},
    {"pc", 256, "pc"},
};

static const struct arch_part parts[] = {
    W(0),  W(1),  W(2),  W(3),  W(4),           W(5),          W(6),          W(7),         W(8),
    W(9),  W(10), W(11), W(12), W(13),          W(14),         W(15),         W(16),        W(17),
    W(18), W(19), W(20), W(21), W(22),          W(23),         W(24),         W(25),        W(26),
    W(27), W(28), W(29), W(30), {"wsp", SP, 4}, {"fp", FP, 8}, {"lr", LR, 8}, {NULL, 0, 0},
};

/* AAPCS64, 6.4.2 */
static const uint8_t args[] = {0, 1, 2, 3, 4, 5, 6, 7};

/* [bti c]; adrp x16, SLOT's page; ldr x17, [x16, SLOT's place in it]: AAELF64, 6.2 */
static bool plt_slot(const unsigned char *p, size_t n, uint64_t vaddr, uint64_t *slot)
{
    enum { BTI_C = 0xd503245f, PAGE_BITS = 12, INSTRUCTION = 4 };
    uint32_t code[3];
    uint64_t pages;
    size_t at = 0;

    if (n < sizeof(code))
        return false;
    memcpy(code, p, sizeof(code));
    at += code[0] == BTI_C;
    if ((code[at] & 0x9f00001f) != 0x90000010 || (code[at + 1] & 0xffc003ff) != 0xf9400211)
        return false;
    pages = (code[at] >> 29 & 3) | (code[at] >> 5 & 0x7ffff) << 2;
    pages = (pages ^ 0x100000) - 0x100000; /* it has a sign */
    *slot = ((vaddr + at * INSTRUCTION) >> PAGE_BITS << PAGE_BITS) + (pages << PAGE_BITS) +
            (code[at + 1] >> 10 & 0xfff) * 8;
    return true;
}

/* B of the architecture's manual (C6.2.26): 26 bits, in words from the instruction itself. */
static uint8_t jump_size(const unsigned char *code, size_t n, uint64_t at, uint64_t target)
{
    uint32_t word;

    if (n < sizeof(word))
        return 0;
    memcpy(&word, code, sizeof(word));
    int64_t words = (int32_t)(word << 6) >> 6;

    return word >> 26 == 5 && at + (uint64_t)(words * 4) == target ? 4 : 0;
}

static uint8_t length(const uint8_t *code, size_t n)
{
    (void)code;
    return n < 4 ? 0 : 4;
}

const struct arch arch_aarch64 = {
    .name = "arm64",
    .title = "aarch64",
    .machine = EM_AARCH64,
    .regs = regs,
    .n_regs = sizeof(regs) / sizeof(*regs),
    .parts = parts,
    .all_names = "x0-x30 fp lr sp pc, or w0-w30 wsp for 32 bits",
    .ip = PC,
    .sp = SP,
    .frame_pointer = FP,
    .pt_regs_size = 272,
    .user_mode = {.offset = 264 /* pstate */, .mask = 0xf /* PSR_MODE_MASK */, .zero = true},
    .syscall =
        {
            .table = &arch_aarch64_syscalls,
            .args = args,
            .number = 280 /* syscallno, behind what struct user_pt_regs has */,
            .first = 272 /* orig_x0 */,
            .compat = {.offset = 264 /* pstate */,
                       .mask = 0x10,
                       .value = 0x10 /* PSR_MODE32_BIT */},
        },
    .abi = ARCH_ABI_AAPCS64,
    .args = args,
    .n_args = sizeof(args),
    .first_float_arg = 64, /* v0 */
    .saved = 0x3ff80000,   /* x19 to x29 */
    .result = 0,
    .popped = 0,
    .link = LR,
    .uprobe = {4, {0xa0, 0x00, 0x20, 0xd4}}, /* brk #5: UPROBES_BRK_IMM of asm/brk-imm.h */
    .trap = {4, {0x00, 0x00, 0x20, 0xd4}},   /* brk #0, where the program counter stays */
    .trap_skips = 0,
    .plt_slot = plt_slot,
    .plt_step = 4,
    .operand = arch_aarch64_operand,
    .jump_size = jump_size,
    .length = length,
};
