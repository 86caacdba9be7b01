/*
 * unwind_test: the rows of files that are here (this program, libc, what else is mapped) say what
 * libdw says of the same addresses; sections changed at random (fixed seed) are read in bounded
 * time and memory, and give rows in order or none.
 */
#include <dlfcn.h>
#include <dwarf.h>
#include <elfutils/libdw.h>
#include <fcntl.h>
#include <link.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "arch/arch.h"
#include "tap.h"
#include "target/elf.h"
#include "unwind/unwind.h"

enum {
    ROUNDS = 3000,
    HEADLESS_ROUNDS = 200,
    LOADED = 1 << 24,
    FILES_MAX = 16,
    REG_BX = 3,
    REG_FP = 6,
    REG_SP = 7,
    REG_IP = 16
};

static uint64_t state = 7;

static uint32_t random_below(uint32_t n)
{
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(state >> 33) % n;
}

/* ---- what libdw says ---- */

/* Where libdw finds a register of the caller's: words below the CFA, 0: it is as it was. */
static bool words_below(Dwarf_Frame *frame, int reg, int64_t *out)
{
    Dwarf_Op mem[3], *ops;
    size_t n;

    *out = 0;
    if (dwarf_frame_register(frame, reg, mem, &ops, &n))
        return false;
    if (n == 2 && ops[0].atom == DW_OP_call_frame_cfa && ops[1].atom == DW_OP_plus_uconst)
        *out = -(int64_t)ops[1].number / 8;
    else if (n)
        return false;
    return *out >= 0;
}

/* The places of registers in struct pt_regs, by DWARF number (asm/ptrace.h); -1: rows have none. */
static const int in_pt_regs[16] = {10, 12, 11, 5, 13, 14, -1, -1, 9, 8, 7, 6, 3, 2, 1, 0};

/* The CFA's part of a rule, out of libdw's operations. */
static bool rule_of_cfa(const Dwarf_Op *op, size_t n, int64_t base, int64_t fp, uint32_t *out)
{
    if (n == 1 && op[0].atom == DW_OP_bregx && op[0].number < 16) {
        int word = in_pt_regs[op[0].number];
        int kind = op[0].number == REG_FP   ? NGS_CFA_FP
                   : op[0].number == REG_SP ? NGS_CFA_SP
                                            : NGS_CFA_REG + word;

        *out = NGS_RULE(kind, base, fp, (int64_t)op[0].number2 / 8);
        return true;
    }
    if (n == 3 && (op[0].atom == DW_OP_breg6 || op[0].atom == DW_OP_breg7) &&
        op[1].atom == DW_OP_deref && op[2].atom == DW_OP_plus_uconst) {
        *out = NGS_RULE_PART(op[0].atom == DW_OP_breg6 ? NGS_CFA_AT_FP : NGS_CFA_AT_SP, base, fp,
                             (int64_t)op[0].number / 8, op[2].number / 8);
        return true;
    }
    if (n == 7 && op[0].atom == DW_OP_breg7 && op[1].atom >= DW_OP_breg0 &&
        op[1].atom <= DW_OP_breg15 && !op[1].number && op[2].atom == DW_OP_lit8 &&
        op[3].atom == DW_OP_mul && op[4].atom == DW_OP_plus && op[5].atom == DW_OP_deref &&
        op[6].atom == DW_OP_plus_uconst && op[6].number == 8) {
        *out = NGS_RULE_PART(NGS_CFA_AT_INDEX, base, fp, (int64_t)op[0].number / 8,
                             in_pt_regs[op[1].atom - DW_OP_breg0]);
        return true;
    }
    return false;
}

