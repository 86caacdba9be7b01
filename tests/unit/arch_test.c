/*
 * arch_test: the tables of machines beside those who know better: elfutils has its own names of
 * DWARF's registers by machine (libdw takes them from a file of the machine, which is made here),
 * the C library's headers have the layout of this machine's registers.
 */
#include <dwarf.h>
#include <elfutils/libdwfl.h>
#include <fcntl.h>
#include <gelf.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/user.h>
#include <unistd.h>

#include "arch/arch.h"
#include "tap.h"

/* ---- elfutils' names ---- */

/* An ELF file of MACHINE with nothing in it but headers; NULL: it was not made. */
static char *empty_program(uint16_t machine)
{
    static char path[40];
    struct {
        Elf64_Ehdr e;
        Elf64_Phdr p;
    } file = {
        {.e_ident = {ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB, EV_CURRENT},
         .e_type = ET_DYN,
         .e_machine = machine,
         .e_version = EV_CURRENT,
         .e_phoff = sizeof(Elf64_Ehdr),
         .e_ehsize = sizeof(Elf64_Ehdr),
         .e_phentsize = sizeof(Elf64_Phdr),
         .e_phnum = 1},
        {.p_type = PT_LOAD, .p_flags = PF_R, .p_filesz = 120, .p_memsz = 120, .p_align = 4096}};

    strcpy(path, "/tmp/ngstap-arch-test.XXXXXX");
    int fd = mkstemp(path);
    bool ok = fd >= 0 && write(fd, &file, sizeof(file)) == sizeof(file);

    if (fd >= 0)
        close(fd);
    return ok ? path : NULL;
}

struct names {
    const struct arch *arch;
    int seen, differ;
};

static int compare_name(void *arg, int reg, const char *set, const char *prefix, const char *name,
                        int bits, int type)
{
    struct names *n = arg;
    uint8_t size;
    (void)set, (void)prefix, (void)type;

    if (reg < 0 || reg >= n->arch->n_regs || bits != 64)
        return DWARF_CB_OK;
    n->seen++;
    if (arch_register(n->arch, name, strlen(name), &size) != reg) {
        n->differ++;
        printf("# register %d of %s is %s\n", reg, n->arch->name, name);
    }
    return DWARF_CB_OK;
}

static void test_dwarf_names(const struct arch *a, int known)
{
    static const Dwfl_Callbacks callbacks = {.find_debuginfo = dwfl_standard_find_debuginfo,
                                             .section_address = dwfl_offline_section_address};
    const char *path = empty_program(a->machine);
    Dwfl *dwfl = path ? dwfl_begin(&callbacks) : NULL;
    Dwfl_Module *m = dwfl ? dwfl_report_offline(dwfl, "", path, -1) : NULL;
    struct names n = {.arch = a};

    if (!m)
        printf("# %s\n", dwfl_errmsg(-1));
    if (m)
        dwfl_module_register_names(m, compare_name, &n);
    tap_ok(n.seen == known && !n.differ, "%s: elfutils gives the %d registers it knows these names",
           a->name, known);
    if (dwfl)
        dwfl_end(dwfl);
    if (path)
        unlink(path);
}

/* ---- the tables themselves ---- */

static int reg(const struct arch *a, const char *name)
{
    uint8_t size = 0;
    int n = arch_register(a, name, strlen(name), &size);

    return n >= 0 && size == 8 ? n : -1;
}

static bool args_are(const struct arch *a, const char *const *names, int n)
{
    bool ok = a->n_args == n;

    for (int i = 0; ok && i < n; i++)
        ok = a->args[i] == reg(a, names[i]);
    return ok;
}

static void test_sound(const struct arch *a)
{
    bool ok = true;

    for (uint8_t i = 0; i < a->n_regs; i++) {
        ok &= a->regs[i].offset % 8 == 0 && a->regs[i].offset + 8 <= a->pt_regs_size;
        ok &= reg(a, a->regs[i].name) == i && a->regs[i].member[0];
        for (uint8_t k = 0; k < i; k++)
            ok &= a->regs[i].offset != a->regs[k].offset;
    }
    tap_ok(ok, "%s: every register has a name and a place of its own", a->name);
    ok = a->user_mode.offset % 8 == 0 && a->user_mode.offset + 8 <= a->pt_regs_size;
    for (const struct arch_part *p = a->parts; p->name; p++)
        ok &= p->reg < a->n_regs && p->size <= 8;
    ok &= a->ip < a->n_regs && a->sp < a->n_regs && a->result < a->n_regs;
    tap_ok(ok && a->frame_pointer < a->n_regs && arch_of_machine(a->machine) == a &&
               strstr(arch_names(), a->title),
           "%s: what it says of registers are registers", a->name);
}

/* Each name once, in numbers that handlers can be looked up by. */
static bool names_are_sound(const struct arch_syscall_table *t)
{
    bool ok = t->n <= ARCH_SYSCALLS && t->names[t->n - 1];

    for (uint32_t i = 0; i < t->n; i++)
        for (uint32_t k = 0; t->names[i] && k < i; k++)
            ok &= !t->names[k] || strcmp(t->names[i], t->names[k]) != 0;
    return ok;
}

