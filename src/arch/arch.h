/*
 * arch: what is known of a machine: its registers, its calling convention, its breakpoint. One file
 * a machine, each a struct arch in the table of arch.c; nothing else names a register.
 *
 * Registers go by their DWARF numbers (R_REG of the tree, NGS_CTX_REG of the IR); a handler finds
 * them in the context of its program, which begins as the struct pt_regs of
 * arch/ARCH/include/uapi/asm/ptrace.h does.
 */
#ifndef ARCH_ARCH_H
#define ARCH_ARCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct arch_register {
    const char *name;
    uint16_t offset;    /* in struct pt_regs */
    const char *member; /* of the kernel's struct pt_regs: what stap's C says for it */
};

/* Another name of a register, or the name of a part of it. */
struct arch_part {
    const char *name;
    uint8_t reg;
    uint8_t size; /* bytes, from the low end */
};

/* Names of system calls by number; NULL: no such call. */
struct arch_syscall_table {
    const char *const *names;
    uint32_t n; /* ARCH_SYSCALLS at most */
};
enum { ARCH_SYSCALLS = 512, ARCH_SYSCALL_ARGS = 6 };

/*
 * What an instruction works on, as assembler writes it. The notes of marks (sys/sdt.h) say in this
 * way where arguments are.
 */
enum arch_operand_kind { OPERAND_CONSTANT, OPERAND_REGISTER, OPERAND_MEMORY, OPERAND_FLOAT };
struct arch_operand {
    enum arch_operand_kind kind;
    int base, index;    /* registers of the address, -1: none; BASE is REGISTER's, too */
    uint8_t scale;      /* INDEX counts so many bytes */
    uint8_t size;       /* of REGISTER's part, in bytes */
    uint8_t shift;      /* bits of the register below that part: 8 of "ah" */
    int64_t number;     /* CONSTANT, or what is added to the address */
    const char *symbol; /* of the file: its address is added, too; NULL: none */
    uint32_t symbol_len;
};

enum { ARCH_LUA_LAYOUTS = 2, ARCH_HELD_REGS = 15 };
enum { ARCH_JUMP_MAX = 5 }; /* bytes of a jump */

/* How parameters are passed: a file of debug/ each (debug/abi_args.h). */
enum arch_abi { ARCH_ABI_SYSV_X86_64, ARCH_ABI_AAPCS64, ARCH_ABIS };

/*
 * From byte AT of the code of LuaJIT's interpreter on the CFA is that many WORDS above the stack
 * pointer, and the registers that the interpreter saves lie below it as in its own frame, as far as
 * there is room. ARCH_LUA_FRAME: it is that frame; UNKNOWN: no rule holds. Told by rising AT.
 */
typedef void arch_lua_tell(void *arg, size_t at, unsigned words);
enum { ARCH_LUA_FRAME = 0xff, ARCH_LUA_UNKNOWN = 0 };

struct arch {
    const char *name;  /* as conditions of a script have it: SystemTap's word */
    const char *title; /* as messages have it */
    uint16_t machine;  /* e_machine of its ELF files: 64 bits, little endian */

    /* By DWARF number; those that a program counts with, not those of its floating point. */
    const struct arch_register *regs;
    uint8_t n_regs;
    const struct arch_part *parts; /* until one without a name */
    const char *all_names;         /* for a hint */
    uint8_t ip, sp;
    uint8_t frame_pointer; /* in which clang keeps the frame's address when it does not optimize */
    uint16_t pt_regs_size;

    /* Was the program itself interrupted, and not the kernel for it? */
    struct {
        uint16_t offset; /* of a word in struct pt_regs */
        uint8_t mask;    /* bits of that word: */
        bool zero;       /* ... they are 0 in a program; else they are 0 in the kernel */
    } user_mode;

    /*
     * How a program calls the kernel: its struct pt_regs as the tracepoints sys_enter and sys_exit
     * hand it over. COMPAT: by the convention for 32 bits, whatever the program is.
     */
    struct {
        const struct arch_syscall_table *table, *compat_table; /* the second may be NULL */
        const uint8_t *args, *compat_args; /* registers of ARCH_SYSCALL_ARGS arguments */
        uint16_t number;                   /* offset of the 32 bits that tell the call */
        /* Of the first argument at the return, where the result has taken its register; or 0. */
        uint16_t first;
        /* It is compat when that word of pt_regs, under the mask, is the value. */
        struct {
            uint16_t offset;
            uint16_t mask, value;
        } compat;
        /* Better, where the kernel tells where it is: those bits of thread_info's status; or 0. */
        uint32_t compat_status;
    } syscall;