/* *OUT: the rule as a row has it; false: that is not compared. */
static bool rule_of(Dwarf_Frame *frame, uint32_t *out)
{
    Dwarf_Op mem[3], *ops, *cfa;
    size_t n, n_cfa;
    bool signal;
    int64_t base, fp, ip;

    if (dwarf_frame_info(frame, NULL, NULL, &signal) != REG_IP || signal ||
        dwarf_frame_cfa(frame, &cfa, &n_cfa))
        return false;
    if (dwarf_frame_register(frame, REG_IP, mem, &ops, &n))
        return false;
    if (!n && ops == mem) { /* undefined */
        *out = NGS_RULE(NGS_CFA_OUTERMOST, 0, 0, 0);
        return true;
    }
    if (!words_below(frame, REG_IP, &ip) || ip != 1 || !words_below(frame, REG_FP, &fp) ||
        !words_below(frame, REG_BX, &base))
        return false;
    return rule_of_cfa(cfa, n_cfa, base > NGS_BASE_MAX ? NGS_BASE_ELSEWHERE : base, fp, out);
}

/* Of every 7th row, as there are hundreds of thousands: how many were compared, and differ. */
static void compare(const char *path, uint32_t *n, uint32_t *wrong)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    Elf *elf = fd < 0 ? NULL : elf_open(fd);
    Dwarf_CFI *cfi = elf ? dwarf_getcfi_elf(elf) : NULL;
    struct unwind_rows rows = {0};

    *n = *wrong = 0;
    if (cfi && unwind_file(fd, -1, &rows))
        for (uint32_t i = 0; i < rows.n; i += 7) {
            Dwarf_Frame *frame;
            uint32_t want;

            if (dwarf_cfi_addrframe(cfi, rows.v[i].pc, &frame))
                continue;
            if (rule_of(frame, &want)) {
                ++*n;
                *wrong += rows.v[i].rule != want;
                if (rows.v[i].rule != want && *wrong < 4)
                    printf("# %s: %#x: %#x, libdw %#x\n", path, rows.v[i].pc, rows.v[i].rule, want);
            }
            free(frame);
        }
    free(rows.v);
    dwarf_cfi_end(cfi);
    elf_end(elf);
    if (fd >= 0)
        close(fd);
}

static int each_module(struct dl_phdr_info *info, size_t size, void *arg)
{
    uint32_t *left = arg, n, wrong;
    const char *path = *info->dlpi_name ? info->dlpi_name : "/proc/self/exe";

    if (!*left || *path != '/')
        return 0;
    --*left;
    compare(path, &n, &wrong);
    printf("# %s: %u rows compared\n", path, n);
    tap_ok(!wrong && n > 10, "%s: what libdw says", strrchr(path, '/') + 1);
    return 0;
}

/* ---- hostile sections ---- */

static bool in_order(const struct unwind_rows *r)
{
    for (uint32_t i = 1; i < r->n; i++)
        if (r->v[i - 1].pc >= r->v[i].pc)
            return false;
    return true;
}

/* This program's own section, or as much of it as a round needs. */
static size_t own_section(uint8_t *to, size_t size)
{
    int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    Elf *elf = elf_open(fd);
    Elf_Scn *scn = NULL;
    size_t names = 0, n = 0;
    GElf_Shdr sh;

    elf_getshdrstrndx(elf, &names);
    while (!n && (scn = elf_nextscn(elf, scn)))
        if (gelf_getshdr(scn, &sh) && !strcmp(elf_strptr(elf, names, sh.sh_name), ".eh_frame")) {
            n = sh.sh_size < size ? sh.sh_size : size;
            memcpy(to, elf_rawdata(scn, NULL)->d_buf, n);
        }
    elf_end(elf);
    close(fd);
    return n;
}

