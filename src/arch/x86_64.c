/*
 * x86_64: registers and conventions of x86-64 on Linux. DWARF numbers are those of the System V
 * psABI, figure 3.36, offsets those of arch/x86/include/uapi/asm/ptrace.h, which struct
 * user_regs_struct shares.
 */
#include <elf.h>
#include <string.h>

#include "arch/machines.h"

/* 16 is the return address column: here the instruction pointer. */
static const struct arch_register regs[] = {
    {"rax", 80, "ax"},  {"rdx", 96, "dx"},  {"rcx", 88, "cx"},  {"rbx", 40, "bx"},
    {"rsi", 104, "si"}, {"rdi", 112, "di"}, {"rbp", 32, "bp"},  {"rsp", 152, "sp"},
    {"r8", 72, "r8"},   {"r9", 64, "r9"},   {"r10", 56, "r10"}, {"r11", 48, "r11"},
    {"r12", 24, "r12"}, {"r13", 16, "r13"}, {"r14", 8, "r14"},  {"r15", 0, "r15"},
    {"rip", 128, "ip"},
};

enum { RAX, RDX, RCX, RBX, RSI, RDI, RBP, RSP, R8, R9, R10, RIP = 16 };

static const struct arch_part parts[] = {
    {"eax", RAX, 4}, {"edx", RDX, 4}, {"ecx", RCX, 4}, {"ebx", RBX, 4}, {"esi", RSI, 4},
    {"edi", RDI, 4}, {"ebp", RBP, 4}, {"esp", RSP, 4}, {NULL, 0, 0},
};

/* System V psABI, 3.2.3 */
static const uint8_t args[] = {RDI, RSI, RDX, RCX, R8, R9};

/* arch/x86/entry/entry_64.S and entry_64_compat.S */
static const uint8_t syscall_args[] = {RDI, RSI, RDX, R10, R8, R9};
static const uint8_t compat_args[] = {RBX, RCX, RDX, RSI, RDI, RBP};

/* [endbr64] [bnd] jmp *SLOT(%rip): psABI, 5.2, and the tables of -z ibtplt. */
static bool plt_slot(const unsigned char *p, size_t n, uint64_t vaddr, uint64_t *slot)
{
    static const unsigned char endbr[] = {0xf3, 0x0f, 0x1e, 0xfa}, jmp[] = {0xff, 0x25};
    const unsigned char *at = p, *end = p + n;
    int32_t distance;

    if (end - at > (int)sizeof(endbr) && !memcmp(at, endbr, sizeof(endbr)))
        at += sizeof(endbr);
    if (at < end && *at == 0xf2)
        at++;
    if (end - at < (int)(sizeof(jmp) + sizeof(distance)) || memcmp(at, jmp, sizeof(jmp)) != 0)
        return false;
    memcpy(&distance, at + sizeof(jmp), sizeof(distance));
    at += sizeof(jmp) + sizeof(distance);
    *slot = vaddr + (uint64_t)(at - p) + (uint64_t)(int64_t)distance;
    return true;
}

/* JMP rel32 and rel8 of the SDM: from the instruction's end. */
static uint8_t jump_size(const unsigned char *code, size_t n, uint64_t at, uint64_t target)
{
    int32_t far;
    int8_t near;

    if (n >= 5 && code[0] == 0xe9) {
        memcpy(&far, code + 1, sizeof(far));
        return at + 5 + (uint64_t)(int64_t)far == target ? 5 : 0;
    }
    if (n >= 2 && code[0] == 0xeb) {
        memcpy(&near, code + 1, sizeof(near));
        return at + 2 + (uint64_t)(int64_t)near == target ? 2 : 0;
    }
    return 0;
}

const struct arch arch_x86_64 = {
    .name = "x86_64",
    .title = "x86_64",
    .machine = EM_X86_64,
    .regs = regs,
    .n_regs = sizeof(regs) / sizeof(*regs),
    .parts = parts,
    .all_names = "rax rbx rcx rdx rsi rdi rbp rsp r8-r15 rip, or eax ... for 32 bits",
    .ip = RIP,
    .sp = RSP,
    .frame_pointer = RBP,
    .pt_regs_size = 168,
    .user_mode = {.offset = 136 /* cs */, .mask = 3 /* its privilege level */, .zero = false},
    .syscall =
        {
            .table = &arch_x86_64_syscalls,
            .compat_table = &arch_i386_syscalls,
            .args = syscall_args,
            .compat_args = compat_args,
            .number = 120 /* orig_ax */,
            .compat = {.offset = 136 /* cs */, .mask = 0xffff, .value = 0x23 /* __USER32_CS */},
            .compat_status = 2 /* TS_COMPAT of asm/thread_info.h: also int 0x80 of 64 bits */,
        },
    .abi = ARCH_ABI_SYSV_X86_64,
    .args = args,
    .n_args = sizeof(args),
    .first_float_arg = 17, /* xmm0 */
    .saved = 1u << RBX | 1u << RBP | 0xf000 /* r12 to r15 */,
    .result = RAX,
    .popped = 8, /* the return address */
    /* psABI, table 3.36; struct ucontext_t, whose registers begin at 40 (sys/ucontext.h). */
    .unwind = {.known = true,
               .return_address = 16,
               .base = RBX,
               .signal = 40,
               .signal_size = 17 * 8,
               .signal_ip = 40 + 16 * 8,
               .signal_sp = 40 + 15 * 8,
               .signal_fp = 40 + 10 * 8,
               /* r15 to r12, -, rbx, r11 to r8, rax, rcx, rdx, rsi, rdi */
               .signal_regs = {96, 88, 80, 72, 0, 128, 64, 56, 48, 40, 144, 152, 136, 112, 104},
               /* arch/x86/kernel/uprobes.c, uretprobe_trampoline_entry: pop r11; pop rcx; ret */
               .pushed = 24,
               .pops = 0xc3595b41,
               /* lj_frame.h, lj_obj.h */
               .lua = {{80, 16, false, 80, 9, 32}, {80, 24, true, 48, 5, 32}},
               .lua_more = 16,
               .lua_rule = {.words = 10, .fp = 2, .base = 3},
               .lua_frames = arch_x86_64_lua_frames},
    .uprobe = {1, {0xcc}},
    .trap = {1, {0xcc}}, /* int3 */
    .trap_skips = 1,
    .plt_slot = plt_slot,
    .plt_step = 8,
    .operand = arch_x86_64_operand,
    .jump_size = jump_size,
    .length = arch_x86_64_length,
};