static void test_syscalls(const struct arch *a)
{
    bool ok = names_are_sound(a->syscall.table) &&
              (!a->syscall.compat_table || names_are_sound(a->syscall.compat_table));

    for (uint32_t i = 0; i < ARCH_SYSCALL_ARGS; i++)
        ok &= a->syscall.args[i] < a->n_regs &&
              (!a->syscall.compat_args || a->syscall.compat_args[i] < a->n_regs);
    tap_ok(ok, "%s: each system call has one number, and arguments in registers", a->name);
}

#define IS(call) (SYS_##call < t->n && t->names[SYS_##call] && !strcmp(t->names[SYS_##call], #call))

/* First, middle and last of what the C library's headers know. */
static void test_native_syscalls(const struct arch *a)
{
    const struct arch_syscall_table *t = a->syscall.table;

    tap_ok(IS(read) && IS(write) && IS(close) && IS(openat) && IS(pread64) && IS(pwrite64) &&
               IS(ioctl) && IS(lseek) && IS(mmap) && IS(brk) && IS(clone) && IS(execve) &&
               IS(exit_group) && IS(wait4) && IS(getsid) && IS(sched_get_priority_min) &&
               IS(socket) && IS(connect) && IS(accept4) && IS(recvmsg) && IS(epoll_pwait) &&
               IS(epoll_ctl) && IS(prlimit64) && IS(sendmmsg) && IS(getrandom) && IS(statx) &&
               IS(rseq) && IS(io_uring_setup) && IS(clone3) && IS(openat2) && IS(epoll_pwait2) &&
               IS(futex_waitv),
           "this machine's calls have the C library's numbers");
}

static void test_x86_64(const struct arch *a)
{
    static const char *const args[] = {"rdi", "rsi", "rdx", "rcx", "r8", "r9"};
    static const unsigned char traps[] = {0xcc, 0x90};
    uint8_t size = 0;

    tap_ok(args_are(a, args, 6) && a->result == reg(a, "rax") && a->sp == reg(a, "rsp") &&
               a->ip == reg(a, "rip") && a->popped == 8,
           "x86_64: arguments and result are where the psABI has them");
    tap_ok(arch_register(a, "edi", 3, &size) == reg(a, "rdi") && size == 4 &&
               arch_register(a, "x0", 2, &size) < 0 && arch_register(a, "rd", 2, &size) < 0,
           "x86_64: halves of registers, and no others");
    tap_ok(arch_is_trap(&a->uprobe, traps, 2) && !arch_is_trap(&a->uprobe, traps + 1, 1) &&
               !arch_is_trap(&a->uprobe, traps, 0),
           "x86_64: a breakpoint is known by its byte");

    /* as GNU as makes them: jmp . + 0x105, jmp . - 0x10, jne . + 2 */
    static const unsigned char far[] = {0xe9, 0x00, 0x01, 0, 0}, near[] = {0xeb, 0xee},
                               jne[] = {0x75, 0x00};

    tap_ok(a->jump_size(far, 5, 0x1000, 0x1105) == 5 && !a->jump_size(far, 4, 0x1000, 0x1105) &&
               !a->jump_size(far, 5, 0x1000, 0x1100) && a->jump_size(near, 2, 0x1000, 0xff0) == 2 &&
               !a->jump_size(jne, 2, 0x1000, 0x1002),
           "x86_64: jumps, and where they lead to");
}

/* struct user_pt_regs of arch/arm64/include/uapi/asm/ptrace.h */
struct arm64_regs {
    uint64_t regs[31], sp, pc, pstate;
};