/* A .debug_frame of 40 functions, each of which pushes rbp; versions 1, 3 and 4 in turns. */
static size_t debug_section(uint8_t *to)
{
    static const uint8_t code[] = {
        DW_CFA_advance_loc | 1, DW_CFA_def_cfa_offset,   16, DW_CFA_offset | 6, 2,
        DW_CFA_advance_loc | 3, DW_CFA_def_cfa_register, 6};
    uint8_t *p = to;
    uint32_t cie = 0;

    for (uint32_t k = 0; k < 40; k++) {
        if (k % 8 == 0) {
            const uint8_t version = (uint8_t[]){1, 3, 4}[k / 8 % 3];
            const uint8_t head[] = {1, 0x78, 16, DW_CFA_def_cfa, 7, 8, DW_CFA_offset | 16, 1};
            uint8_t body[32] = {0xff, 0xff, 0xff, 0xff, version, 0, 8, 0};
            uint32_t at = version == 4 ? 8 : 6, len = 28;

            memcpy(body + at, head, sizeof(head));
            cie = (uint32_t)(p - to);
            memcpy(p, &len, 4);
            memcpy(p + 4, body, len);
            p += 4 + len;
        }
        uint64_t range[2] = {0x2000 + 64 * (uint64_t)k, 48};
        uint32_t head[2] = {4 + sizeof(range) + sizeof(code), cie};

        memcpy(p, head, sizeof(head));
        memcpy(p + 8, range, sizeof(range));
        memcpy(p + 24, code, sizeof(code));
        p += 24 + sizeof(code);
    }
    return (size_t)(p - to);
}

/* Bytes as .eh_frame or .debug_frame. */
static bool make(const uint8_t *data, size_t size, uint64_t vaddr, bool debug,
                 struct unwind_rows *out)
{
    const struct unwind_section v = {data, size, vaddr, debug};

    return unwind_make(arch_native(), &v, 1, out);
}

static void changed_sections(bool debug)
{
    static uint8_t whole[16384], changed[16384];
    size_t size = debug ? debug_section(whole) : own_section(whole, sizeof(whole));
    struct unwind_rows rows = {0};
    bool sound = size > 1000 && make(whole, size, LOADED, debug, &rows) && rows.n > 20;

    free(rows.v);
    for (int round = 0; round < ROUNDS && sound; round++) {
        size_t n = 1 + random_below((uint32_t)size);

        memcpy(changed, whole, n);
        for (uint32_t k = random_below(30); k; k--)
            changed[random_below((uint32_t)n)] = (uint8_t)random_below(256);
        if (make(changed, n, LOADED, debug, &rows))
            sound = in_order(&rows);
        free(rows.v);
    }
    tap_ok(sound, "%s changed at random", debug ? ".debug_frame" : ".eh_frame");
}

/* ---- files without section headers ---- */

/* A copy of this program without them, in memory. */
static int headless(Elf64_Ehdr *eh)
{
    int from = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    int fd = memfd_create("headless", MFD_CLOEXEC);
    static uint8_t buf[65536];
    ssize_t n;

    while ((n = read(from, buf, sizeof(buf))) > 0)
        if (write(fd, buf, (size_t)n) != n)
            return -1;
    close(from);
    if (pread(fd, eh, sizeof(*eh), 0) != sizeof(*eh))
        return -1;
    eh->e_shoff = 0;
    eh->e_shnum = eh->e_shstrndx = 0;
    return pwrite(fd, eh, sizeof(*eh), 0) == sizeof(*eh) ? fd : -1;
}

/* Where the file has its .eh_frame_hdr. */
static uint64_t frame_header(int fd, const Elf64_Ehdr *eh)
{
    Elf64_Phdr ph = {0};

    for (unsigned i = 0; i < eh->e_phnum && ph.p_type != PT_GNU_EH_FRAME; i++)
        if (pread(fd, &ph, sizeof(ph), (off_t)(eh->e_phoff + i * sizeof(ph))) != sizeof(ph))
            return 0;
    return ph.p_type == PT_GNU_EH_FRAME ? ph.p_offset : 0;
}