    enum arch_abi abi;
    const uint8_t *args; /* registers of the first parameters that are integers or pointers */
    uint8_t n_args;
    uint8_t first_float_arg; /* DWARF number of the register of the first one that is a float */
    uint64_t saved; /* those that a function gives back as they were, a bit each: no parameters */
    uint8_t result;
    /* How much higher the stack pointer is after a return than it was at the function's entry. */
    uint8_t popped;
    /* Where POPPED is 0: the register that has the return address at a function's entry. */
    uint8_t link;

    /* How stacks are walked (unwind/): the caller's address lies right below the CFA. */
    struct {
        bool known;
        uint8_t return_address; /* its number in .eh_frame */
        uint8_t base;           /* the register that assembly keeps a stack pointer in over calls */
        /* Where a signal's registers lie, from the stack pointer that its handler returns to on;
         * the other ones by their words in struct pt_regs, 0: it is none. */
        uint16_t signal, signal_size;
        uint16_t signal_ip, signal_sp, signal_fp, signal_regs[ARCH_HELD_REGS];
        /* LuaJIT's frame on the C stack, with references of 64 and of 32 bits. */
        struct arch_lua {
            uint8_t frame_size;   /* 0: not known */
            uint8_t state_at;     /* its lua_State */
            bool narrow;          /* ... in 32 bits */
            uint8_t cframe, type; /* of struct lua_State: cframe, gct */
            uint8_t before;       /* in the frame: the state's one before */
        } lua[ARCH_LUA_LAYOUTS];
        uint8_t lua_more; /* by which it is larger where LuaJIT was built with LUAJIT_NO_UNWIND */
        /* The kernel's trampoline for .return probes: bytes that it pushes, below where the return
         * address was, before it calls the kernel, and its next four bytes of code (Linux 6.11). */
        uint8_t pushed;
        uint32_t pops;
        /* The rule of LuaJIT's unwind table for all code of its interpreter: words that the CFA is
         * above the stack pointer, and that the frame pointer and BASE lie below the CFA. */
        struct {
            uint8_t words, fp, base;
        } lua_rule;
        /* Says where in the SIZE bytes of that code, untrusted, another rule holds; NULL: that is
         * not known. */
        void (*lua_frames)(const uint8_t *code, size_t size, arch_lua_tell *tell, void *arg);
    } unwind;

    /* Instructions, as they lie in memory. */
    struct arch_trap {
        uint8_t size;
        uint8_t bytes[4];
    } uprobe;              /* what the kernel's breakpoints are */
    struct arch_trap trap; /* a debugger's */
    uint8_t trap_skips;    /* bytes that the program counter is behind TRAP when it stops */

    /*
     * Do the N bytes at P, which lie at VADDR, begin an entry of a linkage table: a jump to where
     * the word at *SLOT says? Entries begin at multiples of STEP.
     */
    bool (*plt_slot)(const unsigned char *p, size_t n, uint64_t vaddr, uint64_t *slot);
    uint8_t plt_step;

    /* Reads an operand, LEN bytes at TEXT, which are untrusted. False: it is none that is known. */
    bool (*operand)(const char *text, size_t len, struct arch_operand *out);

    /* The size of the jump to TARGET that CODE, N bytes at AT, begins with; 0: it does not begin
     * with one, or with one that has a condition. */
    uint8_t (*jump_size)(const unsigned char *code, size_t n, uint64_t at, uint64_t target);

    /* The size of the instruction that CODE, N bytes, untrusted, begins with; 0: none that is
     * known. */
    uint8_t (*length)(const uint8_t *code, size_t n);
};

/* The machine of that e_machine; NULL: none that is known here. */
const struct arch *arch_of_machine(uint16_t machine);
/* The machine that ngstap runs on; NULL: none that is known here. */
const struct arch *arch_native(void);
/* "x86_64, aarch64": the titles of all, for a message. */
const char *arch_names(void);

/* The register that is called so, or -1; *SIZE: the bytes that the name means, of 8. */
int arch_register(const struct arch *a, const char *name, size_t len, uint8_t *size);

/* Do the bytes at P, N of them, begin with TRAP? */
bool arch_is_trap(const struct arch_trap *trap, const unsigned char *p, size_t n);

#endif