static void test_aarch64(const struct arch *a)
{
    static const char *const args[] = {"x0", "x1", "x2", "x3", "x4", "x5", "x6", "x7"};
    static const uint32_t brk5 = 0xd42000a0, brk0 = 0xd4200000; /* brk #n: 0xd4200000 | n << 5 */
    uint8_t size = 0;
    bool ok = a->pt_regs_size == sizeof(struct arm64_regs);

    for (int i = 0; i < 31; i++)
        ok &= a->regs[i].offset == offsetof(struct arm64_regs, regs) + 8 * (size_t)i;
    ok &= a->regs[a->sp].offset == offsetof(struct arm64_regs, sp);
    ok &= a->regs[a->ip].offset == offsetof(struct arm64_regs, pc);
    tap_ok(ok && a->user_mode.offset == offsetof(struct arm64_regs, pstate),
           "aarch64: registers lie where the kernel's header has them");
    tap_ok(args_are(a, args, 8) && a->result == reg(a, "x0") && a->sp == reg(a, "sp") &&
               a->frame_pointer == reg(a, "x29") && a->popped == 0,
           "aarch64: arguments and result are where AAPCS64 has them");
    tap_ok(arch_register(a, "w7", 2, &size) == reg(a, "x7") && size == 4 &&
               arch_register(a, "lr", 2, &size) == reg(a, "x30") && size == 8 &&
               arch_register(a, "rax", 3, &size) < 0,
           "aarch64: halves and names of registers, and no others");
    tap_ok(arch_is_trap(&a->uprobe, (const unsigned char *)&brk5, 4) &&
               !arch_is_trap(&a->uprobe, (const unsigned char *)&brk0, 4) &&
               arch_is_trap(&a->trap, (const unsigned char *)&brk0, 4),
           "aarch64: breakpoints of the kernel and of debuggers are known by their instruction");

    /* b . + 8, b . - 4, bl . + 8 */
    static const unsigned char ahead[] = {2, 0, 0, 0x14}, back[] = {0xff, 0xff, 0xff, 0x17},
                               call[] = {2, 0, 0, 0x94};

    tap_ok(a->jump_size(ahead, 4, 0x1000, 0x1008) == 4 && !a->jump_size(ahead, 3, 0x1000, 0x1008) &&
               a->jump_size(back, 4, 0x1000, 0xffc) == 4 && !a->jump_size(call, 4, 0x1000, 0x1008),
           "aarch64: jumps, and where they lead to");
}

#ifdef __x86_64__
#define AT(name, member)                                                                           \
    (a->regs[reg(a, #name)].offset == offsetof(struct user_regs_struct, member))
static void test_native(const struct arch *a)
{
    bool ok = AT(rax, rax) && AT(rbx, rbx) && AT(rcx, rcx) && AT(rdx, rdx) && AT(rsi, rsi) &&
              AT(rdi, rdi) && AT(rbp, rbp) && AT(rsp, rsp) && AT(r8, r8) && AT(r9, r9) &&
              AT(r10, r10) && AT(r11, r11) && AT(r12, r12) && AT(r13, r13) && AT(r14, r14) &&
              AT(r15, r15) && AT(rip, rip);

    tap_ok(ok && a->user_mode.offset == offsetof(struct user_regs_struct, cs) &&
               a->pt_regs_size == offsetof(struct user_regs_struct, fs_base),
           "this machine's registers lie where the C library's headers have them");
}
#else
static void test_native(const struct arch *a)
{
    tap_skip("this machine's registers lie where the C library's headers have them",
             "not written for this machine");
}
#endif

/* ---- lengths of instructions ---- */

/* "ADDRESS:\tBYTES\tINSTRUCTION" of objdump: its bytes are as many as ours. What it takes for data
 * ("(bad)", a prefix alone) is left out, and "wait", which it draws together with the next. */
static bool same_length(const struct arch *a, char *line, unsigned *n)
{
    char *bytes = strstr(line, ":\t"), *text = bytes ? strchr(bytes + 2, '\t') : NULL;
    uint8_t code[16];
    unsigned size = 0, byte;
    int used;

    if (!text)
        return true;
    *text++ = '\0';
    for (bytes += 2; size < sizeof(code) && sscanf(bytes, " %2x%n", &byte, &used) == 1;
         bytes += used)
        code[size++] = (uint8_t)byte;
    if (strstr(text, "(bad)") || !strncmp(text, "rex", 3) || (size > 1 && code[0] == 0x9b))
        return true;
    ++*n;
    return a->length(code, size) == size && (size < 2 || !a->length(code, size - 1));
}

static void test_lengths(const struct arch *a)
{
    char *line = NULL;
    size_t room = 0;
    unsigned n = 0, wrong = 0;
    FILE *f =
        popen("objdump -d -w --insn-width=16 /lib/x86_64-linux-gnu/libm.so.6 2>/dev/null", "re");

    while (f && getline(&line, &room, f) > 0) {
        char *kept = strdup(line);

        if (kept && !same_length(a, line, &n) && wrong++ < 5)
            printf("# %s", kept);
        free(kept);
    }
    free(line);
    if (f)
        pclose(f);
    if (!n)
        tap_skip("lengths of instructions", "no objdump, or another machine's libm");
    else
        tap_ok(!wrong && n > 10000, "%s: %u instructions are as long as objdump says", a->title, n);
}

int main(void)
{
    const struct arch *x86_64 = arch_of_machine(EM_X86_64), *aarch64 = arch_of_machine(EM_AARCH64);

    elf_version(EV_CURRENT);
    test_sound(x86_64);
    test_x86_64(x86_64);
    test_dwarf_names(x86_64, 17);
    test_sound(aarch64);
    test_aarch64(aarch64);
    test_dwarf_names(aarch64, 32); /* it has no name for 32, the program counter */
    test_syscalls(x86_64);
    test_syscalls(aarch64);
    test_native(arch_native());
    test_native_syscalls(arch_native());
    test_lengths(x86_64);
    tap_ok(!arch_of_machine(EM_NONE) && !arch_of_machine(EM_S390),
           "a machine without a table is not known");
    return tap_done();
}