static void changed_files(void)
{
    Elf64_Ehdr eh;
    struct unwind_rows whole = {0}, rows = {0};
    int own = open("/proc/self/exe", O_RDONLY | O_CLOEXEC), fd = headless(&eh);
    uint64_t header = fd >= 0 ? frame_header(fd, &eh) : 0;
    uint32_t size = (uint32_t)eh.e_phoff + eh.e_phnum * (uint32_t)sizeof(Elf64_Phdr);
    bool sound = unwind_file(own, -1, &whole) && unwind_file(fd, -1, &rows);

    tap_ok(sound && rows.n == whole.n && !memcmp(rows.v, whole.v, rows.n * sizeof(*rows.v)),
           "without section headers: the same rows");
    free(whole.v);
    free(rows.v);
    close(own);
    for (int round = 0; round < HEADLESS_ROUNDS && sound; round++) {
        uint64_t at = round % 2 ? random_below(size) : header + random_below(8);
        uint8_t was, is = (uint8_t)random_below(256);

        sound = pread(fd, &was, 1, (off_t)at) == 1 && pwrite(fd, &is, 1, (off_t)at) == 1;
        if (unwind_file(fd, fd, &rows))
            sound &= in_order(&rows);
        free(rows.v);
        sound &= pwrite(fd, &was, 1, (off_t)at) == 1;
    }
    tap_ok(header && sound, "program headers and .eh_frame_hdr changed at random");
    close(fd);
}

/* A CIE, and an FDE whose instructions are those, in a section of their own. */
static bool rows_of(const uint8_t *code, size_t n, uint32_t size, struct unwind_rows *rows)
{
    uint8_t section[4096] = {20,  0,    0,
                             0,   0,    0,
                             0,   0,    1,
                             'z', 'R',  0,
                             1,   0x78, 16,
                             1,   0x1b, DW_CFA_def_cfa,
                             7,   8,    DW_CFA_offset | 16,
                             1,   0,    0};
    uint32_t head[4] = {(uint32_t)(13 + n), 28, (uint32_t)(0x1000 - 32), size};

    memcpy(section + 24, head, sizeof(head));
    memcpy(section + 41, code, n);
    return make(section, 41 + n, 0, false, rows);
}

/* Two CIEs of 60,000 instructions, and FDEs that name them in turns, so that each is read anew. */
static void two_in_turns(void)
{
    enum { CIE = 60000, FDES = 40000, SIZE = 2 * (CIE + 24) + FDES * 20 };
    uint8_t *section = calloc(1, SIZE), *p = section;
    struct unwind_rows r;

    for (int k = 0; k < 2; k++, p += CIE + 24) {
        const uint8_t head[] = {0, 0, 0, 0, 0, 0, 0, 0, 1, 'z', 'R', 0, 1, 0x78, 16, 1, 0x1b};
        uint32_t len = CIE + 20;

        memcpy(p, head, sizeof(head));
        memcpy(p, &len, sizeof(len));
    }
    for (uint32_t k = 0; k < FDES; k++, p += 20) {
        uint32_t back = (uint32_t)(p + 4 - section) - k % 2 * (CIE + 24);
        uint32_t entry[5] = {16, back, k * 16, 16, 0};

        memcpy(p, entry, sizeof(entry));
    }
    tap_ok(!make(section, SIZE, 0, false, &r) && !r.v,
           "two large entries, read in turns without end: refused");
    free(section);
}

static void instructions(void)
{
    static const uint8_t pushed[] = {
        DW_CFA_advance_loc | 1, DW_CFA_def_cfa_offset,   16, DW_CFA_offset | 6, 2,
        DW_CFA_advance_loc | 3, DW_CFA_def_cfa_register, 6};
    static const uint8_t deep[] = {
        DW_CFA_remember_state, DW_CFA_remember_state, DW_CFA_remember_state,
        DW_CFA_remember_state, DW_CFA_remember_state, DW_CFA_remember_state,
        DW_CFA_remember_state, DW_CFA_remember_state, DW_CFA_remember_state};
    static const uint8_t far[] = {DW_CFA_def_cfa_offset, 0x80, 0x80, 0x20};
    static const uint8_t least[] = {
        DW_CFA_offset | 6, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 1};
    static const uint8_t none[] = {DW_CFA_restore_state};
    static const uint8_t other[] = {
        DW_CFA_def_cfa_expression, 4, DW_OP_breg7, 8, DW_OP_lit1, DW_OP_plus};
    static const uint8_t far_part[] = {
        DW_CFA_def_cfa_expression, 7, DW_OP_breg7, 0x80, 0x80, 1, DW_OP_deref,
        DW_OP_plus_uconst,         8};
    static const uint8_t in_r11[] = {DW_CFA_def_cfa, 11, 24, DW_CFA_offset | 3, 7};
    static const uint8_t vfork[] = {DW_CFA_def_cfa_offset, 0, DW_CFA_register, REG_IP, 5};
    const uint32_t open = NGS_RULE(NGS_CFA_OTHERWISE, 0, 0, 0);
    static const uint8_t block[] = {DW_CFA_def_cfa_expression, 0xff, 0xff, 0x7f};
    struct unwind_rows r;

    rows_of(pushed, sizeof(pushed), 16, &r);
    tap_ok(r.n == 4 && r.v[0].pc == 0x1000 && r.v[0].rule == NGS_RULE(NGS_CFA_SP, 0, 0, 1) &&
               r.v[1].pc == 0x1001 && r.v[1].rule == NGS_RULE(NGS_CFA_SP, 0, 2, 2) &&
               r.v[2].pc == 0x1004 && r.v[2].rule == NGS_RULE(NGS_CFA_FP, 0, 2, 2) &&
               r.v[3].pc == 0x1010 && !r.v[3].rule,
           "a function that pushes rbp");
    free(r.v);
    rows_of(deep, sizeof(deep), 16, &r);
    tap_ok(!r.n, "states remembered without end: no rows");
    free(r.v);
    rows_of(least, sizeof(least), 16, &r);
    tap_ok(r.n && r.v[0].rule == open, "an offset that overflows: no rule");
    free(r.v);
    rows_of(none, sizeof(none), 16, &r);
    tap_ok(!r.n, "a state that was not remembered: no rows");
    free(r.v);
    rows_of(block, sizeof(block), 16, &r);
    tap_ok(!r.n, "an expression that is longer than its entry: no rows");
    free(r.v);
    rows_of(far, sizeof(far), 16, &r);
    tap_ok(r.n && r.v[0].rule == open, "a frame of 512 KiB: no rule");
    free(r.v);
    rows_of(other, sizeof(other), 16, &r);
    tap_ok(r.n && r.v[0].rule == open, "another expression: no rule");
    free(r.v);
    rows_of(far_part, sizeof(far_part), 16, &r);
    tap_ok(r.n && r.v[0].rule == open, "what lies 16 KiB above the stack pointer: no rule");
    free(r.v);
    rows_of(in_r11, sizeof(in_r11), 16, &r);
    tap_ok(r.n && r.v[0].rule == NGS_RULE(NGS_CFA_REG + 6, 7, 0, 3),
           "a CFA by r11, rbx saved below it");
    free(r.v);
    rows_of(vfork, sizeof(vfork), 16, &r);
    tap_ok(r.n && r.v[0].rule == NGS_RULE_PART(NGS_CFA_HELD, 0, 0, 0, 14),
           "an address that rdi holds");
    free(r.v);
    tap_ok(make((const uint8_t *)"", 0, 0, false, &r) && !r.n, "an empty section");
}

/* ---- the code of LuaJIT's interpreter ---- */

enum { VM_SIZE = 12000, VM_AT = 0x4000 };

struct vm {
    uint8_t code[VM_SIZE];
};

static const uint8_t *vm_at(void *arg, uint64_t vaddr, size_t size)
{
    struct vm *vm = arg;

    return vaddr == VM_AT && size == VM_SIZE ? vm->code : NULL;
}

/* One rule for all of it, as its own table says; false: no rows came of it. */
static bool vm_rows(struct vm *vm, struct unwind_rows *r)
{
    const struct unwind_code code = {vm_at, vm};

    *r = (struct unwind_rows){0};
    return unwind_add_row(r, VM_AT, NGS_RULE(NGS_CFA_SP, 3, 2, 10)) &&
           unwind_add_row(r, VM_AT + VM_SIZE, 0) && unwind_finish(r) &&
           (!unwind_luajit(arch_native(), &code, r) || unwind_finish(r));
}

static uint32_t rule_at(const struct unwind_rows *r, uint32_t at)
{
    uint32_t i = 0;

    while (i + 1 < r->n && r->v[i + 1].pc <= VM_AT + at)
        i++;
    return r->v[i].rule;
}

/* lj_vm_call's first instructions, lj_vm_leave_unw's, lj_vm_exit_handler's, lj_vm_floor's. */
static const uint8_t vm_saves[] = {0x55, 0x53, 0x41, 0x57, 0x41, 0x56, 0x48, 0x83, 0xec, 0x28};
static const uint8_t vm_restores[] = {0x48, 0x83, 0xc4, 0x28, 0x41, 0x5e,
                                      0x41, 0x5f, 0x5b, 0x5d, 0xc3};
static const uint8_t vm_exits[] = {0x41, 0x55, 0x41, 0x54, 0x41, 0x53, 0x41, 0x52,
                                   0x41, 0x51, 0x41, 0x50, 0x57, 0x56, 0x55};
static const uint8_t vm_back[] = {0x48, 0x89, 0xcc};
static const uint8_t vm_floor[] = {0x48, 0xb8, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
                                   0xff, 0x7f, 0x66, 0x48, 0x0f, 0x6e, 0xd0};

static void luajit(void)
{
    static const struct {
        const uint8_t *v;
        uint32_t n, at;
    } parts[] = {{vm_floor, sizeof(vm_floor), 100}, /* in lj_ff_math_abs, which is no helper */
                 {vm_saves, sizeof(vm_saves), 1000},
                 {vm_restores, sizeof(vm_restores), 2000},
                 {vm_exits, sizeof(vm_exits), 3000},
                 {vm_back, sizeof(vm_back), 3240},
                 {vm_floor, sizeof(vm_floor), 4000},
                 {vm_saves + 1, sizeof(vm_saves) - 1, 5000}}; /* lj_vm_ffi_callback */
    enum { OWN = 99 };
    static const struct {
        uint32_t at, words; /* 0: no rule */
    } want[] = {{0, OWN},    {100, OWN}, {999, OWN},  {1000, 1},   {1001, 2}, {1002, 3},
                {1004, 4},   {1006, 5},  {1010, OWN}, {2003, OWN}, {2004, 5}, {2006, 4},
                {2008, 3},   {2009, 2},  {2010, 1},   {2011, OWN}, {3000, 0}, {3242, 0},
                {3243, OWN}, {4000, 1},  {4999, 1},   {5000, 2},   {5001, 3}, {5009, OWN}};
    static struct vm vm;
    struct unwind_rows r;
    bool ok;

    memset(&vm, 0x90, sizeof(vm));
    for (size_t k = 0; k < sizeof(parts) / sizeof(*parts); k++)
        memcpy(vm.code + parts[k].at, parts[k].v, parts[k].n);
    ok = vm_rows(&vm, &r);
    for (size_t k = 0; ok && k < sizeof(want) / sizeof(*want); k++) {
        uint32_t w = want[k].words == OWN ? 10 : want[k].words;
        uint32_t rule = w ? NGS_RULE(NGS_CFA_SP, w >= 3 ? 3 : 0, w >= 2 ? 2 : 0, w)
                          : NGS_RULE(NGS_CFA_OTHERWISE, 0, 0, 0);

        ok = rule_at(&r, want[k].at) == rule;
        if (!ok)
            printf("# at %u: %#x, not %#x\n", want[k].at, rule_at(&r, want[k].at), rule);
    }
    tap_ok(ok, "LuaJIT's interpreter: where its frame is another");
    free(r.v);
    for (int round = 0; round < ROUNDS && ok; round++) {
        for (uint32_t k = random_below(40); k; k--) {
            const uint32_t which = random_below(sizeof(parts) / sizeof(*parts));
            const uint32_t n = 1 + random_below(parts[which].n);

            memcpy(vm.code + random_below(VM_SIZE - n), parts[which].v, n);
        }
        for (uint32_t k = 0; k < 16; k++) { /* at the end, too */
            const uint32_t n = 1 + random_below(sizeof(vm_saves));

            memcpy(vm.code + VM_SIZE - n, k % 2 ? vm_saves : vm_restores, n);
        }
        ok = vm_rows(&vm, &r) && in_order(&r);
        free(r.v);
    }
    tap_ok(ok, "... changed at random");
}

/* ---- tables without end ---- */

/* FDES functions of one CIE, each SIZE bytes, STEP apart from the next. */
static bool many(uint32_t fdes, uint32_t step, uint32_t size, struct unwind_rows *r)
{
    static const uint8_t cie[24] = {20,  0,    0,
                                    0,   0,    0,
                                    0,   0,    1,
                                    'z', 'R',  0,
                                    1,   0x78, 16,
                                    1,   0x1b, DW_CFA_def_cfa,
                                    7,   8,    DW_CFA_offset | 16,
                                    1};
    size_t all = sizeof(cie) + (size_t)fdes * 20;
    uint8_t *section = malloc(all), *p = section + sizeof(cie);

    memcpy(section, cie, sizeof(cie));
    for (uint32_t k = 0; k < fdes; k++, p += 20) {
        uint32_t back = (uint32_t)(p + 4 - section);
        uint32_t entry[5] = {16, back, 0x1000000 + k * step - (back + 4), size, 0};

        memcpy(p, entry, sizeof(entry));
    }
    bool made = make(section, all, 0, false, r);

    free(section);
    return made;
}

static void without_end(void)
{
    struct unwind_rows r;

    tap_ok(!many(1000000, 16, 8, &r) && !r.v, "a million functions with gaps: refused");
    tap_ok(many(200000, 16, 16, &r) && r.n == 2, "200,000 that say the same: one row");
    free(r.v);
    tap_ok(many(200000, 1, 16, &r) && in_order(&r) && r.n <= 200016,
           "200,000 that overlap: rows in order");
    free(r.v);
    tap_ok(many(200000, 0, 16, &r) && r.n == 2, "200,000 at one place: one row");
    free(r.v);
    /* an entry that is as long as its length's field, so that the next one is itself */
    static const uint8_t loops[] = {0xfc, 0xff, 0xff, 0xff, 0, 0, 0, 0};
    static const uint8_t long_one[] = {0xff, 0xff, 0xff, 0xff, 0xf4, 0xff, 0xff, 0xff,
                                       0xff, 0xff, 0xff, 0xff, 0,    0,    0,    0};

    tap_ok(make(loops, sizeof(loops), 0, false, &r) && !r.n &&
               make(long_one, sizeof(long_one), 0, false, &r) && !r.n &&
               make(long_one, sizeof(long_one), 0, true, &r) && !r.n,
           "lengths that lead back: no rows");
    /* an FDE that names itself, or the next one, as its CIE */
    static const uint8_t itself[] = {12, 0, 0, 0, 4, 0, 0, 0, 0, 16, 0, 0, 16, 0, 0, 0};

    tap_ok(make(itself, sizeof(itself), 0, false, &r) && !r.n, "an FDE that is its own CIE");
    /* an expression of 4,000 operations */
    uint8_t code[4003] = {DW_CFA_def_cfa_expression, 0xa0, 0x1f};

    memset(code + 3, DW_OP_lit1, sizeof(code) - 3);
    rows_of(code, sizeof(code), 16, &r);
    tap_ok(r.n && r.v[0].rule == NGS_RULE(NGS_CFA_OTHERWISE, 0, 0, 0),
           "an expression of 4,000 operations: no rule");
    free(r.v);
}

int main(void)
{
    uint32_t left = FILES_MAX;

    instructions();
    two_in_turns();
    luajit();
    without_end();
    changed_sections(false);
    changed_sections(true);
    changed_files();
    dlopen("libcrypto.so.3", RTLD_LAZY); /* if it is there: its assembly has the rare rules */
    dl_iterate_phdr(each_module, &left);
    return tap_done();
}
